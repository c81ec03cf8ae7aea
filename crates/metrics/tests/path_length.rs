//! The path length of generators whose answer is known.
#![allow(clippy::unwrap_used)]

use candle_core::{DType, Device, Tensor};
use frugan_autograd::Var;
use frugan_metrics::{Lpips, LpipsNet, PathGenerator, PathSampling, PathSpace, PplConfig, ppl};
use frugan_nn::{Purpose, Stream};

const LATENT: usize = 16;

fn vgg16() -> Lpips {
    let tensor = |(i, (name, shape)): (usize, (String, Vec<usize>))| {
        let (count, fan_in) = (shape.iter().product(), shape[1..].iter().product::<usize>().max(1));
        let values = Stream::new(2, Purpose::new("test.ppl"), i as u64).normals(count);
        let scaled = values.into_iter().map(|value| match name.starts_with("lin") {
            true => value.abs(),
            false => value * (2.0 / fan_in as f32).sqrt(),
        });
        (name.clone(), Tensor::from_vec(scaled.collect::<Vec<_>>(), shape, &Device::Cpu).unwrap())
    };
    Lpips::from_tensors(LpipsNet::Vgg16, &LpipsNet::Vgg16.tensors().into_iter().enumerate().map(tensor).collect())
        .unwrap()
}

/// Images of 16x16 that are linear in w.
fn paint(w: &Var) -> frugan_autograd::Result<Var> {
    let basis = Stream::new(3, Purpose::new("test.ppl.basis"), 0).normals(LATENT * 3 * 256);
    let basis = Tensor::from_vec(basis, (LATENT, 3 * 256), &Device::Cpu)?.affine(0.1, 0.0)?;
    w.matmul(&Var::constant(basis))?.reshape(&[w.dims()[0], 3, 16, 16])
}

fn length(config: &PplConfig, lpips: &Lpips, synthesis: impl Fn(&Var) -> frugan_autograd::Result<Var>) -> f64 {
    let (mut mapping, mut images) = (|z: &Var, _| Ok(z.clone()), |w: &Var, _| synthesis(w));
    let mut generator = PathGenerator { latent_dim: LATENT, mapping: &mut mapping, synthesis: &mut images };
    ppl(config, &mut generator, lpips).unwrap().mean
}

#[test]
fn images_that_do_not_change_have_no_length() {
    let config = PplConfig { num_samples: 3, ..PplConfig::default() };
    let still = |w: &Var| Var::zeros(&[w.dims()[0], 3, 16, 16], DType::F32, &frugan_autograd::Device::Cpu);
    assert_eq!(length(&config, &vgg16(), still), 0.0);
}

#[test]
fn it_is_a_squared_speed_in_every_protocol() {
    let lpips = vgg16();
    for space in [PathSpace::Z, PathSpace::W] {
        for sampling in [PathSampling::Full, PathSampling::End] {
            // A step of 1e-2 keeps f32's rounding below the distance.
            let config = PplConfig { space, sampling, num_samples: 4, epsilon: 1e-2, ..PplConfig::default() };
            let whole = length(&config, &lpips, paint);
            let half = length(&PplConfig { epsilon: 5e-3, ..config.clone() }, &lpips, paint);
            assert!(whole > 0.0 && (whole / half - 1.0).abs() < 0.1, "{}: {whole} {half}", config.name());
        }
    }
}

#[test]
fn it_does_not_depend_on_the_batch_where_the_generator_does_not() {
    let lpips = vgg16();
    let config = PplConfig { num_samples: 5, epsilon: 1e-2, batch: 1, ..PplConfig::default() };
    let one = length(&config, &lpips, paint);
    let four = length(&PplConfig { batch: 4, ..config }, &lpips, paint);
    assert!((one / four - 1.0).abs() < 1e-3, "{one} {four}");
}

#[test]
fn both_ends_get_the_same_batch_number_and_their_own_rows() {
    let (lpips, mut seen) = (vgg16(), Vec::new());
    let mut mapping = |z: &Var, batch: usize| {
        seen.push((batch, z.dims().to_vec()));
        Ok(z.clone())
    };
    let mut synthesis = |w: &Var, _: usize| paint(w);
    let mut generator = PathGenerator { latent_dim: LATENT, mapping: &mut mapping, synthesis: &mut synthesis };
    let config = PplConfig { num_samples: 3, batch: 2, ..PplConfig::default() };
    ppl(&config, &mut generator, &lpips).unwrap();
    assert_eq!(seen, [(0, vec![4, LATENT]), (1, vec![2, LATENT])]);
}

#[test]
fn what_does_not_fit_is_named() {
    let lpips = vgg16();
    let config = PplConfig { num_samples: 2, ..PplConfig::default() };
    let error = |config: &PplConfig, rows: usize, side: usize| {
        let mut mapping = |z: &Var, _: usize| Ok(z.clone());
        let mut synthesis =
            |_: &Var, _: usize| Var::zeros(&[rows, 3, side, side + 1], DType::F32, &frugan_autograd::Device::Cpu);
        let mut generator = PathGenerator { latent_dim: LATENT, mapping: &mut mapping, synthesis: &mut synthesis };
        ppl(config, &mut generator, &lpips).unwrap_err().to_string()
    };
    assert!(error(&config, 3, 16).contains("synthesis gave [3, 3, 16, 17]; expected 4 rows"));
    assert!(error(&PplConfig { crop: true, ..config.clone() }, 4, 32).contains("32x33 images; the crop takes squares"));
    assert!(error(&PplConfig { batch: 0, ..config }, 4, 16).contains("expected at least 1"));
}
