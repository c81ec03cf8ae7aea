//! Spectral normalisation (Miyato et al. 2018), by power steps whose vectors are constants to the tape.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use candle_core::{DType, Result, bail};

use crate::check_shapes::shape;
use crate::cuda::launch::spectral as cuda;
use crate::cuda::tensor::CudaTensor;
use crate::cuda::texts::Element;
use crate::fusion;
use crate::op::{Context, Keep, Op, apply};
use crate::tape::no_grad;
use crate::update;
use crate::value::Value;
use crate::var::Var;

/// The state of a weight's power iteration, and how far it is carried on.
#[derive(Clone, Copy, Debug)]
pub struct PowerIteration<'a> {
    /// `[1, out]`: the left vector that the last step left. Need not be of length 1.
    pub u: &'a Var,
    /// `[1]`: the largest singular value that the last step found, for logs.
    pub sigma: &'a Var,
    /// Least norm that a vector is divided by: `x / max(|x|, epsilon)`.
    pub epsilon: f64,
    /// Power steps, 1 or more.
    pub steps: usize,
    /// Whether the steps change `u` and `sigma` in place.
    pub stores: bool,
    /// The type of `W / sigma`; steps and `sigma` are in the weight's.
    pub dtype: DType,
}

/// What the power steps of one weight on a GPU found, as the gradient of its quotient reads it.
struct Divided {
    w: CudaTensor,
    u: CudaTensor,
    v: CudaTensor,
    sigma: CudaTensor,
}

/// The quotients `W / sigma` with `sigma = v W^T u^T` of many weights: one op with the weights as its inputs, whose output is a place on
/// the tape alone, and behind that a [`Quotient`] each. The cotangents of those meet here, so that the weights' are worked out together.
struct Quotients {
    divided: Vec<Divided>,
    cotangents: Arc<Cotangents>,
}

/// Of the quotients, by their number, on the way back; none of one that no output depends on.
type Cotangents = Mutex<Vec<Option<Var>>>;

impl Op for Quotients {
    fn name(&self) -> &'static str {
        "spectral_norm"
    }

    fn keep(&self) -> Keep {
        Keep::all_inputs()
    }

    fn forward(&self, _: &[&Value]) -> Result<Value> {
        place_on_tape()
    }

    fn vjp(&self, cx: &Context, _: Var) -> Result<Vec<Option<Var>>> {
        let cotangents = std::mem::replace(&mut *lock(&self.cotangents), vec![None; self.divided.len()]);
        if cx.creates_graph() { self.composed_vjp(cx, &cotangents) } else { self.fused_vjp(&cotangents) }
    }
}

impl Quotients {
    fn fused_vjp(&self, cotangents: &[Option<Var>]) -> Result<Vec<Option<Var>>> {
        let mut gradients = vec![None; cotangents.len()];
        let mut groups: Vec<(Element, Vec<(usize, CudaTensor)>)> = Vec::new();
        for (i, cotangent) in cotangents.iter().enumerate().filter_map(|(i, g)| Some((i, g.as_ref()?))) {
            let Value::Cuda(g) = cotangent.value() else { bail!("spectral_norm: a cotangent lies on the host") };
            match groups.iter_mut().find(|(element, _)| *element == g.element()) {
                Some((_, group)) => group.push((i, g.clone())),
                None => groups.push((g.element(), vec![(i, g.clone())])),
            }
        }
        for (_, group) in groups {
            let read = group.iter().map(|(i, g)| {
                let Divided { w, u, v, sigma } = &self.divided[*i];
                cuda::Divided { g, w, u, v, sigma }
            });
            let found = cuda::quotient_grads(&read.collect::<Vec<_>>())?;
            for ((i, _), gradient) in group.iter().zip(found) {
                gradients[*i] = Some(Var::with_node(Value::Cuda(gradient), None));
            }
        }
        Ok(gradients)
    }

    /// The same in ops, so that it can be differentiated.
    fn composed_vjp(&self, cx: &Context, cotangents: &[Option<Var>]) -> Result<Vec<Option<Var>>> {
        let gradient = |i: usize, g: &Var| {
            let (w, Divided { u, v, .. }) = (cx.input(i), &self.divided[i]);
            let [u, v] = [u, v].map(|array| Var::with_node(Value::Cuda(array.clone()), None));
            let g = g.to_dtype(w.dtype())?;
            let matrix = w.reshape(&[u.elem_count(), v.elem_count()])?;
            let sigma = sigma_of(&matrix, &u, &v)?;
            let along = g.mul(w)?.sum()?.div(&sigma.square()?)?;
            g.div(&sigma)?.sub(&u.t()?.mul(&v)?.mul(&along)?.reshape(w.dims())?)
        };
        let all = cotangents.iter().enumerate();
        all.map(|(i, g)| g.as_ref().map(|g| gradient(i, g)).transpose()).collect()
    }
}

/// One of [`Quotients`]; all are one launch, so that it is there when the op is applied.
struct Quotient {
    number: usize,
    normal: CudaTensor,
    cotangents: Arc<Cotangents>,
}

impl Op for Quotient {
    fn name(&self) -> &'static str {
        "spectral_norm"
    }

    fn forward(&self, _: &[&Value]) -> Result<Value> {
        Ok(Value::Cuda(self.normal.clone()))
    }

    fn vjp(&self, _: &Context, g: Var) -> Result<Vec<Option<Var>>> {
        lock(&self.cotangents)[self.number] = Some(g);
        // Which says no more than that there is a cotangent.
        Ok(vec![Some(Var::with_node(place_on_tape()?, None))])
    }
}

/// A number on the host that nobody reads: adding two asks nothing of a GPU.
fn place_on_tape() -> Result<Value> {
    Ok(Value::Cpu(candle_core::Tensor::zeros((), DType::F32, &candle_core::Device::Cpu)?))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn sigma_of(matrix: &Var, u: &Var, v: &Var) -> Result<Var> {
    v.matmul_t(matrix)?.mul(u)?.sum()
}

impl Var {
    /// `W / sigma(W)` of a weight W, seen as the matrix `[out, rest]`, after `steps` of `v = unit(u W)`,
    /// `u' = unit(v W^T)`, with `sigma = v W^T u'^T`. The vectors are constants to the tape, `sigma` is not.
    ///
    /// # Errors
    /// If `u` is not `[1, out]`, `sigma` not `[1]`, or a device fails.
    pub fn spectral_norm(&self, iteration: &PowerIteration<'_>) -> Result<Var> {
        Ok(spectral_norms(&[(self, *iteration)])?.remove(0))
    }
}

/// [`Var::spectral_norm`] of many weights: on a GPU in as many launches as of one.
///
/// # Errors
/// As [`Var::spectral_norm`].
pub fn spectral_norms(weights: &[(&Var, PowerIteration<'_>)]) -> Result<Vec<Var>> {
    for (weight, PowerIteration { u, sigma, .. }) in weights {
        let rows = weight.dims().first().copied().unwrap_or(1);
        shape("spectral_norm", "u", &[1, rows], u)?;
        shape("spectral_norm", "sigma", &[1], sigma)?;
    }
    let mut normal = Vec::with_capacity(weights.len());
    // Weights of one network are alike in this.
    for alike in weights
        .chunk_by(|(a, of_a), (b, of_b)| (a.device(), a.dtype(), of_a.steps) == (b.device(), b.dtype(), of_b.steps))
    {
        match together(alike)? {
            Some(on_gpu) => normal.extend(quotients(alike, &on_gpu)?),
            None => {
                let each = alike.iter().map(|(weight, iteration)| by_ops(weight, iteration));
                normal.extend(each.collect::<Result<Vec<_>>>()?);
            }
        }
    }
    Ok(normal)
}

/// The weights as the GPU's launches take them, if they lie there and fusion is on.
fn together<'a>(weights: &[(&'a Var, PowerIteration<'a>)]) -> Result<Option<Vec<cuda::Weight<'a>>>> {
    let on_gpu = |&(weight, iteration): &(&'a Var, PowerIteration<'a>)| {
        let [Value::Cuda(w), Value::Cuda(u), Value::Cuda(sigma)] =
            [weight, iteration.u, iteration.sigma].map(Var::value)
        else {
            return None;
        };
        let kept = iteration.stores.then_some([u, sigma]);
        let element = Element::of("spectral_norm", iteration.dtype);
        // Of other types than halves the quotient is converted like anything else.
        let element = element.map(|e| if e.bytes() == 2 { e } else { w.element() });
        let weight = |w| Ok(cuda::Weight { w, u, epsilon: iteration.epsilon, element: element?, kept });
        Some(w.planes().and_then(weight))
    };
    let all: Option<Result<Vec<_>>> = if fusion::is_off() { None } else { weights.iter().map(on_gpu).collect() };
    all.transpose()
}

fn quotients(weights: &[(&Var, PowerIteration<'_>)], on_gpu: &[cuda::Weight<'_>]) -> Result<Vec<Var>> {
    let steps = weights.first().map_or(1, |(_, iteration)| iteration.steps.max(1));
    let found = cuda::normalise(on_gpu, steps)?;
    let cotangents: Arc<Cotangents> = Arc::new(Mutex::new(vec![None; weights.len()]));
    let (mut divided, mut normals) = (Vec::with_capacity(weights.len()), Vec::with_capacity(weights.len()));
    for (weight, cuda::Found { u, v, sigma, normal }) in on_gpu.iter().zip(found) {
        divided.push(Divided { w: weight.w.clone(), u, v, sigma });
        normals.push(normal);
    }
    let inputs: Vec<&Var> = weights.iter().map(|(weight, _)| *weight).collect();
    let together = apply(Quotients { divided, cotangents: cotangents.clone() }, &inputs)?;
    let on_tape = weights.iter().zip(normals).enumerate().map(|(number, ((_, iteration), normal))| {
        let quotient = Quotient { number, normal, cotangents: cotangents.clone() };
        apply(quotient, &[&together])?.to_dtype(iteration.dtype)
    });
    on_tape.collect()
}

fn by_ops(weight: &Var, iteration: &PowerIteration<'_>) -> Result<Var> {
    let PowerIteration { u, sigma, epsilon, steps, stores, dtype } = *iteration;
    let rows = weight.dims().first().copied().unwrap_or(1);
    let matrix = weight.reshape(&[rows, weight.elem_count() / rows.max(1)])?;
    let (next, v) = no_grad(|| power_steps(&matrix, u, epsilon, steps))?;
    let found = sigma_of(&matrix, &next, &v)?;
    if stores {
        update::assign(u, &next)?;
        no_grad(|| update::assign(sigma, &found.detach().reshape(&[1])?))?;
    }
    weight.div(&found)?.to_dtype(dtype)
}

fn power_steps(matrix: &Var, start: &Var, epsilon: f64, steps: usize) -> Result<(Var, Var)> {
    let unit = |x: &Var| x.div(&x.square()?.sum()?.sqrt()?.clamp(epsilon, f64::INFINITY)?);
    let mut u = start.clone();
    let mut v = None;
    for _ in 0..steps.max(1) {
        let right = unit(&u.detach().matmul(matrix)?)?;
        u = unit(&right.matmul_t(matrix)?)?;
        v = Some(right);
    }
    Ok((u, v.expect("at least one step")))
}

#[cfg(test)]
mod tests {
    use candle_core::Tensor;

    use super::*;
    use crate::check::{gradcheck, spread};
    use crate::device::Device;

    #[test]
    fn gradients_are_those_of_differences() -> Result<()> {
        let u = Var::constant(spread(&[1, 3], 0.2, 1.0, 2)?);
        let sigma = Var::zeros(&[1], DType::F64, &Device::Cpu)?;
        // Many steps, for at a singular vector sigma does not depend on the constants u and v to first order.
        let iteration =
            PowerIteration { u: &u, sigma: &sigma, epsilon: 1e-12, steps: 200, stores: false, dtype: DType::F64 };
        let f = |inputs: &[Var]| inputs[0].spectral_norm(&iteration);
        let w = spread(&[3, 2, 2], -1.0, 1.0, 1)?;
        gradcheck(f, std::slice::from_ref(&w))
    }

    #[test]
    fn steps_lead_to_the_largest_singular_value_and_are_kept_where_asked() -> Result<()> {
        let w = Var::constant(Tensor::new(&[[3.0f64, 0.0], [0.0, -2.0]], &candle_core::Device::Cpu)?);
        let u = Var::constant(Tensor::new(&[[1.0f64, 1.0]], &candle_core::Device::Cpu)?);
        let sigma = Var::zeros(&[1], DType::F64, &Device::Cpu)?;
        let mut iteration =
            PowerIteration { u: &u, sigma: &sigma, epsilon: 1e-12, steps: 40, stores: false, dtype: DType::F64 };
        let normal = w.spectral_norm(&iteration)?.to_vec::<f64>()?;
        assert!((normal[0] - 1.0).abs() < 1e-12 && (normal[3] + 2.0 / 3.0).abs() < 1e-12, "{normal:?}");
        assert_eq!((u.to_vec::<f64>()?, sigma.to_vec::<f64>()?), (vec![1.0, 1.0], vec![0.0]));
        iteration.stores = true;
        w.spectral_norm(&iteration)?;
        assert!((sigma.to_vec::<f64>()?[0] - 3.0).abs() < 1e-12);
        assert!((u.to_vec::<f64>()?[0].abs() - 1.0).abs() < 1e-12);
        Ok(())
    }
}
