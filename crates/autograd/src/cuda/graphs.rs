//! Work that repeats, run as graphs.
//!
//! A training step asks for the same kernels in the same memory every time, but for some numbers: a learning rate, a draw's
//! place, the images. So the second time that a row of requests is seen it is recorded as a graph, and from then on it is one
//! request, with the numbers that changed put into it. Whatever does not repeat runs as it always did, so that no step must
//! be written for this.

use candle_core::Result;

use super::driver::{Driver, Recording};
use super::work::{Reel, Work};

/// Graphs that are kept. A step has one for each of its variants: with R1, with path length, with both, with neither.
const KEPT: usize = 12;
/// Shorter rows are not worth a graph.
const SHORTEST: usize = 8;

/// Rows of requests that were seen, the last used first.
#[derive(Debug, Default)]
pub(crate) struct Graphs(Vec<Known>);

#[derive(Debug)]
struct Known {
    /// With the words of the last time.
    reel: Reel,
    recording: Option<Box<dyn Recording>>,
    /// Whether the driver would not record it: it is not asked again.
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
        if reel.work.len() < SHORTEST {
            return run_one_by_one(&reel, driver);
        }
        let Some(at) = self.0.iter().position(|known| known.reel.work == reel.work) else {
            let ran = run_one_by_one(&reel, driver)?;
            self.0.truncate(KEPT - 1);
            self.0.insert(0, Known { reel, recording: None, refused: false });
            return Ok(ran);
        };
        self.0[..=at].rotate_right(1);
        self.0[0].run(reel, driver)
    }
}

impl Known {
    fn run(&mut self, reel: Reel, driver: &dyn Driver) -> Result<Ran> {
        let mut ran = Ran { launches: 1, uploads: u64::from(!reel.bytes.is_empty()), ..Ran::default() };
        let changed: Vec<usize> = match &self.recording {
            Some(_) => reel.changed_since(&self.reel).collect(),
            None => Vec::new(),
        };
        ran.changed = changed.len() as u64;
        if self.recording.is_none() && !self.refused {
            match driver.record(&reel) {
                Ok(recording) => self.recording = recording,
                Err(error) => ran.refusal = Some(error.to_string()),
            }
            ran.recorded = u64::from(self.recording.is_some());
            self.refused = self.recording.is_none();
        }
        let Some(recording) = &mut self.recording else {
            return Ok(Ran { refusal: ran.refusal, ..run_one_by_one(&reel, driver)? });
        };
        let result = recording.replay(&reel, &changed);
        self.reel = reel;
        if result.is_err() {
            // What a recording holds after a failure is not known.
            self.recording = None;
        }
        result.map(|()| ran)
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
