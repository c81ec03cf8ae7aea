//! First and second derivatives of every policy, in f64 against central differences.

use frugan_augment::{CrAugment, Policy};
use frugan_autograd::check::{gradcheck, gradgradcheck, spread};
use frugan_autograd::{GraphMode, Result, Tensor, Var, grad_of_scalar};
use frugan_nn::{Purpose, Stream};

const SHAPE: [usize; 4] = [2, 3, 5, 8];

fn stream() -> Stream {
    Stream::new(4, Purpose::new("test.augment"), 0)
}

fn images() -> Result<Tensor> {
    spread(&SHAPE, -1.0, 1.0, 3)
}

#[test]
fn every_policy() -> Result<()> {
    for policy in [
        "",
        "brightness",
        "saturation",
        "contrast",
        "translation",
        "cutout",
        "grayscale",
        "grayscale,color,grayscale,cutout",
        "color,translation,cutout",
        "cutout,translation,color",
        "translation,color,translation,cutout,cutout,color",
    ] {
        let policy = Policy::parse(policy).map_err(frugan_autograd::Error::wrap)?;
        let draws = policy.draw(SHAPE[0], SHAPE[2], SHAPE[3], &mut stream());
        gradgradcheck(|x| policy.apply(&x[0], &draws)?.scale(1.0), &[images()?])?;
    }
    Ok(())
}

/// Behind a curved function the second derivative is not zero: R1 takes the gradient of such a gradient.
#[test]
fn second_order_through_a_curved_function() -> Result<()> {
    let policy = Policy::parse("color,translation,cutout").map_err(frugan_autograd::Error::wrap)?;
    let draws = policy.draw(SHAPE[0], SHAPE[2], SHAPE[3], &mut stream());
    gradgradcheck(|x| policy.apply(&x[0].mul(&x[0])?, &draws)?.tanh(), &[images()?])?;
    let penalty = |v: &[Var]| {
        let x = v[0].scale(1.0)?;
        let logits = policy.apply(&x, &draws)?.softplus()?.sum()?;
        grad_of_scalar(&logits, &[&x], GraphMode::Create)?[0].square()?.sum()
    };
    gradcheck(penalty, &[images()?])
}

#[test]
fn the_augmentation_of_consistency() -> Result<()> {
    let a = CrAugment::parse("flip,translation").map_err(frugan_autograd::Error::wrap)?;
    let draws = a.draw(SHAPE[0], SHAPE[2], SHAPE[3], &mut stream());
    gradgradcheck(|x| a.apply(&x[0], &draws), &[images()?])
}
