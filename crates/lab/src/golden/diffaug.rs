//! Kind `diffaug`: the policies of DiffAugment, forward and gradient.

use anyhow::{Context, Result, bail};
use frugan_augment::{Draw, Draws, Policy, Transform};
use frugan_autograd::{GraphMode, grad};
use serde::Deserialize;

use super::check::Check;
use super::file::{Array, GoldenFile};

#[derive(Deserialize)]
struct Config {
    policy: String,
}

pub(super) fn check(file: &GoldenFile, check: &mut Check) -> Result<()> {
    let policy = Policy::parse(&file.config::<Config>()?.policy)?;
    let draws = policy_draws(&policy, &mut file.draws().map(|(_, array)| array))?;
    let x = file.leaf("in.x")?;
    let y = policy.apply(&x, &draws)?;
    check.var("out.y", &y)?;
    let gradients = grad(&[&y], &[&file.constant("in.cotangent")?], &[&x], GraphMode::Free)?;
    check.var("grad.x", &gradients[0])
}

/// The draws of a policy, taken from arrays that stand in the order in which the reference drew them.
pub(super) fn policy_draws(policy: &Policy, arrays: &mut dyn Iterator<Item = &Array>) -> Result<Draws> {
    let mut next = || arrays.next().context("the file has fewer draws than its policy takes");
    let mut draws = Vec::new();
    for transform in policy.transforms() {
        draws.push(match transform {
            Transform::Brightness => Draw::Brightness { u: next()?.to_f32() },
            Transform::Saturation => Draw::Saturation { u: next()?.to_f32() },
            Transform::Contrast => Draw::Contrast { u: next()?.to_f32() },
            Transform::Translation => Draw::Translation { tx: next()?.to_i32(), ty: next()?.to_i32() },
            Transform::Cutout => Draw::Cutout { ox: next()?.to_i32(), oy: next()?.to_i32() },
            Transform::Extra(extra) => bail!("{} is no transform of the reference", extra.name()),
        });
    }
    Ok(Draws::new(draws)?)
}
