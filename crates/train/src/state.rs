//! `state-<step>.safetensors`: everything that a run needs to go on as if it had never stopped.

use std::collections::BTreeMap;
use std::path::Path;

use frugan_augment::ada::ControllerState;
use frugan_losses::{Apa, ApaState};
use frugan_nn::{LoadError, TensorMap};
use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::dotted::differences;
use crate::error::{Error, Result};
use crate::stats::Sums;
use crate::tensor_file;
use crate::trainer::Trainer;

const FORMAT: u32 = 1;

/// Keys that a state of another run is refused with.
const DIFFERENCES_SHOWN: usize = 4;

/// What a state says besides its tensors. Draws need no state: they are functions of the step.
#[derive(Serialize, Deserialize)]
struct Description {
    format: u32,
    step: u64,
    config: String,
    /// Sums since the last tick, as bits.
    sums: BTreeMap<String, [u64; 3]>,
    skipped_in_a_row: u32,
    progress: Progress,
    /// Of ADA's p.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    controller: Option<ControllerState>,
    /// Of APA's p.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    apa: Option<ApaState>,
}

/// What the run's log has come to.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Progress {
    /// Warnings that the last tick gave, so that they are not repeated while they last.
    pub(crate) warned: Vec<String>,
    /// The step of the evaluation with the best first metric.
    pub(crate) best_step: Option<u64>,
}

/// Writes the trainer's state.
pub(crate) fn save(path: &Path, trainer: &mut Trainer, progress: &Progress) -> Result<()> {
    trainer.catch_up()?;
    let mut tensors = TensorMap::new();
    let mut put = |prefix: &str, map: TensorMap| {
        tensors.extend(map.into_iter().map(|(name, tensor)| (format!("{prefix}/{name}"), tensor)));
    };
    for (letter, params) in trainer.networks() {
        put(letter, params.to_tensors()?);
    }
    put("adam_g", trainer.adam_g.state_tensors()?);
    put("adam_d", trainer.adam_d.state_tensors()?);
    put("lecam", trainer.objective.lecam.state_tensors()?);
    if trainer.config.loss.path_length.is_some() {
        put("path_length", trainer.objective.path_length.state_tensors()?);
    }
    let description = Description {
        format: FORMAT,
        step: trainer.itr,
        config: trainer.config.to_toml(),
        sums: trainer.sums.to_bits(),
        skipped_in_a_row: trainer.skipped_in_a_row,
        progress: progress.clone(),
        controller: trainer.augmentation().state(),
        apa: trainer.objective.apa.as_ref().map(Apa::state),
    };
    tensor_file::write(path, &tensors, &description)
}

/// Whether a run of this configuration may go on from a state; a damaged one is left to [`load`].
pub(crate) fn check(path: &Path, config: &Config) -> Result<()> {
    /// Of [`Description`].
    #[derive(Deserialize)]
    struct Written {
        config: String,
    }
    tensor_file::describe(path).map_or(Ok(()), |Written { config: saved }| goes_on(path, &saved, config))
}

/// Whether the state of a run of `saved` is one of a run of `config` too: nothing that a step does depends on how many follow.
fn goes_on(path: &Path, saved: &str, config: &Config) -> Result<()> {
    let saved = Config::from_toml(saved).map_err(|e| Error::state(path, e.to_string()))?;
    let mut saved = saved.without_places();
    saved.train.steps = saved.train.steps.max(config.train.steps);
    let found = differences(&config.without_places(), &saved);
    if found.is_empty() {
        return Ok(());
    }
    let rest = match found.len().saturating_sub(DIFFERENCES_SHOWN) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let shown: Vec<String> = found.into_iter().take(DIFFERENCES_SHOWN).collect();
    Err(Error::state(
        path,
        format!(
            "the state of a run with another configuration: {}{rest}; go on with its values (train.steps alone may be \
             raised), or choose another --out",
            shown.join(", ")
        ),
    ))
}

/// Puts a state back into a trainer of the same configuration.
///
/// # Errors
/// If the file is damaged or of another run; the trainer is then not to be used.
pub(crate) fn load(path: &Path, trainer: &mut Trainer) -> Result<Progress> {
    let (tensors, description): (TensorMap, Description) = tensor_file::read(path, "state")?;
    if description.format != FORMAT {
        return Err(Error::state(
            path,
            format!("a state of format {}, this version reads {FORMAT}", description.format),
        ));
    }
    goes_on(path, &description.config, &trainer.config)?;
    let mut groups: BTreeMap<String, TensorMap> = BTreeMap::new();
    for (name, tensor) in tensors {
        let (prefix, rest) = name.split_once('/').unwrap_or(("", &name));
        groups.entry(prefix.to_string()).or_default().insert(rest.to_string(), tensor);
    }
    let mut take = |prefix: &str| groups.remove(prefix).unwrap_or_default();
    let foreign = |e: LoadError| Error::state(path, e.to_string());
    for (letter, params) in trainer.networks() {
        params.load(&take(letter)).map_err(foreign)?;
    }
    trainer.adam_g.load_state(&take("adam_g")).map_err(foreign)?;
    trainer.adam_d.load_state(&take("adam_d")).map_err(foreign)?;
    trainer.objective.lecam.load_state(&take("lecam"))?;
    if trainer.config.loss.path_length.is_some() {
        trainer.objective.path_length.load_state(&take("path_length"))?;
    }
    if let Some(saved) = description.controller {
        trainer.objective.augmentation.load_state(saved);
    }
    if let (Some(apa), Some(saved)) = (&mut trainer.objective.apa, description.apa) {
        apa.load_state(saved);
    }
    trainer.itr = description.step;
    trainer.sums = Sums::from_bits(&description.sums);
    trainer.skipped_in_a_row = description.skipped_in_a_row;
    Ok(description.progress)
}
