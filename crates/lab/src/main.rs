//! The `frugan` command.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command line tool prints")]

mod bench;
mod cli;
mod config;
mod failure;
mod golden;
mod launch;
mod progress;
mod report;
mod runs;
mod signals;
mod sources;
mod table;
mod verbs;

use std::process::ExitCode;

use cli::Verb;

/// A step's arrays have the same sizes as the last one's: blocks are kept and given out again.
#[global_allocator]
static ALLOCATOR: frugan_autograd::Allocator = frugan_autograd::Allocator::new();

/// Exit codes: 0 done, 2 the user's input, 1 ours; 128 + the signal where one stopped a run at its checkpoint.
fn main() -> ExitCode {
    let cli = match cli::parse() {
        Ok(cli) => cli,
        Err(error) => {
            let Some(sentence) = cli::usage_error(&error) else { error.exit() };
            eprintln!("error: {sentence} (see frugan --help)");
            return ExitCode::from(2);
        }
    };
    let result = signals::end_with_the_reader().and_then(|()| match cli.verb {
        Verb::Train(args) => verbs::train::run(&args),
        Verb::Reproduce(args) => verbs::reproduce::run(&args),
        Verb::Eval(args) => verbs::eval::run(&args),
        Verb::Generate(args) => verbs::generate::run(&args),
        Verb::Project(args) => verbs::project::run(&args),
        Verb::Data(args) => verbs::data::run(&args),
        Verb::Doctor(args) => verbs::doctor::run(&args),
        Verb::Config(args) => verbs::config::run(&args),
        Verb::Kernels(args) => verbs::kernels::run(&args),
        Verb::Rank(args) => verbs::rank::run(&args),
        Verb::Golden(args) => golden::run(&args),
        Verb::Bench(args) => bench::run(&args),
    });
    result.unwrap_or_else(|error| {
        eprintln!("error: {}", failure::sentence(&error));
        if failure::is_input(&error) {
            return ExitCode::from(2);
        }
        eprint!("{}", failure::backtrace(&error));
        ExitCode::from(1)
    })
}
