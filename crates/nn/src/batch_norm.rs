//! Batch normalisation (Ioffe and Szegedy 2015).

use frugan_autograd::{BatchMoments, Ranks, Result, Var, concat};

use crate::builder::Builder;
use crate::init::Init;
use crate::mode::Mode;
use crate::running::{Layer, Move, RunningStatistics};

/// Settings of a batch normalisation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BatchNormOptions {
    /// Added to the variance.
    pub eps: f64,
    /// Weight of the batch in the running statistics (torch's convention): `new = 0.9 old + 0.1 batch` at 0.1.
    pub momentum: f64,
    /// Samples that share statistics: a batch of 50 with a group of 25 is normalised as two batches, as data-parallel
    /// training on two devices does; running statistics follow the first. 0: the whole batch. A last group may be smaller.
    pub group: usize,
}

impl Default for BatchNormOptions {
    fn default() -> Self {
        Self { eps: 1e-5, momentum: 0.1, group: 0 }
    }
}

/// Running statistics, and the normalisation that uses or updates them. Normalisation is by the biased variance of the
/// batch; the running variance follows the unbiased one.
#[derive(Clone, Debug)]
pub(crate) struct Statistics {
    mean: Var,
    var: Var,
    options: BatchNormOptions,
    layer: Layer,
    running: RunningStatistics,
    /// Who shares the statistics of a batch: synchronised batch norm where this is not one rank alone.
    ranks: Ranks,
}

impl Statistics {
    /// Buffers `stored_mean` (0) and `stored_var` (1).
    pub(crate) fn new(builder: &Builder, channels: usize, options: BatchNormOptions) -> Result<Self> {
        let mean = builder.buffer("stored_mean", &[channels], Init::ZEROS)?;
        let var = builder.buffer("stored_var", &[channels], Init::ONES)?;
        let (layer, running) = (Layer::new(), builder.running_statistics());
        Ok(Self { mean, var, options, layer, running, ranks: builder.batch_norm().clone() })
    }

    /// `scale * normalised + shift`, then a ReLU if asked. Scale and shift are `[1, c]` or `[n, c]`.
    pub(crate) fn normalise(&self, x: &Var, (scale, shift): (&Var, &Var), relu: bool, mode: Mode) -> Result<Var> {
        if mode == Mode::Running {
            return self.by_running(x, (scale, shift), relu);
        }
        let (batch, group) = (x.dims4()?.0, self.options.group);
        if group == 0 || batch <= group {
            return self.by_batch(x, (scale, shift), relu, mode);
        }
        let mut parts = Vec::with_capacity(batch.div_ceil(group));
        for start in (0..batch).step_by(group) {
            let len = group.min(batch - start);
            let rows = |v: &Var| if v.dims()[0] == 1 { Ok(v.clone()) } else { v.narrow(0, start, len) };
            // The buffers of data-parallel training are those of the first device.
            let mode = if start == 0 { mode } else { Mode::Batch };
            parts.push(self.by_batch(&x.narrow(0, start, len)?, (&rows(scale)?, &rows(shift)?), relu, mode)?);
        }
        concat(&parts.iter().collect::<Vec<_>>(), 0)
    }

    fn by_batch(&self, x: &Var, (scale, shift): (&Var, &Var), relu: bool, mode: Mode) -> Result<Var> {
        let eps = self.options.eps;
        let (y, moments) = match (mode.statistics_weight(self.options.momentum), self.ranks.is_alone()) {
            (None, true) => return x.batch_norm(scale, shift, eps, relu),
            (Some(_), true) => x.batch_norm_stats(scale, shift, eps, relu)?,
            (_, false) => self.by_all_ranks(x, (scale, shift), relu)?,
        };
        let Some(weight) = mode.statistics_weight(self.options.momentum) else { return Ok(y) };
        let count = moments.count as f64;
        let moved =
            |target: &Var, source: &Var, factor| Move { target: target.clone(), source: source.detach(), factor };
        let unbiased = count / (count - 1.0).max(1.0);
        let moves = vec![moved(&self.mean, &moments.mean, 1.0), moved(&self.var, &moments.var, unbiased)];
        self.running.put(self.layer, weight, moves)?;
        Ok(y)
    }

    /// By the statistics of all ranks' rows, each rank holding as many.
    fn by_all_ranks(&self, x: &Var, (scale, shift): (&Var, &Var), relu: bool) -> Result<(Var, BatchMoments)> {
        let size = self.ranks.size();
        let mean_of = |v: &Var| self.ranks.sum(&v.mean_keep(&[0, 2, 3])?)?.scale(1.0 / size as f64);
        let planes = |v: &Var| v.reshape(&[v.dims()[0], v.dims()[1], 1, 1]);
        let own_type = x.dtype();
        let x = &x.to_dtype(scale.dtype())?;
        let mean = mean_of(x)?;
        let centred = x.sub(&mean)?;
        let var = mean_of(&centred.square()?)?;
        let normal = centred.div(&var.affine(1.0, self.options.eps)?.sqrt()?)?;
        let y = normal.mul(&planes(scale)?)?.add(&planes(shift)?)?;
        let y = if relu { y.relu()? } else { y }.to_dtype(own_type)?;
        let channels = |v: &Var| v.detach().reshape(&[v.elem_count()]);
        let count = size * x.elem_count() / mean.elem_count();
        Ok((y, BatchMoments { mean: channels(&mean)?, var: channels(&var)?, count }))
    }

    fn by_running(&self, x: &Var, (scale, shift): (&Var, &Var), relu: bool) -> Result<Var> {
        let deviation = self.var.affine(1.0, self.options.eps)?.sqrt()?;
        let slope = scale.div(&deviation)?;
        let offset = shift.sub(&slope.mul(&self.mean)?)?;
        let planes = |v: &Var| v.reshape(&[v.dims()[0], v.dims()[1], 1, 1]);
        let y = x.to_dtype(slope.dtype())?.mul(&planes(&slope)?)?.add(&planes(&offset)?)?.to_dtype(x.dtype())?;
        if relu { y.relu() } else { Ok(y) }
    }
}

/// Batch normalisation with a gain and a bias per channel.
#[derive(Clone, Debug)]
pub struct BatchNorm {
    gain: Var,
    bias: Var,
    statistics: Statistics,
}

impl BatchNorm {
    /// `gain` starts at 1, `bias` at 0; buffers `stored_mean` and `stored_var`.
    ///
    /// # Errors
    /// If the tensors cannot be made.
    pub fn new(builder: &Builder, channels: usize, options: BatchNormOptions) -> Result<Self> {
        let gain = builder.weight("gain", &[channels], Init::ONES)?;
        let bias = builder.weight("bias", &[channels], Init::ZEROS)?;
        Ok(Self { gain, bias, statistics: Statistics::new(builder, channels, options)? })
    }

    /// `[n, c, h, w]` to the same shape.
    ///
    /// # Errors
    /// If the shape does not fit.
    pub fn forward(&self, x: &Var, mode: Mode) -> Result<Var> {
        self.normalise(x, false, mode)
    }

    /// [`BatchNorm::forward`] and a ReLU in one pass.
    ///
    /// # Errors
    /// If the shape does not fit.
    pub fn forward_relu(&self, x: &Var, mode: Mode) -> Result<Var> {
        self.normalise(x, true, mode)
    }

    fn normalise(&self, x: &Var, relu: bool, mode: Mode) -> Result<Var> {
        let row = [1, self.gain.elem_count()];
        self.statistics.normalise(x, (&self.gain.reshape(&row)?, &self.bias.reshape(&row)?), relu, mode)
    }
}
