use candle_core::{Device as Host, Tensor};
use frugan_autograd::{Conv2dConfig, Device, Var};
use frugan_nn::Precision;

use crate::Result;
use crate::inception::{Weights, rounding};

/// Batch norm's epsilon in the 2015 graph.
const EPSILON: f64 = 1e-3;

/// Convolution without bias, batch norm with stored statistics and ReLU, folded into one convolution.
#[derive(Clone, Debug)]
pub(crate) struct Conv {
    weight: Var,
    bias: Var,
    config: Conv2dConfig,
    precision: Precision,
}

impl Conv {
    /// `shape` is `[out, in, height, width]` of the filter, `padding` `[rows, columns]`.
    pub(crate) fn load(
        weights: &Weights,
        name: &str,
        shape: [usize; 4],
        stride: usize,
        padding: [usize; 2],
    ) -> Result<Self> {
        let channels = shape[0];
        let mut filter = weights.get(&format!("{name}.conv.weight"), &shape)?.flatten_all()?.to_vec1::<f32>()?;
        let of = |part: &str| -> Result<Vec<f32>> {
            Ok(weights.get(&format!("{name}.bn.{part}"), &[channels])?.to_vec1::<f32>()?)
        };
        let (gamma, beta, mean, variance) = (of("weight")?, of("bias")?, of("running_mean")?, of("running_var")?);
        let scales: Vec<f64> =
            gamma.iter().zip(&variance).map(|(g, v)| f64::from(*g) / (f64::from(*v) + EPSILON).sqrt()).collect();
        for (filter, scale) in filter.chunks_mut(shape[1] * shape[2] * shape[3]).zip(&scales) {
            filter.iter_mut().for_each(|value| *value = (f64::from(*value) * scale) as f32);
        }
        let shifts = beta.iter().zip(&mean).zip(&scales);
        let bias = shifts.map(|((beta, mean), scale)| (f64::from(*beta) - f64::from(*mean) * scale) as f32).collect();
        Ok(Self {
            weight: Var::constant(Tensor::from_vec(filter, &shape, &Host::Cpu)?),
            bias: Var::constant(Tensor::from_vec::<_, f32>(bias, channels, &Host::Cpu)?),
            config: Conv2dConfig { stride, padding },
            precision: Precision::F32,
        })
    }

    pub(crate) fn device(&self) -> Device {
        self.weight.device()
    }

    pub(crate) fn to_device(&self, device: &Device) -> Result<Self> {
        let weight = rounding::factor(&self.weight.to_device(device)?, self.precision)?;
        Ok(Self { weight, bias: self.bias.to_device(device)?, ..*self })
    }

    /// With its filter rounded, and its input when it comes.
    pub(crate) fn in_precision(&self, precision: Precision) -> Result<Self> {
        Ok(Self { weight: rounding::factor(&self.weight, precision)?, bias: self.bias.clone(), precision, ..*self })
    }

    pub(crate) fn forward(&self, x: &Var) -> Result<Var> {
        let x = rounding::factor(x, self.precision)?;
        Ok(x.conv2d_relu(&self.weight, Some(&self.bias), self.config)?)
    }

    /// Average pooling 3x3, stride 1, padding not counted, then the convolution (1x1).
    ///
    /// Both are linear and the average keeps a constant, so the 1x1 convolution goes first: it leaves far fewer channels
    /// to average.
    pub(crate) fn forward_on_average(&self, x: &Var) -> Result<Var> {
        let y = rounding::factor(x, self.precision)?.conv2d(&self.weight, Some(&self.bias), self.config)?;
        Ok(rounding::stored(&y, self.precision)?.avg_pool2d(3, 1, 1)?.relu()?)
    }
}

/// Convolutions one behind the other.
#[derive(Clone, Debug)]
pub(crate) struct Chain(pub(crate) Vec<Conv>);

impl Chain {
    /// Each of them changed.
    pub(crate) fn map(&self, change: &dyn Fn(&Conv) -> Result<Conv>) -> Result<Self> {
        self.0.iter().map(change).collect::<Result<_>>().map(Self)
    }

    pub(crate) fn forward(&self, x: &Var) -> Result<Var> {
        self.0.iter().try_fold(x.clone(), |x, conv| conv.forward(&x))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::explicit_write)]
    use std::io::Write;

    use super::*;

    fn spread(shape: &[usize], salt: u64) -> Tensor {
        let count = shape.iter().product();
        let values = frugan_nn::Stream::new(5, frugan_nn::Purpose::new("metrics.test"), salt).normals(count);
        Tensor::from_vec(values, shape, &Host::Cpu).unwrap()
    }

    /// What the host rounds is what a GPU's types round, up to values on the edge of two.
    #[test]
    fn a_rounded_average_on_the_cpu_is_a_gpu_s() {
        if let Err(error) = Device::Emulated.open() {
            writeln!(std::io::stderr(), "skipped: {error}").unwrap();
            return;
        }
        let conv = Conv {
            weight: Var::constant(spread(&[8, 16, 1, 1], 0)),
            bias: Var::constant(spread(&[8], 1)),
            config: Conv2dConfig::default(),
            precision: Precision::F32,
        };
        let x = Var::constant(spread(&[2, 16, 9, 9], 2));
        let of = |device: Device, precision: Precision| {
            let conv = conv.in_precision(precision).unwrap().to_device(&device).unwrap();
            let y = conv.forward_on_average(&x.to_device(&device).unwrap()).unwrap();
            rounding::stored(&y, precision).unwrap().to_dtype(candle_core::DType::F32).unwrap().to_vec::<f32>().unwrap()
        };
        let apart = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from((a - b).abs())).sum::<f64>();
        let exact = of(Device::Cpu, Precision::F32);
        let rounded = of(Device::Cpu, Precision::Bf16);
        let there = of(Device::Emulated, Precision::Bf16);
        assert!(apart(&rounded, &there) < 0.05 * apart(&rounded, &exact), "{}", apart(&rounded, &there));
    }
}
