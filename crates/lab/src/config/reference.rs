//! The reference page: every key of a run's config with its meaning and default, from the fields' doc comments.

use anyhow::Result;
use frugan_augment::ada::AdaConfig;
use frugan_models::{DcganConfig, ModelConfig, StyleGan2Config};
use frugan_train::Config;
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

/// The page, valid TOML: defaults as values, keys without a default commented out.
pub(crate) fn reference() -> Result<String> {
    let whole = Table::try_from(Config::default())?;
    let mut page =
        String::from("# Every key of a run's config with its default. Values are set by key=value arguments.\n");
    for (table, of) in TABLES.iter().copied().chain([("eval", "EvalConfig")]) {
        let values =
            table.split('.').filter(|part| !part.is_empty()).try_fold(&whole, |at, part| at.get(part)?.as_table());
        section(&mut page, table, of, values.unwrap_or(&Table::new()));
    }
    for (model, of) in other_models() {
        page.push_str(&format!("\n# With model.name = \"{}\":\n", model.name()));
        section(&mut page, "", of, &Table::try_from(model)?);
    }
    page.push_str("\n# Below augment.ada, of which any key switches ADA on:\n");
    section(&mut page, "", "AdaConfig", &Table::try_from(AdaConfig::default())?);
    Ok(page)
}

/// The models that are not the default, and their structs.
fn other_models() -> [(ModelConfig, &'static str); 2] {
    [
        (ModelConfig::Dcgan(DcganConfig::default()), "DcganConfig"),
        (ModelConfig::StyleGan2(StyleGan2Config::default()), "StyleGan2Config"),
    ]
}

fn section(page: &mut String, table: &str, of: &str, values: &Table) {
    if !table.is_empty() {
        page.push_str(&format!("\n[{table}]\n"));
    }
    let is_addendum = of == "AdaConfig" || other_models().iter().any(|(_, other)| *other == of);
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
        for key in ["# num_images =", "# clip_norm =", "#   d_norm =", "#   mbstd_group =", "#   pipe = \"bgc\""] {
            assert!(page.contains(key), "{key} is missing");
        }
    }

    #[test]
    fn every_field_is_documented() {
        let models = other_models().map(|(_, of)| ("model", of));
        let others = [&("eval", "EvalConfig"), &("augment.ada", "AdaConfig")];
        for (_, of) in TABLES.iter().chain(others).chain(&models) {
            assert!(fields(of).next().is_some(), "{of} was not found");
            for (field, doc) in fields(of) {
                assert!(!doc.is_empty(), "{of}.{field}");
            }
        }
    }
}
