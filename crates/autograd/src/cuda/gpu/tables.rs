//! Tables that launches read: rows of arrays, filters.

use std::collections::BTreeMap;
use std::sync::Arc;

use candle_core::Result;

use super::{Buffer, Gpu, Memory, add};
use crate::cuda::pool::lock;
use crate::cuda::words::Address;

/// Tables of launches, which never go: graphs read them.
#[derive(Debug, Default)]
pub(super) struct Tables {
    known: BTreeMap<Vec<u64>, Address>,
    /// Of the memory, once there is a table.
    start: Option<u64>,
    used: usize,
}

impl Gpu {
    /// A table for one launch. In training the same ones come again and again, for the arena gives arrays the same places: so they are
    /// kept, as long as there is room.
    pub(crate) fn table(self: &Arc<Self>, words: &[u64]) -> Result<Buffer> {
        if let Some(Address(address)) = self.kept(words)? {
            return Ok(Buffer { gpu: self.clone(), address, memory: Memory::Kept });
        }
        let table = self.allocate(size_of_val(words))?;
        self.upload(table.address(), &bytes_of_words(words))?;
        Ok(table)
    }

    /// A table that is there already, or is now put beside the others; `None` where there is no room.
    fn kept(&self, words: &[u64]) -> Result<Option<Address>> {
        /// Of the memory for tables, apart from the arena, whose arrays they would keep from their places.
        const ROOM: usize = 1 << 20;
        let mut tables = lock(&self.tables);
        if let Some(address) = tables.known.get(words) {
            return Ok(Some(*address));
        }
        let bytes = size_of_val(words).next_multiple_of(256);
        if tables.used + bytes > ROOM {
            return Ok(None);
        }
        if tables.start.is_none() {
            add(&self.counts.reservations, 1);
            tables.start = Some(self.driver.reserve(ROOM)?);
        }
        let address = Address(tables.start.unwrap_or_default() + tables.used as u64);
        self.upload(address, &bytes_of_words(words))?;
        tables.used += bytes;
        tables.known.insert(words.to_vec(), address);
        Ok(Some(address))
    }

    /// The table on the device, uploaded the first time that it is asked for; in the arena where there is no room beside the others.
    pub(crate) fn constant(self: &Arc<Self>, words: &[u64]) -> Result<Address> {
        if let Some(address) = self.kept(words)? {
            return Ok(address);
        }
        let address = Address(self.take(size_of_val(words))?);
        self.upload(address, &bytes_of_words(words))?;
        lock(&self.tables).known.insert(words.to_vec(), address);
        Ok(address)
    }
}

fn bytes_of_words(words: &[u64]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_ne_bytes()).collect()
}
