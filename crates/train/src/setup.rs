//! Where a trainer computes, in which numbers, and with whom.

use frugan_autograd::{DType, Device, Ranks};

/// What a trainer runs on. Nothing of it is part of a run's result but for rounding, and for batch norm, whose statistics are
/// each rank's own unless `ranks.sync_bn` says otherwise.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The device.
    pub device: Device,
    /// F32; F64 where results are compared to their last digits.
    pub dtype: DType,
    /// Who shares each batch.
    pub ranks: Ranks,
}

impl Setup {
    /// One process, in F32.
    pub fn on(device: Device) -> Self {
        Self { device, dtype: DType::F32, ranks: Ranks::alone() }
    }
}
