//! The smaller tricks: values by hand, gradients against differences.
#![allow(clippy::unwrap_used)]

use frugan_autograd::check::{gradgradcheck, spread};
use frugan_autograd::{GraphMode, Ints, Result, Tensor, Var, grad_of_scalar};
use frugan_losses::{
    AcganConfig, Adversarial, FeatureMatchingConfig, InstanceNoiseConfig, class_loss, feature_matching, flip_labels,
};

fn matrix(values: &[f64], columns: usize) -> Result<Var> {
    let shape = (values.len() / columns, columns);
    Ok(Var::leaf(Tensor::from_vec(values.to_vec(), shape, &candle_core::Device::Cpu)?))
}

#[test]
fn feature_matching_is_the_distance_of_means() -> Result<()> {
    let real = matrix(&[1.0, 2.0, 3.0, 6.0], 2)?; // means 2 and 4
    let fake = matrix(&[0.0, 3.0, 1.0, 3.0, 2.0, 0.0], 2)?; // means 1 and 2
    let loss = feature_matching(&real, &fake)?;
    assert_eq!(loss.item()?, 1.0 + 4.0);
    let gradients = grad_of_scalar(&loss, &[&real, &fake], GraphMode::Free)?;
    assert_eq!(gradients[0].to_vec::<f64>()?, [0.0; 4], "reals take none");
    for (got, want) in gradients[1].to_vec::<f64>()?.into_iter().zip([-2.0 / 3.0, -4.0 / 3.0].repeat(3)) {
        assert!((got - want).abs() < 1e-12);
    }
    let error = feature_matching(&real, &matrix(&[0.0; 3], 3)?).unwrap_err().to_string();
    assert!(error.contains("[2, 2] and [1, 3]"), "{error}");
    Ok(())
}

#[test]
fn feature_matching_is_weighted() -> Result<()> {
    let (real, fake) = (matrix(&[1.0, 1.0], 2)?, matrix(&[0.0, 3.0], 2)?);
    let config = FeatureMatchingConfig { weight: 2.0, ..FeatureMatchingConfig::default() };
    assert_eq!(config.generator(&real, &fake)?.item()?, 10.0);
    Ok(())
}

#[test]
fn flipped_labels_are_exchanged_logits() -> Result<()> {
    let (real, fake) = (matrix(&[1.0, 2.0, 3.0], 1)?, matrix(&[-1.0, -2.0, -3.0], 1)?);
    let (as_real, as_fake) = flip_labels(&real, &fake, &[false, true, false])?;
    assert_eq!(as_real.to_vec::<f64>()?, [1.0, -2.0, 3.0]);
    assert_eq!(as_fake.to_vec::<f64>()?, [-1.0, 2.0, -3.0]);
    // The loss of the flipped pair is that of a real at -2 and of a fake at 2.
    let d = Adversarial::NonSaturating.discriminator(&as_real, &as_fake)?;
    let softplus = |x: f64| x.exp().ln_1p();
    let real_part = (softplus(-1.0) + softplus(2.0) + softplus(-3.0)) / 3.0;
    assert!((d.real.item()? - real_part).abs() < 1e-12);
    let gradient = grad_of_scalar(&d.total, &[&real], GraphMode::Free)?[0].to_vec::<f64>()?;
    assert!(gradient[0] < 0.0 && gradient[1] > 0.0 && gradient[2] < 0.0, "{gradient:?}");
    let error = flip_labels(&real, &fake, &[true]).unwrap_err().to_string();
    assert!(error.starts_with("label_flip: [3, 1] and [3, 1] with 1 coins"), "{error}");
    Ok(())
}

#[test]
fn instance_noise_fades() -> Result<()> {
    let config = InstanceNoiseConfig { std0: 0.2, until_kimg: 100.0 };
    assert_eq!([0.0, 25.0, 100.0, 1e9].map(|kimg| config.std_at(kimg)), [0.2, 0.2 * 0.75, 0.0, 0.0]);
    let (images, noise) = (matrix(&[0.5, -0.5], 2)?, matrix(&[1.0, -2.0], 2)?);
    let noisy = config.add(&images, 50.0, || Ok(noise.clone()))?;
    assert_eq!(noisy.to_vec::<f64>()?, [0.6, -0.7]);
    let faded = config.add(&images, 100.0, || panic!("no draw is wanted any more"))?;
    assert_eq!(faded.to_vec::<f64>()?, [0.5, -0.5]);
    Ok(())
}

#[test]
fn cross_entropy_is_its_formula_and_never_overflows() -> Result<()> {
    let logits = [0.3, -1.2, 2.0, 0.0, 0.0, 0.0];
    let got = class_loss(&matrix(&logits, 3)?, &Ints::from(vec![2, 1]))?.item()?;
    let log_sum = |row: &[f64]| row.iter().map(|x| x.exp()).sum::<f64>().ln();
    let want = (log_sum(&logits[..3]) - 2.0 + log_sum(&logits[3..])) / 2.0;
    assert!((got - want).abs() < 1e-12, "{got} for {want}");
    let extreme = matrix(&[1e6, -1e6, 0.0, -1e6, -2e6, -1e6], 3)?;
    let loss = class_loss(&extreme, &Ints::from(vec![0, 1]))?;
    assert!((loss.item()? - (1e6 + 2f64.ln()) / 2.0).abs() < 1e-6, "{}", loss.item()?);
    let gradient = grad_of_scalar(&loss, &[&extreme], GraphMode::Free)?[0].to_vec::<f64>()?;
    assert_eq!(gradient, [0.0, 0.0, 0.0, 0.25, -0.5, 0.25]);
    Ok(())
}

#[test]
fn labels_that_cannot_be_are_named() -> Result<()> {
    let logits = matrix(&[0.0; 6], 3)?;
    for (labels, want) in [
        (vec![0, 3], "class_loss: label 3, expected 0 to 2"),
        (vec![0, -1], "class_loss: label -1, expected 0 to 2"),
        (vec![0], "class_loss: 1 labels for 2 images"),
    ] {
        assert_eq!(class_loss(&logits, &Ints::from(labels)).unwrap_err().to_string(), want);
    }
    Ok(())
}

#[test]
fn acgan_adds_the_parts_it_is_told_to() -> Result<()> {
    let (real, fake) = (matrix(&[1.0, 0.0], 2)?, matrix(&[0.0, 3.0], 2)?);
    let (zero, one) = (Ints::from(vec![0]), Ints::from(vec![1]));
    let (on_real, on_fake) = ((-1f64).exp().ln_1p(), (-3f64).exp().ln_1p());
    let close = |got: Var, want: f64| got.item().map(|got| assert!((got - want).abs() < 1e-12, "{got} for {want}"));
    let both = AcganConfig { d_weight: 2.0, g_weight: 0.5, d_fake: true };
    close(both.discriminator((&real, &zero), (&fake, &one))?, 2.0 * (on_real + on_fake))?;
    close(both.generator((&fake, &one))?, 0.5 * on_fake)?;
    let reals_only = AcganConfig { d_fake: false, ..both };
    close(reals_only.discriminator((&real, &zero), (&fake, &one))?, 2.0 * on_real)
}

#[test]
fn both_orders_of_gradients() -> Result<()> {
    let rows = |salt| spread(&[3, 4], -2.0, 2.0, salt);
    gradgradcheck(|v| class_loss(&v[0], &Ints::from(vec![3, 0, 3])), &[rows(1)?])?;
    let real = Var::from(rows(2)?);
    gradgradcheck(|v| feature_matching(&real, &v[0]), &[rows(3)?])?;
    let flipped = |v: &[Var]| {
        let (as_real, as_fake) = flip_labels(&v[0], &v[1], &[true, false, true])?;
        as_real.square()?.mul(&as_fake)
    };
    gradgradcheck(flipped, &[rows(4)?, rows(5)?])?;
    let noise = InstanceNoiseConfig::default();
    gradgradcheck(|v| noise.add(&v[0], 10.0, || Ok(real.clone()))?.square(), &[rows(6)?])
}
