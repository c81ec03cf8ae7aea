//! Work that repeats, run as graphs.
//!
//! A training step asks for the same kernels in the same memory every time, but for some numbers: a learning rate, a draw's
//! place, the images. So the second time that a row of requests is seen it is recorded as a graph, and from then on it is one
//! request, with the numbers that changed put into it. Whatever does not repeat runs as it always did, so that no step must
//! be written for this.
//!
//! Where ranks sum in a row, all of them do the same with it: they vote each time.

use candle_core::{Result, bail};

use super::driver::{Driver, Recording};
use super::nccl::{ONE_BY_ONE, RECORD};
use super::work::{Reel, Work};

/// Graphs that are kept. A step has one for each of its variants: with R1, with path length, with both, with neither.
const KEPT: usize = 12;
/// Shorter rows are not worth a graph.
const SHORTEST: usize = 8;

/// Rows of requests that were seen, the last used first.
#[derive(Debug, Default)]
pub(crate) struct Graphs {
    known: Vec<Known>,
    /// How many times ranks have agreed to record: the same number on each.
    agreed: u64,
}

#[derive(Debug)]
struct Known {
    /// With the words of the last replay.
    reel: Reel,
    recording: Option<Box<dyn Recording>>,
    /// Of the recording, where ranks sum in it: those of one number are of one row.
    number: u64,
    /// Whether the driver would not record it, or another rank's would not: it is not asked again.
    refused: bool,
}

/// What running a reel took.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ran {
    pub(crate) launches: u64,
    pub(crate) uploads: u64,
    /// Graphs recorded.
    pub(crate) recorded: u64,
    /// Launches in a graph that got other numbers.
    pub(crate) changed: u64,
    /// Why the work was not recorded, if that failed.
    pub(crate) refusal: Option<String>,
}

impl Graphs {
    /// Runs all of the reel's work, in order.
    pub(crate) fn run(&mut self, reel: Reel, driver: &dyn Driver) -> Result<Ran> {
        let at = match reel.work.len() {
            SHORTEST.. => self.known.iter().position(|known| known.reel.work == reel.work),
            _ => None,
        };
        let (sums, wish) = (reel.sums(), at.map_or(ONE_BY_ONE, |at| self.known[at].wish()));
        let way = if sums == 0 { wish } else { driver.agree(sums, wish)? };
        let Some(at) = at else { return self.meet(reel, driver) };
        self.known[..=at].rotate_right(1);
        match way {
            ONE_BY_ONE => run_one_by_one(&reel, driver),
            RECORD => {
                self.agreed += u64::from(sums > 0);
                self.known[0].record(reel, driver, (sums, self.agreed))
            }
            _ => {
                let changed = reel.changed_since(&self.known[0].reel).collect();
                self.known[0].replay(reel, changed)
            }
        }
    }

    /// Runs a row that was not seen before.
    fn meet(&mut self, reel: Reel, driver: &dyn Driver) -> Result<Ran> {
        let keep = reel.work.len() >= SHORTEST;
        if keep {
            // Ahead of the work, for a graph that goes waits for what is queued.
            self.known.truncate(KEPT - 1);
        }
        let ran = run_one_by_one(&reel, driver)?;
        if keep {
            self.known.insert(0, Known { reel, recording: None, number: 0, refused: false });
        }
        Ok(ran)
    }
}

impl Known {
    /// What this rank would do with the row by itself.
    fn wish(&self) -> u64 {
        match self.recording {
            Some(_) => RECORD + 1 + self.number,
            None if self.refused => ONE_BY_ONE,
            None => RECORD,
        }
    }

    /// Records the row under a number and runs it: without the recording, where another rank has none.
    fn record(&mut self, reel: Reel, driver: &dyn Driver, (sums, number): (usize, u64)) -> Result<Ran> {
        // A graph that goes may wait for the device: it goes ahead of the new one's work.
        self.recording = None;
        let mut refusal = None;
        match driver.record(&reel) {
            Ok(recording) => self.recording = recording,
            Err(error) => refusal = Some(error.to_string()),
        }
        let own = if self.recording.is_some() { RECORD } else { ONE_BY_ONE };
        if sums > 0 && driver.agree(sums, own)? == ONE_BY_ONE && own == RECORD {
            self.recording = None;
            refusal = Some("another rank could not record these requests as a graph".into());
        }
        self.refused = self.recording.is_none();
        if self.refused {
            return Ok(Ran { refusal, ..run_one_by_one(&reel, driver)? });
        }
        self.number = number;
        Ok(Ran { recorded: 1, ..self.replay(reel, Vec::new())? })
    }

    /// Runs the row as it was recorded, with the words of this reel where they are others.
    fn replay(&mut self, reel: Reel, changed: Vec<usize>) -> Result<Ran> {
        let Some(recording) = &mut self.recording else { bail!("a graph that was never recorded") };
        let result = recording.replay(&reel, &changed);
        let uploads = u64::from(!reel.bytes.is_empty());
        self.reel = reel;
        if result.is_err() {
            // What a recording holds after a failure is not known.
            self.recording = None;
        }
        result.map(|()| Ran { launches: 1, uploads, changed: changed.len() as u64, ..Ran::default() })
    }
}

fn run_one_by_one(reel: &Reel, driver: &dyn Driver) -> Result<Ran> {
    let mut ran = Ran::default();
    for work in &reel.work {
        match *work {
            Work::Launch { kernel, words } => {
                let (blocks, words) = reel.launch_of(words);
                ran.launches += 1;
                driver.launch(kernel, blocks, words)?;
            }
            Work::Upload { to, bytes } => {
                ran.uploads += 1;
                driver.upload(to, bytes.of(&reel.bytes))?;
            }
            Work::Copy { to, from, bytes } => driver.copy(to, from, bytes)?,
            Work::Call { call, arrays, workspace } => {
                ran.launches += 1;
                driver.call(&call, arrays, workspace)?;
            }
            Work::HandedOut { address, bytes } => driver.handed_out(address, bytes),
        }
    }
    Ok(ran)
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::cuda::library::{Call, OverRanks};
    use crate::cuda::nccl::Peers;
    use crate::cuda::pool::lock;
    use crate::cuda::texts::Element;

    /// A driver that notes what is asked of it, where other ranks have votes.
    #[derive(Debug, Default)]
    struct Noted {
        asked: Arc<Mutex<Vec<&'static str>>>,
        verdicts: Mutex<VecDeque<u64>>,
        records: bool,
    }

    #[derive(Debug)]
    struct Replayed(Arc<Mutex<Vec<&'static str>>>);

    impl Recording for Replayed {
        fn replay(&mut self, _: &Reel, _: &[usize]) -> Result<()> {
            lock(&self.0).push("replay");
            Ok(())
        }
    }

    impl Driver for Noted {
        fn name(&self) -> String {
            "noted".into()
        }
        fn memory(&self) -> Result<(usize, usize)> {
            Ok((0, 0))
        }
        fn reserve(&self, _: usize) -> Result<u64> {
            Ok(0)
        }
        fn launch(&self, _: crate::cuda::driver::Kernel, _: usize, _: &[u64]) -> Result<()> {
            Ok(())
        }
        fn upload(&self, _: u64, _: &[u8]) -> Result<()> {
            Ok(())
        }
        fn download(&self, _: u64, _: &mut [u8]) -> Result<()> {
            Ok(())
        }
        fn copy(&self, _: u64, _: u64, _: usize) -> Result<()> {
            Ok(())
        }
        fn synchronise(&self) -> Result<()> {
            Ok(())
        }
        fn call(&self, _: &Call, _: [u64; 3], _: u64) -> Result<()> {
            lock(&self.asked).push("sum");
            Ok(())
        }
        fn set_peers(&self, _: Option<Arc<Peers>>) {}
        fn agree(&self, sums: usize, wish: u64) -> Result<u64> {
            assert_eq!(sums, 1);
            Ok(lock(&self.verdicts).pop_front().unwrap_or(wish))
        }
        fn is_idle(&self) -> Result<bool> {
            Ok(true)
        }
        fn mark(&self) -> Result<()> {
            Ok(())
        }
        fn between_marks(&self) -> Result<Vec<f64>> {
            Ok(Vec::new())
        }
        fn record(&self, _: &Reel) -> Result<Option<Box<dyn Recording>>> {
            lock(&self.asked).push("record");
            Ok(self.records.then(|| Box::new(Replayed(self.asked.clone())) as Box<dyn Recording>))
        }
    }

    /// A row with one sum in it.
    fn row() -> Reel {
        let call = Call::OverRanks(OverRanks { session: 1, element: Element::F32, count: 4, mean: false });
        let mut work = vec![Work::Copy { to: 0, from: 64, bytes: 4 }; SHORTEST];
        work.push(Work::Call { call, arrays: [0; 3], workspace: 0 });
        Reel { work, ..Reel::default() }
    }

    /// What a row that comes again and again asks for, each time, under these verdicts of all ranks.
    fn asked(records: bool, times: usize, verdicts: &[u64]) -> Result<Vec<Vec<&'static str>>> {
        let driver = Noted { records, verdicts: Mutex::new(verdicts.iter().copied().collect()), ..Noted::default() };
        let mut graphs = Graphs::default();
        (0..times)
            .map(|_| {
                graphs.run(row(), &driver)?;
                Ok(std::mem::take(&mut *lock(&driver.asked)))
            })
            .collect()
    }

    #[test]
    fn a_row_is_recorded_when_it_comes_again() -> Result<()> {
        assert_eq!(asked(true, 4, &[])?, [vec!["sum"], vec!["record", "replay"], vec!["replay"], vec!["replay"]]);
        assert_eq!(asked(false, 3, &[])?, [vec!["sum"], vec!["record", "sum"], vec!["sum"]], "asked for once");
        Ok(())
    }

    /// First votes and, of recordings, second ones: what all have agreed to is done, whatever this rank would do.
    #[test]
    fn a_row_in_which_ranks_sum_runs_as_all_of_them_run_it() -> Result<()> {
        // Another sees it one time later, and once more when its memory has moved.
        let late = asked(true, 6, &[0, 0, 1, 1, 3, 0, 1])?;
        let (sum, record, replay) = (vec!["sum"], vec!["record", "replay"], vec!["replay"]);
        assert_eq!(late, [&sum, &sum, &record, &replay, &sum, &record].map(Clone::clone));
        // Another's driver refuses what this one's records.
        let refused = asked(true, 4, &[0, 1, 0])?;
        assert_eq!(refused, [vec!["sum"], vec!["record", "sum"], vec!["sum"], vec!["sum"]]);
        Ok(())
    }
}
