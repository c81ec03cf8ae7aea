//! The same bytes for any number of threads.
#![allow(clippy::unwrap_used)]

use frugan_autograd::check::spread;
use frugan_autograd::update::{AdamStep, adam, lerp};
use frugan_autograd::{
    Activation, BiasAct, Conv2dConfig, DType, Fir, GraphMode, Ints, ModulatedConv2d, Resample, Result, Upfirdn2d, Var,
    Warp, grad,
};

fn leaf(shape: &[usize], salt: u64) -> Result<Var> {
    spread(shape, -1.0, 1.0, salt)?.to_dtype(DType::F32).map(Var::leaf)
}

/// Output and gradients of a function of a few arrays.
fn through(arrays: &[&[usize]], f: impl Fn(&[Var]) -> Result<Var>) -> Result<Vec<Var>> {
    let leaves = arrays.iter().zip(1..).map(|(shape, salt)| leaf(shape, salt)).collect::<Result<Vec<_>>>()?;
    let y = f(&leaves)?;
    let cotangent = leaf(y.dims(), 99)?;
    let mut all = grad(&[&y], &[&cotangent], &leaves.iter().collect::<Vec<_>>(), GraphMode::Keep)?;
    // The composed backward passes too.
    all.extend(grad(&[&y], &[&cotangent], &leaves.iter().collect::<Vec<_>>(), GraphMode::Create)?);
    all.push(y);
    Ok(all)
}

/// The ops of StyleGAN2 and of ADA.
fn resampled_and_modulated() -> Result<Vec<Vec<Var>>> {
    let images: &[usize] = &[9, 20, 17, 16];
    let fir = Fir::outer(&[1.0, 3.0, 3.0, 1.0]).normalised();
    let full = Fir::full(&[&[1.0, 2.0, -1.0], &[0.0, 3.0, 1.0]]);
    let mix = Upfirdn2d { up: [2, 3], down: [3, 2], padding: [2, -1, 0, 3], flip: true, gain: 1.7 };
    let halving = Resample { up: 1, down: 2, padding: 1, flip_weight: true };
    let modulated = ModulatedConv2d { up: 2, padding: 1, demodulate: true, flip_weight: false };
    let theta: Var = spread(&[9, 2, 3], -1.2, 1.2, 7)?.into();
    let taps: Var = spread(&[9, 11], -1.0, 1.0, 8)?.to_dtype(DType::F32)?.into();
    let act = |activation| {
        through(&[images, &[20]], move |v| {
            v[0].bias_act(Some(&v[1]), &BiasAct { clamp: Some(0.8), ..BiasAct::new(activation) })
        })
    };
    Ok(vec![
        through(&[images], |v| v[0].upsample2d(&fir, 2, false, 1.0)?.downsample2d(&fir, 2, true, 1.0))?,
        through(&[&[2, 3, 90, 150]], |v| v[0].upfirdn2d(&full, &mix))?,
        through(&[images, &[20, 20, 3, 3]], |v| v[0].conv2d_resample(&v[1], Some(&fir), &halving))?,
        through(&[images, &[12, 20, 3, 3], &[9, 20], &[9, 1, 34, 32]], |v| {
            v[0].modulated_conv2d(&v[1], &v[2], &modulated, Some(&fir), Some(&v[3]))
        })?,
        act(Activation::Lrelu)?,
        act(Activation::Swish)?,
        through(&[&[300, 70], &[70]], |v| v[0].bias_act(Some(&v[1]), &BiasAct::new(Activation::Lrelu)))?,
        through(&[images], |v| v[0].minibatch_stddev(Some(3), 2))?,
        through(&[&[40, 700]], |v| v[0].normalize_second_moment(1e-8))?,
        through(&[images], |v| v[0].affine_sample(&theta, [30, 31]))?,
        through(&[images], |v| v[0].reflect_pad2d([5, 3, 2, 9])?.filter_per_sample(&taps))?,
    ])
}

fn everything() -> Result<Vec<Var>> {
    let conv = |image: [usize; 4], filter: [usize; 4], stride, padding| {
        through(&[&image, &filter, &[filter[0]]], move |v| {
            v[0].relu_conv2d_relu(&v[1], Some(&v[2]), Conv2dConfig { stride, padding })
        })
    };
    let images: &[usize] = &[9, 20, 16, 16];
    let offsets = Ints::from_iter((0..9).map(|i| i - 4));
    let turned = |i| [[0.8, 0.1 * f64::from(i), 0.5], [-0.2 * f64::from(i), 1.1, f64::from(i)]];
    let warp = Warp::new((0..9).map(turned).collect(), [9, 8, 7, 6], [1.0 / 12.0; 12]);
    let colors = spread(&[9, 20, 21], -1.0, 1.0, 8)?.to_dtype(DType::F32)?.into();
    let mut all = vec![
        conv([9, 20, 16, 16], [37, 20, 3, 3], 1, [1, 1])?,
        conv([9, 20, 16, 16], [37, 20, 1, 1], 1, [0, 0])?,
        conv([9, 20, 16, 16], [37, 20, 1, 7], 1, [0, 3])?,
        conv([9, 20, 17, 15], [7, 20, 5, 5], 2, [2, 2])?,
        through(&[images, &[20, 20, 3, 3]], |v| v[0].upsample2_conv2d(&v[1], None, Conv2dConfig::same(3)))?,
        through(&[images, &[20, 20, 3, 3]], |v| v[0].conv2d_avg_pool2(&v[1], None, Conv2dConfig::same(3)))?,
        through(&[&[9, 8, 8, 8], &[8, 6, 4, 4]], |v| {
            v[0].conv_transpose2d(&v[1], None, Conv2dConfig { stride: 2, padding: [1, 1] })
        })?,
        through(&[&[300, 70], &[70, 260]], |v| v[0].matmul(&v[1]))?,
        through(&[&[5, 150, 20], &[5, 20, 170]], |v| v[0].batch_matmul(&v[1])?.softmax(2))?,
        through(&[images, &[1, 20], &[1, 20]], |v| v[0].batch_norm(&v[1], &v[2], 1e-5, true))?,
        through(&[images, &[9, 20], &[9, 20]], |v| v[0].batch_norm(&v[1], &v[2], 1e-5, false))?,
        through(&[images, &[1, 20, 1, 1]], |v| v[0].mul(&v[1])?.tanh()?.sum())?,
        through(&[images], |v| v[0].avg_pool2()?.upsample2()?.softplus()?.sum_to(&[20, 1, 16]))?,
        through(&[images], |v| v[0].max_pool2d(3, 2, 1)?.exp()?.mean_keep(&[0, 2, 3]))?,
        through(&[images], |v| v[0].avg_pool2d(3, 1, 1)?.flip(3)?.sigmoid())?,
        through(&[images], |v| v[0].shift(&offsets, &offsets)?.erase(&offsets, &offsets, 5, 6)?.square())?,
        through(&[images], |v| v[0].warp2d(&warp)?.color_matrix(&colors))?,
        through(&[&[11, 700]], |v| v[0].gather(&vec![3, 3, 10, 0].into())?.abs())?,
    ];
    all.extend(resampled_and_modulated()?);
    let [p, m, v, g, average] = [1, 2, 3, 4, 5].map(|salt| leaf(&[50_000], salt).unwrap());
    let v = v.square()?.copy()?;
    adam(&AdamStep { lr: 1e-3, beta1: 0.5, beta2: 0.99, epsilon: 1e-8, step: 3 }, &p, &m, &v, &g)?;
    lerp(&average, &p, 1e-3)?;
    all.push(vec![p, m, v, average]);
    Ok(all.into_iter().flatten().collect())
}

#[test]
fn threads_do_not_change_a_bit() {
    let run = |threads| -> Vec<Vec<u32>> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let bits = |v: &Var| v.to_vec::<f32>().unwrap().into_iter().map(f32::to_bits).collect();
        pool.install(|| everything().unwrap().iter().map(bits).collect())
    };
    let one = run(1);
    for threads in [2, 3] {
        for (i, (a, b)) in one.iter().zip(run(threads)).enumerate() {
            assert!(*a == b, "array {i} differs with {threads} threads");
        }
    }
}
