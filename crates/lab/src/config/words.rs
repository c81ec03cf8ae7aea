//! What is wrong with a value, in a user's words.

use figment::Figment;
use figment::error::{Actual, Kind};
use figment::providers::Serialized;
use serde::de::DeserializeOwned;

use super::did_you_mean;

/// What the value at `key` of a config over `base` should have been.
pub(super) fn reason<T: DeserializeOwned>(base: &Figment, key: &str, kind: &Kind) -> String {
    match kind {
        Kind::UnknownVariant(given, known) => {
            format!("`{given}` is not known{}", did_you_mean(given, known.iter().copied()))
        }
        Kind::UnknownField(given, known) => {
            format!("unknown key `{given}`{}", did_you_mean(given, known.iter().copied()))
        }
        Kind::InvalidType(given, wanted) | Kind::InvalidValue(given, wanted) => {
            let is_name = wanted.starts_with("enum ") || wanted == "variant identifier";
            match names_of::<T>(base, key).filter(|_| is_name) {
                Some(names) => format!("expected one of {}, got {}", names.join(", "), kind_of(given)),
                None => expected(given, wanted),
            }
        }
        Kind::Message(text) => text.clone(),
        other => other.to_string(),
    }
}

/// The names that the value at `key` can have, where it is one of a list: what the config answers to a name that is none.
pub(super) fn names_of<T: DeserializeOwned>(base: &Figment, key: &str) -> Option<&'static [&'static str]> {
    match base.clone().merge(Serialized::default(key, "?")).extract::<T>() {
        Err(figment::Error { kind: Kind::UnknownVariant(_, names), .. }) => Some(names),
        _ => None,
    }
}

/// A type of Rust's by what stands in a file for it.
fn expected(given: &Actual, wanted: &str) -> String {
    let wanted = match wanted {
        "u64" | "usize" => return whole_number(given),
        "f64" => "a number",
        "a boolean" => "true or false",
        "a sequence" => "a list, such as [\"a\", \"b\"]",
        "a string" | "path string" => "text",
        other if other.starts_with("struct ") => "a table, such as {key = value}",
        other => other,
    };
    format!("expected {wanted}, got {}", kind_of(given))
}

/// What to write for a whole number: TOML's have no exponent and end at 2^63 - 1.
fn whole_number(given: &Actual) -> String {
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit() || b == b'_');
    match given {
        Actual::Float(value) if *value >= 0.0 && value.fract() == 0.0 && *value < i64::MAX as f64 => {
            format!("expected a whole number: write {value:.0}")
        }
        Actual::Str(text) if is_digits(text) => format!("expected a whole number, {} at most", i64::MAX),
        Actual::Signed(value) if *value < 0 => "expected a whole number, 0 or more".into(),
        other => format!("expected a whole number, got {}", kind_of(other)),
    }
}

fn kind_of(given: &Actual) -> String {
    match given {
        Actual::Bool(value) => value.to_string(),
        Actual::Unsigned(_) | Actual::Signed(_) => "a whole number".into(),
        Actual::Float(_) => "a number with a point".into(),
        Actual::Char(_) | Actual::Str(_) => "text".into(),
        Actual::Seq => "a list".into(),
        Actual::Map => "a table".into(),
        other => other.to_string(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use frugan_train::Config;

    use crate::config::{Argument, Composer, Library};

    /// The sentence behind the value and its source.
    fn error(argument: &str) -> String {
        let library = Library::open(None).unwrap();
        let mut composer = Composer::new(&library);
        composer.argument(&Argument::parse(argument).unwrap()).unwrap();
        let text = format!("{:#}", composer.resolve::<Config>().unwrap_err());
        text.split_once(&format!("(argument `{argument}`): ")).unwrap().1.to_string()
    }

    #[test]
    fn whole_numbers_say_what_to_write() {
        assert_eq!(error("eval.num_fakes=1e3"), "expected a whole number: write 1000");
        assert_eq!(error("optim.batch=1.5"), "expected a whole number, got a number with a point");
        assert_eq!(error("seed=9223372036854775808"), "expected a whole number, 9223372036854775807 at most");
        assert_eq!(error("train.steps=-5"), "expected a whole number, 0 or more");
        assert_eq!(error("train.steps=1k"), "expected a whole number, got text");
        assert_eq!(error("train.steps=[5]"), "expected a whole number, got a list");
    }

    #[test]
    fn types_have_a_users_words() {
        assert_eq!(error("augment.on=3"), "expected a table, such as {key = value}, got a whole number");
        assert_eq!(error("optim.g.lr=x"), "expected a number, got text");
        assert_eq!(error("optim.clip_norm=x"), "expected a number, got text");
        assert_eq!(error("eval.metrics=fid"), "expected a list, such as [\"a\", \"b\"], got text");
        assert_eq!(error("eval.download=1"), "expected true or false, got a whole number");
        assert_eq!(error("data.root=3"), "expected text, got a whole number");
    }

    #[test]
    fn a_name_is_one_of_those_that_are_known() {
        assert_eq!(error("optim.first=3"), "expected one of d, g, got a whole number");
        assert_eq!(error("data.mirror=3"), "expected true, false, \"coin\" or \"double\", got a whole number");
        assert!(error("loss.name=3").starts_with("expected one of hinge, non_saturating, "));
        assert!(error("model.name=3").starts_with("expected one of dcgan, biggan, "));
    }
}
