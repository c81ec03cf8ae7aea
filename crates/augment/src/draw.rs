//! The draws of one transform, and the ranges that they come from.

use std::ops::RangeInclusive;

use crate::Transform;
use crate::extras::ExtraTransform;

/// The draws of one transform, one of each kind a sample. They do not depend on the number of channels.
///
/// ```
/// use frugan_augment::{Draw, Transform};
/// let draw = Draw::Translation { tx: vec![1, -4], ty: vec![0, 2] };
/// assert_eq!((draw.transform(), draw.len()), (Transform::Translation, 2));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub enum Draw {
    /// Of [`Transform::Brightness`].
    Brightness {
        /// Uniform on [0, 1).
        u: Vec<f32>,
    },
    /// Of [`Transform::Saturation`].
    Saturation {
        /// Uniform on [0, 1).
        u: Vec<f32>,
    },
    /// Of [`Transform::Contrast`].
    Contrast {
        /// Uniform on [0, 1).
        u: Vec<f32>,
    },
    /// Of [`Transform::Translation`]: the output's pixel (i, j) is the input's (i + tx, j + ty).
    Translation {
        /// Rows, in -s..=s with s = floor(H / 8 + 1/2).
        tx: Vec<i32>,
        /// Columns, in -s..=s with s = floor(W / 8 + 1/2).
        ty: Vec<i32>,
    },
    /// Of [`Transform::Cutout`]: with c = floor(side / 2 + 1/2), c pixels from o - floor(c / 2) on are zeroed.
    Cutout {
        /// Rows, in 0..=H for even c and 0..H for odd c.
        ox: Vec<i32>,
        /// Columns, in 0..=W for even c and 0..W for odd c.
        oy: Vec<i32>,
    },
    /// Of [`Transform::Extra`].
    Extra {
        /// Which.
        transform: ExtraTransform,
        /// Its numbers, as many for each sample.
        values: Vec<Vec<f32>>,
    },
}

impl Draw {
    /// The transform that the draws belong to.
    ///
    /// ```
    /// use frugan_augment::{Draw, Transform};
    /// assert_eq!(Draw::Contrast { u: vec![] }.transform(), Transform::Contrast);
    /// ```
    pub fn transform(&self) -> Transform {
        match self {
            Self::Brightness { .. } => Transform::Brightness,
            Self::Saturation { .. } => Transform::Saturation,
            Self::Contrast { .. } => Transform::Contrast,
            Self::Translation { .. } => Transform::Translation,
            Self::Cutout { .. } => Transform::Cutout,
            Self::Extra { transform, .. } => Transform::Extra(*transform),
        }
    }

    /// The number of samples.
    ///
    /// ```
    /// assert_eq!(frugan_augment::Draw::Contrast { u: vec![0.5; 3] }.len(), 3);
    /// ```
    pub fn len(&self) -> usize {
        self.lengths().0[0].1
    }

    /// Whether there is no sample.
    ///
    /// ```
    /// assert!(frugan_augment::Draw::Contrast { u: vec![] }.is_empty());
    /// ```
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Name and length of each list, and how many of the two there are.
    pub(crate) fn lengths(&self) -> ([(&'static str, usize); 2], usize) {
        match self {
            Self::Brightness { u } => ([("brightness.u", u.len()); 2], 1),
            Self::Saturation { u } => ([("saturation.u", u.len()); 2], 1),
            Self::Contrast { u } => ([("contrast.u", u.len()); 2], 1),
            Self::Translation { tx, ty } => ([("translation.tx", tx.len()), ("translation.ty", ty.len())], 2),
            Self::Cutout { ox, oy } => ([("cutout.ox", ox.len()), ("cutout.oy", oy.len())], 2),
            Self::Extra { transform, values } => ([(transform.name(), values.len()); 2], 1),
        }
    }
}

/// Side of the cut rectangle: half the image's, rounded half up.
pub(crate) fn cutout_side(side: usize) -> usize {
    side.div_ceil(2)
}

/// The shifts of a side: an eighth of it (rounded half up) either way.
pub(crate) fn translations(side: usize) -> RangeInclusive<i32> {
    let s = ((side + 4) / 8) as i32;
    -s..=s
}

/// The centres of cutout along a side: an even rectangle may also be centred behind the last pixel.
pub(crate) fn cutout_centres(side: usize) -> RangeInclusive<i32> {
    0..=(side - cutout_side(side) % 2) as i32
}
