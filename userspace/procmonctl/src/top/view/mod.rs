// SPDX-License-Identifier: GPL-2.0-only

//! The view: the screen of `top`, and its text in batch mode.

mod details;
mod head;
mod popup;
mod table;
mod transients;

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::ascii;
use super::keys::BAR;
use super::look::Look;
use super::mouse::{Spot, Spots};
use super::prompt::Prompt;
use super::state::{App, Mode};
use super::theme::Theme;
use super::turnover::Turnover;
use crate::table::render::{Table, cut};
use crate::text::printable;
use head::Head;

/// Draws the screen. On a small one, the table has precedence.
pub fn draw(app: &mut App, frame: &mut Frame) {
    let area = frame.area();
    let head = Head::new(app, area);
    let footer_height = u16::from(area.height >= 3);
    let rest = area.height - head.height() - footer_height;
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
    let [top, table, transients, details, footer] = Layout::vertical([
        Constraint::Length(head.height()),
        Constraint::Min(0),
        Constraint::Length(transients_height),
        Constraint::Length(details_height),
        Constraint::Length(footer_height),
    ])
    .areas(area);
    app.spots.clear();
    head.draw(app, frame, top);
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
        Mode::Menu(menu) | Mode::Picker(menu) => {
            popup::draw_menu(frame, menu, &app.look, &mut app.spots);
        }
        Mode::Table | Mode::Prompt(_) => {}
    }
    if app.look.is_ascii {
        ascii::replace(frame.buffer_mut());
    }
}

/// Returns what precedes numbers that lost events would increase.
fn at_least(turnover: &Turnover) -> &'static str {
    if turnover.lost > 0 { "at least " } else { "" }
}

/// Returns a text without the characters in its first columns.
fn skip(text: &str, columns: usize) -> String {
    let mut column = 0;
    let rest = text.chars().filter(|c| {
        column += c.width().unwrap_or(0);
        column > columns
    });
    rest.collect()
}

fn draw_footer(app: &mut App, frame: &mut Frame, area: Rect) {
    if let Mode::Prompt(prompt) = &app.mode {
        return draw_prompt(prompt, app.message.as_deref(), &app.look, frame, area);
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
        Some(message) => Line::styled(message.to_owned(), theme.message),
        None => key_bar(theme, left, &mut app.spots),
    };
    frame.render_widget(line, left);
    frame.render_widget(Line::from(status), right);
}

fn draw_prompt(prompt: &Prompt, message: Option<&str>, look: &Look, frame: &mut Frame, area: Rect) {
    let title = prompt.purpose.title();
    let width = usize::from(area.width).saturating_sub(title.width() + 1);
    let scroll = prompt.input.visual_scroll(width);
    let text = skip(prompt.input.value(), scroll);
    let mut line = Line::from(format!("{title}{text}"));
    if let Some(message) = message {
        let message = look.text(format!("  {message}"));
        line.push_span(Span::styled(message, look.theme.message));
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
    if let Some(by) = app.group_by {
        parts.push(format!("by {}", by.name()));
    }
    if let Some((by, name)) = &app.opened {
        parts.push(format!("{}: {}", by.name(), name.text()));
    }
    if let Some(user) = app.user {
        parts.push(format!(
            "user: {}",
            printable(&app.context.names.user(user))
        ));
    }
    if !app.filter.is_empty() {
        parts.push(format!("filter: {}", app.filter.text()));
    }
    if app.tags() > 0 {
        parts.push(format!("{} tagged", app.tags()));
    }
    if let Some(target) = &app.followed {
        parts.push(format!("follows {}", target.pid));
    }
    let place = app.selected_place().map_or(0, |place| place + 1);
    parts.push(format!("{place}/{}", app.lines().len()));
    parts.join("  ")
}

/// Returns as many of the most important keys as fit.
fn key_bar(theme: &Theme, area: Rect, spots: &mut Spots) -> Line<'static> {
    let mut line = Line::default();
    let mut rest = area;
    for (key, text, action) in BAR {
        let width = u16::try_from(key.width() + text.width()).unwrap_or(u16::MAX);
        // With a space after each.
        if width >= rest.width {
            break;
        }
        spots.add(Rect { width, ..rest }, Spot::Key(action));
        rest.x += width + 1;
        rest.width -= width + 1;
        line.push_span(Span::styled(key, theme.key));
        line.push_span(Span::styled(text, theme.effect));
        line.push_span(" ");
    }
    line
}

/// Returns the screen as text, with all rows.
pub fn text(app: &App) -> String {
    let mut text = String::new();
    for parts in head::facts(app, false) {
        text.push_str(&parts.join(", "));
        text.push('\n');
    }
    let columns = app.columns();
    let cells = app.lines().iter().map(|line| {
        let cells = columns.iter().map(|column| app.cell(line, column));
        cells.collect()
    });
    for line in Table::new(&columns, cells.collect()).lines(None) {
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
