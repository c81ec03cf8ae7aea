//! What chance decides: the draws of a pipe for a batch.

use frugan_nn::Stream;
use thiserror::Error;

use super::{Law, Pipe, Step};

/// The draws of one step, for each image of a batch. They do not depend on p.
///
/// ```
/// use frugan_augment::ada::{Draw, Step};
/// // Two images: the first is mirrored (u of 1/2 or more) where the gate lets it, the second never.
/// let flip = Draw { step: Step::XFlip, values: vec![0.75, 0.25], gates: vec![0.1, 0.2], pixels: vec![] };
/// assert_eq!(flip.len(), 2);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Draw {
    /// The step.
    pub step: Step,
    /// [`Step::arity`] raw numbers an image, distributed as [`Step::law`] says: x before y.
    pub values: Vec<f32>,
    /// Uniform on [0, 1), one an image: the step acts where this is below its probability.
    pub gates: Vec<f32>,
    /// Of [`Step::Noise`]: a standard normal each value of the images, `[N, C, H, W]`. Else empty.
    pub pixels: Vec<f32>,
}

/// The draws of a pipe for a batch, one [`Draw`] a step, in the pipe's order.
///
/// ```
/// use frugan_augment::ada::Pipe;
/// use frugan_nn::{Purpose, Stream};
/// # fn main() -> Result<(), frugan_augment::ada::PipeError> {
/// let draw = || Pipe::parse("bgc").map(|pipe| pipe.draw(4, [3, 32, 32], &mut Stream::new(0, Purpose::new("d.ada"), 9)));
/// assert_eq!(draw()?, draw()?);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Draws {
    draws: Vec<Draw>,
}

/// What is wrong with draws.
///
/// ```
/// use frugan_augment::ada::{Draw, Draws, DrawsError, Step};
/// let short = Draw { step: Step::XInt, values: vec![0.5; 3], gates: vec![0.5; 2], pixels: vec![] };
/// let error = DrawsError::Ragged { step: "xint", list: "values", given: 3, expected: 4 };
/// assert_eq!(Draws::new(vec![short]), Err(error));
/// ```
#[derive(Clone, Debug, PartialEq, Error)]
pub enum DrawsError {
    /// A list of another length than the batch.
    #[error("draws: {step} has {given} {list}, want {expected} for the batch of the first step")]
    Ragged {
        /// The step's name.
        step: &'static str,
        /// Which list.
        list: &'static str,
        /// Its length.
        given: usize,
        /// The length that fits.
        expected: usize,
    },
    /// A number that its law cannot give.
    #[error("draws: {step}.{list}[{index}] = {value}, want {range}")]
    OutOfRange {
        /// The step's name.
        step: &'static str,
        /// Which list.
        list: &'static str,
        /// Which number.
        index: usize,
        /// What was given.
        value: f32,
        /// The range, in words.
        range: &'static str,
    },
    /// Draws for another batch.
    #[error("draws are for {draws} images, the batch has {batch}: draw for the batch that is augmented")]
    Batch {
        /// Images drawn for.
        draws: usize,
        /// Images given.
        batch: usize,
    },
    /// Draws of other steps than the pipe's.
    #[error("draws are of [{draws}], the pipe \"{pipe}\" wants [{wanted}]: make them with Pipe::draw")]
    Steps {
        /// The steps drawn.
        draws: String,
        /// The pipe.
        pipe: String,
        /// The steps of the pipe, for the images' channels.
        wanted: String,
    },
}

impl Pipe {
    /// Draws for `n` images of `[channels, height, width]`: for each step its numbers and then its gates (a cutout's
    /// gates come first, a noise's pixels last).
    ///
    /// ```
    /// use frugan_augment::ada::Pipe;
    /// use frugan_nn::{Purpose, Stream};
    /// # fn main() -> Result<(), frugan_augment::ada::PipeError> {
    /// let draws = Pipe::parse("rotate")?.draw(50, [3, 32, 32], &mut Stream::new(0, Purpose::new("g.ada"), 3));
    /// let names: Vec<&str> = draws.as_slice().iter().map(|draw| draw.step.name()).collect();
    /// assert_eq!((names.as_slice(), draws.len()), (["prerot", "postrot"].as_slice(), 50));
    /// # Ok(()) }
    /// ```
    pub fn draw(&self, n: usize, [channels, height, width]: [usize; 3], stream: &mut Stream) -> Draws {
        let draws = self.steps(channels).map(|step| {
            let early = if step == Step::Cutout { stream.uniforms(n) } else { Vec::new() };
            let values = match step.law() {
                Law::Uniform => stream.uniforms(n * step.arity()),
                Law::Normal => stream.normals(n * step.arity()),
            };
            let gates = if step == Step::Cutout { early } else { stream.uniforms(n) };
            let pixels = if step == Step::Noise { n * channels * height * width } else { 0 };
            Draw { step, values, gates, pixels: stream.normals(pixels) }
        });
        Draws { draws: draws.collect() }
    }
}

impl Draw {
    /// The number of images.
    ///
    /// ```
    /// use frugan_augment::ada::{Draw, Step};
    /// let draw = Draw { step: Step::XFrac, values: vec![0.0; 6], gates: vec![0.5; 3], pixels: vec![] };
    /// assert_eq!(draw.len(), 3);
    /// ```
    pub fn len(&self) -> usize {
        self.gates.len()
    }

    /// Whether it is for no image.
    ///
    /// ```
    /// use frugan_augment::ada::{Draw, Step};
    /// assert!(Draw { step: Step::Hue, values: vec![], gates: vec![], pixels: vec![] }.is_empty());
    /// ```
    pub fn is_empty(&self) -> bool {
        self.gates.is_empty()
    }

    /// The raw numbers of an image, the same twice where x and y are not drawn apart.
    pub(super) fn raw(&self, image: usize) -> [f64; 2] {
        let arity = self.step.arity();
        [0, arity - 1].map(|i| f64::from(self.values[image * arity + i]))
    }

    fn check(&self, n: usize) -> Result<(), DrawsError> {
        let step = self.step.name();
        // How many pixels an image has, the images say.
        let pixels = if self.step == Step::Noise { self.pixels.len().next_multiple_of(n.max(1)) } else { 0 };
        let lists = [
            ("values", &self.values, n * self.step.arity(), self.step.law()),
            ("gates", &self.gates, n, Law::Uniform),
            ("pixels", &self.pixels, pixels, Law::Normal),
        ];
        for (list, values, expected, law) in lists {
            if values.len() != expected {
                return Err(DrawsError::Ragged { step, list, given: values.len(), expected });
            }
            let (range, fits): (_, fn(&f32) -> bool) = match law {
                Law::Uniform => ("a number in [0, 1)", |v| (0.0..1.0).contains(v)),
                Law::Normal => ("a finite number", |v| v.is_finite()),
            };
            if let Some(index) = values.iter().position(|v| !fits(v)) {
                return Err(DrawsError::OutOfRange { step, list, index, value: values[index], range });
            }
        }
        Ok(())
    }
}

impl Draws {
    /// Draws given by hand.
    ///
    /// ```
    /// use frugan_augment::ada::{Draw, Draws, Step};
    /// # fn main() -> Result<(), frugan_augment::ada::DrawsError> {
    /// let brighter = Draw { step: Step::Brightness, values: vec![1.0, -0.5], gates: vec![0.0; 2], pixels: vec![] };
    /// assert_eq!(Draws::new(vec![brighter])?.len(), 2);
    /// # Ok(()) }
    /// ```
    pub fn new(draws: Vec<Draw>) -> Result<Self, DrawsError> {
        let n = draws.first().map_or(0, Draw::len);
        draws.iter().try_for_each(|draw| draw.check(n))?;
        Ok(Self { draws })
    }

    /// The number of images.
    ///
    /// ```
    /// assert_eq!(frugan_augment::ada::Draws::default().len(), 0);
    /// ```
    pub fn len(&self) -> usize {
        self.draws.first().map_or(0, Draw::len)
    }

    /// Whether they are for no image.
    ///
    /// ```
    /// assert!(frugan_augment::ada::Draws::default().is_empty());
    /// ```
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The draws, one a step.
    ///
    /// ```
    /// use frugan_augment::ada::{Draw, Draws, Step};
    /// # fn main() -> Result<(), frugan_augment::ada::DrawsError> {
    /// let hue = Draw { step: Step::Hue, values: vec![0.5], gates: vec![0.5], pixels: vec![] };
    /// assert_eq!(Draws::new(vec![hue.clone()])?.as_slice(), [hue]);
    /// # Ok(()) }
    /// ```
    pub fn as_slice(&self) -> &[Draw] {
        &self.draws
    }

    /// The draws of the `len` images from `start` on.
    ///
    /// ```
    /// use frugan_augment::ada::{Draw, Draws, Step};
    /// # fn main() -> Result<(), frugan_augment::ada::DrawsError> {
    /// let hue = Draw { step: Step::Hue, values: vec![0.1, 0.2, 0.3], gates: vec![0.5; 3], pixels: vec![] };
    /// assert_eq!(Draws::new(vec![hue])?.narrow(1, 2).as_slice()[0].values, [0.2, 0.3]);
    /// # Ok(()) }
    /// ```
    ///
    /// # Panics
    /// If the range leaves the batch.
    #[must_use]
    pub fn narrow(&self, start: usize, len: usize) -> Self {
        self.select(&(start..start + len).collect::<Vec<_>>())
    }

    /// The draws of these images of the batch, in this order.
    ///
    /// ```
    /// use frugan_augment::ada::{Draw, Draws, Step};
    /// # fn main() -> Result<(), frugan_augment::ada::DrawsError> {
    /// let hue = Draw { step: Step::Hue, values: vec![0.1, 0.2, 0.3], gates: vec![0.5; 3], pixels: vec![] };
    /// assert_eq!(Draws::new(vec![hue])?.select(&[2, 0]).as_slice()[0].values, [0.3, 0.1]);
    /// # Ok(()) }
    /// ```
    ///
    /// # Panics
    /// If the batch has no such image.
    #[must_use]
    pub fn select(&self, images: &[usize]) -> Self {
        let n = self.len().max(1);
        let part = |list: &[f32]| {
            let each = list.len() / n;
            let rows: Vec<&[f32]> = images.iter().map(|image| &list[image * each..(image + 1) * each]).collect();
            rows.concat()
        };
        let selected = |draw: &Draw| Draw {
            step: draw.step,
            values: part(&draw.values),
            gates: part(&draw.gates),
            pixels: part(&draw.pixels),
        };
        Self { draws: self.draws.iter().map(selected).collect() }
    }

    /// Whether these draws fit the pipe and a batch of this shape.
    pub(super) fn check(&self, pipe: &Pipe, [n, channels, height, width]: [usize; 4]) -> Result<(), DrawsError> {
        if !self.draws.iter().map(|draw| draw.step).eq(pipe.steps(channels)) {
            return Err(self.of_other_steps(pipe, channels));
        }
        if !self.draws.is_empty() && self.len() != n {
            return Err(DrawsError::Batch { draws: self.len(), batch: n });
        }
        let expected = n * channels * height * width;
        match self.draws.iter().find(|draw| draw.step == Step::Noise && draw.pixels.len() != expected) {
            Some(draw) => {
                let given = draw.pixels.len();
                Err(DrawsError::Ragged { step: "noise", list: "pixels", given, expected })
            }
            None => Ok(()),
        }
    }

    pub(super) fn of_other_steps(&self, pipe: &Pipe, channels: usize) -> DrawsError {
        let join = |steps: &mut dyn Iterator<Item = Step>| steps.map(Step::name).collect::<Vec<_>>().join(",");
        DrawsError::Steps {
            draws: join(&mut self.draws.iter().map(|draw| draw.step)),
            pipe: pipe.to_string(),
            wanted: join(&mut pipe.steps(channels)),
        }
    }
}
