//! Batch, running, grouped and standing statistics.
#![allow(clippy::unwrap_used)]

use candle_nn::{BatchNormConfig, ModuleT, VarBuilder};
use frugan_autograd::{DType, Device, GraphMode, Ints, Var, concat, grad_of_scalar};
use frugan_nn::{
    BatchNorm, BatchNormOptions, Builder, ClassBatchNorm, Condition, ConditionKind, Init, LayerOptions, Mode, Params,
    Purpose,
};

const CHANNELS: usize = 3;

fn norm(options: BatchNormOptions) -> (BatchNorm, Params) {
    let builder = Builder::new(0, Purpose::new("test"), DType::F64, &Device::Cpu);
    let norm = BatchNorm::new(&builder, CHANNELS, options).unwrap();
    (norm, builder.finish())
}

fn images(seed: u64, batch: usize) -> Var {
    let builder = Builder::new(seed, Purpose::new("images"), DType::F64, &Device::Cpu);
    builder.weight("x", &[batch, CHANNELS, 4, 2], Init::Normal(1.5)).unwrap().affine(1.0, 0.3).unwrap()
}

fn values(params: &Params, name: &str) -> Vec<f64> {
    params.get(name).unwrap().to_vec().unwrap()
}

fn close(a: &[f64], b: &[f64], tolerance: f64) {
    assert_eq!(a.len(), b.len());
    let error = a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    assert!(error <= tolerance, "off by {error:e}");
}

/// Mean and unbiased variance of each channel.
fn moments(x: &Var) -> (Vec<f64>, Vec<f64>) {
    let planes = x.permute(&[1, 0, 2, 3]).unwrap().to_vec::<f64>().unwrap();
    let count = planes.len() / CHANNELS;
    planes
        .chunks_exact(count)
        .map(|c| {
            let mean = c.iter().sum::<f64>() / count as f64;
            (mean, c.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (count as f64 - 1.0))
        })
        .unzip()
}

#[test]
fn training_and_running_statistics_are_those_of_candle() {
    let (ours, params) = norm(BatchNormOptions::default());
    let mut theirs_map = std::collections::HashMap::new();
    for (theirs, name) in
        [("weight", "gain"), ("bias", "bias"), ("running_mean", "stored_mean"), ("running_var", "stored_var")]
    {
        theirs_map.insert(theirs.to_string(), params.get(name).unwrap().to_tensor().unwrap().copy().unwrap());
    }
    let builder = VarBuilder::from_tensors(theirs_map, DType::F64, &candle_core::Device::Cpu);
    let theirs =
        candle_nn::batch_norm(CHANNELS, BatchNormConfig { momentum: 0.1, ..Default::default() }, builder).unwrap();
    for seed in 0..3 {
        let x = images(seed, 5);
        let y = theirs.forward_t(&x.to_tensor().unwrap(), true).unwrap();
        let got = ours.forward(&x, Mode::Train).unwrap().to_vec::<f64>().unwrap();
        close(&got, &y.flatten_all().unwrap().to_vec1::<f64>().unwrap(), 1e-12);
    }
    close(&values(&params, "stored_mean"), &theirs.running_mean().to_vec1::<f64>().unwrap(), 1e-12);
    close(&values(&params, "stored_var"), &theirs.running_var().to_vec1::<f64>().unwrap(), 1e-12);
    let x = images(9, 2);
    let y = theirs.forward_t(&x.to_tensor().unwrap(), false).unwrap();
    let got = ours.forward(&x, Mode::Running).unwrap().to_vec::<f64>().unwrap();
    close(&got, &y.flatten_all().unwrap().to_vec1::<f64>().unwrap(), 1e-12);
    let relu = ours.forward_relu(&x, Mode::Running).unwrap().to_vec::<f64>().unwrap();
    let clamped: Vec<f64> = got.iter().map(|v| v.max(0.0)).collect();
    close(&relu, &clamped, 0.0);
}

#[test]
fn batch_mode_stores_nothing() {
    let (ours, params) = norm(BatchNormOptions::default());
    let x = images(1, 4);
    let batch = ours.forward(&x, Mode::Batch).unwrap().to_vec::<f64>().unwrap();
    assert_eq!(values(&params, "stored_mean"), [0.0; CHANNELS]);
    assert_eq!(values(&params, "stored_var"), [1.0; CHANNELS]);
    close(&batch, &ours.forward(&x, Mode::Train).unwrap().to_vec::<f64>().unwrap(), 0.0);
    assert_ne!(values(&params, "stored_mean"), [0.0; CHANNELS]);
}

#[test]
fn a_group_is_a_batch_of_its_own() {
    let group = 3;
    let (grouped, grouped_params) = norm(BatchNormOptions { group, ..Default::default() });
    let (single, single_params) = norm(BatchNormOptions::default());
    // 8 = 3 + 3 + 2: the last group is smaller.
    let x = Var::leaf(images(2, 8).to_tensor().unwrap());
    let parts: Vec<Var> = [(0, 3), (3, 3), (6, 2)].iter().map(|(at, len)| x.narrow(0, *at, *len).unwrap()).collect();
    let want: Vec<Var> = parts
        .iter()
        .enumerate()
        .map(|(i, part)| single.forward_relu(part, if i == 0 { Mode::Train } else { Mode::Batch }).unwrap())
        .collect();
    let want = concat(&want.iter().collect::<Vec<_>>(), 0).unwrap();
    let got = grouped.forward_relu(&x, Mode::Train).unwrap();
    close(&got.to_vec::<f64>().unwrap(), &want.to_vec::<f64>().unwrap(), 0.0);
    for name in ["stored_mean", "stored_var"] {
        assert_eq!(values(&grouped_params, name), values(&single_params, name), "buffers are the first group's");
    }
    let grads = |y: &Var| {
        let loss = y.mul(&x).unwrap().sum().unwrap();
        grad_of_scalar(&loss, &[&x], GraphMode::Free).unwrap()[0].to_vec::<f64>().unwrap()
    };
    close(&grads(&got), &grads(&want), 1e-14);
}

#[test]
fn standing_statistics_are_the_mean_over_passes() {
    let (ours, params) = norm(BatchNormOptions::default());
    let batches: Vec<Var> = (0..4).map(|seed| images(seed, 4)).collect();
    for (pass, x) in batches.iter().enumerate() {
        ours.forward(x, Mode::Standing { pass }).unwrap();
    }
    let (means, variances): (Vec<_>, Vec<_>) = batches.iter().map(moments).unzip();
    let over_passes = |each: &[Vec<f64>]| -> Vec<f64> {
        (0..CHANNELS).map(|c| each.iter().map(|m| m[c]).sum::<f64>() / each.len() as f64).collect()
    };
    close(&values(&params, "stored_mean"), &over_passes(&means), 1e-12);
    close(&values(&params, "stored_var"), &over_passes(&variances), 1e-12);
}

#[test]
fn class_conditional_gain_and_bias_are_by_label() {
    let builder = Builder::new(5, Purpose::new("test"), DType::F64, &Device::Cpu);
    let kind = ConditionKind::Labels { num_classes: 4 };
    let layer = LayerOptions { init: Init::Normal(0.5), ..Default::default() };
    let ours = ClassBatchNorm::new(&builder, CHANNELS, kind, &layer, BatchNormOptions::default()).unwrap();
    let params = builder.finish();
    let (plain, _) = norm(BatchNormOptions::default());
    let x = images(3, 3);
    let labels = [2usize, 0, 2];
    let ints: Ints = labels.iter().map(|l| *l as i32).collect();
    let got = ours.forward_relu(&x, Condition::Labels(&ints), Mode::Batch).unwrap().to_vec::<f64>().unwrap();
    let normalised = plain.forward(&x, Mode::Batch).unwrap().to_vec::<f64>().unwrap();
    let (gain, bias) = (values(&params, "gain.weight"), values(&params, "bias.weight"));
    let want: Vec<f64> = normalised
        .iter()
        .enumerate()
        .map(|(i, v)| {
            let (n, c) = (i / (CHANNELS * 8), i / 8 % CHANNELS);
            let at = labels[n] * CHANNELS + c;
            (v * (1.0 + gain[at]) + bias[at]).max(0.0)
        })
        .collect();
    close(&got, &want, 1e-12);
    let vector = Var::zeros(&[3, 4], DType::F64, &Device::Cpu).unwrap();
    let error = ours.forward_relu(&x, Condition::Vectors(&vector), Mode::Batch).unwrap_err().to_string();
    assert!(error.contains("built for labels"), "{error}");
}

#[test]
fn statistics_that_move_together_move_as_each_by_itself() {
    let three_norms = || {
        let builder = Builder::new(0, Purpose::new("test"), DType::F64, &Device::Cpu);
        let options = [BatchNormOptions::default(), BatchNormOptions { momentum: 0.3, ..BatchNormOptions::default() }];
        let norm = |i: usize| BatchNorm::new(&builder.at(i), CHANNELS, options[i % 2]).unwrap();
        let (norms, running) = ([0, 1, 2].map(norm), builder.running_statistics());
        (norms, running, builder.finish())
    };
    let (each, _, apart) = three_norms();
    let (norms, running, at_once) = three_norms();
    for (seed, mode) in [(0, Mode::Train), (1, Mode::Train), (2, Mode::Batch), (3, Mode::Standing { pass: 0 })] {
        let x = images(seed, 4);
        // The first layer twice in a pass.
        for norm in each.iter().chain(&each[..1]) {
            norm.forward(&x, mode).unwrap();
        }
        let before = values(&at_once, "1.stored_mean");
        let pass = || {
            norms.iter().chain(&norms[..1]).try_for_each(|norm| norm.forward(&x, mode).map(drop))?;
            Ok(values(&at_once, "2.stored_mean"))
        };
        let inside = running.together(pass).unwrap();
        for name in ["0", "1", "2"].iter().flat_map(|i| ["stored_mean", "stored_var"].map(|kind| format!("{i}.{kind}")))
        {
            assert_eq!(values(&apart, &name), values(&at_once, &name), "{name} in {mode:?}");
        }
        let moved = mode != Mode::Batch;
        assert_eq!(before != values(&at_once, "1.stored_mean"), moved, "{mode:?}");
        assert!(inside.iter().all(|mean| mean.is_finite()));
    }
    let before = values(&at_once, "0.stored_var");
    let failed = running.together(|| {
        norms[0].forward(&images(9, 4), Mode::Train)?;
        norms[1].forward(&images(9, 4).reshape(&[4, 24])?, Mode::Train)
    });
    assert!(failed.is_err());
    assert_eq!(before, values(&at_once, "0.stored_var"), "a pass that failed moves nothing");
    norms[0].forward(&images(9, 4), Mode::Train).unwrap();
    assert_ne!(before, values(&at_once, "0.stored_var"), "outside of a pass each moves at once");
}

#[test]
fn labels_that_are_looked_up_ahead_give_the_same_layers_and_gradients() {
    let builder = Builder::new(3, Purpose::new("test"), DType::F64, &Device::Cpu);
    let kind = ConditionKind::Labels { num_classes: 5 };
    let layer = LayerOptions { init: Init::Normal(1.0), ..LayerOptions::default() };
    let norm = |name: &str| {
        ClassBatchNorm::new(&builder.at(name), CHANNELS, kind, &layer, BatchNormOptions::default()).unwrap()
    };
    let (norms, tables) = ([norm("a"), norm("b")], builder.class_tables());
    let params = builder.finish();
    let (x, labels) = (images(1, 4), Ints::from(vec![4, 0, 4, 2]));
    let pass = |labels: &Ints| {
        let mut h = x.clone();
        for norm in &norms {
            h = norm.forward_relu(&h, Condition::Labels(labels), Mode::Batch).unwrap();
        }
        let gradients =
            grad_of_scalar(&h.square().unwrap().sum().unwrap(), &params.weights(), GraphMode::Free).unwrap();
        [&h].into_iter().chain(&gradients).map(|var| var.to_vec::<f64>().unwrap()).collect::<Vec<_>>()
    };
    let plain = pass(&labels);
    tables.look_up(&labels).unwrap();
    assert_eq!(pass(&labels), plain);
    // What was looked up is used once.
    assert_ne!(pass(&Ints::from(vec![1, 1, 1, 1])), plain);
    assert!(tables.look_up(&Ints::from(vec![5])).is_err(), "no such class");
}
