//! `cargo xtask ratio NAME --device cuda:0`: our iteration on a GPU against PyTorch's in three forms, in one call.
//!
//! Ours runs first and last, so that a device that slows down in between shows; each of PyTorch's forms runs once, for a
//! compiled one takes minutes to start.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Result, ensure};

use super::sample::Sample;
use super::{Args, digits, name::Name};
use crate::{binary, input_error, python, workspace};

/// Ours in every arithmetic.
const PRECISIONS: [&str; 3] = ["f32", "tf32", "bf16"];

/// A form of PyTorch's side, which of ours it is to be compared with, and the most of its time that design allows.
struct Form {
    name: &'static str,
    ours: &'static str,
    most: Option<f64>,
}

/// What is asked of a piece of training on a GPU: PyTorch as it comes rounds convolutions to TF32, and so may ours; its faster
/// forms compute in BF16.
fn forms(name: Name) -> Result<[Form; 3]> {
    let (eager, compiled) = match name {
        Name::Biggan => (0.33, 0.75),
        Name::StyleGan2 => (0.5, 0.8),
        _ => return Err(input_error("--device: only biggan and stylegan2 are timed on a GPU")),
    };
    let form = |name, ours, most| Form { name, ours, most };
    Ok([form("eager", "tf32", Some(eager)), form("bf16", "bf16", None), form("compiled", "bf16", Some(compiled))])
}

pub(super) fn run(args: &Args) -> Result<ExitCode> {
    let forms = forms(args.name)?;
    let frugan = args.frugan.clone().map_or_else(binary::build, Ok)?;
    let python =
        args.python.clone().map_or_else(|| python::environment("ratio-python", &["torch", "numpy"], &[]), Ok)?;
    let sides = Sides { args, frugan, python };

    let before = sides.ours()?;
    let mut torch = Vec::new();
    for form in &forms {
        match sides.torch(form.name) {
            Ok(sample) => torch.push((form, sample)),
            // A form that does not run here is no reason to lose the others.
            Err(error) => println!("torch {}: {error:#}", form.name),
        }
    }
    let after = sides.ours()?;
    let ours: Vec<Sample> = before.iter().zip(&after).map(|(a, b)| a.best_of(*b)).collect();

    let mut failures = Vec::new();
    for (form, torch) in &torch {
        for (precision, ours) in PRECISIONS.iter().zip(&ours) {
            let (time, memory) = (ours.seconds / torch.seconds, ours.peak_mib / torch.peak_mib);
            let line = format!(
                "ratio {} device={} ours={precision} torch={} time={time:.2} memory={memory:.2} ours_s={} torch_s={}",
                args.name.name(),
                args.device,
                form.name,
                digits(ours.seconds),
                digits(torch.seconds)
            );
            println!("{line}");
            if *precision == form.ours && (form.most.is_some_and(|most| time > most) || memory > 1.0) {
                failures.push(form.name);
            }
        }
    }
    ensure!(torch.len() == forms.len(), "not every form of PyTorch's ran; its messages stand above");
    ensure!(failures.is_empty(), "more time or memory than wanted of PyTorch's {}", failures.join(", "));
    Ok(ExitCode::SUCCESS)
}

struct Sides<'a> {
    args: &'a Args,
    frugan: PathBuf,
    python: PathBuf,
}

impl Sides<'_> {
    /// In each of [`PRECISIONS`].
    fn ours(&self) -> Result<Vec<Sample>> {
        let one = |precision: &&str| {
            let mut command = self.command(&self.frugan, &["bench", self.args.name.name()]);
            command.args(["--precision", precision]);
            let sample = Sample::of("frugan bench", &mut command)?;
            println!("ours {precision}: {} s, {:.0} MiB", digits(sample.seconds), sample.peak_mib);
            Ok(sample)
        };
        PRECISIONS.iter().map(one).collect()
    }

    fn torch(&self, form: &str) -> Result<Sample> {
        let (script, arguments) = self.args.name.script();
        let script = workspace::root().join(script).display().to_string();
        let mut command = self.command(&self.python, &[script.as_str()]);
        command.args(arguments).args(["--precision", form]);
        let sample = Sample::of("the PyTorch side", &mut command)?;
        println!("torch {form}: {} s, {:.0} MiB", digits(sample.seconds), sample.peak_mib);
        Ok(sample)
    }

    fn command(&self, program: &Path, first: &[&str]) -> Command {
        let batch = self.args.batch.unwrap_or(self.args.name.batch());
        let mut command = Command::new(program);
        command.args(first).args(["--device", &self.args.device, "--batch", &batch.to_string()]);
        command.args(["--iterations", &self.args.iterations.to_string()]);
        command
    }
}
