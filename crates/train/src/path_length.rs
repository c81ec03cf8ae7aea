//! The path length of a run's generator: the metric of `frugan_metrics`, its two closures filled by StyleGAN2's halves.

use frugan_autograd::{Device, Ints, Result as TensorResult, Var};
use frugan_metrics::{Error as MetricError, EvalConfig, Lpips, LpipsNet, PathGenerator, PplConfig, Score, Scores, ppl};
use frugan_models::{Generator, Noise, StyleGenerator};
use frugan_nn::{Purpose, Stream};

use crate::error::Result;
use crate::trainer::labels_of_data;

const LABELS: Purpose = Purpose::new("ppl.labels");
const NOISE: Purpose = Purpose::new("ppl.noise");

/// The path lengths that [`EvalConfig::also`] names, each with its name. They are absent where the generator has no
/// styles, or LPIPS no weights. Labels are drawn from `of_data`, or uniformly without.
///
/// # Errors
/// If weights are damaged, images too small for the network, or memory runs out.
pub fn path_lengths(
    generator: &dyn Generator,
    eval: &EvalConfig,
    of_data: Option<&[i32]>,
    device: &Device,
) -> Result<Scores> {
    let configs = eval.path_lengths();
    let absent = |reason: &str| Ok(configs.iter().map(|c| (c.name(), Score::Absent(reason.into()))).collect());
    if configs.is_empty() {
        return Ok(Vec::new());
    }
    let Some(style) = generator.as_style() else {
        return absent("the path length is defined for a StyleGAN, which maps z to w");
    };
    let lpips = match Lpips::open(LpipsNet::Vgg16, None) {
        Ok(lpips) => lpips.to_device(device)?,
        Err(MetricError::NoLpipsWeights(reason)) => return absent(&format!("no weights of LPIPS: {reason}")),
        Err(error) => return Err(error.into()),
    };
    let score = |config: &PplConfig| {
        let draws = Draws { style, of_data, seed: config.seed, device };
        let mut mapping = |z: &Var, batch: usize| draws.map(z, batch);
        let mut synthesis = |w: &Var, batch: usize| draws.synthesize(w, batch);
        let latent_dim = generator.latent_dim();
        let mut halves = PathGenerator { latent_dim, mapping: &mut mapping, synthesis: &mut synthesis };
        Ok((config.name(), Score::Value(ppl(config, &mut halves, &lpips)?.mean)))
    };
    configs.iter().map(score).collect()
}

/// What both ends of a step share: the label, and the noise, which is one for the whole batch as in the reference code.
struct Draws<'a> {
    style: &'a dyn StyleGenerator,
    of_data: Option<&'a [i32]>,
    seed: u64,
    device: &'a Device,
}

impl Draws<'_> {
    fn map(&self, z: &Var, batch: usize) -> TensorResult<Var> {
        let (n, step) = (z.dims()[0] / 2, batch as u64);
        let labels = match self.of_data {
            Some(of_data) => labels_of_data(of_data, n, [self.seed, step], LABELS),
            None => {
                let classes = self.style.num_classes().max(1) as u32;
                Stream::new(self.seed, LABELS, step).integers(n, classes).into_iter().map(|y| y as i32).collect()
            }
        };
        let once = labels.to_vec()?;
        let both: Ints = once.iter().chain(&once).copied().collect();
        self.style.map(&z.to_device(self.device)?, &both.to_device(self.device)?, false)
    }

    fn synthesize(&self, w: &Var, batch: usize) -> TensorResult<Var> {
        let noise = self.style.draw_noise(1, &mut Stream::new(self.seed, NOISE, batch as u64))?;
        let noise = noise.iter().map(|noise| noise.to_device(self.device)).collect::<TensorResult<Vec<_>>>()?;
        self.style.synthesize(w, Noise::Given(&noise))
    }
}
