//! Layers laid over each other into one checked config.

use std::collections::BTreeMap;

use anyhow::Result;
use figment::Figment;
use figment::providers::Serialized;
use figment::value::{Dict, Value};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::check::{check_key, culprit};
use super::layer::{Argument, Layer, collect_leaves, nested};
use super::words::reason;
use super::{GROUPS, Library, did_you_mean};
use crate::failure::input;

/// Where a value came from, and what it replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Provenance {
    /// `configs/model/biggan.toml:3`, `argument \`seed=1\``.
    pub(crate) source: String,
    /// The value and source it stands over, where a user's layer was overridden by a later one.
    pub(crate) over: Option<(String, String)>,
    /// Whether an argument set it, or picked the group's file that did.
    pub(crate) is_asked: bool,
}

/// A config with the source of every value that is not a default.
#[derive(Clone, Debug)]
pub(crate) struct Resolved<T> {
    pub(crate) config: T,
    pub(crate) provenance: BTreeMap<String, Provenance>,
}

/// Collects layers, then resolves them.
#[derive(Clone, Debug)]
pub(crate) struct Composer<'a> {
    library: &'a Library,
    whole: Option<Layer>,
    picks: BTreeMap<String, Pick>,
    layers: Vec<Layer>,
    arguments: Vec<Layer>,
}

/// The choice of a group, and who made it.
#[derive(Clone, Debug)]
struct Pick {
    choice: String,
    source: String,
    by_argument: bool,
}

impl<'a> Composer<'a> {
    pub(crate) fn new(library: &'a Library) -> Self {
        Self { library, whole: None, picks: BTreeMap::new(), layers: Vec::new(), arguments: Vec::new() }
    }

    /// Starts from a run's whole config. A pick of a group replaces the group's part of it.
    pub(crate) fn whole(&mut self, whole: Layer) {
        self.whole = Some(whole);
    }

    /// Picks a group's file; a later pick of the same group wins.
    pub(crate) fn pick(&mut self, group: &str, choice: &str, source: &str) -> Result<()> {
        self.pick_by(group, choice, source, false)
    }

    fn pick_by(&mut self, group: &str, choice: &str, source: &str, by_argument: bool) -> Result<()> {
        if !GROUPS.contains(&group) {
            return Err(input(format!("{source}: there is no group `{group}`{}", did_you_mean(group, GROUPS))));
        }
        self.library.choice(group, choice, source)?;
        self.picks.insert(group.into(), Pick { choice: choice.into(), source: source.into(), by_argument });
        Ok(())
    }

    /// Lays values over all earlier ones and over the group files; arguments stand over it.
    pub(crate) fn layer(&mut self, layer: Layer) {
        self.layers.push(layer);
    }

    /// An argument: `model=biggan` picks a group's file, `a.b=value` sets a value.
    pub(crate) fn argument(&mut self, argument: &Argument) -> Result<()> {
        if GROUPS.contains(&argument.key.as_str()) {
            match argument.value() {
                toml::Value::Table(_) => {}
                toml::Value::String(choice) => return self.pick_by(&argument.key, &choice, &argument.name(), true),
                _ => return self.pick_by(&argument.key, &argument.text, &argument.name(), true),
            }
        }
        self.arguments.push(argument.layer()?);
        Ok(())
    }

    /// The choice of each group that has one.
    pub(crate) fn choices(&self) -> impl Iterator<Item = (&str, &str)> {
        self.picks.iter().map(|(group, pick)| (group.as_str(), pick.choice.as_str()))
    }

    /// All layers from the lowest to the highest. What arguments say, groups first, stands over what files say.
    fn stack(&self) -> Result<Vec<Layer>> {
        let mut stack = Vec::new();
        if let Some(whole) = &self.whole {
            let mut rest = whole.clone();
            rest.dict.retain(|key, _| !self.picks.contains_key(key));
            stack.push(rest);
        }
        stack.extend(self.files(false)?);
        stack.extend(self.layers.iter().cloned());
        stack.extend(self.files(true)?);
        stack.extend(self.arguments.iter().cloned());
        Ok(stack)
    }

    /// The picked groups' files in the groups' order: those that arguments picked, or the others.
    fn files(&self, by_argument: bool) -> Result<Vec<Layer>> {
        let picks = GROUPS.iter().filter_map(|group| Some((group, self.picks.get(*group)?)));
        let picks = picks.filter(|(_, pick)| pick.by_argument == by_argument);
        let file = |(group, pick): (&&str, &Pick)| {
            let layer = self.library.choice(group, &pick.choice, &pick.source)?;
            Ok(Layer { is_asked: by_argument, ..layer })
        };
        picks.map(file).collect()
    }

    /// The config: every key known, every value of its type and finite.
    pub(crate) fn resolve<T: Serialize + DeserializeOwned>(&self) -> Result<Resolved<T>> {
        let stack = self.stack()?;
        let defaults = defaults_of::<T>(&stack)?;
        for layer in &stack {
            for (key, value) in layer.leaves() {
                check_key::<T>(&defaults, layer, &key, &value)?;
                if value.to_f64().is_some_and(|v| !v.is_finite()) {
                    let what = show(&value);
                    return Err(input(format!("`{key} = {what}` ({}): not a finite number", layer.source(&key))));
                }
            }
        }
        let mut figment = Figment::from(Serialized::defaults(&defaults));
        for layer in &stack {
            figment = figment.merge(layer);
        }
        let config = figment.extract().map_err(|error| culprit::<T>(&defaults, &stack, error))?;
        Ok(Resolved { config, provenance: provenance(&stack) })
    }
}

/// The default of every key, given what the layers say of each `name` (a model's keys depend on which model it is).
fn defaults_of<T: Serialize + DeserializeOwned>(stack: &[Layer]) -> Result<Dict> {
    let mut names = Figment::new();
    let mut sources = BTreeMap::new();
    for layer in stack {
        for (key, value) in layer.leaves() {
            if key.split('.').count() == 2 && key.ends_with(".name") {
                sources.insert(key.clone(), format!("`{key} = {}` ({})", show(&value), layer.source(&key)));
                let table = Layer { dict: nested(&key, value), ..layer.clone() };
                names = names.merge(table);
            }
        }
    }
    let config: T = names.extract().map_err(|error| {
        let key = error.path.join(".");
        let source = sources.iter().find(|(name, _)| name.starts_with(&key));
        let (name, place) = source.map_or((key.as_str(), "config"), |(name, place)| (name, place));
        input(format!("{place}: {}", reason::<T>(&Figment::new(), name, &error.kind)))
    })?;
    match Value::serialize(config)? {
        Value::Dict(_, dict) => Ok(dict),
        other => Err(anyhow::anyhow!("the config became {}", other.to_actual())),
    }
}

/// The source of every key that some layer sets, and the value it stands over.
fn provenance(stack: &[Layer]) -> BTreeMap<String, Provenance> {
    let mut all: BTreeMap<String, (String, Provenance)> = BTreeMap::new();
    for layer in stack {
        for (key, value) in layer.leaves() {
            let shown = show(&value);
            let over = all.remove(&key).map(|(old, provenance)| (old, provenance.source));
            let over = over.filter(|(old, _)| *old != shown);
            let source = layer.source(&key);
            all.insert(key, (shown, Provenance { source, over, is_asked: layer.is_asked }));
        }
    }
    all.into_iter().map(|(key, (_, provenance))| (key, provenance)).collect()
}

/// Every value of a config by its dotted key.
pub(crate) fn leaves_of<T: Serialize>(config: &T) -> Result<BTreeMap<String, Value>> {
    let mut leaves = Vec::new();
    if let Value::Dict(_, dict) = Value::serialize(config)? {
        collect_leaves("", &dict, &mut leaves);
    }
    Ok(leaves.into_iter().collect())
}

/// A value as TOML would write it.
pub(crate) fn show(value: &Value) -> String {
    match value.deserialize::<toml::Value>() {
        Ok(value) => value.to_string(),
        Err(_) => "none".into(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Serialize, Deserialize, PartialEq)]
    #[serde(default, deny_unknown_fields)]
    struct Whole {
        seed: u64,
        model: Model,
        augment: Augment,
    }

    impl Default for Whole {
        fn default() -> Self {
            Self { seed: 0, model: Model::Dcgan(Dcgan::default()), augment: Augment::default() }
        }
    }

    #[derive(Debug, Serialize, Deserialize, PartialEq)]
    #[serde(tag = "name", rename_all = "lowercase")]
    enum Model {
        Dcgan(Dcgan),
        Biggan(Biggan),
    }

    #[derive(Debug, Default, Serialize, Deserialize, PartialEq)]
    #[serde(default, deny_unknown_fields)]
    struct Dcgan {
        width: usize,
    }

    #[derive(Debug, Default, Serialize, Deserialize, PartialEq)]
    #[serde(default, deny_unknown_fields)]
    struct Biggan {
        g_ch: usize,
        d_ch: usize,
        bn_eps: f64,
    }

    #[derive(Debug, Default, Serialize, Deserialize, PartialEq)]
    #[serde(default, deny_unknown_fields)]
    struct Augment {
        policy: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        ratio: Option<f64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        ada: Option<Ada>,
    }

    #[derive(Debug, Default, Serialize, Deserialize, PartialEq)]
    #[serde(default, deny_unknown_fields)]
    struct Ada {
        pipe: String,
    }

    fn resolve(arguments: &[&str]) -> Result<Resolved<Whole>> {
        let library = Library::open(None).unwrap();
        let mut composer = Composer::new(&library);
        for argument in arguments {
            composer.argument(&Argument::parse(argument)?)?;
        }
        composer.resolve()
    }

    fn error(argument: &str) -> String {
        format!("{:#}", resolve(&[argument]).unwrap_err())
    }

    #[test]
    fn later_layers_win_and_tell_what_they_replaced() {
        let resolved = resolve(&["model=biggan-quarter", "model.g_ch=4", "augment.ratio=1"]).unwrap();
        assert_eq!(resolved.config.model, Model::Biggan(Biggan { g_ch: 4, d_ch: 16, bn_eps: 0.0 }));
        assert_eq!(resolved.config.augment.ratio, Some(1.0));
        let g_ch = &resolved.provenance["model.g_ch"];
        assert_eq!(g_ch.source, "argument `model.g_ch=4`");
        assert_eq!(g_ch.over, Some(("16".into(), "configs/model/biggan-quarter.toml:4".into())));
        assert_eq!(resolved.provenance["model.name"].source, "configs/model/biggan-quarter.toml:3");
        assert!(!resolved.provenance.contains_key("seed"));
    }

    /// A run's whole config under a layer of the program's, and arguments over both.
    fn over_a_run(arguments: &[&str]) -> Resolved<Whole> {
        let library = Library::open(None).unwrap();
        let mut composer = Composer::new(&library);
        let text = "[model]\nname = \"dcgan\"\nwidth = 8\n[augment]\npolicy = \"color\"\nratio = 2.0\nada = { pipe = \"bg\" }\n";
        composer.whole(Layer::from_toml("run/config.toml", text).unwrap());
        for argument in arguments {
            composer.argument(&Argument::parse(argument).unwrap()).unwrap();
        }
        composer.layer(Layer::single("decided".into(), "seed", &toml::Value::Integer(7)).unwrap());
        composer.resolve().unwrap()
    }

    #[test]
    fn a_picked_group_replaces_its_part_of_a_whole_config() {
        let run = over_a_run(&["augment=none"]);
        assert_eq!(run.config.augment, Augment::default(), "no value of the run's is left");
        assert_eq!(run.config.model, Model::Dcgan(Dcgan { width: 8 }));
        assert_eq!(run.provenance["augment.policy"].source, "configs/augment/none.toml:3");
        let run = over_a_run(&["model=biggan-quarter", "augment.ratio=1"]);
        assert_eq!(run.config.model, Model::Biggan(Biggan { g_ch: 16, d_ch: 16, bn_eps: 0.0 }));
        assert_eq!(run.config.augment.ada, Some(Ada { pipe: "bg".into() }), "a value leaves those beside it");
    }

    #[test]
    fn what_arguments_say_stands_over_layers_and_is_known() {
        let run = over_a_run(&["model.g_ch=4", "model=biggan-quarter", "seed=1"]);
        assert_eq!(run.config.model, Model::Biggan(Biggan { g_ch: 4, d_ch: 16, bn_eps: 0.0 }), "in either order");
        assert_eq!(run.config.seed, 1);
        let asked = |key: &str| run.provenance[key].is_asked;
        assert!(asked("seed") && asked("model.g_ch") && asked("model.d_ch"), "by a value or by a group's file");
        assert!(!asked("augment.policy") && !over_a_run(&[]).provenance["seed"].is_asked);
    }

    #[test]
    fn unknown_keys_and_values_name_their_source_and_the_nearest() {
        let text = error("augment.polcy=color");
        assert_eq!(
            text,
            "unknown key `augment.polcy` (argument `augment.polcy=color`); did you mean `augment.policy`?"
        );
        assert_eq!(
            error("model.name=bigan"),
            "`model.name = \"bigan\"` (argument `model.name=bigan`): `bigan` is not known; did you mean `biggan`?"
        );
        assert!(error("model=bigan").contains("the group `model` has no such choice; did you mean `biggan`?"));
        assert!(error("model.g_ch=3").starts_with("unknown key `model.g_ch`"), "a key of another model");
        let text = error("augment.ada.pip=bgc");
        assert!(text.contains("did you mean `augment.ada.pipe`?"), "a table that is absent by default: {text}");
        assert!(error("seed.x=3").contains("`seed` is a value"));
    }

    #[test]
    fn wrong_types_name_the_value() {
        assert_eq!(error("seed=abc"), "`seed = \"abc\"` (argument `seed=abc`): expected a whole number, got text");
        assert!(error("seed=-1").contains("argument `seed=-1`"));
        assert!(error("augment.ratio=nan").contains("not a finite number"));
        assert!(error("model.width=x").starts_with("`model.width = \"x\"`"), "{}", error("model.width=x"));
    }
}
