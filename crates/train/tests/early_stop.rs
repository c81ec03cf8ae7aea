//! A run that its metric ends: what it leaves, and that it is then finished.
#![allow(clippy::unwrap_used, missing_docs)]

use std::fs;
use std::path::Path;
use std::sync::Mutex;

use frugan_train::{
    Config, Interrupt, Library, Observer, Outcome, Plan, Silent, Status, Warning, newest_state, read_records,
};

/// A rate at which nothing is learned, so that the first evaluation stays the best or nearly so.
const STILL: &str = r#"
device = "cpu"
[model]
name = "dcgan"
g_ch = 8
d_ch = 8
[data]
name = "synthetic"
num_images = 60
[optim]
batch = 8
num_d_steps = 1
g = { lr = 1e-30 }
d = { lr = 1e-30 }
ema = { decay = 0.0, start_itr = 0 }
[eval]
network = "random"
num_fakes = 32
every_steps = 2
metrics = ["fid"]
generator_mode = "batch"
batch = 16
[train]
steps = 40
tick_steps = 5
save_every_steps = 100
sample_every_steps = 0
monitor_images = 8
early_stop = { metric = "fid", patience = 3 }
"#;

fn plan(dir: &Path) -> Plan {
    Plan::new(Config::from_toml(STILL).unwrap(), dir.into(), &mut Library::new()).unwrap()
}

#[derive(Default)]
struct Heard(Mutex<Vec<String>>);

impl Observer for Heard {
    fn note(&self, line: &str) {
        self.0.lock().unwrap().push(line.into());
    }
    fn warning(&self, _: u64, warning: &Warning) {
        self.0.lock().unwrap().push(format!("{}: {}", warning.kind, warning.text));
    }
}

#[test]
fn a_run_ends_when_its_patience_is_used_up_and_is_then_finished() {
    let dir = tempfile::tempdir().unwrap();
    let heard = Heard::default();
    let outcome = plan(dir.path()).run(&heard, &Interrupt::new()).unwrap();
    assert_eq!(outcome.status, Status::Finished);
    // Nothing moves, so evaluations 2, 3 and 4 are no better than the first: the run ends at step 8 of 40.
    let last = outcome.last.clone().unwrap();
    assert_eq!(last.step, 8);
    let notes = heard.0.into_inner().unwrap().join("\n");
    assert!(notes.contains("ended early at step 8 of 40: frd32_test was best at step 2"), "{notes}");

    let stats = read_records(&dir.path().join("stats.jsonl")).unwrap();
    let steps: Vec<u64> = stats.iter().map(|record| record.step).collect();
    assert_eq!(steps, [5, 8, 8], "the tick that was due, the last one, and why it ended");
    assert_eq!(stats[2].get("train/ended_early"), Some(1.0));
    assert_eq!((stats[2].get("train/best_step"), stats[2].get("train/evaluations_since_best")), (Some(2.0), Some(3.0)));
    assert!(dir.path().join("samples/0000008.png").exists());
    assert_eq!(newest_state(dir.path()).unwrap(), Some(8));
    assert!(fs::read_to_string(dir.path().join("log.txt")).unwrap().contains("ended early at step 8"));

    assert!(plan(dir.path()).is_finished().unwrap());
    let state = fs::read(dir.path().join("state-8.safetensors")).unwrap();
    let again = plan(dir.path()).run(&Silent, &Interrupt::new()).unwrap();
    assert_eq!(again, Outcome { status: Status::Finished, ..outcome });
    assert_eq!(fs::read(dir.path().join("state-8.safetensors")).unwrap(), state, "it trains no further");
}

#[test]
fn an_interruption_does_not_change_where_it_ends() {
    struct StopAt<'a>(&'a Interrupt);
    impl Observer for StopAt<'_> {
        fn step(&self, done: u64, _: u64) {
            if done == 5 {
                self.0.request();
            }
        }
    }
    let (whole, broken) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    plan(whole.path()).run(&Silent, &Interrupt::new()).unwrap();
    let interrupt = Interrupt::new();
    let outcome = plan(broken.path()).run(&StopAt(&interrupt), &interrupt).unwrap();
    assert_eq!(outcome.status, Status::Interrupted);
    assert!(!plan(broken.path()).is_finished().unwrap());
    plan(broken.path()).run(&Silent, &Interrupt::new()).unwrap();
    for name in ["stats.jsonl", "state-8.safetensors", "metric-frd32_test.jsonl", "snapshot-8.safetensors"] {
        assert!(fs::read(whole.path().join(name)).unwrap() == fs::read(broken.path().join(name)).unwrap(), "{name}");
    }
}

#[test]
fn what_leaves_a_papers_recipe_is_told_at_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = Config::from_toml(STILL).unwrap();
    config.loss.label_flip = Some(0.4);
    config.train.steps = 1;
    let heard = Heard::default();
    Plan::new(config, dir.path().into(), &mut Library::new()).unwrap().run(&heard, &Interrupt::new()).unwrap();
    let heard = heard.0.into_inner().unwrap().join("\n");
    assert!(heard.contains("recipe: loss.label_flip = 0.4 (above 0.1)"), "{heard}");
    assert!(
        fs::read_to_string(dir.path().join("log.txt")).unwrap().contains("warning at step 0: loss.label_flip = 0.4")
    );
}
