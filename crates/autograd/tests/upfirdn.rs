//! Upsample, filter and downsample against the definition, step by step, and twice differentiated.
#![allow(clippy::unwrap_used)]

use frugan_autograd::check::{gradgradcheck, spread};
use frugan_autograd::{DType, Fir, Result, Tensor, Upfirdn2d, Var};
use proptest::prelude::*;

fn images(shape: [usize; 4]) -> Tensor {
    spread(&shape, -1.0, 1.0, 5).unwrap()
}

/// A plane as rows.
type Plane = Vec<Vec<f64>>;

/// Zeros after each value, then zeros around or a crop.
fn stretched(row: &[f64], up: usize, [before, after]: [isize; 2]) -> Vec<f64> {
    let mut row: Vec<f64> =
        row.iter().flat_map(|v| std::iter::once(*v).chain(std::iter::repeat_n(0.0, up - 1))).collect();
    row.splice(0..0, std::iter::repeat_n(0.0, before.max(0) as usize));
    row.extend(std::iter::repeat_n(0.0, after.max(0) as usize));
    row[(-before).max(0) as usize..row.len() - (-after).max(0) as usize].to_vec()
}

fn transposed(plane: &Plane) -> Plane {
    (0..plane[0].len()).map(|x| plane.iter().map(|row| row[x]).collect()).collect()
}

/// The definition: insert zeros, pad, correlate with the (reversed) taps, keep every so-many-th.
fn by_definition(plane: &Plane, taps: &Plane, config: &Upfirdn2d) -> Plane {
    let Upfirdn2d { up, down, padding: [x0, x1, y0, y1], flip, gain } = *config;
    let wide: Plane = plane.iter().map(|row| stretched(row, up[0], [x0, x1])).collect();
    let padded = transposed(&transposed(&wide).iter().map(|row| stretched(row, up[1], [y0, y1])).collect());
    let mut taps = taps.clone();
    if !flip {
        taps.reverse();
        taps.iter_mut().for_each(|row| row.reverse());
    }
    let sum = |y: usize, x: usize| {
        let products = taps.iter().zip(&padded[y..]).flat_map(|(taps, row)| taps.iter().zip(&row[x..]));
        gain * products.map(|(tap, v)| tap * v).sum::<f64>()
    };
    let (height, width) = (padded.len() + 1 - taps.len(), padded[0].len() + 1 - taps[0].len());
    (0..height).step_by(down[1]).map(|y| (0..width).step_by(down[0]).map(|x| sum(y, x)).collect()).collect()
}

fn check(shape: [usize; 4], fir: &Fir, taps: &Plane, config: &Upfirdn2d) {
    let [n, c, height, width] = shape;
    let x = images(shape);
    let values = x.flatten_all().unwrap().to_vec1::<f64>().unwrap();
    let mut want = Vec::new();
    let mut size = [0, 0];
    for plane in values.chunks(height * width) {
        let plane: Plane = plane.chunks(width).map(<[f64]>::to_vec).collect();
        let out = by_definition(&plane, taps, config);
        size = [out.len(), out[0].len()];
        want.extend(out.into_iter().flatten());
    }
    for (dtype, tolerance) in [(DType::F64, 1e-12), (DType::F32, 1e-5)] {
        let y = Var::from(x.to_dtype(dtype).unwrap()).upfirdn2d(fir, config).unwrap();
        assert_eq!(y.dims(), [n, c, size[0], size[1]], "{config:?}");
        let got = y.to_dtype(DType::F64).unwrap().to_vec::<f64>().unwrap();
        let error = got.iter().zip(&want).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        assert!(error < tolerance, "{config:?} of {shape:?} in {dtype:?}: error {error:.2e}");
    }
}

fn outer(taps: &[f64]) -> Plane {
    taps.iter().map(|a| taps.iter().map(|b| a * b).collect()).collect()
}

const BINOMIAL: [f64; 4] = [1.0, 3.0, 3.0, 1.0];
const TWELVE: [f64; 12] = [0.1, 0.2, -0.3, 0.4, 0.9, 0.7, 0.3, -0.1, 0.05, 0.02, -0.01, 0.03];

fn config(up: usize, down: usize, padding: [isize; 4]) -> Upfirdn2d {
    Upfirdn2d { up: [up; 2], down: [down; 2], padding, ..Upfirdn2d::default() }
}

/// Sizes of one pixel, of odd numbers, and of more than one band of rows.
#[test]
fn the_resampling_of_stylegan2_is_its_definition() {
    for shape in [[2, 3, 1, 1], [3, 2, 4, 4], [2, 2, 9, 7], [1, 1, 33, 33], [2, 1, 70, 131]] {
        for config in [
            config(2, 1, [2, 1, 2, 1]),
            config(1, 2, [1, 1, 1, 1]),
            config(1, 2, [2, 2, 2, 2]),
            config(1, 1, [2, 1, 2, 1]),
            Upfirdn2d { gain: 4.0, flip: true, ..config(2, 1, [3, 2, 3, 2]) },
        ] {
            if shape[2] > 1 || config.padding[0] > 1 {
                check(shape, &Fir::outer(&BINOMIAL), &outer(&BINOMIAL), &config);
            }
        }
        check(shape, &Fir::separable(&TWELVE), &outer(&TWELVE), &config(2, 1, [6, 5, 6, 5]));
        let crop = Upfirdn2d { flip: true, ..config(1, 2, [-1, -1, -1, -1]) };
        if shape[2] > 12 {
            check(shape, &Fir::separable(&TWELVE), &outer(&TWELVE), &crop);
        }
    }
}

#[test]
fn an_outer_product_is_the_full_filter() -> Result<()> {
    let x = Var::from(images([2, 2, 6, 5]));
    let rows = outer(&[1.0, 2.0, 4.0]);
    let full = Fir::full(&rows.iter().map(Vec::as_slice).collect::<Vec<_>>()).normalised();
    let (a, b) =
        (x.upsample2d(&full, 2, false, 1.5)?, x.upsample2d(&Fir::outer(&[1.0, 2.0, 4.0]).normalised(), 2, false, 1.5)?);
    let error = a.sub(&b)?.abs()?.to_vec::<f64>()?.into_iter().fold(0.0, f64::max);
    assert!(error < 1e-14, "{error:.2e}");
    Ok(())
}

#[test]
fn helpers_keep_double_and_halve_sizes() -> Result<()> {
    let x = Var::from(images([1, 2, 6, 8]));
    for taps in [vec![1.0], vec![1.0, 1.0], vec![1.0, 2.0, 1.0], BINOMIAL.to_vec(), TWELVE.to_vec()] {
        let fir = Fir::separable(&taps);
        assert_eq!(x.filter2d(&fir, 0, false, 1.0)?.dims(), [1, 2, 6, 8], "{taps:?}");
        assert_eq!(x.filter2d(&fir, 3, false, 1.0)?.dims(), [1, 2, 12, 14], "{taps:?}");
        assert_eq!(x.upsample2d(&fir, 2, false, 1.0)?.dims(), [1, 2, 12, 16], "{taps:?}");
        assert_eq!(x.downsample2d(&fir, 2, false, 1.0)?.dims(), [1, 2, 3, 4], "{taps:?}");
    }
    Ok(())
}

/// Away from the border, where zeros come in.
#[test]
fn resampling_by_a_normalised_filter_keeps_a_constant() -> Result<()> {
    let x = Var::full(3.0, &[1, 1, 12, 12], DType::F64, &frugan_autograd::Device::Cpu)?;
    let fir = Fir::outer(&BINOMIAL).normalised();
    for y in
        [x.upsample2d(&fir, 2, false, 1.0)?, x.downsample2d(&fir, 2, false, 1.0)?, x.filter2d(&fir, 0, false, 1.0)?]
    {
        let [height, width] = [y.dims()[2], y.dims()[3]];
        let inside = y.narrow(2, 2, height - 4)?.narrow(3, 2, width - 4)?.to_vec::<f64>()?;
        assert!(!inside.is_empty() && inside.iter().all(|v| (v - 3.0).abs() < 1e-12), "{inside:?}");
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_resampling_is_its_definition(
        size in [1usize..9, 1usize..9],
        up in [1usize..4, 1usize..4],
        down in [1usize..5, 1usize..5],
        padding in [-2isize..5, -2isize..5, -2isize..5, -2isize..5],
        tap_size in [1usize..6, 1usize..6],
        (flip, separable) in (any::<bool>(), any::<bool>()),
        salt in 0u64..1000,
    ) {
        let tap_size = if separable { [tap_size[0]; 2] } else { tap_size };
        let padded = |i: usize| (size[1 - i] * up[i]) as isize + padding[2 * i] + padding[2 * i + 1];
        prop_assume!(padded(0) >= tap_size[1] as isize && padded(1) >= tap_size[0] as isize);
        let numbers = spread(&tap_size, -1.0, 1.0, salt).unwrap().to_vec2::<f64>().unwrap();
        let (fir, taps) = if separable {
            (Fir::separable(&numbers[0]), outer(&numbers[0]))
        } else {
            (Fir::full(&numbers.iter().map(Vec::as_slice).collect::<Vec<_>>()), numbers)
        };
        let config = Upfirdn2d { up, down, padding, flip, gain: 1.7 };
        check([2, 1, size[0], size[1]], &fir, &taps, &config);
    }
}

macro_rules! gradgrad {
    ($($name:ident: $shape:expr, $fir:expr, $config:expr;)+) => {
        $(#[test]
        fn $name() {
            gradgradcheck(|v: &[Var]| v[0].upfirdn2d(&$fir, &$config)?.square(), &[images($shape)]).unwrap();
        })+
    };
}

gradgrad! {
    gradients_of_up_2: [2, 2, 3, 5], Fir::outer(&BINOMIAL), Upfirdn2d { gain: 4.0, ..config(2, 1, [2, 1, 2, 1]) };
    gradients_of_down_2: [2, 1, 7, 6], Fir::outer(&BINOMIAL), config(1, 2, [1, 1, 1, 1]);
    gradients_of_a_filter: [2, 2, 5, 3], Fir::outer(&BINOMIAL), config(1, 1, [2, 1, 0, 3]);
    gradients_of_a_crop: [1, 2, 7, 9], Fir::separable(&[1.0, 2.0, 4.0]), config(1, 1, [-2, 1, -1, -3]);
    gradients_of_twelve_taps_up: [2, 1, 4, 3], Fir::separable(&TWELVE), config(2, 1, [6, 5, 6, 5]);
    gradients_of_twelve_taps_down: [1, 2, 15, 14], Fir::separable(&TWELVE),
        Upfirdn2d { flip: true, ..config(1, 2, [-1, -1, -1, -1]) };
    gradients_of_a_mix: [2, 2, 5, 4], Fir::full(&[&[1.0, 2.0, -1.0], &[0.0, 3.0, 1.0]]),
        Upfirdn2d { up: [2, 3], down: [3, 2], padding: [2, 1, 0, 3], flip: false, gain: 1.7 };
    gradients_of_a_flipped_mix: [2, 2, 5, 4], Fir::full(&[&[1.0, 2.0, -1.0], &[0.0, 3.0, 1.0]]),
        Upfirdn2d { up: [3, 1], down: [2, 3], padding: [-1, 2, 1, 0], flip: true, gain: 0.6 };
    gradients_with_unused_phases: [2, 1, 5, 5], Fir::separable(&[1.5]),
        Upfirdn2d { up: [2, 3], down: [3, 1], padding: [1, 0, 0, 1], flip: false, gain: 1.0 };
}
