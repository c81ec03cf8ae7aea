//! `cargo xtask ratio [NAME]`: one training iteration of ours against PyTorch at its best, on the same cores.
//!
//! A scouting pass times every PyTorch setting (memory layout and allocator) once; then ours and the fastest
//! setting alternate, so that a change of the machine's mood hits both.

mod allocator;
mod sample;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, ensure};

use crate::{binary, input_error, python, workspace};
use allocator::Allocator;
use sample::{Sample, median};

/// What design asks of every ratio where AVX-512 is there; elsewhere the figures are only reported.
const MAX_TIME: f64 = 0.50;
const MAX_RSS: f64 = 1.0;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The iteration to time
    #[arg(value_enum, default_value_t = Name::Biggan)]
    name: Name,
    /// Interleaved rounds; the ratio is of the medians over them
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// Iterations a round; the first of each is warm-up and does not count
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(2..=1000))]
    iterations: u32,
    /// Threads of both sides, and the cores that both are kept on
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=256))]
    threads: u32,
    /// Images a batch
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(2..=1024))]
    batch: u32,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Name {
    /// BigGAN for CIFAR-10: 4 D steps and 1 G step, translation,cutout, Adam, EMA
    Biggan,
}

impl Name {
    fn name(self) -> &'static str {
        match self {
            Name::Biggan => "biggan",
        }
    }

    fn script(self) -> &'static str {
        match self {
            Name::Biggan => "benches/torch_biggan.py",
        }
    }
}

/// A way to run PyTorch.
struct Setting {
    layout: &'static str,
    allocator: Allocator,
}

impl Setting {
    fn label(&self) -> String {
        format!("{} {}", self.layout, self.allocator.name)
    }
}

/// Measures, prints `ratio NAME time=.. rss=.. ours_s=.. torch_s=..`, and fails where the ratio is above its bound.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    if args.threads as usize > cores {
        return Err(input_error(format!("--threads {}: this machine gives {cores} cores", args.threads)));
    }
    let frugan = binary::build()?;
    let python = python::environment("ratio-python", &["torch", "numpy"], &[])?;
    let side = Sides { args, frugan, python };

    let mut best: Option<(f64, Setting)> = None;
    for setting in settings()? {
        let sample = side.torch(&setting, args.iterations)?;
        println!("torch {}: {:.3} s, {:.0} MiB", setting.label(), sample.seconds, sample.peak_mib);
        if best.as_ref().is_none_or(|(seconds, _)| sample.seconds < *seconds) {
            best = Some((sample.seconds, setting));
        }
    }
    let (_, setting) = best.context("PyTorch ran in no setting")?;
    println!("PyTorch's best setting: {}", setting.label());

    let (mut ours, mut torch) = (Vec::new(), Vec::new());
    for round in 1..=args.rounds {
        let (a, b) = (side.ours()?, side.torch(&setting, args.iterations)?);
        println!("round {round}: ours {:.3} s, torch {:.3} s", a.seconds, b.seconds);
        ours.push(a);
        torch.push(b);
    }
    verdict(args.name, &ours, &torch)
}

fn verdict(name: Name, ours: &[Sample], torch: &[Sample]) -> Result<ExitCode> {
    let seconds = |samples: &[Sample]| median(samples.iter().map(|sample| sample.seconds).collect());
    let peak = |samples: &[Sample]| samples.iter().map(|sample| sample.peak_mib).fold(0.0, f64::max);
    let (ours_s, torch_s) = (seconds(ours), seconds(torch));
    let (time, rss) = (ours_s / torch_s, peak(ours) / peak(torch));
    println!("ratio {} time={time:.2} rss={rss:.2} ours_s={ours_s:.2} torch_s={torch_s:.2}", name.name());
    if !has_avx512() {
        println!("this machine has no AVX-512: the ratio is reported and not judged");
        return Ok(ExitCode::SUCCESS);
    }
    ensure!(time <= MAX_TIME, "{} takes {time:.3} of PyTorch's time, at most {MAX_TIME:.2} is wanted", name.name());
    ensure!(rss <= MAX_RSS, "{} takes {rss:.3} of PyTorch's memory, at most {MAX_RSS:.2} is wanted", name.name());
    Ok(ExitCode::SUCCESS)
}

fn has_avx512() -> bool {
    #[cfg(target_arch = "x86_64")]
    return std::arch::is_x86_feature_detected!("avx512f");
    #[cfg(not(target_arch = "x86_64"))]
    return false;
}

/// Both memory layouts under each allocator that this machine can give.
fn settings() -> Result<Vec<Setting>> {
    let folder = workspace::target_dir()?.join("xtask/allocators");
    let allocators = allocator::find(&folder);
    let layouts = ["channels_last", "default"];
    Ok(layouts
        .into_iter()
        .flat_map(|layout| allocators.iter().cloned().map(move |allocator| Setting { layout, allocator }))
        .collect())
}

struct Sides<'a> {
    args: &'a Args,
    frugan: PathBuf,
    python: PathBuf,
}

impl Sides<'_> {
    fn ours(&self) -> Result<Sample> {
        let mut command = self.pinned(&self.frugan);
        command.args(["bench", self.args.name.name()]);
        command.arg("--batch").arg(self.args.batch.to_string());
        command.arg("--iterations").arg(self.args.iterations.to_string());
        command.env("RAYON_NUM_THREADS", self.args.threads.to_string());
        Sample::of("frugan bench", &mut command)
    }

    fn torch(&self, setting: &Setting, iterations: u32) -> Result<Sample> {
        let mut command = self.pinned(&self.python);
        command.arg(workspace::root().join(self.args.name.script()));
        command.arg("--batch").arg(self.args.batch.to_string());
        command.arg("--iterations").arg(iterations.to_string());
        command.arg("--threads").arg(self.args.threads.to_string());
        command.arg("--layout").arg(setting.layout);
        setting.allocator.apply(&mut command);
        Sample::of("the PyTorch side", &mut command)
    }

    /// The program on the first cores only, where the system can say so.
    fn pinned(&self, program: &Path) -> Command {
        if cfg!(target_os = "linux") && Command::new("taskset").arg("--version").output().is_ok() {
            let mut command = Command::new("taskset");
            command.arg("--cpu-list").arg(format!("0-{}", self.args.threads - 1)).arg(program);
            return command;
        }
        Command::new(program)
    }
}
