//! LeCam's means over time: when they follow the batch, when the penalty acts, and how they are saved.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use frugan_autograd::{DType, Device, GraphMode, Result, Tensor, Var, grad_of_scalar};
use frugan_losses::{Lecam, LecamConfig};

const CONFIG: LecamConfig = LecamConfig { weight: 0.3, decay: 0.9, start_itr: 2 };

fn logits(values: &[f32]) -> Result<Var> {
    Ok(Var::leaf(Tensor::from_vec(values.to_vec(), (values.len(), 1), &candle_core::Device::Cpu)?))
}

#[test]
fn the_penalty_acts_after_the_start_and_reads_moved_means() -> Result<()> {
    let mut lecam = Lecam::new(CONFIG, DType::F32, &Device::Cpu)?;
    let (real, fake) = (logits(&[1.0, 2.0])?, logits(&[-1.0, -3.0])?);
    for itr in 0..=2 {
        assert!(lecam.step(&real, &fake, itr)?.is_none(), "at iteration {itr}");
    }
    assert!((lecam.mean_real().item()? - 1.5).abs() < 1e-6 && (lecam.mean_fake().item()? + 2.0).abs() < 1e-6);
    let later = logits(&[3.5, 3.5])?;
    let penalty = lecam.step(&later, &fake, 3)?.unwrap();
    // The means are 0.9 * 1.5 + 0.1 * 3.5 = 1.7 and -2: 5.5^2 on reals, (2.7^2 + 4.7^2) / 2 on fakes.
    assert!((lecam.mean_real().item()? - 1.7).abs() < 1e-6);
    assert!((penalty.item()? - 0.3 * (30.25 + 14.69)).abs() < 1e-5);
    let gradient = grad_of_scalar(&penalty, &[&later], GraphMode::Free)?;
    assert!((gradient[0].to_vec::<f32>()?[0] - 0.3 * 5.5).abs() < 1e-5, "the means take no gradient");
    Ok(())
}

#[test]
fn without_weight_nothing_is_computed() -> Result<()> {
    let mut lecam = Lecam::new(LecamConfig { weight: 0.0, ..CONFIG }, DType::F32, &Device::Cpu)?;
    assert!(lecam.step(&logits(&[9.0])?, &logits(&[9.0])?, 5000)?.is_none());
    assert_eq!(lecam.mean_real().item()?, 0.0);
    Ok(())
}

#[test]
fn a_restored_state_goes_on_bit_for_bit() -> Result<()> {
    let (real, fake) = (logits(&[0.3, 1.7])?, logits(&[-0.2, 0.4])?);
    let mut unbroken = Lecam::new(CONFIG, DType::F32, &Device::Cpu)?;
    unbroken.step(&real, &fake, 0)?;
    unbroken.step(&real, &fake, 5)?;
    let mut resumed = Lecam::new(CONFIG, DType::F32, &Device::Cpu)?;
    resumed.load_state(&unbroken.state_tensors()?)?;
    let next = |lecam: &mut Lecam| lecam.step(&fake, &real, 6)?.unwrap().item();
    assert_eq!(next(&mut unbroken)?.to_bits(), next(&mut resumed)?.to_bits());
    Ok(())
}

#[test]
fn a_wrong_state_is_refused_and_changes_nothing() -> Result<()> {
    let mut lecam = Lecam::new(CONFIG, DType::F32, &Device::Cpu)?;
    let mean = |value: f32| Tensor::new(value, &candle_core::Device::Cpu);
    let state = |entries: Vec<(&str, Tensor)>| entries.into_iter().map(|(name, t)| (name.to_string(), t)).collect();
    let cases: [(BTreeMap<String, Tensor>, &str); 3] = [
        (state(vec![("mean_real", mean(1.0)?)]), "mean_fake is missing"),
        (state(vec![("mean_real", mean(1.0)?), ("mean_fake", mean(1.0)?), ("mean", mean(1.0)?)]), "unexpected mean"),
        (
            state(vec![
                ("mean_real", mean(1.0)?),
                ("mean_fake", Tensor::zeros(2, candle_core::DType::F32, &candle_core::Device::Cpu)?),
            ]),
            "mean_fake is F32 [2]",
        ),
    ];
    for (state, want) in cases {
        let error = lecam.load_state(&state).unwrap_err().to_string();
        assert!(error.contains(want), "{error}");
        assert_eq!(lecam.mean_real().item()?, 0.0);
    }
    Ok(())
}
