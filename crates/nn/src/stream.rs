//! Counter-based random streams: Philox4x32-10 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3").
//!
//! A draw is a pure function of (seed, purpose, step, index). There is no state to save: a resumed run asks for the
//! same step and gets the same numbers, whatever ran before and on however many threads.

use std::f32::consts::TAU;

use frugan_autograd::cuda::Place;
use frugan_autograd::{Device, Result, Tensor, Var};

const MULTIPLIER: [u32; 2] = [0xD251_1F53, 0xCD9E_8D57];
const WEYL: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];
const ROUNDS: usize = 10;

/// What a stream is drawn for. Two purposes never share numbers.
///
/// ```
/// use frugan_nn::Purpose;
/// const LATENT: Purpose = Purpose::new("d.latent");
/// assert_ne!(LATENT, Purpose::new("g.latent"));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Purpose(u32);

impl Purpose {
    /// A purpose by its name (FNV-1a, 32 bits).
    pub const fn new(name: &str) -> Self {
        let bytes = name.as_bytes();
        let (mut hash, mut i) = (0x811C_9DC5_u32, 0);
        while i < bytes.len() {
            hash = (hash ^ bytes[i] as u32).wrapping_mul(0x0100_0193);
            i += 1;
        }
        Self(hash)
    }
}

/// The numbers of one (seed, purpose, step), taken in order from index 0.
///
/// ```
/// use frugan_nn::{Purpose, Stream};
/// let draw = || Stream::new(7, Purpose::new("d.latent"), 3).normals(5);
/// assert_eq!(draw(), draw());
/// ```
#[derive(Clone, Debug)]
pub struct Stream {
    key: [u32; 2],
    purpose: u32,
    step: u64,
    index: u64,
}

impl Stream {
    /// `seed` is the run's, `step` the training step (or a sample's number in an evaluation).
    pub fn new(seed: u64, purpose: Purpose, step: u64) -> Self {
        Self { key: [seed as u32, (seed >> 32) as u32], purpose: purpose.0, step, index: 0 }
    }

    /// The next `n` words of 32 bits.
    ///
    /// The counter is [block, purpose, step low, step high]; word i is lane i mod 4 of block i / 4.
    ///
    /// # Panics
    /// After 2^34 words: no draw of a training step comes near.
    pub fn words(&mut self, n: usize) -> Vec<u32> {
        let mut words = Vec::with_capacity(n + 3);
        let start = self.index;
        let end = start + n as u64;
        assert!(end <= 1 << 34, "a stream holds 2^34 words");
        for block in start / 4..end.div_ceil(4) {
            words.extend(philox([block as u32, self.purpose, self.step as u32, (self.step >> 32) as u32], self.key));
        }
        self.index = end;
        words.drain(..(start % 4) as usize);
        words.truncate(n);
        words
    }

    /// Uniform on [0, 1), multiples of 2^-24.
    pub fn uniforms(&mut self, n: usize) -> Vec<f32> {
        self.words(n).into_iter().map(uniform).collect()
    }

    /// Standard normals by Box and Muller, two words each pair; an odd `n` discards the last partner.
    pub fn normals(&mut self, n: usize) -> Vec<f32> {
        let words = self.words(n.div_ceil(2) * 2);
        let mut normals: Vec<f32> = words.chunks_exact(2).flat_map(|pair| box_muller(pair[0], pair[1])).collect();
        normals.truncate(n);
        normals
    }

    /// [`Stream::normals`] as an array on `device`: made there if it is a GPU, where they differ from the host's by the
    /// rounding of logarithm, sine and cosine.
    ///
    /// # Errors
    /// If the device fails.
    pub fn normals_on(&mut self, dims: &[usize], device: &Device) -> Result<Var> {
        let n: usize = dims.iter().product();
        if *device == Device::Cpu {
            let normals = Tensor::from_vec(self.normals(n), dims, &candle_core::Device::Cpu)?;
            return Ok(Var::constant(normals));
        }
        let normals = self.place().normals(dims, *device)?;
        self.index += n.div_ceil(2) as u64 * 2;
        Ok(normals)
    }

    /// Where the next draw starts.
    pub fn place(&self) -> Place {
        let [low, high] = self.key.map(u64::from);
        Place { seed: low | high << 32, purpose: self.purpose, step: self.step, index: self.index }
    }

    /// Uniform on {0, .., bound - 1}: the high word of `word * bound`, biased by less than `bound / 2^32`.
    pub fn integers(&mut self, n: usize, bound: u32) -> Vec<u32> {
        self.words(n).into_iter().map(|word| ((u64::from(word) * u64::from(bound)) >> 32) as u32).collect()
    }

    /// A permutation of 0..n (Fisher and Yates, from the last place down).
    pub fn permutation(&mut self, n: u32) -> Vec<u32> {
        let words = self.words(n as usize);
        let mut order: Vec<u32> = (0..n).collect();
        for i in (1..n as usize).rev() {
            let j = ((u64::from(words[i]) * (i as u64 + 1)) >> 32) as usize;
            order.swap(i, j);
        }
        order
    }
}

fn uniform(word: u32) -> f32 {
    (word >> 8) as f32 * (1.0 / (1 << 24) as f32)
}

fn box_muller(a: u32, b: u32) -> [f32; 2] {
    // 1 - u lies in (0, 1], where the logarithm is finite.
    let radius = (-2.0 * (1.0 - uniform(a)).ln()).sqrt();
    let (sin, cos) = (TAU * uniform(b)).sin_cos();
    [radius * cos, radius * sin]
}

fn philox(mut counter: [u32; 4], mut key: [u32; 2]) -> [u32; 4] {
    for round in 0..ROUNDS {
        if round > 0 {
            key = [key[0].wrapping_add(WEYL[0]), key[1].wrapping_add(WEYL[1])];
        }
        let product =
            [u64::from(MULTIPLIER[0]) * u64::from(counter[0]), u64::from(MULTIPLIER[1]) * u64::from(counter[2])];
        counter = [
            (product[1] >> 32) as u32 ^ counter[1] ^ key[0],
            product[1] as u32,
            (product[0] >> 32) as u32 ^ counter[3] ^ key[1],
            product[0] as u32,
        ];
    }
    counter
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The known-answer vectors published with Random123.
    #[test]
    fn philox_gives_the_published_answers() {
        assert_eq!(philox([0; 4], [0; 2]), [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
        assert_eq!(philox([u32::MAX; 4], [u32::MAX; 2]), [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]);
        assert_eq!(
            philox([0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344], [0xa409_3822, 0x299f_31d0]),
            [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]
        );
    }

    #[test]
    fn words_do_not_depend_on_how_they_are_asked_for() {
        let mut pieces = Stream::new(1, Purpose::new("p"), 2);
        let parts: Vec<u32> = [1, 2, 5, 3].iter().flat_map(|n| pieces.words(*n)).collect();
        assert_eq!(parts, Stream::new(1, Purpose::new("p"), 2).words(11));
    }

    #[test]
    fn moments_of_normals_and_uniforms() {
        let n = 200_000;
        let normals = Stream::new(3, Purpose::new("n"), 0).normals(n);
        let mean = normals.iter().map(|v| f64::from(*v)).sum::<f64>() / n as f64;
        let variance = normals.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>() / n as f64;
        assert!(mean.abs() < 0.01 && (variance - 1.0).abs() < 0.02, "{mean} {variance}");
        let uniforms = Stream::new(3, Purpose::new("u"), 0).uniforms(n);
        assert!(uniforms.iter().all(|u| (0.0..1.0).contains(u)));
    }

    #[test]
    fn a_permutation_holds_every_index_once() {
        let mut order = Stream::new(5, Purpose::new("o"), 0).permutation(1000);
        assert_ne!(order[..5], [0, 1, 2, 3, 4]);
        order.sort_unstable();
        assert!(order.iter().enumerate().all(|(i, v)| i as u32 == *v));
    }

    #[test]
    fn integers_cover_their_range() {
        let draws = Stream::new(5, Purpose::new("i"), 9).integers(1000, 9);
        assert!((0..9).all(|v| draws.contains(&v)) && draws.iter().all(|v| *v < 9));
    }
}
