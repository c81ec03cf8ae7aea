//! The transforms on a batch.

use frugan_autograd::{Error, Ints, Result, Tensor, Var};

use crate::color::{self, ColorMap};
use crate::draw::cutout_side;
use crate::{Draw, Draws, Policy};

impl Policy {
    /// Eq. 2 and 3 of DiffAugment: T(x) for images `[N, C, H, W]`, each with its own draws.
    ///
    /// Differentiable with respect to the images, twice and more, in f32 and f64: every transform is linear in the
    /// image but for brightness' shift. Nothing is clamped.
    ///
    /// ```
    /// use frugan_augment::{Draw, Draws, Policy};
    /// use frugan_autograd::{DType, Device, Var};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let grey = Var::zeros(&[2, 3, 4, 4], DType::F64, &Device::Cpu)?;
    /// let draws = Draws::new(vec![Draw::Brightness { u: vec![0.75, 0.5] }])?;
    /// let y = Policy::parse("brightness")?.apply(&grey, &draws)?;
    /// assert_eq!((y.narrow(0, 0, 1)?.mean()?.item()?, y.narrow(0, 1, 1)?.mean()?.item()?), (0.25, 0.0));
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// Where the images are not of four axes, and where [`DrawsError`](crate::DrawsError) says that the draws do not
    /// fit the policy, the batch or the image size.
    pub fn apply(&self, images: &Var, draws: &Draws) -> Result<Var> {
        let [n, c, h, w] = image_shape(images)?;
        draws.check(self, [n, c, h, w]).map_err(Error::wrap)?;
        let cut = [cutout_side(h), cutout_side(w)];
        let (mut y, mut draws) = (images.clone(), draws.as_slice());
        // Each arm is one pass over the images, forward and backward.
        loop {
            (y, draws) = match draws {
                [] => return Ok(y),
                [Draw::Translation { tx, ty }, Draw::Cutout { ox, oy }, rest @ ..] => {
                    let [top, left] = corners(ox, oy, cut);
                    let [dy, dx, top, left] = Ints::together([tx.clone(), ty.clone(), top, left]);
                    (y.shift_erase([&dy, &dx], [&top, &left], cut)?, rest)
                }
                [Draw::Cutout { ox, oy }, Draw::Translation { tx, ty }, rest @ ..] => {
                    let [top, left] = corners(ox, oy, cut);
                    let [dy, dx, top, left] = Ints::together([tx.clone(), ty.clone(), top, left]);
                    (y.erase_shift([&top, &left], cut, [&dy, &dx])?, rest)
                }
                [Draw::Translation { tx, ty }, rest @ ..] => {
                    let [dy, dx] = Ints::together([tx.clone(), ty.clone()]);
                    (y.shift(&dy, &dx)?, rest)
                }
                [Draw::Cutout { ox, oy }, rest @ ..] => {
                    let [top, left] = Ints::together(corners(ox, oy, cut));
                    (y.erase(&top, &left, cut[0], cut[1])?, rest)
                }
                [Draw::Extra { transform, values }, rest @ ..] => (transform.apply(&y, values)?, rest),
                colors => {
                    let run = colors.iter().take_while(|draw| draw.transform().is_color()).count();
                    let (run, rest) = colors.split_at(run);
                    (y.color_mix(&coefficients(&color::maps(run, n), &y)?)?, rest)
                }
            };
        }
    }
}

/// `[N, C, H, W]`, or an error that says so.
pub(crate) fn image_shape(images: &Var) -> Result<[usize; 4]> {
    let shape = images.dims();
    shape.try_into().map_err(|_| Error::Msg(format!("augmentation: images have shape {shape:?}, want [N, C, H, W]")))
}

/// The rows of [`Var::color_mix`], of the type of `like`.
fn coefficients(maps: &[ColorMap], like: &Var) -> Result<Var> {
    let rows =
        maps.iter().flat_map(|map| [map.pixel, map.channel_mean, map.image_mean, map.shift]).collect::<Vec<f64>>();
    let rows = Tensor::from_vec(rows, (maps.len(), 4), &candle_core::Device::Cpu)?;
    Var::from(rows.to_dtype(like.dtype())?).to_device(&like.device())
}

/// First row and column of each cut rectangle.
fn corners(ox: &[i32], oy: &[i32], [height, width]: [usize; 2]) -> [Vec<i32>; 2] {
    let corner = |centres: &[i32], side: usize| centres.iter().map(|o| o - (side / 2) as i32).collect();
    [corner(ox, height), corner(oy, width)]
}
