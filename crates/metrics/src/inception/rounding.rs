//! Factors of the network's convolutions, rounded: by a GPU's types and libraries, and on the CPU bit by bit, where it gains
//! nothing but shows what it changes.

use candle_core::{DType, Device as Host, Tensor};
use frugan_autograd::{Device, Var};
use frugan_nn::Precision;
use rayon::prelude::*;

use crate::Result;

/// Bits of an F32's fraction that TF32 and BF16 lack.
const TF32_LACKS: u32 = 13;
const BF16_LACKS: u32 = 16;

/// `x` as a convolution takes it. What NVIDIA's libraries round to TF32 they are given whole.
pub(crate) fn factor(x: &Var, precision: Precision) -> Result<Var> {
    match (precision, x.device()) {
        (Precision::F32, _) => Ok(x.clone()),
        (Precision::Tf32, Device::Cpu) => rounded(x, TF32_LACKS),
        (Precision::Bf16, Device::Cpu) => rounded(x, BF16_LACKS),
        (Precision::Tf32, _) => Ok(x.clone()),
        (Precision::Bf16, _) => Ok(x.to_dtype(DType::BF16)?),
    }
}

/// `x` as it lies between layers: in BF16 where factors are.
pub(crate) fn stored(x: &Var, precision: Precision) -> Result<Var> {
    if precision == Precision::Bf16 { factor(x, precision) } else { Ok(x.clone()) }
}

fn rounded(x: &Var, lacks: u32) -> Result<Var> {
    let mut values = x.to_vec::<f32>()?;
    values.par_iter_mut().for_each(|value| *value = to_nearest(*value, lacks));
    Ok(Var::constant(Tensor::from_vec(values, x.dims(), &Host::Cpu)?))
}

/// The nearest number with `lacks` fewer bits of fraction, of two the even one. Past the largest it is infinite.
fn to_nearest(value: f32, lacks: u32) -> f32 {
    if value.is_nan() {
        return value;
    }
    let bits = value.to_bits();
    let half_less_one = (1 << (lacks - 1)) - 1;
    let odd = (bits >> lacks) & 1;
    f32::from_bits((bits + half_less_one + odd) & (u32::MAX << lacks))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn numbers_go_to_the_nearest_with_fewer_bits() {
        for (value, bf16) in [(1.0, 1.0), (-1.003, -1.0), (1.006, 1.007_812_5), (0.0, 0.0), (f32::MAX, f32::INFINITY)] {
            assert_eq!(to_nearest(value, BF16_LACKS), bf16, "{value}");
        }
        // Halfway between 1 and 1 + 2^-7, and between that and 1 + 2^-6: to the even one.
        assert_eq!(to_nearest(1.0 + 1.0 / 256.0, BF16_LACKS), 1.0);
        assert_eq!(to_nearest(1.0 + 3.0 / 256.0, BF16_LACKS), 1.0 + 1.0 / 64.0);
        assert_eq!(to_nearest(1.0 + 1.0 / 1024.0, TF32_LACKS), 1.0 + 1.0 / 1024.0);
        assert_eq!(to_nearest(-1.0 - 0.75 / 1024.0, TF32_LACKS), -1.0 - 1.0 / 1024.0);
        assert!(to_nearest(f32::NAN, BF16_LACKS).is_nan() && to_nearest(f32::INFINITY, TF32_LACKS) == f32::INFINITY);
    }

    /// candle's own rounding to BF16 is the same.
    #[test]
    fn bf16_is_that_of_tensors() {
        let values: Vec<f32> = (0..4096_u32).map(|i| f32::from_bits(0x3f00_0000 + i * 7919)).collect();
        let tensor = Tensor::from_slice(&values, values.len(), &Host::Cpu).unwrap();
        let want = tensor.to_dtype(DType::BF16).unwrap().to_dtype(DType::F32).unwrap().to_vec1::<f32>().unwrap();
        assert_eq!(factor(&Var::constant(tensor), Precision::Bf16).unwrap().to_vec::<f32>().unwrap(), want);
    }
}
