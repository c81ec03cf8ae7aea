//! BigGAN against the reference implementation: outputs, gradients and buffers.
#![allow(clippy::unwrap_used)]

#[path = "../../nn/tests/golden_file/mod.rs"]
mod golden_file;

use frugan_autograd::{DType, GraphMode, Ints, Tensor, Var, grad, no_grad};
use frugan_models::{BigganConfig, ModelConfig, Models, Placement};
use frugan_nn::{Kind, Mode, Params, TensorMap};
use golden_file::{GoldenFile, open};

fn exact() -> Placement {
    Placement { dtype: DType::F64, ..Placement::default() }
}

/// The networks of a file, in f64.
fn models(file: &GoldenFile) -> Models {
    let ch = file.usize("ch");
    let mut config = BigganConfig { g_ch: ch, d_ch: ch, latent_dim: file.usize("dim_z"), ..Default::default() };
    if file.config["BN_eps"].is_number() {
        config = BigganConfig {
            bn_eps: file.f64("BN_eps"),
            bn_momentum: file.f64("BN_momentum"),
            sn_eps: file.f64("SN_eps"),
            ..config
        };
    }
    ModelConfig::Biggan(config).build_at(file.usize("n_classes"), 32, 0, exact()).unwrap()
}

/// Checks outputs, buffers afterwards, and the gradients by the input and by every weight.
fn check_call(file: &GoldenFile, params: &Params, (input, grad_name): (&str, &str), f: impl Fn(&Var, &Ints) -> Var) {
    params.load(&file.under("param.")).unwrap();
    let x = file.leaf(input);
    let y = f(&x, &file.ints("in.y"));
    file.check_var("out.y", &y);
    for (name, kind, var) in params.iter() {
        if kind == Kind::Buffer {
            file.check_var(&format!("out.buffer.{name}"), var);
        }
    }
    let mut inputs = vec![&x];
    inputs.extend(params.weights());
    let grads = grad(&[&y], &[&file.leaf("in.cotangent").detach()], &inputs, GraphMode::Free).unwrap();
    file.check_var(grad_name, &grads[0]);
    for ((name, _), grad) in params.named_weights().zip(&grads[1..]) {
        file.check_var(&format!("grad.param.{name}"), grad);
    }
}

#[test]
fn generator() {
    for (case, mode) in [("biggan_g_train", Mode::Train), ("biggan_g_eval", Mode::Running)] {
        let Some(file) = open(case) else { return };
        let g = models(&file).generator;
        check_call(&file, g.params(), ("in.z", "grad.z"), |z, y| g.generate(z, y, mode).unwrap());
    }
}

#[test]
fn discriminator() {
    for (case, mode) in [("biggan_d_train", Mode::Train), ("biggan_d_eval", Mode::Running)] {
        let Some(file) = open(case) else { return };
        let d = models(&file).discriminator;
        check_call(&file, d.params(), ("in.x", "grad.x"), |x, y| d.logits(x, y, mode).unwrap());
    }
}

/// FNV-1a, 64 bits.
fn fnv1a(name: &str) -> u64 {
    name.bytes().fold(0xCBF2_9CE4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3))
}

/// The number in [-1, 1) that a file of formula weights has at a flat index: splitmix64 of the name's hash.
fn signed(hash: u64, index: u64) -> f64 {
    let mut z = hash.wrapping_add((index + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    z = (z ^ z >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ z >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
    2.0 * ((z ^ z >> 31) >> 11) as f64 / (1u64 << 53) as f64 - 1.0
}

/// The weights and buffers of a file that gives them by formula (its `config.weights`), rounded to f32.
fn formula_state(prefix: &str, params: &Params) -> TensorMap {
    let scale = |name: &str| -> (f64, f64) {
        let is = |end: &str| name.ends_with(end);
        match () {
            () if is("stored_var") => (1.0, 0.3),
            () if is("stored_mean") || is("gain.weight") || is("bias.weight") => (0.0, 0.2),
            () if name == "output_layer.0.gain" => (1.0, 0.1),
            () if is("sv0") => (1.0, 0.0),
            () if is("u0") => (0.0, 1.0),
            () if is("bias") => (0.0, 0.1),
            () => (0.0, 0.05),
        }
    };
    let tensor = |(name, _, var): (&str, Kind, &Var)| {
        let ((offset, slope), hash) = (scale(name), fnv1a(&format!("{prefix}/{name}")));
        let value = |i| (offset + slope * signed(hash, i)) as f32;
        let values: Vec<f32> = (0..var.elem_count() as u64).map(value).collect();
        (name.to_string(), Tensor::from_vec(values, var.dims(), &candle_core::Device::Cpu).unwrap())
    };
    params.iter().map(tensor).collect()
}

#[test]
fn the_published_width() {
    let Some(file) = open("biggan_full_c10") else { return };
    let Models { generator: g, discriminator: d } = models(&file);
    assert_eq!(g.params().count_weights(), file.usize("nG"));
    assert_eq!(d.params().count_weights(), file.usize("nD"));
    let (g_state, d_state) = (formula_state("G", g.params()), formula_state("D", d.params()));
    let first = |state: &TensorMap, name: &str| -> Vec<f64> {
        let values: Vec<f32> = state[name].flatten_all().unwrap().to_vec1().unwrap();
        values[..4].iter().map(|v| f64::from(*v)).collect()
    };
    file.check("check.G.linear.weight", &first(&g_state, "linear.weight"));
    file.check("check.D.embed.weight", &first(&d_state, "embed.weight"));
    let (z, x, y) = (file.leaf("in.z"), file.leaf("in.x"), file.ints("in.y"));
    for (mode, image, logits) in
        [(Mode::Train, "out.img_train", "out.logits_train"), (Mode::Running, "out.img_eval", "out.logits_eval")]
    {
        g.params().load(&g_state).unwrap();
        d.params().load(&d_state).unwrap();
        no_grad(|| {
            file.check_var(image, &g.generate(&z, &y, mode).unwrap());
            file.check_var(logits, &d.logits(&x, &y, mode).unwrap());
        });
    }
}
