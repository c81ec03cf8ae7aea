use candle_core::{Device as Host, Tensor};
use frugan_autograd::{Conv2dConfig, Device, Var};

use crate::Result;
use crate::inception::Weights;

/// Batch norm's epsilon in the 2015 graph.
const EPSILON: f64 = 1e-3;

/// Convolution without bias, batch norm with stored statistics and ReLU, folded into one convolution.
#[derive(Clone, Debug)]
pub(crate) struct Conv {
    weight: Var,
    bias: Var,
    config: Conv2dConfig,
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
        })
    }

    pub(crate) fn device(&self) -> Device {
        self.weight.device()
    }

    pub(crate) fn to_device(&self, device: &Device) -> Result<Self> {
        Ok(Self { weight: self.weight.to_device(device)?, bias: self.bias.to_device(device)?, ..*self })
    }

    pub(crate) fn forward(&self, x: &Var) -> Result<Var> {
        Ok(x.conv2d_relu(&self.weight, Some(&self.bias), self.config)?)
    }

    /// Average pooling 3x3, stride 1, padding not counted, then the convolution (1x1).
    ///
    /// Both are linear and the average keeps a constant, so the 1x1 convolution goes first: it leaves far fewer channels
    /// to average.
    pub(crate) fn forward_on_average(&self, x: &Var) -> Result<Var> {
        Ok(x.conv2d(&self.weight, Some(&self.bias), self.config)?.avg_pool2d(3, 1, 1)?.relu()?)
    }
}

/// Convolutions one behind the other.
#[derive(Clone, Debug)]
pub(crate) struct Chain(pub(crate) Vec<Conv>);

impl Chain {
    pub(crate) fn to_device(&self, device: &Device) -> Result<Self> {
        self.0.iter().map(|conv| conv.to_device(device)).collect::<Result<_>>().map(Self)
    }

    pub(crate) fn forward(&self, x: &Var) -> Result<Var> {
        self.0.iter().try_fold(x.clone(), |x, conv| conv.forward(&x))
    }
}
