// SPDX-License-Identifier: GPL-2.0

//! The view: the screen of `top`, and its text in batch mode.

mod details;
mod popup;
mod table;
mod transients;

use procmon::State;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;
use unicode_width::UnicodeWidthStr;

use super::ascii;
use super::keys::BAR;
use super::prompt::Prompt;
use super::state::{App, Mode};
use super::theme::Theme;
use super::turnover::Turnover;
use crate::table::render::{Table, cut};
use crate::table::value::{bytes_text, time_text};
use crate::text::printable;

/// Draws the screen. On a small one, the table has precedence.
pub fn draw(app: &mut App, frame: &mut Frame) {
    let area = frame.area();
    let header_height = match area.height {
        10.. => 3,
        6.. => 1,
        _ => 0,
    };
    let footer_height = u16::from(area.height >= 3);
    let rest = area.height - header_height - footer_height;
    let transients_height = if app.shows_transients {
        transients::height(app, rest)
    } else {
        0
    };
    let details_height = if app.shows_details {
        details::height(app, area.width, rest - transients_height)
    } else {
        0
    };
    let [header, table, transients, details, footer] = Layout::vertical([
        Constraint::Length(header_height),
        Constraint::Min(0),
        Constraint::Length(transients_height),
        Constraint::Length(details_height),
        Constraint::Length(footer_height),
    ])
    .areas(area);
    draw_header(app, frame, header);
    table::draw(app, frame, table);
    if transients_height > 0 {
        transients::draw(app, frame, transients);
    }
    if app.shows_details {
        details::draw(app, frame, details);
    }
    draw_footer(app, frame, footer);
    match &app.mode {
        Mode::Help => popup::draw_help(frame, &mut app.help_first),
        Mode::Menu(menu) => popup::draw_menu(frame, menu, &app.look),
        Mode::Table | Mode::Prompt(_) => {}
    }
    if app.look.is_ascii {
        ascii::replace(frame.buffer_mut());
    }
}

/// Returns the lines on the system, in parts.
fn header(app: &App) -> [Vec<String>; 3] {
    let [one, five, fifteen] = app.system.load;
    let mut first = vec![
        format!("up {}", time_text(app.context.now)),
        format!("load {one:.2} {five:.2} {fifteen:.2}"),
        format!("CPUs {:.1} % busy", app.cpus.all.busy()),
    ];
    if let Some(own) = app.own_cpu() {
        first.push(format!("top itself {own:.1} %"));
    }

    let count = |is_counted: fn(State) -> bool| {
        let records = app.processes.iter().map(|process| process.record.state());
        records.filter(|&state| is_counted(state)).count()
    };
    // Each record of a thread has the number of all threads of its process.
    let threads: u64 = app
        .leaders()
        .map(|record| u64::from(record.threads()))
        .sum();
    let tasks = app.processes.len();
    let second = vec![
        format!("{tasks} tasks"),
        format!("{threads} threads"),
        format!("{} running", count(|state| state == State::Running)),
        format!("{} in disk sleep", count(|state| state == State::DiskSleep)),
        format!(
            "{} stopped",
            count(|state| matches!(state, State::Stopped | State::Traced))
        ),
        format!("{} zombies", count(|state| state == State::Zombie)),
    ];

    let mut third = vec![format!(
        "memory {} of {} in use",
        bytes_text(app.system.memory.used),
        bytes_text(app.system.memory.total),
    )];
    if app.reads_proc {
        third.push("from /proc without events".to_owned());
    }
    if let Some(turnover) = &app.turnover {
        third.extend([
            format!("{}{} started", at_least(turnover), turnover.started),
            format!("{} ended", turnover.ended),
            format!("{} came and went", turnover.transient),
        ]);
    }
    if let Some(error) = &app.events_error {
        third.push(format!("events are read no more: {error}"));
    }
    if !app.processes.has_interval() {
        third.push("CPU% is that of whole lifetimes until the next refresh".to_owned());
    }
    [first, second, third]
}

/// Returns what precedes numbers that lost events would increase.
fn at_least(turnover: &Turnover) -> &'static str {
    if turnover.lost > 0 { "at least " } else { "" }
}

/// Joins as many whole parts as fit.
fn join(parts: &[String], width: usize) -> String {
    let mut text = String::new();
    for part in parts {
        let separator = if text.is_empty() { "" } else { ", " };
        if !text.is_empty() && text.width() + separator.len() + part.width() > width {
            break;
        }
        text.push_str(separator);
        text.push_str(part);
    }
    text
}

fn draw_header(app: &App, frame: &mut Frame, area: Rect) {
    let lines =
        header(app).map(|parts| Line::from(app.look.text(join(&parts, usize::from(area.width)))));
    frame.render_widget(Paragraph::new(lines.to_vec()), area);
}

fn draw_footer(app: &App, frame: &mut Frame, area: Rect) {
    if let Mode::Prompt(prompt) = &app.mode {
        return draw_prompt(prompt, app.message.as_deref(), app.look.theme, frame, area);
    }
    let width = usize::from(area.width);
    let theme = app.look.theme;
    let mut status = app.look.text(status(app));
    let late = app.is_late.map(|time| {
        let seconds = time.as_secs();
        format!("the kernel has not answered for {seconds} s")
    });
    let message = app
        .message
        .clone()
        .or(late)
        .map(|message| app.look.text(message));
    if let Some(message) = &message {
        // The message has precedence over the status.
        if message.width() + 1 + status.width() > width {
            status.clear();
        }
    }
    let status = cut(&status, width);
    let [left, right] = Layout::horizontal([
        Constraint::Min(0),
        Constraint::Length(u16::try_from(status.width()).unwrap_or(u16::MAX)),
    ])
    .areas(area);
    let line = match message {
        Some(message) => Line::styled(message, theme.message),
        None => key_bar(theme, usize::from(left.width)),
    };
    frame.render_widget(line, left);
    frame.render_widget(Line::from(status), right);
}

fn draw_prompt(
    prompt: &Prompt,
    message: Option<&str>,
    theme: &Theme,
    frame: &mut Frame,
    area: Rect,
) {
    let title = prompt.purpose.title();
    let width = usize::from(area.width).saturating_sub(title.width() + 1);
    let scroll = prompt.input.visual_scroll(width);
    let mut column = 0;
    let text = prompt.input.value().chars().filter(|c| {
        column += unicode_width::UnicodeWidthChar::width(*c).unwrap_or(0);
        column > scroll
    });
    let mut line = Line::from(format!("{title}{}", text.collect::<String>()));
    if let Some(message) = message {
        line.push_span(Span::styled(format!("  {message}"), theme.message));
    }
    frame.render_widget(line, area);
    let place = title.width() + prompt.input.visual_cursor().saturating_sub(scroll);
    let column = u16::try_from(place).unwrap_or(u16::MAX);
    let last = area.width.saturating_sub(1);
    frame.set_cursor_position((area.x + column.min(last), area.y));
}

/// Returns the settings that are not the usual ones, and the number of the selected row.
fn status(app: &App) -> String {
    let mut parts = Vec::new();
    if app.is_paused {
        parts.push("paused".to_owned());
    }
    if app.shows_threads() {
        parts.push("threads".to_owned());
    }
    if let Some(user) = app.user {
        parts.push(format!(
            "user: {}",
            printable(&app.context.names.user(user))
        ));
    }
    if !app.filter.is_empty() {
        parts.push(format!("filter: {}", app.filter));
    }
    if app.tags() > 0 {
        parts.push(format!("{} tagged", app.tags()));
    }
    let place = app.selected_place().map_or(0, |place| place + 1);
    parts.push(format!("{place}/{}", app.lines().len()));
    parts.join("  ")
}

/// Returns as many of the most important keys as fit.
fn key_bar(theme: &Theme, width: usize) -> Line<'static> {
    let mut line = Line::default();
    for (key, text) in BAR {
        // With a space after each.
        if line.width() + key.width() + text.width() + 1 > width {
            break;
        }
        line.push_span(Span::styled(key, theme.key));
        line.push_span(Span::styled(text, theme.effect));
        line.push_span(" ");
    }
    line
}

/// Returns the screen as text, with all rows.
pub fn text(app: &App) -> String {
    let mut text = String::new();
    for parts in header(app) {
        text.push_str(&parts.join(", "));
        text.push('\n');
    }
    let columns = app.columns();
    let cells = app
        .lines()
        .iter()
        .filter_map(|line| Some((app.process(line)?.row(), &line.prefix)))
        .map(|(row, prefix)| {
            let cells = columns.iter().map(|column| app.cell(&row, prefix, column));
            cells.collect()
        })
        .collect();
    for line in Table::new(&columns, cells).lines(None) {
        text.push_str(&line);
        text.push('\n');
    }
    if app.shows_transients
        && let Some(turnover) = &app.turnover
    {
        for line in transients::lines(app, turnover) {
            text.push_str(&line);
            text.push('\n');
        }
    }
    text
}
