//! A recorded computation against the same one run eagerly.

use anyhow::Result;
use frugan_autograd::check::spread;
use frugan_autograd::{
    Conv2dConfig, DType, Device, GraphMode, Result as TensorResult, Var, cuda, fetch, grad_of_scalar, update,
};

use super::report::Check;

/// A small discriminator with a gradient penalty: convolution, norm, activation; first and second gradients.
fn penalised(x: &Var, w: &Var) -> TensorResult<Vec<Var>> {
    let x = x.as_leaf();
    let y = x.conv2d(w, None, Conv2dConfig::same(3))?.leaky_relu(0.2)?.avg_pool2()?;
    let scale = y.sum_keep(&[2, 3])?.reshape(&[y.dims()[0], y.dims()[1]])?.sigmoid()?;
    let logits = y.batch_norm(&scale, &scale, 1e-5, true)?.sum()?;
    let by_image = &grad_of_scalar(&logits, &[&x], GraphMode::Create)?[0];
    let loss = logits.add(&by_image.square()?.sum()?)?;
    Ok([vec![loss.detach()], grad_of_scalar(&loss, &[w], GraphMode::Free)?].concat())
}

/// Replays with other numbers than those that it was recorded with; not a bit may differ.
pub(super) fn compare(device: Device) -> Result<Check> {
    let array = |shape: &[usize], salt| -> TensorResult<Var> {
        Var::leaf(spread(shape, -1.0, 1.0, salt)?.to_dtype(DType::F32)?).to_device(&device)
    };
    let (images, filter) = ([16, 32, 16, 16], [64, 32, 3, 3]);
    let (x, w) = (array(&images, 1)?, array(&filter, 2)?);
    let graph = cuda::capture(device, || penalised(&x, &w))?;
    let mut error = 0.0;
    for salt in [3, 4] {
        update::assign(&x, &array(&images, salt)?)?;
        update::assign(&w, &array(&filter, salt + 10)?)?;
        let eager = penalised(&x, &w)?;
        graph.replay()?;
        let [got, want] = [&graph.outputs, &eager].map(|vars| fetch(&vars.iter().collect::<Vec<_>>()));
        for (got, want) in got?.concat().iter().zip(want?.concat()) {
            error = f64::max(error, if *got == want { 0.0 } else { (got - want).abs().max(f64::MIN_POSITIVE) });
        }
    }
    Ok(Check { name: "a replayed graph".to_string(), passed: error == 0.0, errors: vec![error], tolerance: 0.0 })
}
