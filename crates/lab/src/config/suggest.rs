//! The nearest known name to one that is not known.

/// `; did you mean \`x\`?` for the nearest of `known`, or the list of all of them when none is near.
pub(crate) fn did_you_mean<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    match nearest(given, &known) {
        Some(name) => format!("; did you mean `{name}`?"),
        None if known.is_empty() => String::new(),
        None => format!("; known are {}", known.join(", ")),
    }
}

/// The known name within a third of the given one's letters (transpositions count once), or that ends or starts alike.
pub(crate) fn nearest<'a>(given: &str, known: &[&'a str]) -> Option<&'a str> {
    let lower = given.to_lowercase();
    let distance = |name: &str| strsim::damerau_levenshtein(&lower, &name.to_lowercase());
    let best = known.iter().min_by_key(|name| distance(name))?;
    let allowed = (given.chars().count() / 3).clamp(1, 4);
    if distance(best) <= allowed {
        return Some(best);
    }
    let last = |name: &str| name.rsplit('.').next().unwrap_or_default().to_lowercase();
    let mut alike = known.iter().filter(|name| strsim::damerau_levenshtein(&last(name), &last(&lower)) <= 1);
    match (alike.next(), alike.next()) {
        (Some(only), None) if last(given).len() > 2 => Some(only),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_offered_and_a_far_one_is_not() {
        let known = ["augment.policy", "augment.on.d_real", "optim.batch"];
        assert_eq!(nearest("augment.polcy", &known), Some("augment.policy"));
        assert_eq!(nearest("batch", &known), Some("optim.batch"));
        assert_eq!(nearest("model.width", &known), None);
        assert_eq!(did_you_mean("x", ["a.long.name"]), "; known are a.long.name");
    }
}
