//! Ranks that share each batch: their weights are those of one process with the whole batch.
#![allow(clippy::unwrap_used, clippy::print_stderr, missing_docs)]

mod support;

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use frugan_autograd::{DType, Device, Ranks, Var};
use frugan_data::{DataConfig, DataName, Splits};
use frugan_nn::Params;
use frugan_train::{Config, Member, Room, Setup, Trainer};

const TIMEOUT: Duration = Duration::from_secs(120);

const BIGGAN: &str = concat!(
    support::biggan!(),
    r#"
[loss]
name = "hinge"
cr = { weight = 10.0 }
lecam = { weight = 0.3, start_itr = 2 }
[optim]
batch = 8
num_d_steps = 2
ema = { decay = 0.9, start_itr = 2 }
"#
);

/// Path length moves with the mean of the whole batch, minibatch standard deviation with groups of it.
const STYLEGAN2: &str = concat!(
    support::stylegan2!(),
    r#"
[augment.ada]
p = 0.3
kimg = 0.5
interval = 2
[loss.r1]
[loss.path_length]
[optim]
batch = 8
num_d_steps = 1
first = "g"
lazy = { g_interval = 4, d_interval = 2 }
g = { lr = 0.002, beta2 = 0.99 }
d = { lr = 0.002, beta2 = 0.99 }
ema = { halflife_kimg = 0.02 }
"#
);

fn data() -> Splits {
    let config = DataConfig { name: DataName::Synthetic, num_images: Some(64), ..DataConfig::default() };
    frugan_data::open(&config).unwrap()
}

fn weights(trainer: &Trainer) -> Vec<Vec<f64>> {
    let networks = [trainer.generator.params(), trainer.discriminator.params(), trainer.ema.params()];
    let flat = |params: &Params| params.weights().iter().flat_map(|w| w.to_vec::<f64>().unwrap()).collect();
    networks.into_iter().map(flat).collect()
}

/// What a training leaves.
struct Trained {
    start: Vec<Vec<f64>>,
    end: Vec<Vec<f64>>,
    p: Option<f64>,
}

/// In F64, for Adam's first steps are nearly signs: where a gradient is zero, such as that of a bias ahead of batch norm, F32's
/// rounding alone would move weights.
fn train(config: &Config, ranks: Ranks, steps: usize) -> Trained {
    let setup = Setup { dtype: DType::F64, ranks, ..Setup::on(Device::Cpu) };
    let mut trainer = Trainer::in_setup(config, &data(), &setup).unwrap();
    let start = weights(&trainer);
    (0..steps).for_each(|_| trainer.step().unwrap());
    Trained { start, end: weights(&trainer), p: trainer.augmentation().p() }
}

/// The same on `count` ranks, as threads of this process.
fn train_on(config: &Config, count: usize, steps: usize) -> Vec<Trained> {
    let room = Room::new().unwrap();
    let dir = room.path().to_path_buf();
    let join = |rank| Arc::new(Member::join(&dir, rank, count, TIMEOUT, || None).unwrap());
    let follow = &|rank| train(config, join(rank).ranks(config, Device::Cpu).unwrap().0, steps);
    thread::scope(|scope| {
        let followers: Vec<_> = (1..count).map(|rank| scope.spawn(move || follow(rank))).collect();
        let member = Arc::new(room.lead(count, TIMEOUT, || None).unwrap());
        let mut all = vec![train(config, member.ranks(config, Device::Cpu).unwrap().0, steps)];
        all.extend(followers.into_iter().map(|follower| follower.join().unwrap()));
        all
    })
}

fn distance(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt()
}

fn equal_one_rank(text: &str, name: &str) {
    let mut config = Config::from_toml(text).unwrap();
    let alone = train(&config, Ranks::alone(), 10);
    config.ranks.count = 2;
    config.check().unwrap();
    let shared = train_on(&config, 2, 10);
    assert_eq!(shared[0].end, shared[1].end, "the ranks of {name} hold the same bits");
    assert_eq!((shared[0].p, shared[1].p), (alone.p, alone.p));
    for (i, network) in ["G", "D", "average"].iter().enumerate() {
        let moved = distance(&alone.end[i], &alone.start[i]);
        let apart = distance(&shared[0].end[i], &alone.end[i]);
        eprintln!("{name}'s {network}: {apart:.2e} apart after a way of {moved:.2e}");
        assert!(apart < 1e-6 * moved, "{name}'s {network}: {apart} apart after a way of {moved}");
    }
}

#[test]
fn two_ranks_of_biggan_are_one_with_the_double_batch() {
    // One process normalises in the ranks' groups, as two devices do.
    equal_one_rank(&BIGGAN.replace("g_ch = 4", "g_ch = 4\nbn_group = 4"), "BigGAN");
}

#[test]
fn synchronised_batch_norm_is_that_of_the_whole_batch() {
    equal_one_rank(&format!("{BIGGAN}\n[ranks]\nsync_bn = true\n"), "BigGAN with synchronised batch norm");
}

#[test]
fn two_ranks_of_stylegan2_are_one_with_the_double_batch() {
    let mixing = "mapping_layers = 2\nstyle_mixing = 0.5";
    equal_one_rank(&STYLEGAN2.replace("mapping_layers = 2", mixing), "StyleGAN2");
}

/// The errors of both ranks when the second leaves its place in this way.
fn lose_the_second(timeout: Duration, leave: impl FnOnce(Member) + Send) -> (String, Duration) {
    let room = Room::new().unwrap();
    let dir = room.path().to_path_buf();
    thread::scope(|scope| {
        scope.spawn(move || leave(Member::join(&dir, 1, 2, TIMEOUT, || None).unwrap()));
        let member = Arc::new(room.lead(2, timeout, || None).unwrap());
        let started = Instant::now();
        let one = Var::full(1.0, &[1], DType::F64, &Device::Cpu).unwrap();
        let ranks = || member.ranks(&Config::default(), Device::Cpu).map_err(|error| error.to_string());
        let sum = || ranks()?.0.sum(&one).map_err(|error| error.to_string());
        // Who is gone already is missed when told to step.
        let error = member.step(41).map_err(|error| error.to_string()).and_then(|()| sum()).unwrap_err();
        assert_eq!(member.failure(), Some(error.clone()));
        (error, started.elapsed())
    })
}

#[test]
fn a_rank_that_ends_is_named_at_once() {
    let (error, took) = lose_the_second(TIMEOUT, drop);
    let process = std::process::id();
    assert!(error.starts_with(&format!("rank 1 (process {process}) ended at step 41; ")), "{error}");
    assert!(took < TIMEOUT / 2, "{took:?}");
}

#[test]
fn a_rank_that_hangs_is_named_when_its_time_is_up() {
    let timeout = Duration::from_millis(300);
    let (error, took) = lose_the_second(timeout, |member| {
        thread::sleep(Duration::from_secs(2));
        drop(member);
    });
    assert!(error.contains("rank 1") && error.contains("has not answered for 0.3 s at step 41"), "{error}");
    assert!(took >= timeout && took < Duration::from_millis(1900), "{took:?}");
}

#[test]
fn a_rank_that_cannot_come_ends_the_wait() {
    let error = Room::new().unwrap().lead(2, TIMEOUT, || Some("rank 1 ended: exit status 2".into())).err().unwrap();
    assert_eq!(error.to_string(), "rank 1 ended: exit status 2");
    let error = Room::new().unwrap().lead(2, Duration::from_millis(50), || None).err().unwrap();
    assert_eq!(error.to_string(), "rank 1 did not come within 0.05 s");
}
