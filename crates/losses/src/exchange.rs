//! Rows of two batches that change places.

use frugan_autograd::{Error, Ints, Result, Var, concat};

/// `first` and `second` with the rows (images, logits) exchanged where the coin says so. Both are `[N, ..]` of one
/// shape; gradients follow the rows.
///
/// # Errors
/// If the shapes differ, or there are not N coins.
pub(crate) fn exchange(op: &str, first: &Var, second: &Var, coins: &[bool]) -> Result<(Var, Var)> {
    let (dims, n) = (first.dims(), coins.len());
    if dims != second.dims() || dims.first() != Some(&n) {
        let message =
            format!("{op}: {dims:?} and {:?} with {n} coins: want one shape, and a coin a row", second.dims());
        return Err(Error::Msg(message));
    }
    let both = concat(&[first, second], 0)?.reshape(&[2 * n, first.elem_count() / n.max(1)])?;
    let pick = |kept: usize, other: usize| -> Result<Var> {
        let rows: Ints =
            coins.iter().enumerate().map(|(i, coin)| (i + if *coin { other } else { kept }) as i32).collect();
        both.gather(&rows.to_device(&first.device())?)?.reshape(dims)
    };
    Ok((pick(0, n)?, pick(n, 0)?))
}
