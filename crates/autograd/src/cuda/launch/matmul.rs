//! Products of matrices, alone or in batches.

use candle_core::Result;

use super::reduce::sum_axis;
use crate::cuda::library::{Call, ProductCall};
use crate::cuda::tensor::CudaTensor;
use crate::cuda::texts::MATMUL;
use crate::cuda::words::words;
use crate::kernels::matmul::Product;

/// Rows and columns of a tile, as in `tile.cu`.
pub(crate) const TILE: usize = 64;
/// Terms of a sum that one block adds up at least before its work is split.
const SHARE: usize = 2048;

pub(crate) fn tiles(m: usize, n: usize) -> usize {
    m.div_ceil(TILE) * n.div_ceil(TILE)
}

/// In how many parts to sum over `k`, so that a product of few tiles keeps a GPU busy; depends on sizes only.
pub(crate) fn parts(tiles: usize, k: usize) -> usize {
    const BLOCKS: usize = 256;
    (BLOCKS / tiles.max(1)).min(k.div_ceil(SHARE)).max(1)
}

pub(crate) fn matmul(p: Product, a: &CudaTensor, b: &CudaTensor, shape: &[usize]) -> Result<CudaTensor> {
    let Product { batch, m, k, n, flip_a, flip_b } = p;
    if k == 0 {
        return CudaTensor::full(a.gpu(), 0.0, a.element(), shape);
    }
    let y = a.like(shape)?;
    let tf32 = a.gpu().allows_tf32();
    let call = Call::Product(ProductCall { element: a.element(), tf32, batch, m, k, n, flip_a, flip_b });
    if let Some(planned) = a.gpu().plan(call)? {
        a.gpu().call(&planned, [a.address(), b.address(), y.address()])?;
        return Ok(y);
    }
    let tiles = batch * tiles(m, n);
    let parts = parts(tiles, k);
    let run = |y: &CudaTensor| {
        a.blocks(&MATMUL, "matmul", &words![tiles * parts, a, b, y, m, k, n, parts, batch, flip_a, flip_b])
    };
    if parts == 1 {
        run(&y)?;
        return Ok(y);
    }
    let sums = a.like(&[parts, batch * m * n])?;
    run(&sums)?;
    Ok(sum_axis(&sums, (1, parts, batch * m * n))?.reshape(shape))
}
