//! `frugan rank`: one of the processes that share a run's batches; started by rank 0, not by hand.

use std::os::unix::process::parent_id;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use frugan_train::{Config, Member, follow};

use crate::failure::InputContext;
use crate::runs::lift;
use crate::signals;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Where rank 0 is found
    room: PathBuf,
    /// This rank's number
    #[arg(long)]
    rank: usize,
    /// Rank 0's process
    #[arg(long)]
    leader: u32,
    /// The run's folder
    #[arg(long)]
    out: PathBuf,
}

/// Follows rank 0 to its end.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    // Whoever ends a job signals all its processes: rank 0 writes its state first, for which it needs the others.
    signals::ignore()?;
    let path = args.room.join("config.toml");
    let text = std::fs::read_to_string(&path).input(path.display())?;
    let config = Config::from_toml(&text).map_err(lift)?;
    let timeout = Duration::from_secs_f64(config.ranks.timeout_s);
    // An orphan has another parent.
    let ended = || (parent_id() != args.leader).then(|| "rank 0 ended before the run began".into());
    let member = Member::join(&args.room, args.rank, config.ranks.count, timeout, ended).map_err(lift)?;
    follow(member, &config, &args.out).map_err(lift)?;
    Ok(ExitCode::SUCCESS)
}
