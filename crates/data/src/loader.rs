//! Batches of real images, without end.

use crate::dataset::{Dataset, float_table};
use crate::error::{Error, Result};
use frugan_nn::{Purpose, Stream};
use std::sync::{Arc, Mutex, PoisonError};

const ORDER: Purpose = Purpose::new("data.order");
const MIRROR: Purpose = Purpose::new("data.mirror");

/// Real images of one step.
///
/// ```
/// use frugan_data::{Loader, synthetic};
/// let batch = Loader::new(&synthetic::test(32), 4, 0, false)?.batch(0);
/// assert!(batch.images.iter().all(|v| (-1.0..=1.0).contains(v)));
/// # Ok::<(), frugan_data::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// `[N, C, H, W]` in [-1, 1].
    pub images: Vec<f32>,
    /// N classes.
    pub labels: Vec<i32>,
}

/// One image of a batch.
///
/// ```
/// use frugan_data::{Loader, synthetic};
/// let fetch = Loader::new(&synthetic::test(32), 4, 0, false)?.fetches(9)[3];
/// assert!(fetch.index < 1000 && !fetch.mirrored);
/// # Ok::<(), frugan_data::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fetch {
    /// Its place in the data set.
    pub index: u32,
    /// Whether it is flipped along the width.
    pub mirrored: bool,
}

/// The multi-epoch loader: every epoch is a fresh permutation of the data set, epochs follow each other without a
/// gap, and batches run across their borders, so no image is dropped (DiffAugment's BigGAN code).
///
/// Place p of the endless list is entry `p mod N` of epoch `p / N`, and step s takes places `s·batch` to
/// `(s + 1)·batch`. Order and mirror coins of an epoch are drawn from [`Stream`]s of that epoch: what a step fetches
/// depends on seed, data set size and step, and on nothing that ran before. A mirror coin belongs to a place, so it
/// does not depend on the batch size.
///
/// ```
/// use frugan_data::{Loader, synthetic};
/// let set = synthetic::test(32);
/// let loader = Loader::new(&set, 300, 7, true)?;
/// let resumed = Loader::new(&set, 300, 7, true)?;
/// loader.batch(0);
/// assert_eq!(loader.batch(3), resumed.batch(3)); // the fourth batch, across the border of 1000
/// # Ok::<(), frugan_data::Error>(())
/// ```
#[derive(Debug)]
pub struct Loader {
    dataset: Dataset,
    batch: usize,
    seed: u64,
    mirror: bool,
    floats: [f32; 256],
    /// The epoch last asked for; a step within an epoch does not draw it again.
    epoch: Mutex<Option<Arc<Epoch>>>,
}

#[derive(Debug)]
struct Epoch {
    number: u64,
    fetches: Vec<Fetch>,
}

impl Loader {
    /// `batch` images a step; `mirror` flips each fetched image with probability 1/2.
    ///
    /// # Errors
    /// When `batch` is 0 or larger than the data set.
    ///
    /// ```
    /// use frugan_data::{Loader, synthetic};
    /// let error = Loader::new(&synthetic::test(32), 2000, 0, true).unwrap_err();
    /// assert!(error.to_string().starts_with("optim.batch = 2000 is larger than the 1000 images"));
    /// ```
    pub fn new(dataset: &Dataset, batch: usize, seed: u64, mirror: bool) -> Result<Self> {
        if batch == 0 {
            return Err(Error::EmptyBatch);
        }
        if batch > dataset.len() {
            return Err(Error::BatchTooLarge { batch, images: dataset.len(), name: dataset.name.clone() });
        }
        let floats = float_table();
        Ok(Self { dataset: dataset.clone(), batch, seed, mirror, floats, epoch: Mutex::new(None) })
    }

    /// The images of step `step`.
    ///
    /// ```
    /// use frugan_data::{Loader, synthetic};
    /// let loader = Loader::new(&synthetic::test(32), 8, 0, true)?;
    /// assert_ne!(loader.batch(0), loader.batch(1));
    /// # Ok::<(), frugan_data::Error>(())
    /// ```
    pub fn batch(&self, step: u64) -> Batch {
        let width = self.dataset.shape[2];
        let mut images = Vec::with_capacity(self.batch * self.dataset.image_bytes());
        let mut labels = Vec::with_capacity(self.batch);
        for Fetch { index, mirrored } in self.fetches(step) {
            let floats = |pixel: &u8| self.floats[usize::from(*pixel)];
            let image = self.dataset.image(index as usize);
            if mirrored {
                image.chunks_exact(width).for_each(|row| images.extend(row.iter().rev().map(floats)));
            } else {
                images.extend(image.iter().map(floats));
            }
            labels.push(self.dataset.labels[index as usize] as i32);
        }
        Batch { images, labels }
    }

    /// Which images step `step` takes, in order.
    ///
    /// ```
    /// use frugan_data::{Loader, synthetic};
    /// let loader = Loader::new(&synthetic::test(32), 1000, 0, true)?;
    /// let mut epoch: Vec<u32> = loader.fetches(5).iter().map(|fetch| fetch.index).collect();
    /// epoch.sort_unstable();
    /// assert!(epoch.into_iter().eq(0..1000));
    /// # Ok::<(), frugan_data::Error>(())
    /// ```
    pub fn fetches(&self, step: u64) -> Vec<Fetch> {
        let total = self.dataset.len() as u64;
        let start = step * self.batch as u64;
        let mut fetches = Vec::with_capacity(self.batch);
        while fetches.len() < self.batch {
            let place = start + fetches.len() as u64;
            let epoch = self.epoch(place / total);
            let rest = &epoch.fetches[(place % total) as usize..];
            fetches.extend_from_slice(&rest[..rest.len().min(self.batch - fetches.len())]);
        }
        fetches
    }

    fn epoch(&self, number: u64) -> Arc<Epoch> {
        let mut kept = self.epoch.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(epoch) = kept.as_ref().filter(|epoch| epoch.number == number) {
            return Arc::clone(epoch);
        }
        let total = self.dataset.len();
        let order = Stream::new(self.seed, ORDER, number).permutation(total as u32);
        let coins = Stream::new(self.seed, MIRROR, number).integers(total, 2);
        let fetch = |(index, coin)| Fetch { index, mirrored: self.mirror && coin == 1 };
        let epoch = Arc::new(Epoch { number, fetches: order.into_iter().zip(coins).map(fetch).collect() });
        *kept = Some(Arc::clone(&epoch));
        epoch
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// N images of 1x1x2 whose left pixel is their index and whose right pixel is 255.
    fn numbered(n: u32) -> Dataset {
        let images = (0..n).flat_map(|i| [i as u8, 255]).collect();
        Dataset::new("numbered", [1, 1, 2], images, vec![0; n as usize], vec!["all".to_owned()]).expect("fits")
    }

    fn loader(n: u32, batch: usize, seed: u64) -> Loader {
        Loader::new(&numbered(n), batch, seed, true).expect("a batch within the set")
    }

    fn places(loader: &Loader, steps: u64) -> Vec<Fetch> {
        (0..steps).flat_map(|step| loader.fetches(step)).collect()
    }

    proptest! {
        #[test]
        fn every_index_comes_once_an_epoch(n in 1_u32..90, share in 0.0..1.0_f64, seed: u64) {
            let batch = 1 + (share * f64::from(n - 1)) as usize;
            let steps = (4 * n as usize).div_ceil(batch) as u64;
            for epoch in places(&loader(n, batch, seed), steps).chunks_exact(n as usize) {
                let mut indices: Vec<u32> = epoch.iter().map(|fetch| fetch.index).collect();
                indices.sort_unstable();
                prop_assert!(indices.into_iter().eq(0..n));
            }
        }

        #[test]
        fn a_step_does_not_depend_on_what_ran_before(n in 2_u32..60, steps in prop::collection::vec(0_u64..1000, 1..9)) {
            let used = loader(n, 2, 5);
            for step in steps {
                prop_assert_eq!(used.batch(step), loader(n, 2, 5).batch(step));
            }
        }

        #[test]
        fn places_do_not_depend_on_the_batch_size(n in 1_u32..60, share in 0.0..1.0_f64, seed: u64) {
            let batch = 1 + (share * f64::from(n - 1)) as usize;
            let (one, many) = (places(&loader(n, 1, seed), 3 * batch as u64), places(&loader(n, batch, seed), 3));
            prop_assert_eq!(one, many);
        }
    }

    #[test]
    fn mirrored_rows_are_reversed_and_about_half() {
        let loader = loader(200, 200, 1);
        let (batch, fetches) = (loader.batch(4), loader.fetches(4));
        for (row, fetch) in batch.images.chunks_exact(2).zip(&fetches) {
            let own = loader.floats[fetch.index as usize];
            assert_eq!(row, if fetch.mirrored { [1.0, own] } else { [own, 1.0] });
        }
        let mirrored = fetches.iter().filter(|fetch| fetch.mirrored).count();
        assert!((70..130).contains(&mirrored), "{mirrored} of 200");
    }

    #[test]
    fn epochs_and_seeds_differ() {
        let indices = |seed, step| loader(50, 50, seed).fetches(step);
        assert_ne!(indices(0, 0), indices(0, 1));
        assert_ne!(indices(0, 0), indices(1, 0));
    }

    #[test]
    fn a_batch_that_cannot_be_filled_is_an_error() {
        assert!(matches!(Loader::new(&numbered(3), 0, 0, true), Err(Error::EmptyBatch)));
        assert!(matches!(Loader::new(&numbered(3), 4, 0, true), Err(Error::BatchTooLarge { batch: 4, images: 3, .. })));
    }
}
