//! Convolutions in f32 and f64 against their definition, for every kernel that this machine can run.
#![allow(clippy::unwrap_used)]

mod reference;

use frugan_autograd::check::spread;
use frugan_autograd::{Conv2dConfig, DType, Device, GraphMode, Result, Tensor, Var, grad};
use proptest::prelude::*;
use reference::Sizes;

struct Case {
    sizes: Sizes,
    x: Tensor,
    w: Tensor,
    cotangent: Tensor,
}

impl Case {
    fn new(sizes: Sizes) -> Self {
        let normalish = |shape: &[usize], salt| {
            // The sum of two uniform numbers: bounded, peaked at zero.
            (spread(shape, -1.2, 1.2, salt).unwrap() + spread(shape, -1.2, 1.2, salt + 100).unwrap()).unwrap()
        };
        let (x, w) = (normalish(&sizes.input_shape(), 1), normalish(&sizes.filter_shape(), 2));
        Self { sizes, x, w, cotangent: normalish(&sizes.output_shape(), 3) }
    }

    fn config(&self) -> Conv2dConfig {
        Conv2dConfig { stride: self.sizes.stride, padding: self.sizes.padding }
    }

    /// Output and gradients by the tape.
    fn tape(&self, dtype: DType) -> Result<[Vec<f64>; 3]> {
        let leaf = |t: &Tensor| t.to_dtype(dtype).map(Var::leaf);
        let (x, w, cotangent) = (leaf(&self.x)?, leaf(&self.w)?, leaf(&self.cotangent)?);
        let y = x.conv2d(&w, None, self.config())?;
        assert_eq!(y.dims(), self.sizes.output_shape());
        let gradients = grad(&[&y], &[&cotangent], &[&x, &w], GraphMode::Free)?;
        let wide = |v: &Var| v.to_dtype(DType::F64)?.to_vec::<f64>();
        Ok([wide(&y)?, wide(&gradients[0])?, wide(&gradients[1])?])
    }

    /// Checks output and gradients in both dtypes.
    fn check(&self) {
        let values = |t: &Tensor| t.flatten_all().unwrap().to_vec1::<f64>().unwrap();
        let want = self.sizes.reference(&values(&self.x), &values(&self.w), &values(&self.cotangent));
        for (dtype, rms_bound, max_bound) in [(DType::F64, 1e-14, 1e-12), (DType::F32, 3e-6, 4e-5)] {
            for (what, (got, want)) in ["y", "gx", "gw"].iter().zip(self.tape(dtype).unwrap().iter().zip(&want)) {
                let (rms, max) = errors(got, want);
                assert!(
                    rms < rms_bound && max < max_bound,
                    "{:?} {dtype:?} {what}: rms {rms:.2e} max {max:.2e}",
                    self.sizes
                );
            }
        }
    }
}

/// Root mean square and largest error, both over the root mean square of the result.
fn errors(got: &[f64], want: &[f64]) -> (f64, f64) {
    assert_eq!(got.len(), want.len());
    let rms = |values: &mut dyn Iterator<Item = f64>| (values.sum::<f64>() / want.len() as f64).sqrt();
    let scale = rms(&mut want.iter().map(|v| v * v)).max(f64::MIN_POSITIVE);
    let error = || got.iter().zip(want).map(|(a, b)| a - b);
    (rms(&mut error().map(|e| e * e)) / scale, error().map(f64::abs).fold(0.0, f64::max) / scale)
}

fn sizes(channels: (usize, usize, usize), image: [usize; 2], kernel: [usize; 2], padding: [usize; 2]) -> Sizes {
    let (batch, in_channels, out_channels) = channels;
    Sizes { batch, in_channels, out_channels, image, kernel, stride: 1, padding }
}

#[test]
fn the_3x3_of_training_are_right() {
    for (channels, image, padding) in [
        ((2, 16, 16), [8, 8], 1),
        ((1, 17, 33), [32, 32], 1),
        ((1, 1, 1), [3, 3], 1),
        ((2, 3, 4), [4, 4], 1),
        ((3, 4, 9), [5, 13], 1),
        ((2, 6, 3), [7, 6], 0),
        ((2, 6, 3), [9, 17], 2),
        ((17, 2, 2), [1, 1], 1),
        ((2, 130, 40), [16, 16], 1),
    ] {
        Case::new(sizes(channels, image, [3, 3], [padding; 2])).check();
    }
}

#[test]
fn the_filters_of_inception_are_right() {
    for (channels, image, kernel, padding, stride) in [
        ((2, 3, 8), [17, 17], [3, 3], [0, 0], 2),
        ((2, 20, 12), [9, 9], [1, 1], [0, 0], 1),
        ((2, 6, 9), [9, 9], [5, 5], [2, 2], 1),
        ((2, 6, 9), [9, 11], [1, 7], [0, 3], 1),
        ((2, 6, 9), [9, 11], [7, 1], [3, 0], 1),
        ((2, 6, 9), [8, 8], [1, 3], [0, 1], 1),
        ((1, 70, 3), [65, 65], [3, 3], [1, 0], 1),
        ((3, 3, 4), [8, 8], [4, 4], [1, 1], 2),
        // Depths of several slices, images smaller than a vector, more than one block of filters.
        ((5, 401, 23), [3, 2], [1, 1], [0, 0], 1),
        ((3, 50, 35), [7, 5], [5, 5], [2, 2], 1),
        ((17, 3, 2), [1, 1], [3, 1], [1, 0], 1),
        ((3, 130, 17), [17, 17], [1, 7], [0, 3], 1),
        ((3, 30, 17), [17, 17], [7, 1], [3, 0], 1),
        ((2, 70, 50), [19, 18], [3, 3], [0, 1], 2),
        ((2, 4, 5), [6, 7], [2, 3], [3, 4], 1),
        // Winograd along columns and rows.
        ((3, 17, 16), [17, 17], [7, 1], [3, 0], 1),
        ((2, 40, 33), [8, 8], [3, 1], [1, 0], 1),
        ((2, 33, 40), [8, 8], [1, 3], [0, 1], 1),
        ((2, 48, 64), [35, 35], [5, 5], [2, 2], 1),
        ((2, 18, 20), [9, 37], [5, 2], [0, 1], 1),
        ((1, 16, 16), [13, 9], [7, 7], [6, 5], 1),
        ((2, 16, 18), [6, 20], [1, 5], [0, 0], 1),
        ((2, 16, 18), [11, 5], [3, 3], [2, 0], 1),
    ] {
        Case::new(Sizes { stride, ..sizes(channels, image, kernel, padding) }).check();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_convolution_is_right(
        (batch, in_channels, out_channels) in (1usize..4, 1usize..6, 1usize..20),
        image in [1usize..14, 1usize..14],
        kernel in [1usize..6, 1usize..6],
        stride in 1usize..4,
        padding in [0usize..4, 0usize..4],
    ) {
        let sizes = Sizes { batch, in_channels, out_channels, image, kernel, stride, padding };
        prop_assume!((0..2).all(|i| image[i] + 2 * padding[i] >= kernel[i]));
        Case::new(sizes).check();
    }
}

/// A transposed convolution is the gradient of a convolution by its input.
#[test]
fn transposed_convolution_is_the_adjoint() -> Result<()> {
    let config = Conv2dConfig { stride: 2, padding: [1, 1] };
    let (x, w) = (Var::leaf(spread(&[2, 3, 8, 10], -1.0, 1.0, 1)?), Var::leaf(spread(&[5, 3, 4, 4], -1.0, 1.0, 2)?));
    let cotangent = Var::constant(spread(&[2, 5, 4, 5], -1.0, 1.0, 3)?);
    let gx = &grad(&[&x.conv2d(&w, None, config)?], &[&cotangent], &[&x], GraphMode::Free)?[0];
    let y = cotangent.conv_transpose2d(&w, None, config)?;
    assert_eq!(y.dims(), x.dims());
    assert_eq!(y.to_vec::<f64>()?, gx.to_vec::<f64>()?);
    Ok(())
}

/// Values and gradients of the fused forms are those of the separate steps.
#[test]
fn bias_and_relus_are_the_separate_steps() -> Result<()> {
    type Convolution = fn(&Var, &Var, Option<&Var>, Conv2dConfig) -> Result<Var>;
    let forms: [(Convolution, bool, bool); 4] = [
        (Var::conv2d, false, false),
        (Var::conv2d_relu, false, true),
        (Var::relu_conv2d, true, false),
        (Var::relu_conv2d_relu, true, true),
    ];
    for (kernel, dtype) in [(3, DType::F32), (1, DType::F32), (3, DType::F64)] {
        let leaf = |shape: &[usize], salt| spread(shape, -1.0, 1.0, salt)?.to_dtype(dtype).map(Var::leaf);
        let leaves = [leaf(&[2, 5, 9, 8], 1)?, leaf(&[7, 5, kernel, kernel], 2)?, leaf(&[7], 3)?];
        let [x, w, b] = &leaves;
        let (config, cotangent) = (Conv2dConfig::same(kernel), leaf(&[2, 7, 9, 8], 4)?);
        for (fused, before, after) in forms {
            let got = fused(x, w, Some(b), config)?;
            let x = if before { x.relu()? } else { x.clone() };
            let want = x.conv2d(w, None, config)?.add(&b.reshape(&[1, 7, 1, 1])?)?;
            let want = if after { want.relu()? } else { want };
            let inputs: Vec<&Var> = leaves.iter().collect();
            let mut pairs = vec![(got.clone(), want.clone())];
            for mode in [GraphMode::Keep, GraphMode::Create] {
                let got = grad(&[&got], &[&cotangent], &inputs, mode)?;
                pairs.extend(got.into_iter().zip(grad(&[&want], &[&cotangent], &inputs, mode)?));
            }
            for (i, (got, want)) in pairs.iter().enumerate() {
                let error = got.sub(want)?.abs()?.to_dtype(DType::F64)?.to_vec::<f64>()?;
                assert!(error.iter().all(|e| *e < 3e-5), "{kernel} {dtype:?} {before} {after} array {i}");
            }
        }
    }
    Ok(())
}

/// Values and gradients of the fused changes of resolution are those of the separate steps.
#[test]
fn resampling_is_the_separate_steps() -> Result<()> {
    for (dtype, channels, image) in [
        (DType::F64, (2, 3, 2), [4, 6]),
        (DType::F32, (2, 3, 2), [4, 6]),
        (DType::F32, (3, 18, 35), [8, 8]),
        (DType::F32, (1, 5, 7), [14, 22]),
        (DType::F32, (5, 2, 3), [2, 2]),
    ] {
        let (batch, from, to) = channels;
        let leaf = |shape: &[usize], salt| spread(shape, -1.0, 1.0, salt)?.to_dtype(dtype).map(Var::leaf);
        let leaves = [leaf(&[batch, from, image[0], image[1]], 1)?, leaf(&[to, from, 3, 3], 2)?, leaf(&[to], 3)?];
        let ([x, w, b], config) = (&leaves, Conv2dConfig::same(3));
        for (got, want) in [
            (x.upsample2_conv2d(w, Some(b), config)?, x.upsample2()?.conv2d(w, Some(b), config)?),
            (x.conv2d_avg_pool2(w, Some(b), config)?, x.conv2d(w, Some(b), config)?.avg_pool2()?),
        ] {
            let cotangent = leaf(want.dims(), 4)?;
            let inputs: Vec<&Var> = leaves.iter().collect();
            let mut pairs = vec![(got.clone(), want.clone())];
            let gradients = grad(&[&got], &[&cotangent], &inputs, GraphMode::Free)?;
            pairs.extend(gradients.into_iter().zip(grad(&[&want], &[&cotangent], &inputs, GraphMode::Free)?));
            for (i, (got, want)) in pairs.iter().enumerate() {
                assert_eq!(got.dims(), want.dims());
                let wide = |v: &Var| v.to_dtype(DType::F64)?.to_vec::<f64>();
                let (rms, max) = errors(&wide(got)?, &wide(want)?);
                assert!(
                    rms < 3e-6 && max < 2e-5,
                    "{channels:?} {image:?} {dtype:?} array {i}: rms {rms:.2e} max {max:.2e}"
                );
            }
        }
    }
    Ok(())
}

/// A NaN must show, whatever ReLUs are fused.
#[test]
fn a_nan_comes_through() -> Result<()> {
    let mut values = vec![1.0f32; 5 * 64];
    values[70] = f32::NAN;
    let x = Var::from(Tensor::from_vec(values, (1, 5, 8, 8), &candle_core::Device::Cpu)?);
    for kernel in [1, 3] {
        let w = Var::full(-0.1, &[3, 5, kernel, kernel], DType::F32, &Device::Cpu)?;
        let config = Conv2dConfig::same(kernel);
        for y in
            [x.conv2d_relu(&w, None, config)?, x.relu_conv2d(&w, None, config)?, x.relu_conv2d_relu(&w, None, config)?]
        {
            assert!(y.to_vec::<f32>()?.iter().any(|v| v.is_nan()));
        }
    }
    let affine = Var::full(1.0, &[1, 5], DType::F32, &Device::Cpu)?;
    assert!(x.batch_norm(&affine, &affine, 1e-5, true)?.to_vec::<f32>()?[64..128].iter().all(|v| v.is_nan()));
    assert!(x.relu()?.to_vec::<f32>()?[70].is_nan());
    Ok(())
}

/// Runs the other tests of this file on the kernels of lesser machines.
#[test]
fn lesser_machines_get_it_right_too() {
    if std::env::var_os("FRUGAN_KERNELS").is_some() {
        return;
    }
    for kernels in ["portable", "avx2"] {
        let this = std::env::current_exe().unwrap();
        let run = std::process::Command::new(this).env("FRUGAN_KERNELS", kernels).output().unwrap();
        assert!(run.status.success(), "{kernels}: {}", String::from_utf8_lossy(&run.stdout));
    }
}
