//! Pooling and its adjoints.

use candle_core::Result;

use crate::cuda::tensor::{CudaTensor, Order};
use crate::cuda::texts::POOL;
use crate::cuda::words::{Address, Divisor, words};
use crate::ints::Ints;
use crate::kernels::pool::Window;

/// How many values lie between two neighbouring pixels of a row.
pub(super) fn beside(x: &CudaTensor) -> usize {
    match x.order() {
        Order::Planes => 1,
        Order::Pixels => x.dims()[1],
    }
}

pub(crate) fn sum_cells(x: &CudaTensor, factor: f64) -> Result<CudaTensor> {
    let [n, c, h, w] = x.dims4()?;
    let y = x.like_in(&[n, c, h / 2, w / 2], x.order())?;
    x.map(&POOL, "sum_cells", &words![y.len(), x, &y, Divisor(beside(x)), Divisor(w / 2), factor])?;
    Ok(y)
}

pub(crate) fn double(x: &CudaTensor, factor: f64) -> Result<CudaTensor> {
    let [n, c, h, w] = x.dims4()?;
    let y = x.like_in(&[n, c, 2 * h, 2 * w], x.order())?;
    x.map(&POOL, "double_cells", &words![y.len(), x, &y, Divisor(beside(x)), Divisor(2 * w), factor])?;
    Ok(y)
}

/// The struct of the sliding windows' kernels.
fn window_words(window: &Window, n: usize, x: &CudaTensor, y: Option<&CudaTensor>, places: Address) -> Vec<u64> {
    let (sizes, outs) = ([window.height, window.width], [window.out_height(), window.out_width()]);
    words![n, x, y, places, sizes, outs, window.kernel, window.stride, window.padding]
}

pub(crate) fn places(window: &Window, x: &CudaTensor) -> Result<Ints> {
    let [n, c, ..] = x.dims4()?;
    let count = n * c * window.out_height() * window.out_width();
    let places = Ints::uninitialised(x.gpu(), count)?;
    let address = places.on(x.gpu())?.address();
    x.each(&POOL, "find_places", &window_words(window, count, x, None, address))?;
    Ok(places)
}

/// A kernel whose output has the windows' size, or, for an adjoint, the image's.
fn slide(
    function: &'static str,
    window: &Window,
    x: &CudaTensor,
    places: Option<&Ints>,
    [height, width]: [usize; 2],
) -> Result<CudaTensor> {
    let [n, c, ..] = x.dims4()?;
    let y = x.like(&[n, c, height, width])?;
    let places = places.map(|places| places.on(x.gpu())).transpose()?;
    let address = places.as_ref().map_or(Address::NULL, |places| places.address());
    x.each(&POOL, function, &window_words(window, y.len(), x, Some(&y), address))?;
    Ok(y)
}

pub(crate) fn largest(window: &Window, x: &CudaTensor) -> Result<CudaTensor> {
    slide("largest", window, x, None, [window.out_height(), window.out_width()])
}

pub(crate) fn pick(window: &Window, places: &Ints, x: &CudaTensor) -> Result<CudaTensor> {
    slide("pick", window, x, Some(places), [window.out_height(), window.out_width()])
}

pub(crate) fn place(window: &Window, places: &Ints, g: &CudaTensor) -> Result<CudaTensor> {
    slide("place", window, g, Some(places), [window.height, window.width])
}

pub(crate) fn average(window: &Window, x: &CudaTensor) -> Result<CudaTensor> {
    slide("average", window, x, None, [window.out_height(), window.out_width()])
}

pub(crate) fn spread(window: &Window, g: &CudaTensor) -> Result<CudaTensor> {
    slide("spread", window, g, None, [window.height, window.width])
}
