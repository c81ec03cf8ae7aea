//! Starts the other ranks of a run: this program again, a process each.

use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::Result;
use frugan_train::{Config, Member, Plan, Room, write_atomic};

use crate::failure::InputContext;
use crate::runs::lift;

/// The processes of the followers; they end with this.
pub(crate) struct Followers(Vec<(usize, Child)>);

/// Starts ranks 1 and up of a run, and takes rank 0's place among them.
pub(crate) fn launch(plan: &Plan) -> Result<(Member, Followers)> {
    // None chooses a device for itself.
    let config = Config { device: plan.device().to_string(), ..plan.config().clone() };
    let room = Room::new().map_err(lift)?;
    let count = config.ranks.count;
    write_atomic(&room.path().join("config.toml"), config.to_toml().as_bytes()).map_err(lift)?;
    let program = std::env::current_exe().input("this program's file")?;
    // Ranks on the CPU share its cores.
    let threads = (std::thread::available_parallelism().map_or(1, usize::from) / count).max(1);
    let dir = std::path::absolute(plan.dir()).input(plan.dir().display())?;
    let mut followers = Followers(Vec::new());
    for rank in 1..count {
        let mut command = Command::new(&program);
        let leader = std::process::id().to_string();
        command.arg("rank").arg(room.path()).args(["--rank", &rank.to_string(), "--leader", &leader]);
        command.arg("--out").arg(&dir);
        if std::env::var_os("RAYON_NUM_THREADS").is_none() {
            command.env("RAYON_NUM_THREADS", threads.to_string());
        }
        // A group of its own: Ctrl-C reaches rank 0 alone, which writes its state and then ends the others.
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).process_group(0).spawn();
        followers.0.push((rank, child.input("starting a rank")?));
    }
    let timeout = Duration::from_secs_f64(config.ranks.timeout_s);
    let member = room.lead(count, timeout, || followers.ended()).map_err(lift)?;
    Ok((member, followers))
}

impl Followers {
    /// The first that has ended, and how.
    fn ended(&mut self) -> Option<String> {
        self.0.iter_mut().find_map(|(rank, child)| {
            let status = child.try_wait().ok().flatten()?;
            Some(format!("rank {rank} (process {}) ended before the run began: {status}", child.id()))
        })
    }
}

impl Drop for Followers {
    /// They have been told that the run is over, or are of no use any more.
    fn drop(&mut self) {
        const PATIENCE: u32 = 100;
        for (_, child) in &mut self.0 {
            let mut waited = 0;
            while waited < PATIENCE && matches!(child.try_wait(), Ok(None)) {
                std::thread::sleep(Duration::from_millis(10));
                waited += 1;
            }
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
