//! Kernel arguments: every field of a kernel's struct is a word of 8 bytes.

use super::tensor::CudaTensor;

/// An address on the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Address(pub(crate) u64);

impl Address {
    pub(crate) const NULL: Self = Self(0);
}

pub(crate) trait Word {
    fn push(&self, words: &mut Vec<u64>);
}

macro_rules! word {
    ($($t:ty => |$v:ident| $word:expr),+ $(,)?) => {
        $(impl Word for $t {
            fn push(&self, words: &mut Vec<u64>) {
                let $v = *self;
                words.push($word);
            }
        })+
    };
}

word! {
    usize => |v| v as u64,
    u64 => |v| v,
    isize => |v| v as i64 as u64,
    bool => |v| u64::from(v),
    f64 => |v| v.to_bits(),
    Address => |v| v.0,
}

impl Word for &CudaTensor {
    fn push(&self, words: &mut Vec<u64>) {
        words.push(self.address().0);
    }
}

/// A null pointer if there is none.
impl Word for Option<&CudaTensor> {
    fn push(&self, words: &mut Vec<u64>) {
        words.push(self.map_or(0, |tensor| tensor.address().0));
    }
}

impl<W: Word> Word for [W] {
    fn push(&self, words: &mut Vec<u64>) {
        self.iter().for_each(|word| word.push(words));
    }
}

impl<W: Word, const N: usize> Word for [W; N] {
    fn push(&self, words: &mut Vec<u64>) {
        self.as_slice().push(words);
    }
}

/// A size that kernels divide by, with what makes that a product and a shift, as `prelude.cu` reads it: `n / size` is
/// `n * magic >> 32 >> shift` for `n` below 2^31.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Divisor(pub(crate) usize);

impl Word for Divisor {
    fn push(&self, words: &mut Vec<u64>) {
        let by = (self.0 as u64).clamp(1, (1 << 31) - 1);
        // The least shift with 2^shift >= by. `magic` is 2^(31 + shift) / by, rounded up: below 2^32, and its error times n below
        // a share of 1 / by.
        let shift = u64::from(by.next_power_of_two().trailing_zeros());
        let magic = (1u64 << (31 + shift)).div_ceil(by);
        words.extend([by | magic << 32, shift.saturating_sub(1)]);
    }
}

/// The struct of these fields, in order.
macro_rules! words {
    ($($field:expr),+ $(,)?) => {{
        let mut words: Vec<u64> = Vec::new();
        $($crate::cuda::words::Word::push(&$field, &mut words);)+
        words
    }};
}

pub(crate) use words;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What a kernel computes.
    fn quotient(n: u64, by: usize) -> u64 {
        let words = words![Divisor(by)];
        let (by, magic, shift) = (words[0] & 0xffff_ffff, words[0] >> 32, words[1] & 0xffff_ffff);
        if by == 1 { n } else { ((n * magic) >> 32) >> shift }
    }

    #[test]
    fn products_and_shifts_divide_at_the_ends() {
        const LAST: u64 = (1 << 31) - 1;
        for by in (1..2000).chain([4095, 4096, 4097, 65_537, (1 << 30) - 1, 1 << 30, LAST as usize - 1, LAST as usize])
        {
            let d = by as u64;
            let multiples = [1, 2, 3, LAST / d].map(|k| k * d).into_iter().flat_map(|m| [m - 1, m, m + 1]);
            for n in multiples.chain([0, 1, LAST - 1, LAST]).filter(|n| *n <= LAST) {
                assert_eq!(quotient(n, by), n / d, "{n} / {by}");
            }
        }
    }

    proptest! {
        #[test]
        fn products_and_shifts_divide(n in 0u64..1 << 31, by in 1usize..1 << 31) {
            prop_assert_eq!(quotient(n, by), n / by as u64);
        }
    }
}
