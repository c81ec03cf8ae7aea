//! Layers laid over each other into one checked config.

use std::collections::BTreeMap;

use anyhow::Result;
use figment::Figment;
use figment::error::Kind;
use figment::providers::Serialized;
use figment::value::{Dict, Value};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::layer::{Argument, Layer, collect_leaves};
use super::{GROUPS, Library, did_you_mean};
use crate::failure::{InputContext, input};

/// Where a value came from, and what it replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Provenance {
    /// `configs/model/biggan.toml:3`, `argument \`seed=1\``.
    pub(crate) source: String,
    /// The value and source it stands over, where a user's layer was overridden by a later one.
    pub(crate) over: Option<(String, String)>,
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
    picks: BTreeMap<String, (String, String)>,
    layers: Vec<Layer>,
}

impl<'a> Composer<'a> {
    pub(crate) fn new(library: &'a Library) -> Self {
        Self { library, picks: BTreeMap::new(), layers: Vec::new() }
    }

    /// Picks a group's file; a later pick of the same group wins.
    pub(crate) fn pick(&mut self, group: &str, choice: &str, source: &str) -> Result<()> {
        if !GROUPS.contains(&group) {
            return Err(input(format!("{source}: there is no group `{group}`{}", did_you_mean(group, GROUPS))));
        }
        self.library.choice(group, choice, source)?;
        self.picks.insert(group.into(), (choice.into(), source.into()));
        Ok(())
    }

    /// Lays values over all earlier ones and over the group files.
    pub(crate) fn layer(&mut self, layer: Layer) {
        self.layers.push(layer);
    }

    /// An argument: `model=biggan` picks a group's file, `a.b=value` sets a value.
    pub(crate) fn argument(&mut self, argument: &Argument) -> Result<()> {
        if GROUPS.contains(&argument.key.as_str()) {
            match argument.value() {
                toml::Value::Table(_) => {}
                toml::Value::String(choice) => return self.pick(&argument.key, &choice, &argument.name()),
                _ => return self.pick(&argument.key, &argument.text, &argument.name()),
            }
        }
        self.layers.push(argument.layer()?);
        Ok(())
    }

    /// The choice of each group that has one.
    pub(crate) fn choices(&self) -> impl Iterator<Item = (&str, &str)> {
        self.picks.iter().map(|(group, (choice, _))| (group.as_str(), choice.as_str()))
    }

    /// All layers from the lowest to the highest: group files, then the rest in the order they came.
    fn stack(&self) -> Result<Vec<Layer>> {
        let mut stack = Vec::new();
        for group in GROUPS {
            if let Some((choice, source)) = self.picks.get(group) {
                stack.push(self.library.choice(group, choice, source)?);
            }
        }
        stack.extend(self.layers.iter().cloned());
        Ok(stack)
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
        let place = sources.iter().find(|(name, _)| name.starts_with(&key)).map(|(_, s)| s.as_str());
        input(format!("{}: {}", place.unwrap_or("config"), reason(&error.kind)))
    })?;
    match Value::serialize(config)? {
        Value::Dict(_, dict) => Ok(dict),
        other => Err(anyhow::anyhow!("the config became {}", other.to_actual())),
    }
}

fn nested(key: &str, value: Value) -> Dict {
    key.rsplit('.')
        .fold(value, |inner, part| Dict::from([(part.to_string(), inner)]).into())
        .into_dict()
        .unwrap_or_default()
}

/// An error unless `key` is one of the config's.
fn check_key<T: DeserializeOwned>(defaults: &Dict, layer: &Layer, key: &str, value: &Value) -> Result<()> {
    let mut at = defaults;
    let parts: Vec<&str> = key.split('.').collect();
    for (i, part) in parts.iter().enumerate() {
        match at.get(*part) {
            Some(Value::Dict(_, inner)) => at = inner,
            // An absent optional table: its own keys are checked when the config is read.
            Some(Value::Empty(..)) => return Ok(()),
            Some(_) if i + 1 == parts.len() => return Ok(()),
            Some(value) => {
                let name = parts[..=i].join(".");
                let rule = format!("`{name}` is a value (such as {}), not a table", show(value));
                return Err(input(format!("`{key}` ({}): {rule}", layer.source(key))));
            }
            None => {
                // An optional value that is absent by default is not among the defaults: the config itself knows.
                let siblings = match alone::<T>(defaults, layer, key, value) {
                    Err((Kind::UnknownField(unknown, fields), path)) => {
                        // The path of the table ends in the unknown key itself.
                        let table = path.strip_suffix(&[unknown]).unwrap_or(&path);
                        fields.iter().map(|f| join(table, f)).collect::<Vec<_>>()
                    }
                    _ => return Ok(()),
                };
                let mut known = Vec::new();
                collect_leaves("", defaults, &mut known);
                let all: Vec<&str> =
                    known.iter().map(|(k, _)| k.as_str()).chain(siblings.iter().map(String::as_str)).collect();
                let near = match super::suggest::nearest(key, &all) {
                    Some(name) => format!("; did you mean `{name}`?"),
                    None => did_you_mean(&parts[..=i].join("."), siblings.iter().map(String::as_str)),
                };
                return Err(input(format!("unknown key `{key}` ({}){near}", layer.source(key))));
            }
        }
    }
    Ok(())
}

fn join(parts: &[String], last: &str) -> String {
    parts.iter().map(String::as_str).chain([last]).collect::<Vec<_>>().join(".")
}

/// Names the value behind a type error: the first one that fails on top of the defaults alone.
fn culprit<T: DeserializeOwned>(defaults: &Dict, stack: &[Layer], error: figment::Error) -> anyhow::Error {
    for layer in stack.iter().rev() {
        for (key, value) in layer.leaves() {
            let shown = show(&value);
            if let Err((kind, _)) = alone::<T>(defaults, layer, &key, &value) {
                return input(format!("`{key} = {shown}` ({}): {}", layer.source(&key), reason(&kind)));
            }
        }
    }
    let place = error.path.join(".");
    Err::<(), _>(anyhow::anyhow!("{}", reason(&error.kind))).input(place).expect_err("it is an error")
}

/// Whether one value on top of the defaults makes a config; else what is wrong, and with which table.
fn alone<T: DeserializeOwned>(
    defaults: &Dict,
    layer: &Layer,
    key: &str,
    value: &Value,
) -> Result<(), (Kind, Vec<String>)> {
    let only = Layer { dict: nested(key, value.clone()), ..layer.clone() };
    let figment = Figment::from(Serialized::defaults(defaults)).merge(only);
    figment.extract::<T>().map(drop).map_err(|error| (error.kind, error.path))
}

/// What a config value should have been.
fn reason(kind: &Kind) -> String {
    match kind {
        Kind::UnknownVariant(given, known) => {
            format!("`{given}` is not known{}", did_you_mean(given, known.iter().copied()))
        }
        Kind::UnknownField(given, known) => {
            format!("unknown key `{given}`{}", did_you_mean(given, known.iter().copied()))
        }
        Kind::InvalidType(given, wanted) => format!("expected {wanted}, got {given}"),
        Kind::InvalidValue(given, wanted) => format!("expected {wanted}, got {given}"),
        Kind::Message(text) => text.clone(),
        other => other.to_string(),
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
            all.insert(key, (shown, Provenance { source, over }));
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
        assert_eq!(error("seed=abc"), "`seed = \"abc\"` (argument `seed=abc`): expected u64, got string \"abc\"");
        assert!(error("seed=-1").contains("argument `seed=-1`"));
        assert!(error("augment.ratio=nan").contains("not a finite number"));
        assert!(error("model.width=x").starts_with("`model.width = \"x\"`"), "{}", error("model.width=x"));
    }
}
