//! Ranks whose sums stay on their devices: what a step asks of one of them, with a stand-in for NCCL.
#![allow(clippy::unwrap_used, clippy::explicit_write, clippy::print_stderr, missing_docs)]

#[path = "../../autograd/tests/stand_ins/mod.rs"]
mod stand_ins;
mod support;

use std::io::Write;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use frugan_autograd::cuda::{self, Counters, Others, RanksId};
use frugan_autograd::{Communicator, Device, Ranks, Result};
use frugan_data::{DataConfig, DataName};
use frugan_train::{Config, Setup, Trainer};

const BIGGAN: &str = concat!(
    support::biggan!(),
    "
[optim]
batch = 4
num_d_steps = 4
[ranks]
count = 2
"
);

/// The first of two ranks, of which the other does what this one does, but in the steps of `stays` asks for its work one by one.
#[derive(Clone, Default)]
struct First {
    announced: Arc<AtomicU64>,
    votes: Arc<AtomicU64>,
    stays: Arc<AtomicBool>,
}

impl Others for First {
    fn watch(&self, _: Duration) -> Result<()> {
        Ok(())
    }

    fn votes(&self, own: [u64; 2]) -> Result<Vec<[u64; 2]>> {
        self.votes.fetch_add(1, Ordering::Relaxed);
        let other = if self.stays.load(Ordering::Relaxed) { [own[0], 0] } else { own };
        Ok(vec![own, other])
    }
}

impl Communicator for First {
    fn rank(&self) -> usize {
        0
    }

    fn size(&self) -> usize {
        2
    }

    fn sum(&self, numbers: &mut [f64]) -> Result<()> {
        panic!("{} numbers go through the host", numbers.len())
    }

    fn announce(&self) -> Result<()> {
        self.announced.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

/// Runs this test in a process that finds the stand-in.
fn with_nccl(name: &str) {
    let folder = tempfile::tempdir().unwrap();
    stand_ins::build(folder.path(), &[stand_ins::NCCL]);
    let mut again = Command::new(std::env::current_exe().unwrap());
    again.args(["--exact", name, "--nocapture"]).env("LD_LIBRARY_PATH", folder.path()).env("FAKE_NCCL", "alone");
    assert!(again.status().unwrap().success());
}

/// Sums, the gradients of each step, and all that is told of it pass from device to device inside the graph of an iteration: the
/// host is asked for one request and one upload, and waits for nothing.
#[test]
fn an_iteration_of_ranks_is_one_graph() {
    if let Err(error) = Device::Emulated.open() {
        writeln!(std::io::stderr(), "skipped: {error}").unwrap();
        return;
    }
    if std::env::var_os("FAKE_NCCL").is_none() {
        return with_nccl("an_iteration_of_ranks_is_one_graph");
    }
    cuda::prove_sums(Device::Emulated).unwrap();
    let (first, id) = (First::default(), RanksId::new().unwrap());
    let joined = cuda::join(Device::Emulated, &id, 0, 2, Box::new(first.clone())).unwrap();
    let config = Config::from_toml(BIGGAN).unwrap();
    let ranks = Ranks::new(first.clone(), Trainer::rows(&config));
    let setup = Setup { ranks, ..Setup::on(Device::Emulated) };
    let data = DataConfig { name: DataName::Synthetic, num_images: Some(40), ..DataConfig::default() };
    let mut trainer = Trainer::in_setup(&config, &frugan_data::open(&data).unwrap(), &setup).unwrap();
    let mut recordings = 0;
    for _ in 0..9 {
        // The other asks for that step's work one by one, as where its memory has moved.
        first.stays.store(trainer.itr == 6, Ordering::Relaxed);
        first.votes.store(0, Ordering::Relaxed);
        let (before, announced) = (cuda::counters(Device::Emulated).unwrap(), first.announced.load(Ordering::Relaxed));
        trainer.step().unwrap();
        let now = cuda::counters(Device::Emulated).unwrap();
        let asked = Counters {
            launches: now.launches - before.launches,
            allocations: 0,
            reservations: 0,
            uploads: now.uploads - before.uploads,
            synchronisations: now.synchronisations - before.synchronisations,
            recordings: now.recordings - before.recordings,
            changes: 0,
        };
        let announced = first.announced.load(Ordering::Relaxed) - announced;
        eprintln!("{announced} announcements, {asked:?}");
        recordings += asked.recordings;
        assert_eq!(asked.synchronisations, 0);
        // Of each of four D steps the logits of fakes and of reals, their gradients, and all gradients; of G's its logits, their
        // gradient, and all gradients; then the end.
        assert_eq!(announced, 4 * 5 + 3 + 1);
        if trainer.itr == 7 {
            assert!(asked.launches > 100, "{asked:?}");
        } else if trainer.itr > 4 {
            assert_eq!((asked.launches, asked.uploads), (1, 1));
        }
        let votes = first.votes.load(Ordering::Relaxed);
        assert_eq!(votes, 1 + asked.recordings, "once a step, and once more after a recording");
    }
    assert_eq!(recordings, 1, "the other has kept its graph, and so has this one");
    drop(joined);
    assert!(!cuda::is_joined(Device::Emulated).unwrap());
}
