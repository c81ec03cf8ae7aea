//! Transforms beyond DiffAugment's: a file each in this folder, and a line each in the list below.

use std::fmt;

use frugan_autograd::{Result, Var};
use frugan_nn::Stream;

/// A transform that a policy can name. `docs/extending.md` walks through one.
pub(crate) trait Extra: Sync {
    /// What chance decides for one image of `[height, width]`: as many numbers for each image.
    fn draw(&self, size: [usize; 2], stream: &mut Stream) -> Vec<f32>;

    /// T(x) of images `[N, C, H, W]`, with the numbers of each. Whatever is made of the tape's operations has its gradient, and
    /// the gradient's gradient.
    fn apply(&self, images: &Var, draws: &[Vec<f32>]) -> Result<Var>;
}

/// A line is a module of this folder and the transform in it; the module's name is what a policy calls it.
macro_rules! extras {
    ($($module:ident :: $transform:ident,)*) => {
        $(mod $module;)*
        const EXTRAS: &[(&str, &dyn Extra)] = &[$((stringify!($module), &$module::$transform)),*];
    };
}

extras! {
    grayscale::Grayscale,
}

/// A transform beyond DiffAugment's own, by its place in the list.
///
/// ```
/// use frugan_augment::{Policy, Transform};
/// # fn main() -> Result<(), frugan_augment::PolicyError> {
/// let policy = Policy::parse("translation,grayscale")?;
/// let Transform::Extra(extra) = policy.transforms()[1] else { panic!("no transform of the paper") };
/// assert_eq!(extra.name(), "grayscale");
/// # Ok(()) }
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ExtraTransform(usize);

impl ExtraTransform {
    /// All of them, in the list's order.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        (0..EXTRAS.len()).map(Self)
    }

    /// The name that a policy, draws and errors have for it.
    ///
    /// ```
    /// let policy = frugan_augment::Policy::parse("grayscale").expect("a known name");
    /// assert_eq!(policy.transforms()[0].name(), "grayscale");
    /// ```
    pub fn name(self) -> &'static str {
        EXTRAS[self.0].0
    }

    pub(crate) fn draw(self, n: usize, size: [usize; 2], stream: &mut Stream) -> Vec<Vec<f32>> {
        (0..n).map(|_| EXTRAS[self.0].1.draw(size, stream)).collect()
    }

    pub(crate) fn apply(self, images: &Var, draws: &[Vec<f32>]) -> Result<Var> {
        EXTRAS[self.0].1.apply(images, draws)
    }
}

impl fmt::Debug for ExtraTransform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
