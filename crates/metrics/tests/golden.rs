//! Golden vectors of the reference implementations (kind `metrics`), from the folder `FRUGAN_GOLDEN`.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use candle_core::{DType, Device, Tensor};
use frugan_autograd::Var;
use frugan_metrics::inception::{Block, BlockKind, Inception, Taps, Weights, prepare};
use frugan_metrics::resize::{half_pixel_bilinear, tf1_bilinear, tf1_bilinear_adjoint};
use frugan_metrics::{
    Features, Gaussian, Images, KidSubsets, Logits, Moments, SplitRule, Spread, inception_score, kid, prdc,
    to_uint8_diffaugment, to_uint8_stylegan,
};
use safetensors::SafeTensors;

struct Golden {
    name: String,
    tensors: BTreeMap<String, Tensor>,
    config: serde_json::Value,
    rtol: f64,
    atol: f64,
}

impl Golden {
    /// All files whose name starts with `metrics_` and `prefix`; none where `FRUGAN_GOLDEN` is not set.
    fn all(prefix: &str) -> Vec<Self> {
        let Some(folder) = std::env::var_os("FRUGAN_GOLDEN") else {
            eprintln!("skipped: FRUGAN_GOLDEN is not set");
            return Vec::new();
        };
        let paths = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let wanted =
            |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().starts_with(&format!("metrics_{prefix}"));
        let mut paths: Vec<_> = paths.filter(wanted).collect();
        paths.sort();
        assert!(!paths.is_empty(), "no golden files metrics_{prefix}*");
        paths.iter().map(|path| Self::read(path)).collect()
    }

    fn read(path: &Path) -> Self {
        let bytes = std::fs::read(path).unwrap();
        let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
        let metadata = header.metadata().clone().unwrap();
        Self {
            name: path.file_stem().unwrap().to_str().unwrap().to_string(),
            tensors: candle_core::safetensors::load_buffer(&bytes, &Device::Cpu).unwrap().into_iter().collect(),
            config: serde_json::from_str(&metadata["config"]).unwrap(),
            rtol: metadata["rtol"].parse().unwrap(),
            atol: metadata["atol"].parse().unwrap(),
        }
    }

    fn f64s(&self, name: &str) -> Vec<f64> {
        self.tensors[name].to_dtype(DType::F64).unwrap().flatten_all().unwrap().to_vec1().unwrap()
    }

    fn f32s(&self, name: &str) -> Vec<f32> {
        self.f64s(name).into_iter().map(|value| value as f32).collect()
    }

    fn dims(&self, name: &str) -> &[usize] {
        self.tensors[name].dims()
    }

    fn usize(&self, key: &str) -> usize {
        self.config[key].as_u64().unwrap() as usize
    }

    fn features(&self, name: &str) -> Features {
        Features::new(self.dims(name)[1], self.f32s(name)).unwrap()
    }

    /// max |got - want| <= atol + rtol * max |want|.
    fn check<T: Copy + Into<f64>>(&self, name: &str, got: &[T]) {
        let want = self.f64s(name);
        assert_eq!(got.len(), want.len(), "{}: {name}", self.name);
        let got = got.iter().map(|value| (*value).into());
        let error =
            got.zip(&want).map(|(a, b): (f64, _)| (a - b).abs()).fold(0.0, |a: f64, b| if b <= a { a } else { b });
        let tolerance = self.atol + self.rtol * want.iter().fold(0.0, |a: f64, b| a.max(b.abs()));
        assert!(error <= tolerance, "{}: {name} is off by {error:e}, allowed {tolerance:e}", self.name);
    }
}

#[test]
fn fid_of_given_moments() {
    for golden in Golden::all("fid_d") {
        let gaussian =
            |i: usize| Gaussian::new(golden.f64s(&format!("in.mu{i}")), golden.f64s(&format!("in.sigma{i}"))).unwrap();
        let (a, b) = (gaussian(1), gaussian(2));
        golden.check("out.fid", &[a.distance(&b).unwrap()]);
        golden.check("out.fid", &[b.distance(&a).unwrap()]);
    }
}

#[test]
fn fid_of_features() {
    for golden in Golden::all("fid_features") {
        let (a, b) = (golden.features("in.f1"), golden.features("in.f2"));
        let moments = (Moments::of(&a).unwrap(), Moments::of(&b).unwrap());
        for (suffix, ddof) in [("", 1), ("_ada", 0)] {
            golden.check(&format!("out.mu1{suffix}"), &moments.0.mean());
            golden.check(&format!("out.sigma1{suffix}"), &moments.0.covariance(ddof).unwrap());
            let gaussian = |moments| Gaussian::of(moments, ddof).unwrap();
            let fid = gaussian(&moments.0).distance(&gaussian(&moments.1)).unwrap();
            golden.check(&format!("out.fid{suffix}"), &[fid]);
        }
    }
}

#[test]
fn inception_scores() {
    for golden in Golden::all("is_") {
        let logits = Logits { values: golden.f32s("in.logits"), classes: golden.usize("classes") };
        for (suffix, rule) in [("", SplitRule::Even), ("_ada", SplitRule::Even), ("_bg", SplitRule::Floor)] {
            let score = inception_score(&logits, golden.usize("splits"), rule).unwrap();
            golden.check(&format!("out.mean{suffix}"), &[score.mean]);
            golden.check(&format!("out.std{suffix}"), &[score.std]);
        }
    }
}

#[test]
fn kernel_distance() {
    for golden in Golden::all("kid") {
        let indices = |name| golden.f64s(name).into_iter().map(|i| i as u32).collect();
        let (fakes, reals) = (indices("draw.00.gen_idx"), indices("draw.01.real_idx"));
        let subsets = KidSubsets { size: golden.usize("subset_size"), fakes, reals };
        let values = kid(&golden.features("in.gen"), &golden.features("in.real"), &subsets).unwrap();
        let spread = Spread::of(&values);
        golden.check("out.per_subset", &values);
        golden.check("out.kid", &[spread.mean]);
        golden.check("out.std", &[spread.std]);
    }
}

#[test]
fn precision_recall_density_coverage() {
    for golden in Golden::all("prdc") {
        let scores = prdc(&golden.features("in.real"), &golden.features("in.fake"), golden.usize("k")).unwrap();
        golden.check("out.precision", &[scores.precision]);
        golden.check("out.recall", &[scores.recall]);
        golden.check("out.density", &[scores.density]);
        golden.check("out.coverage", &[scores.coverage]);
        golden.check("out.precision_le", &[scores.precision_le]);
        golden.check("out.recall_le", &[scores.recall_le]);
        golden.check("out.real_radii", &scores.real_radii);
    }
}

#[test]
fn tf1_resize() {
    for golden in Golden::all("tf1resize") {
        let (input, out) = (golden.dims("in.x"), golden.dims("out.y"));
        let (input, out) = ((input[2], input[3]), (out[2], out[3]));
        let y = tf1_bilinear(&golden.f32s("in.x"), input, out);
        golden.check("out.y", &y);
        golden.check("out.normalised", &y.iter().map(|v| (v - 128.0) / 128.0).collect::<Vec<_>>());
        golden.check("grad.x", &tf1_bilinear_adjoint(&golden.f32s("in.cotangent"), input, out));
    }
}

#[test]
fn half_pixel_resize() {
    for golden in Golden::all("halfpixel") {
        let (input, out) = (golden.dims("in.x"), golden.dims("out.y"));
        let y = half_pixel_bilinear(&golden.f32s("in.x"), (input[2], input[3]), (out[2], out[3]));
        golden.check("out.y", &y);
        golden.check("out.normalised", &y.iter().map(|v| 2.0 * v - 1.0).collect::<Vec<_>>());
    }
}

#[test]
fn floats_to_bytes() {
    for golden in Golden::all("to_uint8") {
        let x = golden.f32s("in.x");
        golden.check("out.u8_bg", &to_uint8_diffaugment(&x));
        golden.check("out.u8_ada", &to_uint8_stylegan(&x));
    }
}

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

#[test]
fn inception_blocks() {
    for golden in Golden::all("inceptionblock") {
        let inputs = golden.usize("in_channels");
        let width = golden.config["args"][1].as_u64().unwrap_or(0) as usize;
        let (letter, kind) = match golden.config["block"].as_str().unwrap() {
            "InceptionA" => ("A", BlockKind::A { pool: width }),
            "InceptionB" => ("B", BlockKind::B),
            "InceptionC" => ("C", BlockKind::C { width }),
            "InceptionD" => ("D", BlockKind::D),
            "InceptionE_1" => ("E", BlockKind::E1),
            "InceptionE_2" => ("E", BlockKind::E2),
            other => panic!("block {other}"),
        };
        let prefix = golden.config["name_prefix"].as_str().unwrap();
        let load = |weights: &Weights| Block::load(weights, prefix, kind, inputs);
        let block = formula_weights(load, &convs(prefix, letter, inputs, width));
        let y = block.forward(&Var::constant(golden.tensors["in.x"].clone())).unwrap();
        assert_eq!(y.dims(), golden.dims("out.y"));
        golden.check("out.y", &y.to_vec::<f32>().unwrap());
    }
}

#[test]
fn whole_inception() {
    for golden in Golden::all("inception_32px") {
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
        for name in golden.tensors.keys().filter_map(|name| name.strip_prefix("check.")) {
            let dims = match name.rsplit_once(".conv.weight") {
                Some((conv, _)) => all.iter().find(|(name, _)| name == conv).unwrap().1.to_vec(),
                None => vec![4],
            };
            golden.check(
                &format!("check.{name}"),
                &formula(name, &dims).flatten_all().unwrap().to_vec1::<f32>().unwrap()[..4],
            );
        }
        let network = formula_weights(Inception::new, &all);
        let bytes: Vec<u8> = golden.f64s("in.x").into_iter().map(|value| value as u8).collect();
        let x = prepare(Images::new(&bytes, [3, 32, 32]).unwrap()).unwrap();
        let taps: Taps = network.taps(&x).unwrap();
        let outputs = [
            ("out.64", taps.mean64),
            ("out.192", taps.mean192),
            ("out.768", taps.mean768),
            ("out.2048", taps.pool2048),
            ("out.logits_unbiased", taps.logits_unbiased),
            ("out.logits", taps.logits),
        ];
        for (name, output) in outputs {
            golden.check(name, &output.unwrap().to_vec::<f32>().unwrap());
        }
    }
}
