//! What is timed, and what is asked of it.

/// A ratio's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Name {
    /// BigGAN for CIFAR-10: 4 D steps and 1 G step, translation,cutout, Adam, EMA
    Biggan,
    /// StyleGAN2 for CIFAR-10 as ADA trains it: an iteration, the mean of a cycle of 16 with one R1 step
    #[value(name = "stylegan2")]
    StyleGan2,
    /// The R1 step of that alone: for its memory
    #[value(name = "stylegan2-r1")]
    StyleGan2R1,
    /// ADA's pipe bgc at p = 1, forward and backward
    Ada,
    /// DiffAugment's color,translation,cutout, forward and backward
    #[value(name = "diffaugment")]
    DiffAugment,
}

impl Name {
    /// As the command line has it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Biggan => "biggan",
            Self::StyleGan2 => "stylegan2",
            Self::StyleGan2R1 => "stylegan2-r1",
            Self::Ada => "ada",
            Self::DiffAugment => "diffaugment",
        }
    }

    /// Images a batch where none are given.
    pub(super) fn batch(self) -> u32 {
        match self {
            Self::Biggan => 50,
            Self::StyleGan2 | Self::StyleGan2R1 => 8,
            Self::Ada | Self::DiffAugment => 64,
        }
    }

    /// The same on a GPU: as published.
    pub(super) fn batch_on_gpu(self) -> u32 {
        if self == Self::StyleGan2 { 64 } else { self.batch() }
    }

    /// How often a GPU is timed: BigGAN by five iterations at once, StyleGAN2 by cycles of 16.
    pub(super) fn iterations_on_gpu(self) -> u32 {
        if self == Self::StyleGan2 { 6 } else { 20 }
    }

    /// PyTorch's side and what it is told besides the batch.
    pub(super) fn script(self) -> (&'static str, &'static [&'static str]) {
        match self {
            Self::Biggan => ("benches/torch_biggan.py", &[]),
            Self::StyleGan2 => ("benches/torch_stylegan2.py", &["--phase", "all"]),
            Self::StyleGan2R1 => ("benches/torch_stylegan2.py", &["--phase", "r1"]),
            Self::Ada => ("benches/torch_ada.py", &[]),
            Self::DiffAugment => ("benches/torch_diffaugment.py", &[]),
        }
    }

    /// The ways in which PyTorch's side can do the same; the scouting pass picks the fastest.
    pub(super) fn forms(self) -> &'static [&'static str] {
        match self {
            Self::StyleGan2 => &["scaled", "grouped"],
            Self::Ada => &["matrix", "conv"],
            Self::Biggan | Self::StyleGan2R1 | Self::DiffAugment => &[],
        }
    }

    /// The most of PyTorch's time that design allows where AVX-512 is there; elsewhere the figures are only reported.
    pub(super) fn max_time(self) -> f64 {
        match self {
            Self::Biggan | Self::DiffAugment => 0.5,
            Self::StyleGan2 => 0.7,
            Self::StyleGan2R1 => 1.0,
            Self::Ada => 0.4,
        }
    }
}
