//! Adam, parameter averages and self-attention against the reference implementations.
#![allow(clippy::unwrap_used)]

mod golden_file;

use frugan_autograd::{DType, Device, GraphMode, Tensor, Var, grad};
use frugan_nn::{
    Adam, AdamConfig, Builder, Ema, EpsPlacement, HalflifeEma, Init, LayerOptions, Mode, Params, Purpose,
    SelfAttention, SpectralNormOptions, TensorMap,
};
use golden_file::{GoldenFile, open};

fn builder() -> Builder {
    Builder::new(0, Purpose::new("golden"), DType::F64, &Device::Cpu)
}

/// A network of one weight and one buffer, both with these values.
fn network(values: &[f64]) -> Params {
    let builder = builder();
    builder.weight("w", &[values.len()], Init::ZEROS).unwrap();
    builder.buffer("b", &[values.len()], Init::ZEROS).unwrap();
    let params = builder.finish();
    params.load(&state(values)).unwrap();
    params
}

fn state(values: &[f64]) -> TensorMap {
    ["w", "b"].map(|name| (name.to_string(), Tensor::new(values, &candle_core::Device::Cpu).unwrap())).into()
}

fn rows(file: &GoldenFile, name: &str) -> Vec<Vec<f64>> {
    file.tensor(name).to_vec2().unwrap()
}

#[test]
fn adam_with_both_places_of_epsilon() {
    for case in ["optim_adam_b1_05", "optim_adam_biggan", "optim_adam_sg2", "optim_adam_sg2_lazyG"] {
        let Some(file) = open(case) else { return };
        let betas: Vec<f64> = file.config["betas"].as_array().unwrap().iter().map(|b| b.as_f64().unwrap()).collect();
        for (placement, out) in [(EpsPlacement::Torch, "out.params"), (EpsPlacement::Tf1, "out.params_tf")] {
            let params = network(&file.values("in.params"));
            let config = AdamConfig {
                lr: file.f64("lr"),
                beta1: betas[0],
                beta2: betas[1],
                eps: file.f64("eps"),
                eps_placement: placement,
            };
            let mut adam = Adam::new(config, &params).unwrap();
            let mut reached = Vec::new();
            for grad in rows(&file, "in.grads") {
                let grad = Var::constant(Tensor::new(grad.as_slice(), &candle_core::Device::Cpu).unwrap());
                adam.step(&params, &[grad]).unwrap();
                reached.extend(params.get("w").unwrap().to_vec::<f64>().unwrap());
            }
            file.check(out, &reached);
            let state = adam.state_tensors().unwrap();
            file.check("out.exp_avg", &state["exp_avg.w"].to_vec1::<f64>().unwrap());
            file.check("out.exp_avg_sq", &state["exp_avg_sq.w"].to_vec1::<f64>().unwrap());
        }
    }
}

#[test]
fn biggan_average_over_weights_and_buffers() {
    let Some(file) = open("optim_ema_biggan_a") else { return };
    let ema = Ema { decay: file.f64("decay"), start_itr: file.usize("start_itr") as u64 };
    let average = network(&file.values("in.init"));
    let first = file.usize("first_itr") as u64;
    let (mut weights, mut buffers) = (Vec::new(), Vec::new());
    for (itr, source) in (first..).zip(rows(&file, "in.source")) {
        ema.update(&average, &network(&source), itr).unwrap();
        weights.extend(average.get("w").unwrap().to_vec::<f64>().unwrap());
        buffers.extend(average.get("b").unwrap().to_vec::<f64>().unwrap());
    }
    file.check("out.ema", &weights);
    file.check("out.ema", &buffers);
}

#[test]
fn halflife_average_over_weights() {
    for case in ["optim_ema_halflife_noramp", "optim_ema_halflife_ramp"] {
        let Some(file) = open(case) else { return };
        let ema = HalflifeEma { ema_kimg: file.f64("ema_kimg"), rampup: file.config["rampup"].as_f64() };
        let (batch, mut nimg) = (file.usize("batch"), file.usize("start_nimg") as u64);
        let average = network(&file.values("in.init"));
        let (mut weights, mut betas) = (Vec::new(), Vec::new());
        for source in rows(&file, "in.source") {
            betas.push(ema.decay_at(batch, nimg));
            ema.update(&average, &network(&source), batch, nimg).unwrap();
            weights.extend(average.get("w").unwrap().to_vec::<f64>().unwrap());
            assert_eq!(average.get("b").unwrap().to_vec::<f64>().unwrap(), source);
            nimg += batch as u64;
        }
        file.check("out.beta", &betas);
        file.check("out.ema", &weights);
    }
}

#[test]
fn self_attention() {
    let Some(file) = open("biggan_attention") else { return };
    let spectral = SpectralNormOptions { eps: file.f64("SN_eps"), num_itrs: 1 };
    let builder = builder();
    let options = LayerOptions { spectral: Some(spectral), ..Default::default() };
    let attention = SelfAttention::new(&builder, file.usize("ch"), &options).unwrap();
    let params = builder.finish();
    params.load(&file.under("param.")).unwrap();
    let x = file.leaf("in.x");
    let y = attention.forward(&x, Mode::Train).unwrap();
    file.check_var("out.y", &y);
    let mut inputs = vec![&x];
    inputs.extend(params.weights());
    let grads = grad(&[&y], &[&file.leaf("in.cotangent").detach()], &inputs, GraphMode::Free).unwrap();
    file.check_var("grad.x", &grads[0]);
    for ((name, _), grad) in params.named_weights().zip(&grads[1..]) {
        file.check_var(&format!("grad.param.{name}"), grad);
    }
}
