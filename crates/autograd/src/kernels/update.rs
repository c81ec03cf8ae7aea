//! Changes in place, off the tape.

use candle_core::{Result, Tensor, bail};

use super::cpu::storage::{Element, mutate, mutate3, shares, view};
use super::cpu::update as cpu;
use super::{On, dispatch, on};
use crate::cuda::launch::update as cuda;
use crate::cuda::tensor::{CudaTensor, Order};
use crate::update::AdamStep;
use crate::value::Value;

/// The source, copied if it lies in the target's memory, which will be locked.
fn unshared(target: &Tensor, source: &Tensor) -> Result<Tensor> {
    if shares(target, source) { source.copy() } else { Ok(source.clone()) }
}

pub(crate) fn assign(target: &Value, source: &Value) -> Result<()> {
    // A source on the host is what states and weights are loaded from.
    let source = &source.to_device(target.device())?;
    dispatch!("assign", [target, source], T => {
        let source = unshared(target, source)?;
        let source = view::<T>(&source)?;
        mutate("assign", target, |target: &mut [T]| target.copy_from_slice(&source))
    }, cuda in any order => {
        in_place("assign", target)?;
        target.gpu().copy(target.address(), source.planes()?.address(), target.bytes())
    })
}

/// That a change of this array's memory changes it.
fn in_place(op: &str, target: &CudaTensor) -> Result<()> {
    if target.order() == Order::Planes {
        return Ok(());
    }
    bail!("{op}: the target lies pixel by pixel, expected an array of its own; use Var::copy")
}

/// Pairs of target and source.
pub(crate) fn lerp(pairs: &[[&Value; 2]], weight: f64) -> Result<()> {
    let on_gpu = group("lerp", pairs, |[target, source]| {
        dispatch!("lerp", [target, source], T => {
            let source = unshared(target, source)?;
            let source = view::<T>(&source)?;
            mutate("lerp", target, |target: &mut [T]| cpu::lerp(target, &source, T::of(weight)))
        }, cuda => cuda::lerp(&[[target, source]], weight))
    })?;
    on_gpu.iter().try_for_each(|pairs| cuda::lerp(&references(pairs), weight))
}

/// Pairs of target and source whose source is scaled, if all lie on a GPU in one type.
pub(crate) fn lerp_scaled(pairs: &[[&Value; 2]], factors: &[f64], weight: f64) -> Result<bool> {
    let mut on_gpu = Vec::with_capacity(pairs.len());
    for pair in pairs {
        let On::Cuda(pair) = on("lerp", *pair)? else { return Ok(false) };
        in_place("lerp", pair[0])?;
        on_gpu.push([pair[0].clone(), pair[1].planes()?]);
    }
    let element = |pair: &[CudaTensor; 2]| pair[0].element();
    if on_gpu.windows(2).any(|two| element(&two[0]) != element(&two[1])) {
        return Ok(false);
    }
    cuda::lerp_scaled(&references(&on_gpu), factors, weight)?;
    Ok(true)
}

/// NaN becomes 0, and infinities `most` and `-most`.
pub(crate) fn mend(arrays: &[[&Value; 1]], most: f64) -> Result<()> {
    let on_gpu = group("mend", arrays, |[array]| {
        dispatch!("mend", [array], T => {
            mutate("mend", array, |array: &mut [T]| cpu::mend(array, T::of(most)))
        }, cuda => cuda::mend(&[[array]], most))
    })?;
    on_gpu.iter().try_for_each(|arrays| cuda::mend(&references(arrays), most))
}

/// Rows of parameter, mean, square and gradient.
pub(crate) fn adam(step: &AdamStep, rows: &[[&Value; 4]]) -> Result<()> {
    let on_gpu = group("adam", rows, |row| adam_on_cpu(step, row))?;
    if on_gpu.iter().flatten().any(|row| (0..4).any(|i| (0..i).any(|j| row[i].shares(&row[j])))) {
        bail!("adam: {SHARED}")
    }
    on_gpu.iter().try_for_each(|rows| cuda::adam(step, &references(rows)))
}

const SHARED: &str = "parameter, moments and gradient share memory, expected an array each; use Var::copy";

fn references<const N: usize>(rows: &[[CudaTensor; N]]) -> Vec<[&CudaTensor; N]> {
    rows.iter().map(|row| row.each_ref()).collect()
}

/// Runs `cpu` for the rows on the CPU, and sorts those on a GPU, row-major, by element type: a launch takes one type. The first of
/// a row is what changes.
fn group<'a, const N: usize>(
    op: &str,
    rows: &[[&'a Value; N]],
    mut cpu: impl FnMut([&'a Value; N]) -> Result<()>,
) -> Result<Vec<Vec<[CudaTensor; N]>>> {
    let mut groups: Vec<Vec<[CudaTensor; N]>> = Vec::new();
    for row in rows {
        match on(op, *row)? {
            On::Cpu(_) => cpu(*row)?,
            On::Cuda(row) => {
                in_place(op, row[0])?;
                let mut in_planes = row.map(CudaTensor::clone);
                for array in &mut in_planes {
                    *array = array.planes()?;
                }
                match groups.iter_mut().find(|group| group[0][0].element() == row[0].element()) {
                    Some(group) => group.push(in_planes),
                    None => groups.push(vec![in_planes]),
                }
            }
        }
    }
    Ok(groups)
}

fn adam_on_cpu(step: &AdamStep, [p, m, v, g]: [&Value; 4]) -> Result<()> {
    dispatch!("adam", [p, m, v, g], T => {
        let all = [p, m, v, g];
        if (0..4).any(|i| (0..i).any(|j| shares(all[i], all[j]))) {
            bail!("adam: {SHARED}")
        }
        let g = view::<T>(g)?;
        mutate3("adam", [p, m, v], |[p, m, v]: [&mut [T]; 3]| cpu::adam(step, p, m, v, &g))
    }, cuda => cuda::adam(step, &[[p, m, v, g]]))
}
