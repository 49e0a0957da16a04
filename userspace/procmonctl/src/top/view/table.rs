// SPDX-License-Identifier: GPL-2.0-only

//! The table of processes.

use ratatui::Frame;
use ratatui::layout::{Alignment, Constraint, Layout, Rect};
use ratatui::style::Style;
use ratatui::text::Line;
use ratatui::widgets::{
    Cell, Row, Scrollbar, ScrollbarOrientation, ScrollbarState, Table, TableState,
};
use unicode_width::UnicodeWidthStr;

use super::skip;
use crate::table::columns::Column;
use crate::table::render::Side;
use crate::top::mouse::Spot;
use crate::top::rows;
use crate::top::state::App;

/// The columns that a narrow screen leaves out, the first one first. All others go before them.
const SPARE: [&str; 7] = ["nice", "threads", "time", "user", "state", "rss", "cpu"];

/// The width of the name that has precedence over other columns.
const NAME: usize = 12;

/// The width to which a column before the last one may grow. Longer cells are cut.
const WIDEST: usize = 24;

/// Returns the least width of a column, with which it rarely has to grow.
fn least_width(column: &Column) -> usize {
    let usual = match column.key {
        // See PID_MAX_LIMIT of the kernel.
        "pid" | "tgid" | "ppid" => 7,
        "user" | "euser" | "group" => 8,
        "cpu" => 6,
        "time" | "utime" | "stime" | "start" | "age" => 8,
        "nice" | "threads" => 3,
        _ if column.side() == Side::Right => 5,
        _ => 1,
    };
    // With space for the arrow.
    usual.max(column.title.width() + 1)
}

/// A column that fits.
#[derive(Clone, Copy)]
struct Fitting {
    column: &'static Column,
    /// Place among all columns.
    place: usize,
    width: usize,
}

/// Returns those of the columns that fit. The last one takes the rest.
fn fitting(app: &App, columns: &[&'static Column], width: usize) -> Vec<Fitting> {
    let fitting = columns.iter().enumerate().map(|(place, column)| {
        let grown = app.widths.get(column.key).copied().unwrap_or(0);
        Fitting {
            column,
            place,
            width: grown.max(least_width(column)),
        }
    });
    let mut columns: Vec<_> = fitting.collect();
    if let Some(last) = columns.last_mut()
        && last.column.side() == Side::Left
    {
        last.width = NAME;
    }
    let order = app.order();
    let rank = |column: &Column| SPARE.iter().position(|key| *key == column.key);
    while columns.iter().map(|one| one.width + 1).sum::<usize>() > width + 1 {
        let last = columns.len().saturating_sub(1);
        let spare = (0..columns.len())
            .filter(|&index| {
                let column = columns[index].column;
                column.key != "pid" && column != order.column && index != last
            })
            // Of those without a rank the one on the right.
            .min_by_key(|&index| (rank(columns[index].column), usize::MAX - index));
        let sorted = columns.iter().position(|one| {
            let last = columns.last().map(|last| last.column);
            one.column.key != "pid" && Some(one.column) != last
        });
        match spare.or(sorted) {
            Some(index) => columns.remove(index),
            None => break,
        };
    }
    columns
}

/// Draws the part of the table around the selection.
pub fn draw(app: &mut App, frame: &mut Frame, area: Rect) {
    let has_titles = area.height > 1;
    app.scroll(usize::from(area.height) - usize::from(has_titles));
    let (first, height) = (app.first, app.height);
    let has_bar = app.lines().len() > height && area.width >= 20 && height > 1;
    let [mut body, mut bar] = [area; 2];
    body.width -= u16::from(has_bar);

    let all = app.columns();
    let visible = app.lines().iter().skip(first).take(height);
    let cells: Vec<Vec<_>> = visible
        .map(|line| all.iter().map(|column| app.cell(line, column)).collect())
        .collect();
    grow(app, &all, &cells);
    let columns = fitting(app, &all, usize::from(body.width));
    limit_shift(app, &columns, &cells);
    let theme = app.look.theme;
    let visible = app.lines().iter().skip(first).zip(cells);
    let rows: Vec<_> = visible
        .map(|(line, cells)| row(app, line, cells, &columns))
        .collect();
    let last = columns.len().saturating_sub(1);
    let constraints = columns.iter().enumerate().map(|(index, one)| {
        if index == last {
            Constraint::Fill(1)
        } else {
            Constraint::Length(u16::try_from(one.width).unwrap_or(u16::MAX))
        }
    });
    let [mut titles, mut lines] = [body; 2];
    titles.height = u16::from(has_titles);
    lines.y += titles.height;
    lines.height -= titles.height;
    let areas = Layout::horizontal(constraints).spacing(1).split(titles);
    let widths = areas.iter().map(|area| Constraint::Length(area.width));
    let mut table = Table::new(rows, widths)
        .column_spacing(1)
        .row_highlight_style(theme.selected);
    if has_titles {
        let titles = columns.iter().map(|one| title(app, one.column));
        table = table.header(Row::new(titles).style(theme.titles));
    }
    let selected = app
        .selected_place()
        .and_then(|place| place.checked_sub(first));
    let mut state = TableState::new().with_selected(selected);
    frame.render_stateful_widget(table, body, &mut state);
    for (area, one) in areas.iter().zip(&columns) {
        app.spots.add(*area, Spot::Title(one.column));
    }
    let shown = app.lines().iter().skip(first).map(|line| line.id());
    let shown: Vec<_> = lines.rows().zip(shown).collect();
    for (area, id) in shown {
        app.spots.add(area, Spot::Row(id));
    }

    if has_bar {
        bar.y += u16::from(has_titles);
        bar.height -= u16::from(has_titles);
        let mut state = ScrollbarState::new(app.lines().len() - height)
            .viewport_content_length(height)
            .position(first);
        let scrollbar = Scrollbar::new(ScrollbarOrientation::VerticalRight)
            .begin_symbol(None)
            .end_symbol(None);
        frame.render_stateful_widget(scrollbar, bar, &mut state);
    }
}

/// Limits scrolling to the left such that the widest last cell on the screen remains visible.
fn limit_shift(app: &mut App, columns: &[Fitting], cells: &[Vec<String>]) {
    if app.shift == 0 {
        return;
    }
    let Some(last) = columns.last() else {
        return;
    };
    let widths = cells.iter().map(|cells| cells[last.place].width());
    let widest = widths.max().unwrap_or(0);
    app.shift = app.shift.min(widest.saturating_sub(1));
}

/// Makes columns as wide as their cells on the screen, up to a limit. They never shrink.
fn grow(app: &mut App, columns: &[&'static Column], cells: &[Vec<String>]) {
    for (place, column) in columns.iter().enumerate() {
        let widths = cells.iter().map(|cells| cells[place].width());
        let mut widest = widths.max().unwrap_or(0);
        if place + 1 < columns.len() {
            widest = widest.min(WIDEST);
        }
        let known = app.widths.entry(column.key).or_insert(0);
        *known = widest.max(*known);
    }
}

fn row(app: &App, line: &rows::Line, mut cells: Vec<String>, columns: &[Fitting]) -> Row<'static> {
    let last = columns.len().saturating_sub(1);
    let cells = columns.iter().enumerate().map(|(index, one)| {
        let text = std::mem::take(&mut cells[one.place]);
        if index == last && one.column.side() == Side::Left {
            Cell::from(skip(&text, app.shift))
        } else {
            Cell::from(aligned(text, one.column.side()))
        }
    });
    let theme = app.look.theme;
    let process = app.process(line);
    let style = process.map_or_else(Style::new, |process| theme.state(&process.record));
    Row::new(cells).style(if app.is_line_tagged(line) {
        style.patch(theme.tagged)
    } else {
        style
    })
}

fn aligned(text: String, side: Side) -> Line<'static> {
    Line::from(text).alignment(match side {
        Side::Left => Alignment::Left,
        Side::Right => Alignment::Right,
    })
}

/// Returns the title of a column, with an arrow if the rows are sorted by it.
fn title(app: &App, column: &Column) -> Cell<'static> {
    let mut text = column.title.to_owned();
    let order = app.order();
    if *column == *order.column {
        text.push(if order.descending { '▼' } else { '▲' });
    }
    let line = aligned(text, column.side());
    Cell::from(if *column == *order.column {
        line.style(app.look.theme.sorted)
    } else {
        line
    })
}
