//! One arena a device: large pieces of memory that blocks are cut from.
//!
//! Blocks are given out first fit, the oldest piece's first and in each by address, and joined with their neighbours when they come
//! back. So the same sequence of requests gets the same addresses, and a step whose requests repeat runs in the memory of the last one,
//! also where a piece has come meanwhile.

use std::collections::BTreeMap;

/// Every block starts at a multiple of this, which vector loads and cuDNN want.
const ALIGNMENT: usize = 256;
/// The least that is asked of the driver at once.
const PIECE: usize = 256 << 20;

/// Free blocks, and what was used.
#[derive(Debug, Default)]
pub(crate) struct Arena {
    /// In the order in which they came. Blocks are not joined across them.
    pieces: Vec<Piece>,
    reserved: usize,
    in_use: usize,
    peak: usize,
}

/// What the driver gave at once.
#[derive(Debug)]
struct Piece {
    start: u64,
    end: u64,
    /// Bytes of the free blocks, by address.
    free: BTreeMap<u64, usize>,
}

/// Bytes of a device's arena.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Asked of the driver.
    pub reserved: usize,
    /// In live arrays now.
    pub in_use: usize,
    /// The most that live arrays had at once.
    pub peak: usize,
}

/// What a request for `bytes` takes.
pub(crate) fn rounded(bytes: usize) -> usize {
    bytes.max(1).next_multiple_of(ALIGNMENT)
}

impl Arena {
    /// A block of `bytes` (rounded), or `None` if no free one is large enough.
    pub(crate) fn take(&mut self, bytes: usize) -> Option<u64> {
        let bytes = rounded(bytes);
        let address = self.pieces.iter_mut().find_map(|piece| piece.take(bytes))?;
        self.in_use += bytes;
        self.peak = self.peak.max(self.in_use);
        Some(address)
    }

    /// Takes a block back; `bytes` as it was asked for.
    pub(crate) fn give_back(&mut self, address: u64, bytes: usize) {
        let bytes = rounded(bytes);
        self.in_use -= bytes;
        let piece = self.pieces.iter_mut().find(|piece| (piece.start..piece.end).contains(&address));
        piece.expect("a block of this arena").give_back(address, bytes);
    }

    /// What to ask of the driver for a request of `bytes`.
    pub(crate) fn piece_for(bytes: usize) -> usize {
        rounded(bytes).max(PIECE)
    }

    /// Adds memory from the driver.
    pub(crate) fn add_piece(&mut self, address: u64, bytes: usize) {
        let free = BTreeMap::from([(address, bytes)]);
        self.pieces.push(Piece { start: address, end: address + bytes as u64, free });
        self.reserved += bytes;
    }

    /// Counts the peak anew from what is in use now.
    pub(crate) fn forget_peak(&mut self) {
        self.peak = self.in_use;
    }

    pub(crate) fn usage(&self) -> Usage {
        Usage { reserved: self.reserved, in_use: self.in_use, peak: self.peak }
    }
}

impl Piece {
    fn take(&mut self, bytes: usize) -> Option<u64> {
        let (address, size) = self.free.iter().map(|(a, s)| (*a, *s)).find(|(_, size)| *size >= bytes)?;
        self.free.remove(&address);
        if size > bytes {
            self.free.insert(address + bytes as u64, size - bytes);
        }
        Some(address)
    }

    fn give_back(&mut self, mut address: u64, mut bytes: usize) {
        let next = address + bytes as u64;
        if let Some(size) = self.free.remove(&next) {
            bytes += size;
        }
        let before = self.free.range(..address).next_back().map(|(a, s)| (*a, *s));
        if let Some((start, size)) = before
            && start + size as u64 == address
        {
            address = start;
            bytes += size;
        }
        self.free.insert(address, bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repeated_step_gets_the_same_addresses_and_the_same_peak() {
        let mut arena = Arena::default();
        arena.add_piece(1 << 20, 1 << 20);
        let weights = arena.take(1000).expect("room");
        let step = |arena: &mut Arena| {
            let a = arena.take(5000).expect("room");
            let b = arena.take(300).expect("room");
            arena.give_back(a, 5000);
            let c = arena.take(4000).expect("room");
            arena.give_back(b, 300);
            arena.give_back(c, 4000);
            [a, b, c]
        };
        let first = step(&mut arena);
        assert_eq!(first, step(&mut arena));
        assert_eq!(first[0], first[2], "a dead block is used again");
        assert_eq!(weights, 1 << 20);
        assert_eq!(arena.usage(), Usage { reserved: 1 << 20, in_use: 1024, peak: 1024 + 5120 + 512 });
    }

    /// A driver may answer below what it gave before: what an evaluation took must not move a step's arrays.
    #[test]
    fn a_piece_that_comes_later_moves_nothing() {
        let mut arena = Arena::default();
        arena.add_piece(1 << 30, 1 << 20);
        let step = |arena: &mut Arena| {
            let taken = [700_000, 300_000].map(|bytes| arena.take(bytes).expect("room"));
            arena.give_back(taken[0], 700_000);
            arena.give_back(taken[1], 300_000);
            taken
        };
        let before = step(&mut arena);
        assert_eq!(arena.take(2 << 20), None);
        arena.add_piece(1 << 20, 2 << 20);
        assert_eq!(arena.take(2 << 20), Some(1 << 20));
        arena.give_back(1 << 20, 2 << 20);
        assert_eq!(step(&mut arena), before);
    }

    #[test]
    fn free_neighbours_join_but_not_across_pieces() {
        let mut arena = Arena::default();
        arena.add_piece(0x1000, 0x1000);
        arena.add_piece(0x2000, 0x1000);
        assert_eq!(arena.take(0x1001), None, "two pieces are not one");
        let blocks: Vec<u64> = (0..16).map(|_| arena.take(0x100).expect("room")).collect();
        for address in blocks.iter().step_by(2).chain(blocks.iter().skip(1).step_by(2)) {
            arena.give_back(*address, 0x100);
        }
        assert_eq!(arena.take(0x1000), Some(0x1000));
        assert_eq!(arena.take(0x1000), Some(0x2000));
        assert_eq!(arena.take(1), None);
    }
}
