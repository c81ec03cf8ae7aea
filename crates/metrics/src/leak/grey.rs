use rayon::prelude::*;

use super::quantile;

/// T fills with 0 of [-1, 1]: this byte, in every channel.
const GREY: i32 = 128;
/// Clean reals that a threshold may catch.
const FALSE_RATE: f64 = 0.02;
/// Sides of cutout's windows as eighths of the image's: what is left of a half-sized square that the edge clips.
const WINDOWS: [(usize, usize); 8] = [(2, 2), (2, 3), (3, 2), (3, 3), (3, 4), (4, 3), (4, 4), (2, 4)];

/// Finds a region that is grey against its surroundings.
///
/// A pixel's deviation is the largest distance of its channels from mid-grey. For each size of region the smallest ratio
/// (1 + mean deviation inside) / (1 + mean deviation outside) over all places is taken; in units of what 2 % of the clean
/// reals fall below, sizes compare, and the smallest is the image's score.
#[derive(Clone, Debug)]
pub(crate) struct Grey {
    regions: Regions,
    shape: [usize; 3],
    /// For each size, the ratio that 2 % of clean reals fall below.
    scales: Vec<f64>,
    threshold: f64,
}

#[derive(Clone, Copy, Debug)]
enum Regions {
    /// Windows anywhere; outside is the rest of the image.
    Windows,
    /// Bands along the sides; outside are the rows or columns behind.
    Bands,
}

impl Grey {
    /// For cutout.
    pub(crate) fn windows(shape: [usize; 3], clean: &[&[u8]]) -> Self {
        Self::calibrate(Regions::Windows, shape, clean)
    }

    /// For translation.
    pub(crate) fn bands(shape: [usize; 3], clean: &[&[u8]]) -> Self {
        Self::calibrate(Regions::Bands, shape, clean)
    }

    fn calibrate(regions: Regions, shape: [usize; 3], clean: &[&[u8]]) -> Self {
        let mut grey = Self { regions, shape, scales: Vec::new(), threshold: 0.0 };
        let ratios: Vec<Vec<f64>> = clean.par_iter().map(|image| grey.ratios(image)).collect();
        let sizes = ratios.first().map_or(0, Vec::len);
        let scale = |size: usize| quantile(ratios.iter().map(|r| r[size]).collect(), FALSE_RATE);
        grey.scales = (0..sizes).map(scale).collect();
        grey.threshold = quantile(ratios.iter().map(|ratios| grey.score(ratios)).collect(), FALSE_RATE);
        grey
    }

    /// At the threshold itself it is silent: reals that are grey all over calibrate it to 0.
    pub(crate) fn fires(&self, image: &[u8]) -> bool {
        let score = self.score(&self.ratios(image));
        score < self.threshold
    }

    fn score(&self, ratios: &[f64]) -> f64 {
        ratios.iter().zip(&self.scales).map(|(ratio, scale)| ratio / scale).fold(f64::INFINITY, f64::min)
    }

    fn ratios(&self, image: &[u8]) -> Vec<f64> {
        let sums = Sums::of(image, self.shape);
        match self.regions {
            Regions::Windows => WINDOWS.iter().map(|eighths| sums.greyest_window(*eighths)).collect(),
            Regions::Bands => (1..=4).map(|quarters| sums.greyest_band(quarters)).collect(),
        }
    }
}

/// Sums of deviations over all rectangles from the corner, `[height + 1, width + 1]`.
struct Sums {
    table: Vec<i64>,
    height: usize,
    width: usize,
}

impl Sums {
    fn of(image: &[u8], [channels, height, width]: [usize; 3]) -> Self {
        let deviation = |at: usize| {
            let distance = |channel| (i32::from(image[channel * height * width + at]) - GREY).abs();
            i64::from((0..channels).map(distance).max().unwrap_or(0))
        };
        let mut table = vec![0; (height + 1) * (width + 1)];
        for y in 0..height {
            let mut row = 0;
            for x in 0..width {
                row += deviation(y * width + x);
                table[(y + 1) * (width + 1) + x + 1] = table[y * (width + 1) + x + 1] + row;
            }
        }
        Self { table, height, width }
    }

    fn sum(&self, (top, left): (usize, usize), (h, w): (usize, usize)) -> f64 {
        let at = |y: usize, x: usize| self.table[y * (self.width + 1) + x];
        (at(top + h, left + w) - at(top, left + w) - at(top + h, left) + at(top, left)) as f64
    }

    fn greyest_window(&self, (rows, columns): (usize, usize)) -> f64 {
        let part = |extent: usize, eighths: usize| (extent * eighths / 8).max(1);
        let (h, w) = (part(self.height, rows), part(self.width, columns));
        let (area, total) = ((h * w) as f64, self.sum((0, 0), (self.height, self.width)));
        let outside = ((self.height * self.width) as f64 - area).max(1.0);
        let places = (0..=self.height - h).flat_map(|top| (0..=self.width - w).map(move |left| (top, left)));
        let inside = places.map(|place| self.sum(place, (h, w))).fold(f64::INFINITY, f64::min);
        (1.0 + inside / area) / (1.0 + (total - inside) / outside)
    }

    /// T shifts by up to an eighth; the band is `quarters` of that, and as thick as an eighth is what it is held against.
    fn greyest_band(&self, quarters: usize) -> f64 {
        let thickness = |extent: usize| {
            let most = ((extent as f64 / 8.0 + 0.5) as usize).clamp(1, extent.max(2) / 2);
            ((most * quarters).div_ceil(4), most)
        };
        let (height, width) = (self.height, self.width);
        let ((rows, behind_rows), (columns, behind_columns)) = (thickness(height), thickness(width));
        let mean = |place, size: (usize, usize)| self.sum(place, size) / ((size.0 * size.1).max(1)) as f64;
        let ratio = |band: f64, behind: f64| (1.0 + band) / (1.0 + behind);
        let below = behind_rows.min(height - rows);
        let right = behind_columns.min(width - columns);
        [
            ratio(mean((0, 0), (rows, width)), mean((rows, 0), (below, width))),
            ratio(mean((height - rows, 0), (rows, width)), mean((height - rows - below, 0), (below, width))),
            ratio(mean((0, 0), (height, columns)), mean((0, columns), (height, right))),
            ratio(mean((0, width - columns), (height, columns)), mean((0, width - columns - right), (height, right))),
        ]
        .into_iter()
        .fold(f64::INFINITY, f64::min)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_rectangle_and_its_contrast() {
        let image: Vec<u8> = (0..256).map(|i| if i % 16 < 4 && i / 16 < 4 { 130 } else { 228 }).collect();
        let sums = Sums::of(&image, [1, 16, 16]);
        assert_eq!(sums.greyest_window((2, 2)), 3.0 / 101.0);
        assert!(sums.greyest_window((4, 4)) > 0.5);
    }

    #[test]
    fn finds_a_band_of_one_row_on_each_side() {
        for side in 0..4 {
            let lies_in = |y: usize, x: usize| [y == 0, y == 31, x == 0, x == 31][side];
            let image: Vec<u8> = (0..1024).map(|i| if lies_in(i / 32, i % 32) { 128 } else { 28 }).collect();
            let sums = Sums::of(&image, [1, 32, 32]);
            assert_eq!(sums.greyest_band(1), 1.0 / 101.0, "side {side}");
            assert!(sums.greyest_band(2) > 0.4, "side {side}");
        }
    }

    #[test]
    fn a_grey_image_is_no_rectangle() {
        for level in [128, 133] {
            let grey = Sums::of(&[level; 1024], [1, 32, 32]);
            assert_eq!((grey.greyest_window((2, 2)), grey.greyest_band(4)), (1.0, 1.0));
        }
    }

    #[test]
    fn tiny_images_do_not_panic() {
        for (h, w) in [(1, 1), (1, 5), (2, 2), (3, 7)] {
            let image = vec![7; 3 * h * w];
            let sums = Sums::of(&image, [3, h, w]);
            assert!(WINDOWS.iter().all(|window| sums.greyest_window(*window).is_finite()));
            assert!((1..=4).all(|quarters| sums.greyest_band(quarters).is_finite()));
        }
    }
}
