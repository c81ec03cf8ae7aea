//! What chance decides about a step of D or G.

use frugan_augment::CrDraws;
use frugan_autograd::{Ranks, Result as TensorResult, Tensor, Var};
use frugan_losses::Pairing;
use frugan_nn::{Purpose, Stream};

use super::Objective;
use crate::augmentation::AugmentDraws;

/// The draws of one D step.
#[derive(Clone, Debug, Default)]
pub struct DDraws {
    /// Of T, for the fakes and then the reals: 2N samples.
    pub augment: AugmentDraws,
    /// Of the augmentation of consistency regularisation, if the method has one.
    pub cr: Option<CrDraws>,
    /// Of the augmentation of balanced consistency regularisation, for the fakes and then the reals: 2N samples.
    pub bcr: Option<CrDraws>,
    /// Whether each pair of a real and a fake changes labels; empty where none does.
    pub flips: Vec<bool>,
    /// Of the points of a gradient penalty.
    pub penalty: Option<PenaltyDraws>,
    /// Of instance noise.
    pub noise: Option<NoiseDraws>,
}

/// The draws of one G step.
#[derive(Clone, Debug, Default)]
pub struct GDraws {
    /// Of T, for N fakes.
    pub augment: AugmentDraws,
    /// Of instance noise.
    pub noise: Option<NoiseDraws>,
}

impl From<AugmentDraws> for GDraws {
    fn from(augment: AugmentDraws) -> Self {
        Self { augment, noise: None }
    }
}

/// Where a gradient penalty takes the gradient.
#[derive(Clone, Debug)]
pub struct PenaltyDraws {
    /// From U[0, 1), one an image.
    pub mix: Vec<f32>,
    /// From U[0, 1), one a pixel, where the kind reads them.
    pub noise: Option<Vec<f32>>,
}

/// The source of a step's instance noise, batch by batch in the order in which D sees them.
#[derive(Clone, Debug)]
pub struct NoiseDraws {
    /// Thousands of reals seen, on which the deviation depends.
    pub kimg: f64,
    /// Normal draws.
    pub stream: Stream,
}

const D_AUGMENT: Purpose = Purpose::new("d.augment");
const D_CR: Purpose = Purpose::new("d.cr");
const D_BCR: Purpose = Purpose::new("d.bcr");
const D_FLIPS: Purpose = Purpose::new("d.label_flip");
const D_PENALTY: Purpose = Purpose::new("d.gradient_penalty");
const D_NOISE: Purpose = Purpose::new("d.instance_noise");
const D_APA: Purpose = Purpose::new("d.apa");
const G_AUGMENT: Purpose = Purpose::new("g.augment");
const G_NOISE: Purpose = Purpose::new("g.instance_noise");
const R1_AUGMENT: Purpose = Purpose::new("r1.augment");

impl Objective {
    /// The draws of D's step number `d_step`, for `n` fakes and `n` reals of `[channels, height, width]`, after `kimg`
    /// thousands of reals. Where ranks share the batch, `n` is the whole batch and the draws are this rank's; those of labels
    /// are everyone's.
    pub fn d_draws(&self, n: usize, shape: [usize; 3], seed: u64, d_step: u64, kimg: f64) -> DDraws {
        let stream = |purpose| Stream::new(seed, purpose, d_step);
        let [channels, height, width] = shape;
        let rows = self.ranks.rows(n);
        let of_both: Vec<usize> = rows.iter().copied().chain(rows.iter().map(|row| n + row)).collect();
        let cr = self.cr.as_ref().filter(|cr| cr.pairing != Pairing::Raw);
        let flips =
            self.label_flip.map(|share| stream(D_FLIPS).uniforms(n).iter().map(|u| f64::from(*u) < share).collect());
        let penalty = self.gradient_penalty.map(|penalty| {
            let mut stream = stream(D_PENALTY);
            let mix = part(&stream.uniforms(n), n, &rows);
            let noise = penalty.needs_noise().then(|| stream.uniforms(n * channels * height * width));
            PenaltyDraws { mix, noise: noise.map(|noise| part(&noise, n, &rows)) }
        });
        DDraws {
            augment: self.own(self.augmentation.draw(2 * n, shape, &mut stream(D_AUGMENT)), &of_both),
            cr: cr.map(|cr| cr.augment.draw(n, height, width, &mut stream(D_CR)).select(&rows)),
            bcr: self
                .bcr
                .as_ref()
                .map(|bcr| bcr.augment.draw(2 * n, height, width, &mut stream(D_BCR)).select(&of_both)),
            flips: flips.unwrap_or_default(),
            penalty,
            noise: self.instance_noise.map(|_| NoiseDraws { kimg, stream: stream(D_NOISE) }),
        }
    }

    /// The draws of G's step number `itr`, for `n` fakes, after `kimg` thousands of reals.
    pub fn g_draws(&self, n: usize, shape: [usize; 3], seed: u64, itr: u64, kimg: f64) -> GDraws {
        GDraws {
            augment: self
                .own(self.augmentation.draw(n, shape, &mut Stream::new(seed, G_AUGMENT, itr)), &self.ranks.rows(n)),
            noise: self.instance_noise.map(|_| NoiseDraws { kimg, stream: Stream::new(seed, G_NOISE, itr) }),
        }
    }

    /// The draws of a lazy R1 step, for `n` reals.
    pub fn r1_draws(&self, n: usize, shape: [usize; 3], seed: u64, d_step: u64) -> AugmentDraws {
        self.own(self.augmentation.draw(n, shape, &mut Stream::new(seed, R1_AUGMENT, d_step)), &self.ranks.rows(n))
    }

    /// This rank's part of everyone's draws; alone, all of them as they are, for ADA's may hold a number a pixel.
    fn own(&self, draws: AugmentDraws, rows: &[usize]) -> AugmentDraws {
        if self.ranks.is_alone() { draws } else { draws.select(rows) }
    }

    /// Which of `n` reals give way to fakes in D's step number `d_step` (APA), all ranks' reals counted; `None` where none
    /// does.
    pub fn deceived(&self, n: usize, seed: u64, d_step: u64) -> Option<Vec<bool>> {
        let coins = self.apa.as_ref()?.deceived(&Stream::new(seed, D_APA, d_step).uniforms(n));
        coins.contains(&true).then_some(coins)
    }
}

impl NoiseDraws {
    /// The next batch's noise, of the images' shape, type and device: this rank's part of all ranks'.
    pub(super) fn next(&mut self, images: &Var, ranks: &Ranks) -> TensorResult<Var> {
        let mut dims = images.dims().to_vec();
        dims[0] *= ranks.size();
        ranks.own(&like(self.stream.normals(dims.iter().product()), &dims, images)?)
    }
}

/// These rows of values that are as many for each of `n` rows.
fn part(values: &[f32], n: usize, rows: &[usize]) -> Vec<f32> {
    let each = values.len() / n;
    rows.iter().flat_map(|row| &values[row * each..(row + 1) * each]).copied().collect()
}

/// Draws as a tensor of the type and on the device of `of`.
pub(super) fn like(values: Vec<f32>, dims: &[usize], of: &Var) -> TensorResult<Var> {
    let tensor = Tensor::from_vec(values, dims, &candle_core::Device::Cpu)?.to_dtype(of.dtype())?;
    Var::constant(tensor).to_device(&of.device())
}
