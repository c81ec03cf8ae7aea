//! numpy's legacy generator, which drew the published subsets.

/// MT19937 (Matsumoto and Nishimura 1998) with the draws of numpy's `RandomState`.
///
/// It draws nothing but subsets and orders that must equal published ones; all else comes from `frugan_nn::Stream`.
///
/// ```
/// use frugan_data::Mt19937;
/// assert_eq!(Mt19937::new(0).permutation(100)[..6], [26, 86, 2, 55, 75, 93]);
/// ```
#[derive(Clone, Debug)]
pub struct Mt19937 {
    state: [u32; N],
    next: usize,
}

const N: usize = 624;
const M: usize = 397;

impl Mt19937 {
    /// `numpy.random.RandomState(seed)`.
    ///
    /// ```
    /// assert_eq!(frugan_data::Mt19937::new(5489).next_u32(), 3_499_211_612);
    /// ```
    pub fn new(seed: u32) -> Self {
        let mut state = [seed; N];
        for i in 1..N {
            let previous = state[i - 1];
            state[i] = 1_812_433_253_u32.wrapping_mul(previous ^ (previous >> 30)).wrapping_add(i as u32);
        }
        Self { state, next: N }
    }

    /// The next word of 32 bits.
    ///
    /// ```
    /// let (mut a, mut b) = (frugan_data::Mt19937::new(1), frugan_data::Mt19937::new(1));
    /// assert_eq!(a.next_u32(), b.next_u32());
    /// ```
    pub fn next_u32(&mut self) -> u32 {
        if self.next == N {
            self.twist();
        }
        let mut word = self.state[self.next];
        self.next += 1;
        word ^= word >> 11;
        word ^= (word << 7) & 0x9d2c_5680;
        word ^= (word << 15) & 0xefc6_0000;
        word ^ (word >> 18)
    }

    fn twist(&mut self) {
        for i in 0..N {
            let word = (self.state[i] & 0x8000_0000) | (self.state[(i + 1) % N] & 0x7fff_ffff);
            let odd = if word & 1 == 1 { 0x9908_b0df } else { 0 };
            self.state[i] = self.state[(i + M) % N] ^ (word >> 1) ^ odd;
        }
        self.next = 0;
    }

    /// `random_sample()`: a double in [0, 1) with 53 random bits.
    ///
    /// ```
    /// assert_eq!(frugan_data::Mt19937::new(0).random_sample(), 0.548_813_503_927_324_8);
    /// ```
    pub fn random_sample(&mut self) -> f64 {
        let (high, low) = (self.next_u32() >> 5, self.next_u32() >> 6);
        (f64::from(high) * 67_108_864.0 + f64::from(low)) / 9_007_199_254_740_992.0
    }

    /// Uniform on {0, .., max}, by masking and rejection; `max = 0` draws no word.
    /// `randint(n)` is `interval(n - 1)`.
    ///
    /// ```
    /// let mut draws = frugan_data::Mt19937::new(3);
    /// assert!((0..100).all(|_| draws.interval(6) <= 6));
    /// ```
    pub fn interval(&mut self, max: u32) -> u32 {
        let Some(mask) = u32::MAX.checked_shr(max.leading_zeros()) else { return 0 };
        loop {
            let draw = self.next_u32() & mask;
            if draw <= max {
                return draw;
            }
        }
    }

    /// `shuffle(items)`: Fisher and Yates from the last place down.
    ///
    /// ```
    /// let mut items = ["a", "b", "c"];
    /// frugan_data::Mt19937::new(0).shuffle(&mut items);
    /// assert_eq!(items, ["c", "b", "a"]);
    /// ```
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.interval(i as u32) as usize);
        }
    }

    /// `permutation(n)`: the shuffled 0..n. `choice(n, k, replace=False)` is its first k entries.
    ///
    /// ```
    /// assert_eq!(frugan_data::Mt19937::new(0).permutation(50_000)[..3], [11_841, 19_602, 45_519]);
    /// ```
    pub fn permutation(&mut self, n: u32) -> Vec<u32> {
        let mut order: Vec<u32> = (0..n).collect();
        self.shuffle(&mut order);
        order
    }
}
