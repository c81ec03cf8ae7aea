//! `dataset.json`: which class each image of an archive belongs to.

use super::DATASET_JSON;
use super::entries::Entries;
use crate::error::{Error, Result};
use crate::scan::{Fault, Listing, Offender};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// A larger label is a mistake: every class number below it would be a class.
const MAX_CLASSES: u64 = 65_536;

#[derive(Deserialize)]
struct DatasetJson {
    #[serde(deserialize_with = "null_or_pairs")]
    labels: Option<Vec<(String, Value)>>,
}

/// Unlike a plain `Option`, an error where the key is missing.
fn null_or_pairs<'de, D: Deserializer<'de>>(json: D) -> Result<Option<Vec<(String, Value)>>, D::Error> {
    Option::deserialize(json)
}

/// Labels the listing's images; what is wrong with single labels joins its offenders.
pub(super) fn label(listing: &mut Listing, path: &Path, entries: &Entries) -> Result<()> {
    let Some(place) = entries.names().iter().position(|name| name == DATASET_JSON) else {
        listing.label_all_alike();
        return Ok(());
    };
    let malformed = |reason: String| Error::DatasetJson { path: path.to_owned(), reason };
    let bytes = entries.bytes(place).map_err(|error| malformed(error.to_string()))?;
    let json: DatasetJson = serde_json::from_slice(&bytes).map_err(|error| malformed(error.to_string()))?;
    let Some(pairs) = json.labels else {
        listing.label_all_alike();
        return Ok(());
    };
    let mut labels: BTreeMap<String, Value> = BTreeMap::new();
    for (name, label) in pairs {
        let twice = labels.get(&name).is_some_and(|first| *first != label);
        if twice {
            listing.offenders.push(Offender::new(
                Fault::Label,
                name.as_ref(),
                format!("({} and {label})", labels[&name]),
            ));
        }
        labels.insert(name, label);
    }
    let mut num_classes = 1;
    for name in &listing.names {
        let mut class = 0;
        match labels.remove(&*name.to_string_lossy()) {
            None => listing.offenders.push(Offender::new(Fault::NoLabel, name, String::new())),
            Some(label) => match label.as_u64().filter(|number| *number < MAX_CLASSES) {
                None => listing.offenders.push(Offender::new(Fault::Label, name, shown(&label))),
                Some(number) => class = number as u32,
            },
        }
        listing.labels.push(class);
        num_classes = num_classes.max(class + 1);
    }
    let missing = labels.keys().map(|name| Offender::new(Fault::Missing, name.as_ref(), String::new()));
    listing.offenders.extend(missing);
    listing.class_names = (0..num_classes).map(|class| class.to_string()).collect();
    Ok(())
}

/// A label that is none, cut where it is long: some sets have vectors.
fn shown(label: &Value) -> String {
    let text = label.to_string();
    match text.char_indices().nth(24) {
        Some((end, _)) => format!("({}..)", &text[..end]),
        None => format!("({text})"),
    }
}
