//! Batches of real images, without end.

use crate::dataset::{Dataset, float_table};
use crate::error::{Error, Result};
use crate::sampling::{Mirror, Sampler, Sampling};
use crate::subset::InfiniteSampler;
use frugan_nn::{Purpose, Stream};
use std::sync::{Arc, Mutex, PoisonError};

const ORDER: Purpose = Purpose::new("data.order");
const MIRROR: Purpose = Purpose::new("data.mirror");

/// Real images of one step.
///
/// ```
/// use frugan_data::{Loader, Sampling, synthetic};
/// let batch = Loader::new(&synthetic::test(32), 4, 0, Sampling::default())?.batch(0);
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
/// use frugan_data::{Loader, Mirror, Sampling, synthetic};
/// let sampling = Sampling { mirror: Mirror::Off, ..Sampling::default() };
/// let fetch = Loader::new(&synthetic::test(32), 4, 0, sampling)?.fetches(9)[3];
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

/// The endless list of training images, a batch a step, across the borders of epochs, so no image is dropped.
///
/// An epoch has a place for every entry: the images, or with [`Mirror::Double`] the images and then their mirror images.
/// Place p of the list is place `p mod entries` of epoch `p / entries`, and step s takes places `s·batch` to
/// `(s + 1)·batch`. The order of an epoch is a fresh permutation ([`Sampler::MultiEpoch`]) or the next entries of ADA's
/// sampler ([`Sampler::InfiniteWindow`]); the coins of [`Mirror::Coin`] belong to places, so they do not depend on the
/// batch size. What a step fetches depends on seed, data set size and step, and on nothing that ran before.
///
/// ```
/// use frugan_data::{Loader, Sampling, synthetic};
/// let set = synthetic::test(32);
/// let loader = Loader::new(&set, 300, 7, Sampling::default())?;
/// let resumed = Loader::new(&set, 300, 7, Sampling::default())?;
/// loader.batch(0);
/// assert_eq!(loader.batch(3), resumed.batch(3)); // the fourth batch, across the border of 1000
/// # Ok::<(), frugan_data::Error>(())
/// ```
#[derive(Debug)]
pub struct Loader {
    dataset: Dataset,
    batch: usize,
    seed: u64,
    sampling: Sampling,
    floats: [f32; 256],
    kept: Mutex<Kept>,
}

/// What a step leaves for the next one, which finds the same without it.
#[derive(Debug, Default)]
struct Kept {
    /// The epoch last asked for; a step within an epoch does not draw it again.
    epoch: Option<Arc<Epoch>>,
    /// ADA's sampler, and the number of the epoch that it gives next.
    sampler: Option<(u64, InfiniteSampler)>,
}

#[derive(Debug)]
struct Epoch {
    number: u64,
    fetches: Vec<Fetch>,
}

impl Loader {
    /// `batch` images a step, in the order and with the mirror images that `sampling` says.
    ///
    /// # Errors
    /// When `batch` is 0 or larger than an epoch, or the seed is none for ADA's sampler.
    ///
    /// ```
    /// use frugan_data::{Loader, Sampling, synthetic};
    /// let error = Loader::new(&synthetic::test(32), 2000, 0, Sampling::default()).unwrap_err();
    /// assert!(error.to_string().starts_with("optim.batch = 2000 is larger than the 1000 images"));
    /// ```
    pub fn new(dataset: &Dataset, batch: usize, seed: u64, sampling: Sampling) -> Result<Self> {
        let (dataset, floats, kept) = (dataset.clone(), float_table(), Mutex::default());
        let loader = Self { dataset, batch, seed, sampling, floats, kept };
        if batch == 0 {
            return Err(Error::EmptyBatch);
        }
        let images = loader.entries();
        if batch > images {
            return Err(Error::BatchTooLarge { batch, images, name: loader.dataset.name });
        }
        if sampling.sampler == Sampler::InfiniteWindow && u32::try_from(seed).is_err() {
            return Err(Error::SamplerSeed { seed });
        }
        Ok(loader)
    }

    /// What it draws from; its labels are those that fakes may take ([`Dataset::draw_labels`]).
    ///
    /// ```
    /// use frugan_data::{Loader, Sampling, synthetic};
    /// let loader = Loader::new(&synthetic::test(32), 8, 0, Sampling::default())?;
    /// assert_eq!(loader.dataset().labels.len(), 1000);
    /// # Ok::<(), frugan_data::Error>(())
    /// ```
    pub fn dataset(&self) -> &Dataset {
        &self.dataset
    }

    /// Places of an epoch.
    fn entries(&self) -> usize {
        self.dataset.len() * if self.sampling.mirror == Mirror::Double { 2 } else { 1 }
    }

    /// The images of step `step`.
    ///
    /// ```
    /// use frugan_data::{Loader, Sampling, synthetic};
    /// let loader = Loader::new(&synthetic::test(32), 8, 0, Sampling::default())?;
    /// assert_ne!(loader.batch(0), loader.batch(1));
    /// # Ok::<(), frugan_data::Error>(())
    /// ```
    pub fn batch(&self, step: u64) -> Batch {
        self.images(&self.fetches(step))
    }

    /// These rows of [`Loader::batch`], in this order: a rank's part.
    ///
    /// ```
    /// use frugan_data::{Loader, Sampling, synthetic};
    /// let loader = Loader::new(&synthetic::test(32), 8, 0, Sampling::default())?;
    /// let (part, whole) = (loader.rows(3, &[6, 1]), loader.batch(3));
    /// assert_eq!(part.labels, [whole.labels[6], whole.labels[1]]);
    /// # Ok::<(), frugan_data::Error>(())
    /// ```
    ///
    /// # Panics
    /// If the batch has no such row.
    pub fn rows(&self, step: u64, rows: &[usize]) -> Batch {
        let fetches = self.fetches(step);
        self.images(&rows.iter().map(|row| fetches[*row]).collect::<Vec<_>>())
    }

    fn images(&self, fetches: &[Fetch]) -> Batch {
        let width = self.dataset.shape[2];
        let mut images = Vec::with_capacity(fetches.len() * self.dataset.image_bytes());
        let mut labels = Vec::with_capacity(fetches.len());
        for Fetch { index, mirrored } in fetches.iter().copied() {
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
    /// use frugan_data::{Loader, Sampling, synthetic};
    /// let loader = Loader::new(&synthetic::test(32), 1000, 0, Sampling::default())?;
    /// let mut epoch: Vec<u32> = loader.fetches(5).iter().map(|fetch| fetch.index).collect();
    /// epoch.sort_unstable();
    /// assert!(epoch.into_iter().eq(0..1000));
    /// # Ok::<(), frugan_data::Error>(())
    /// ```
    pub fn fetches(&self, step: u64) -> Vec<Fetch> {
        let total = self.entries() as u64;
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
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(epoch) = kept.epoch.as_ref().filter(|epoch| epoch.number == number) {
            return Arc::clone(epoch);
        }
        let (entries, images) = (self.entries(), self.dataset.len() as u32);
        let order = match self.sampling.sampler {
            Sampler::MultiEpoch => Stream::new(self.seed, ORDER, number).permutation(entries as u32),
            Sampler::InfiniteWindow => self.window(&mut kept, number),
        };
        let fetches = match self.sampling.mirror {
            Mirror::Off => order.into_iter().map(|index| Fetch { index, mirrored: false }).collect(),
            Mirror::Coin => {
                let coins = Stream::new(self.seed, MIRROR, number).integers(entries, 2);
                order.into_iter().zip(coins).map(|(index, coin)| Fetch { index, mirrored: coin == 1 }).collect()
            }
            Mirror::Double => {
                order.into_iter().map(|entry| Fetch { index: entry % images, mirrored: entry >= images }).collect()
            }
        };
        let epoch = Arc::new(Epoch { number, fetches });
        kept.epoch = Some(Arc::clone(&epoch));
        epoch
    }

    /// ADA's sampler has a state, so an epoch is reached by drawing all before it: some nanoseconds an image.
    fn window(&self, kept: &mut Kept, number: u64) -> Vec<u32> {
        let entries = self.entries();
        let (next, mut sampler) = match kept.sampler.take() {
            Some((next, sampler)) if next <= number => (next, sampler),
            _ => (0, InfiniteSampler::new(entries as u32, self.seed as u32)),
        };
        (next..number).for_each(|_| sampler.by_ref().take(entries).for_each(drop));
        let order = sampler.by_ref().take(entries).collect();
        kept.sampler = Some((number + 1, sampler));
        order
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
        Loader::new(&numbered(n), batch, seed, Sampling::default()).expect("a batch within the set")
    }

    const ADA: Sampling = Sampling { mirror: Mirror::Double, sampler: Sampler::InfiniteWindow };

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
            for sampling in [Sampling::default(), ADA] {
                let fresh = || Loader::new(&numbered(n), 2, 5, sampling).expect("a batch within the set");
                let used = fresh();
                for step in &steps {
                    prop_assert_eq!(used.batch(*step), fresh().batch(*step));
                }
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
    fn adas_list_is_its_sampler_over_the_doubled_set() {
        let loader = Loader::new(&numbered(7), 5, 3, ADA).expect("a batch within the set");
        let entry = |fetch: Fetch| fetch.index + if fetch.mirrored { 7 } else { 0 };
        let got: Vec<u32> = places(&loader, 20).into_iter().map(entry).collect();
        assert_eq!(got, InfiniteSampler::new(14, 3).take(100).collect::<Vec<u32>>());
    }

    #[test]
    fn a_doubled_epoch_holds_each_image_both_ways() {
        let sampling = Sampling { mirror: Mirror::Double, sampler: Sampler::MultiEpoch };
        let mut epoch = places(&Loader::new(&numbered(9), 18, 1, sampling).expect("twice nine"), 1);
        epoch.sort_unstable_by_key(|fetch| (fetch.index, fetch.mirrored));
        let both = (0..9).flat_map(|index| [false, true].map(|mirrored| Fetch { index, mirrored }));
        assert!(epoch.into_iter().eq(both));
    }

    #[test]
    fn coins_do_not_depend_on_the_sampler() {
        let window = Sampling { sampler: Sampler::InfiniteWindow, ..Sampling::default() };
        let window = Loader::new(&numbered(8), 8, 2, window).expect("a batch within the set");
        let coins = |loader: &Loader| places(loader, 3).into_iter().map(|fetch| fetch.mirrored).collect::<Vec<_>>();
        assert_eq!(coins(&window), coins(&loader(8, 8, 2)));
    }

    #[test]
    fn a_batch_that_cannot_be_filled_is_an_error() {
        let new = |batch, seed, sampling| Loader::new(&numbered(3), batch, seed, sampling);
        assert!(matches!(new(0, 0, Sampling::default()), Err(Error::EmptyBatch)));
        let (too_large, doubled) = (new(4, 0, Sampling::default()), new(7, 0, ADA));
        assert!(matches!(too_large, Err(Error::BatchTooLarge { batch: 4, images: 3, .. })));
        assert!(matches!(doubled, Err(Error::BatchTooLarge { batch: 7, images: 6, .. })));
        assert!(matches!(new(3, 1 << 32, ADA), Err(Error::SamplerSeed { seed: 4_294_967_296 })));
    }
}
