//! Random numbers made where they are used: Philox4x32-10, whose draws are a function of their place in a stream.
//!
//! `frugan_nn::Stream` is the only one that asks: it draws the same numbers on the host.

use candle_core::Result;

use super::launch::philox;
use crate::device::Device;
use crate::ints::Ints;
use crate::value::Value;
use crate::var::Var;

/// Where in which stream a draw starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The key.
    pub seed: u64,
    /// What the stream is for; a word of the counter.
    pub purpose: u32,
    /// The training step; two words of the counter.
    pub step: u64,
    /// The first word.
    pub index: u64,
}

impl Place {
    /// The words of the stream, as bits.
    ///
    /// # Errors
    /// If the device fails.
    pub fn words(&self, n: usize, device: Device) -> Result<Ints> {
        philox::integers(&super::open(device)?, "philox_words", self, n, 0)
    }

    /// Uniform on `0 .. bound`, a word each: the bits of the host's.
    ///
    /// # Errors
    /// If the device fails.
    pub fn integers(&self, n: usize, bound: u32, device: Device) -> Result<Ints> {
        philox::integers(&super::open(device)?, "philox_integers", self, n, bound)
    }

    /// F32, uniform on [0, 1), a word each: the bits of the host's.
    ///
    /// # Errors
    /// If the device fails.
    pub fn uniforms(&self, dims: &[usize], device: Device) -> Result<Var> {
        let y = philox::floats(&super::open(device)?, "philox_uniforms", self, dims)?;
        Ok(Var::with_node(Value::Cuda(y), None))
    }

    /// F32 standard normals, two words a pair: the host's but for the rounding of logarithm, sine and cosine.
    ///
    /// # Errors
    /// If the device fails.
    pub fn normals(&self, dims: &[usize], device: Device) -> Result<Var> {
        let y = philox::floats(&super::open(device)?, "philox_normals", self, dims)?;
        Ok(Var::with_node(Value::Cuda(y), None))
    }
}
