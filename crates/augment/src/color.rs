//! Brightness, saturation and contrast as one linear map a sample.

use crate::Draw;

/// `a x + b m + c M + d`, where m is the mean over the channels of each pixel and M the mean over the image.
///
/// Each colour transform has this form and so has any sequence of them, for the channel mean of the result is
/// `(a + b) m + c M + d` and its image mean `(a + b + c) M + d`: a whole run of transforms costs one pass.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct ColorMap {
    pub(crate) pixel: f64,
    pub(crate) channel_mean: f64,
    pub(crate) image_mean: f64,
    pub(crate) shift: f64,
}

impl ColorMap {
    pub(crate) const IDENTITY: Self = Self { pixel: 1.0, channel_mean: 0.0, image_mean: 0.0, shift: 0.0 };

    /// `x + (u - 0.5)` after this map.
    fn brightness(self, u: f64) -> Self {
        Self { shift: self.shift + (u - 0.5), ..self }
    }

    /// `(x - m) 2u + m` after this map.
    fn saturation(self, u: f64) -> Self {
        let s = 2.0 * u;
        let channel_mean = s * self.channel_mean + (1.0 - s) * (self.pixel + self.channel_mean);
        Self { pixel: s * self.pixel, channel_mean, ..self }
    }

    /// `(x - M) (u + 0.5) + M` after this map.
    fn contrast(self, u: f64) -> Self {
        let s = u + 0.5;
        let image_mean = s * self.image_mean + (1.0 - s) * (self.pixel + self.channel_mean + self.image_mean);
        Self { pixel: s * self.pixel, channel_mean: s * self.channel_mean, image_mean, shift: self.shift }
    }
}

/// The map of each image for a run of colour draws.
pub(crate) fn maps(run: &[Draw], batch: usize) -> Vec<ColorMap> {
    let mut maps = vec![ColorMap::IDENTITY; batch];
    for draw in run {
        let (u, then): (_, fn(ColorMap, f64) -> ColorMap) = match draw {
            Draw::Brightness { u } => (u, ColorMap::brightness),
            Draw::Saturation { u } => (u, ColorMap::saturation),
            Draw::Contrast { u } => (u, ColorMap::contrast),
            Draw::Translation { .. } | Draw::Cutout { .. } | Draw::Extra { .. } => continue,
        };
        for (map, u) in maps.iter_mut().zip(u) {
            *map = then(*map, f64::from(*u));
        }
    }
    maps
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The transforms one at a time, as the paper's code has them, on one image of channels x pixels.
    fn one_at_a_time(mut x: Vec<Vec<f64>>, steps: &[(u8, f64)]) -> Vec<Vec<f64>> {
        let (channels, pixels) = (x.len(), x[0].len());
        for (kind, u) in steps {
            let whole: f64 = x.iter().flatten().sum::<f64>() / (channels * pixels) as f64;
            let grey: Vec<f64> = (0..pixels).map(|p| x.iter().map(|c| c[p]).sum::<f64>() / channels as f64).collect();
            for plane in &mut x {
                for (v, m) in plane.iter_mut().zip(&grey) {
                    *v = match kind {
                        0 => *v + (u - 0.5),
                        1 => (*v - m) * 2.0 * u + m,
                        _ => (*v - whole) * (u + 0.5) + whole,
                    };
                }
            }
        }
        x
    }

    #[test]
    fn any_run_of_color_transforms_is_one_map() {
        let x = vec![vec![0.3, -0.7, 0.1, 0.9], vec![0.5, 0.2, -0.4, 0.0], vec![-1.0, 0.6, 0.8, 0.25]];
        let runs: [&[(u8, f64)]; 4] = [
            &[(0, 0.9), (1, 0.2), (2, 0.7)],
            &[(2, 0.1), (1, 0.8), (0, 0.3)],
            &[(1, 0.3), (2, 0.9), (1, 0.95), (0, 0.1), (2, 0.0)],
            &[(2, 0.6), (2, 0.2), (0, 0.4), (1, 0.0), (0, 0.8)],
        ];
        for run in runs {
            let want = one_at_a_time(x.clone(), run);
            let map = run.iter().fold(ColorMap::IDENTITY, |map, (kind, u)| match kind {
                0 => map.brightness(*u),
                1 => map.saturation(*u),
                _ => map.contrast(*u),
            });
            let whole = x.iter().flatten().sum::<f64>() / 12.0;
            for (c, p) in (0..3).flat_map(|c| (0..4).map(move |p| (c, p))) {
                let grey = (x[0][p] + x[1][p] + x[2][p]) / 3.0;
                let got = map.pixel * x[c][p] + map.channel_mean * grey + map.image_mean * whole + map.shift;
                assert!((got - want[c][p]).abs() < 1e-12, "{run:?} at {c} {p}: {got} for {}", want[c][p]);
            }
        }
    }
}
