//! Bias, activation, gain and clamp: against their formulas, and twice differentiated for every activation.
#![allow(clippy::unwrap_used)]

use frugan_autograd::check::{gradgradcheck, spread};
use frugan_autograd::{Activation, BiasAct, DType, GraphMode, Result, Tensor, Var, grad};

const ALL: [Activation; 9] = [
    Activation::Linear,
    Activation::Relu,
    Activation::Lrelu,
    Activation::Tanh,
    Activation::Sigmoid,
    Activation::Elu,
    Activation::Selu,
    Activation::Softplus,
    Activation::Swish,
];

fn formula(activation: Activation, alpha: f64, x: f64) -> f64 {
    let sigmoid = 1.0 / (1.0 + (-x).exp());
    match activation {
        Activation::Linear => x,
        Activation::Relu => x.max(0.0),
        Activation::Lrelu => x.max(0.0) + alpha * x.min(0.0),
        Activation::Tanh => x.tanh(),
        Activation::Sigmoid => sigmoid,
        Activation::Elu => x.max(0.0) + x.min(0.0).exp_m1(),
        Activation::Selu => 1.0507009873554805 * (x.max(0.0) + 1.6732632423543772 * x.min(0.0).exp_m1()),
        Activation::Softplus => x.exp().ln_1p(),
        Activation::Swish => x * sigmoid,
    }
}

/// The default; a gain and a clamp that cuts on both sides; another slope and a negative gain.
fn variants(activation: Activation) -> [BiasAct; 3] {
    let default = BiasAct::new(activation);
    [
        default,
        BiasAct { gain: 1.3, clamp: Some(0.6), ..default },
        BiasAct { alpha: 0.35, gain: -0.7, clamp: Some(0.5), ..default },
    ]
}

fn inputs(shape: &[usize]) -> [Tensor; 2] {
    [spread(shape, -2.0, 2.0, 3).unwrap(), spread(&[shape[1]], -0.5, 0.5, 4).unwrap()]
}

#[test]
fn every_activation_is_its_formula() -> Result<()> {
    for shape in [&[3, 5, 4, 3][..], &[4, 70], &[2, 3, 300]] {
        let [x, b] = inputs(shape);
        let (values, biases) = (x.flatten_all()?.to_vec1::<f64>()?, b.to_vec1::<f64>()?);
        let inner: usize = shape[2..].iter().product();
        for config in ALL.into_iter().flat_map(variants) {
            let BiasAct { activation, alpha, gain, clamp } = config;
            let limit = clamp.unwrap_or(f64::INFINITY);
            let want = |i: usize, bias: f64| (formula(activation, alpha, values[i] + bias) * gain).clamp(-limit, limit);
            for (dtype, tolerance) in [(DType::F64, 1e-14), (DType::F32, 1e-6)] {
                let [x, b] = [&x, &b].map(|t| Var::from(t.to_dtype(dtype).unwrap()));
                let with = x.bias_act(Some(&b), &config)?.to_dtype(DType::F64)?.to_vec::<f64>()?;
                let without = x.bias_act(None, &config)?.to_dtype(DType::F64)?.to_vec::<f64>()?;
                for i in 0..values.len() {
                    let errors = [with[i] - want(i, biases[i / inner % shape[1]]), without[i] - want(i, 0.0)];
                    assert!(errors.iter().all(|e| e.abs() < tolerance), "{config:?} {dtype:?} at {i}: {errors:?}");
                }
            }
        }
    }
    Ok(())
}

/// Both backward passes: the fused one, and the one in ops that can be differentiated.
#[test]
fn every_activation_is_twice_differentiable() {
    for shape in [&[3, 2, 2, 3][..], &[4, 3]] {
        for config in ALL.into_iter().flat_map(variants) {
            let [x, b] = inputs(shape);
            let with = gradgradcheck(|v| v[0].bias_act(Some(&v[1]), &config), &[x.clone(), b]);
            let without = gradgradcheck(|v| v[0].bias_act(None, &config)?.square(), &[x]);
            assert!(with.is_ok() && without.is_ok(), "{config:?} {shape:?}: {with:?} {without:?}");
        }
    }
}

#[test]
fn the_fused_and_the_composed_gradient_agree_in_f32() -> Result<()> {
    for config in ALL.into_iter().flat_map(variants) {
        let [x, b] = inputs(&[3, 7, 9, 5]).map(|t| Var::leaf(t.to_dtype(DType::F32).unwrap()));
        let y = x.bias_act(Some(&b), &config)?;
        let cotangent = Var::from(spread(y.dims(), -1.0, 1.0, 9)?.to_dtype(DType::F32)?);
        let gradients = |mode| grad(&[&y], &[&cotangent], &[&x, &b], mode);
        for (fused, composed) in gradients(GraphMode::Keep)?.iter().zip(gradients(GraphMode::Create)?) {
            let errors = fused.sub(&composed)?.abs()?.to_vec::<f32>()?;
            assert!(errors.iter().all(|e| *e < 3e-5), "{config:?}: {errors:?}");
        }
    }
    Ok(())
}

#[test]
fn the_gradient_is_zero_where_values_are_cut() -> Result<()> {
    let x = Var::leaf(Tensor::new(&[[-3.0f32, -0.5, 0.5, 3.0]], &candle_core::Device::Cpu)?);
    for activation in [Activation::Linear, Activation::Lrelu, Activation::Swish] {
        let y = x.bias_act(None, &BiasAct { gain: 2.0, clamp: Some(1.2), alpha: 0.5, activation })?;
        for mode in [GraphMode::Keep, GraphMode::Create] {
            let g = grad(&[&y], &[&y.ones_like()?], &[&x], mode)?[0].to_vec::<f32>()?;
            let cut: Vec<bool> = y.to_vec::<f32>()?.iter().map(|y| y.abs() == 1.2).collect();
            assert!(cut[3] && !cut[1], "{activation:?}");
            assert!(g.iter().zip(cut).all(|(g, cut)| (*g == 0.0) == cut), "{activation:?} {mode:?}: {g:?}");
        }
    }
    Ok(())
}

#[test]
fn nan_is_not_hidden() -> Result<()> {
    for activation in ALL {
        let x = Var::from(Tensor::new(&[[f32::NAN, 1.0]], &candle_core::Device::Cpu)?);
        let y = x.bias_act(None, &BiasAct { clamp: Some(1.0), ..BiasAct::new(activation) })?.to_vec::<f32>()?;
        assert!(y[0].is_nan() && y[1].is_finite(), "{activation:?}: {y:?}");
    }
    Ok(())
}
