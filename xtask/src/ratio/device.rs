//! `cargo xtask ratio NAME --device cuda:0`: our iteration on a GPU against PyTorch's in three forms, in one call.
//!
//! Each ratio is of one run of ours and the run of PyTorch's right behind it, and is printed when both have ended: what
//! fails later takes nothing away. Eager and in bf16 PyTorch's ways to do the same are timed shortly before; the compiled
//! form, which takes minutes to start, takes the fastest of bf16.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::output::Output;
use super::sample::Sample;
use super::{Args, digits, name::Name};
use crate::{binary, input_error, python, workspace};

/// A form of PyTorch's side, our arithmetic that it is compared with, and the most of its time that design allows.
#[derive(Clone, Copy)]
struct Form {
    name: &'static str,
    ours: &'static str,
    most: Option<f64>,
}

/// What is asked of a piece of training on a GPU: PyTorch's eager form rounds factors to TF32, as ours does then; its faster
/// forms compute in BF16. Ours in F32 has no counterpart.
fn forms(name: Name) -> Result<[Form; 3]> {
    let (eager, compiled) = match name {
        Name::Biggan => (0.33, 0.75),
        Name::StyleGan2 => (0.5, 0.8),
        _ => return Err(input_error("--device: only biggan and stylegan2 are timed on a GPU")),
    };
    let form = |name, ours, most| Form { name, ours, most };
    Ok([form("eager", "tf32", Some(eager)), form("bf16", "bf16", None), form("compiled", "bf16", Some(compiled))])
}

/// A layout of images and a form of the program, for PyTorch.
#[derive(Clone, Debug, PartialEq)]
struct Setting {
    layout: String,
    form: String,
}

pub(super) fn run(args: &Args) -> Result<ExitCode> {
    let forms = forms(args.name)?;
    let frugan = args.frugan.clone().map_or_else(binary::build, Ok)?;
    let python =
        args.python.clone().map_or_else(|| python::environment("ratio-python", &["torch", "numpy"], &[]), Ok)?;
    let sides = Sides { args, frugan, python };

    let (mut setting, mut missing, mut missed) = (sides.first_setting(), Vec::new(), Vec::new());
    for form in forms {
        let ours = sides.ours(form.ours).map_err(|error| println!("ours {}: {error:#}", form.ours)).ok();
        // The compiled form keeps what bf16 was fastest in.
        if form.name != "compiled" {
            setting = sides.scout(form.name).unwrap_or_else(|error| {
                println!("torch {}, scouting: {error:#}", form.name);
                sides.first_setting()
            });
        }
        let torch = sides.torch(form.name, &setting).map_err(|error| println!("torch {}: {error:#}", form.name)).ok();
        match (ours, torch) {
            (Some(ours), Some(torch)) => missed.extend(sides.judge(form, ours, &torch)),
            _ => missing.push(form.name),
        }
    }
    ensure!(missing.is_empty(), "no ratio to PyTorch's {}; the messages stand above", missing.join(", "));
    ensure!(missed.is_empty(), "more time or memory than wanted of PyTorch's {}", missed.join(", "));
    Ok(ExitCode::SUCCESS)
}

/// PyTorch's run, and what kept its compiled form from being one graph a call.
struct Torch {
    sample: Sample,
    remarks: String,
}

struct Sides<'a> {
    args: &'a Args,
    frugan: PathBuf,
    python: PathBuf,
}

impl Sides<'_> {
    fn ours(&self, precision: &str) -> Result<Sample> {
        let mut command = self.command(&self.frugan, &["bench", self.args.name.name()]);
        command.args(["--iterations", &self.iterations(), "--precision", precision]);
        let sample = Sample::of(&self.output("frugan bench", &mut command)?)?;
        println!("ours {precision}: {} s, {:.0} MiB", digits(sample.seconds), sample.peak_mib);
        Ok(sample)
    }

    fn torch(&self, form: &str, setting: &Setting) -> Result<Torch> {
        let mut command = self.script(form);
        command.args(["--iterations", &self.iterations(), "--layout", &setting.layout]);
        if !self.args.name.forms().is_empty() {
            command.args(["--form", &setting.form]);
        }
        let output = self.output("the PyTorch side", &mut command)?;
        let sample = Sample::of(&output)?;
        let in_use =
            output.values("peak_allocated_mib")?.last().map_or_else(String::new, |mib| format!(", {mib:.0} in use"));
        let Setting { layout, form: way } = setting;
        let remarks = remarks(&output)?;
        let (seconds, mib) = (digits(sample.seconds), sample.peak_mib);
        println!("torch {form} ({layout} {way}): {seconds} s, {mib:.0} MiB{in_use}{remarks}");
        if output.texts("fallback").next().is_some() {
            output.show();
        }
        Ok(Torch { sample, remarks })
    }

    /// PyTorch's fastest setting for a form.
    fn scout(&self, form: &str) -> Result<Setting> {
        let output = self.output("the PyTorch side", self.script(form).arg("--scout"))?;
        output.texts("setting").for_each(|line| println!("torch {form}: {line} s"));
        fastest(&output)
    }

    /// Where none was timed.
    fn first_setting(&self) -> Setting {
        let form = self.args.name.forms().first().copied().unwrap_or("plain");
        Setting { layout: "channels_last".into(), form: form.into() }
    }

    /// Prints the ratio; the form's name if it is above its bounds.
    fn judge(&self, form: Form, ours: Sample, torch: &Torch) -> Option<&'static str> {
        let (time, memory) = (ours.seconds / torch.sample.seconds, ours.peak_mib / torch.sample.peak_mib);
        println!(
            "ratio {} device={} ours={} torch={} time={time:.2} memory={memory:.2} ours_s={} torch_s={}{}",
            self.args.name.name(),
            self.args.device,
            form.ours,
            form.name,
            digits(ours.seconds),
            digits(torch.sample.seconds),
            torch.remarks
        );
        (form.most.is_some_and(|most| time > most) || memory > 1.0).then_some(form.name)
    }

    fn script(&self, form: &str) -> Command {
        let (script, arguments) = self.args.name.script();
        let script = workspace::root().join(script).display().to_string();
        let mut command = self.command(&self.python, &[script.as_str()]);
        command.args(arguments).args(["--precision", form]);
        command
    }

    fn command(&self, program: &Path, first: &[&str]) -> Command {
        let batch = self.args.batch.unwrap_or(self.args.name.batch_on_gpu());
        let mut command = Command::new(program);
        command.args(first).args(["--device", &self.args.device, "--batch", &batch.to_string()]);
        command
    }

    fn iterations(&self) -> String {
        self.args.iterations.unwrap_or(self.args.name.iterations_on_gpu()).to_string()
    }

    fn output(&self, what: &str, command: &mut Command) -> Result<Output> {
        Output::of(what, command, Some(Duration::from_secs(self.args.limit)))
    }
}

/// ` cudagraph_skips=2`, a key for each count that is not zero, and `cuda_graphs=none` where they were given up; losses
/// that are not finite.
fn remarks(output: &Output) -> Result<String> {
    let mut remarks = String::new();
    if output.texts("fallback").next().is_some() {
        remarks += " cuda_graphs=none";
    }
    for key in ["cudagraph_skips", "graph_breaks", "recompiles"] {
        if let Some(count) = output.values(key)?.last().filter(|count| **count > 0.0) {
            remarks += &format!(" {key}={count}");
        }
    }
    for key in ["loss_d", "loss_g", "loss_r1"] {
        if let Some(loss) = output.values(key)?.last().filter(|loss| !loss.is_finite()) {
            remarks += &format!(" {key}={loss}");
        }
    }
    Ok(remarks)
}

/// Of lines `setting LAYOUT FORM SECONDS`.
fn fastest(output: &Output) -> Result<Setting> {
    let parse = |line: &str| {
        let words: Vec<&str> = line.split(' ').collect();
        let [layout, form, seconds] = words[..] else { return None };
        Some((seconds.parse::<f64>().ok()?, Setting { layout: layout.into(), form: form.into() }))
    };
    let settings: Option<Vec<_>> = output.texts("setting").map(parse).collect();
    let settings = settings.context("a line `setting` is not LAYOUT FORM SECONDS")?;
    let best = settings.into_iter().min_by(|a, b| a.0.total_cmp(&b.0));
    Ok(best.context("PyTorch ran in no setting")?.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fastest_setting_is_taken() -> Result<()> {
        let output = Output::from("setting channels_last scaled 0.2\nsetting default grouped 0.1\niteration_s 0.05\n");
        assert_eq!(fastest(&output)?, Setting { layout: "default".into(), form: "grouped".into() });
        assert!(fastest(&Output::from("")).is_err());
        assert!(fastest(&Output::from("setting default 0.1")).is_err());
        Ok(())
    }

    #[test]
    fn graphs_that_were_left_out_are_told() -> Result<()> {
        assert_eq!(remarks(&Output::from("cudagraph_skips 0\ngraph_breaks 0\nrecompiles 0"))?, "");
        let some = Output::from("fallback compiled without CUDA graphs\ncudagraph_skips 2\ngraph_breaks 0\n");
        assert_eq!(remarks(&some)?, " cuda_graphs=none cudagraph_skips=2");
        assert_eq!(remarks(&Output::from("loss_d 0.9\nloss_g nan\n"))?, " loss_g=NaN");
        Ok(())
    }

    /// Both sides as one script: every form is as fast as ours, and one of them fails.
    #[cfg(unix)]
    fn ratio(failing: &str) -> Result<ExitCode> {
        let text = format!(
            r#"#!/bin/sh
case "$*" in
    *--scout*) echo "setting default grouped 0.1" ;;
    *"{failing}"*) echo "this one fails" >&2 && exit 1 ;;
    *) printf 'iteration_s 2\niteration_s 1\npeak_device_mib 10\npeak_allocated_mib 9\ncudagraph_skips 1\n' ;;
esac
"#
        );
        let folder = tempfile::tempdir()?;
        let program = folder.path().join("sides");
        // By a shell: a file that this process had open for writing may be too busy to start.
        let mut write = Command::new("sh");
        write.args(["-c", r#"printf %s "$1" >"$2" && chmod +x "$2""#, "sh", &text]).arg(&program);
        ensure!(write.status()?.success(), "the script was not written");
        run(&Args {
            name: Name::StyleGan2,
            rounds: 5,
            iterations: None,
            threads: 2,
            batch: None,
            device: "cuda:0".into(),
            limit: 60,
            frugan: Some(program.clone()),
            python: Some(program),
        })
    }

    #[cfg(unix)]
    #[test]
    fn a_form_that_fails_takes_no_other_with_it() {
        let ended = |failing| ratio(failing).expect_err("a ratio is too large or missing").to_string();
        assert!(ended("--precision compiled").starts_with("no ratio to PyTorch's compiled;"));
        assert!(
            ended("bench stylegan2 --device cuda:0 --batch 64 --iterations 6 --precision tf32").contains(" eager;")
        );
        assert!(ended("nothing").ends_with("PyTorch's eager, compiled"));
    }
}
