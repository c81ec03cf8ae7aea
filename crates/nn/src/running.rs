//! Running statistics of a whole network, moved at once.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use frugan_autograd::{Result, Var, no_grad, update};

use crate::ema::average;

/// A layer whose statistics run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Layer(usize);

impl Layer {
    /// Told from all others.
    pub(crate) fn new() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

/// A running statistic on its way to a factor times a batch's.
#[derive(Debug)]
pub(crate) struct Move {
    pub(crate) target: Var,
    pub(crate) source: Var,
    pub(crate) factor: f64,
}

/// Moves of one layer, with the batch's weight.
type Moves = (Layer, f64, Vec<Move>);

/// The running statistics of a network's batch norms. A network that takes its forward passes inside
/// [`RunningStatistics::together`] moves all of them at a pass' end, on a GPU in one launch; elsewhere each layer moves its own, to the
/// same values.
#[derive(Clone, Debug, Default)]
pub struct RunningStatistics(Arc<Mutex<Option<Vec<Moves>>>>);

impl RunningStatistics {
    /// Runs a forward pass.
    ///
    /// # Errors
    /// What the pass fails with, or if a device fails; after an error in the pass nothing has moved.
    pub fn together<R>(&self, forward: impl FnOnce() -> Result<R>) -> Result<R> {
        *self.lock() = Some(Vec::new());
        let result = forward();
        let moves = self.lock().take().unwrap_or_default();
        let result = result?;
        settle(&moves)?;
        Ok(result)
    }

    /// Moves a layer's statistics now, or at the end of the pass.
    pub(crate) fn put(&self, layer: Layer, weight: f64, moves: Vec<Move>) -> Result<()> {
        let mut collected = self.lock();
        let Some(waiting) = &mut *collected else { return settle(&[(layer, weight, moves)]) };
        if waiting.iter().any(|(other, ..)| *other == layer) {
            // The second time in a pass it goes on from where the first took it.
            settle(waiting)?;
            waiting.clear();
        }
        waiting.push((layer, weight, moves));
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Option<Vec<Moves>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Layers of one weight at once.
fn settle(moves: &[Moves]) -> Result<()> {
    for alike in moves.chunk_by(|(_, a, _), (_, b, _)| a == b) {
        let rows = alike.iter().flat_map(|(.., moves)| moves);
        let weight = alike[0].1;
        if weight == 1.0 {
            // A copy to the last bit.
            for Move { target, source, factor } in rows {
                average(target, &no_grad(|| source.scale(*factor))?, 1.0)?;
            }
            continue;
        }
        let rows: Vec<_> = rows.map(|Move { target, source, factor }| (target, source, *factor)).collect();
        update::lerp_scaled_all(&rows, weight)?;
    }
    Ok(())
}
