//! FID of two folders of images, with what real images would get.
//!
//! `cargo run --release -p frugan-metrics --example fid_of_folders -- A B`
//!
//! The Inception network is found by FRUGAN_WEIGHTS or in the user's cache (`cargo xtask assets inception` puts it
//! there); a third argument `random` takes random features, whose distance needs no file and is no FID.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example speaks")]

use std::error::Error;
use std::path::Path;
use std::process::ExitCode;

use frugan_data::{DataConfig, DataName, Dataset, Labels};
use frugan_metrics::{EvalConfig, FeatureNetwork, Images, Moments, Network, Tap, fid};

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let result = match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [a, b] => compare(a, b, Network::Inception),
        [a, b, "random"] => compare(a, b, Network::Random),
        _ => Err("give two folders of images, and `random` for the random-feature network".into()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}

fn compare(a: &str, b: &str, network: Network) -> Result<(), Box<dyn Error>> {
    let (a, b) = (images(a.as_ref())?, images(b.as_ref())?);
    let network = FeatureNetwork::open(&EvalConfig { network, ..EvalConfig::default() })?;
    println!("{}: {} images, {}: {} images, features: {}", a.name, a.len(), b.name, b.len(), network.source());

    let (of_a, of_b) = (moments(&network, &a)?, moments(&network, &b)?);
    let name = if network.tap() == Tap::Pool2048 { "fid" } else { "frd" };
    println!("{name} = {:.4}", fid(&of_a, &of_b)?);

    // Two halves of one folder: what images of the same kind get at half the size.
    let half = b.len() as u32 / 2;
    let halves = [
        b.select("first half", &(0..half).collect::<Vec<_>>()),
        b.select("second half", &(half..2 * half).collect::<Vec<_>>()),
    ];
    let [first, second] = [moments(&network, &halves[0])?, moments(&network, &halves[1])?];
    println!("{name} of the second folder's halves = {:.4}", fid(&first, &second)?);
    Ok(())
}

fn images(root: &Path) -> Result<Dataset, Box<dyn Error>> {
    let config = DataConfig {
        name: DataName::Folder,
        root: Some(root.to_owned()),
        labels: Labels::None,
        test_fraction: 0.0,
        ..DataConfig::default()
    };
    Ok(frugan_data::open(&config)?.train)
}

fn moments(network: &FeatureNetwork, set: &Dataset) -> Result<Moments, Box<dyn Error>> {
    const BATCH: usize = 50;
    let all = Images::new(&set.images, set.shape)?;
    // One pass, a batch at a time: the moments are all that is kept.
    let mut moments: Option<Moments> = None;
    for start in (0..all.len()).step_by(BATCH) {
        let batch = Moments::of(&network.extract(all.slice(start, BATCH))?)?;
        match &mut moments {
            Some(moments) => moments.merge(&batch)?,
            None => moments = Some(batch),
        }
    }
    moments.ok_or_else(|| format!("{}: no image", set.name).into())
}
