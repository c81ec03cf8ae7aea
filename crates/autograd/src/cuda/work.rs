//! What a device is asked to do, put off: so that it can be asked for as a whole.

use super::driver::Kernel;
use super::library::Call;

/// One request, in the order of asking. Its words and bytes lie in the [`Reel`] that holds it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Work {
    /// A kernel; its number of blocks comes ahead of its words.
    Launch { kernel: Kernel, words: Span },
    /// A copy from the host.
    Upload { to: u64, bytes: Span },
    /// A copy within the device.
    Copy { to: u64, from: u64, bytes: usize },
    /// A library's call on two operands and a result.
    Call { call: Call, arrays: [u64; 3], workspace: u64 },
    /// Memory whose contents nobody may read before writing.
    HandedOut { address: u64, bytes: usize },
}

/// A part of a reel's words or bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) start: usize,
    pub(crate) len: usize,
}

impl Span {
    pub(crate) fn of<T>(self, all: &[T]) -> &[T] {
        &all[self.start..self.start + self.len]
    }
}

/// Requests in order. Two reels whose requests are equal differ at most in their words and bytes: they are one graph.
#[derive(Debug, Default)]
pub(crate) struct Reel {
    pub(crate) work: Vec<Work>,
    pub(crate) words: Vec<u64>,
    pub(crate) bytes: Vec<u8>,
}

impl Reel {
    pub(crate) fn launch(&mut self, kernel: Kernel, blocks: usize, words: &[u64]) {
        let Span { start, .. } = append(&mut self.words, &[blocks as u64]);
        let Span { len, .. } = append(&mut self.words, words);
        self.work.push(Work::Launch { kernel, words: Span { start, len: len + 1 } });
    }

    /// The blocks of a launch and the struct that its kernel takes.
    pub(crate) fn launch_of(&self, words: Span) -> (usize, &[u64]) {
        let words = words.of(&self.words);
        (words[0] as usize, &words[1..])
    }

    pub(crate) fn upload(&mut self, to: u64, bytes: &[u8]) {
        // Each upload starts at a multiple of 16 bytes, for the copies out of a graph's stage.
        self.bytes.resize(self.bytes.len().next_multiple_of(16), 0);
        let span = append(&mut self.bytes, bytes);
        self.work.push(Work::Upload { to, bytes: span });
    }

    /// How often it sums over ranks.
    pub(crate) fn sums(&self) -> usize {
        self.work.iter().filter(|work| matches!(work, Work::Call { call: Call::OverRanks(_), .. })).count()
    }

    /// The launches whose blocks or words are not those of another reel of equal requests.
    pub(crate) fn changed_since<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = usize> + 'a {
        self.work.iter().enumerate().filter_map(|(i, work)| match work {
            Work::Launch { words, .. } => (words.of(&self.words) != words.of(&other.words)).then_some(i),
            _ => None,
        })
    }
}

fn append<T: Copy>(all: &mut Vec<T>, more: &[T]) -> Span {
    let span = Span { start: all.len(), len: more.len() };
    all.extend_from_slice(more);
    span
}
