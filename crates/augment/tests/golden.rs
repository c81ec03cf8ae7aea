//! Every golden file of kind `diffaug`: output and gradient, in f64 and in f32, at their tolerances.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

#[path = "../../losses/tests/golden_file/mod.rs"]
mod golden_file;

use frugan_augment::{Draw, Draws, Policy};
use frugan_autograd::{DType, GraphMode, Result, Var, grad};
use golden_file::{Golden, golden};

const POLICIES: [&str; 10] = [
    "brightness",
    "saturation",
    "contrast",
    "translation",
    "cutout",
    "policy_color",
    "policy_translation",
    "policy_cutout",
    "policy_color+translation+cutout",
    "policy_cutout+translation+color",
];

#[test]
fn every_policy_at_32_pixels_and_at_odd_sizes() -> Result<()> {
    for size in ["32", "13x18"] {
        for policy in POLICIES {
            let Some(file) = golden(&format!("diffaug_{policy}_{size}")) else { return Ok(()) };
            check(&file, DType::F64)?;
            check(&file, DType::F32)?;
        }
    }
    Ok(())
}

fn check(file: &Golden, dtype: DType) -> Result<()> {
    let policy = Policy::parse(file.config["policy"].as_str().unwrap()).unwrap();
    let of_type = |name: &str| Ok::<_, candle_core::Error>(Var::leaf(file.leaf(name)?.to_tensor()?.to_dtype(dtype)?));
    let (x, cotangent) = (of_type("in.x")?, of_type("in.cotangent")?);
    let y = policy.apply(&x, &draws(file))?;
    assert_eq!(y.dtype(), dtype);
    file.compare("out.y", &y)?;
    let gradient = grad(&[&y], &[&cotangent], &[&x], GraphMode::Free)?;
    file.compare("grad.x", &gradient[0])?;
    file.assert_complete();
    Ok(())
}

/// The draws of a file: `draw.NN.<transform>.<list>`, in the order in which the reference made them.
fn draws(file: &Golden) -> Draws {
    let names = file.names("draw.");
    let uniforms = |name: &str| file.values(name).iter().map(|v| *v as f32).collect::<Vec<_>>();
    let integers = |name: &str| file.values(name).iter().map(|v| *v as i32).collect::<Vec<_>>();
    let draws = names.iter().enumerate().filter_map(|(i, name)| {
        let next = names.get(i + 1).copied().unwrap_or_default();
        Some(match name.splitn(3, '.').nth(2).unwrap() {
            "brightness.u" => Draw::Brightness { u: uniforms(name) },
            "saturation.u" => Draw::Saturation { u: uniforms(name) },
            "contrast.u" => Draw::Contrast { u: uniforms(name) },
            "translation.tx" => Draw::Translation { tx: integers(name), ty: integers(next) },
            "cutout.ox" => Draw::Cutout { ox: integers(name), oy: integers(next) },
            "translation.ty" | "cutout.oy" => return None,
            other => panic!("{other}: no such draw"),
        })
    });
    Draws::new(draws.collect()).unwrap()
}
