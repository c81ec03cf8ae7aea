//! From draws to parameters. The overall strength p decides here and nowhere else.

use std::f64::consts::PI;

use super::percentile::raw_at;
use super::{Draw, Draws, Pipe, Step};

/// The parameters of each step of a batch, in the pipe's order: x and y, the same twice where there is one only; none
/// for an image that the step leaves as it is.
pub(super) struct Parameters(Vec<(Step, Vec<Option<[f64; 2]>>)>);

impl Parameters {
    pub(super) fn steps(&self) -> impl Iterator<Item = (Step, &[Option<[f64; 2]>])> {
        self.0.iter().map(|(step, images)| (*step, images.as_slice()))
    }

    /// Those of one step.
    pub(super) fn of(&self, step: Step) -> Option<&[Option<[f64; 2]>]> {
        self.steps().find(|(other, _)| *other == step).map(|(_, images)| images)
    }
}

impl Pipe {
    /// The images that a step acts on at overall strength `p`: those whose gate is below m p, and for the two halves of
    /// a rotation below `1 - sqrt(1 - m p)`, so that an image is turned with probability m p (appendix B.2).
    ///
    /// ```
    /// use frugan_augment::ada::{Draw, Pipe, Step};
    /// # fn main() -> Result<(), frugan_augment::ada::PipeError> {
    /// let draw = |step| Draw { step, values: vec![0.5; 3], gates: vec![0.1, 0.4, 0.8], pixels: vec![] };
    /// let pipe = Pipe::parse("bg")?;
    /// assert_eq!(pipe.acts(&draw(Step::XFlip), 0.75), [true, true, false]);
    /// assert_eq!(pipe.acts(&draw(Step::PreRotate), 0.75), [true, true, false]); // 1 - sqrt(0.25) = 0.5
    /// assert_eq!(pipe.acts(&draw(Step::PreRotate), 0.5), [true, false, false]); // 1 - sqrt(0.5) = 0.29
    /// # Ok(()) }
    /// ```
    pub fn acts(&self, draw: &Draw, p: f64) -> Vec<bool> {
        let chance = self.strength(draw.step.transform()) * p;
        let chance = match draw.step {
            Step::PreRotate | Step::PostRotate => 1.0 - (1.0 - chance).clamp(0.0, 1.0).sqrt(),
            _ => chance,
        };
        draw.gates.iter().map(|gate| f64::from(*gate) < chance).collect()
    }

    /// Whether the pipe gives its images back as they are.
    pub(super) fn is_off(&self, p: f64) -> bool {
        p == 0.0 && self.percentile.is_none()
    }

    pub(super) fn parameters(&self, draws: &Draws, p: f64) -> Parameters {
        let of = |draw: &Draw| match self.percentile {
            Some(percentile) => {
                let raw = raw_at(draw.step, percentile);
                vec![raw.map(|raw| parameter(draw.step, [raw; 2])); draw.len()]
            }
            None => {
                let acts = self.acts(draw, p).into_iter().enumerate();
                acts.map(|(i, acts)| acts.then(|| parameter(draw.step, draw.raw(i)))).collect()
            }
        };
        Parameters(draws.as_slice().iter().map(|draw| (draw.step, of(draw))).collect())
    }
}

/// The parameter of a step from its raw numbers u or n, with the ranges of the paper's code.
fn parameter(step: Step, raw: [f64; 2]) -> [f64; 2] {
    raw.map(|v| match step {
        Step::XFlip | Step::LumaFlip => (2.0 * v).floor(),
        Step::Rotate90 => (4.0 * v).floor(),
        // An eighth of the side.
        Step::XInt => (2.0 * v - 1.0) * 0.125,
        Step::XFrac => 0.125 * v,
        Step::Scale | Step::Aniso => (0.2 * v).exp2(),
        Step::PreRotate | Step::PostRotate | Step::Hue => (2.0 * v - 1.0) * PI,
        Step::Brightness => 0.2 * v,
        Step::Contrast => (0.5 * v).exp2(),
        Step::Saturation | Step::Band0 | Step::Band1 | Step::Band2 | Step::Band3 => v.exp2(),
        Step::Noise => 0.1 * v.abs(),
        // The centre, in units of the sides.
        Step::Cutout => v,
    })
}
