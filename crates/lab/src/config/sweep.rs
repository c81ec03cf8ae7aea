//! `-m`: the product of the arguments' lists.

use anyhow::Result;

use super::Argument;
use crate::failure::input;

/// All combinations of the arguments' values: `seed=0,1 model=dcgan,biggan` is four. A comma inside a value needs
/// quotes around that value: `augment.policy='"translation,cutout","color"'`; commas in brackets or braces never split.
pub(crate) fn product(arguments: &[Argument]) -> Result<Vec<Vec<Argument>>> {
    let mut runs: Vec<Vec<Argument>> = vec![Vec::new()];
    for argument in arguments {
        let values = split(&argument.text)
            .ok_or_else(|| input(format!("{}: a quote or bracket is not closed", argument.name())))?;
        runs = runs
            .into_iter()
            .flat_map(|run| {
                values.iter().map(move |value| {
                    let argument = Argument { key: argument.key.clone(), text: value.clone() };
                    run.iter().cloned().chain([argument]).collect()
                })
            })
            .collect();
    }
    Ok(runs)
}

/// Splits at the commas that stand outside quotes, brackets and braces.
fn split(text: &str) -> Option<Vec<String>> {
    let (mut parts, mut depth, mut quote) = (vec![String::new()], 0usize, None);
    for c in text.chars() {
        match (quote, c) {
            (Some(q), _) if q == c => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(c),
            (None, '[' | '{') => depth += 1,
            (None, ']' | '}') => depth = depth.checked_sub(1)?,
            (None, ',') if depth == 0 => {
                parts.push(String::new());
                continue;
            }
            _ => {}
        }
        parts.last_mut().expect("never empty").push(c);
    }
    (depth == 0 && quote.is_none()).then_some(parts)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn arguments(texts: &[&str]) -> Vec<Argument> {
        texts.iter().map(|t| Argument::parse(t).unwrap()).collect()
    }

    #[test]
    fn a_sweep_is_the_product_in_order() {
        let runs = product(&arguments(&["seed=0,1", "model=dcgan,biggan"])).unwrap();
        let names: Vec<String> =
            runs.iter().map(|r| r.iter().map(|a| a.text.clone()).collect::<Vec<_>>().join("-")).collect();
        assert_eq!(names, ["0-dcgan", "0-biggan", "1-dcgan", "1-biggan"]);
    }

    #[test]
    fn quotes_and_brackets_keep_a_comma() {
        assert_eq!(split(r#""translation,cutout","color""#).unwrap(), [r#""translation,cutout""#, r#""color""#]);
        assert_eq!(split("{a=1,b=2},[1,2]").unwrap(), ["{a=1,b=2}", "[1,2]"]);
        assert!(split("\"open").is_none());
        assert!(product(&arguments(&["a=]"])).is_err());
    }
}
