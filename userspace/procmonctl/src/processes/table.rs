// SPDX-License-Identifier: GPL-2.0

//! A table of text that fits in the terminal.

use std::fmt::Write;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::columns::{Column, Side};

/// A table of which all cells are there.
pub struct Table<'a> {
    columns: &'a [&'static Column],
    cells: Vec<Vec<String>>,
}

impl<'a> Table<'a> {
    /// A table with these columns and these rows of cells.
    pub fn new(columns: &'a [&'static Column], cells: Vec<Vec<String>>) -> Self {
        Self { columns, cells }
    }

    /// The width of each column.
    pub fn widths(&self) -> Vec<usize> {
        let mut widths: Vec<_> = self
            .columns
            .iter()
            .map(|column| column.title.width())
            .collect();
        for row in &self.cells {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = cell.width().max(*width);
            }
        }
        widths
    }

    /// The line with the titles, and one for each row. None is longer than `most`.
    pub fn lines(&self, most: Option<usize>) -> impl Iterator<Item = String> {
        let widths = self.widths();
        let titles = self.columns.iter().map(|column| column.title.to_owned());
        std::iter::once(titles.collect())
            .chain(self.cells.iter().cloned())
            .map(move |row: Vec<String>| {
                let mut line = String::new();
                for ((cell, column), &width) in row.iter().zip(self.columns).zip(&widths) {
                    line.push_str(&pad(cell, width, column.side));
                    line.push(' ');
                }
                line.truncate(line.trim_end().len());
                match most {
                    Some(most) => cut(&line, most).to_owned(),
                    None => line,
                }
            })
    }
}

/// Fills a cell up with spaces.
pub fn pad(cell: &str, width: usize, side: Side) -> String {
    let spaces = width.saturating_sub(cell.width());
    let mut text = String::with_capacity(cell.len() + spaces);
    let _ = match side {
        Side::Left => write!(text, "{cell}{:spaces$}", ""),
        Side::Right => write!(text, "{:spaces$}{cell}", ""),
    };
    text
}

/// What of a text fits in so many places of a terminal.
pub fn cut(text: &str, most: usize) -> &str {
    let mut width = 0;
    for (index, c) in text.char_indices() {
        width += c.width().unwrap_or(0);
        if width > most {
            return &text[..index];
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_what_is_in_them() {
        let columns = ["pid", "user", "comm"].map(|key| Column::by_key(key).unwrap());
        let row = |cells: [&str; 3]| cells.map(str::to_owned).to_vec();
        let cells = vec![row(["1", "root", "init"]), row(["4711", "søren", "日本 x"])];
        let table = Table::new(&columns, cells);
        assert_eq!(table.widths(), [4, 5, 7]);
        let lines: Vec<_> = table.lines(None).collect();
        assert_eq!(
            lines,
            [" PID USER  COMMAND", "   1 root  init", "4711 søren 日本 x"]
        );
        let lines: Vec<_> = table.lines(Some(14)).collect();
        assert_eq!(lines, [" PID USER  COM", "   1 root  ini", "4711 søren 日"]);
    }
}
