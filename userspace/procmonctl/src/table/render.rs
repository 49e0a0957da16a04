// SPDX-License-Identifier: GPL-2.0-only

//! Tables as text that fits the terminal.

use std::fmt::Write;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// The side on which the cells of a column are flush.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Side {
    Left,
    Right,
}

/// The head of a column.
#[derive(Clone, Copy, Debug)]
pub struct Head {
    pub title: &'static str,
    pub side: Side,
}

impl Head {
    pub const fn new(title: &'static str, side: Side) -> Self {
        Self { title, side }
    }
}

/// A table of text.
pub struct Table {
    heads: Vec<Head>,
    cells: Vec<Vec<String>>,
}

impl Table {
    /// Creates a table with these columns and these rows of cells. A row may end early.
    pub fn new<H: Into<Head>>(
        columns: impl IntoIterator<Item = H>,
        cells: Vec<Vec<String>>,
    ) -> Self {
        Self {
            heads: columns.into_iter().map(Into::into).collect(),
            cells,
        }
    }

    /// Returns the width of each column.
    pub fn widths(&self) -> Vec<usize> {
        let mut widths: Vec<_> = self.heads.iter().map(|head| head.title.width()).collect();
        for row in &self.cells {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = cell.width().max(*width);
            }
        }
        widths
    }

    /// Returns the line of titles, and one for each row. No line is wider than `limit`.
    pub fn lines(&self, limit: Option<usize>) -> impl Iterator<Item = String> {
        let widths = self.widths();
        let titles = self.heads.iter().map(|head| head.title.to_owned());
        std::iter::once(titles.collect())
            .chain(self.cells.iter().cloned())
            .map(move |row: Vec<String>| {
                let mut line = String::new();
                for ((cell, head), &width) in row.iter().zip(&self.heads).zip(&widths) {
                    line.push_str(&pad(cell, width, head.side));
                    line.push(' ');
                }
                line.truncate(line.trim_end().len());
                match limit {
                    Some(limit) => cut(&line, limit).to_owned(),
                    None => line,
                }
            })
    }
}

/// Pads a cell with spaces.
pub fn pad(cell: &str, width: usize, side: Side) -> String {
    let spaces = width.saturating_sub(cell.width());
    let mut text = String::with_capacity(cell.len() + spaces);
    let _ = match side {
        Side::Left => write!(text, "{cell}{:spaces$}", ""),
        Side::Right => write!(text, "{:spaces$}{cell}", ""),
    };
    text
}

/// Returns the beginning of a text that fits this width of a terminal.
pub fn cut(text: &str, limit: usize) -> &str {
    let mut width = 0;
    for (index, c) in text.char_indices() {
        width += c.width().unwrap_or(0);
        if width > limit {
            return &text[..index];
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_cells() {
        let heads = [
            Head::new("PID", Side::Right),
            Head::new("USER", Side::Left),
            Head::new("COMMAND", Side::Left),
        ];
        let row = |cells: [&str; 3]| cells.map(str::to_owned).to_vec();
        let cells = vec![row(["1", "root", "init"]), row(["4711", "søren", "日本 x"])];
        let table = Table::new(heads, cells);
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
