//! Minibatch discrimination (Salimans et al. 2016, "Improved Techniques for Training GANs", section 3.2).

use frugan_autograd::{Result, Var, concat};

use crate::builder::Builder;
use crate::init::Init;

/// Appends to each image's features how close the batch's images are to it, so that D sees a collapsed G at once.
///
/// With T the weight, `M_i = f(x_i) T` as a matrix of `kernels` rows of length `kernel_dim`, image i gets
/// `o_b = sum_j exp(-|M_ib - M_jb|_1)` for each row b, over all images j of the batch (itself too, which adds 1). It
/// stands near D's end, on features `[n, features]`. Reals and fakes want batches of their own: D is to compare images
/// of one kind.
#[derive(Clone, Debug)]
pub struct MinibatchDiscrimination {
    weight: Var,
    kernels: [usize; 2],
}

impl MinibatchDiscrimination {
    /// `weight` is `[features, kernels * kernel_dim]`. The paper's code has 100 kernels of length 5 and draws from
    /// `Init::Normal(0.05)`.
    ///
    /// # Errors
    /// If a size is 0, or the tensor cannot be made.
    pub fn new(builder: &Builder, features: usize, kernels: usize, kernel_dim: usize, init: Init) -> Result<Self> {
        if features * kernels * kernel_dim == 0 {
            candle_core::bail!(
                "minibatch discrimination of {features} features by {kernels} kernels of length {kernel_dim}: want all \
                 above 0"
            )
        }
        let weight = builder.weight("weight", &[features, kernels * kernel_dim], init)?;
        Ok(Self { weight, kernels: [kernels, kernel_dim] })
    }

    /// `[n, features]` to `[n, features + kernels]`, the input first.
    ///
    /// # Errors
    /// If the shape does not fit.
    pub fn forward(&self, x: &Var) -> Result<Var> {
        concat(&[x, &closeness(x, &self.weight, self.kernels)?], 1)
    }
}

/// `o` of all images, `[n, kernels]`.
fn closeness(x: &Var, weight: &Var, [kernels, kernel_dim]: [usize; 2]) -> Result<Var> {
    let m = x.matmul(weight)?;
    let n = m.dims()[0];
    let (rows, columns) = (m.reshape(&[n, 1, kernels, kernel_dim])?, m.reshape(&[1, n, kernels, kernel_dim])?);
    let distances = rows.sub(&columns)?.abs()?.sum_keep(&[3])?;
    distances.neg()?.exp()?.sum_keep(&[1])?.reshape(&[n, kernels])
}

#[cfg(test)]
mod tests {
    use frugan_autograd::check::{gradgradcheck, spread};
    use frugan_autograd::{DType, Device, Tensor};

    use super::*;
    use crate::stream::Purpose;

    fn matrix(values: &[f64], shape: (usize, usize)) -> Var {
        Var::leaf(Tensor::from_slice(values, shape, &candle_core::Device::Cpu).expect("the shape fits"))
    }

    #[test]
    fn closeness_is_its_formula() {
        // One feature, two kernels of length 2: M = x (1, -2; 0.5, 0).
        let weight = matrix(&[1.0, -2.0, 0.5, 0.0], (1, 4));
        let x = [0.3f64, 1.0, -0.2];
        let got = closeness(&matrix(&x, (3, 1)), &weight, [2, 2]).and_then(|o| o.to_vec::<f64>()).expect("it computes");
        for (i, a) in x.iter().enumerate() {
            for (kernel, length) in [3f64, 0.5].iter().enumerate() {
                let want: f64 = x.iter().map(|b| (-length * (a - b).abs()).exp()).sum();
                assert!((got[2 * i + kernel] - want).abs() < 1e-12, "image {i}, kernel {kernel}");
            }
        }
    }

    #[test]
    fn equal_images_are_as_close_as_can_be() -> Result<()> {
        let builder = Builder::new(1, Purpose::new("test"), DType::F64, &Device::Cpu);
        let layer = MinibatchDiscrimination::new(&builder, 2, 3, 4, Init::Normal(0.05))?;
        let out = layer.forward(&matrix(&[0.5, -1.0, 0.5, -1.0, 0.5, -1.0, 0.5, -1.0], (4, 2)))?;
        assert_eq!(out.dims(), [4, 5]);
        assert_eq!(out.narrow(0, 2, 1)?.to_vec::<f64>()?, [0.5, -1.0, 4.0, 4.0, 4.0]);
        assert_eq!(builder.finish().get("weight").map(|w| w.dims().to_vec()), Some(vec![2, 12]));
        Ok(())
    }

    #[test]
    fn both_orders_of_gradients() -> Result<()> {
        let inputs = [spread(&[3, 2], -1.0, 1.0, 1)?, spread(&[2, 6], -1.0, 1.0, 2)?];
        gradgradcheck(|v| closeness(&v[0], &v[1], [2, 3]), &inputs)
    }

    #[test]
    fn sizes_of_0_are_refused() {
        let builder = Builder::new(1, Purpose::new("test"), DType::F64, &Device::Cpu);
        let error = MinibatchDiscrimination::new(&builder, 2, 0, 4, Init::N02).expect_err("no kernel").to_string();
        assert!(error.contains("0 kernels of length 4: want all above 0"), "{error}");
    }
}
