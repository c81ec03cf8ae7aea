//! The data rules against lists that the published code drew.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use frugan_data::{InfiniteSampler, Mt19937, SubsetOrder, subset_indices};
use safetensors::SafeTensors;
use std::path::{Path, PathBuf};

fn golden_folder() -> Option<PathBuf> {
    let folder = std::env::var_os("FRUGAN_GOLDEN").map(PathBuf::from);
    if folder.is_none() {
        println!("skipped: FRUGAN_GOLDEN is not set");
    }
    folder
}

fn integers(file: &SafeTensors, name: &str) -> Vec<u32> {
    let (words, []) = file.tensor(name).unwrap().data().as_chunks::<8>() else { panic!("{name} is not I64") };
    words.iter().map(|word| i64::from_le_bytes(*word).try_into().unwrap()).collect()
}

fn config(bytes: &[u8]) -> serde_json::Value {
    let (_, header) = SafeTensors::read_metadata(bytes).unwrap();
    serde_json::from_str(&header.metadata().as_ref().unwrap()["config"]).unwrap()
}

fn number(config: &serde_json::Value, key: &str) -> u32 {
    config[key].as_u64().unwrap().try_into().unwrap()
}

fn check(folder: &Path, name: &str) {
    let bytes = std::fs::read(folder.join(name)).unwrap();
    let (file, config) = (SafeTensors::deserialize(&bytes).unwrap(), config(&bytes));
    let (total, n, seed) = (number(&config, "total"), number(&config, "n"), number(&config, "seed"));
    let subset = |order| subset_indices(total, n as usize, seed, order);
    for tensor in file.names() {
        match tensor {
            "out.idx" | "out.subset_biggan" => assert_eq!(subset(SubsetOrder::Drawn), integers(&file, tensor)),
            "out.subset_ada" => assert_eq!(subset(SubsetOrder::Sorted), integers(&file, tensor)),
            "out.infinite_sampler" => {
                let expected = integers(&file, tensor);
                let got: Vec<u32> = InfiniteSampler::new(n, seed).take(expected.len()).collect();
                assert_eq!(got, expected, "{name}");
            }
            "out.random_sample" => {
                let mut draws = Mt19937::new(seed);
                for expected in file.tensor(tensor).unwrap().data().as_chunks::<8>().0 {
                    assert_eq!(draws.random_sample(), f64::from_le_bytes(*expected), "{name}");
                }
            }
            other => panic!("{name}: no rule for {other}"),
        }
    }
}

#[test]
fn every_file_of_kind_data_passes() {
    let Some(folder) = golden_folder() else { return };
    let mut names: Vec<String> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with("data_") && name.ends_with(".safetensors"))
        .collect();
    names.sort();
    assert!(names.len() >= 4, "{names:?} in {}", folder.display());
    names.iter().for_each(|name| check(&folder, name));
}
