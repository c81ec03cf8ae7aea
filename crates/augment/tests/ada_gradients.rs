//! First and second derivatives of ADA's pipe, in f64 against central differences.
#![allow(clippy::unwrap_used)]

use frugan_augment::ada::Pipe;
use frugan_augment::{AugmentConfig, Augmentation};
use frugan_autograd::check::{gradcheck, gradgradcheck, spread};
use frugan_autograd::{GraphMode, Result, grad_of_scalar};
use frugan_nn::{Purpose, Stream};

fn stream() -> Stream {
    Stream::new(4, Purpose::new("test.ada"), 0)
}

/// Small images, and ones large enough for the filter.
fn cases() -> [(&'static str, [usize; 4], f64); 8] {
    [
        ("blit", [3, 1, 4, 5], 1.0),
        ("geom", [3, 1, 5, 4], 1.0),
        ("color", [3, 3, 2, 3], 1.0),
        ("color", [2, 1, 2, 3], 1.0),
        ("bgc", [3, 3, 4, 4], 0.5),
        ("noise,cutout", [3, 2, 4, 4], 1.0),
        ("bgc", [2, 3, 3, 3], 0.0),
        ("filter", [1, 1, 22, 22], 1.0),
    ]
}

#[test]
fn every_part_of_the_pipe() -> Result<()> {
    for (name, shape, p) in cases() {
        for exact in [false, true] {
            let pipe = Pipe::parse(name).unwrap().exact_blit(exact);
            let draws = pipe.draw(shape[0], [shape[1], shape[2], shape[3]], &mut stream());
            gradcheck(|x| pipe.apply(&x[0], &draws, p)?.scale(1.0), &[spread(&shape, -1.0, 1.0, 3)?])?;
            if name != "filter" {
                gradgradcheck(|x| pipe.apply(&x[0], &draws, p)?.scale(1.0), &[spread(&shape, -1.0, 1.0, 3)?])?;
            }
        }
    }
    Ok(())
}

/// Behind a curved function the second derivative is not zero: R1 takes the gradient of such a gradient.
#[test]
fn r1_through_pipe_and_policy() -> Result<()> {
    let config = AugmentConfig { policy: "color,cutout".into(), ada: Some(Default::default()), ..Default::default() };
    let t = Augmentation::new(&config).unwrap();
    let shape = [2, 3, 4, 5];
    let draws = t.draw(2, [3, 4, 5], &mut stream(), &mut Stream::new(4, Purpose::new("test.augment"), 0));
    let penalty = |v: &[frugan_autograd::Var]| {
        let x = v[0].scale(1.0)?;
        let logits = t.apply(&x.square()?, &draws, 0.7)?.softplus()?.sum()?;
        grad_of_scalar(&logits, &[&x], GraphMode::Create)?[0].square()?.sum()
    };
    gradcheck(penalty, &[spread(&shape, -1.0, 1.0, 5)?])
}
