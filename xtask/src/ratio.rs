//! `cargo xtask ratio [NAME]`: a piece of training of ours against PyTorch at its best, on the same cores.
//!
//! A scouting pass times PyTorch's settings once: every memory layout with every form of the program, then the fastest of
//! these under every allocator. Then ours and the fastest setting alternate, so that a change of the machine's mood hits
//! both.

mod allocator;
mod device;
mod name;
mod output;
mod sample;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, ensure};

use crate::{binary, input_error, python, workspace};
use allocator::Allocator;
use name::Name;
use output::Output;
use sample::{Sample, median};

/// The most of PyTorch's memory that design allows.
const MAX_RSS: f64 = 1.0;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// What to time
    #[arg(value_enum, default_value_t = Name::Biggan)]
    name: Name,
    /// Interleaved rounds; the ratio is of the medians over them
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// Iterations a round, by default 3; on a GPU iterations of a run, by default 20 of biggan, 6 cycles of stylegan2. The
    /// first is warm-up and does not count
    #[arg(long, value_parser = clap::value_parser!(u32).range(2..=1000))]
    iterations: Option<u32>,
    /// Threads of both sides, and the cores that both are kept on
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=256))]
    threads: u32,
    /// Images a batch; by default 50 for biggan, 8 for stylegan2 (on a GPU 64, as published), 64 for the augmentations
    #[arg(long, value_parser = clap::value_parser!(u32).range(2..=1024))]
    batch: Option<u32>,
    /// cpu, or a GPU such as cuda:0: there PyTorch's side runs eager, in bf16, and compiled with CUDA graphs
    #[arg(long, default_value = "cpu")]
    device: String,
    /// Seconds that one run may take on a GPU; one that takes longer is ended and left out
    #[arg(long, default_value_t = 150, value_parser = clap::value_parser!(u64).range(1..))]
    limit: u64,
    /// The program, where it is built already [default: built now]
    #[arg(long, value_name = "FILE")]
    frugan: Option<PathBuf>,
    /// A python with torch [default: an environment of its own below target]
    #[arg(long, value_name = "FILE")]
    python: Option<PathBuf>,
}

/// A way to run PyTorch.
#[derive(Clone)]
struct Setting {
    layout: &'static str,
    allocator: Allocator,
    form: Option<&'static str>,
}

impl Setting {
    fn label(&self) -> String {
        let form = self.form.map_or_else(String::new, |form| format!(" {form}"));
        format!("{} {}{form}", self.layout, self.allocator.name)
    }
}

/// Measures, prints `ratio NAME time=.. rss=.. ours_s=.. torch_s=..`, and fails where the ratio is above its bound.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    if args.device != "cpu" {
        return device::run(args);
    }
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    if args.threads as usize > cores {
        return Err(input_error(format!("--threads {}: this machine gives {cores} cores", args.threads)));
    }
    let frugan = args.frugan.clone().map_or_else(binary::build, Ok)?;
    let python =
        args.python.clone().map_or_else(|| python::environment("ratio-python", &["torch", "numpy"], &[]), Ok)?;
    let side = Sides { args, frugan, python };

    let setting = side.scout()?;
    println!("PyTorch's best setting: {}", setting.label());

    let (mut ours, mut torch) = (Vec::new(), Vec::new());
    for round in 1..=args.rounds {
        let (a, b) = (side.ours()?, side.torch(&setting)?);
        println!("round {round}: ours {} s, torch {} s", digits(a.seconds), digits(b.seconds));
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
    let (label, ours_s, torch_s) = (name.name(), digits(ours_s), digits(torch_s));
    println!("ratio {label} time={time:.2} rss={rss:.2} ours_s={ours_s} torch_s={torch_s}");
    if !has_avx512() {
        println!("this machine has no AVX-512: the ratio is reported and not judged");
        return Ok(ExitCode::SUCCESS);
    }
    let most = name.max_time();
    ensure!(time <= most, "{label} takes {time:.3} of PyTorch's time, at most {most:.2} is wanted");
    ensure!(rss <= MAX_RSS, "{label} takes {rss:.3} of PyTorch's memory, at most {MAX_RSS:.2} is wanted");
    Ok(ExitCode::SUCCESS)
}

/// Seconds with three digits or more.
fn digits(seconds: f64) -> String {
    if seconds < 0.1 { format!("{seconds:.5}") } else { format!("{seconds:.2}") }
}

fn has_avx512() -> bool {
    #[cfg(target_arch = "x86_64")]
    return std::arch::is_x86_feature_detected!("avx512f");
    #[cfg(not(target_arch = "x86_64"))]
    return false;
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
        command.arg("--batch").arg(self.batch());
        command.arg("--iterations").arg(self.iterations());
        command.env("RAYON_NUM_THREADS", self.args.threads.to_string());
        Sample::of(&Output::of("frugan bench", &mut command, None)?)
    }

    fn torch(&self, setting: &Setting) -> Result<Sample> {
        let mut command = self.pinned(&self.python);
        let (script, arguments) = self.args.name.script();
        command.arg(workspace::root().join(script)).args(arguments);
        command.arg("--batch").arg(self.batch());
        command.arg("--iterations").arg(self.iterations());
        command.arg("--threads").arg(self.args.threads.to_string());
        command.arg("--layout").arg(setting.layout);
        if let Some(form) = setting.form {
            command.arg("--form").arg(form);
        }
        setting.allocator.apply(&mut command);
        Sample::of(&Output::of("the PyTorch side", &mut command, None)?)
    }

    /// PyTorch's fastest setting.
    fn scout(&self) -> Result<Setting> {
        let allocators = allocator::find(&workspace::target_dir()?.join("xtask/allocators"));
        let (first, others) = allocators.split_first().context("there is no allocator")?;
        let forms: Vec<_> = match self.args.name.forms() {
            [] => vec![None],
            forms => forms.iter().copied().map(Some).collect(),
        };
        let setting = |layout, form| Setting { layout, allocator: first.clone(), form };
        let settings = ["channels_last", "default"].into_iter();
        let best = self.fastest(settings.flat_map(|layout| forms.iter().map(move |form| setting(layout, *form))))?;
        let under = others.iter().map(|allocator| Setting { allocator: allocator.clone(), ..best.1.clone() });
        let other = if others.is_empty() { None } else { Some(self.fastest(under)?) };
        Ok(match other {
            Some(other) if other.0 < best.0 => other.1,
            _ => best.1,
        })
    }

    /// The fastest of some settings, and its seconds.
    fn fastest(&self, settings: impl Iterator<Item = Setting>) -> Result<(f64, Setting)> {
        let mut best: Option<(f64, Setting)> = None;
        for setting in settings {
            let sample = self.torch(&setting)?;
            println!("torch {}: {} s, {:.0} MiB", setting.label(), digits(sample.seconds), sample.peak_mib);
            if best.as_ref().is_none_or(|(seconds, _)| sample.seconds < *seconds) {
                best = Some((sample.seconds, setting));
            }
        }
        best.context("PyTorch ran in no setting")
    }

    fn iterations(&self) -> String {
        self.args.iterations.unwrap_or(3).to_string()
    }

    fn batch(&self) -> String {
        self.args.batch.unwrap_or(self.args.name.batch()).to_string()
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
