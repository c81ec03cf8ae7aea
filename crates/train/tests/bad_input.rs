//! What the data or the device does not allow is refused before anything is written.
#![allow(clippy::unwrap_used, missing_docs)]

use std::path::Path;

use frugan_data::DataName;
use frugan_train::{Config, Interrupt, Library, Plan, Silent, Through};

const TINY: &str = r#"
device = "cpu"
[model]
name = "mlp"
width = 16
[augment]
policy = ""
[optim]
batch = 4
num_d_steps = 1
[eval]
network = "random"
num_fakes = 16
metrics = ["fid"]
every_steps = 0
batch = 16
[train]
steps = 2
tick_steps = 2
monitor_images = 4
"#;

/// A run on 12 images, of which `held_out` are the test split.
fn on_photos(root: &Path, held_out: usize) -> Config {
    for i in 0..12 {
        image::RgbImage::from_pixel(8, 8, image::Rgb([20 * i, 9, 9])).save(root.join(format!("{i:02}.png"))).unwrap();
    }
    let mut config = Config::from_toml(TINY).unwrap();
    (config.data.name, config.data.root) = (DataName::Folder, Some(root.into()));
    config.data.test_fraction = held_out as f64 / 12.0;
    config
}

fn plan(config: Config) -> Result<Plan, frugan_train::Error> {
    Plan::new(config, "/no/such/run".into(), &mut Library::new())
}

fn refused(config: Config) -> String {
    let error = plan(config).map(drop).unwrap_err();
    assert!(error.is_input(), "{error}");
    error.to_string()
}

#[test]
fn too_few_reals_are_refused_before_the_first_evaluation() {
    let root = tempfile::tempdir().unwrap();
    for (held_out, has) in [(0, "test has 0;"), (1, "test has 1;")] {
        let error = refused(on_photos(root.path(), held_out));
        assert!(error.starts_with("eval.reference = \"test\": fid16_test wants 2 real images or more"), "{error}");
        assert!(error.contains(has) && error.contains("eval.reference=train"), "{error}");
    }
    plan(on_photos(root.path(), 2)).unwrap();
    let mut also = on_photos(root.path(), 0);
    also.eval.reference = frugan_metrics::Reference::Train;
    plan(also.clone()).unwrap();
    also.eval.also = vec!["prdc16_test".into()];
    let error = refused(also);
    assert!(error.starts_with("eval.also = prdc16_test: prdc16_test wants 6 real images or more"), "{error}");
    let mut many = on_photos(root.path(), 7);
    (many.eval.reference, many.eval.metrics) = (frugan_metrics::Reference::Train, vec!["prdc".into()]);
    assert!(refused(many).contains("train has 5; leave it out, or add images"));
}

#[test]
fn what_asks_for_no_reals_needs_none() {
    let (root, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut config = on_photos(root.path(), 0);
    config.eval.metrics = vec!["is".into()];
    let plan = Plan::new(config, out.path().into(), &mut Library::new()).unwrap();
    plan.run(&Silent, &Interrupt::new()).unwrap();
}

#[test]
fn nccl_wants_gpus() {
    let mut config = Config::from_toml(TINY).unwrap();
    (config.ranks.count, config.ranks.through) = (2, Through::Nccl);
    let error = refused(config);
    assert!(error.starts_with("ranks.through = \"nccl\" with device cpu"), "{error}");
}
