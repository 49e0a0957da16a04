// SPDX-License-Identifier: GPL-2.0-only

//! The list of processes that came and went between refreshes.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Line;
use ratatui::widgets::{Block, Paragraph};

use super::at_least;
use crate::table::render::{Head, Side, Table, cut};
use crate::table::value::{bytes_text, status_text, time_text};
use crate::text::printable;
use crate::top::state::App;
use crate::top::turnover::{Transient, Turnover};

/// A column of the list.
struct Column {
    head: Head,
    /// Whether a narrow screen leaves it out.
    is_spare: bool,
    text: fn(&App, &Transient) -> String,
}

/// The columns, with titles as wide as their cells usually are.
const COLUMNS: [Column; 8] = [
    column("    PID", Side::Right, |_, process| process.pid.to_string()),
    spare("   PPID", Side::Right, |_, process| {
        process.ppid.to_string()
    }),
    spare("USER    ", Side::Left, |app, process| {
        printable(&app.context.names.user(process.uid))
    }),
    column("STATUS   ", Side::Left, |_, process| {
        let status = process.status().map(status_text);
        status.unwrap_or_else(|| "?".to_owned())
    }),
    column("  LASTED", Side::Right, |_, process| {
        time_text(process.lasted())
    }),
    spare("    TIME", Side::Right, |_, process| {
        time_text(process.exit.runtime())
    }),
    spare("  RSS", Side::Right, |_, process| {
        bytes_text(process.exit.max_resident())
    }),
    column("COMMAND", Side::Left, |_, process| {
        process.command_line().text()
    }),
];

const fn column(title: &'static str, side: Side, text: fn(&App, &Transient) -> String) -> Column {
    Column {
        head: Head::new(title, side),
        is_spare: false,
        text,
    }
}

const fn spare(title: &'static str, side: Side, text: fn(&App, &Transient) -> String) -> Column {
    Column {
        is_spare: true,
        ..column(title, side, text)
    }
}

/// The least width with all columns.
const WIDE: usize = 70;

/// The height without rows: the border and the titles.
const FRAME: u16 = 3;

/// Returns the number of lines, of `rest`, that the list takes: a third, as its length changes all
/// the time, or none where it would not leave some rows of the table, and of the details.
pub fn height(app: &App, rest: u16) -> u16 {
    let others = if app.shows_details { 7 } else { 2 };
    let height = (rest / 3).max(FRAME + 1);
    if height + others <= rest { height } else { 0 }
}

fn table<'a>(
    app: &App,
    processes: impl Iterator<Item = &'a Transient>,
    width: Option<usize>,
) -> Table {
    let is_wide = width.is_none_or(|width| width >= WIDE);
    let columns = || {
        COLUMNS
            .iter()
            .filter(move |column| is_wide || !column.is_spare)
    };
    let cells = |process| {
        columns()
            .map(|column| app.look.text((column.text)(app, process)))
            .collect()
    };
    Table::new(
        columns().map(|column| column.head),
        processes.map(cells).collect(),
    )
}

/// Returns those of a turnover as text, in the order of their ends.
pub fn lines(app: &App, turnover: &Turnover) -> Vec<String> {
    let head = format!("{}{} came and went", at_least(turnover), turnover.transient);
    let table = table(app, app.transients(turnover), None);
    std::iter::once(head).chain(table.lines(None)).collect()
}

/// Draws those since the beginning that ended last, the last one first.
pub fn draw(app: &App, frame: &mut Frame, area: Rect) {
    let total = &app.total;
    let title = format!(
        " Came and went: {}{} so far, the last ones first ",
        at_least(total),
        total.transient
    );
    let block = Block::bordered().title(cut(&title, usize::from(area.width)).to_owned());
    let inner = block.inner(area);
    let rows = usize::from(inner.height.saturating_sub(1));
    let width = Some(usize::from(inner.width));
    let theme = app.look.theme;
    let table = table(app, app.transients(total).rev().take(rows), width);
    let lines = table.lines(width).enumerate();
    let lines: Vec<_> = lines
        .map(|(index, line)| match index {
            0 => Line::styled(line, theme.heading),
            _ => Line::styled(line, theme.ended),
        })
        .collect();
    frame.render_widget(Paragraph::new(lines).block(block), area);
}
