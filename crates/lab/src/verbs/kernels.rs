//! `frugan kernels DIR`: the GPU's kernels as files, for `cargo xtask dist`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use frugan_autograd::cuda;

use crate::failure::InputContext;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The folder to write them into
    folder: PathBuf,
    /// For which architectures
    #[arg(long, value_delimiter = ',', default_values_t = cuda::ARCHITECTURES.map(String::from))]
    arch: Vec<String>,
}

/// Compiles and writes.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let count = cuda::bake(&args.folder, &args.arch).input(args.folder.display())?;
    println!("{}: {count} files", args.folder.display());
    Ok(ExitCode::SUCCESS)
}
