//! One training iteration of small models on a device and on the CPU, from the same weights and draws.

use anyhow::Result;
use frugan_autograd::{Device, fetch};
use frugan_data::{DataConfig, DataName, Splits};
use frugan_nn::Precision;
use frugan_train::{Config, Trainer};

use super::report::Check;

const BIGGAN: &str = r#"
[model]
name = "biggan"
g_ch = 8
d_ch = 8
[augment]
policy = "color,translation,cutout"
[data]
name = "synthetic"
num_images = 40
[optim]
batch = 8
num_d_steps = 4
g = { lr = 0.01, eps = 1.0 }
d = { lr = 0.01, eps = 1.0 }
"#;

const STYLEGAN2: &str = r#"
[model]
name = "stylegan2"
channel_max = 16
latent_dim = 32
w_dim = 32
mapping_layers = 2
[augment]
policy = ""
[augment.ada]
p = 0.8
[loss]
name = "non_saturating"
[loss.r1]
[loss.path_length]
[data]
name = "synthetic"
num_images = 40
[optim]
batch = 8
num_d_steps = 1
first = "g"
g = { lr = 0.01, eps = 1.0 }
d = { lr = 0.01, eps = 1.0 }
ema = { halflife_kimg = 0.02 }
"#;

/// The distance of the two devices' weights may be this share of the step's length. Adam's epsilon is large in these
/// models: with its usual one the first steps divide each gradient by its own size, so that the rounding of a small one
/// moves a weight by as much as a large one does.
const TOLERANCE: f64 = 0.005;
/// The same in BF16, whose factors have 8 bits.
const BF16_TOLERANCE: f64 = 0.1;

/// Small models with everything that the published ones have.
pub(super) const MODELS: [(&str, &str); 2] = [("biggan", BIGGAN), ("stylegan2", STYLEGAN2)];

pub(super) fn compare(device: Device, mut tell: impl FnMut(Check)) {
    for (precision, tolerance) in [(Precision::F32, TOLERANCE), (Precision::Bf16, BF16_TOLERANCE)] {
        for (model, text) in MODELS {
            let name = format!("one iteration of {model} in {precision}");
            tell(match step(text, device, precision) {
                Ok(error) => Check { name, passed: error <= tolerance, errors: vec![error], tolerance },
                Err(error) => Check::failed(name, &error),
            });
        }
    }
}

pub(super) fn data() -> Result<Splits> {
    let data = DataConfig { name: DataName::Synthetic, num_images: Some(40), ..DataConfig::default() };
    Ok(frugan_data::open(&data)?)
}

/// How far the weights are from the CPU's, over the way that those go.
fn step(text: &str, device: Device, precision: Precision) -> Result<f64> {
    let splits = data()?;
    let after = |device: Device, precision: Precision| -> Result<[Vec<f64>; 2]> {
        let config = Config { precision, ..Config::from_toml(text)? };
        let mut trainer = Trainer::new(&config, &splits, &device)?;
        let before = weights(&trainer)?;
        trainer.step()?;
        Ok([before, weights(&trainer)?])
    };
    let ([start, want], [_, got]) = (after(Device::Cpu, Precision::F32)?, after(device, precision)?);
    let distance = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt();
    if got.len() == want.len() { Ok(distance(&got, &want) / distance(&start, &want)) } else { Ok(f64::INFINITY) }
}

pub(super) fn weights(trainer: &Trainer) -> Result<Vec<f64>> {
    let networks = [trainer.generator.params(), trainer.discriminator.params()];
    let vars: Vec<_> = networks.iter().flat_map(|params| params.weights()).collect();
    Ok(fetch(&vars)?.concat())
}
