//! Whole training steps on the GPU layer, its kernels run by the host: against the CPU's, and what they ask of a device.
#![allow(clippy::unwrap_used, clippy::explicit_write, clippy::print_stderr, missing_docs)]

use std::io::Write;

use frugan_autograd::cuda::{self, Counters};
use frugan_autograd::{Device, fetch};
use frugan_data::{DataConfig, DataName, Splits};
use frugan_train::{Config, Trainer};

const BIGGAN: &str = r#"
[model]
name = "biggan"
g_ch = 4
d_ch = 4
latent_dim = 16
shared_dim = 8
[augment]
policy = "color,translation,cutout"
[data]
name = "synthetic"
num_images = 40
[optim]
batch = 4
num_d_steps = 4
"#;

const STYLEGAN2: &str = r#"
[model]
name = "stylegan2"
channel_max = 8
latent_dim = 16
w_dim = 16
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
batch = 4
num_d_steps = 1
first = "g"
ema = { halflife_kimg = 0.02 }
"#;

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
    }
}

/// Two steps on both devices; the second one's counters, when all that is kept for the device's life is there.
fn compare(text: &str, tolerance: f64) -> Counters {
    let config = Config::from_toml(text).unwrap();
    let [mut cpu, mut gpu] = [Device::Cpu, Device::Emulated].map(|d| Trainer::new(&config, &data(), &d).unwrap());
    assert_eq!(weights(&cpu), weights(&gpu));
    cpu.step().unwrap();
    gpu.step().unwrap();
    let before = cuda::counters(Device::Emulated).unwrap();
    let start = weights(&cpu);
    cpu.step().unwrap();
    gpu.step().unwrap();
    let counters = since(before);
    let (mut moved, mut apart) = (0.0, 0.0);
    for ((a, b), start) in weights(&cpu).iter().zip(&weights(&gpu)).zip(&start) {
        for ((a, b), start) in a.iter().zip(b).zip(start) {
            moved += (a - start).powi(2);
            apart += (a - b).powi(2);
        }
    }
    let (moved, apart) = (f64::sqrt(moved), f64::sqrt(apart));
    eprintln!("weights moved by {moved:.3e} in a step, and are {apart:.3e} apart; {counters:?}");
    assert!(apart < tolerance * moved, "{apart} apart, after a move of {moved}");
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
    ];
    for (name, count, most) in pairs {
        assert!(count <= most, "{count} {name} in a step, at most {most} before: {counters:?}");
    }
}

#[test]
fn steps_on_the_device_are_the_cpu_s() {
    if !has_compiler() {
        return;
    }
    // One after the other, for both count on one device.
    let counters = compare(BIGGAN, 0.002);
    within(
        counters,
        Counters { launches: 3033, allocations: 3119, reservations: 0, uploads: 72, synchronisations: 11 },
    );
    let counters = compare(STYLEGAN2, 0.002);
    within(counters, Counters { launches: 3135, allocations: 3118, reservations: 0, uploads: 28, synchronisations: 6 });
}
