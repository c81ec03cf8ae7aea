//! Kind `data`: which images a subset holds, and in which order, by numpy's legacy generator.

use anyhow::Result;
use frugan_data::{InfiniteSampler, Mt19937, SubsetOrder, subset_indices};
use serde::Deserialize;

use super::CheckKind;
use super::check::Check;
use super::file::GoldenFile;

#[derive(Deserialize)]
struct Config {
    seed: u32,
    total: u32,
    n: usize,
}

pub(super) fn check_of(case: &str) -> Option<CheckKind> {
    match case {
        "subset_biggan" => Some(subset),
        "data_rules" => Some(rules),
        _ => None,
    }
}

fn subset(file: &GoldenFile, check: &mut Check) -> Result<()> {
    let Config { seed, total, n } = file.config()?;
    check.values("out.idx", exact(subset_indices(total, n, seed, SubsetOrder::Drawn)))
}

fn rules(file: &GoldenFile, check: &mut Check) -> Result<()> {
    let Config { seed, total, n } = file.config()?;
    check.values("out.subset_biggan", exact(subset_indices(total, n, seed, SubsetOrder::Drawn)))?;
    check.values("out.subset_ada", exact(subset_indices(total, n, seed, SubsetOrder::Sorted)))?;
    let order: Vec<u32> = InfiniteSampler::new(n as u32, seed).take(4 * n).collect();
    check.values("out.infinite_sampler", exact(order))?;
    let mut numpy = Mt19937::new(seed);
    check.values("out.random_sample", (0..20).map(|_| numpy.random_sample()))
}

fn exact(indices: Vec<u32>) -> impl Iterator<Item = f64> {
    indices.into_iter().map(f64::from)
}
