//! The nearest training images: exact, sorted, the same for every number of threads.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use candle_core::{Device, Tensor};
use frugan_autograd::Var;
use frugan_metrics::{Images, Lpips, LpipsNet, Neighbours, nearest_by_lpips, nearest_by_pixels};
use frugan_nn::{Purpose, Stream};

const SHAPE: [usize; 3] = [3, 31, 31];

fn noise(step: u64, n: usize) -> Vec<u8> {
    let words = Stream::new(5, Purpose::new("test.nearest"), step).integers(n * 3 * 31 * 31, 256);
    words.into_iter().map(|word| word as u8).collect()
}

fn alexnet() -> Lpips {
    let tensor = |(i, (name, shape)): (usize, (String, Vec<usize>))| {
        let (count, fan_in) = (shape.iter().product(), shape[1..].iter().product::<usize>().max(1));
        let mut values = Stream::new(1, Purpose::new("test.lpips"), i as u64).normals(count);
        values.iter_mut().for_each(|value| *value *= (2.0 / fan_in as f32).sqrt());
        if name.starts_with("lin") {
            values.iter_mut().for_each(|value| *value = value.abs());
        }
        (name, Tensor::from_vec(values, shape, &Device::Cpu).unwrap())
    };
    let tensors: BTreeMap<_, _> = LpipsNet::AlexNet.tensors().into_iter().enumerate().map(tensor).collect();
    Lpips::from_tensors(LpipsNet::AlexNet, &tensors).unwrap()
}

fn with_threads<T: Send>(threads: usize, f: impl FnOnce() -> T + Send) -> T {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(f)
}

#[test]
fn pixels_agree_with_the_definition() {
    let (fakes, reals) = (noise(0, 5), noise(1, 40));
    let (fakes, reals) = (Images::new(&fakes, SHAPE).unwrap(), Images::new(&reals, SHAPE).unwrap());
    let found = nearest_by_pixels(fakes, reals, 3).unwrap();
    for (i, fake) in fakes.iter().enumerate() {
        let distance = |real: &[u8]| {
            fake.iter().zip(real).map(|(a, b)| (f64::from(*a) - f64::from(*b)).abs()).sum::<f64>() / fake.len() as f64
        };
        let mut all: Vec<(f64, u32)> = reals.iter().map(distance).zip(0..).collect();
        all.sort_by(|a, b| a.partial_cmp(b).unwrap());
        let (indices, distances) = found.of(i);
        assert_eq!(indices, all[..3].iter().map(|(_, index)| *index).collect::<Vec<_>>());
        assert!(distances.iter().zip(&all).all(|(got, (want, _))| (got - want).abs() < 1e-9));
    }
}

#[test]
fn lpips_agrees_with_the_distance_itself() {
    let (lpips, fakes, reals) = (alexnet(), noise(0, 3), noise(1, 20));
    let (fakes, reals) = (Images::new(&fakes, SHAPE).unwrap(), Images::new(&reals, SHAPE).unwrap());
    let found = nearest_by_lpips(fakes, reals, 4, &lpips).unwrap();
    let floats = |bytes: &[u8], n: usize| {
        let values: Vec<f32> = bytes.iter().map(|byte| f32::from(*byte) / 127.5 - 1.0).collect();
        Var::constant(Tensor::from_vec(values, (n, 3, 31, 31), &Device::Cpu).unwrap())
    };
    for (i, fake) in fakes.iter().enumerate() {
        let pairs = lpips.distance(&floats(&fake.repeat(20), 20), &floats(reals.bytes(), 20)).unwrap();
        let mut all: Vec<(f32, u32)> = pairs.to_vec::<f32>().unwrap().into_iter().zip(0..).collect();
        all.sort_by(|a, b| a.partial_cmp(b).unwrap());
        let (indices, distances) = found.of(i);
        assert_eq!(indices, all[..4].iter().map(|(_, index)| *index).collect::<Vec<_>>());
        assert!(distances.iter().zip(&all).all(|(got, (want, _))| (got - f64::from(*want)).abs() < 1e-5));
    }
}

#[test]
fn a_copy_is_found_and_the_first_of_equals_wins() {
    let reals = noise(1, 20);
    let size = reals.len() / 20;
    let copies = [&reals[7 * size..8 * size], &reals[2 * size..3 * size]].concat();
    let reals = [reals.as_slice(), &copies].concat(); // 20 and 21 are 7 and 2 again
    let (fakes, reals) = (Images::new(&copies, SHAPE).unwrap(), Images::new(&reals, SHAPE).unwrap());
    let by_pixels = nearest_by_pixels(fakes, reals, 2).unwrap();
    assert_eq!(by_pixels, Neighbours { k: 2, indices: vec![7, 20, 2, 21], distances: vec![0.0; 4] });
    // A convolution rounds by an image's place in its batch, so equal images are equal to rounding only.
    let by_lpips = nearest_by_lpips(fakes, reals, 2, &alexnet()).unwrap();
    for (i, copies) in [[7, 20], [2, 21]].into_iter().enumerate() {
        let (indices, distances) = by_lpips.of(i);
        let mut indices = indices.to_vec();
        indices.sort_unstable();
        assert_eq!(indices, copies);
        assert!(distances.iter().all(|distance| *distance < 1e-9), "{distances:?}");
    }
}

#[test]
fn threads_change_no_bit() {
    let (lpips, fakes, reals) = (alexnet(), noise(0, 18), noise(1, 33));
    let search = || {
        let (fakes, reals) = (Images::new(&fakes, SHAPE).unwrap(), Images::new(&reals, SHAPE).unwrap());
        (nearest_by_pixels(fakes, reals, 5).unwrap(), nearest_by_lpips(fakes, reals, 5, &lpips).unwrap())
    };
    assert_eq!(with_threads(1, search), with_threads(3, search));
}

#[test]
fn sets_that_do_not_fit_are_named() {
    let (a, b) = (noise(0, 2), [0; 12]);
    let (a, b) = (Images::new(&a, SHAPE).unwrap(), Images::new(&b, [3, 2, 2]).unwrap());
    assert!(nearest_by_pixels(a, b, 1).unwrap_err().to_string().contains("[3, 31, 31] against reals of [3, 2, 2]"));
    assert!(nearest_by_pixels(a, a, 3).unwrap_err().to_string().contains("3 neighbours among 2 reals"));
    assert!(nearest_by_pixels(a, a, 0).is_err());
}
