//! The report as a figure: above the paper's numbers, in the middle our metric over the runs' length, below D's gap.

use std::collections::BTreeMap;
use std::ops::Range;

use anyhow::{Result, anyhow};
use plotters::coord::Shift;
use plotters::prelude::*;

use super::Report;
use super::markdown::number;

/// Colours that people with any colour vision tell apart (Okabe and Ito).
const COLOURS: [RGBColor; 6] = [
    RGBColor(0, 0, 0),
    RGBColor(230, 159, 0),
    RGBColor(0, 114, 178),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(86, 180, 233),
];
const PANEL: (u32, u32) = (400, 300);
/// Of the title and the legend.
const LEFT: i32 = 14;
const FONT: &str = "sans-serif";

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// The figure's SVG text.
pub(crate) fn svg(report: &Report) -> Result<String> {
    let columns = unique(report.cells.iter().map(|c| c.column.as_str()));
    let rows = unique(report.cells.iter().map(|c| c.row.as_str()));
    let mut text = String::new();
    let width = PANEL.0 * columns.len().max(2) as u32;
    let size = (width, head_height(&rows, width) + 3 * PANEL.1 + 8);
    draw(&mut text, size, report, &columns, &rows).map_err(|e| anyhow!("the figure cannot be drawn: {e}"))?;
    Ok(text)
}

fn draw(text: &mut String, size: (u32, u32), report: &Report, columns: &[&str], rows: &[&str]) -> Result<()> {
    let root = SVGBackend::with_string(text, size).into_drawing_area();
    root.fill(&WHITE)?;
    let (head, body) = root.split_vertically(head_height(rows, size.0));
    let title = format!("{}: {} (scale {})", report.table, report.title, report.scale);
    head.draw(&Text::new(title, (LEFT, 10), (FONT, 20)))?;
    draw_legend(&head, rows, size.0)?;
    let (upper, rest) = body.split_vertically(PANEL.1);
    let (middle, lower) = rest.split_vertically(PANEL.1);
    let metric = report.ours_for(report.selecting()).map(str::to_string);
    for (i, area) in upper.split_evenly((1, columns.len())).iter().enumerate() {
        draw_paper(area, report, columns[i], rows)?;
    }
    for (i, area) in middle.split_evenly((1, columns.len())).iter().enumerate() {
        if let Some(metric) = &metric {
            draw_ours(area, report, columns[i], rows, metric)?;
        }
    }
    for (i, area) in lower.split_evenly((1, columns.len())).iter().enumerate() {
        draw_gaps(area, report, columns[i], rows)?;
    }
    root.present()?;
    Ok(())
}

fn draw_legend(area: &Area<'_>, rows: &[&str], width: u32) -> Result<()> {
    for (i, (row, (x, y))) in rows.iter().zip(legend_places(rows, width)).enumerate() {
        area.draw(&Rectangle::new([(x, y), (x + 14, y + 12)], colour(i).filled()))?;
        area.draw(&Text::new(row.to_string(), (x + 20, y - 1), (FONT, 15)))?;
    }
    Ok(())
}

/// Where each row's colour stands: as many in a line as fit into the figure's width.
fn legend_places(rows: &[&str], width: u32) -> Vec<(i32, i32)> {
    let (mut x, mut y) = (LEFT, 42);
    let place = |row: &&str| {
        let taken = 34 + 7 * row.chars().count() as i32;
        if x > LEFT && x + taken > width as i32 {
            (x, y) = (LEFT, y + 20);
        }
        x += taken;
        (x - taken, y)
    };
    rows.iter().map(place).collect()
}

/// The title and the legend below it.
fn head_height(rows: &[&str], width: u32) -> u32 {
    legend_places(rows, width).last().map_or(42, |(_, y)| *y as u32) + 20
}

/// The paper's numbers of one column, a bar from the axis for each row, in a logarithmic scale.
fn draw_paper(area: &Area<'_>, report: &Report, column: &str, rows: &[&str]) -> Result<()> {
    let spec = report.selecting();
    let all: Vec<f64> = report.cells.iter().filter_map(|c| c.paper.get(&spec.name).copied()).collect();
    let range = log_range(&all);
    let caption = format!("paper's {}, {}: {column}", spec.label, report.columns_are);
    let mut chart = ChartBuilder::on(area)
        .caption(caption, (FONT, 15))
        .margin(10)
        .x_label_area_size(16)
        .y_label_area_size(48)
        .build_cartesian_2d(0.0..rows.len() as f64, range.clone().log_scale().with_key_points(key_points(&range)))?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .disable_x_axis()
        .max_light_lines(1)
        .y_label_formatter(&|v| v.to_string())
        .y_labels(6)
        .draw()?;
    for (i, row) in rows.iter().enumerate() {
        let cell = report.cells.iter().find(|c| c.row == *row && c.column == column);
        let Some(value) = cell.and_then(|c| c.paper.get(&spec.name)).copied() else { continue };
        let x = i as f64;
        chart.draw_series([Rectangle::new([(x + 0.2, range.start), (x + 0.8, value)], colour(i).filled())])?;
        chart.draw_series([Text::new(number(value), (x + 0.25, value * 1.16), (FONT, 13))])?;
    }
    Ok(())
}

/// Our metric of one column over the G steps, a line for each row and seed.
fn draw_ours(area: &Area<'_>, report: &Report, column: &str, rows: &[&str], metric: &str) -> Result<()> {
    let value = |values: &BTreeMap<String, Option<f64>>| values.get(metric).copied().flatten();
    let all: Vec<f64> = report.curves.iter().flat_map(|c| c.points.iter().filter_map(|(_, v)| value(v))).collect();
    let last = report.curves.iter().flat_map(|c| c.points.iter().map(|(step, _)| *step)).max().unwrap_or(1);
    let range = log_range(&all);
    let mut chart = ChartBuilder::on(area)
        .caption(format!("ours: {metric}, {}: {column}", report.columns_are), (FONT, 15))
        .margin(10)
        .x_label_area_size(34)
        .y_label_area_size(48)
        .build_cartesian_2d(
            0.0..last.max(1) as f64 * 1.02,
            range.clone().log_scale().with_key_points(key_points(&range)),
        )?;
    let step = |v: &f64| format!("{v:.0}");
    chart
        .configure_mesh()
        .x_desc("G steps")
        .max_light_lines(1)
        .y_label_formatter(&|v| v.to_string())
        .x_label_formatter(&step)
        .y_labels(6)
        .x_labels(6)
        .draw()?;
    for (i, row) in rows.iter().enumerate() {
        for curve in report.curves.iter().filter(|c| c.row == *row && c.column == column) {
            let points: Vec<(f64, f64)> =
                curve.points.iter().filter_map(|(s, v)| Some((*s as f64, value(v)?))).collect();
            chart.draw_series(LineSeries::new(points.clone(), colour(i).stroke_width(2)))?;
            chart.draw_series(points.into_iter().map(|p| Circle::new(p, 3, colour(i).filled())))?;
        }
    }
    Ok(())
}

/// D's accuracy on training images minus that on held-out ones, over the G steps.
fn draw_gaps(area: &Area<'_>, report: &Report, column: &str, rows: &[&str]) -> Result<()> {
    let curves = || report.curves.iter().filter(|c| c.column == column);
    let last = report.curves.iter().flat_map(|c| c.gaps.iter().map(|(step, _)| *step)).max().unwrap_or(1);
    let lowest = report.curves.iter().flat_map(|c| c.gaps.iter().map(|(_, gap)| *gap)).fold(0.0, f64::min);
    let mut chart = ChartBuilder::on(area)
        .caption(format!("D's accuracy, training - held-out, {}: {column}", report.columns_are), (FONT, 15))
        .margin(10)
        .x_label_area_size(34)
        .y_label_area_size(48)
        .build_cartesian_2d(0.0..last.max(1) as f64 * 1.02, lowest.max(-1.0)..1.0)?;
    let step = |v: &f64| format!("{v:.0}");
    chart
        .configure_mesh()
        .x_desc("G steps")
        .max_light_lines(1)
        .x_label_formatter(&step)
        .y_labels(6)
        .x_labels(6)
        .draw()?;
    for (i, row) in rows.iter().enumerate() {
        for curve in curves().filter(|c| c.row == *row) {
            let points = curve.gaps.iter().map(|(step, gap)| (*step as f64, *gap));
            chart.draw_series(LineSeries::new(points, colour(i).stroke_width(1)))?;
        }
    }
    Ok(())
}

fn colour(i: usize) -> RGBColor {
    COLOURS[i % COLOURS.len()]
}

/// A range around positive values that leaves room for labels; zeros and absences do not count.
fn log_range(values: &[f64]) -> Range<f64> {
    let positive = values.iter().copied().filter(|v| *v > 0.0 && v.is_finite());
    let (low, high) = positive.fold((f64::INFINITY, 0.0f64), |(low, high), v| (low.min(v), high.max(v)));
    if low > high { 0.1..10.0 } else { low * 0.7..high * 1.5 }
}

/// 1, 2 and 5 times the powers of ten of a range.
fn key_points(range: &Range<f64>) -> Vec<f64> {
    let decades = range.start.log10().floor() as i32..=range.end.log10().ceil() as i32;
    let points = decades.flat_map(|decade| [1.0, 2.0, 5.0].map(|digit| digit * 10f64.powi(decade)));
    points.filter(|point| range.contains(point)).collect()
}

fn unique<'a>(names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut all = Vec::new();
    for name in names {
        if !all.contains(&name) {
            all.push(name);
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_legend_stays_within_the_figure() {
        let rows = ["StyleGAN2 + ADA + bCR"; 7];
        let places = legend_places(&rows, 800);
        assert!(places.iter().all(|(x, _)| *x >= LEFT && x + 34 + 7 * 21 <= 800), "{places:?}");
        assert_eq!(places[3..5], [(557, 42), (LEFT, 62)]);
        assert_eq!(head_height(&rows, 800), 82);
        assert_eq!(head_height(&rows[..4], 800), 62);
    }
}
