//! A text table with aligned columns, readable in a terminal and valid Markdown.

/// Rows of cells under a head.
#[derive(Clone, Debug, Default)]
pub(crate) struct Grid {
    head: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Grid {
    pub(crate) fn new(head: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self { head: head.into_iter().map(Into::into).collect(), rows: Vec::new() }
    }

    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = impl Into<String>>) {
        self.rows.push(cells.into_iter().map(Into::into).collect());
    }

    /// The table; columns in which every cell is a number stand to the right.
    pub(crate) fn render(&self) -> String {
        let columns = self.head.len();
        let width = |c: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(c)).chain([&self.head[c]]);
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0).max(3)
        };
        let right = |c: usize| {
            let mut cells = self.rows.iter().filter_map(|row| row.get(c)).filter(|cell| *cell != "-").peekable();
            cells.peek().is_some() && cells.all(|cell| cell.starts_with(|first: char| first.is_ascii_digit()))
        };
        let line = |cells: &[String]| {
            let padded = (0..columns).map(|c| {
                let (cell, width) = (cells.get(c).map_or("", String::as_str), width(c));
                if right(c) { format!("{cell:>width$}") } else { format!("{cell:width$}") }
            });
            format!("| {} |\n", padded.collect::<Vec<_>>().join(" | "))
        };
        let rule = (0..columns).map(|c| match right(c) {
            true => "-".repeat(width(c) - 1) + ":",
            false => "-".repeat(width(c)),
        });
        let rule = format!("| {} |\n", rule.collect::<Vec<_>>().join(" | "));
        let rows: String = self.rows.iter().map(|row| line(row)).collect();
        line(&self.head) + &rule + &rows
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stand_right_and_words_left() {
        let mut grid = Grid::new(["row", "FID"]);
        grid.row(["none", "9.59"]);
        grid.row(["D only", "126.96"]);
        assert_eq!(
            grid.render(),
            "| row    |    FID |\n| ------ | -----: |\n| none   |   9.59 |\n| D only | 126.96 |\n"
        );
    }
}
