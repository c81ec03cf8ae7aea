//! Adam (Kingma and Ba 2015), with both published places of epsilon.

use frugan_autograd::{DType, Result, Tensor, Var, update};
use serde::{Deserialize, Serialize};

use crate::error::LoadError;
use crate::params::{Params, fitting};
use crate::tensor_map::TensorMap;

/// Where epsilon enters Adam's denominator.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EpsPlacement {
    /// `sqrt(v) / sqrt(1 - beta2^t) + eps`: after the correction of the bias.
    #[default]
    Torch,
    /// `(sqrt(v) + eps) / sqrt(1 - beta2^t)`: before it ("epsilon hat").
    Tf1,
}

/// Settings of [`Adam`]. The defaults are those of BigGAN on CIFAR.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AdamConfig {
    /// Step size. Default 2e-4.
    pub lr: f64,
    /// Decay of the mean of gradients, in [0, 1). Default 0.
    pub beta1: f64,
    /// Decay of the mean of squared gradients, in [0, 1). Default 0.999.
    pub beta2: f64,
    /// Added to the denominator. Default 1e-8.
    pub eps: f64,
    /// Where `eps` is added: `"torch"` (default) or `"tf1"`.
    pub eps_placement: EpsPlacement,
}

impl Default for AdamConfig {
    fn default() -> Self {
        Self { lr: 2e-4, beta1: 0.0, beta2: 0.999, eps: 1e-8, eps_placement: EpsPlacement::Torch }
    }
}

/// Moments of one weight.
#[derive(Debug)]
struct Moments {
    name: String,
    mean: Var,
    square: Var,
}

/// Adam over the weights of a network: `p -= lr * m_hat / (sqrt(v_hat) + eps)`.
#[derive(Debug)]
pub struct Adam {
    config: AdamConfig,
    step: u64,
    moments: Vec<Moments>,
}

impl Adam {
    /// An optimiser at step 0, for the weights of `params` in their order.
    ///
    /// # Errors
    /// If the state cannot be made.
    pub fn new(config: AdamConfig, params: &Params) -> Result<Self> {
        let moments = params
            .named_weights()
            .map(|(name, var)| {
                let zeros = || Ok::<_, frugan_autograd::Error>(var.zeros_like()?.detach());
                Ok(Moments { name: name.to_string(), mean: zeros()?, square: zeros()? })
            })
            .collect::<Result<_>>()?;
        Ok(Self { config, step: 0, moments })
    }

    /// How many steps were made.
    pub fn steps(&self) -> u64 {
        self.step
    }

    /// The settings.
    pub fn config(&self) -> &AdamConfig {
        &self.config
    }

    /// Moves the weights by one step. `grads` are in the order of [`Params::weights`].
    ///
    /// # Errors
    /// If the number or a shape of the gradients does not fit; nothing has moved then.
    pub fn step(&mut self, params: &Params, grads: &[Var]) -> Result<()> {
        let weights = params.weights();
        if weights.len() != self.moments.len() || grads.len() != weights.len() {
            candle_core::bail!(
                "adam: {} weights and {} gradients for a state of {}",
                weights.len(),
                grads.len(),
                self.moments.len()
            )
        }
        for ((weight, grad), moments) in weights.iter().zip(grads).zip(&self.moments) {
            if weight.dims() != grad.dims() || weight.dims() != moments.mean.dims() {
                candle_core::bail!("adam: `{}` is {:?}, its gradient {:?}", moments.name, weight.dims(), grad.dims())
            }
        }
        self.step += 1;
        let step = self.kernel_step();
        let rows: Vec<[&Var; 4]> = weights
            .iter()
            .zip(grads)
            .zip(&self.moments)
            .map(|((weight, grad), moments)| [*weight, &moments.mean, &moments.square, grad])
            .collect();
        update::adam_all(&step, &rows)
    }

    fn kernel_step(&self) -> update::AdamStep {
        let AdamConfig { lr, beta1, beta2, eps, eps_placement } = self.config;
        let eps = match eps_placement {
            EpsPlacement::Torch => eps,
            // The kernel divides sqrt(v) alone by this root, so epsilon brings it along.
            EpsPlacement::Tf1 => eps / (1.0 - beta2.powf(self.step as f64)).sqrt(),
        };
        update::AdamStep { lr, beta1, beta2, epsilon: eps, step: self.step }
    }

    /// The whole state by name: `step`, and `exp_avg.NAME` and `exp_avg_sq.NAME` of each weight.
    ///
    /// # Errors
    /// If a copy fails.
    pub fn state_tensors(&self) -> Result<TensorMap> {
        let mut tensors = TensorMap::new();
        tensors.insert("step".to_string(), Tensor::new(self.step as i64, &candle_core::Device::Cpu)?);
        for (name, var) in self.named_state() {
            tensors.insert(name, var.to_tensor()?.copy()?);
        }
        Ok(tensors)
    }

    /// Sets the whole state; nothing changes if the tensors do not fit.
    ///
    /// # Errors
    /// [`LoadError`] names what is missing, unexpected or of the wrong shape.
    pub fn load_state(&mut self, tensors: &TensorMap) -> std::result::Result<(), LoadError> {
        let state = self.named_state();
        let wanted = || state.iter().map(|(name, _)| name.as_str()).chain(["step"]);
        let missing: Vec<String> = wanted().filter(|n| !tensors.contains_key(*n)).map(String::from).collect();
        if !missing.is_empty() {
            return Err(LoadError::Missing(missing));
        }
        if tensors.len() != wanted().count() {
            let known: std::collections::BTreeSet<&str> = wanted().collect();
            return Err(LoadError::Unexpected(
                tensors.keys().filter(|n| !known.contains(n.as_str())).cloned().collect(),
            ));
        }
        let step = step_of(&tensors["step"])?;
        let values = state
            .iter()
            .map(|(name, var)| fitting(name, var, &tensors[name]))
            .collect::<std::result::Result<Vec<_>, _>>()?;
        for ((_, var), value) in state.iter().zip(values) {
            update::assign(var, &Var::constant(value))?;
        }
        self.step = step;
        Ok(())
    }

    fn named_state(&self) -> Vec<(String, Var)> {
        let pair = |m: &Moments| {
            [(format!("exp_avg.{}", m.name), m.mean.clone()), (format!("exp_avg_sq.{}", m.name), m.square.clone())]
        };
        self.moments.iter().flat_map(pair).collect()
    }
}

fn step_of(tensor: &Tensor) -> std::result::Result<u64, LoadError> {
    let fails = || LoadError::DType { name: "step".to_string(), want: "one I64, 0 or more", got: tensor.dtype() };
    if tensor.dtype() != DType::I64 || tensor.elem_count() != 1 {
        return Err(fails());
    }
    u64::try_from(tensor.flatten_all()?.to_vec1::<i64>()?[0]).map_err(|_| fails())
}
