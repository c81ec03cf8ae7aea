//! Changes in place, off the tape.

use candle_core::{Result, Tensor, bail};

use super::cpu::storage::{Element, mutate, mutate3, shares, view};
use super::cpu::update as cpu;
use super::dispatch;
use crate::update::AdamStep;
use crate::value::Value;

/// The source, copied if it lies in the target's memory, which will be locked.
fn unshared(target: &Tensor, source: &Tensor) -> Result<Tensor> {
    if shares(target, source) { source.copy() } else { Ok(source.clone()) }
}

pub(crate) fn assign(target: &Value, source: &Value) -> Result<()> {
    dispatch!("assign", [target, source], T => {
        let source = unshared(target, source)?;
        let source = view::<T>(&source)?;
        mutate("assign", target, |target: &mut [T]| target.copy_from_slice(&source))
    })
}

pub(crate) fn lerp(target: &Value, source: &Value, weight: f64) -> Result<()> {
    dispatch!("lerp", [target, source], T => {
        let source = unshared(target, source)?;
        let source = view::<T>(&source)?;
        mutate("lerp", target, |target: &mut [T]| cpu::lerp(target, &source, T::of(weight)))
    })
}

pub(crate) fn adam(step: &AdamStep, p: &Value, m: &Value, v: &Value, g: &Value) -> Result<()> {
    dispatch!("adam", [p, m, v, g], T => {
        let all = [p, m, v, g];
        if (0..4).any(|i| (0..i).any(|j| shares(all[i], all[j]))) {
            bail!("adam: parameter, moments and gradient share memory, expected an array each; use Var::copy")
        }
        let g = view::<T>(g)?;
        mutate3("adam", [p, m, v], |[p, m, v]: [&mut [T]; 3]| cpu::adam(step, p, m, v, &g))
    })
}
