//! Filters on their way from the type that they are stored in to the one that they convolve in, and back.

use candle_core::{Result, bail};

use crate::cuda::driver::Kernel;
use crate::cuda::tensor::{CudaTensor, Order};
use crate::cuda::texts::{Element, FILTER};
use crate::cuda::words::{Divisor, words};

/// `Place` of `place.cu`: where the elements of a weight lie in an array of its sizes.
pub(super) fn place(array: &CudaTensor) -> Vec<u64> {
    let row = Divisor(array.len() / array.dims().first().copied().unwrap_or(1).max(1));
    match (array.order(), array.dims()) {
        (Order::Pixels, [_, channels, height, width]) => words![row, Divisor(height * width), *channels],
        _ => words![row, Divisor(1), 1usize],
    }
}

/// A half's kernel of two.
fn of_half(names: [&'static str; 2], half: Element) -> Result<&'static str> {
    match half {
        Element::Bf16 => Ok(names[0]),
        Element::F16 => Ok(names[1]),
        other => bail!("scaled_filter: a filter of {other:?}, expected a half"),
    }
}

/// `factor w` in a half type, and in the order in which a library convolves in it.
pub(crate) fn scale(w: &CudaTensor, factor: f64, half: Element) -> Result<CudaTensor> {
    let w = w.planes()?;
    let out = w.of_type(half, if w.gpu().wants_pixels(half) { Order::Pixels } else { Order::Planes })?;
    let function = of_half(["scale_filter_bf16", "scale_filter_f16"], half)?;
    w.each(&FILTER, function, &[words![w.len(), &w, &out], place(&out), words![factor]].concat())?;
    Ok(out)
}

/// `factor g` in the type of weights and row-major, of a half in any order.
pub(crate) fn scale_gradient(g: &CudaTensor, factor: f64, element: Element) -> Result<CudaTensor> {
    let out = g.of_type(element, Order::Planes)?;
    let function = of_half(["scale_filter_grad_bf16", "scale_filter_grad_f16"], g.element())?;
    let words = [words![g.len(), g, &out], place(g), words![factor]].concat();
    g.gpu().each(Kernel { text: &FILTER, function, element }, &words)?;
    Ok(out)
}
