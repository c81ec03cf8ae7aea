//! Styles, mixing, truncation and noise of StyleGAN2's generator.
#![allow(clippy::unwrap_used)]

mod tiny_stylegan2;

use frugan_autograd::{DType, Device, Ints, Var, no_grad};
use frugan_models::{MixingScope, Noise, StyleGan2Config, StyleMix, Truncation};
use frugan_nn::Mode;
use tiny_stylegan2::{build, labels, latents, state, stream, tiny, values};

#[test]
fn only_a_training_pass_moves_the_average_of_w_and_nothing_else() {
    let generator = build(tiny()).generator;
    let style = generator.as_style().unwrap();
    let (z, y) = (latents(4, 0), labels(4));
    let before = state(generator.params());
    for mode in [Mode::Batch, Mode::Running, Mode::Standing { pass: 0 }] {
        generator.generate(&z, &y, mode).unwrap();
    }
    let mix = StyleMix { z: latents(4, 1), cutoffs: vec![2] };
    style.map_mixed(&z, &y, Some(&mix), false).unwrap();
    assert_eq!(state(generator.params()), before);
    let mixed = style.map_mixed(&z, &y, Some(&mix), true).unwrap();
    let changed: Vec<&str> = generator
        .params()
        .iter()
        .zip(before.iter().zip(state(generator.params())))
        .filter(|(_, (old, new))| *old != new)
        .map(|((name, _, _), _)| name)
        .collect();
    assert_eq!(changed, ["mapping.w_avg"]);
    // From 0, by 1 - 0.995 of the first z's mean: the second z does not count.
    let first = mixed.narrow(1, 0, 1).unwrap().mean_keep(&[0]).unwrap();
    for (got, mean) in values(generator.params().get("mapping.w_avg").unwrap()).iter().zip(values(&first)) {
        assert!((got - 0.005 * mean).abs() < 1e-6 * (1.0 + mean.abs()), "{got} {mean}");
    }
}

#[test]
fn mixing_takes_the_second_style_from_the_cutoff_on() {
    let style_of = |cutoffs: Vec<usize>| StyleMix { z: latents(3, 1), cutoffs };
    let generator = build(tiny()).generator;
    let style = generator.as_style().unwrap();
    let (z, y) = (latents(3, 0), labels(3));
    let (first, second) = (style.map(&z, &y, false).unwrap(), style.map(&latents(3, 1), &y, false).unwrap());
    let expected = |cutoffs: &[usize]| -> Vec<f32> {
        let (first, second) = (values(&first), values(&second));
        let at = |i: usize| (i / 72, i / 12 % 6);
        let take = |i: usize| if at(i).1 < cutoffs[at(i).0] { first[i] } else { second[i] };
        (0..first.len()).map(take).collect()
    };
    for (cutoffs, by_sample) in [(vec![2], [2, 2, 2]), (vec![6], [6, 6, 6]), (vec![1, 6, 5], [1, 6, 5])] {
        let mixed = style.map_mixed(&z, &y, Some(&style_of(cutoffs)), false).unwrap();
        assert_eq!(values(&mixed), expected(&by_sample));
    }
    let error = style.map_mixed(&z, &y, Some(&style_of(vec![1, 2])), false).unwrap_err().to_string();
    assert!(error.contains("2 cutoffs for a batch of 3"), "{error}");
}

#[test]
fn mixing_draws_follow_the_config() {
    let draws = |config: StyleGan2Config, n: usize| {
        build(config).generator.as_style().unwrap().draw_mixing(n, &mut stream()).unwrap()
    };
    assert!(draws(StyleGan2Config { style_mixing: 0.0, ..tiny() }, 4).is_none());
    let batch = draws(tiny(), 4).unwrap();
    assert_eq!((batch.cutoffs.len(), batch.z.dims().to_vec()), (1, vec![4, 8]));
    let scope = MixingScope::Sample;
    let all = draws(StyleGan2Config { style_mixing: 1.0, style_mixing_scope: scope, ..tiny() }, 2000).unwrap();
    assert!((1..6).all(|cutoff| all.cutoffs.contains(&cutoff)) && all.cutoffs.iter().all(|c| (1..6).contains(c)));
    let half = draws(StyleGan2Config { style_mixing: 0.5, style_mixing_scope: scope, ..tiny() }, 2000).unwrap();
    let unmixed = half.cutoffs.iter().filter(|cutoff| **cutoff == 6).count();
    assert!((900..1100).contains(&unmixed), "{unmixed}");
}

#[test]
fn truncation_draws_styles_to_the_average() {
    let generator = build(tiny()).generator;
    let style = generator.as_style().unwrap();
    let ws = style.map(&latents(4, 0), &labels(4), true).unwrap();
    let average = values(generator.params().get("mapping.w_avg").unwrap());
    let same = style.truncate(&ws, Truncation::default()).unwrap();
    assert_eq!(values(&same), values(&ws));
    let cut = values(&style.truncate(&ws, Truncation { psi: 0.5, cutoff: Some(2) }).unwrap());
    for (i, (got, w)) in cut.into_iter().zip(values(&ws)).enumerate() {
        let want = if i / 12 % 6 < 2 { average[i % 12] + 0.5 * (w - average[i % 12]) } else { w };
        assert!((got - want).abs() < 1e-6, "{i}: {got} {want}");
    }
    let all = values(&style.truncate(&ws, Truncation { psi: 0.0, cutoff: None }).unwrap());
    assert!(all.iter().zip(average.iter().cycle()).all(|(got, want)| got == want));
}

/// An image is a function of its z and label: not of its batch, nor of earlier calls.
#[test]
fn images_do_not_depend_on_their_batch() {
    let generator = build(tiny()).generator;
    // Noise acts once its strength is not 0.
    for (name, _, var) in generator.params().iter() {
        if name.ends_with("noise_strength") {
            frugan_autograd::update::assign(var, &Var::full(0.5, &[], DType::F32, &Device::Cpu).unwrap()).unwrap();
        }
    }
    let (z, y) = (latents(4, 0), labels(4));
    let all = no_grad(|| generator.generate(&z, &y, Mode::Running)).unwrap();
    assert_eq!(values(&all), values(&no_grad(|| generator.generate(&z, &y, Mode::Batch)).unwrap()));
    let third: Ints = [2].into_iter().collect();
    let alone = no_grad(|| generator.generate(&z.narrow(0, 2, 1).unwrap(), &third, Mode::Running)).unwrap();
    let (alone, within) = (values(&alone), values(&all.narrow(0, 2, 1).unwrap()));
    assert!(alone.iter().zip(within).all(|(a, b)| (a - b).abs() < 1e-5));
    let style = generator.as_style().unwrap();
    let quiet = no_grad(|| style.synthesize(&style.map(&z, &y, false).unwrap(), Noise::None)).unwrap();
    assert!(values(&quiet).iter().zip(values(&all)).any(|(a, b)| (a - b).abs() > 1e-2));
}

#[test]
fn noise_is_drawn_layer_by_layer_and_shared_where_it_is_one() {
    let generator = build(tiny()).generator;
    let style = generator.as_style().unwrap();
    let draws = style.draw_noise(2, &mut stream()).unwrap();
    let shapes: Vec<Vec<usize>> = draws.iter().map(|draw| draw.dims().to_vec()).collect();
    assert_eq!(shapes, [4, 8, 8, 16, 16].map(|side| vec![2, 1, side, side]));
    let together: Vec<f32> = stream().normals(2 * 16);
    assert_eq!(values(&draws[0]), together);
    let ws = style.map(&latents(2, 0), &labels(2), false).unwrap();
    let shared = style.draw_noise(1, &mut stream()).unwrap();
    assert_eq!(style.synthesize(&ws, Noise::Given(&shared)).unwrap().dims(), [2, 3, 16, 16]);
    let error = |r: frugan_autograd::Result<Var>| r.unwrap_err().to_string();
    let text = error(style.synthesize(&ws, Noise::Given(&draws[1..])));
    assert!(text.contains("noise for 4 layers, expected 5"), "{text}");
    let three = style.draw_noise(3, &mut stream()).unwrap();
    let text = error(style.synthesize(&ws, Noise::Given(&three)));
    assert!(text.contains("[3, 1, 4, 4]") && text.contains("[2, 1, 4, 4]"), "{text}");
}
