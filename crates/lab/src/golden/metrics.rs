//! Kind `metrics`: FID, IS, KID, precision and recall, and what images go through before the network.

use anyhow::{Result, bail};
use frugan_metrics::resize::{half_pixel_bilinear, tf1_bilinear, tf1_bilinear_adjoint};
use frugan_metrics::{
    Features, Gaussian, KidSubsets, Logits, Moments, SplitRule, Spread, inception_score, kid, prdc,
    to_uint8_diffaugment, to_uint8_stylegan,
};
use serde::Deserialize;

use super::CheckKind;
use super::check::Check;
use super::file::{Array, GoldenFile};

pub(super) fn check_of(case: &str) -> Option<CheckKind> {
    Some(match case {
        "fid" => fid_of_gaussians,
        "fid_features" => fid_of_features,
        "inception_score" => score,
        "kid" => kernel_distance,
        "prdc" => precision_and_recall,
        "tf1_resize" => tf1_resize,
        "halfpixel_resize" => half_pixel_resize,
        "to_uint8" => to_bytes,
        _ => return None,
    })
}

fn features(array: &Array) -> Result<Features> {
    Ok(Features::new(array.shape[1], array.to_f32())?)
}

/// One distance stands for all: the references differ in how they take the matrix root, not in what they mean.
fn fid_of_gaussians(file: &GoldenFile, check: &mut Check) -> Result<()> {
    let gaussian = |i: usize| -> Result<Gaussian> {
        let values = |name: &str| Ok::<_, anyhow::Error>(file.array(&format!("in.{name}{i}"))?.values.clone());
        Ok(Gaussian::new(values("mu")?, values("sigma")?)?)
    };
    let distance = gaussian(1)?.distance(&gaussian(2)?)?;
    ["out.fid", "out.fid_ada", "out.fid_pytorch_fid", "out.fid_torch_fidelity"]
        .into_iter()
        .try_for_each(|name| check.value(name, distance))
}

fn fid_of_features(file: &GoldenFile, check: &mut Check) -> Result<()> {
    let moments = |name: &str| -> Result<Moments> { Ok(Moments::of(&features(file.array(name)?)?)?) };
    let (first, second) = (moments("in.f1")?, moments("in.f2")?);
    for (ddof, suffix) in [(1, ""), (0, "_ada")] {
        check.values(&format!("out.mu1{suffix}"), first.mean())?;
        check.values(&format!("out.sigma1{suffix}"), first.covariance(ddof)?)?;
        let distance = Gaussian::of(&first, ddof)?.distance(&Gaussian::of(&second, ddof)?)?;
        check.value(&format!("out.fid{suffix}"), distance)?;
    }
    Ok(())
}

fn score(file: &GoldenFile, check: &mut Check) -> Result<()> {
    #[derive(Deserialize)]
    struct Config {
        splits: usize,
    }
    let array = file.array("in.logits")?;
    let logits = Logits { values: array.to_f32(), classes: array.shape[1] };
    let splits = file.config::<Config>()?.splits;
    for (suffix, rule) in [("", SplitRule::Even), ("_ada", SplitRule::Even), ("_bg", SplitRule::Floor)] {
        let Spread { mean, std } = inception_score(&logits, splits, rule)?;
        check.value(&format!("out.mean{suffix}"), mean)?;
        check.value(&format!("out.std{suffix}"), std)?;
    }
    Ok(())
}

fn kernel_distance(file: &GoldenFile, check: &mut Check) -> Result<()> {
    #[derive(Deserialize)]
    struct Config {
        subset_size: usize,
    }
    let indices = |array: &Array| array.values.iter().map(|&index| index as u32).collect();
    let subsets = KidSubsets {
        size: file.config::<Config>()?.subset_size,
        fakes: indices(file.array("draw.00.gen_idx")?),
        reals: indices(file.array("draw.01.real_idx")?),
    };
    let values = kid(&features(file.array("in.gen")?)?, &features(file.array("in.real")?)?, &subsets)?;
    let Spread { mean, std } = Spread::of(&values);
    check.values("out.per_subset", values)?;
    check.value("out.kid", mean)?;
    check.value("out.std", std)
}

fn precision_and_recall(file: &GoldenFile, check: &mut Check) -> Result<()> {
    #[derive(Deserialize)]
    struct Config {
        k: usize,
    }
    let got = prdc(&features(file.array("in.real")?)?, &features(file.array("in.fake")?)?, file.config::<Config>()?.k)?;
    check.value("out.precision", got.precision)?;
    check.value("out.recall", got.recall)?;
    check.value("out.density", got.density)?;
    check.value("out.coverage", got.coverage)?;
    check.value("out.precision_le", got.precision_le)?;
    check.value("out.recall_le", got.recall_le)?;
    check.values("out.real_radii", got.real_radii)
}

/// (height, width) of an array's planes.
fn side(array: &Array) -> Result<(usize, usize)> {
    let [.., height, width] = array.shape[..] else { bail!("shape {:?} has no planes", array.shape) };
    Ok((height, width))
}

fn tf1_resize(file: &GoldenFile, check: &mut Check) -> Result<()> {
    let (x, cotangent) = (file.array("in.x")?, file.array("in.cotangent")?);
    let (input, output) = (side(x)?, side(cotangent)?);
    let y = tf1_bilinear(&x.to_f32(), input, output);
    check.f32s("out.normalised", &y.iter().map(|value| (value - 128.0) / 128.0).collect::<Vec<_>>())?;
    check.f32s("out.y", &y)?;
    check.f32s("grad.x", &tf1_bilinear_adjoint(&cotangent.to_f32(), input, output))
}

fn half_pixel_resize(file: &GoldenFile, check: &mut Check) -> Result<()> {
    let x = file.array("in.x")?;
    let y = half_pixel_bilinear(&x.to_f32(), side(x)?, side(file.array("out.y")?)?);
    check.f32s("out.normalised", &y.iter().map(|value| 2.0 * value - 1.0).collect::<Vec<_>>())?;
    check.f32s("out.y", &y)
}

fn to_bytes(file: &GoldenFile, check: &mut Check) -> Result<()> {
    let x = file.array("in.x")?.to_f32();
    check.values("out.u8_bg", to_uint8_diffaugment(&x).into_iter().map(f64::from))?;
    check.values("out.u8_ada", to_uint8_stylegan(&x).into_iter().map(f64::from))
}
