//! The calls that are compared: every op, at batches above one, odd sizes, and shapes that cross a block's or a tile's end.

use candle_core::{DType, Result, Tensor};

use crate::ints::Ints;
use crate::ops::bias_act::{Activation, BiasAct};
use crate::ops::concat::concat;
use crate::ops::conv::Conv2dConfig;
use crate::ops::conv_resample::Resample;
use crate::ops::fir::Fir;
use crate::ops::gather::gather_all;
use crate::ops::mean_term::Term;
use crate::ops::modulated_conv::ModulatedConv2d;
use crate::ops::spectral_norm::{PowerIteration, spectral_norms};
use crate::ops::upfirdn::Upfirdn2d;
use crate::ops::warp::Warp;
use crate::var::Var;

type Op = Box<dyn Fn(&[Var]) -> Result<Var>>;

/// A filter or a bias in F32 beside images in a half.
fn exact(array: &Var) -> Result<Var> {
    if array.dtype() == DType::F64 { Ok(array.clone()) } else { array.to_dtype(DType::F32) }
}

/// An array of numbers spread over a range.
pub(super) struct Input {
    pub(super) shape: Vec<usize>,
    pub(super) low: f64,
    pub(super) high: f64,
}

pub(super) struct Case {
    pub(super) name: String,
    pub(super) inputs: Vec<Input>,
    pub(super) op: Op,
    /// Times the tolerance: where a root or a quotient makes more of the rounding.
    pub(super) slack: f64,
    /// Whether the op takes half precision.
    pub(super) halves: bool,
    /// Whether it convolves: a library may do so by Winograd's or Fourier's transforms, which round F32 more than a direct sum.
    pub(super) convolves: bool,
}

/// Collects cases.
#[derive(Default)]
struct Cases(Vec<Case>);

impl Cases {
    fn add(&mut self, name: &str, shapes: &[&[usize]], op: impl Fn(&[Var]) -> Result<Var> + 'static) -> &mut Case {
        self.within(name, shapes, -1.5, 1.5, op)
    }

    fn within(
        &mut self,
        name: &str,
        shapes: &[&[usize]],
        low: f64,
        high: f64,
        op: impl Fn(&[Var]) -> Result<Var> + 'static,
    ) -> &mut Case {
        let inputs = shapes.iter().map(|shape| Input { shape: shape.to_vec(), low, high }).collect();
        let convolves = name.contains("conv");
        self.0.push(Case { name: name.to_string(), inputs, op: Box::new(op), slack: 1.0, halves: true, convolves });
        self.0.last_mut().expect("just added")
    }
}

pub(super) fn all() -> Vec<Case> {
    let mut cases = Cases::default();
    elementwise(&mut cases);
    layout_and_sums(&mut cases);
    products(&mut cases);
    convolutions(&mut cases);
    activations(&mut cases);
    pools(&mut cases);
    norms(&mut cases);
    residuals(&mut cases);
    filters(&mut cases);
    losses(&mut cases);
    resampling(&mut cases);
    augmentation(&mut cases);
    geometry(&mut cases);
    cases.0
}

/// A constant of the same type and on the same device as `like`.
fn constant(values: &[f64], shape: &[usize], like: &Var) -> Result<Var> {
    let tensor = Tensor::from_slice(values, shape, &candle_core::Device::Cpu)?;
    Var::constant(tensor).to_device(&like.device())?.to_dtype(like.dtype())
}

fn elementwise(cases: &mut Cases) {
    let shapes: [&[&[usize]]; 2] = [&[&[3, 5, 7]], &[&[70_001]]];
    for shape in shapes {
        cases.add("affine", shape, |v| v[0].affine(1.7, -0.3));
        cases.add("exp", shape, |v| v[0].exp());
        cases.within("log", shape, 0.5, 3.0, |v| v[0].log());
        cases.within("sqrt", shape, 0.5, 3.0, |v| v[0].sqrt());
        cases.add("tanh", shape, |v| v[0].tanh());
        cases.add("sigmoid", shape, |v| v[0].sigmoid());
        cases.add("softplus", shape, |v| v[0].softplus());
        cases.add("leaky_relu", shape, |v| v[0].leaky_relu(0.2));
        cases.add("abs", shape, |v| v[0].abs());
        cases.add("clamp", shape, |v| v[0].clamp(-0.4, 0.9));
        cases.add("square", shape, |v| v[0].square());
    }
    let pairs: [(&str, &[&[usize]]); 5] = [
        ("same shape", &[&[3, 4, 5], &[3, 4, 5]]),
        ("a scalar", &[&[3, 4, 5], &[]]),
        ("a channel", &[&[3, 4, 5, 2], &[1, 4, 1, 1]]),
        ("both repeated", &[&[3, 1, 5, 1], &[1, 4, 1, 7]]),
        ("more axes", &[&[5], &[2, 3, 1]]),
    ];
    for (name, shapes) in pairs {
        cases.add(&format!("add, {name}"), shapes, |v| v[0].add(&v[1]));
        cases.add(&format!("sub, {name}"), shapes, |v| v[0].sub(&v[1]));
        cases.add(&format!("mul, {name}"), shapes, |v| v[0].mul(&v[1]));
        cases.within(&format!("div, {name}"), shapes, 0.5, 2.0, |v| v[0].div(&v[1])).slack = 4.0;
    }
}

fn layout_and_sums(cases: &mut Cases) {
    cases.add("reshape", &[&[3, 4, 5]], |v| v[0].reshape(&[5, 12]));
    cases.add("permute", &[&[3, 4, 5, 2]], |v| v[0].permute(&[2, 0, 3, 1]));
    cases.add("t", &[&[33, 65]], |v| v[0].t());
    for axis in 0..3 {
        cases.add(&format!("narrow of axis {axis}"), &[&[4, 5, 6]], move |v| v[0].narrow(axis, 1, 2));
        cases.add(&format!("flip of axis {axis}"), &[&[4, 5, 6]], move |v| v[0].flip(axis));
        cases.add(&format!("softmax of axis {axis}"), &[&[4, 5, 300]], move |v| v[0].softmax(axis));
        cases.add(&format!("sum of axis {axis}"), &[&[7, 40, 33]], move |v| v[0].sum_keep(&[axis]));
        cases.add(&format!("concat of axis {axis}"), &[&[3, 3, 3], &[3, 3, 3]], move |v| {
            concat(&[&v[0], &v[1].narrow(axis, 0, 2)?], axis)
        });
    }
    cases.add("sum of two axes", &[&[4, 5, 6, 7]], |v| v[0].sum_keep(&[0, 2]));
    cases.add("sum of all", &[&[40_003]], |v| v[0].sum());
    cases.add("mean of rows", &[&[3, 40_003]], |v| v[0].mean_keep(&[1]));
    cases.add("mean of columns", &[&[20_011, 3]], |v| v[0].mean_keep(&[0]));
    cases.add("broadcast_to", &[&[3, 1, 5]], |v| v[0].broadcast_to(&[2, 3, 4, 5]));
    cases.add("normalize_second_moment", &[&[5, 33]], |v| v[0].normalize_second_moment(1e-8)).slack = 4.0;
}

fn products(cases: &mut Cases) {
    for [m, k, n] in [[3, 5, 7], [65, 70, 130], [5, 5000, 3], [1, 1, 1]] {
        cases.add("matmul", &[&[m, k], &[k, n]], |v| v[0].matmul(&v[1]));
        cases.add("matmul_t", &[&[m, k], &[n, k]], |v| v[0].matmul_t(&v[1]));
        cases.add("batch_matmul", &[&[2, m, k], &[2, k, n]], |v| v[0].batch_matmul(&v[1]));
    }
}

fn convolutions(cases: &mut Cases) {
    let same = Conv2dConfig::same(3);
    cases.add("conv2d 3x3", &[&[2, 5, 9, 7], &[6, 5, 3, 3], &[6]], move |v| v[0].conv2d(&v[1], Some(&v[2]), same));
    cases.add("conv2d 3x3, with a bias of F32", &[&[2, 5, 9, 7], &[6, 5, 3, 3], &[6]], move |v| {
        v[0].conv2d(&v[1], Some(&exact(&v[2])?), same)
    });
    cases.add("conv2d 1x1", &[&[3, 70, 5, 5], &[66, 70, 1, 1]], |v| v[0].conv2d(&v[1], None, Conv2dConfig::default()));
    let strided = Conv2dConfig { stride: 2, padding: [1, 2] };
    cases.add("conv2d 4x5 stride 2", &[&[2, 3, 9, 10], &[4, 3, 4, 5]], move |v| v[0].conv2d(&v[1], None, strided));
    cases.add("conv2d of many pixels", &[&[3, 2, 40, 41], &[3, 2, 3, 3]], move |v| v[0].conv2d(&v[1], None, same));
    cases.add("relu_conv2d_relu", &[&[2, 3, 6, 5], &[4, 3, 3, 3], &[4]], move |v| {
        v[0].relu_conv2d_relu(&v[1], Some(&v[2]), same)
    });
    cases.add("relu_conv2d", &[&[2, 3, 6, 5], &[4, 3, 3, 3]], move |v| v[0].relu_conv2d(&v[1], None, same));
    for (height, width, padding) in [(3, 3, [1, 1]), (1, 1, [0, 0]), (3, 5, [1, 2]), (5, 3, [2, 0])] {
        let (filter, config) = ([4, 3, height, width], Conv2dConfig { stride: 1, padding });
        let name = format!("{height}x{width}");
        cases.add(&format!("upsample2_conv2d {name}"), &[&[2, 3, 4, 5], &filter, &[4]], move |v| {
            v[0].upsample2_conv2d(&v[1], Some(&v[2]), config)
        });
        cases.add(&format!("conv2d_avg_pool2 {name}"), &[&[2, 3, 8, 6], &filter, &[4]], move |v| {
            v[0].conv2d_avg_pool2(&v[1], Some(&v[2]), config)
        });
        if height != 3 {
            continue;
        }
        cases.add(&format!("upsample2_conv2d {name}, by a filter of F32"), &[&[2, 3, 4, 5], &filter, &[4]], move |v| {
            v[0].upsample2_conv2d(&exact(&v[1])?, Some(&v[2]), config)
        });
        cases.add(&format!("conv2d_avg_pool2 {name}, by a filter of F32"), &[&[2, 3, 8, 6], &filter, &[4]], move |v| {
            v[0].conv2d_avg_pool2(&exact(&v[1])?, Some(&v[2]), config)
        });
    }
    let doubling = Conv2dConfig { stride: 2, padding: [1, 1] };
    cases.add("conv_transpose2d", &[&[2, 3, 5, 4], &[3, 4, 4, 4], &[4]], move |v| {
        v[0].conv_transpose2d(&v[1], Some(&v[2]), doubling)
    });
    let fir = || Fir::outer(&[1.0, 3.0, 3.0, 1.0]).normalised();
    for (up, down) in [(1, 1), (2, 1), (1, 2)] {
        let resample = Resample { up, down, padding: 1, flip_weight: true };
        cases.add(&format!("conv2d_resample {up}/{down}"), &[&[2, 3, 6, 6], &[4, 3, 3, 3]], move |v| {
            v[0].conv2d_resample(&v[1], Some(&fir()), &resample)
        });
    }
    for up in [1, 2] {
        let config = ModulatedConv2d { up, padding: 1, demodulate: true, flip_weight: up == 1 };
        let side = 5 * up;
        cases.add(
            &format!("modulated_conv2d up {up}"),
            &[&[2, 3, 5, 5], &[4, 3, 3, 3], &[2, 3], &[2, 1, side, side]],
            move |v| v[0].modulated_conv2d(&v[1], &v[2], &config, Some(&fir()), Some(&v[3])),
        );
    }
}

fn activations(cases: &mut Cases) {
    use Activation::{Elu, Linear, Lrelu, Relu, Selu, Sigmoid, Softplus, Swish, Tanh};
    for activation in [Linear, Relu, Lrelu, Tanh, Sigmoid, Elu, Selu, Softplus, Swish] {
        for clamp in [None, Some(0.8)] {
            let config = BiasAct { clamp, ..BiasAct::new(activation) };
            let name = format!("bias_act {activation:?} clamp {clamp:?}");
            for shapes in [[&[3, 5, 4, 7][..], &[5]], [&[9, 33], &[33]]] {
                // Half precision puts values near the clamp on its other side, where there is no gradient.
                cases.add(&name, &shapes, move |v| v[0].bias_act(Some(&v[1]), &config)).halves = clamp.is_none();
            }
        }
        let config = BiasAct::new(activation);
        cases.add(&format!("bias_act {activation:?}, of F32"), &[&[3, 5, 4], &[5]], move |v| {
            v[0].bias_act(Some(&exact(&v[1])?), &config)
        });
        cases.add(&format!("bias_act {activation:?}"), &[&[3, 5, 4]], move |v| v[0].bias_act(None, &config));
    }
}

fn pools(cases: &mut Cases) {
    cases.add("avg_pool2", &[&[2, 3, 6, 10]], |v| v[0].avg_pool2());
    cases.add("upsample2", &[&[2, 3, 5, 3]], |v| v[0].upsample2());
    for (kernel, stride, padding) in [(3, 2, 1), (2, 2, 0), (3, 1, 1), (3, 2, 0), (5, 3, 2)] {
        let name = format!("{kernel}x{kernel} stride {stride} padding {padding}");
        let shape: &[&[usize]] = &[&[2, 3, 9, 7]];
        cases.add(&format!("max_pool2d {name}"), shape, move |v| v[0].max_pool2d(kernel, stride, padding));
        cases.add(&format!("avg_pool2d {name}"), shape, move |v| v[0].avg_pool2d(kernel, stride, padding));
    }
}

fn residuals(cases: &mut Cases) {
    let shapes: &[&[usize]] = &[&[2, 3, 6, 10], &[5, 3, 3, 3], &[5], &[2, 5, 6, 10]];
    cases.add("conv2d_onto", shapes, |v| v[0].conv2d_onto(&v[1], Some(&v[2]), &v[3], Conv2dConfig::same(3))).slack =
        4.0;
    let shapes: &[&[usize]] = &[&[2, 3, 6, 10], &[5, 3, 3, 3], &[5], &[2, 5, 3, 5]];
    cases
        .add("conv2d_avg_pool2_onto", shapes, |v| {
            let [w, b] = [exact(&v[1])?, exact(&v[2])?];
            v[0].conv2d_avg_pool2_onto(&w, Some(&b), &v[3], Conv2dConfig::same(3))
        })
        .slack = 4.0;
}

fn filters(cases: &mut Cases) {
    for shape in [[5, 3, 3, 3], [4, 70, 1, 1], [3, 40, 5, 3]] {
        cases
            .add("scaled_filter", &[&shape], |v| {
                let half = if v[0].dtype() == DType::F32 { DType::BF16 } else { v[0].dtype() };
                v[0].scaled_filter(0.7, half)?.to_dtype(v[0].dtype())
            })
            .slack = 400.0;
    }
}

fn losses(cases: &mut Cases) {
    let terms = [
        Term::Hinge { sign: -1.0 },
        Term::Softplus { sign: -1.0, slope: 0.1 },
        Term::Softplus { sign: 1.0, slope: 0.0 },
        Term::Square { shift: -1.0, factor: 0.5 },
        Term::Linear { factor: -1.0 },
    ];
    for term in terms {
        // More logits than a block has threads; one.
        for shape in [[700, 1], [1, 1]] {
            cases.add(&format!("mean of {term:?}"), &[&shape], move |v| v[0].mean_term(term)).halves = false;
        }
    }
    cases.add("gather_all", &[&[5, 7], &[4, 300]], |v| {
        let rows = gather_all(&[(&v[0], 1.0), (&v[1], 0.0)], &Ints::from(vec![3, 0, 3, 1]))?;
        concat(&rows.iter().collect::<Vec<_>>(), 1)
    });
}

fn norms(cases: &mut Cases) {
    for relu in [false, true] {
        for rows in [1, 4] {
            let name = format!("batch_norm, {rows} rows, relu {relu}");
            let shapes: &[&[usize]] = &[&[4, 3, 5, 20], &[rows, 3], &[rows, 3]];
            cases.add(&name, shapes, move |v| v[0].batch_norm(&v[1], &v[2], 1e-5, relu)).slack = 10.0;
        }
    }
    // More channels than a block takes pixel by pixel.
    let shapes: &[&[usize]] = &[&[2, 40, 3, 5], &[2, 40], &[2, 40]];
    cases.add("batch_norm of many channels", shapes, |v| v[0].batch_norm(&v[1], &v[2], 1e-5, true)).slack = 10.0;
    // A channel in two parts.
    let shapes: &[&[usize]] = &[&[2, 2, 70, 61], &[1, 2], &[1, 2]];
    cases.add("batch_norm of long channels", shapes, |v| v[0].batch_norm(&v[1], &v[2], 1e-5, true)).slack = 10.0;
    for (shape, stores) in [([6, 3, 3, 3], false), ([70, 60, 2, 1], true)] {
        cases
            .add(&format!("spectral_norm, stores {stores}"), &[&shape], move |v| {
                let u: Vec<f64> = (0..shape[0]).map(|i| 0.5 + (i % 7) as f64 / 5.0).collect();
                let (u, sigma) = (constant(&u, &[1, shape[0]], &v[0])?, constant(&[0.0], &[1], &v[0])?);
                let dtype = v[0].dtype();
                let iteration = PowerIteration { u: &u, sigma: &sigma, epsilon: 1e-8, steps: 2, stores, dtype };
                let y = v[0].spectral_norm(&iteration)?;
                // What is stored counts too.
                y.add(&u.sum()?.add(&sigma.sum()?)?)
            })
            .slack = 10.0;
    }
    // From weights in F32 to a half.
    cases
        .add("spectral_norm into a half", &[&[6, 3, 3, 3]], |v| {
            let u = constant(&[0.5, 0.7, 0.9, 1.1, 0.3, 0.8], &[1, 6], &v[0])?;
            let sigma = constant(&[0.0], &[1], &v[0])?;
            let dtype = if v[0].dtype() == DType::F32 { DType::BF16 } else { v[0].dtype() };
            let iteration = PowerIteration { u: &u, sigma: &sigma, epsilon: 1e-8, steps: 3, stores: false, dtype };
            v[0].spectral_norm(&iteration)?.to_dtype(v[0].dtype())
        })
        .slack = 400.0;
    let shapes: &[&[usize]] = &[&[6, 3, 3, 3], &[40, 130], &[1, 9]];
    cases
        .add("spectral_norms of three weights", shapes, |v| {
            let state = |w: &Var| {
                let rows = w.dims()[0];
                let u: Vec<f64> = (0..rows).map(|i| 0.5 + (i % 7) as f64 / 5.0).collect();
                Ok((constant(&u, &[1, rows], w)?, constant(&[0.0], &[1], w)?))
            };
            let states = v.iter().map(state).collect::<Result<Vec<_>>>()?;
            let dtype = v[0].dtype();
            let iteration = |(u, sigma)| PowerIteration { u, sigma, epsilon: 1e-8, steps: 1, stores: true, dtype };
            let weights: Vec<_> = v.iter().zip(states.iter().map(|(u, sigma)| iteration((u, sigma)))).collect();
            let normal = spectral_norms(&weights)?;
            let stored = states.iter().map(|(u, sigma)| u.sum()?.add(&sigma.sum()?));
            let sums = normal.iter().map(|w| w.mul(w)?.mul(w)?.sum()).chain(stored);
            sums.into_iter().try_fold(normal[0].reshape(&[162])?, |sum, more| sum.add(&more?))
        })
        .slack = 10.0;
    // A quotient that no output depends on has no cotangent.
    let shapes: &[&[usize]] = &[&[6, 3, 3, 3], &[40, 13]];
    cases
        .add("spectral_norms, one of two used", shapes, |v| {
            let u = [6, 40].map(|rows| constant(&vec![0.5; rows], &[1, rows], &v[0]));
            let (u, sigma) = (u.into_iter().collect::<Result<Vec<_>>>()?, constant(&[0.0], &[1], &v[0])?);
            let dtype = v[0].dtype();
            let iteration = |u| PowerIteration { u, sigma: &sigma, epsilon: 1e-8, steps: 2, stores: false, dtype };
            Ok(spectral_norms(&[(&v[0], iteration(&u[0])), (&v[1], iteration(&u[1]))])?.remove(1))
        })
        .slack = 10.0;
    cases.add("minibatch_stddev", &[&[8, 4, 3, 5]], |v| v[0].minibatch_stddev(Some(4), 2)).slack = 10.0;
}

fn resampling(cases: &mut Cases) {
    let shape: &[&[usize]] = &[&[2, 3, 7, 10]];
    let separable = || Fir::separable(&[1.0, 3.0, 2.0, 1.0]).normalised();
    let full = || Fir::full(&[&[1.0, 2.0, -1.0], &[0.5, 2.0, 1.0]]);
    let config = Upfirdn2d { up: [2, 3], down: [3, 2], padding: [2, 1, -1, 3], ..Upfirdn2d::default() };
    cases.add("upfirdn2d separable", shape, move |v| v[0].upfirdn2d(&separable(), &config));
    let flipped = Upfirdn2d { flip: true, gain: 1.5, ..config };
    cases.add("upfirdn2d full", shape, move |v| v[0].upfirdn2d(&full(), &flipped));
    cases.add("upsample2d", shape, move |v| v[0].upsample2d(&separable(), 2, false, 1.0));
    cases.add("downsample2d", shape, move |v| v[0].downsample2d(&separable(), 2, true, 1.0));
    cases.add("filter_per_sample", shape, |v| {
        let taps = [0.1, 0.5, 0.3, 0.7, -0.2, 0.4];
        v[0].filter_per_sample(&constant(&taps, &[2, 3], &v[0])?)
    });
    cases.add("reflect_pad2d", shape, |v| v[0].reflect_pad2d([9, 0, 6, 4]));
}

fn augmentation(cases: &mut Cases) {
    let ints = |values: &[i32]| Ints::from(values);
    let shape: &[&[usize]] = &[&[3, 3, 6, 9]];
    cases.add("gather", &[&[5, 7]], move |v| v[0].gather(&ints(&[3, 0, 3, 4, 0, 3])));
    cases.add("shift", shape, move |v| v[0].shift(&ints(&[2, -1, 9]), &ints(&[-3, 0, 1])));
    cases.add("erase", shape, move |v| v[0].erase(&ints(&[2, -1, 5]), &ints(&[-2, 7, 3]), 3, 4));
    cases.add("shift_erase", shape, move |v| {
        let (offsets, corner) = ([ints(&[2, -1, 0]), ints(&[-3, 0, 1])], [ints(&[2, -1, 5]), ints(&[-2, 7, 3])]);
        v[0].shift_erase([&offsets[0], &offsets[1]], [&corner[0], &corner[1]], [3, 4])
    });
    cases.add("erase_shift", shape, move |v| {
        let (offsets, corner) = ([ints(&[2, -1, 0]), ints(&[-3, 0, 1])], [ints(&[2, -1, 5]), ints(&[-2, 7, 3])]);
        v[0].erase_shift([&corner[0], &corner[1]], [3, 4], [&offsets[0], &offsets[1]])
    });
    cases.add("color_mix", shape, |v| {
        let rows = [0.9, 0.2, -0.1, 0.3, 1.1, 0.0, 0.4, -0.2, 0.5, 0.5, 0.5, 0.5];
        v[0].color_mix(&constant(&rows, &[3, 4], &v[0])?)
    });
    cases.add("color_matrix", shape, |v| {
        let rows: Vec<f64> = (0..36).map(|i| f64::from(i * 7 % 11) / 5.0 - 1.0).collect();
        v[0].color_matrix(&constant(&rows, &[3, 3, 4], &v[0])?)
    });
}

fn geometry(cases: &mut Cases) {
    let shape: &[&[usize]] = &[&[4, 2, 7, 10]];
    let turn = |angle: f64, scale: f64, tx: f64, ty: f64| {
        let (sin, cos) = angle.sin_cos();
        [[scale * cos, -scale * sin, tx], [scale * sin, scale * cos, ty]]
    };
    for out in [[7, 10], [9, 5]] {
        let case = cases.add(&format!("affine_sample to {out:?}"), shape, move |v| {
            let maps = [turn(0.4, 1.1, 0.1, -0.2), turn(2.0, 0.5, 0.0, 0.3), turn(0.0, 2.5, 0.0, 0.0), [[0.0; 3]; 2]];
            let theta: Vec<f64> = maps.iter().flatten().flatten().copied().collect();
            v[0].affine_sample(&constant(&theta, &[4, 2, 3], &v[0])?, out)
        });
        case.halves = false;
    }
    // Every map a different way through the kernels: turned, shrunk, far outside, whole pixels.
    let maps =
        vec![turn(0.4, 1.1, 0.6, -0.7), turn(2.0, 0.5, 0.0, 1.3), turn(0.3, 3.0, 30.0, 0.0), turn(0.0, 1.0, 2.0, -1.0)];
    let flips = vec![
        [[-1.0, 0.0, 0.0], [0.0, 1.0, 0.0]],
        turn(0.0, 1.0, 3.0, -2.0),
        turn(0.0, 1.0, 0.0, 0.0),
        turn(0.1, 1.0, 0.0, 0.0),
    ];
    let taps: [f64; 12] = std::array::from_fn(|i| f64::from((i * 5 % 12) as u32) / 33.0 - 0.05);
    for margin in [[0, 0, 0, 0], [3, 9, 6, 1]] {
        let warp = Warp::new(maps.clone(), margin, taps);
        cases.add(&format!("warp2d, margin {margin:?}"), shape, move |v| v[0].warp2d(&warp)).slack = 4.0;
        let warp = Warp::new(flips.clone(), margin, taps).nearest(vec![true, true, true, false]);
        cases.add(&format!("warp2d nearest, margin {margin:?}"), shape, move |v| v[0].warp2d(&warp)).slack = 4.0;
    }
}
