//! The command line: one verb a file in [`crate::verbs`].

use clap::error::ErrorKind;
use clap::{Arg, Command, CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::verbs::{config, data, doctor, eval, generate, kernels, project, rank, reproduce, train};
use crate::{bench, golden};

/// Trains GANs from little data and reproduces the tables of DiffAugment and ADA.
#[derive(Debug, Parser)]
#[command(name = "frugan", version = VERSION, about, disable_help_subcommand = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), " (commit ", env!("FRUGAN_COMMIT"), ")");

/// What can be asked for.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Train one model, or with -m one for each combination of the overrides' values
    Train(train::Args),
    /// Run a table of a paper and set ours against the paper's numbers
    Reproduce(reproduce::Args),
    /// Measure a snapshot or a folder of images against a data set or another folder
    Eval(eval::Args),
    /// Draw samples of a snapshot: by class, truncated, between two samples, with mixed styles
    Generate(generate::Args),
    /// Find the w of an image in a StyleGAN2's snapshot
    Project(project::Args),
    /// Write a data set as StyleGAN's zip of images
    Data(data::Args),
    /// Say what was found of CUDA, and check a device against the CPU
    Doctor(doctor::Args),
    /// List the config groups, or show what a command line resolves to
    Config(config::Args),
    /// Compile the GPU's kernels into files
    #[command(hide = true)]
    Kernels(kernels::Args),
    /// Share the batches of a run whose rank 0 started this process
    #[command(hide = true)]
    Rank(rank::Args),
    /// Hold this implementation against golden vectors (for `cargo xtask golden`)
    #[command(hide = true)]
    Golden(golden::Args),
    /// Time a training iteration (for `cargo xtask ratio`)
    #[command(hide = true)]
    Bench(bench::Args),
}

/// Reads the command line. A negative number is its option's value, and so the option says what it takes.
pub(crate) fn parse() -> Result<Cli, clap::Error> {
    Cli::from_arg_matches(&with_negative_numbers(Cli::command()).try_get_matches()?)
}

fn with_negative_numbers(command: Command) -> Command {
    let of = |arg: Arg| {
        let takes = arg.get_action().takes_values() && !arg.is_positional();
        arg.allow_negative_numbers(takes)
    };
    command.mut_args(of).mut_subcommands(with_negative_numbers)
}

/// clap's message about a bad command line as one sentence; `None` for help and version, which are no errors.
pub(crate) fn usage_error(error: &clap::Error) -> Option<String> {
    if matches!(
        error.kind(),
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
    ) {
        return None;
    }
    let text = error.render().to_string();
    let is_advice = |line: &&str| line.starts_with("Usage:") || line.starts_with("For more information");
    let parts = text.lines().take_while(|line| !is_advice(line)).map(str::trim).filter(|line| !line.is_empty());
    let sentence = parts.collect::<Vec<_>>().join("; ");
    let sentence = sentence.strip_prefix("error: ").unwrap_or(&sentence);
    Some(sentence.replace("invalid digit found in string", "expected a whole number, 0 or more"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_negative_number_is_its_options_value() {
        for (option, says) in [("--seed", "expected a whole number, 0 or more"), ("--steps", "-1 is not in 2..=1000")] {
            let command = with_negative_numbers(Cli::command());
            let line = ["frugan", "generate", "s.safetensors", "--interpolate", "z", option, "-1"];
            let sentence = usage_error(&command.try_get_matches_from(line).expect_err("a negative number"));
            assert!(sentence.is_some_and(|sentence| sentence.contains(says)), "{option}");
        }
    }

    #[test]
    fn a_bad_command_line_is_one_sentence() {
        let error = Cli::try_parse_from(["frugan", "train", "--stepz"]).expect_err("no such option");
        let sentence = usage_error(&error).expect("an error");
        assert!(sentence.starts_with("unexpected argument '--stepz' found"), "{sentence}");
        assert!(!sentence.contains('\n'));
    }
}
