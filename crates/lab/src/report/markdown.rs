//! The report as a page of Markdown.

use std::collections::BTreeMap;

use super::{Cell, Grid, Report, family};

/// The families shown in the table; all others, spreads and single leaks stand in the JSON.
const SHOWN: [&str; 8] = ["is", "fid", "frd", "kid", "krd", "pr", "ppl", "leak"];

/// The whole page.
pub(crate) fn page(report: &Report) -> String {
    let mut page = format!("# {}: {}\n\n{}\n\n", report.table, report.title, report.source);
    page.push_str(&format!("Scale `{}`: {}.\n", report.scale, report.summary));
    for line in facts(report) {
        page.push_str(&format!("- {line}\n"));
    }
    page.push_str(&format!("\n{}\n{}\n", results_grid(report).render(), reading(report)));
    page.push_str(&skipped(report));
    page.push_str(&format!("![metric over time]({}.svg)\n\n", report.table));
    page.push_str("## What differs from the published protocol\n\n");
    for sentence in &report.deviations {
        page.push_str(&format!("- {sentence}\n"));
    }
    if report.deviations.is_empty() {
        page.push_str("- Nothing is known to.\n");
    }
    if !report.differences.is_empty() {
        let mut grid = Grid::new(["value", "here", "published"]);
        for (key, ours, published) in &report.differences {
            grid.row([format!("`{key}`"), format!("`{ours}`"), format!("`{published}`")]);
        }
        page.push_str(&format!(
            "\nAll values that differ (the config of the scale `paper` is the published one, but for its deviations):\n\n{}",
            grid.render()
        ));
    }
    page
}

/// Data, network, protocol, device, version: what a number means without which it is none.
fn facts(report: &Report) -> Vec<String> {
    let of = |get: fn(&Cell) -> String| {
        let mut all: Vec<String> = report.cells.iter().filter(|cell| cell.skipped.is_none()).map(get).collect();
        all.sort_unstable();
        all.dedup();
        all.join("; ")
    };
    vec![
        format!(
            "data: {}",
            of(|c| format!("{}, {} training images (content {})", c.data, c.num_images, c.fingerprint))
        ),
        format!("network of the metrics: {}", of(|c| c.network.clone())),
        format!("protocol: {}", of(|c| c.protocol.clone())),
        format!("seeds: {}; device: {}", seeds(report), report.device),
        format!("frugan {} (commit {}): `{}`", report.version, report.commit, report.command),
    ]
    .into_iter()
    .chain(floor_lines(report))
    .collect()
}

/// What the reals have against themselves, where a run has measured it: one line, or one for each group of columns whose
/// reals are the same.
pub(crate) fn floor_lines(report: &Report) -> Vec<String> {
    let mut columns: Vec<(&str, BTreeMap<&str, f64>)> = Vec::new();
    for cell in report.cells.iter().filter(|cell| !cell.floor.is_empty()) {
        let values = cell.floor.iter().filter(|(name, _)| !is_part(name)).map(|(name, value)| (name.as_str(), *value));
        match columns.iter_mut().find(|(column, _)| *column == cell.column) {
            Some((_, known)) => known.extend(values),
            None => columns.push((&cell.column, values.collect())),
        }
    }
    let mut groups: Vec<(Vec<&str>, BTreeMap<&str, f64>)> = Vec::new();
    for (column, values) in columns {
        match groups.iter_mut().find(|(_, known)| *known == values) {
            Some((names, _)) => names.push(column),
            None => groups.push((vec![column], values)),
        }
    }
    let alone = groups.len() == 1;
    let line = |(columns, values): (Vec<&str>, BTreeMap<&str, f64>)| {
        let of = if alone { String::new() } else { format!(" of {}", columns.join("; ")) };
        let values: Vec<String> = values.iter().map(|(name, value)| format!("{name} {}", number(*value))).collect();
        format!("floor{of}: one half of the reals against the other has {}", values.join(", "))
    };
    groups.into_iter().map(line).collect()
}

/// A spread, or a share of a number that is shown.
pub(crate) fn is_part(name: &str) -> bool {
    name.ends_with("_std") || name.starts_with("leak_")
}

/// The cells that nothing was run for, a reason a line.
fn skipped(report: &Report) -> String {
    let mut reasons: Vec<(&str, Vec<String>)> = Vec::new();
    for cell in &report.cells {
        let Some(why) = &cell.skipped else { continue };
        let place = format!("{}, {}", cell.row, cell.column);
        match reasons.iter_mut().find(|(known, _)| known == why) {
            Some((_, places)) if places.contains(&place) => {}
            Some((_, places)) => places.push(place),
            None => reasons.push((why, vec![place])),
        }
    }
    let line = |(why, places): &(&str, Vec<String>)| format!("- {}: {why}\n", places.join("; "));
    match reasons.as_slice() {
        [] => String::new(),
        some => format!("Not run here:\n{}\n", some.iter().map(line).collect::<String>()),
    }
}

fn seeds(report: &Report) -> String {
    let mut seeds: Vec<u64> = report.cells.iter().map(|cell| cell.seed).collect();
    seeds.sort_unstable();
    seeds.dedup();
    seeds.iter().map(u64::to_string).collect::<Vec<_>>().join(", ")
}

fn reading(report: &Report) -> String {
    let selecting = report.selecting();
    let metric = report.ours_for(selecting).unwrap_or(&selecting.name);
    format!(
        "`ours` is the snapshot with the best {metric} of a run, with its other metrics; `last` is the end of the run. \
         leak: the share of samples that show what only T can make (grey rectangles, shifted borders, colour casts), between \
         clean reals (0) and reals under T (1); it says something once samples look like images. \
         D's gap: its accuracy on training images minus that on held-out ones, the mean of a run's last tenth; a D that \
         knows its training images by heart has a large one.\n"
    )
}

/// Ours against the paper's: a line for each cell; several seeds stand as mean ± standard deviation.
pub(crate) fn results_grid(report: &Report) -> Grid {
    let names = shown_metrics(report);
    let selecting = report.ours_for(report.selecting()).map(str::to_string);
    let mut head = vec![report.columns_are.clone(), report.rows_are.clone()];
    head.extend(report.metrics.iter().map(|m| format!("paper {}", m.label)));
    head.extend(names.iter().map(|name| format!("ours {name}")));
    head.push("at step".into());
    head.extend(selecting.iter().map(|name| format!("last {name}")));
    head.push("last D's gap".into());
    let mut grid = Grid::new(head);
    for cells in by_place(report) {
        let first = cells[0];
        let mut row = vec![first.column.clone(), first.row.clone()];
        row.extend(report.metrics.iter().map(|m| first.paper.get(&m.name).map_or("-".into(), |v| format!("{v:.2}"))));
        for name in &names {
            row.push(over_seeds(&cells, |cell| &cell.ours, name));
        }
        let mut steps: Vec<u64> = cells.iter().filter_map(|cell| cell.step).collect();
        steps.dedup();
        let steps: Vec<String> = steps.iter().map(u64::to_string).collect();
        row.push(match steps.is_empty() {
            _ if cells.iter().any(|cell| cell.error.is_some()) => "stopped: not finite".into(),
            _ if cells.iter().any(|cell| cell.skipped.is_some()) => "not run".into(),
            true => "-".into(),
            false => steps.join(", "),
        });
        row.extend(selecting.iter().map(|name| over_seeds(&cells, |cell| &cell.last, name)));
        row.push(spread(&cells.iter().filter_map(|cell| cell.last_gap).collect::<Vec<_>>()));
        grid.row(row);
    }
    grid
}

/// Cells of one row and column, in the table's order.
fn by_place(report: &Report) -> Vec<Vec<&Cell>> {
    let mut places: Vec<Vec<&Cell>> = Vec::new();
    for cell in &report.cells {
        match places.iter_mut().find(|cells| cells[0].row == cell.row && cells[0].column == cell.column) {
            Some(cells) => cells.push(cell),
            None => places.push(vec![cell]),
        }
    }
    let columns: Vec<&str> = report.cells.iter().map(|cell| cell.column.as_str()).collect();
    places.sort_by_key(|cells| columns.iter().position(|column| *column == cells[0].column));
    places
}

/// Our metrics of the shown families, the paper's first.
fn shown_metrics(report: &Report) -> Vec<String> {
    let mut names: Vec<&String> =
        report.cells.iter().flat_map(|cell| cell.ours.keys().chain(cell.last.keys())).collect();
    names.sort();
    names.dedup();
    let place = |name: &str| SHOWN.iter().position(|shown| *shown == family(name)).filter(|_| !is_part(name));
    let mut shown: Vec<String> = names.into_iter().filter(|name| place(name).is_some()).cloned().collect();
    shown.sort_by_key(|name| place(name));
    shown
}

fn over_seeds(cells: &[&Cell], values: fn(&Cell) -> &BTreeMap<String, Option<f64>>, name: &str) -> String {
    let known: Vec<Option<f64>> = cells.iter().filter_map(|cell| values(cell).get(name).copied()).collect();
    let numbers: Vec<f64> = known.iter().flatten().copied().collect();
    match numbers.as_slice() {
        [] if known.is_empty() => "-".into(),
        [] => match family(name) {
            "is" => "n/a (no logits)".into(),
            "leak" => "n/a (no T)".into(),
            _ => "n/a".into(),
        },
        some => spread(some),
    }
}

/// A number, or mean and standard deviation of several.
pub(crate) fn spread(numbers: &[f64]) -> String {
    match mean_and_deviation(numbers) {
        None => "-".into(),
        Some((mean, None)) => number(mean),
        Some((mean, Some(deviation))) => format!("{} ± {}", number(mean), number(deviation)),
    }
}

/// The mean, and with the divisor n - 1 the standard deviation of two numbers or more.
pub(crate) fn mean_and_deviation(numbers: &[f64]) -> Option<(f64, Option<f64>)> {
    let count = numbers.len();
    let mean = numbers.iter().sum::<f64>() / count as f64;
    let squares = || numbers.iter().map(|v| (v - mean).powi(2)).sum::<f64>();
    (count > 0).then(|| (mean, (count > 1).then(|| (squares() / (count - 1) as f64).sqrt())))
}

/// Three or four digits that matter.
pub(crate) fn number(value: f64) -> String {
    match value.abs() {
        a if a >= 1000.0 => format!("{value:.0}"),
        a if a >= 1.0 || a == 0.0 => format!("{value:.2}"),
        a if a >= 0.01 => format!("{value:.3}"),
        _ => format!("{value:.5}"),
    }
}
