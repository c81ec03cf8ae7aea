//! Which statistics a forward pass uses, and whether it stores any.

/// What a forward pass does with batch statistics and with the buffers of a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Batch statistics; running statistics and the vectors of spectral norm are updated.
    Train,
    /// Batch statistics; nothing is stored.
    Batch,
    /// Running statistics; nothing is stored.
    Running,
    /// Batch statistics, averaged into the running ones with equal weights: pass `pass` (from 0) of a series makes them
    /// the mean over passes 0 to `pass` (the "standing statistics" of Brock et al. 2019, section 4.1). Spectral norm
    /// stores nothing.
    Standing {
        /// How many passes of the series came before.
        pass: usize,
    },
}

impl Mode {
    /// Weight of the batch in the running statistics: 0.1 in training by torch's convention (`momentum`).
    pub(crate) fn statistics_weight(self, momentum: f64) -> Option<f64> {
        match self {
            Self::Train => Some(momentum),
            Self::Standing { pass } => Some(1.0 / (pass as f64 + 1.0)),
            Self::Batch | Self::Running => None,
        }
    }
}
