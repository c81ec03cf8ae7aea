//! ADA's pipe: its gates, what it leaves alone, what each part does, bad input, and any number of threads.
#![allow(clippy::unwrap_used)]

use frugan_augment::ada::{Draw, Draws, Pipe, Step, low_pass};
use frugan_augment::{AugmentConfig, Augmentation, AugmentationDraws};
use frugan_autograd::{DType, Device, Fir, GraphMode, Result, Tensor, Upfirdn2d, Var, grad};
use frugan_nn::{Purpose, Stream};

fn images(dims: [usize; 4], step: u64) -> Var {
    let values = Stream::new(1, Purpose::new("test.images"), step).normals(dims.iter().product());
    Var::leaf(Tensor::from_vec(values, &dims[..], &candle_core::Device::Cpu).unwrap())
}

fn stream(step: u64) -> Stream {
    Stream::new(2, Purpose::new("test.ada"), step)
}

fn pipe(text: &str) -> Pipe {
    Pipe::parse(text).unwrap()
}

fn draw(step: Step, values: &[f32], gates: &[f32]) -> Draws {
    Draws::new(vec![Draw { step, values: values.to_vec(), gates: gates.to_vec(), pixels: vec![] }]).unwrap()
}

/// The share of images that a step acts on is m p within 5 standard deviations; a rotation's is it for both halves.
#[test]
fn gates_open_at_their_rate() {
    const N: usize = 20_000;
    let pipe = pipe("bgcfnc,scale:0.5,hue:0.25");
    let draws = pipe.draw(N, [3, 1, 1], &mut stream(0));
    assert_eq!(draws.as_slice().len(), 19);
    for p in [0.05, 0.3, 0.8, 1.0, 1.5] {
        let near = |name: &str, acts: usize, chance: f64| {
            let chance = chance.min(1.0);
            let deviation = (chance * (1.0 - chance) / N as f64).sqrt();
            let rate = acts as f64 / N as f64;
            assert!((rate - chance).abs() <= 5.0 * deviation, "{name} at p = {p}: {rate} for {chance}");
        };
        let acts = |step: Step| pipe.acts(draws.as_slice().iter().find(|draw| draw.step == step).unwrap(), p);
        let count = |acts: &[bool]| acts.iter().filter(|acts| **acts).count();
        for step in Step::ALL.into_iter().filter(|step| !matches!(step, Step::PreRotate | Step::PostRotate)) {
            near(step.name(), count(&acts(step)), pipe.strength(step.transform()) * p);
        }
        let (before, after) = (acts(Step::PreRotate), acts(Step::PostRotate));
        let either: Vec<bool> = before.iter().zip(&after).map(|(before, after)| *before || *after).collect();
        near("rotate", count(&either), p);
        near("prerot", count(&before), 1.0 - (1.0 - p).max(0.0).sqrt());
    }
}

/// Seed, purpose and step decide the draws; p only moves the gates, and an open gate stays open as p rises.
#[test]
fn draws_do_not_depend_on_p() {
    let pipe = pipe("bgcfnc");
    let draws = pipe.draw(50, [3, 4, 4], &mut stream(3));
    assert_eq!(draws, pipe.draw(50, [3, 4, 4], &mut stream(3)));
    assert_ne!(draws, pipe.draw(50, [3, 4, 4], &mut stream(4)));
    for draw in draws.as_slice() {
        let (low, high) = (pipe.acts(draw, 0.2), pipe.acts(draw, 0.7));
        assert!(low.iter().zip(&high).all(|(low, high)| !low || *high), "{}", draw.step.name());
    }
}

/// Half the mirrored images, a quarter of the turned ones and half of the luma flips come out as they were (the value
/// 0 is drawn too).
#[test]
fn discrete_values_include_none() {
    const N: usize = 8_000;
    let pipe = pipe("xflip,rotate90").exact_blit(true);
    let draws = pipe.draw(N, [1, 2, 2], &mut stream(1));
    let geometry = pipe.geometry(&draws, 1.0, [2, 2]).unwrap().unwrap();
    let count = |wanted: fn(&[[f64; 3]; 2]) -> bool| geometry.maps().iter().filter(|map| wanted(map)).count() as f64;
    let identities = count(|map| *map == [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]);
    let mirrored = count(|map| map[0][0] * map[1][1] - map[0][1] * map[1][0] < 0.0);
    let n = N as f64;
    assert!((identities / n - 0.125).abs() < 0.02 && (mirrored / n - 0.5).abs() < 0.03, "{identities} {mirrored}");
}

#[test]
fn at_p_0_images_come_back_bit_for_bit() -> Result<()> {
    let x = images([2, 3, 24, 24], 0);
    let pipe = pipe("bgcfnc");
    let y = pipe.apply(&x, &pipe.draw(2, [3, 24, 24], &mut stream(0)), 0.0)?;
    let bits = |v: &Var| v.to_vec::<f32>().unwrap().into_iter().map(f32::to_bits).collect::<Vec<_>>();
    assert_eq!(bits(&x), bits(&y));
    Ok(())
}

#[test]
fn exact_blits_move_pixels() -> Result<()> {
    let x = images([3, 1, 8, 8], 0);
    let v = x.to_vec::<f32>()?;
    let blit = |step: Step, values: &[f32]| -> Result<Vec<f32>> {
        let pipe = pipe(step.transform().name()).exact_blit(true);
        pipe.apply(&x, &draw(step, values, &[0.1, 0.9, 0.1]), 0.5)?.to_vec()
    };
    let flipped = blit(Step::XFlip, &[0.5, 0.5, 0.4])?;
    let turned = blit(Step::Rotate90, &[0.25, 0.25, 0.5])?;
    let shifted = blit(Step::XInt, &[0.99, 0.5, 0.9, 0.9, 0.5, 0.01])?;
    let mirror = |at: usize, back: isize| (at as isize - back).unsigned_abs();
    for (y, x) in (0..8).flat_map(|y| (0..8).map(move |x| (y, x))) {
        let at = |image: usize, y: usize, x: usize| v[image * 64 + y * 8 + x];
        let out = |values: &[f32], image: usize| values[image * 64 + y * 8 + x];
        // The gate of image 1 is closed, the value of the third flip is 0.
        assert_eq!([0, 1, 2].map(|i| out(&flipped, i)), [at(0, y, 7 - x), at(1, y, x), at(2, y, x)]);
        assert_eq!([0, 1, 2].map(|i| out(&turned, i)), [at(0, x, 7 - y), at(1, y, x), at(2, 7 - y, 7 - x)]);
        // An eighth of 8 pixels: one to the right, and one up; the edge comes from the mirror image.
        let up = if y + 1 < 8 { y + 1 } else { 6 };
        assert_eq!([0, 1, 2].map(|i| out(&shifted, i)), [at(0, y, mirror(x, 1)), at(1, y, x), at(2, up, x)]);
    }
    Ok(())
}

/// Exact copies and the resampling agree where the resampling is exact: for shifts.
#[test]
fn exact_and_resampled_shifts_agree() -> Result<()> {
    let x = images([8, 3, 16, 16], 0);
    let draws = pipe("xint").draw(8, [3, 16, 16], &mut stream(0));
    let exact = pipe("xint").exact_blit(true).apply(&x, &draws, 1.0)?.to_vec::<f32>()?;
    let resampled = pipe("xint").apply(&x, &draws, 1.0)?.to_vec::<f32>()?;
    assert!(exact.iter().zip(&resampled).all(|(a, b)| (a - b).abs() < 1e-5));
    assert_ne!(exact, x.to_vec::<f32>()?);
    Ok(())
}

/// The resampling in one op is the four ops of ADA's code: pad, double, sample, halve.
#[test]
fn one_resampling_is_four_ops() -> Result<()> {
    let (x, cotangent) = (images([8, 3, 24, 20], 0), images([8, 3, 24, 20], 1));
    let pipe = pipe("bg");
    let draws = pipe.draw(8, [3, 24, 20], &mut stream(5));
    let geometry = pipe.geometry(&draws, 0.9, [24, 20]).unwrap().unwrap();
    let theta = Tensor::from_vec(geometry.theta().concat().concat(), (8, 2, 3), &candle_core::Device::Cpu)?;
    let fir = Fir::separable(&low_pass());
    let halve = Upfirdn2d { down: [2, 2], padding: [-1; 4], flip: true, ..Upfirdn2d::default() };
    let doubled = x.reflect_pad2d(geometry.margin())?.upsample2d(&fir, 2, false, 1.0)?;
    let sampled = doubled.affine_sample(&theta.to_dtype(DType::F32)?.into(), geometry.grid())?;
    let (apart, fused) = (sampled.upfirdn2d(&fir, &halve)?, pipe.apply(&x, &draws, 0.9)?);
    let gradient = |y: &Var| grad(&[y], &[&cotangent], &[&x], GraphMode::Free).map(|gradients| gradients[0].clone());
    for (apart, fused) in [(apart.clone(), fused.clone()), (gradient(&apart)?, gradient(&fused)?)] {
        let (apart, fused) = (apart.to_vec::<f32>()?, fused.to_vec::<f32>()?);
        let error = apart.iter().zip(&fused).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(error < 1e-4, "{error}");
    }
    Ok(())
}

#[test]
fn nothing_is_clamped() -> Result<()> {
    let white = Var::full(1.0, &[1, 3, 2, 2], DType::F32, &Device::Cpu)?;
    let y = pipe("brightness").apply(&white, &draw(Step::Brightness, &[2.0], &[0.0]), 1.0)?;
    assert!(y.to_vec::<f32>()?.iter().all(|v| (v - 1.4).abs() < 1e-6));
    Ok(())
}

/// Grey images: three equal channels under a colour transform, averaged.
#[test]
fn grey_images_are_colors_without_hue() -> Result<()> {
    let grey = images([4, 1, 4, 4], 0);
    let rgb = frugan_autograd::concat(&[&grey, &grey, &grey], 1)?;
    let pipe = pipe("color,saturation:0,hue:0");
    let draws = pipe.draw(4, [1, 4, 4], &mut stream(0));
    let want = pipe.apply(&rgb, &draws, 1.0)?.mean_keep(&[1])?.to_vec::<f32>()?;
    let got = pipe.apply(&grey, &draws, 1.0)?.to_vec::<f32>()?;
    assert!(want.iter().zip(&got).all(|(want, got)| (want - got).abs() < 1e-5));
    Ok(())
}

/// A part of a batch is augmented as inside the whole, but for the rounding of another margin.
#[test]
fn a_part_is_augmented_as_inside_the_whole() -> Result<()> {
    let config = AugmentConfig { ada: Some(Default::default()), ..AugmentConfig::default() };
    let t = Augmentation::new(&config).unwrap();
    let x = images([6, 3, 32, 32], 0);
    let draws = t.draw(6, [3, 32, 32], &mut stream(0), &mut stream(1));
    let whole = t.apply(&x, &draws, 0.6)?.narrow(0, 3, 3)?.to_vec::<f32>()?;
    let part = t.apply(&x.narrow(0, 3, 3)?, &draws.narrow(3, 3), 0.6)?.to_vec::<f32>()?;
    let far = whole.iter().zip(&part).filter(|(a, b)| (*a - *b).abs() > 1e-4).count();
    assert_eq!(far, 0);
    Ok(())
}

/// The policy acts on what the pipe gave.
#[test]
fn the_pipe_comes_before_the_policy() -> Result<()> {
    let config = AugmentConfig { ada: Some(Default::default()), ..AugmentConfig::default() };
    let t = Augmentation::new(&config).unwrap();
    let x = images([4, 3, 16, 16], 0);
    let draws = t.draw(4, [3, 16, 16], &mut stream(0), &mut stream(1));
    let moved = t.ada.as_ref().unwrap().apply(&x, draws.ada.as_ref().unwrap(), 0.9)?;
    let want = t.policy.apply(&moved, &draws.policy)?.to_vec::<f32>()?;
    assert_eq!(t.apply(&x, &draws, 0.9)?.to_vec::<f32>()?, want);
    // At p = 0 only the policy is left.
    assert_eq!(t.apply(&x, &draws, 0.0)?.to_vec::<f32>()?, t.policy.apply(&x, &draws.policy)?.to_vec::<f32>()?);
    Ok(())
}

#[test]
fn threads_do_not_change_a_bit() -> Result<()> {
    let pipe = pipe("bgcfnc");
    let (x, cotangent) = (images([24, 3, 32, 32], 0), images([24, 3, 32, 32], 1));
    let draws = pipe.draw(24, [3, 32, 32], &mut stream(0));
    let run = |threads| {
        rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(|| {
            let y = pipe.apply(&x, &draws, 0.9)?;
            let gradient = grad(&[&y], &[&cotangent], &[&x], GraphMode::Free)?;
            let bits = |v: &Var| {
                Ok::<_, candle_core::Error>(v.to_vec::<f32>()?.iter().map(|v| v.to_bits()).collect::<Vec<_>>())
            };
            Ok::<_, candle_core::Error>((bits(&y)?, bits(&gradient[0])?))
        })
    };
    let one = run(1)?;
    for threads in [2, 5] {
        assert!(one == run(threads)?, "{threads} threads");
    }
    Ok(())
}

#[test]
fn bad_input_is_refused() {
    let x = images([2, 3, 16, 16], 0);
    let error = |pipe: Pipe, x: &Var, draws: &Draws, p: f64| pipe.apply(x, draws, p).unwrap_err().to_string();
    let flip = draw(Step::XFlip, &[0.5; 2], &[0.5; 2]);
    let filter = pipe("filter").draw(2, [3, 16, 16], &mut stream(0));
    let two_channels = images([2, 2, 16, 16], 0);
    for (message, want) in [
        (error(pipe("xflip"), &x, &flip, -0.5), "p = -0.5, want a finite number from 0 up"),
        (error(pipe("xflip"), &x, &flip, f64::NAN), "p = NaN"),
        (error(pipe("hue"), &x, &flip, 0.5), "draws are of [xflip], the pipe \"hue\" wants [hue]"),
        (error(pipe("xflip"), &images([3, 3, 8, 8], 0), &flip, 0.5), "draws are for 2 images, the batch has 3"),
        (error(pipe("filter"), &x, &filter, 0.5), "imgfilter reflects 21 pixels at each border, the images have 16x16"),
        (
            error(pipe("noise"), &x, &pipe("noise").draw(2, [3, 8, 8], &mut stream(0)), 0.5),
            "noise has 384 pixels, want 1536",
        ),
        (
            error(pipe("contrast"), &two_channels, &draw(Step::Contrast, &[0.5; 2], &[0.5; 2]), 0.5),
            "images of 2 channels have no colours to change",
        ),
        (
            error(pipe("xflip"), &x.reshape(&[2, 768]).unwrap(), &flip, 0.5),
            "images have shape [2, 768], want [N, C, H, W]",
        ),
    ] {
        assert!(message.contains(want), "{message}");
    }
    for (values, gates, want) in [
        (vec![0.5; 2], vec![1.0, 0.0], "xflip.gates[0] = 1, want a number in [0, 1)"),
        (vec![0.5, f32::NAN], vec![0.0; 2], "xflip.values[1] = NaN"),
        (vec![0.5], vec![0.0; 2], "xflip has 1 values, want 2"),
    ] {
        let refused = Draws::new(vec![Draw { step: Step::XFlip, values, gates, pixels: vec![] }]).unwrap_err();
        assert!(refused.to_string().contains(want), "{refused}");
    }
    let none = Augmentation::new(&AugmentConfig { ada: Some(Default::default()), ..Default::default() }).unwrap();
    let policy = none.policy.draw(2, 16, 16, &mut stream(0));
    let refused = none.apply(&x, &AugmentationDraws { ada: None, policy }, 0.5).unwrap_err().to_string();
    assert!(refused.contains("draws are of [], the pipe \"bgc\" wants [xflip,"), "{refused}");
}
