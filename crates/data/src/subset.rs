//! Which images a run with limited data sees.

use crate::config::SubsetOrder;
use crate::mt19937::Mt19937;

/// The papers' subset of `num_images` out of `total`: the first entries of numpy's `RandomState(seed).permutation(total)`,
/// without class balancing. `Drawn` is DiffAugment's list (BigGAN code), `Sorted` ADA's; both hold the same images.
///
/// A smaller subset of the same seed is a prefix of a larger one.
///
/// # Panics
/// When `num_images` exceeds `total`; [`crate::DataConfig::subset_size`] checks what a user asks for.
///
/// ```
/// use frugan_data::{SubsetOrder, subset_indices};
/// let tenth = subset_indices(50_000, 5_000, 0, SubsetOrder::Drawn);
/// assert_eq!(tenth[..4], [11841, 19602, 45519, 25747]);
/// ```
pub fn subset_indices(total: u32, num_images: usize, seed: u32, order: SubsetOrder) -> Vec<u32> {
    let mut indices = Mt19937::new(seed).permutation(total);
    assert!(num_images <= indices.len(), "a subset of {num_images} out of {total}");
    indices.truncate(num_images);
    if order == SubsetOrder::Sorted {
        indices.sort_unstable();
    }
    indices
}

/// ADA's endless order over a data set: one shuffled order is cycled, and each image just given is swapped with one
/// of the `window` places up to it, so the order drifts. `window` is half of the set.
///
/// It has a state (the order), so its place n is reached by taking n images. [`crate::Loader`] follows it with
/// [`crate::Sampler::InfiniteWindow`].
///
/// ```
/// use frugan_data::InfiniteSampler;
/// let first: Vec<u32> = InfiniteSampler::new(20, 0).take(4).collect();
/// assert_eq!(first, [18, 1, 19, 8]);
/// ```
#[derive(Clone, Debug)]
pub struct InfiniteSampler {
    order: Vec<u32>,
    draws: Mt19937,
    window: u32,
    given: usize,
}

impl InfiniteSampler {
    /// Over 0..`total`, with numpy's `RandomState(seed)`.
    ///
    /// ```
    /// use frugan_data::InfiniteSampler;
    /// let mut seen: Vec<u32> = InfiniteSampler::new(1, 0).take(3).collect();
    /// assert_eq!(seen, [0, 0, 0]);
    /// ```
    pub fn new(total: u32, seed: u32) -> Self {
        let mut draws = Mt19937::new(seed);
        let order = draws.permutation(total);
        // numpy's rint: half to even.
        let window = (f64::from(total) * 0.5).round_ties_even() as u32;
        Self { order, draws, window, given: 0 }
    }
}

impl Iterator for InfiniteSampler {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        let total = self.order.len();
        let place = self.given.checked_rem(total)?;
        let index = self.order[place];
        if self.window >= 2 {
            let back = self.draws.interval(self.window - 1) as usize;
            self.order.swap(place, (place + total - back) % total);
        }
        self.given += 1;
        Some(index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checksum::sha256;
    use proptest::prelude::*;

    fn hash(indices: &[u32]) -> String {
        sha256(&indices.iter().flat_map(|i| i.to_le_bytes()).collect::<Vec<u8>>())
    }

    /// SHA-256 over little-endian u32 of the lists that numpy draws.
    #[test]
    fn subsets_equal_numpys() {
        let table = [
            (0, 5000, SubsetOrder::Drawn, "17103ea3cc7109952e0cc65f82d929565b3d04d13969f9ed98d4c37908875a2f"),
            (0, 5000, SubsetOrder::Sorted, "b8e4582211ff450d73647c7720c3129cdd9a3c01b7397bfed7090b312a27325e"),
            (0, 10_000, SubsetOrder::Drawn, "309f934571e4bae172c8cad384486ad923525a61446732ebb64d2ff4b226a15d"),
            (0, 10_000, SubsetOrder::Sorted, "c76444325305a17680d2e7d6f28540a825d466f0ec3724c96c52648dd824c4ed"),
            (1, 5000, SubsetOrder::Drawn, "e48b242c5c971494deab721de758cd64ad6c95479663759e0a091fed8fcaee84"),
            (1, 5000, SubsetOrder::Sorted, "6513b8cd28e38fcfc1eb88c04b6bbe6aa4cf9c0c8e8027d33be554f4ccac4cb8"),
            (1, 10_000, SubsetOrder::Drawn, "f91f3a0fdf3af29256698a8ccb2187259978b29c305f140c5e12ffcc7e1c5fb8"),
            (1, 10_000, SubsetOrder::Sorted, "642424fb3ba488c6425cf21174cf912010d5e8d2672bbf992848b9ed65a6b8ed"),
            (0, 1000, SubsetOrder::Sorted, "f39ee721f8d7e7dd8b0a4e3df942632ecfeb8824b1c2e0fb696c5bda4a29c3c5"),
        ];
        for (seed, num_images, order, expected) in table {
            let indices = subset_indices(50_000, num_images, seed, order);
            assert_eq!(hash(&indices), expected, "seed {seed}, {num_images} images, {order:?}");
        }
    }

    #[test]
    fn an_empty_set_gives_nothing() {
        assert_eq!(InfiniteSampler::new(0, 0).next(), None);
    }

    proptest! {
        #[test]
        fn a_subset_holds_distinct_indices_and_is_a_prefix(total in 1_u32..400, share in 0.0..1.0_f64, seed: u32) {
            let num_images = (share * f64::from(total)) as usize;
            let drawn = subset_indices(total, num_images, seed, SubsetOrder::Drawn);
            let all = subset_indices(total, total as usize, seed, SubsetOrder::Drawn);
            prop_assert_eq!(&drawn[..], &all[..num_images]);
            let sorted = subset_indices(total, num_images, seed, SubsetOrder::Sorted);
            prop_assert!(sorted.windows(2).all(|pair| pair[0] < pair[1]));
            prop_assert!(drawn.iter().all(|i| *i < total && sorted.binary_search(i).is_ok()));
        }

        #[test]
        fn the_samplers_order_stays_a_permutation(total in 1_u32..60, seed: u32, taken in 0_usize..200) {
            let mut sampler = InfiniteSampler::new(total, seed);
            prop_assert!(sampler.by_ref().take(taken).all(|i| i < total));
            sampler.order.sort_unstable();
            prop_assert!(sampler.order.into_iter().eq(0..total));
        }
    }
}
