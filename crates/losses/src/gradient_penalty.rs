//! Penalties on the norm of the critic's gradient by images: WGAN-GP (Gulrajani et al. 2017, section 4) and DRAGAN
//! (Kodali et al. 2017, section 2.3).

use frugan_autograd::{Error, GraphMode, Result, Var, grad};
use serde::{Deserialize, Serialize};

use crate::config::{ConfigError, in_range};

/// Added to squared norms: at a gradient of 0 the norm has no slope, and its gradient would not be finite.
const EPSILON: f64 = 1e-12;

/// `[loss.gradient_penalty]`: keeps the norm of D's gradient by images near a target.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GradientPenaltyConfig {
    /// Where the gradient is taken: `wgan_gp` (default), between reals and fakes; `dragan`, around reals.
    pub kind: GradientPenaltyKind,
    /// Weight of the penalty in D's loss, finite and above 0. Default: 10, both papers'.
    pub weight: f64,
    /// The norm that is aimed at, finite and from 0 up. Default: 1, both papers'.
    pub target: f64,
    /// `dragan` only: how far around reals, in standard deviations of the batch, finite and above 0. Default: 0.5, its
    /// code's.
    pub spread: f64,
}

/// Where [`GradientPenaltyConfig`] takes the gradient.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GradientPenaltyKind {
    /// On the straight lines between reals and fakes: Gulrajani et al. 2017.
    #[default]
    WganGp,
    /// In a box above each real: Kodali et al. 2017, as its code draws it.
    Dragan,
}

impl Default for GradientPenaltyConfig {
    fn default() -> Self {
        Self { kind: GradientPenaltyKind::default(), weight: 10.0, target: 1.0, spread: 0.5 }
    }
}

impl GradientPenaltyConfig {
    /// The images at which the gradient is taken, of the shape of `real`, cut off from the tape.
    ///
    /// `mix` are N draws from U[0, 1). With u the draw of an image: `wgan_gp` gives `u real + (1 - u) fake`, and `dragan`
    /// `real + u spread std noise`, where `noise` are draws from U[0, 1), one a pixel, and std is the standard deviation
    /// over the whole batch of reals.
    ///
    /// # Errors
    /// Where `dragan` gets no `noise`, and where shapes do not fit.
    pub fn points(&self, real: &Var, fake: &Var, mix: &Var, noise: Option<&Var>) -> Result<Var> {
        let (real, fake) = (real.detach(), fake.detach());
        let mut per_image = vec![1; real.dims().len()];
        per_image[0] = mix.elem_count();
        let mix = mix.detach().reshape(&per_image)?;
        match (self.kind, noise) {
            (GradientPenaltyKind::WganGp, _) => fake.add(&real.sub(&fake)?.mul(&mix)?),
            (GradientPenaltyKind::Dragan, Some(noise)) => {
                let deviation = real.sub(&real.mean()?)?.square()?.mean()?.sqrt()?;
                let box_side = noise.detach().mul(&deviation.scale(self.spread)?)?;
                real.add(&box_side.mul(&mix)?)
            }
            (GradientPenaltyKind::Dragan, None) => Err(Error::Msg(
                "dragan: its points lie around reals by chance, so give it noise, one draw a pixel".into(),
            )),
        }
    }

    /// `weight * mean((|gradient| - target)^2)` at `points` ([`GradientPenaltyConfig::points`]), for D's loss.
    pub fn penalty(&self, critic: impl FnOnce(&Var) -> Result<Var>, points: &Var) -> Result<Var> {
        let norms = gradient_norms(critic, points)?;
        norms.affine(1.0, -self.target)?.square()?.mean()?.scale(self.weight)
    }

    /// Whether [`GradientPenaltyConfig::points`] wants a draw a pixel.
    pub fn needs_noise(&self) -> bool {
        self.kind == GradientPenaltyKind::Dragan
    }

    /// Checks every value on its own.
    ///
    /// # Errors
    /// The first value that cannot be used.
    pub fn check(&self) -> std::result::Result<(), ConfigError> {
        let above_0 = f64::MIN_POSITIVE..f64::INFINITY;
        in_range("gradient_penalty.weight", self.weight, above_0.clone(), "a finite number above 0")?;
        in_range("gradient_penalty.target", self.target, 0.0..f64::INFINITY, "a finite number from 0 up")?;
        in_range("gradient_penalty.spread", self.spread, above_0, "a finite number above 0")
    }
}

/// The Euclidean norm of the critic's gradient by each image, `[N]`; differentiable by the critic's weights.
///
/// `critic` gives logits, one an image, and sees no other image for an image's logit: its outputs are summed, and the
/// sum's gradient is each output's only then (batch norm in D breaks this, as Gulrajani et al. say).
///
/// # Errors
/// Where `critic` fails, and for anything but f32 or f64.
pub fn gradient_norms(critic: impl FnOnce(&Var) -> Result<Var>, points: &Var) -> Result<Var> {
    let points = Var::leaf(points.to_tensor()?).to_device(&points.device())?;
    let logits = critic(&points)?;
    let gradient = &grad(&[&logits], &[&logits.ones_like()?], &[&points], GraphMode::Create)?[0];
    let images = points.dims()[0];
    let squared = gradient.reshape(&[images, gradient.elem_count() / images.max(1)])?.square()?.sum_keep(&[1])?;
    squared.affine(1.0, EPSILON)?.sqrt()?.reshape(&[images])
}
