//! A run under two protocols at once: both are measured on one set of fakes, its own chooses the snapshot.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use frugan_autograd::Device;
use frugan_metrics::Uint8Rule;
use frugan_models::ModelConfig;
use frugan_nn::Mode;
use frugan_train::{Config, Draw, Interrupt, Library, Outcome, Plan, Record, Status, distance, fakes, path_lengths};

const TWO: &str = r#"
device = "cpu"
[model]
name = "dcgan"
[loss]
name = "hinge"
[data]
name = "synthetic"
num_images = 60
[optim]
batch = 8
num_d_steps = 1
[eval]
network = "random"
num_fakes = 32
reference = "full"
metrics = ["fid"]
also = ["fid16_test", "kid40_train"]
every_steps = 0
batch = 16
uint8 = "stylegan"
[train]
steps = 2
tick_steps = 2
save_every_steps = 2
sample_every_steps = 0
monitor_images = 16
"#;

#[test]
fn both_protocols_are_recorded() {
    let dir = tempfile::tempdir().unwrap();
    let config = Config::from_toml(TWO).unwrap();
    let plan = Plan::new(config.clone(), dir.path().into(), &mut Library::new()).unwrap();
    let line = plan.evaluation().describe();
    assert!(line.contains("32 fakes") && line.contains("and fid16_test, kid40_train"), "{line}");
    let whole = plan.evaluation().reference().len();
    assert!(whole > 60, "all {whole} training images, though the run trains on 60");
    let outcome = plan.run(&frugan_train::Silent, &Interrupt::new()).unwrap();
    let values = outcome.last.unwrap().values;
    let names: Vec<&str> = values.keys().map(String::as_str).collect();
    assert_eq!(names, ["frd16_test", "frd32_full", "krd40_train", "krd40_train_std"]);
    assert!(values.values().all(Option::is_some), "{values:?}");
    let floor = frugan_train::read_floor(dir.path()).unwrap();
    let half = whole / 2;
    let reals = [format!("frd{half}_full"), format!("krd{half}_train"), format!("krd{half}_train_std")];
    assert!(reals.iter().all(|name| floor.contains_key(name)) && floor.len() == 4, "{floor:?}");
    assert!(floor[&reals[0]] < values["frd32_full"].unwrap(), "{floor:?} against {values:?}");
    assert_eq!(Outcome::read(dir.path(), Status::Finished, &config.eval).unwrap().best.unwrap().step, 2);
}

#[test]
fn labels_of_data_are_those_of_its_images() {
    let config = "name = \"biggan\"\ng_ch = 4\nd_ch = 4";
    let models = toml::from_str::<ModelConfig>(config).unwrap().build(10, 32, 0).unwrap();
    let make = |labels: Option<&[i32]>| {
        let (mode, rule) = (Mode::Batch, Uint8Rule::Stylegan);
        let draw = Draw { count: 3, batch: 2, mode, seed: 1, rule, labels };
        let mut pixels = Vec::new();
        let take = |batch: &[u8]| {
            pixels.extend_from_slice(batch);
            Ok(())
        };
        fakes(models.generator.as_ref(), draw, &Device::Cpu, take).unwrap();
        pixels
    };
    assert_eq!(make(Some(&[5])), make(Some(&[5, 5, 5])));
    assert_ne!(make(Some(&[5])), make(Some(&[2])));
    assert_ne!(make(Some(&[5])), make(None));
}

#[test]
fn a_path_length_is_a_stylegans() {
    let models = toml::from_str::<ModelConfig>("name = \"dcgan\"\ng_ch = 4").unwrap().build(10, 32, 0).unwrap();
    let mut eval = Config::from_toml(TWO).unwrap().eval;
    assert_eq!(path_lengths(models.generator.as_ref(), &eval, None, &Device::Cpu).unwrap(), []);
    eval.also.push("ppl_zfull_8".into());
    let scores = path_lengths(models.generator.as_ref(), &eval, None, &Device::Cpu).unwrap();
    assert_eq!(scores[0].0, "ppl_zfull_8");
    assert!(scores[0].1.to_string().contains("a StyleGAN"), "{scores:?}");
}

#[test]
fn the_runs_own_distance_chooses_the_snapshot() {
    let mut eval = Config::from_toml(TWO).unwrap().eval;
    let values = [("frd16_test", 1.0), ("frd32_full", 7.0), ("krd40_train", 0.1)];
    let values: BTreeMap<String, Option<f64>> = values.map(|(name, value)| (name.to_string(), Some(value))).into();
    let record = Record { step: 2, kimg: 0.0, values };
    assert_eq!(distance(&record, &eval), Some(7.0));
    eval.num_fakes = 64; // its own distance was not measured
    assert_eq!(distance(&record, &eval), Some(1.0));
}

/// T's traces cannot be known from so few reals: they are not looked for, and the run goes on.
#[test]
fn few_reals_have_no_leak() {
    let dir = tempfile::tempdir().unwrap();
    let photos = dir.path().join("photos");
    std::fs::create_dir(&photos).unwrap();
    for i in 0..40u8 {
        image::RgbImage::from_fn(32, 32, |x, y| image::Rgb([i * 6, x as u8 * 8, y as u8 * 8]))
            .save(photos.join(format!("{i}.png")))
            .unwrap();
    }
    let mut config = Config::from_toml(TWO).unwrap();
    config.data = toml::from_str(&format!(
        "name = \"folder\"\nroot = {:?}\nlabels = \"none\"\nresolution = 32\ntest_fraction = 0.0",
        photos.display().to_string()
    ))
    .unwrap();
    config.augment.policy = "cutout".into();
    config.eval.also = Vec::new();
    let plan = Plan::new(config, dir.path().join("run"), &mut Library::new()).unwrap();
    let values = plan.run(&frugan_train::Silent, &Interrupt::new()).unwrap().last.unwrap().values;
    assert_eq!(values.keys().map(String::as_str).collect::<Vec<_>>(), ["frd32_full"]);
}
