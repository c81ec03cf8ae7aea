//! The fast f32 convolutions against the plain f64 ones, and against themselves on other threads.

use frugan_autograd::kernels::cpu::conv;
use frugan_autograd::kernels::cpu::conv_shape::ConvShape;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use rand_distr::StandardNormal;

struct Case {
    shape: ConvShape,
    x: Vec<f32>,
    w: Vec<f32>,
    g: Vec<f32>,
}

fn case(
    (batch, in_channels, out_channels): (usize, usize, usize),
    (height, width): (usize, usize),
    kernel: usize,
    padding: usize,
) -> Case {
    let shape = ConvShape { batch, in_channels, out_channels, height, width, kernel, padding };
    let mut rng = SmallRng::seed_from_u64(1);
    let mut normal = |len: usize| (0..len).map(|_| rng.sample(StandardNormal)).collect();
    Case { shape, x: normal(shape.input_len()), w: normal(shape.filter_len()), g: normal(shape.output_len()) }
}

impl Case {
    fn fast(&self) -> [Vec<f32>; 3] {
        let s = &self.shape;
        let bias: Vec<f32> = (0..s.out_channels).map(|k| k as f32).collect();
        [
            conv::convolution(s, &self.x, &self.w, Some(&bias), false),
            conv::input_gradient(s, &self.g, &self.w),
            conv::filter_gradient(s, &self.x, &self.g),
        ]
    }

    fn plain(&self) -> [Vec<f64>; 3] {
        let s = &self.shape;
        let wide = |v: &[f32]| v.iter().map(|x| f64::from(*x)).collect::<Vec<_>>();
        let bias: Vec<f64> = (0..s.out_channels).map(|k| k as f64).collect();
        let (x, w, g) = (wide(&self.x), wide(&self.w), wide(&self.g));
        [
            conv::convolution(s, &x, &w, Some(&bias), false),
            conv::input_gradient(s, &g, &w),
            conv::filter_gradient(s, &x, &g),
        ]
    }
}

/// Root mean square and largest error, both over the root mean square of the result.
fn errors(got: &[f32], want: &[f64]) -> (f64, f64) {
    assert_eq!(got.len(), want.len());
    let mean = |values: &mut dyn Iterator<Item = f64>| (values.sum::<f64>() / want.len() as f64).sqrt();
    let scale = mean(&mut want.iter().map(|v| v * v));
    let error = || got.iter().zip(want).map(|(a, b)| f64::from(*a) - b);
    (mean(&mut error().map(|e| e * e)) / scale, error().map(f64::abs).fold(0.0, f64::max) / scale)
}

#[test]
fn winograd_is_near_the_f64_result() {
    for (sizes, image, kernel, padding) in [
        ((3, 5, 7), (8, 8), 3, 1),
        ((2, 17, 33), (32, 32), 3, 1),
        ((1, 1, 1), (3, 3), 3, 1),
        ((2, 3, 4), (4, 4), 3, 1),
        ((3, 4, 9), (5, 13), 3, 1),
        ((2, 6, 3), (7, 6), 3, 0),
        ((2, 6, 3), (9, 17), 3, 2),
        ((17, 2, 2), (1, 1), 3, 1),
        ((2, 256, 64), (16, 16), 3, 1),
        ((5, 6, 7), (6, 6), 1, 0),
        ((2, 3, 4), (9, 8), 5, 2),
    ] {
        let case = case(sizes, image, kernel, padding);
        for (what, (got, want)) in ["y", "gx", "gw"].iter().zip(case.fast().iter().zip(case.plain())) {
            let (rms, max) = errors(got, &want);
            println!("{sizes:?} {image:?} {kernel} {padding} {what}: rms {rms:.2e} max {max:.2e}");
            assert!(
                rms < 3e-6 && max < 2e-5,
                "{sizes:?} {image:?} {kernel} {padding} {what}: rms {rms:.2e} max {max:.2e}"
            );
        }
    }
}

#[test]
fn threads_do_not_change_a_bit() {
    for case in [case((9, 20, 37), (16, 16), 3, 1), case((9, 20, 37), (16, 16), 1, 0)] {
        let run =
            |threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(|| case.fast());
        let one = run(1);
        for threads in [2, 3, 8] {
            assert!(one == run(threads), "{:?}, {threads} threads", case.shape);
        }
    }
}
