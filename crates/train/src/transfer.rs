//! Transfer: a run that starts from the weights of a trained model, and trains all of them or a part.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use frugan_models::{Models, Placement};
use frugan_nn::{Params, TensorMap};
use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::error::{Error, Result};
use crate::tensor_file;
use crate::trainer::Trainer;

/// `[transfer]`: first weights from a trained model in place of drawn ones. Steps, optimisers, running means and controllers
/// start anew, unlike where a run goes on from its own state.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TransferConfig {
    /// A file of another run: a state (`state-*.safetensors`: G, D and the average) or a snapshot (the average alone, which G
    /// then starts from too, and D from drawn weights). Its name, as written, is part of the run's name.
    pub from: PathBuf,
    /// FreezeD (Mo et al. 2020, section 3): so many of D's blocks, counted from the image on, keep their weights. Default 0.
    pub freeze_d: usize,
    /// What of G is trained: `full` (default: TransferGAN, Wang et al. 2018) or `scale_shift` (Noguchi and Harada 2019: what
    /// scales and shifts channels, and nothing else). D is trained in full but for `freeze_d`.
    pub mode: TransferMode,
}

/// What of G a transfer trains.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TransferMode {
    /// All weights: TransferGAN.
    #[default]
    Full,
    /// Gains and biases of normalisation, or what styles are made by and the layers' biases: Scale/shift.
    ScaleShift,
}

impl TransferConfig {
    pub(crate) fn check(&self) -> Result<()> {
        if self.from.as_os_str().is_empty() {
            return Err(Error::Config(
                "transfer without transfer.from: give the snapshot or state to start from, or leave transfer out"
                    .into(),
            ));
        }
        Ok(())
    }

    /// Takes the weights that stay as they are out of training. Optimisers are to be made afterwards.
    pub(crate) fn freeze(&self, models: &Models) -> Result<()> {
        let blocks = models.discriminator.blocks();
        let Some(frozen) = blocks.get(..self.freeze_d) else {
            let (wanted, most) = (self.freeze_d, blocks.len());
            return Err(Error::Config(format!("transfer.freeze_d = {wanted}: D has {most} blocks, want 0 to {most}")));
        };
        let in_block =
            |name: &str, block: &String| name.strip_prefix(block.as_str()).is_some_and(|n| n.starts_with('.'));
        models.discriminator.params().freeze(|name| frozen.iter().any(|block| in_block(name, block)));
        if self.mode == TransferMode::ScaleShift {
            models.generator.params().freeze(|name| !models.generator.is_scale_or_shift(name));
        }
        Ok(())
    }
}

/// What the file says besides its tensors, snapshot or state.
#[derive(Deserialize)]
struct Source {
    step: u64,
    config: String,
}

/// Puts the file's weights into the trainer's networks; gives what to tell of it.
///
/// # Errors
/// A sentence for each tensor that does not fit; nothing has changed then.
pub(crate) fn apply(config: &TransferConfig, trainer: &Trainer) -> Result<Vec<String>> {
    let path = config.from.as_path();
    if !path.is_file() {
        let name = path.display();
        return Err(Error::Config(format!(
            "transfer.from = {name}: there is no such file; give a state or snapshot of a run"
        )));
    }
    let (tensors, source): (TensorMap, Source) = tensor_file::read(path, "snapshot or state")?;
    same_model(path, &source, &trainer.config)?;
    let mut groups = grouped(tensors);
    let has_d = groups.contains_key("d");
    if config.freeze_d > 0 && !has_d {
        let reason =
            format!("a snapshot, which holds no D to freeze (transfer.freeze_d = {}); give a state", config.freeze_d);
        return Err(Error::state(path, reason));
    }
    let mut fits = Vec::new();
    for (letter, params) in trainer.networks() {
        let Some(tensors) = groups.remove(letter) else { continue };
        fits.push((letter, params, Fit::of(params, tensors)?));
    }
    let mut notes = vec![format!(
        "starts from {} (step {}): {}",
        path.display(),
        source.step,
        if has_d { "G, D and the average" } else { "G and the average; D starts from drawn weights" }
    )];
    if fits.iter().any(|(.., fit)| !fit.odd.is_empty()) {
        let of_classes = ClassTensors::of(trainer)?;
        let mut problems = Vec::new();
        for (letter, _, fit) in &fits {
            for odd in &fit.odd {
                let sentence = odd.sentence(&letter.to_uppercase());
                match of_classes.has(letter, &odd.name) {
                    true => notes.push(format!("{sentence}; it depends on the classes and starts from drawn values")),
                    false => problems.push(sentence),
                }
            }
        }
        refuse(path, &problems)?;
    }
    for (_, params, fit) in fits {
        params.load(&fit.tensors).map_err(|e| Error::state(path, e.to_string()))?;
    }
    Ok(notes)
}

/// The tensors of each network by its letter. A snapshot holds the average alone, which G starts from too.
fn grouped(tensors: TensorMap) -> BTreeMap<String, TensorMap> {
    let mut groups: BTreeMap<String, TensorMap> = BTreeMap::new();
    if !tensors.keys().any(|name| name.starts_with("g/")) {
        return BTreeMap::from([("g".to_string(), tensors.clone()), ("ema".to_string(), tensors)]);
    }
    for (name, tensor) in tensors {
        if let Some((letter, rest)) = name.split_once('/') {
            groups.entry(letter.to_string()).or_default().insert(rest.to_string(), tensor);
        }
    }
    groups
}

fn same_model(path: &Path, source: &Source, config: &Config) -> Result<()> {
    let theirs = Config::from_toml(&source.config).map_or_else(|_| config.model.name(), |c| c.model.name());
    if theirs == config.model.name() {
        return Ok(());
    }
    let ours = config.model.name();
    Err(Error::state(
        path,
        format!("a {theirs}, and model.name = \"{ours}\"; set model.name = \"{theirs}\", or give another file"),
    ))
}

fn refuse(path: &Path, problems: &[String]) -> Result<()> {
    const MOST: usize = 4;
    if problems.is_empty() {
        return Ok(());
    }
    let shown = problems[..problems.len().min(MOST)].join("; ");
    let more = if problems.len() > MOST { format!("; and {} more", problems.len() - MOST) } else { String::new() };
    Err(Error::state(
        path,
        format!("{shown}{more}; only what depends on the classes may differ: set model and data as they were"),
    ))
}

/// A set of tensors beside a network: what the network will hold, and what does not fit.
struct Fit {
    tensors: TensorMap,
    odd: Vec<Odd>,
}

/// A tensor that is not the same in both.
struct Odd {
    name: String,
    found: Option<Vec<usize>>,
    expected: Option<Vec<usize>>,
}

impl Odd {
    fn sentence(&self, network: &str) -> String {
        let Self { name, found, expected } = self;
        match (found, expected) {
            (Some(found), Some(want)) => format!("{network}'s {name} is {found:?} in the file, expected {want:?}"),
            (None, Some(want)) => format!("{network}'s {name} is not in the file, expected {want:?}"),
            (Some(found), None) => format!("{network}'s {name} {found:?} of the file is not in this model"),
            (None, None) => format!("{network}'s {name} is nowhere"),
        }
    }
}

impl Fit {
    fn of(params: &Params, mut found: TensorMap) -> Result<Self> {
        let mut tensors = params.to_tensors()?;
        let mut odd = Vec::new();
        for (name, own) in &mut tensors {
            let shape = found.get(name).map(|tensor| tensor.dims().to_vec());
            match found.remove(name) {
                Some(tensor) if tensor.dims() == own.dims() => *own = tensor,
                _ => odd.push(Odd { name: name.clone(), found: shape, expected: Some(own.dims().to_vec()) }),
            }
        }
        let unknown = found.into_iter();
        odd.extend(unknown.map(|(name, tensor)| Odd { name, found: Some(tensor.dims().to_vec()), expected: None }));
        Ok(Self { tensors, odd })
    }
}

/// Names of tensors whose presence or shape depends on the number of classes, of G and of D.
struct ClassTensors {
    g: BTreeSet<String>,
    d: BTreeSet<String>,
}

impl ClassTensors {
    /// By building the networks for other numbers of classes.
    fn of(trainer: &Trainer) -> Result<Self> {
        let (model, seed) = (&trainer.config.model, trainer.config.seed);
        let (classes, side) = (trainer.generator.num_classes(), trainer.image_shape()[1]);
        let mut builds = Vec::new();
        for count in [1, classes, classes + 1] {
            let placement = Placement { device: trainer.device, ..Placement::default() };
            builds.push(model.build_at(count, side, seed, placement).map_err(|e| Error::Config(e.to_string()))?);
        }
        let varying = |of: fn(&Models) -> &Params| {
            let shapes = |models: &Models, name: &str| of(models).get(name).map(|var| var.dims().to_vec());
            let names = builds.iter().flat_map(|models| of(models).iter().map(|(name, ..)| name.to_string()));
            let differs = |name: &String| builds[1..].iter().any(|b| shapes(b, name) != shapes(&builds[0], name));
            names.filter(differs).collect()
        };
        Ok(Self { g: varying(|models| models.generator.params()), d: varying(|models| models.discriminator.params()) })
    }

    fn has(&self, letter: &str, name: &str) -> bool {
        if letter == "d" { self.d.contains(name) } else { self.g.contains(name) }
    }
}
