//! R1 regularisation (Mescheder et al. 2018, "Which Training Methods for GANs do actually Converge?", eq. 9).

use frugan_autograd::{Error, GraphMode, Result, Var, grad_of_scalar};
use serde::{Deserialize, Serialize};

/// `[loss.r1]`: R1 regularisation of D.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct R1Config {
    /// Weight: the penalty is gamma / 2 times the mean. Default 10, StyleGAN2's; ADA's rule is 0.0002 resolution^2 / batch.
    pub gamma: f64,
    /// The images that D is differentiated by: `raw` (default: the reals ahead of T, as in ADA) or `augmented` (T(x), as in
    /// DiffAugment's StyleGAN2 on CIFAR and FFHQ).
    pub images: R1Images,
}

/// The images that R1 differentiates D by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum R1Images {
    /// The reals, through T.
    #[default]
    Raw,
    /// T of the reals.
    Augmented,
}

impl Default for R1Config {
    fn default() -> Self {
        Self { gamma: 10.0, images: R1Images::Raw }
    }
}

impl R1Config {
    /// The one of the two, reals ahead of T and behind it, that D is differentiated by.
    pub fn differentiated<'a, T>(&self, raw: &'a T, augmented: &'a T) -> &'a T {
        match self.images {
            R1Images::Raw => raw,
            R1Images::Augmented => augmented,
        }
    }
}

/// `|d D(x) / d x|^2` of each image, `[n]`: R1 is its mean, times gamma / 2. It can be differentiated by D's weights.
///
/// `logits` are D's outputs on `reals`, of any shape with one logit an image, and `reals` are leaves (`Var::leaf`). With an
/// augmentation T between them, `reals` before T gives the gradient through T, as in StyleGAN2-ADA; T(x) made a leaf gives
/// that at the augmented images, as in DiffAugment's CIFAR code.
///
/// ```
/// use frugan_autograd::{GraphMode, Tensor, Var, grad_of_scalar};
/// use frugan_losses::r1_penalty;
/// # fn main() -> frugan_autograd::Result<()> {
/// let leaf = |values: &[f64], shape| Var::leaf(Tensor::from_slice(values, shape, &candle_core::Device::Cpu).unwrap());
/// let (reals, weight) = (leaf(&[1.0, 2.0, 3.0, 4.0], (2, 2)), leaf(&[3.0, 4.0], (1, 2)));
/// let penalty = r1_penalty(&reals.matmul_t(&weight)?, &reals)?;
/// assert_eq!(penalty.to_vec::<f64>()?, [25.0, 25.0]); // |w|^2
/// let by_weight = grad_of_scalar(&penalty.mean()?, &[&weight], GraphMode::Free)?;
/// assert_eq!(by_weight[0].to_vec::<f64>()?, [6.0, 8.0]); // 2 w
/// # Ok(()) }
/// ```
///
/// # Errors
/// If the reals are constants, whose gradient nobody recorded.
pub fn r1_penalty(logits: &Var, reals: &Var) -> Result<Var> {
    if !reals.requires_grad() {
        let message = "r1_penalty: the reals are constants, expected leaves: make them by Var::leaf ahead of D";
        return Err(Error::Msg(message.into()));
    }
    // The sum over the batch, as published: a minibatch statistic carries an image into the others' logits.
    let gradient = &grad_of_scalar(&logits.sum()?, &[reals], GraphMode::Create)?[0];
    let n = reals.dims()[0];
    gradient.square()?.reshape(&[n, reals.elem_count() / n])?.sum_keep(&[1])?.reshape(&[n])
}
