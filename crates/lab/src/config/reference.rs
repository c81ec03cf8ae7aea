//! The reference page: every key of a run's config with its meaning and default, from the fields' doc comments.

use anyhow::Result;
use figment::Figment;
use figment::providers::Serialized;
use frugan_augment::ada::AdaConfig;
use frugan_losses::{
    AcganConfig, ApaConfig, BcrConfig, FeatureMatchingConfig, GradientPenaltyConfig, InstanceNoiseConfig,
    PathLengthConfig, R1Config, ZcrConfig,
};
use frugan_models::ModelConfig;
use frugan_train::{Config, EarlyStopConfig, Lazy, RanksConfig, TransferConfig};
use toml::Table;

use super::words::names_of;

/// `(struct, field, doc)` of every config field of the workspace.
const DOCS: &[(&str, &str, &str)] = include!(concat!(env!("OUT_DIR"), "/docs.rs"));

/// The struct behind each table of the config; `[model]` has one for each `name`.
const TABLES: [(&str, &str); 13] = [
    ("", "Config"),
    ("model", "BigganConfig"),
    ("augment", "AugmentConfig"),
    ("augment.on", "On"),
    ("loss", "LossConfig"),
    ("loss.cr", "CrConfig"),
    ("loss.lecam", "LecamConfig"),
    ("data", "DataConfig"),
    ("optim", "OptimConfig"),
    ("optim.g", "AdamConfig"),
    ("optim.d", "AdamConfig"),
    ("optim.ema", "EmaConfig"),
    ("train", "TrainConfig"),
];

/// The tables that are absent by default, each with its struct and what it holds when it is named without values.
fn optional_tables() -> Result<[(&'static str, &'static str, Table); 14]> {
    Ok([
        ("augment.ada", "AdaConfig", Table::try_from(AdaConfig::default())?),
        ("loss.r1", "R1Config", Table::try_from(R1Config::default())?),
        ("loss.path_length", "PathLengthConfig", Table::try_from(PathLengthConfig::default())?),
        ("loss.bcr", "BcrConfig", Table::try_from(BcrConfig::default())?),
        ("loss.zcr", "ZcrConfig", Table::try_from(ZcrConfig::default())?),
        ("loss.gradient_penalty", "GradientPenaltyConfig", Table::try_from(GradientPenaltyConfig::default())?),
        ("loss.apa", "ApaConfig", Table::try_from(ApaConfig::default())?),
        ("loss.feature_matching", "FeatureMatchingConfig", Table::try_from(FeatureMatchingConfig::default())?),
        ("loss.instance_noise", "InstanceNoiseConfig", Table::try_from(InstanceNoiseConfig::default())?),
        ("loss.acgan", "AcganConfig", Table::try_from(AcganConfig::default())?),
        ("optim.lazy", "Lazy", Table::try_from(Lazy::default())?),
        ("ranks", "RanksConfig", Table::try_from(RanksConfig::default())?),
        ("transfer", "TransferConfig", Table::try_from(TransferConfig::default())?),
        ("train.early_stop", "EarlyStopConfig", Table::try_from(EarlyStopConfig::default())?),
    ])
}

/// The page, valid TOML: defaults as values, keys without a default commented out.
pub(crate) fn reference() -> Result<String> {
    let whole = Table::try_from(Config::default())?;
    let mut page =
        String::from("# Every key of a run's config with its default. Values are set by key=value arguments.\n");
    for (table, of) in TABLES.iter().copied().chain([("eval", "EvalConfig")]) {
        let values =
            table.split('.').filter(|part| !part.is_empty()).try_fold(&whole, |at, part| at.get(part)?.as_table());
        if !table.is_empty() {
            page.push_str(&format!("\n[{table}]\n"));
        }
        let values = values.cloned().unwrap_or_default();
        Part { table, of, values, base: Figment::new() }.write(&mut page, false);
    }
    for (table, of, values) in optional_tables()? {
        page.push_str(&format!("\n# Absent by default; with any of its keys:\n# [{table}]\n"));
        Part { table, of, values, base: Figment::new() }.write(&mut page, true);
    }
    for (model, of) in other_models() {
        page.push_str(&format!("\n# With model.name = \"{}\":\n", model.name()));
        let base = Figment::from(Serialized::default("model.name", model.name()));
        Part { table: "model", of, values: Table::try_from(model)?, base }.write(&mut page, true);
    }
    Ok(page)
}

/// The models that are not the default, and their structs.
fn other_models() -> impl Iterator<Item = (ModelConfig, &'static str)> {
    ModelConfig::all().into_iter().filter(|(model, _)| *model != ModelConfig::default())
}

/// One table's keys.
struct Part {
    table: &'static str,
    /// The struct that has the keys' docs.
    of: &'static str,
    values: Table,
    /// What a config must say for the table to have these keys.
    base: Figment,
}

impl Part {
    /// Doc, name and default of each key; those of an addendum are commented out.
    fn write(&self, page: &mut String, is_addendum: bool) {
        let has_name = fields(self.of).any(|(field, _)| field == "name");
        if let Some(name) = self.values.get("name").filter(|_| !is_addendum && !has_name) {
            page.push_str(&format!("name = {name}\n"));
        }
        for (field, doc) in fields(self.of) {
            let value = self.values.get(field);
            if value.is_some_and(toml::Value::is_table) {
                continue;
            }
            for line in wrapped(&self.with_names(field, doc), 110) {
                page.push_str(&format!("# {line}\n"));
            }
            match value {
                Some(value) if is_addendum => page.push_str(&format!("#   {field} = {value}\n")),
                Some(value) => page.push_str(&format!("{field} = {value}\n")),
                None => page.push_str(&format!("# {field} =\n")),
            }
        }
    }

    /// A key's doc, and behind it the names that its value can have where the doc does not list them.
    fn with_names(&self, field: &str, doc: &str) -> String {
        let key = if self.table.is_empty() { field.to_string() } else { format!("{}.{field}", self.table) };
        match names_of::<Config>(&self.base, &key) {
            Some(names) if names.iter().filter(|name| doc.contains(**name)).count() < 2 => {
                let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
                format!("{doc} One of {}.", names.join(", "))
            }
            _ => doc.into(),
        }
    }
}

fn fields(of: &str) -> impl Iterator<Item = (&'static str, &'static str)> {
    DOCS.iter().filter(move |(name, _, _)| *name == of).map(|(_, field, doc)| (*field, *doc))
}

fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let line = lines.last_mut().expect("never empty");
        if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > width {
            lines.push(word.into());
        } else {
            line.push_str(if line.is_empty() { "" } else { " " });
            line.push_str(word);
        }
    }
    lines
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeSet;

    use figment::error::Kind;

    use super::*;

    /// The keys that the page shows, by their whole names; those of every model are `model`'s.
    fn shown(page: &str) -> BTreeSet<String> {
        let (mut table, mut keys) = (String::new(), BTreeSet::new());
        for line in page.lines().map(|line| line.trim_start_matches(['#', ' '])) {
            let name = |text: &str| text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
            if let Some(head) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
                table = format!("{head}.");
            } else if line.starts_with("With model.name = ") {
                table = "model.".into();
            } else if let Some((key, _)) = line.split_once(" =").filter(|(key, _)| name(key)) {
                keys.insert(format!("{table}{key}"));
            }
        }
        keys
    }

    /// The keys that a config reads below `table`, as it lists them to one that is none of them.
    fn read_below(base: &Figment, table: &str, keys: &mut BTreeSet<String>) {
        let below = |field: &str| if table.is_empty() { field.to_string() } else { format!("{table}.{field}") };
        match base.clone().merge(Serialized::default(&below("nothing"), 1)).extract::<Config>().unwrap_err().kind {
            Kind::UnknownField(_, fields) => fields.iter().for_each(|field| read_below(base, &below(field), keys)),
            _ => drop(keys.insert(table.into())),
        }
    }

    #[test]
    fn the_page_is_toml_and_has_every_key_that_a_config_reads() {
        let page = reference().unwrap();
        let read: Config = toml::from_str(&page).unwrap();
        assert_eq!(read, Config::default());
        let mut keys = BTreeSet::new();
        for (model, _) in ModelConfig::all() {
            let base = Figment::from(Serialized::default("model.name", model.name()));
            read_below(&base, "", &mut keys);
        }
        for key in
            ["optim.ema.halflife_kimg", "optim.lazy.g_interval", "ranks.count", "model.mbstd_group", "augment.ada.p"]
        {
            assert!(keys.contains(key), "{key}: {keys:?}");
        }
        let shown = shown(&page);
        let missing: Vec<&String> = keys.difference(&shown).collect();
        assert!(missing.is_empty(), "{missing:?}");
    }

    #[test]
    fn the_page_names_what_a_name_can_be() {
        let page = reference().unwrap();
        assert!(page.contains("`hinge`, `non_saturating`, `bce`"), "{page}");
        assert!(page.contains("One of `best_and_last`, `all`."), "{page}");
    }

    #[test]
    fn every_field_is_documented() {
        let models = other_models().map(|(_, of)| ("model", of));
        let optional = optional_tables().unwrap().map(|(table, of, _)| (table, of));
        for (_, of) in TABLES.into_iter().chain([("eval", "EvalConfig")]).chain(optional).chain(models) {
            assert!(fields(of).next().is_some(), "{of} was not found");
            for (field, doc) in fields(of) {
                assert!(!doc.is_empty(), "{of}.{field}");
            }
        }
    }
}
