//! The losses against their formulas written out, and their gradients against differences.
#![allow(clippy::unwrap_used)]

use frugan_autograd::{GraphMode, Result, Tensor, Var, grad_of_scalar};
use frugan_losses::{Adversarial, Pairing, add_orthogonal_gradients, orthogonal_gradient};

const ALL: [Adversarial; 7] = [
    Adversarial::Hinge,
    Adversarial::NonSaturating,
    Adversarial::Bce { label_smoothing: 0.1 },
    Adversarial::LeastSquares,
    Adversarial::LeastSquaresLecam,
    Adversarial::Wasserstein { drift: 0.001 },
    Adversarial::RelativisticAverageHinge,
];

const REAL: [f64; 5] = [1.7, -0.3, 0.4, 2.6, -1.9];
const FAKE: [f64; 3] = [-0.7, 0.9, -2.2];

fn logits(values: &[f64]) -> Result<Var> {
    Ok(Var::leaf(Tensor::from_vec(values.to_vec(), (values.len(), 1), &candle_core::Device::Cpu)?))
}

fn mean(values: impl IntoIterator<Item = f64>) -> f64 {
    let values: Vec<f64> = values.into_iter().collect();
    values.iter().sum::<f64>() / values.len() as f64
}

#[test]
fn smoothed_cross_entropy_is_its_formula() -> Result<()> {
    let loss = Adversarial::Bce { label_smoothing: 0.1 };
    let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
    let entropy = |x: f64, target: f64| -target * sigmoid(x).ln() - (1.0 - target) * (1.0 - sigmoid(x)).ln();
    let d = loss.discriminator(&logits(&REAL)?, &logits(&FAKE)?)?;
    assert!((d.real.item()? - mean(REAL.map(|x| entropy(x, 0.9)))).abs() < 1e-12);
    assert!((d.fake.item()? - mean(FAKE.map(|x| entropy(x, 0.0)))).abs() < 1e-12);
    let g = loss.generator(&logits(&FAKE)?, None)?.item()?;
    assert!((g - mean(FAKE.map(|x| entropy(x, 1.0)))).abs() < 1e-12);
    Ok(())
}

#[test]
fn the_relativistic_generator_is_its_formula() -> Result<()> {
    let g = Adversarial::RelativisticAverageHinge.generator(&logits(&FAKE)?, Some(&logits(&REAL)?))?.item()?;
    let (real, fake) = (mean(REAL), mean(FAKE));
    let on_real = mean(REAL.map(|x| (1.0 + (x - fake)).max(0.0) / 2.0));
    let on_fake = mean(FAKE.map(|x| (1.0 - (x - real)).max(0.0) / 2.0));
    assert!((g - on_real - on_fake).abs() < 1e-12);
    Ok(())
}

#[test]
fn who_needs_reals_says_so() -> Result<()> {
    for loss in ALL {
        let without = loss.generator(&logits(&FAKE)?, None);
        assert_eq!(without.is_err(), loss.generator_needs_real(), "{loss:?}");
        if let Err(error) = without {
            assert!(error.to_string().contains("give it real logits"), "{error}");
        }
    }
    Ok(())
}

/// D's and G's gradients of every loss against central differences.
#[test]
fn gradients_are_the_slopes() -> Result<()> {
    for loss in ALL {
        let d = |real: &[f64], fake: &[f64]| loss.discriminator(&logits(real)?, &logits(fake)?)?.total.item();
        let g = |fake: &[f64]| loss.generator(&logits(fake)?, Some(&logits(&REAL)?))?.item();
        let (real, fake) = (logits(&REAL)?, logits(&FAKE)?);
        let total = loss.discriminator(&real, &fake)?.total;
        let of_d = grad_of_scalar(&total, &[&real, &fake], GraphMode::Free)?;
        let of_g = grad_of_scalar(&loss.generator(&fake, Some(&real))?, &[&fake], GraphMode::Free)?;
        let close = |slope: f64, got: f64, what: &str| {
            assert!((slope - got).abs() < 1e-7, "{loss:?} {what}: {got} for {slope}")
        };
        for i in 0..REAL.len() {
            close(slope(|x| d(x, &FAKE), &REAL, i)?, of_d[0].to_vec::<f64>()?[i], "d, real");
        }
        for i in 0..FAKE.len() {
            close(slope(|x| d(&REAL, x), &FAKE, i)?, of_d[1].to_vec::<f64>()?[i], "d, fake");
            close(slope(g, &FAKE, i)?, of_g[0].to_vec::<f64>()?[i], "g, fake");
        }
    }
    Ok(())
}

fn slope(f: impl Fn(&[f64]) -> Result<f64>, at: &[f64], i: usize) -> Result<f64> {
    let moved = |by: f64| at.iter().enumerate().map(|(j, v)| if i == j { v + by } else { *v }).collect::<Vec<_>>();
    Ok((f(&moved(1e-6))? - f(&moved(-1e-6))?) / 2e-6)
}

#[test]
fn each_pairing_takes_its_second_half_from_the_right_images() -> Result<()> {
    let (x, t_of_x) = (logits(&[1.0])?, logits(&[2.0])?);
    let a = |images: &Var| images.scale(10.0);
    for (pairing, want) in [(Pairing::Augmented, 10.0), (Pairing::AugmentedAfterT, 20.0), (Pairing::Raw, 1.0)] {
        assert_eq!(pairing.paired(&x, &t_of_x, a)?.item()?, want, "{pairing:?}");
    }
    Ok(())
}

#[test]
fn orthogonal_rows_are_left_alone_and_others_pushed_apart() -> Result<()> {
    let matrix = |values: Vec<f64>| Tensor::from_vec(values, (2, 2), &candle_core::Device::Cpu).map(Var::leaf);
    let orthogonal = orthogonal_gradient(&matrix(vec![3.0, 0.0, 0.0, 0.5])?, 1.0)?;
    assert_eq!(orthogonal.to_vec::<f64>()?, [0.0; 4]);
    // Rows (1, 0) and (1, 2): their product is 1, so each gradient row is twice the other row.
    let skew = orthogonal_gradient(&matrix(vec![1.0, 0.0, 1.0, 2.0])?, 1.0)?;
    assert_eq!(skew.to_vec::<f64>()?, [2.0, 4.0, 2.0, 0.0]);
    Ok(())
}

#[test]
fn biases_and_the_shared_embedding_take_no_orthogonal_gradient() -> Result<()> {
    let weight = Var::leaf(Tensor::from_vec(vec![1f32, 0., 1., 2.], (2, 2), &candle_core::Device::Cpu)?);
    let bias = Var::leaf(Tensor::from_vec(vec![1f32, 2.], 2, &candle_core::Device::Cpu)?);
    let named = [("shared.weight", &weight), ("linear.weight", &weight), ("linear.bias", &bias)];
    let mut gradients = [weight.zeros_like()?, weight.zeros_like()?, bias.zeros_like()?];
    add_orthogonal_gradients(&mut gradients, named, 0.5)?;
    assert_eq!(gradients[0].to_vec::<f32>()?, [0.0; 4]);
    assert_eq!(gradients[1].to_vec::<f32>()?, [1.0, 2.0, 1.0, 0.0]);
    assert_eq!(gradients[2].to_vec::<f32>()?, [0.0; 2]);
    Ok(())
}
