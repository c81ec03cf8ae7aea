//! The names of ADA's transforms, and the steps that the pipe takes them apart into.

/// A transform of ADA's pipe by the name that a pipe's text has for it (Karras et al. 2020, appendix B.2).
///
/// ```
/// use frugan_augment::ada::Transform;
/// assert_eq!(Transform::ALL.len(), 15);
/// assert_eq!(Transform::LumaFlip.name(), "lumaflip");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Transform {
    /// Mirror images.
    XFlip,
    /// Quarter turns.
    Rotate90,
    /// Shifts by whole pixels, up to an eighth of the side.
    XInt,
    /// Isotropic scaling by `2^(0.2 n)`.
    Scale,
    /// Rotation by any angle: half of it before [`Transform::Aniso`], half after.
    Rotate,
    /// Stretching by `2^(0.2 n)` along x and its inverse along y.
    Aniso,
    /// Shifts by any distance, an eighth of the side times n.
    XFrac,
    /// A shift of all channels by `0.2 n`.
    Brightness,
    /// All channels times `2^(0.5 n)`.
    Contrast,
    /// Colours mirrored about the plane of luma 0.
    LumaFlip,
    /// Colours rotated about the grey axis.
    Hue,
    /// The distance from the grey axis times `2^n`.
    Saturation,
    /// Four frequency bands amplified by `2^n` each.
    ImgFilter,
    /// Noise of standard deviation `0.1 |n|`.
    Noise,
    /// A rectangle of half the sides set to 0.
    Cutout,
}

/// A step of the pipe: what has draws and a gate of its own. A rotation has two, the filter one for each band; without
/// the second half of the rotation these are the 18 transformations of the paper.
///
/// ```
/// use frugan_augment::ada::{Step, Transform};
/// assert_eq!(Step::ALL.len(), 19);
/// assert_eq!(Step::PostRotate.transform(), Transform::Rotate);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    /// [`Transform::XFlip`]
    XFlip,
    /// [`Transform::Rotate90`]
    Rotate90,
    /// [`Transform::XInt`]
    XInt,
    /// [`Transform::Scale`]
    Scale,
    /// [`Transform::Rotate`], before the stretch
    PreRotate,
    /// [`Transform::Aniso`]
    Aniso,
    /// [`Transform::Rotate`], after the stretch
    PostRotate,
    /// [`Transform::XFrac`]
    XFrac,
    /// [`Transform::Brightness`]
    Brightness,
    /// [`Transform::Contrast`]
    Contrast,
    /// [`Transform::LumaFlip`]
    LumaFlip,
    /// [`Transform::Hue`]
    Hue,
    /// [`Transform::Saturation`]
    Saturation,
    /// [`Transform::ImgFilter`], the lowest band: [0, pi/8] of the spectrum
    Band0,
    /// [`Transform::ImgFilter`], [pi/8, pi/4]
    Band1,
    /// [`Transform::ImgFilter`], [pi/4, pi/2]
    Band2,
    /// [`Transform::ImgFilter`], the highest band: [pi/2, pi]
    Band3,
    /// [`Transform::Noise`]
    Noise,
    /// [`Transform::Cutout`]
    Cutout,
}

/// What a step's raw numbers are distributed as.
///
/// ```
/// use frugan_augment::ada::{Law, Step};
/// assert_eq!((Step::Hue.law(), Step::Contrast.law()), (Law::Uniform, Law::Normal));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Law {
    /// u, uniform on [0, 1).
    Uniform,
    /// n, standard normal.
    Normal,
}

impl Transform {
    /// All transforms, in the pipe's order.
    pub const ALL: [Self; 15] = [
        Self::XFlip,
        Self::Rotate90,
        Self::XInt,
        Self::Scale,
        Self::Rotate,
        Self::Aniso,
        Self::XFrac,
        Self::Brightness,
        Self::Contrast,
        Self::LumaFlip,
        Self::Hue,
        Self::Saturation,
        Self::ImgFilter,
        Self::Noise,
        Self::Cutout,
    ];

    /// The name in a pipe's text.
    ///
    /// ```
    /// assert_eq!(frugan_augment::ada::Transform::XFrac.name(), "xfrac");
    /// ```
    pub fn name(self) -> &'static str {
        match self {
            Self::XFlip => "xflip",
            Self::Rotate90 => "rotate90",
            Self::XInt => "xint",
            Self::Scale => "scale",
            Self::Rotate => "rotate",
            Self::Aniso => "aniso",
            Self::XFrac => "xfrac",
            Self::Brightness => "brightness",
            Self::Contrast => "contrast",
            Self::LumaFlip => "lumaflip",
            Self::Hue => "hue",
            Self::Saturation => "saturation",
            Self::ImgFilter => "imgfilter",
            Self::Noise => "noise",
            Self::Cutout => "cutout",
        }
    }
}

impl Step {
    /// All steps, in the pipe's order.
    pub const ALL: [Self; 19] = [
        Self::XFlip,
        Self::Rotate90,
        Self::XInt,
        Self::Scale,
        Self::PreRotate,
        Self::Aniso,
        Self::PostRotate,
        Self::XFrac,
        Self::Brightness,
        Self::Contrast,
        Self::LumaFlip,
        Self::Hue,
        Self::Saturation,
        Self::Band0,
        Self::Band1,
        Self::Band2,
        Self::Band3,
        Self::Noise,
        Self::Cutout,
    ];

    /// The transform that the step is, or is a part of.
    ///
    /// ```
    /// use frugan_augment::ada::{Step, Transform};
    /// assert_eq!(Step::Band2.transform(), Transform::ImgFilter);
    /// ```
    pub fn transform(self) -> Transform {
        match self {
            Self::XFlip => Transform::XFlip,
            Self::Rotate90 => Transform::Rotate90,
            Self::XInt => Transform::XInt,
            Self::Scale => Transform::Scale,
            Self::PreRotate | Self::PostRotate => Transform::Rotate,
            Self::Aniso => Transform::Aniso,
            Self::XFrac => Transform::XFrac,
            Self::Brightness => Transform::Brightness,
            Self::Contrast => Transform::Contrast,
            Self::LumaFlip => Transform::LumaFlip,
            Self::Hue => Transform::Hue,
            Self::Saturation => Transform::Saturation,
            Self::Band0 | Self::Band1 | Self::Band2 | Self::Band3 => Transform::ImgFilter,
            Self::Noise => Transform::Noise,
            Self::Cutout => Transform::Cutout,
        }
    }

    /// The name that draws and errors carry.
    ///
    /// ```
    /// use frugan_augment::ada::Step;
    /// assert_eq!((Step::PreRotate.name(), Step::Band0.name()), ("prerot", "imgfilter0"));
    /// ```
    pub fn name(self) -> &'static str {
        match self {
            Self::PreRotate => "prerot",
            Self::PostRotate => "postrot",
            Self::Band0 => "imgfilter0",
            Self::Band1 => "imgfilter1",
            Self::Band2 => "imgfilter2",
            Self::Band3 => "imgfilter3",
            _ => self.transform().name(),
        }
    }

    /// What its raw numbers are distributed as.
    ///
    /// ```
    /// use frugan_augment::ada::{Law, Step};
    /// assert_eq!(Step::XInt.law(), Law::Uniform);
    /// ```
    pub fn law(self) -> Law {
        match self {
            Self::XFlip | Self::Rotate90 | Self::XInt | Self::PreRotate | Self::PostRotate => Law::Uniform,
            Self::LumaFlip | Self::Hue | Self::Cutout => Law::Uniform,
            _ => Law::Normal,
        }
    }

    /// Raw numbers an image: 2 where x and y are drawn apart (shifts, the centre of a cutout), else 1.
    ///
    /// ```
    /// use frugan_augment::ada::Step;
    /// assert_eq!((Step::XFrac.arity(), Step::Scale.arity()), (2, 1));
    /// ```
    pub fn arity(self) -> usize {
        if matches!(self, Self::XInt | Self::XFrac | Self::Cutout) { 2 } else { 1 }
    }

    /// Whether it is a rotation of the image or a part of the geometry at all.
    pub(super) fn is_geometric(self) -> bool {
        self <= Self::XFrac
    }

    pub(super) fn is_color(self) -> bool {
        (Self::Brightness..=Self::Saturation).contains(&self)
    }

    /// The frequency band that it amplifies.
    pub(super) fn band(self) -> Option<usize> {
        [Self::Band0, Self::Band1, Self::Band2, Self::Band3].iter().position(|band| *band == self)
    }

    /// Whether images of one channel have no use for it.
    pub(super) fn needs_color(self) -> bool {
        matches!(self, Self::Hue | Self::Saturation)
    }
}
