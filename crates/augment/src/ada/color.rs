//! The colour half of the pipe: one matrix an image.

use frugan_autograd::{Error, Result};

use super::Step;
use super::gate::Parameters;

/// `rgb -> M rgb + shift` as the rows `[M | shift]`.
#[derive(Clone, Copy)]
struct Colors([[f64; 4]; 3]);

impl Colors {
    const IDENTITY: Self = Self([[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0]]);

    /// This map and then a colour step.
    fn then(self, step: Step, parameter: f64) -> Self {
        let third = 1.0 / 3.0;
        match step {
            Step::Brightness => Self(self.0.map(|[r, g, b, shift]| [r, g, b, shift + parameter])),
            Step::Contrast => Self(self.0.map(|row| row.map(|v| v * parameter))),
            // Along the grey axis v, 1 - 2 i; across it, 1.
            Step::LumaFlip => self.then_matrix(1.0, -2.0 * third * parameter, 0.0),
            // Rodrigues' formula about v = (1, 1, 1) / sqrt(3).
            Step::Hue => {
                let (sin, cos) = parameter.sin_cos();
                self.then_matrix(cos, (1.0 - cos) * third, sin * third.sqrt())
            }
            // Along v, 1; across it, s.
            Step::Saturation => self.then_matrix(parameter, (1.0 - parameter) * third, 0.0),
            _ => self,
        }
    }

    /// This map and then `one I + all J + cross K`: I the identity, J all ones, K the cross product with (1, 1, 1).
    fn then_matrix(self, one: f64, all: f64, cross: f64) -> Self {
        let weight = |i: usize, k: usize| match (3 + k - i) % 3 {
            0 => one + all,
            1 => all - cross,
            _ => all + cross,
        };
        Self(std::array::from_fn(|i| std::array::from_fn(|j| (0..3).map(|k| weight(i, k) * self.0[k][j]).sum())))
    }

    /// For images of one channel, which stands for all three: the mean row.
    fn of_grey(self) -> [f64; 2] {
        let mean = |j: usize| self.0.iter().map(|row| row[j]).sum::<f64>() / 3.0;
        [mean(0) + mean(1) + mean(2), mean(3)]
    }
}

/// The rows of `Var::color_matrix` for a batch; `None` if the pipe has no colour step.
pub(super) fn rows(parameters: &Parameters, batch: usize, channels: usize) -> Result<Option<Vec<f64>>> {
    let mut steps = parameters.steps().filter(|(step, _)| step.is_color()).peekable();
    if steps.peek().is_none() {
        return Ok(None);
    }
    let mut maps = vec![Colors::IDENTITY; batch];
    for (step, images) in steps {
        for (map, parameter) in maps.iter_mut().zip(images) {
            if let Some([parameter, _]) = parameter {
                *map = map.then(step, *parameter);
            }
        }
    }
    match channels {
        1 => Ok(Some(maps.into_iter().flat_map(Colors::of_grey).collect())),
        3 => Ok(Some(maps.into_iter().flat_map(|map| map.0).flatten().collect())),
        _ => Err(Error::Msg(format!("ADA: images of {channels} channels have no colours to change: want 1 or 3"))),
    }
}
