//! The reference page: every key of a run's config with its meaning and default, from the fields' doc comments.

use anyhow::Result;
use frugan_augment::ada::AdaConfig;
use frugan_losses::{
    AcganConfig, ApaConfig, BcrConfig, FeatureMatchingConfig, GradientPenaltyConfig, InstanceNoiseConfig,
    PathLengthConfig, R1Config, ZcrConfig,
};
use frugan_models::ModelConfig;
use frugan_train::{Config, EarlyStopConfig, TransferConfig};
use toml::Table;

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
    ("optim.ema", "Ema"),
    ("train", "TrainConfig"),
];

/// The tables that are absent by default, each with its struct and what it holds when it is named without values.
fn optional_tables() -> Result<[(&'static str, &'static str, Table); 12]> {
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
        section(&mut page, table, of, values.unwrap_or(&Table::new()), false);
    }
    for (table, of, values) in optional_tables()? {
        page.push_str(&format!("\n# Absent by default; with any of its keys:\n# [{table}]\n"));
        section(&mut page, "", of, &values, true);
    }
    for (model, of) in other_models() {
        page.push_str(&format!("\n# With model.name = \"{}\":\n", model.name()));
        section(&mut page, "", of, &Table::try_from(model)?, true);
    }
    Ok(page)
}

/// The models that are not the default, and their structs.
fn other_models() -> impl Iterator<Item = (ModelConfig, &'static str)> {
    ModelConfig::all().into_iter().filter(|(model, _)| *model != ModelConfig::default())
}

/// One table's keys; those of an addendum are commented out.
fn section(page: &mut String, table: &str, of: &str, values: &Table, is_addendum: bool) {
    if !table.is_empty() {
        page.push_str(&format!("\n[{table}]\n"));
    }
    if let Some(name) = values.get("name").filter(|_| !is_addendum && fields(of).all(|(field, _)| field != "name")) {
        page.push_str(&format!("name = {name}\n"));
    }
    for (field, doc) in fields(of) {
        let value = values.get(field);
        if value.is_some_and(toml::Value::is_table) {
            continue;
        }
        for line in wrapped(doc, 110) {
            page.push_str(&format!("# {line}\n"));
        }
        match value {
            Some(value) if is_addendum => page.push_str(&format!("#   {field} = {value}\n")),
            Some(value) => page.push_str(&format!("{field} = {value}\n")),
            None => page.push_str(&format!("# {field} =\n")),
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
    use super::*;
    use crate::config::leaves_of;

    #[test]
    fn the_page_is_toml_and_knows_every_key() {
        let page = reference().unwrap();
        let read: Config = toml::from_str(&page).unwrap();
        assert_eq!(read, Config::default());
        for key in leaves_of(&Config::default()).unwrap().keys() {
            let field = key.rsplit('.').next().unwrap();
            let (set, unset) = (format!("\n{field} = "), format!("\n# {field} =\n"));
            assert!(page.contains(&set) || page.contains(&unset), "{key} is missing");
        }
        for key in [
            "# num_images =",
            "# clip_norm =",
            "#   d_norm =",
            "#   mbstd_group =",
            "# [augment.ada]",
            "#   pipe = \"bgc\"",
            "#   gamma = 10.0",
            "#   until_kimg = 1000.0",
            "#   patience = 5",
            "#   freeze_d = 0",
        ] {
            assert!(page.contains(key), "{key} is missing");
        }
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
