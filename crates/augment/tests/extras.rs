//! Transforms beyond the paper's, through a policy.

use frugan_augment::{Draw, Policy};
use frugan_autograd::{Result, Tensor, Var};
use frugan_nn::{Purpose, Stream};

#[test]
fn a_fifth_of_the_images_lose_their_colours() -> Result<()> {
    let policy = Policy::parse("grayscale").map_err(frugan_autograd::Error::wrap)?;
    let n = 2000;
    let draws = policy.draw(n, 1, 1, &mut Stream::new(0, Purpose::new("test.augment"), 0));
    let red = Tensor::from_vec([0.5f32, 0.0, -0.25].repeat(n), (n, 3, 1, 1), &candle_core::Device::Cpu)?;
    let out = policy.apply(&Var::from(red), &draws)?.to_vec::<f32>()?;
    let mean = 0.25f32 / 3.0;
    let grey = |pixel: &&[f32]| pixel.iter().all(|v| (v - mean).abs() < 1e-6);
    let count = out.chunks(3).filter(grey).count();
    assert!((340..460).contains(&count), "{count} of {n}");
    assert_eq!(out.chunks(3).filter(|pixel| **pixel == [0.5, 0.0, -0.25]).count(), n - count, "the others stay");
    // A part of a batch is augmented as inside the whole.
    let [Draw::Extra { values, .. }] = draws.as_slice() else { panic!("{draws:?}") };
    let part = draws.narrow(7, 3);
    let [Draw::Extra { values: few, .. }] = part.as_slice() else { panic!("{part:?}") };
    assert_eq!(values[7..10], few[..]);
    Ok(())
}

#[test]
fn their_names_are_known_beside_the_papers() {
    let error = Policy::parse("translation,greyscale").expect_err("a misspelt name").to_string();
    assert!(error.contains("did you mean \"grayscale\"?") && error.contains("contrast, grayscale"), "{error}");
    let policy = Policy::parse("grayscale, cutout").expect("known names");
    assert_eq!(policy.to_string(), "grayscale,cutout");
}
