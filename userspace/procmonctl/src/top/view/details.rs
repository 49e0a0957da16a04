// SPDX-License-Identifier: GPL-2.0-only

//! The fields of the selected process: all but those for which it could make `top` wait.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::Line;
use ratatui::widgets::{Block, Paragraph, RenderDirection, Sparkline};
use unicode_width::UnicodeWidthStr;

use crate::table::columns::{COLUMNS, Column};
use crate::table::render::{Side, cut, pad};
use crate::top::mouse::Spot;
use crate::top::state::App;
use crate::top::theme::Theme;
use crate::top::usage::Process;

/// The most important fields. The others follow in the order of the columns.
const FIRST: [&str; 10] = [
    "cpu", "rss", "time", "state", "user", "threads", "read", "write", "cgroup", "ppid",
];

/// The number of processes, which for one of them is one.
const SIZE: &str = "procs";

/// The longest value that may stand beside others, as all fields are as wide as the widest one.
const MAX_BESIDE: usize = 24;

/// The height of the graph below the fields, with its title.
const GRAPH: u16 = 3;

/// The least width of a screen with the graph beside the fields.
const WIDE: u16 = 110;

/// Returns the names and values of the fields of a process.
fn fields(app: &App, process: &Process) -> Vec<(&'static str, String)> {
    let first = FIRST.iter().filter_map(|key| Column::by_key(key));
    let others = COLUMNS
        .iter()
        .filter(|column| !FIRST.contains(&column.key) && column.key != SIZE)
        .filter(|column| !column.is_slow);
    let row = app.processes.row(process);
    first
        .chain(others)
        .map(|column| {
            let text = column.value(&row, &app.context).text();
            (column.key, app.look.text(text))
        })
        .collect()
}

/// Arranges fields in lines, as many beside each other as fit. Long ones follow, in lines of their
/// own.
fn lines(fields: &[(&str, String)], width: usize) -> Vec<String> {
    let name = fields.iter().map(|(key, _)| key.width()).max().unwrap_or(0);
    let (fields, long): (Vec<_>, Vec<_>) = fields
        .iter()
        .partition(|(_, value)| value.width() <= MAX_BESIDE);
    let value = fields.iter().map(|(_, value)| value.width()).max();
    // Wide enough for most, so that it rarely changes.
    let field = name + 1 + value.unwrap_or(0).max(12) + 2;
    let per_line = (width / field).max(1);
    let height = fields.len().div_ceil(per_line);
    let text = |(key, value): &(&str, String)| format!("{} {value}", pad(key, name, Side::Right));
    let beside = (0..height).map(|line| {
        let cells = fields.iter().skip(line).step_by(height);
        let texts = cells.map(|cell| pad(&text(cell), field, Side::Left));
        texts.collect::<String>().trim_end().to_owned()
    });
    let alone = long
        .into_iter()
        .flat_map(|field| folded(&text(field), width));
    beside.chain(alone).collect()
}

/// Returns the lines that a text takes on a terminal of this width.
fn folded(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let line = cut(rest, width);
        if line.is_empty() {
            // The character is wider than the terminal.
            break;
        }
        lines.push(line.to_owned());
        rest = &rest[line.len()..];
    }
    lines
}

fn has_graph_beside(width: u16) -> bool {
    width >= WIDE
}

/// Returns the width of the fields inside the border.
fn fields_width(width: u16) -> u16 {
    let inner = width.saturating_sub(2);
    if has_graph_beside(width) {
        inner * 2 / 3
    } else {
        inner
    }
}

/// Returns the number of lines, of `rest`, that the details take: all that they need, except for
/// some rows of the table.
pub fn height(app: &App, width: u16, rest: u16) -> u16 {
    let Some(process) = app.selected_process() else {
        return 0;
    };
    let fields = fields(app, process);
    let inner = usize::from(fields_width(width));
    let needed = u16::try_from(lines(&fields, inner).len()).unwrap_or(u16::MAX);
    let graph = if has_graph_beside(width) { 0 } else { GRAPH };
    let table = if rest >= 12 { 3 } else { 2 };
    needed
        .saturating_add(graph + 2)
        .min(rest.saturating_sub(table))
}

pub fn draw(app: &mut App, frame: &mut Frame, area: Rect) {
    let Some(process) = app.selected_process() else {
        return;
    };
    let inner = Block::bordered().inner(area);
    let all = fields(app, process);
    let lines = lines(&all, usize::from(fields_width(area.width)));
    let count = lines.len();
    let (fields_area, graph_area) = if has_graph_beside(area.width) {
        let width = Constraint::Length(fields_width(area.width));
        let [left, right] = Layout::horizontal([width, Constraint::Min(0)]).areas(inner);
        (left, right)
    } else {
        // Fields can be scrolled, so they leave space for the graph where there are enough lines.
        let graph = if inner.height > 2 * GRAPH { GRAPH } else { 0 };
        let height = u16::try_from(count).unwrap_or(u16::MAX);
        let height = height.min(inner.height - graph);
        let [above, below] =
            Layout::vertical([Constraint::Length(height), Constraint::Min(0)]).areas(inner);
        (above, below)
    };
    let height = usize::from(fields_area.height);
    let first = app.details_first.min(count.saturating_sub(height));
    let last = (first + height).min(count);

    let name = Column::by_key("comm").map(|column| {
        let cell = column.cell(&app.processes.row(process), "", &app.context);
        app.look.text(cell)
    });
    let pid = process.record.pid();
    let mut block = Block::bordered().title(format!(" {pid} {} ", name.unwrap_or_default()));
    if height < count {
        let title = format!(" [ ] scroll: lines {}-{last} of {count} ", first + 1);
        block = block.title_bottom(title);
    }
    frame.render_widget(block, area);
    let lines: Vec<_> = lines.into_iter().skip(first).map(Line::from).collect();
    frame.render_widget(Paragraph::new(lines), fields_area);
    draw_graph(process, app.look.theme, frame, graph_area);
    app.details_first = first;
    app.spots.add(area, Spot::Details);
}

/// Draws the CPU use at the last refreshes. The newest one is on the right.
fn draw_graph(process: &Process, theme: &Theme, frame: &mut Frame, area: Rect) {
    if area.height < 2 {
        return;
    }
    let width = usize::from(area.width);
    // In tenths of a percent.
    let past = process.past.iter().rev().take(width);
    let data: Vec<u64> = past.map(|percent| (percent * 10.0) as u64).collect();
    let most = data.iter().copied().max().unwrap_or(0).max(10);
    let title = Line::from(format!("CPU, up to {:.1} %", most as f64 / 10.0));
    let graph = Sparkline::default()
        .data(data)
        .direction(RenderDirection::RightToLeft)
        .max(most)
        .style(theme.graph)
        .block(Block::new().title(title));
    frame.render_widget(graph, area);
}
