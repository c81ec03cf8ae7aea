//! A configuration's values by their dotted names.

use std::collections::BTreeMap;

use toml::Value;

use crate::config::Config;

/// Every value of the configuration: `optim.batch`, 50.
pub(crate) fn values(config: &Config) -> Vec<(String, Value)> {
    let mut found = Vec::new();
    if let Ok(value) = Value::try_from(config) {
        flatten("", value, &mut found);
    }
    found
}

fn flatten(name: &str, value: Value, found: &mut Vec<(String, Value)>) {
    let Value::Table(table) = value else { return found.push((name.to_string(), value)) };
    for (key, value) in table {
        let name = if name.is_empty() { key } else { format!("{name}.{key}") };
        flatten(&name, value, found);
    }
}

/// What `config` has otherwise than `saved`, a part a key: `seed = 4 (there 3)`.
pub(crate) fn differences(config: &Config, saved: &Config) -> Vec<String> {
    let [ours, theirs] = [config, saved].map(|config| values(config).into_iter().collect::<BTreeMap<_, _>>());
    let mut keys: Vec<&String> = ours.keys().chain(theirs.keys()).collect();
    keys.sort();
    keys.dedup();
    let text = |value: Option<&Value>| value.map_or_else(|| "not set".to_string(), Value::to_string);
    let differing = keys.into_iter().filter(|key| ours.get(*key) != theirs.get(*key));
    differing.map(|key| format!("{key} = {} (there {})", text(ours.get(key)), text(theirs.get(key)))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_dotted_names() {
        let found = values(&Config::default());
        assert!(found.contains(&("optim.num_d_steps".into(), Value::Integer(4))));
        assert!(found.contains(&("augment.on.d_real".into(), Value::Boolean(true))));
    }

    #[test]
    fn differences_name_both_values() {
        let saved = Config::default();
        let mut config = saved.clone();
        assert!(differences(&config, &saved).is_empty());
        config.seed = 4;
        config.optim.clip_norm = Some(1.5);
        assert_eq!(differences(&config, &saved), ["optim.clip_norm = 1.5 (there not set)", "seed = 4 (there 0)"]);
    }
}
