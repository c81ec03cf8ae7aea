//! Whole training steps on the GPU layer, its kernels run by the host: against the CPU's, and what they ask of a device.
#![allow(clippy::unwrap_used, clippy::explicit_write, clippy::print_stderr, missing_docs)]

mod support;

use std::io::Write;

use frugan_autograd::cuda::{self, Counters, ThreadOrder};
use frugan_autograd::{DType, Device, fetch};
use frugan_data::{DataConfig, DataName, Splits};
use frugan_nn::Precision;
use frugan_train::{Config, Trainer};

const BIGGAN: &str = concat!(
    support::biggan!(),
    "
num_images = 40
[optim]
batch = 4
num_d_steps = 4
"
);

const STYLEGAN2: &str = concat!(
    support::stylegan2!(),
    r#"
num_images = 40
[augment.ada]
p = 0.8
[loss.r1]
[loss.path_length]
[optim]
batch = 4
num_d_steps = 1
first = "g"
ema = { halflife_kimg = 0.02 }
"#
);

fn data() -> Splits {
    let config = DataConfig { name: DataName::Synthetic, num_images: Some(40), ..DataConfig::default() };
    frugan_data::open(&config).unwrap()
}

fn has_compiler() -> bool {
    match Device::Emulated.open() {
        Ok(_) => true,
        Err(error) => {
            // Past the test harness, which would swallow it.
            writeln!(std::io::stderr(), "skipped: {error}").unwrap();
            false
        }
    }
}

fn weights(trainer: &Trainer) -> Vec<Vec<f64>> {
    let networks = [trainer.generator.params(), trainer.discriminator.params(), trainer.ema.params()];
    let vars: Vec<_> = networks.iter().flat_map(|params| params.iter().map(|(_, _, var)| var)).collect();
    fetch(&vars).unwrap()
}

fn since(before: Counters) -> Counters {
    let now = cuda::counters(Device::Emulated).unwrap();
    Counters {
        launches: now.launches - before.launches,
        allocations: now.allocations - before.allocations,
        reservations: now.reservations - before.reservations,
        uploads: now.uploads - before.uploads,
        synchronisations: now.synchronisations - before.synchronisations,
        recordings: now.recordings - before.recordings,
        changes: now.changes - before.changes,
    }
}

fn in_graphs(text: &str, graph: bool) -> Config {
    let mut config = Config::from_toml(text).unwrap();
    config.train.graph = graph;
    config
}

/// What two steps asked of the device, with ops fused and with a kernel a step.
struct Asked {
    fused: Counters,
    unfused: Counters,
}

/// Three steps on both devices. The counters are those of the second, when all that is kept for the device's life is there,
/// and of the third, which the device takes unfused.
fn compare(text: &str, tolerance: f64) -> Asked {
    let config = in_graphs(text, false);
    let [mut cpu, mut gpu] = [Device::Cpu, Device::Emulated].map(|d| Trainer::new(&config, &data(), &d).unwrap());
    assert_eq!(weights(&cpu), weights(&gpu));
    cpu.step().unwrap();
    gpu.step().unwrap();
    let fused = asked(&mut cpu, &mut gpu, tolerance, |gpu| gpu.step().unwrap());
    let unfused = asked(&mut cpu, &mut gpu, tolerance, |gpu| frugan_autograd::unfused(|| gpu.step().unwrap()));
    Asked { fused, unfused }
}

/// How far the weights of two trainers are apart.
fn distance(a: &[Vec<f64>], b: &[Vec<f64>]) -> f64 {
    a.iter().flatten().zip(b.iter().flatten()).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt()
}

/// One more step on both: it takes the weights no further apart than the tolerance, in units of the way that they move.
fn asked(cpu: &mut Trainer, gpu: &mut Trainer, tolerance: f64, step: impl FnOnce(&mut Trainer)) -> Counters {
    let (start, apart_before) = (weights(cpu), distance(&weights(cpu), &weights(gpu)));
    let before = cuda::counters(Device::Emulated).unwrap();
    cpu.step().unwrap();
    step(gpu);
    let counters = since(before);
    let moved = distance(&weights(cpu), &start);
    let apart = distance(&weights(cpu), &weights(gpu));
    eprintln!("weights moved by {moved:.3e} in a step, from {apart_before:.3e} to {apart:.3e} apart; {counters:?}");
    assert!(apart - apart_before < tolerance * moved, "{apart} apart, {apart_before} before a move of {moved}");
    counters
}

/// Bounds that a change may lower, and may not raise without a reason.
fn within(counters: Counters, most: Counters) {
    let pairs = [
        ("launches", counters.launches, most.launches),
        ("allocations", counters.allocations, most.allocations),
        ("reservations", counters.reservations, most.reservations),
        ("uploads", counters.uploads, most.uploads),
        ("synchronisations", counters.synchronisations, most.synchronisations),
        ("recordings", counters.recordings, most.recordings),
        ("changes", counters.changes, most.changes),
    ];
    for (name, count, most) in pairs {
        assert!(count <= most, "{count} {name} in a step, at most {most} before: {counters:?}");
    }
}

/// Once the first iterations have left what is kept, an iteration is recorded, and the next ones are one request and one upload
/// each, and the host waits for nothing. Not a bit of the weights differs from those of iterations kernel by kernel.
fn is_one_graph(text: &str, changes: u64) {
    let [mut eager, mut graph] =
        [false, true].map(|graph| Trainer::new(&in_graphs(text, graph), &data(), &Device::Emulated).unwrap());
    let mut asked = Vec::new();
    for _ in 0..7 {
        eager.step().unwrap();
        let before = cuda::counters(Device::Emulated).unwrap();
        graph.step().unwrap();
        asked.push(since(before));
        assert!(weights(&eager) == weights(&graph), "a graph's weights are others");
    }
    eprintln!("{asked:#?}");
    assert_eq!(asked.iter().map(|asked| asked.recordings).sum::<u64>(), 1, "recordings of one kind of iteration");
    within(asked[6], Counters { launches: 1, allocations: u64::MAX, uploads: 1, changes, ..Counters::default() });
}

/// In BF16 the weights of both networks go nearly the same way as in F32, and stay F32 themselves: in one iteration, behind which such
/// small networks make more and more of any difference, and over several seeds, of which each has its own.
fn goes_the_same_way_in_bf16(text: &str, tolerance: f64) {
    let trained = |seed, precision| {
        let mut config = Config { seed, precision, ..in_graphs(text, true) };
        // Steps as long as their gradients: Adam's usual epsilon makes as much of a small one's rounding as of a large one.
        for adam in [&mut config.optim.g, &mut config.optim.d] {
            (adam.lr, adam.eps) = (0.01, 1.0);
        }
        let mut trainer = Trainer::new(&config, &data(), &Device::Emulated).unwrap();
        let trained = |trainer: &Trainer| {
            let networks = [trainer.generator.params(), trainer.discriminator.params()];
            let weights: Vec<_> = networks.into_iter().flat_map(|params| params.weights()).collect();
            assert!(weights.iter().all(|var| var.dtype() == DType::F32));
            fetch(&weights).unwrap()
        };
        let start = trained(&trainer);
        trainer.step().unwrap();
        trainer.catch_up().unwrap();
        (start, trained(&trainer))
    };
    let shares: Vec<f64> = (0..3)
        .map(|seed| {
            let (start, exact) = trained(seed, Precision::F32);
            let (_, rounded) = trained(seed, Precision::Bf16);
            distance(&exact, &rounded) / distance(&start, &exact)
        })
        .collect();
    eprintln!("in bf16 apart by these shares of the way: {shares:.4?}");
    let mean = shares.iter().sum::<f64>() / shares.len() as f64;
    assert!(mean > 0.0 && mean < tolerance, "{mean} of the way apart, {tolerance} at most");
}

#[test]
fn steps_on_the_device_are_the_cpu_s() {
    if !has_compiler() {
        return;
    }
    // One after the other, for both count on one device.
    let biggan = compare(BIGGAN, 0.002);
    let most = Counters {
        launches: 992,
        allocations: 2238,
        reservations: 0,
        uploads: 38,
        synchronisations: 5,
        ..Counters::default()
    };
    within(biggan.fused, most);
    let (fused, unfused) = (biggan.fused.launches, biggan.unfused.launches);
    assert!(3 * fused <= unfused, "{fused} launches, {unfused} unfused: want a third at most");
    let stylegan2 = compare(STYLEGAN2, 0.002);
    let most = Counters {
        launches: 3038,
        allocations: 3014,
        reservations: 0,
        uploads: 27,
        synchronisations: 2,
        ..Counters::default()
    };
    within(stylegan2.fused, most);
    // Images that lie pixel by pixel are the same images.
    cuda::force_pixels(Device::Emulated, Some(true)).unwrap();
    compare(BIGGAN, 0.002);
    compare(STYLEGAN2, 0.002);
    cuda::force_pixels(Device::Emulated, None).unwrap();
    is_one_graph(BIGGAN, 20);
    is_one_graph(STYLEGAN2, 45);
    goes_the_same_way_in_bf16(BIGGAN, 0.1);
    goes_the_same_way_in_bf16(STYLEGAN2, 0.1);
    for text in [BIGGAN, STYLEGAN2] {
        let forward = after_a_step(text, ThreadOrder::Forward);
        for order in [ThreadOrder::Backward, ThreadOrder::Scattered] {
            assert!(after_a_step(text, order) == forward, "{order:?} gives other weights: a kernel has a race");
        }
    }
}

/// The weights after a step whose kernels run in this order.
fn after_a_step(text: &str, order: ThreadOrder) -> Vec<Vec<f64>> {
    let mut trainer = Trainer::new(&Config::from_toml(text).unwrap(), &data(), &Device::Emulated).unwrap();
    cuda::run_threads(order);
    trainer.step().unwrap();
    cuda::run_threads(ThreadOrder::Forward);
    weights(&trainer)
}
