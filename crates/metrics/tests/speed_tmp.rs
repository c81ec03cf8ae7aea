#![allow(clippy::all, missing_docs, clippy::unwrap_used, clippy::print_stderr)]
use candle_core::{Device, Tensor};
use frugan_metrics::Images;
use frugan_metrics::inception::{Inception, Weights};
use std::collections::BTreeMap;
/// Golden weights are a formula of the tensor's name: splitmix64 of its FNV-1a hash and the index.
fn formula(name: &str, dims: &[usize]) -> Tensor {
    let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3));
    let uniform = |i: u64| {
        let mut z = hash.wrapping_add((i + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    };
    let fan_in: usize = dims.iter().skip(1).product();
    let value = |s: f64| match name.rsplit_once('/').map_or(name, |(_, name)| name) {
        "fc.weight" => 2.0 * s * (3.0_f64 / 2048.0).sqrt(),
        "fc.bias" => 0.5 * s,
        n if n.ends_with("conv.weight") => s * (6.0 / fan_in as f64).sqrt(),
        n if n.ends_with("bn.weight") => 1.0 + 0.1 * s,
        n if n.ends_with("running_var") => 1.0 + 0.2 * s,
        _ => 0.1 * s,
    };
    let count = dims.iter().product::<usize>() as u64;
    let values: Vec<f32> = (0..count).map(|i| value(2.0 * uniform(i) - 1.0) as f32).collect();
    Tensor::from_vec(values, dims, &Device::Cpu).unwrap()
}

/// Weights by formula for these convolutions and the last layer, loaded.
fn formula_weights<T>(load: impl Fn(&Weights) -> frugan_metrics::Result<T>, convs: &[(String, [usize; 4])]) -> T {
    let mut tensors = BTreeMap::new();
    for (name, shape) in convs {
        tensors.insert(format!("{name}.conv.weight"), formula(&format!("{name}.conv.weight"), shape));
        for part in ["weight", "bias", "running_mean", "running_var"] {
            let name = format!("{name}.bn.{part}");
            tensors.insert(name.clone(), formula(&name, &shape[..1]));
        }
    }
    for (name, shape) in [("fc.weight", &[1008, 2048][..]), ("fc.bias", &[1008])] {
        tensors.insert(name.to_string(), formula(name, shape));
    }
    load(&Weights::from_tensors(tensors)).unwrap()
}

/// The convolutions of a block, as the recipes list them.
fn convs(prefix: &str, block: &str, inputs: usize, width: usize) -> Vec<(String, [usize; 4])> {
    let c = inputs;
    let rows: Vec<(&str, [usize; 4])> = match block {
        "A" => vec![
            ("branch1x1", [64, c, 1, 1]),
            ("branch5x5_1", [48, c, 1, 1]),
            ("branch5x5_2", [64, 48, 5, 5]),
            ("branch3x3dbl_1", [64, c, 1, 1]),
            ("branch3x3dbl_2", [96, 64, 3, 3]),
            ("branch3x3dbl_3", [96, 96, 3, 3]),
            ("branch_pool", [width, c, 1, 1]),
        ],
        "B" => vec![
            ("branch3x3", [384, c, 3, 3]),
            ("branch3x3dbl_1", [64, c, 1, 1]),
            ("branch3x3dbl_2", [96, 64, 3, 3]),
            ("branch3x3dbl_3", [96, 96, 3, 3]),
        ],
        "C" => vec![
            ("branch1x1", [192, c, 1, 1]),
            ("branch7x7_1", [width, c, 1, 1]),
            ("branch7x7_2", [width, width, 1, 7]),
            ("branch7x7_3", [192, width, 7, 1]),
            ("branch7x7dbl_1", [width, c, 1, 1]),
            ("branch7x7dbl_2", [width, width, 7, 1]),
            ("branch7x7dbl_3", [width, width, 1, 7]),
            ("branch7x7dbl_4", [width, width, 7, 1]),
            ("branch7x7dbl_5", [192, width, 1, 7]),
            ("branch_pool", [192, c, 1, 1]),
        ],
        "D" => vec![
            ("branch3x3_1", [192, c, 1, 1]),
            ("branch3x3_2", [320, 192, 3, 3]),
            ("branch7x7x3_1", [192, c, 1, 1]),
            ("branch7x7x3_2", [192, 192, 1, 7]),
            ("branch7x7x3_3", [192, 192, 7, 1]),
            ("branch7x7x3_4", [192, 192, 3, 3]),
        ],
        _ => vec![
            ("branch1x1", [320, c, 1, 1]),
            ("branch3x3_1", [384, c, 1, 1]),
            ("branch3x3_2a", [384, 384, 1, 3]),
            ("branch3x3_2b", [384, 384, 3, 1]),
            ("branch3x3dbl_1", [448, c, 1, 1]),
            ("branch3x3dbl_2", [384, 448, 3, 3]),
            ("branch3x3dbl_3a", [384, 384, 1, 3]),
            ("branch3x3dbl_3b", [384, 384, 3, 1]),
            ("branch_pool", [192, c, 1, 1]),
        ],
    };
    rows.into_iter().map(|(name, shape)| (format!("{prefix}{name}"), shape)).collect()
}

#[global_allocator]
static ALLOCATOR: frugan_autograd::Allocator = frugan_autograd::Allocator::new();
fn user() -> f64 {
    let s = std::fs::read_to_string("/proc/self/stat").unwrap();
    let f: Vec<&str> = s.rsplit(") ").next().unwrap().split(' ').collect();
    (f[11].parse::<f64>().unwrap() + f[12].parse::<f64>().unwrap()) / 100.0
}
#[test]
fn speed() {
    let stem = [
        ("Conv2d_1a_3x3", [32, 3, 3, 3]),
        ("Conv2d_2a_3x3", [32, 32, 3, 3]),
        ("Conv2d_2b_3x3", [64, 32, 3, 3]),
        ("Conv2d_3b_1x1", [80, 64, 1, 1]),
        ("Conv2d_4a_3x3", [192, 80, 3, 3]),
    ];
    let mixed = [
        ("5b", "A", 192, 32),
        ("5c", "A", 256, 64),
        ("5d", "A", 288, 64),
        ("6a", "B", 288, 0),
        ("6b", "C", 768, 128),
        ("6c", "C", 768, 160),
        ("6d", "C", 768, 160),
        ("6e", "C", 768, 192),
        ("7a", "D", 768, 0),
        ("7b", "E", 1280, 0),
        ("7c", "E", 2048, 0),
    ];
    let mut all: Vec<_> = stem.map(|(name, shape)| (name.to_string(), shape)).to_vec();
    for (name, block, inputs, width) in mixed {
        all.extend(convs(&format!("Mixed_{name}."), block, inputs, width));
    }

    let network = formula_weights(Inception::new, &all);
    let n: usize = std::env::var("N").map_or(16, |v| v.parse().unwrap());
    let rounds: usize = std::env::var("R").map_or(4, |v| v.parse().unwrap());
    let mut state = 1u64;
    let bytes: Vec<u8> = (0..n * 3 * 32 * 32)
        .map(|_| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 56) as u8
        })
        .collect();
    for r in 0..=rounds {
        let (t, u) = (std::time::Instant::now(), user());
        let f = frugan_autograd::no_grad(|| network.extract(Images::new(&bytes, [3, 32, 32]).unwrap())).unwrap();
        let s: f64 = f.pool.iter().map(|v| *v as f64).sum();
        eprintln!(
            "round {r}: wall {:.1} ms/image, cpu {:.1} ms/image, sum {s:.9}",
            t.elapsed().as_secs_f64() * 1e3 / n as f64,
            (user() - u) * 1e3 / n as f64
        );
    }
}
