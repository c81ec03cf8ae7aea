//! A two-layer candle-nn model learns through DiffAugment with candle's own backward.
#![allow(clippy::unwrap_used)]

use candle_core::{DType, Device, Result, Tensor};
use candle_nn::{AdamW, Linear, Module, Optimizer, ParamsAdamW, VarBuilder, VarMap, linear};
use frugan_augment::Policy;
use frugan_autograd::{GraphMode, Var, grad};
use frugan_nn::{Purpose, Stream};

const BATCH: usize = 8;
const SIDE: usize = 16;

/// From a code to an image: what G is, at its smallest.
struct Painter {
    hidden: Linear,
    pixels: Linear,
}

impl Painter {
    fn new(vb: &VarBuilder) -> Result<Self> {
        Ok(Self { hidden: linear(4, 64, vb.pp("hidden"))?, pixels: linear(64, 3 * SIDE * SIDE, vb.pp("pixels"))? })
    }

    fn paint(&self, z: &Tensor) -> Result<Tensor> {
        let flat = self.pixels.forward(&self.hidden.forward(z)?.relu()?)?.tanh()?;
        flat.reshape((BATCH, 3, SIDE, SIDE))
    }
}

fn normals(dims: &[usize], purpose: &str) -> Result<Tensor> {
    let values = Stream::new(5, Purpose::new(purpose), 0).normals(dims.iter().product());
    Tensor::from_vec(values, dims, &Device::Cpu)
}

/// The loss compares T(painted) with T(target): only a gradient that comes back through T can lower it.
#[test]
fn the_loss_falls() -> Result<()> {
    let variables = VarMap::new();
    let painter = Painter::new(&VarBuilder::from_varmap(&variables, DType::F32, &Device::Cpu))?;
    let mut optimizer = AdamW::new(variables.all_vars(), ParamsAdamW { lr: 3e-3, ..Default::default() })?;
    let policy = Policy::parse("color,translation,cutout").unwrap();
    let (z, target) = (normals(&[BATCH, 4], "z")?, (normals(&[BATCH, 3, SIDE, SIDE], "target")? * 0.3)?);
    let mut losses = Vec::new();
    for step in 0..300 {
        let draws = policy.draw(BATCH, SIDE, SIDE, &mut Stream::new(5, Purpose::new("test.augment"), step));
        let painted = policy.apply_tensor(&painter.paint(&z)?, &draws)?;
        let loss = (painted - policy.apply_tensor(&target, &draws)?)?.sqr()?.mean_all()?;
        optimizer.backward_step(&loss)?;
        losses.push(loss.to_scalar::<f32>()?);
    }
    let mean = |losses: &[f32]| losses.iter().sum::<f32>() / losses.len() as f32;
    let (first, last) = (mean(&losses[..10]), mean(&losses[290..]));
    assert!(last < 0.05 * first, "from {first} to {last}");
    // It learned the images themselves, though it never saw one that was not augmented.
    let error = (painter.paint(&z)? - &target)?.sqr()?.mean_all()?.to_scalar::<f32>()?;
    assert!(error < 0.05 * 0.09, "{error}");
    Ok(())
}

/// candle's gradient through T is the tape's.
#[test]
fn both_tapes_agree() -> Result<()> {
    let policy = Policy::parse("color,cutout,translation").unwrap();
    let draws = policy.draw(BATCH, SIDE, SIDE, &mut Stream::new(5, Purpose::new("test.augment"), 0));
    let (x, cotangent) = (normals(&[BATCH, 3, SIDE, SIDE], "x")?, normals(&[BATCH, 3, SIDE, SIDE], "cotangent")?);
    let leaf = Var::leaf(x.clone());
    let of_tape = grad(&[&policy.apply(&leaf, &draws)?], &[&cotangent.clone().into()], &[&leaf], GraphMode::Free)?;
    let variable = candle_core::Var::from_tensor(&x)?;
    let weighted = (policy.apply_tensor(&variable, &draws)? * cotangent)?.sum_all()?;
    let of_candle = weighted.backward()?.get(&variable).unwrap().flatten_all()?.to_vec1::<f32>()?;
    assert_eq!(of_candle, of_tape[0].to_vec::<f32>()?);
    Ok(())
}
