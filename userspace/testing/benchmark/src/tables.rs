// SPDX-License-Identifier: GPL-2.0-only

//! Tables of text: names at the left, numbers at the right.

use std::fmt;

/// A table with a title.
pub struct Table {
    title: String,
    columns: Vec<&'static str>,
    widths: Vec<usize>,
    rows: Vec<(String, Vec<String>)>,
}

impl Table {
    pub fn new(title: impl Into<String>, columns: &[&'static str]) -> Self {
        Self {
            title: title.into(),
            columns: columns.to_vec(),
            widths: columns.iter().map(|column| column.len()).collect(),
            rows: Vec::new(),
        }
    }

    /// Adds a row, with a cell for each column.
    pub fn row(&mut self, name: impl Into<String>, cells: Vec<String>) {
        debug_assert_eq!(cells.len(), self.columns.len());
        for (width, cell) in self.widths.iter_mut().zip(&cells) {
            *width = (*width).max(cell.chars().count());
        }
        self.rows.push((name.into(), cells));
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let heads = self.columns.iter().map(|&column| column.to_owned());
        let head = (String::new(), heads.collect());
        let names = self.rows.iter().map(|(name, _)| name.chars().count());
        let names = names.max().unwrap_or_default();
        writeln!(f, "{}\n", self.title)?;
        for (name, cells) in [&head].into_iter().chain(&self.rows) {
            let mut line = format!("{name:names$}");
            for (cell, &width) in cells.iter().zip(&self.widths) {
                line += &format!("  {cell:>width$}");
            }
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

/// Formats a number that is large enough without digits after the point, else with one.
pub fn number(value: f64) -> String {
    if value.fract() == 0.0 || value.abs() >= 1000.0 {
        format!("{value:.0}")
    } else {
        format!("{value:.1}")
    }
}

/// Formats a number that is close to one.
pub fn ratio(value: f64) -> String {
    format!("{value:.2}")
}

/// Formats a number that may be missing.
pub fn optional(value: Option<f64>, format: fn(f64) -> String) -> String {
    value.map_or_else(|| "-".to_owned(), format)
}

/// Formats a target, with "ok" or by how much the value misses it.
pub fn verdict(value: f64, target: Option<f64>, format: fn(f64) -> String) -> String {
    match target {
        None => String::new(),
        Some(target) if is_met(value, target) => format!("{} ok", format(target)),
        Some(target) => format!("{} +{}", format(target), format(value - target)),
    }
}

/// Returns whether a value is not larger than a target, by the digits that are shown.
pub fn is_met(value: f64, target: f64) -> bool {
    value < target + 0.05
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_cells() {
        let mut table = Table::new("Title", &["a", "long"]);
        table.row("first", vec!["1000".to_owned(), "1".to_owned()]);
        table.row("second", vec!["1".to_owned(), String::new()]);
        assert_eq!(
            table.to_string(),
            "Title\n\n           a  long\nfirst   1000     1\nsecond     1\n"
        );
    }

    #[test]
    fn verdicts_go_by_the_digits_that_are_shown() {
        assert_eq!(verdict(25.04, Some(25.0), number), "25 ok");
        assert_eq!(verdict(25.1, Some(25.0), number), "25 +0.1");
        assert_eq!(verdict(1.0, None, number), "");
        assert_eq!(verdict(2000.0, Some(500.0), number), "500 +1500");
    }

    #[test]
    fn numbers_have_the_digits_that_matter() {
        assert_eq!(number(5.0), "5");
        assert_eq!(number(5.25), "5.2");
        assert_eq!(number(20_000.7), "20001");
        assert_eq!(optional(None, ratio), "-");
    }
}
