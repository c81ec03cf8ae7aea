//! Runs that start from a trained model: what is taken, what stays as it is, and what cannot be.
#![allow(clippy::unwrap_used, missing_docs)]

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use frugan_autograd::{Device, count_multiply_adds};
use frugan_data::{DataConfig, DataName, Labels, Splits};
use frugan_nn::{Kind, Params};
use frugan_train::{
    Config, Interrupt, Library, Observer, Outcome, Plan, Silent, Trainer, TransferConfig, TransferMode,
};

const BASE: &str = r#"
device = "cpu"
[model]
name = "dcgan"
g_ch = 8
d_ch = 8
[data]
name = "synthetic"
num_images = 40
[optim]
batch = 8
num_d_steps = 1
ema = { decay = 0.5, start_itr = 0 }
[eval]
network = "random"
num_fakes = 32
metrics = ["fid"]
batch = 16
[train]
steps = 4
tick_steps = 2
save_every_steps = 100
monitor_images = 8
"#;

const STYLE: &str = r#"name = "stylegan2"
channel_max = 8
latent_dim = 16
w_dim = 16
mapping_layers = 2
"#;

fn base() -> Config {
    Config::from_toml(BASE).unwrap()
}

fn style() -> Config {
    Config::from_toml(&BASE.replace("name = \"dcgan\"\ng_ch = 8\nd_ch = 8\n", STYLE)).unwrap()
}

/// A finished run of the configuration, in a folder.
fn trained(config: &Config, dir: &Path) -> Outcome {
    Plan::new(config.clone(), dir.into(), &mut Library::new()).unwrap().run(&Silent, &Interrupt::new()).unwrap()
}

fn from(file: PathBuf, change: impl Fn(&mut TransferConfig)) -> Option<TransferConfig> {
    let mut transfer = TransferConfig { from: file, ..TransferConfig::default() };
    change(&mut transfer);
    Some(transfer)
}

fn splits(config: &Config) -> Splits {
    frugan_data::open(&config.data).unwrap()
}

fn tensors(params: &Params) -> Vec<(String, Kind, Vec<f32>)> {
    params.iter().map(|(name, kind, var)| (name.to_string(), kind, var.to_vec::<f32>().unwrap())).collect()
}

#[derive(Default)]
struct Notes(Mutex<Vec<String>>);

impl Observer for Notes {
    fn note(&self, line: &str) {
        self.0.lock().unwrap().push(line.into());
    }
}

/// What the first state of a run that starts by transfer holds: interrupted ahead of its first step.
fn at_the_start(config: &Config, dir: &Path) -> (Trainer, String) {
    let interrupt = Interrupt::new();
    interrupt.request();
    let notes = Notes::default();
    Plan::new(config.clone(), dir.into(), &mut Library::new()).unwrap().run(&notes, &interrupt).unwrap();
    let mut reader = config.clone();
    reader.transfer = from(dir.join("state-0.safetensors"), |_| {});
    // Reading the state back by a transfer of its own gives its networks.
    let notes = notes.0.into_inner().unwrap().join("\n");
    (Trainer::transferred(&reader, &splits(&reader), &Device::Cpu).unwrap(), notes)
}

#[test]
fn a_state_gives_all_three_networks_and_nothing_else() {
    let (source, dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    trained(&base(), source.path());
    let state = source.path().join("state-4.safetensors");
    let mut config = base();
    config.seed = 7;
    config.transfer = from(state.clone(), |_| {});
    let (got, notes) = at_the_start(&config, dir.path());
    let mut same = base();
    same.transfer = from(state, |_| {});
    let want = Trainer::transferred(&same, &splits(&same), &Device::Cpu).unwrap();
    for (got, want) in [
        (got.generator.params(), want.generator.params()),
        (got.discriminator.params(), want.discriminator.params()),
        (got.ema.params(), want.ema.params()),
    ] {
        assert_eq!(tensors(got), tensors(want));
    }
    assert_ne!(tensors(got.generator.params()), tensors(got.ema.params()), "the average is the file's own");
    let fresh = Trainer::new(&base(), &splits(&base()), &Device::Cpu).unwrap();
    assert_ne!(tensors(got.generator.params()), tensors(fresh.generator.params()));
    assert_eq!(got.itr, 0, "steps start anew");
    assert!(notes.contains("(step 4): G, D and the average"), "{notes}");
    assert!(dir.path().join("state-0.safetensors").exists());
}

#[test]
fn a_snapshot_gives_g_and_the_average() {
    let (source, dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    trained(&base(), source.path());
    let mut config = base();
    config.transfer = from(source.path().join("snapshot-4.safetensors"), |_| {});
    let (got, notes) = at_the_start(&config, dir.path());
    assert_eq!(tensors(got.generator.params()), tensors(got.ema.params()));
    let fresh = Trainer::new(&base(), &splits(&base()), &Device::Cpu).unwrap();
    assert_eq!(tensors(got.discriminator.params()), tensors(fresh.discriminator.params()));
    assert!(notes.contains("D starts from drawn weights"), "{notes}");
}

#[test]
fn the_run_goes_on_from_its_own_state_without_the_file() {
    let (source, dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    trained(&base(), source.path());
    let mut config = base();
    config.transfer = from(source.path().join("state-4.safetensors"), |_| {});
    trained(&config, dir.path());
    drop(source);
    let plan = Plan::new(config.clone(), dir.path().into(), &mut Library::new()).unwrap();
    assert!(plan.is_finished().unwrap());
    let error = Plan::new(config, dir.path().join("other"), &mut Library::new()).err().unwrap().to_string();
    assert!(error.contains("state-4.safetensors"), "{error}");
}

#[test]
fn frozen_blocks_and_weights_do_not_change_and_cost_no_gradient() {
    for (config, block) in [(base(), "blocks.0."), (style(), "b32.")] {
        let source = tempfile::tempdir().unwrap();
        trained(&config, source.path());
        let train = |freeze_d: usize, mode: TransferMode| {
            let mut config = config.clone();
            config.transfer =
                from(source.path().join("state-4.safetensors"), |t| (t.freeze_d, t.mode) = (freeze_d, mode));
            let mut trainer = Trainer::transferred(&config, &splits(&config), &Device::Cpu).unwrap();
            let before = [tensors(trainer.generator.params()), tensors(trainer.discriminator.params())];
            let (ended, cost) = count_multiply_adds(|| trainer.step());
            ended.unwrap();
            let after = [tensors(trainer.generator.params()), tensors(trainer.discriminator.params())];
            let moved = [0, 1].map(|i| {
                let pairs = before[i].iter().zip(&after[i]).filter(|(a, b)| a.1 == Kind::Weight && a.2 != b.2);
                pairs.map(|(a, _)| a.0.clone()).collect::<Vec<_>>()
            });
            (moved, cost)
        };
        let ([g, d], full) = train(0, TransferMode::Full);
        assert!(d.iter().any(|name| name.starts_with(block)), "{d:?}");
        let ([g_too, frozen], cheaper) = train(1, TransferMode::Full);
        assert!(!frozen.iter().any(|name| name.starts_with(block)), "{frozen:?}");
        assert!(frozen.len() < d.len() && g_too == g, "{frozen:?}");
        assert!(cheaper < full, "{cheaper} for {full}");
        let ([scaled, d_too], cost) = train(0, TransferMode::ScaleShift);
        assert!(!scaled.is_empty() && scaled.len() < g.len() && d_too == d, "{scaled:?}");
        assert!(cost < full, "{cost} for {full}");
        let allowed = |name: &String| [".bn.", ".affine.", ".bias"].iter().any(|part| name.contains(part));
        assert!(scaled.iter().all(allowed), "{scaled:?}");
    }
}

#[test]
fn a_run_with_frozen_weights_resumes_to_the_same_bytes() {
    struct StopAt<'a>(&'a Interrupt);
    impl Observer for StopAt<'_> {
        fn step(&self, done: u64, _: u64) {
            if done == 2 {
                self.0.request();
            }
        }
    }
    let dirs = [0; 3].map(|_| tempfile::tempdir().unwrap());
    trained(&base(), dirs[0].path());
    let mut config = base();
    config.transfer =
        from(dirs[0].path().join("state-4.safetensors"), |t| (t.freeze_d, t.mode) = (2, TransferMode::ScaleShift));
    trained(&config, dirs[1].path());
    let interrupt = Interrupt::new();
    let plan = Plan::new(config.clone(), dirs[2].path().into(), &mut Library::new()).unwrap();
    plan.run(&StopAt(&interrupt), &interrupt).unwrap();
    trained(&config, dirs[2].path());
    for name in ["state-4.safetensors", "stats.jsonl", "snapshot-4.safetensors"] {
        let read = |dir: &Path| std::fs::read(dir.join(name)).unwrap();
        assert!(read(dirs[1].path()) == read(dirs[2].path()), "{name}");
    }
}

#[test]
fn what_depends_on_the_classes_is_drawn_anew_and_said() {
    for config in [base(), style()] {
        let (source, dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        trained(&config, source.path());
        let mut other = config.clone();
        other.data =
            DataConfig { name: DataName::Synthetic, num_images: Some(40), labels: Labels::None, ..config.data };
        other.transfer = from(source.path().join("state-4.safetensors"), |_| {});
        let (_, notes) = at_the_start(&other, dir.path());
        assert!(notes.contains("embed") && notes.contains("it depends on the classes"), "{notes}");
    }
}

#[test]
fn files_that_do_not_fit_are_told_tensor_by_tensor() {
    let source = tempfile::tempdir().unwrap();
    trained(&base(), source.path());
    let file = |name: &str| source.path().join(name);
    let error = |config: &Config, transfer: Option<TransferConfig>| {
        let (dir, mut config) = (tempfile::tempdir().unwrap(), config.clone());
        config.transfer = transfer;
        let error = Plan::new(config, dir.path().into(), &mut Library::new()).err().unwrap();
        assert!(error.is_input(), "{error}");
        error.to_string()
    };
    let mut wider = base();
    let frugan_models::ModelConfig::Dcgan(dcgan) = &mut wider.model else { panic!("a DCGAN") };
    dcgan.g_ch = 16;
    let text = error(&wider, from(file("state-4.safetensors"), |_| {}));
    assert!(
        text.contains("G's blocks.0.bn.bias is [32] in the file, expected [64]; G's blocks.0.bn.gain is"),
        "{text}"
    );
    assert!(text.contains("; and ") && text.contains("only what depends on the classes may differ"), "{text}");

    let text = error(&style(), from(file("state-4.safetensors"), |_| {}));
    assert!(text.contains("a dcgan, and model.name = \"stylegan2\""), "{text}");
    let text = error(&base(), from(file("snapshot-4.safetensors"), |t| t.freeze_d = 1));
    assert!(text.contains("holds no D to freeze (transfer.freeze_d = 1); give a state"), "{text}");
    let text = error(&base(), from(file("state-4.safetensors"), |t| t.freeze_d = 9));
    assert_eq!(text, "transfer.freeze_d = 9: D has 3 blocks, want 0 to 3");
    let text = error(&base(), from(file("none.safetensors"), |_| {}));
    assert!(text.contains("none.safetensors"), "{text}");
    let text = error(&base(), from(PathBuf::new(), |_| {}));
    assert!(text.contains("transfer without transfer.from"), "{text}");
    std::fs::write(file("broken.safetensors"), [1u8; 100]).unwrap();
    let text = error(&base(), from(file("broken.safetensors"), |_| {}));
    assert!(text.contains("not a whole snapshot or state file"), "{text}");
}
