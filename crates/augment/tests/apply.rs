//! The transforms on images: pixel for pixel, for bad input, and for any number of threads.
#![allow(clippy::unwrap_used)]

use frugan_augment::{CrAugment, CrDraws, Draw, Draws, Policy};
use frugan_autograd::{DType, Device, GraphMode, Result, Tensor, Var, concat, grad};
use frugan_nn::{Purpose, Stream};
use proptest::prelude::*;

fn images(dims: [usize; 4], step: u64) -> Var {
    let values = Stream::new(1, Purpose::new("test.images"), step).normals(dims.iter().product());
    Var::leaf(Tensor::from_vec(values, &dims[..], &candle_core::Device::Cpu).unwrap())
}

fn stream() -> Stream {
    Stream::new(2, Purpose::new("test.augment"), 0)
}

#[test]
fn an_empty_policy_is_the_identity() -> Result<()> {
    let x = images([2, 3, 8, 8], 0);
    let y = Policy::default().apply(&x, &Draws::default())?;
    assert_eq!(x.to_vec::<f32>()?, y.to_vec::<f32>()?);
    Ok(())
}

/// Row i of the output is row i + tx of the input: tx moves rows although it is called x.
#[test]
fn tx_moves_rows_and_ty_columns() -> Result<()> {
    let x = images([1, 1, 16, 8], 0);
    let draws = Draws::new(vec![Draw::Translation { tx: vec![2], ty: vec![-1] }]).unwrap();
    let y = Policy::parse("translation").unwrap().apply(&x, &draws)?.to_vec::<f32>()?;
    let x = x.to_vec::<f32>()?;
    for (i, j) in (0..16).flat_map(|i| (0..8).map(move |j| (i, j))) {
        let want = if i + 2 < 16 && j >= 1 { x[(i + 2) * 8 + j - 1] } else { 0.0 };
        assert_eq!(y[i * 8 + j], want, "row {i}, column {j}");
    }
    Ok(())
}

/// The examples of an even and an odd rectangle at the borders.
#[test]
fn cutout_zeroes_what_lies_inside() -> Result<()> {
    // (side, centre, first and one past the last zeroed row)
    for (side, o, rows) in
        [(32, 0, 0..8), (32, 32, 24..32), (32, 16, 8..24), (13, 0, 0..4), (13, 12, 9..13), (13, 6, 3..10)]
    {
        let ones = Var::full(1.0, &[1, 2, side, 1], DType::F32, &Device::Cpu)?;
        let draws = Draws::new(vec![Draw::Cutout { ox: vec![o], oy: vec![0] }]).unwrap();
        let y = Policy::parse("cutout").unwrap().apply(&ones, &draws)?.to_vec::<f32>()?;
        let zeroed: Vec<usize> = (0..side).filter(|i| y[*i] == 0.0).collect();
        assert_eq!(zeroed, rows.collect::<Vec<_>>(), "side {side}, centre {o}");
        assert_eq!(y[..side], y[side..], "both channels alike");
    }
    Ok(())
}

#[test]
fn nothing_is_clamped() -> Result<()> {
    let white = Var::full(1.0, &[1, 3, 2, 2], DType::F32, &Device::Cpu)?;
    let draws = Draws::new(vec![Draw::Brightness { u: vec![0.75] }]).unwrap();
    assert_eq!(Policy::parse("brightness").unwrap().apply(&white, &draws)?.to_vec::<f32>()?, [1.25; 12]);
    Ok(())
}

/// Reals of a (fakes, reals) batch come out as they do inside the whole: what table 1's rows rest on.
#[test]
fn a_part_is_augmented_as_inside_the_whole() -> Result<()> {
    let policy = Policy::parse("color,translation,cutout").unwrap();
    let (fakes, reals) = (images([3, 3, 16, 16], 0), images([3, 3, 16, 16], 1));
    let draws = policy.draw(6, 16, 16, &mut stream());
    let whole = policy.apply(&concat(&[&fakes, &reals], 0)?, &draws)?.narrow(0, 3, 3)?;
    let part = policy.apply(&reals, &draws.narrow(3, 3))?;
    assert_eq!(whole.to_vec::<f32>()?, part.to_vec::<f32>()?);
    Ok(())
}

/// The same transform twice, in one policy, is the transform applied twice.
#[test]
fn duplicates_act_twice() -> Result<()> {
    for name in ["color", "translation", "cutout", "translation,cutout"] {
        let (once, twice) = (Policy::parse(name).unwrap(), Policy::parse(&format!("{name},{name}")).unwrap());
        let x = images([4, 3, 16, 16], 0);
        let draws = twice.draw(4, 16, 16, &mut stream());
        let (first, second) = draws.as_slice().split_at(once.transforms().len());
        let part = |draws: &[Draw]| Draws::new(draws.to_vec()).unwrap();
        let want = once.apply(&once.apply(&x, &part(first))?, &part(second))?.to_vec::<f32>()?;
        let got = twice.apply(&x, &draws)?.to_vec::<f32>()?;
        assert!(want.iter().zip(&got).all(|(want, got)| (want - got).abs() <= 1e-5), "{name}");
    }
    Ok(())
}

#[test]
fn flips_mirror_the_width_of_the_chosen_images() -> Result<()> {
    let x = images([2, 3, 4, 6], 0);
    let draws = CrDraws { flip: vec![true, false], draws: Draws::default() };
    let y = CrAugment::parse("flip").unwrap().apply(&x, &draws)?;
    assert_eq!(y.narrow(0, 0, 1)?.to_vec::<f32>()?, x.narrow(0, 0, 1)?.flip(3)?.to_vec::<f32>()?);
    assert_eq!(y.narrow(0, 1, 1)?.to_vec::<f32>()?, x.narrow(0, 1, 1)?.to_vec::<f32>()?);
    Ok(())
}

#[test]
fn threads_do_not_change_a_bit() -> Result<()> {
    let policy = Policy::parse("color,translation,cutout").unwrap();
    let (x, cotangent) = (images([64, 3, 32, 32], 0), images([64, 3, 32, 32], 1));
    let draws = policy.draw(64, 32, 32, &mut stream());
    let run = |threads| {
        rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(|| {
            let y = policy.apply(&x, &draws)?;
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
fn draws_that_do_not_fit_are_refused() {
    let x = images([2, 3, 32, 32], 0);
    let apply = |policy: &str, draws: Vec<Draw>| {
        Policy::parse(policy).unwrap().apply(&x, &Draws::new(draws).unwrap()).unwrap_err().to_string()
    };
    for (policy, draw, want) in [
        (
            "cutout",
            Draw::Brightness { u: vec![0.5; 2] },
            "draws are of [brightness], the policy \"cutout\" wants others",
        ),
        ("brightness", Draw::Brightness { u: vec![0.5; 3] }, "draws are for 3 images, the batch has 2"),
        (
            "translation",
            Draw::Translation { tx: vec![0, 5], ty: vec![0, 0] },
            "translation.tx[1] = 5, but a side of 32 pixels allows -4 to 4",
        ),
        ("cutout", Draw::Cutout { ox: vec![0, 0], oy: vec![-1, 0] }, "cutout.oy[0] = -1"),
    ] {
        let error = apply(policy, vec![draw]);
        assert!(error.contains(want), "{error}");
    }
    let flat = Var::zeros(&[2, 12], DType::F32, &Device::Cpu).unwrap();
    let error = Policy::default().apply(&flat, &Draws::default()).unwrap_err().to_string();
    assert!(error.contains("images have shape [2, 12], want [N, C, H, W]"), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    /// Any shape keeps its shape; pixels that only moved or stayed are the input's; and draws ignore the channels.
    #[test]
    fn any_shape_goes_through(n in 1..4usize, c in 1..5usize, h in 1..20usize, w in 1..20usize) {
        let policy = Policy::parse("translation,cutout").unwrap();
        let draws = policy.draw(n, h, w, &mut stream());
        let x = images([n, c, h, w], 0);
        let y = policy.apply(&x, &draws).unwrap();
        prop_assert_eq!(y.dims(), x.dims());
        let known = x.to_vec::<f32>().unwrap();
        prop_assert!(y.to_vec::<f32>().unwrap().iter().all(|v| *v == 0.0 || known.contains(v)));
        let first = policy.apply(&x.narrow(1, 0, 1).unwrap(), &draws).unwrap();
        prop_assert_eq!(first.to_vec::<f32>().unwrap(), y.narrow(1, 0, 1).unwrap().to_vec::<f32>().unwrap());
        let all = Policy::parse("color,cutout,translation").unwrap();
        let y = all.apply(&x, &all.draw(n, h, w, &mut stream())).unwrap();
        prop_assert!(y.to_vec::<f32>().unwrap().iter().all(|v| v.is_finite()));
    }
}
