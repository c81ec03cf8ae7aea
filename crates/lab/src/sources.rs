//! What a run draws on: the data set and the feature network, and what stands in where they are not there.

use std::path::{Path, PathBuf};

use anyhow::Result;
use frugan_data::{DataConfig, DataName, locate};
use frugan_metrics::{GeneratorMode, Network};
use frugan_nn::Precision;
use frugan_train::{Config, Plan};

use crate::config::{Layer, Resolved};

/// Which stand-ins a command allows. `frugan train` allows none: it runs on what it was told.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Allowed {
    /// The embedded set for a data set that was not found.
    pub(crate) data: bool,
    /// The random-feature network where Inception's weights are nowhere.
    pub(crate) network: bool,
}

impl Allowed {
    /// `smoke` and `mini-cpu` show something on a machine that has nothing; a longer run is not spent on another measure.
    pub(crate) fn at_scale(scale: &str) -> Self {
        Self { data: scale == "smoke", network: matches!(scale, "smoke" | "mini-cpu") }
    }
}

/// The values to set because data or weights are missing; each layer's name is the sentence that says so. What the user
/// asked for by an argument, or by the file that it picked, is never replaced. `starts` says whether anything is to run:
/// else nothing is downloaded.
pub(crate) fn stand_ins(resolved: &Resolved<Config>, allowed: Allowed, starts: bool) -> Result<Vec<Layer>> {
    let mut layers = Vec::new();
    let is_asked = |key: &str| resolved.provenance.get(key).is_some_and(|provenance| provenance.is_asked);
    let (data, eval) = (&resolved.config.data, &resolved.config.eval);
    let is_cifar = matches!(data.name, DataName::Cifar10 | DataName::Cifar100);
    if allowed.data && is_cifar && data.root.is_none() && !is_asked("data.name") && !locate::is_available(data) {
        let sentence = format!(
            "{} was not found, so this runs on the embedded synthetic set; `cargo xtask assets {}` brings the real data",
            data.name, data.name
        );
        layers.push(Layer::single(sentence, "data.name", &toml::Value::String("synthetic".into()))?);
    }
    let is_inception = eval.network == Network::Inception && eval.weights.is_none() && !is_asked("eval.network");
    if allowed.network
        && is_inception
        && let Err(error) = frugan_metrics::locate::weights(None, eval.download && starts)
    {
        let sentence = match eval.download && !starts {
            true => {
                "Inception's weights are not on this machine: where a run cannot download them, the random-feature \
                     network measures (frd, no FID); `cargo xtask assets inception` brings them"
                    .into()
            }
            false => format!(
                "Inception's weights were not found ({error}), so the random-feature network measures (frd, no FID)"
            ),
        };
        layers.push(Layer::single(sentence, "eval.network", &toml::Value::String("random".into()))?);
    }
    Ok(layers)
}

/// A data set's folder or file: as it stands, or below the folders that hold data sets.
pub(crate) fn find_root(root: &Path) -> Option<PathBuf> {
    let places = locate::Places::of(&DataConfig::default());
    let below = places.folders().map(|folder| folder.join(root)).collect::<Vec<_>>();
    std::iter::once(root.to_path_buf()).chain(below).find(|path| path.exists())
}

/// `inception`, with how it rounds if it does, or `random`.
pub(crate) fn network_name(config: &Config) -> String {
    match (config.eval.network, config.eval.precision) {
        (Network::Inception, Precision::F32) => "inception".into(),
        (Network::Inception, rounded) => format!("inception in {rounded}"),
        (Network::Random, _) => "random".into(),
    }
}

/// What a number of this run means, in words.
pub(crate) fn protocol(plan: &Plan) -> String {
    let eval = &plan.config().eval;
    let statistics = match eval.generator_mode {
        GeneratorMode::Batch => "batch statistics",
        GeneratorMode::Running => "running statistics",
    };
    let split = if eval.reference.is_train() { "train" } else { "test" };
    let also =
        if eval.also.is_empty() { String::new() } else { format!(", and {} on the same fakes", eval.also.join(", ")) };
    format!(
        "{} fakes of the averaged generator with {statistics} against the {} images of the {split} split{also}, every {} \
         G steps; the snapshot with the best Fréchet distance counts",
        eval.num_fakes,
        plan.evaluation().reference().len(),
        eval.every_steps,
    )
}
