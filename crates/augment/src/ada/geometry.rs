//! The geometric half of the pipe: one affine map an image, and the margin that all of them need.

use frugan_autograd::Warp;

use super::affine::Affine;
use super::gate::Parameters;
use super::wavelet::low_pass;
use super::{Draws, DrawsError, Pipe, Step};

/// Pixels of the doubled grid that the filter reads beyond the image on each side: half its 12 taps.
const FILTER_BORDER: usize = 6;

/// How a pipe moves the pixels of a batch (appendix B.2 of the paper, "execution of geometric transformations").
///
/// ```
/// use frugan_augment::ada::{Draw, Draws, Pipe, Step};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let shift = Draw { step: Step::XInt, values: vec![0.99, 0.5], gates: vec![0.0], pixels: vec![] };
/// let pipe = Pipe::parse("xint")?;
/// let geometry = pipe.geometry(&Draws::new(vec![shift])?, 1.0, [32, 32])?.expect("xint is geometric");
/// assert_eq!(geometry.maps(), [[[1.0, 0.0, -4.0], [0.0, 1.0, 0.0]]]); // 0.98 * 32 / 8, rounded: to the right
/// assert_eq!(geometry.margin(), [10, 2, 6, 6]); // what the filter reads, and the shift
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Geometry {
    maps: Vec<Affine>,
    margin: [usize; 4],
    size: [usize; 2],
}

impl Pipe {
    /// The geometry of a batch of `[height, width]` at overall strength `p`; `None` if no transform of the pipe moves
    /// pixels. At p = 0 [`Pipe::apply`] does not run it.
    ///
    /// # Errors
    /// If the draws are of other steps than the pipe's.
    pub fn geometry(&self, draws: &Draws, p: f64, size: [usize; 2]) -> Result<Option<Geometry>, DrawsError> {
        // Colour images and grey ones move alike.
        let wanted = self.steps(3).filter(|step| step.is_geometric());
        let given = draws.as_slice().iter().map(|draw| draw.step).filter(|step| step.is_geometric());
        if !given.eq(wanted) {
            return Err(draws.of_other_steps(self, 3));
        }
        Ok(Geometry::new(&self.parameters(draws, p), draws.len(), size))
    }
}

impl Geometry {
    pub(super) fn new(parameters: &Parameters, batch: usize, size: [usize; 2]) -> Option<Self> {
        let mut steps = parameters.steps().filter(|(step, _)| step.is_geometric()).peekable();
        steps.peek()?;
        let mut maps = vec![Affine::IDENTITY; batch];
        for (step, images) in steps {
            for (map, parameter) in maps.iter_mut().zip(images) {
                if let Some(parameter) = parameter {
                    *map = map.after(inverse(step, *parameter, size));
                }
            }
        }
        Some(Self { margin: margin(&maps, size), maps, size })
    }

    /// For each image the map from output pixels to input pixels, both from the image's centre, x to the right and y
    /// down: `[[a, b, tx], [c, d, ty]]`.
    ///
    /// ```
    /// # use frugan_augment::ada::{Draws, Pipe};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use frugan_nn::{Purpose, Stream};
    /// let pipe = Pipe::parse("geom")?;
    /// let draws = pipe.draw(2, [3, 32, 32], &mut Stream::new(0, Purpose::new("d.ada"), 0));
    /// let geometry = pipe.geometry(&draws, 0.0, [32, 32])?.expect("geom moves pixels");
    /// assert_eq!(geometry.maps(), [[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]; 2]);
    /// # Ok(()) }
    /// ```
    pub fn maps(&self) -> Vec<[[f64; 3]; 2]> {
        self.maps.iter().map(|map| map.0).collect()
    }

    /// Reflected pixels `[left, right, top, bottom]` that the images need, one margin for the whole batch: the images
    /// of a batch meet in this number, and in nothing else.
    ///
    /// ```
    /// # use frugan_augment::ada::{Draws, Pipe};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use frugan_nn::{Purpose, Stream};
    /// let pipe = Pipe::parse("geom")?;
    /// let draws = pipe.draw(2, [3, 4, 32], &mut Stream::new(0, Purpose::new("d.ada"), 0));
    /// let geometry = pipe.geometry(&draws, 0.0, [4, 32])?.expect("geom moves pixels");
    /// assert_eq!(geometry.margin(), [6, 6, 3, 3]); // the filter's 6, but less than a side
    /// # Ok(()) }
    /// ```
    pub fn margin(&self) -> [usize; 4] {
        self.margin
    }

    /// Height and width of the grid that is sampled: the doubled output with what the filter reads beside it.
    ///
    /// ```
    /// # use frugan_augment::ada::{Draws, Pipe};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use frugan_nn::{Purpose, Stream};
    /// let pipe = Pipe::parse("blit")?;
    /// let draws = pipe.draw(1, [3, 32, 32], &mut Stream::new(0, Purpose::new("d.ada"), 0));
    /// let geometry = pipe.geometry(&draws, 0.5, [32, 32])?.expect("blit moves pixels");
    /// assert_eq!(geometry.grid(), [76, 76]);
    /// # Ok(()) }
    /// ```
    pub fn grid(&self) -> [usize; 2] {
        self.size.map(|side| 2 * (side + FILTER_BORDER))
    }

    /// The maps from the sampled grid to the doubled image with its margin, both with coordinates in [-1, 1]: what
    /// PyTorch's `affine_grid` takes.
    ///
    /// ```
    /// # use frugan_augment::ada::{Draws, Pipe};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use frugan_nn::{Purpose, Stream};
    /// let pipe = Pipe::parse("blit")?;
    /// let draws = pipe.draw(1, [3, 24, 24], &mut Stream::new(0, Purpose::new("d.ada"), 0));
    /// let geometry = pipe.geometry(&draws, 0.0, [24, 24])?.expect("blit moves pixels");
    /// // Grid and image have 60 and 72 places a side.
    /// assert!((geometry.theta()[0][0][0] - 60.0 / 72.0).abs() < 1e-12);
    /// # Ok(()) }
    /// ```
    pub fn theta(&self) -> Vec<[[f64; 3]; 2]> {
        let [left, right, top, bottom] = self.margin.map(|margin| margin as f64);
        let [height, width] = self.size.map(|side| side as f64);
        let [rows, columns] = self.grid().map(|side| side as f64);
        let moved = Affine::translate((left - right) / 2.0, (top - bottom) / 2.0);
        let theta = |map: &Affine| {
            let doubled = Affine::scale(2.0, 2.0).after(moved).after(*map).after(Affine::scale(0.5, 0.5));
            // Doubling moves the centre by half a place.
            let centred = Affine::translate(-0.5, -0.5).after(doubled).after(Affine::translate(0.5, 0.5));
            let to_unit = Affine::scale(1.0 / (width + left + right), 1.0 / (height + top + bottom));
            to_unit.after(centred).after(Affine::scale(columns / 2.0, rows / 2.0)).0
        };
        self.maps.iter().map(theta).collect()
    }

    /// The resampling; with `exact`, images whose pixels land on pixels are copied.
    pub(super) fn warp(&self, exact: bool) -> Warp {
        let whole = self.maps.iter().map(|map| exact && self.is_whole(*map)).collect();
        Warp::new(self.maps(), self.margin, low_pass()).nearest(whole)
    }

    /// Whether the map only flips, turns by quarters and shifts by whole pixels.
    fn is_whole(&self, map: Affine) -> bool {
        let [first, _] = corners(self.size);
        let moved = map.apply(first);
        let lands = moved.iter().zip(first).all(|(to, from)| (to - from).fract() == 0.0);
        lands && map.0.iter().all(|[a, b, _]| (a.abs(), b.abs()) == (0.0, 1.0) || (a.abs(), b.abs()) == (1.0, 0.0))
    }
}

/// The inverse map of a geometric step: from where a pixel is to where it comes from.
fn inverse(step: Step, [x, y]: [f64; 2], [height, width]: [usize; 2]) -> Affine {
    let (height, width) = (height as f64, width as f64);
    match step {
        Step::XFlip => Affine::scale(1.0 - 2.0 * x, 1.0),
        Step::Rotate90 => Affine::rotate90(x),
        Step::XInt => Affine::translate(-(x * width).round_ties_even(), -(y * height).round_ties_even()),
        Step::Scale => Affine::scale(1.0 / x, 1.0 / x),
        Step::PreRotate | Step::PostRotate => Affine::rotate(x),
        Step::Aniso => Affine::scale(1.0 / x, x),
        Step::XFrac => Affine::translate(-x * width, -y * height),
        _ => Affine::IDENTITY,
    }
}

/// The centres of the lower right and the upper right pixel; the other two corners are their opposites.
fn corners([height, width]: [usize; 2]) -> [[f64; 2]; 2] {
    let [y, x] = [height, width].map(|side| (side as f64 - 1.0) / 2.0);
    [[x, y], [x, -y]]
}

/// What lies beyond the image under the corners of any image of the batch, and what the filter reads beyond that:
/// whole pixels, and less than a side, for they are reflected.
fn margin(maps: &[Affine], size: [usize; 2]) -> [usize; 4] {
    let [height, width] = size;
    let mut reach = [f64::NEG_INFINITY; 4];
    for (map, [x, y]) in maps.iter().flat_map(|map| corners(size).map(|corner| (map, corner))) {
        for [x, y] in [map.apply([x, y]), map.apply([-x, -y])] {
            for (reach, coordinate) in reach.iter_mut().zip([-x, x, -y, y]) {
                *reach = reach.max(coordinate);
            }
        }
    }
    let sides = [width, width, height, height];
    std::array::from_fn(|i| {
        let beyond = reach[i] - (sides[i] as f64 - 1.0) / 2.0 + FILTER_BORDER as f64;
        beyond.clamp(0.0, sides[i].saturating_sub(1) as f64).ceil() as usize
    })
}
