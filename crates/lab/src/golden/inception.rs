//! Kind `metrics`, cases of the Inception network: one block, or the whole, on weights by formula.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use frugan_autograd::Tensor;
use frugan_metrics::Images;
use frugan_metrics::inception::{Block, BlockKind, Inception, Weights, prepare};
use serde::Deserialize;

use super::CheckKind;
use super::check::Check;
use super::file::GoldenFile;
use super::formula::signed;

pub(super) fn check_of(case: &str) -> Option<CheckKind> {
    match case {
        "inception_block" => Some(block),
        "inception_full" => Some(full),
        _ => None,
    }
}

/// A convolution with its batch norm: name, output and input channels, kernel height and width.
type Layer = (&'static str, usize, usize, usize, usize);

fn layers(kind: BlockKind, inputs: usize) -> Vec<Layer> {
    match kind {
        BlockKind::A { pool } => vec![
            ("branch1x1", 64, inputs, 1, 1),
            ("branch5x5_1", 48, inputs, 1, 1),
            ("branch5x5_2", 64, 48, 5, 5),
            ("branch3x3dbl_1", 64, inputs, 1, 1),
            ("branch3x3dbl_2", 96, 64, 3, 3),
            ("branch3x3dbl_3", 96, 96, 3, 3),
            ("branch_pool", pool, inputs, 1, 1),
        ],
        BlockKind::B => vec![
            ("branch3x3", 384, inputs, 3, 3),
            ("branch3x3dbl_1", 64, inputs, 1, 1),
            ("branch3x3dbl_2", 96, 64, 3, 3),
            ("branch3x3dbl_3", 96, 96, 3, 3),
        ],
        BlockKind::C { width } => vec![
            ("branch1x1", 192, inputs, 1, 1),
            ("branch7x7_1", width, inputs, 1, 1),
            ("branch7x7_2", width, width, 1, 7),
            ("branch7x7_3", 192, width, 7, 1),
            ("branch7x7dbl_1", width, inputs, 1, 1),
            ("branch7x7dbl_2", width, width, 7, 1),
            ("branch7x7dbl_3", width, width, 1, 7),
            ("branch7x7dbl_4", width, width, 7, 1),
            ("branch7x7dbl_5", 192, width, 1, 7),
            ("branch_pool", 192, inputs, 1, 1),
        ],
        BlockKind::D => vec![
            ("branch3x3_1", 192, inputs, 1, 1),
            ("branch3x3_2", 320, 192, 3, 3),
            ("branch7x7x3_1", 192, inputs, 1, 1),
            ("branch7x7x3_2", 192, 192, 1, 7),
            ("branch7x7x3_3", 192, 192, 7, 1),
            ("branch7x7x3_4", 192, 192, 3, 3),
        ],
        BlockKind::E1 | BlockKind::E2 => vec![
            ("branch1x1", 320, inputs, 1, 1),
            ("branch3x3_1", 384, inputs, 1, 1),
            ("branch3x3_2a", 384, 384, 1, 3),
            ("branch3x3_2b", 384, 384, 3, 1),
            ("branch3x3dbl_1", 448, inputs, 1, 1),
            ("branch3x3dbl_2", 384, 448, 3, 3),
            ("branch3x3dbl_3a", 384, 384, 1, 3),
            ("branch3x3dbl_3b", 384, 384, 3, 1),
            ("branch_pool", 192, inputs, 1, 1),
        ],
    }
}

const STEM: [Layer; 5] = [
    ("Conv2d_1a_3x3", 32, 3, 3, 3),
    ("Conv2d_2a_3x3", 32, 32, 3, 3),
    ("Conv2d_2b_3x3", 64, 32, 3, 3),
    ("Conv2d_3b_1x1", 80, 64, 1, 1),
    ("Conv2d_4a_3x3", 192, 80, 3, 3),
];

/// Name, kind and input channels of the mixed blocks.
const MIXED: [(&str, BlockKind, usize); 11] = [
    ("Mixed_5b.", BlockKind::A { pool: 32 }, 192),
    ("Mixed_5c.", BlockKind::A { pool: 64 }, 256),
    ("Mixed_5d.", BlockKind::A { pool: 64 }, 288),
    ("Mixed_6a.", BlockKind::B, 288),
    ("Mixed_6b.", BlockKind::C { width: 128 }, 768),
    ("Mixed_6c.", BlockKind::C { width: 160 }, 768),
    ("Mixed_6d.", BlockKind::C { width: 160 }, 768),
    ("Mixed_6e.", BlockKind::C { width: 192 }, 768),
    ("Mixed_7a.", BlockKind::D, 768),
    ("Mixed_7b.", BlockKind::E1, 1280),
    ("Mixed_7c.", BlockKind::E2, 2048),
];

/// Weights by formula; their names carry `prefix` for the formula only.
struct Formula {
    prefix: String,
    tensors: BTreeMap<String, Tensor>,
}

impl Formula {
    fn new(prefix: &str) -> Self {
        Self { prefix: prefix.to_owned(), tensors: BTreeMap::new() }
    }

    fn add(&mut self, name: String, shape: &[usize], value: impl Fn(f64) -> f64) -> Result<()> {
        let len = shape.iter().product();
        let values: Vec<f32> = signed(&format!("{}{name}", self.prefix), len).map(|s| value(s) as f32).collect();
        let tensor = Tensor::from_vec(values, shape, &candle_core::Device::Cpu)?;
        self.tensors.insert(name, tensor);
        Ok(())
    }

    fn layer(&mut self, at: &str, (name, outputs, inputs, height, width): Layer) -> Result<()> {
        let scale = (6.0 / (inputs * height * width) as f64).sqrt();
        let named = |rest: &str| format!("{at}{name}.{rest}");
        self.add(named("conv.weight"), &[outputs, inputs, height, width], |s| s * scale)?;
        self.add(named("bn.weight"), &[outputs], |s| 1.0 + 0.1 * s)?;
        self.add(named("bn.bias"), &[outputs], |s| 0.1 * s)?;
        self.add(named("bn.running_mean"), &[outputs], |s| 0.1 * s)?;
        self.add(named("bn.running_var"), &[outputs], |s| 1.0 + 0.2 * s)
    }
}

fn block(file: &GoldenFile, check: &mut Check) -> Result<()> {
    #[derive(Deserialize)]
    struct Config {
        block: String,
        args: Vec<usize>,
        in_channels: usize,
        name_prefix: String,
    }
    let config: Config = file.config()?;
    let width = || config.args.get(1).copied().context("args: the block's width is missing");
    let kind = match config.block.as_str() {
        "InceptionA" => BlockKind::A { pool: width()? },
        "InceptionB" => BlockKind::B,
        "InceptionC" => BlockKind::C { width: width()? },
        "InceptionD" => BlockKind::D,
        "InceptionE_1" => BlockKind::E1,
        "InceptionE_2" => BlockKind::E2,
        other => bail!("unknown block {other}"),
    };
    let mut formula = Formula::new(&config.name_prefix);
    for layer in layers(kind, config.in_channels) {
        formula.layer("", layer)?;
    }
    let block = Block::load(&Weights::from_tensors(formula.tensors), "", kind, config.in_channels)?;
    check.var("out.y", &block.forward(&file.constant("in.x")?)?)
}

fn full(file: &GoldenFile, check: &mut Check) -> Result<()> {
    let mut formula = Formula::new("");
    for layer in STEM {
        formula.layer("", layer)?;
    }
    for (at, kind, inputs) in MIXED {
        for layer in layers(kind, inputs) {
            formula.layer(at, layer)?;
        }
    }
    let scale = 2.0 * (3.0_f64 / 2048.0).sqrt();
    formula.add("fc.weight".to_owned(), &[1008, 2048], |s| s * scale)?;
    formula.add("fc.bias".to_owned(), &[1008], |s| 0.5 * s)?;
    for (name, _) in file.below("check.") {
        let tensor = formula.tensors.get(name).with_context(|| format!("check.{name} is no tensor of the network"))?;
        let first: Vec<f32> = tensor.flatten_all()?.to_vec1()?.into_iter().take(4).collect();
        check.f32s(&format!("check.{name}"), &first)?;
    }

    let network = Inception::new(&Weights::from_tensors(formula.tensors))?;
    let x = file.array("in.x")?;
    let bytes: Vec<u8> = x.values.iter().map(|&value| value as u8).collect();
    let shape = x.shape[1..].try_into().context("in.x is not [N, C, H, W]")?;
    let taps = network.taps(&prepare(Images::new(&bytes, shape)?)?)?;
    let outputs = [
        ("64", taps.mean64),
        ("192", taps.mean192),
        ("768", taps.mean768),
        ("2048", taps.pool2048),
        ("logits_unbiased", taps.logits_unbiased),
        ("logits", taps.logits),
    ];
    for (name, output) in outputs {
        check.var(&format!("out.{name}"), &output.with_context(|| format!("the network has no output {name}"))?)?;
    }
    Ok(())
}
