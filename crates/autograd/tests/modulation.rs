//! Convolutions that resample and convolutions that are modulated, against the same in plain ops.
#![allow(clippy::unwrap_used)]

use frugan_autograd::check::{gradgradcheck, spread};
use frugan_autograd::{Conv2dConfig, Fir, ModulatedConv2d, Resample, Result, Tensor, Upfirdn2d, Var, concat};

fn array(shape: &[usize], salt: u64) -> Tensor {
    spread(shape, -1.0, 1.0, salt).unwrap()
}

fn low_pass() -> Fir {
    Fir::outer(&[1.0, 3.0, 3.0, 1.0]).normalised()
}

fn difference(a: &Var, b: &Var) -> f64 {
    assert_eq!(a.dims(), b.dims());
    a.sub(b).unwrap().abs().unwrap().to_vec::<f64>().unwrap().into_iter().fold(0.0, f64::max)
}

/// Upsampled, padded and filtered at the full size, then convolved there, then every second pixel of it.
fn the_long_way(x: &Var, w: &Var, fir: &Fir, resample: &Resample) -> Result<Var> {
    let &Resample { up, down, padding, flip_weight } = resample;
    let taps = fir.taps().0 as isize;
    let factor = (up * down) as isize;
    let grown = if up == 2 { taps + factor - 1 } else { taps - factor + 1 };
    let before = padding as isize + if factor == 1 { 0 } else { grown.div_euclid(2) };
    let after = padding as isize + if factor == 1 { 0 } else { (taps - factor).div_euclid(2) };
    let identity = Fir::separable(&[1.0]);
    let fir = if factor == 1 { &identity } else { fir };
    let w = if flip_weight { w.clone() } else { w.flip(2)?.flip(3)? };
    let wide = Upfirdn2d {
        up: [up; 2],
        padding: [before, after, before, after],
        gain: (up * up) as f64,
        ..Upfirdn2d::default()
    };
    let y = x.upfirdn2d(fir, &wide)?.conv2d(&w, None, Conv2dConfig::default())?;
    y.upfirdn2d(&identity, &Upfirdn2d { down: [down; 2], ..Upfirdn2d::default() })
}

fn resamplings() -> Vec<(usize, Resample)> {
    let mut all = Vec::new();
    for (up, down) in [(1, 1), (2, 1), (1, 2)] {
        for kernel in [1, 3, 5] {
            for flip_weight in [false, true] {
                all.push((kernel, Resample { up, down, padding: kernel / 2, flip_weight }));
            }
        }
    }
    all
}

#[test]
fn resampling_convolutions_are_those_of_the_upsampled_image() -> Result<()> {
    for (kernel, resample) in resamplings() {
        let (x, w) = (Var::from(array(&[2, 3, 8, 6], 1)), Var::from(array(&[4, 3, kernel, kernel], 2)));
        for fir in [low_pass(), Fir::outer(&[1.0, 2.0, 1.0]), Fir::full(&[&[1.0, 2.0], &[0.5, -1.0]])] {
            let y = x.conv2d_resample(&w, Some(&fir), &resample)?;
            let Resample { up, down, .. } = resample;
            assert_eq!(y.dims(), [2, 4, 8 * up / down, 6 * up / down], "{resample:?} {kernel}");
            let error = difference(&y, &the_long_way(&x, &w, &fir, &resample)?);
            assert!(error < 1e-12, "{resample:?}, filter {kernel}: {error:.2e}");
        }
    }
    Ok(())
}

#[test]
fn without_a_filter_pixels_are_inserted_and_dropped() -> Result<()> {
    let (x, w) = (Var::from(array(&[1, 2, 4, 6], 1)), Var::from(array(&[3, 2, 3, 3], 2)));
    for (up, down) in [(2, 1), (1, 2)] {
        let resample = Resample { up, down, padding: 1, flip_weight: true };
        let y = x.conv2d_resample(&w, None, &resample)?;
        let error = difference(&y, &the_long_way(&x, &w, &Fir::separable(&[1.0]), &resample)?);
        assert!(error < 1e-12, "{resample:?}: {error:.2e}");
    }
    Ok(())
}

#[test]
fn resampling_convolutions_are_twice_differentiable() {
    let fir = low_pass();
    for (kernel, resample) in resamplings().into_iter().filter(|(kernel, _)| *kernel < 5) {
        let inputs = [array(&[2, 2, 4, 2], 1), array(&[2, 2, kernel, kernel], 2)];
        let checked = gradgradcheck(|v| v[0].conv2d_resample(&v[1], Some(&fir), &resample), &inputs);
        assert!(checked.is_ok(), "{resample:?}, filter {kernel}: {checked:?}");
    }
}

/// Every image with a filter of its own, modulated and demodulated before it is used: the form with groups.
fn image_by_image(x: &Var, w: &Var, styles: &Var, config: &ModulatedConv2d) -> Result<Var> {
    let ModulatedConv2d { up, padding, demodulate, flip_weight } = *config;
    let mut images = Vec::new();
    for n in 0..x.dims()[0] {
        let mut w = w.mul(&styles.narrow(0, n, 1)?.reshape(&[1, x.dims()[1], 1, 1])?)?;
        if demodulate {
            w = w.div(&w.square()?.sum_keep(&[1, 2, 3])?.affine(1.0, 1e-8)?.sqrt()?)?;
        }
        let resample = Resample { up, down: 1, padding, flip_weight };
        images.push(x.narrow(0, n, 1)?.conv2d_resample(&w, Some(&low_pass()), &resample)?);
    }
    concat(&images.iter().collect::<Vec<_>>(), 0)
}

fn modulations() -> impl Iterator<Item = (usize, ModulatedConv2d)> {
    [(1, 1), (3, 1), (3, 2)].into_iter().flat_map(|(kernel, up)| {
        [false, true]
            .map(|demodulate| (kernel, ModulatedConv2d { up, padding: kernel / 2, demodulate, flip_weight: up == 1 }))
    })
}

#[test]
fn one_convolution_for_all_is_one_for_each() -> Result<()> {
    for (kernel, config) in modulations() {
        let size = 5 * config.up;
        let [x, w, styles] =
            [array(&[3, 4, 5, 5], 1), array(&[5, 4, kernel, kernel], 2), array(&[3, 4], 3)].map(Var::from);
        let want = image_by_image(&x, &w, &styles, &config)?;
        let y = x.modulated_conv2d(&w, &styles, &config, Some(&low_pass()), None)?;
        assert!(difference(&y, &want) < 1e-12, "{config:?}");
        for count in [3, 1] {
            let noise = Var::from(array(&[count, 1, size, size], 4));
            let y = x.modulated_conv2d(&w, &styles, &config, Some(&low_pass()), Some(&noise))?;
            assert!(difference(&y, &want.add(&noise)?) < 1e-12, "{config:?}, noise for {count}");
        }
    }
    Ok(())
}

#[test]
fn modulated_convolutions_are_twice_differentiable() {
    let fir = low_pass();
    for (kernel, config) in modulations() {
        for noise_count in [2, 1] {
            let size = 2 * config.up;
            let inputs = [
                array(&[2, 2, 2, 2], 1),
                array(&[2, 2, kernel, kernel], 2),
                spread(&[2, 2], 0.5, 1.5, 3).unwrap(),
                array(&[noise_count, 1, size, size], 4),
            ];
            let f = |v: &[Var]| v[0].modulated_conv2d(&v[1], &v[2], &config, Some(&fir), Some(&v[3]));
            let checked = gradgradcheck(f, &inputs);
            assert!(checked.is_ok(), "{config:?}: {checked:?}");
        }
    }
}

#[test]
fn demodulated_filters_have_norm_one() -> Result<()> {
    let (w, styles) = (Var::from(array(&[3, 4, 1, 1], 1)), Var::from(array(&[1, 4], 2)));
    // One-hot images read the filter off.
    let x = Var::from(Tensor::eye(4, candle_core::DType::F64, &candle_core::Device::Cpu)?.reshape((1, 4, 2, 2))?);
    let config = ModulatedConv2d { up: 1, padding: 0, demodulate: true, flip_weight: true };
    let norms = x.modulated_conv2d(&w, &styles, &config, None, None)?.square()?.sum_keep(&[2, 3])?.to_vec::<f64>()?;
    assert!(norms.iter().all(|norm| (norm - 1.0).abs() < 1e-5), "{norms:?}");
    Ok(())
}

/// Groups are strided: with M groups, image j is in group j mod M.
#[test]
fn the_minibatch_deviation_is_its_formula() -> Result<()> {
    let x = Var::from(array(&[6, 4, 3, 2], 1));
    let values = x.to_vec::<f64>()?;
    let at = |n: usize, c: usize, p: usize| values[(n * 4 + c) * 6 + p];
    for (group, size) in [(Some(2), 2), (Some(3), 3), (Some(32), 6), (None, 6)] {
        for features in [1, 2] {
            let y = x.minibatch_stddev(group, features)?;
            assert_eq!(y.dims(), [6, 4 + features, 3, 2]);
            assert_eq!(y.narrow(1, 0, 4)?.to_vec::<f64>()?, values);
            let (groups, share) = (6 / size, 4 / features);
            for (i, got) in y.narrow(1, 4, features)?.to_vec::<f64>()?.into_iter().enumerate() {
                let (n, f) = (i / 6 / features, i / 6 % features);
                let members = || (n % groups..6).step_by(groups);
                let deviation = |c: usize, p: usize| {
                    let mean = members().map(|m| at(m, c, p)).sum::<f64>() / size as f64;
                    (members().map(|m| (at(m, c, p) - mean).powi(2)).sum::<f64>() / size as f64 + 1e-8).sqrt()
                };
                let cells = (f * share..(f + 1) * share).flat_map(|c| (0..6).map(move |p| (c, p)));
                let want = cells.map(|(c, p)| deviation(c, p)).sum::<f64>() / (share * 6) as f64;
                assert!((got - want).abs() < 1e-12, "group {group:?}, {features} features, {i}: {got} {want}");
            }
        }
    }
    Ok(())
}

#[test]
fn the_minibatch_deviation_is_twice_differentiable() {
    for (shape, group, features) in [([4, 2, 2, 3], Some(2), 1), ([6, 4, 1, 2], Some(3), 2), ([3, 2, 2, 1], None, 2)] {
        let f = |v: &[Var]| v[0].minibatch_stddev(group, features)?.square();
        gradgradcheck(f, &[array(&shape, 1)]).unwrap();
    }
}

#[test]
fn normalised_rows_have_a_second_moment_of_one() -> Result<()> {
    let x = array(&[3, 5], 1);
    let moments = Var::from(x.clone()).normalize_second_moment(1e-8)?.square()?.mean_keep(&[1])?.to_vec::<f64>()?;
    assert!(moments.iter().all(|moment| (moment - 1.0).abs() < 1e-6), "{moments:?}");
    gradgradcheck(|v| v[0].normalize_second_moment(1e-2), &[x])
}
