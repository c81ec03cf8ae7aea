//! APA's controller over time, what it shows D, and its state.
#![allow(clippy::unwrap_used)]

use frugan_autograd::{Ints, Result, Tensor, Var};
use frugan_losses::{Apa, ApaConfig, ApaState};

const CONFIG: ApaConfig = ApaConfig { target: 0.6, kimg: 1.0, interval_steps: 2 };

fn logits(values: &[f32]) -> Result<Var> {
    Ok(Var::leaf(Tensor::from_vec(values.to_vec(), (values.len(), 1), &candle_core::Device::Cpu)?))
}

#[test]
fn p_follows_the_sign_of_d_on_reals() -> Result<()> {
    let mut apa = Apa::new(CONFIG);
    let (sure, unsure) = (logits(&[3.0, 0.1, 2.0, 9.0])?, logits(&[1.0, -1.0, 1.0, 0.0])?);
    apa.step(&sure)?;
    assert_eq!(apa.p(), 0.0, "p changes every second step");
    apa.step(&sure)?;
    // Two steps of four images are 8 of the 1,000 over which p may go from 0 to 1.
    assert_eq!(apa.p(), 0.008);
    // The signs of both steps count: (4 + 1) / 8 is above the target, 2 / 8 below.
    apa.step(&sure)?;
    apa.step(&unsure)?;
    assert_eq!(apa.p(), 0.016);
    for _ in 0..2 {
        apa.step(&unsure)?;
    }
    assert_eq!(apa.p(), 0.008);
    for _ in 0..6 {
        apa.step(&unsure)?;
    }
    assert_eq!(apa.p(), 0.0, "never below 0");
    Ok(())
}

#[test]
fn at_the_target_p_stays() -> Result<()> {
    let mut apa = Apa::new(ApaConfig { target: 0.5, ..CONFIG });
    for _ in 0..2 {
        apa.step(&logits(&[1.0, 1.0, 1.0, -1.0])?)?;
    }
    assert_eq!(apa.p(), 0.0);
    Ok(())
}

#[test]
fn the_deceived_are_shown_as_fakes_in_their_places() -> Result<()> {
    let mut apa = Apa::new(CONFIG);
    assert_eq!(apa.deceived(&[0.0, 0.9]), [false, false], "none at p = 0");
    apa.load_state(ApaState { level: 250, ..ApaState::default() });
    let deceived = apa.deceived(&[0.1, 0.25, 0.9]);
    assert_eq!(deceived, [true, false, false]);
    let (real, fake) = (logits(&[1.0, 2.0, 3.0])?, logits(&[-1.0, -2.0, -3.0])?);
    let (kept, made) = (Ints::from(vec![1, 2, 3]), Ints::from(vec![7, 8, 9]));
    let (images, labels) = Apa::mix((&real, &kept), (&fake, &made), &deceived)?;
    assert_eq!((images.to_vec::<f32>()?, labels.to_vec()?), (vec![-1.0, 2.0, 3.0], vec![7, 2, 3]));
    let error = Apa::mix((&real, &kept), (&logits(&[0.0])?, &made), &deceived).unwrap_err().to_string();
    assert!(error.starts_with("apa: [3, 1] and [1, 1] with 3 coins"), "{error}");
    let error = Apa::mix((&real, &kept), (&fake, &Ints::from(vec![7])), &deceived).unwrap_err().to_string();
    assert!(error.starts_with("apa: 3 and 1 labels for 3 images"), "{error}");
    Ok(())
}

#[test]
fn a_restored_state_goes_on_as_the_unbroken_one() -> Result<()> {
    let steps: Vec<Var> = (0..7).map(|i| logits(&[i as f32 - 2.0, 1.0, -0.5])).collect::<Result<_>>()?;
    let mut unbroken = Apa::new(CONFIG);
    let mut resumed = Apa::new(CONFIG);
    for step in &steps[..3] {
        unbroken.step(step)?;
    }
    let saved = serde_json::to_string(&unbroken.state()).unwrap();
    resumed.load_state(serde_json::from_str(&saved).unwrap());
    for step in &steps[3..] {
        unbroken.step(step)?;
        resumed.step(step)?;
    }
    assert_eq!(unbroken.state(), resumed.state());
    assert!(serde_json::from_str::<ApaState>(r#"{"level": 5, "q": 1}"#).is_err());
    Ok(())
}
