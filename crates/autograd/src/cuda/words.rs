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

/// The struct of these fields, in order.
macro_rules! words {
    ($($field:expr),+ $(,)?) => {{
        let mut words: Vec<u64> = Vec::new();
        $($crate::cuda::words::Word::push(&$field, &mut words);)+
        words
    }};
}

pub(crate) use words;
