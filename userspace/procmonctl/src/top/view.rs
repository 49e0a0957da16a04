// SPDX-License-Identifier: GPL-2.0

//! How `top` looks.

use std::os::unix::ffi::OsStrExt;

use procmon::State;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style, Stylize};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Clear, Paragraph, Sparkline};

use super::app::App;
use crate::output::printable;
use crate::processes::columns::{COLUMNS, Row, bytes_text, time_text};
use crate::processes::table::{Table, pad};

const HELP: &[(&str, &str)] = &[
    ("Up Down PgUp PgDn Home End", "move the mark"),
    ("Enter", "show or hide details of the marked process"),
    ("C M T P N", "sort by CPU, memory, time, PID, name"),
    ("< >", "sort by the next column to the left or right"),
    ("r", "reverse the order"),
    ("/", "show only names with a text, or a PID; Esc ends it"),
    ("t", "show children below their parents, or not"),
    ("H", "show threads, or not"),
    ("p Space", "pause, or go on"),
    ("? h", "show this help"),
    ("q", "quit"),
];

/// Draws everything.
pub fn draw(app: &mut App, frame: &mut Frame) {
    let details = if app.shows_details { 9 } else { 0 };
    let [header, table, details, footer] = Layout::vertical([
        Constraint::Length(3),
        Constraint::Min(2),
        Constraint::Length(details),
        Constraint::Length(1),
    ])
    .areas(frame.area());
    frame.render_widget(Paragraph::new(header_lines(app)), header);
    draw_table(app, frame, table);
    if app.shows_details {
        draw_details(app, frame, details);
    }
    frame.render_widget(footer_line(app), footer);
    if app.shows_help {
        draw_help(frame);
    }
}

/// What is said of the system.
fn header_lines(app: &App) -> Vec<Line<'static>> {
    let records = app.records();
    let count = |state| {
        records
            .iter()
            .filter(|record| record.state() == state)
            .count()
    };
    // With one record for each thread, each has the number of all.
    let threads: u64 = records
        .iter()
        .filter(|record| record.pid() == record.tgid())
        .map(|record| u64::from(record.threads()))
        .sum();
    let [one, five, fifteen] = app.system.load;
    let own = app.own_cpu().unwrap_or(0.0);
    vec![
        Line::from(format!(
            "up {}, load {one:.2} {five:.2} {fifteen:.2}, CPUs {:.1} % busy, top itself {own:.1} %",
            time_text(app.context.now),
            app.busy,
        )),
        Line::from(format!(
            "{} tasks, {threads} threads: {} running, {} in disk sleep, {} stopped, {} zombies",
            records.len(),
            count(State::Running),
            count(State::DiskSleep),
            count(State::Stopped) + count(State::Traced),
            count(State::Zombie),
        )),
        Line::from(format!(
            "memory {} of {} in use",
            bytes_text(app.system.memory_used),
            bytes_text(app.system.memory),
        )),
    ]
}

fn style_of(row: &Row) -> Style {
    match row.record.state() {
        State::Running => Style::new().fg(Color::Green),
        State::DiskSleep => Style::new().fg(Color::Red),
        State::Stopped | State::Traced => Style::new().fg(Color::Yellow),
        State::Zombie | State::Dead => Style::new().fg(Color::Magenta),
        _ if row.record.is_kernel_thread() => Style::new().add_modifier(Modifier::DIM),
        _ => Style::new(),
    }
}

fn draw_table(app: &mut App, frame: &mut Frame, area: Rect) {
    // One line is for the titles.
    app.scroll(usize::from(area.height.saturating_sub(1)));
    let columns = App::columns();
    let shown: Vec<_> = app.rows().skip(app.first).take(app.height).collect();
    let cells: Vec<_> = shown
        .iter()
        .map(|(row, prefix)| app.cells(row, prefix, &columns))
        .collect();
    let widths = Table::new(&columns, cells.clone()).widths();

    let mut lines = Vec::with_capacity(cells.len() + 1);
    let titles = columns.iter().zip(&widths).flat_map(|(column, &width)| {
        let title = Span::from(pad(column.title, width, column.side));
        let title = if *column == app.order.column {
            title.bold().underlined()
        } else {
            title.bold()
        };
        [title, Span::from(" ")]
    });
    lines.push(Line::from_iter(titles).reversed());
    for ((row, _), cells) in shown.iter().zip(&cells) {
        let texts = cells.iter().zip(&columns).zip(&widths);
        let text: String = texts
            .map(|((cell, column), &width)| pad(cell, width, column.side) + " ")
            .collect();
        let line = Line::styled(text, style_of(row));
        lines.push(if Some(row.record.pid()) == app.selected {
            line.reversed()
        } else {
            line
        });
    }
    frame.render_widget(Paragraph::new(lines), area);
}

/// The width of a field in the details, with its name and a space between.
const FIELD: u16 = 22;

fn draw_details(app: &App, frame: &mut Frame, area: Rect) {
    let Some(row) = app.selected_row() else {
        return;
    };
    let title = format!(
        " {} {} ",
        row.record.pid(),
        printable(row.record.comm().as_bytes())
    );
    let block = Block::bordered().title(title);
    let inner = block.inner(area);
    frame.render_widget(block, area);
    // Whole fields on the left, and the rest for the past.
    let width = (inner.width * 3 / 5 / FIELD).max(1) * FIELD;
    let [fields, spark] =
        Layout::horizontal([Constraint::Length(width), Constraint::Min(0)]).areas(inner);

    // All columns, as many side by side as there is room for.
    let cells: Vec<_> = COLUMNS
        .iter()
        .filter(|column| !matches!(column.key, "pid" | "comm"))
        .map(|column| {
            let value = column.value(&row, &app.context).text();
            format!("{:>9} {value:<12}", column.key)
        })
        .collect();
    let height = usize::from(fields.height).max(1);
    let lines: Vec<_> = (0..height)
        .map(|line| {
            let cells = cells.iter().skip(line).step_by(height);
            Line::from(cells.map(String::as_str).collect::<String>())
        })
        .collect();
    frame.render_widget(Paragraph::new(lines), fields);

    let past = app.selected_past().into_iter().flatten();
    let width = usize::from(spark.width);
    // In tenths of a per cent. The newest one is on the right.
    let data: Vec<u64> = past.map(|percent| (percent * 10.0) as u64).collect();
    let data = &data[data.len().saturating_sub(width)..];
    let most = data.iter().copied().max().unwrap_or(0).max(10);
    let title = Line::from(format!("CPU, up to {:.1} %", most as f64 / 10.0));
    let spark_line = Sparkline::default()
        .data(data)
        .max(most)
        .style(Style::new().fg(Color::Green))
        .block(Block::new().title(title));
    frame.render_widget(spark_line, spark);
}

fn footer_line(app: &App) -> Line<'static> {
    if app.is_typing {
        return Line::from(format!("filter: {}_", app.filter));
    }
    let mut text = String::from("? help  q quit");
    if !app.filter.is_empty() {
        text.push_str(&format!("  filter: {}", app.filter));
    }
    if app.is_paused() {
        text.push_str("  paused");
    }
    Line::from(text).dim()
}

fn draw_help(frame: &mut Frame) {
    let lines: Vec<_> = HELP
        .iter()
        .map(|(keys, text)| Line::from(format!(" {keys:<26} {text}")))
        .collect();
    let area = frame.area();
    let height = u16::try_from(lines.len())
        .unwrap_or(u16::MAX)
        .saturating_add(2);
    let area = Rect {
        x: area.x + area.width.saturating_sub(78) / 2,
        y: area.y + area.height.saturating_sub(height) / 2,
        width: area.width.min(78),
        height: area.height.min(height),
    };
    frame.render_widget(Clear, area);
    let block = Block::bordered().title(" Keys ");
    frame.render_widget(Paragraph::new(lines).block(block), area);
}

/// The same as text, with all rows.
pub fn text(app: &App) -> String {
    let mut text = String::new();
    for line in header_lines(app) {
        text.push_str(&format!("{line}\n"));
    }
    let columns = App::columns();
    let cells = app
        .rows()
        .map(|(row, prefix)| app.cells(&row, prefix, &columns))
        .collect();
    for line in Table::new(&columns, cells).lines(None) {
        text.push_str(&line);
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;
    use ratatui::crossterm::event::{KeyCode, KeyEvent};

    use super::super::app::tests::{app, process, show};
    use super::*;

    fn screen(app: &mut App, width: u16, height: u16) -> Vec<String> {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| draw(app, frame)).unwrap();
        let buffer = terminal.backend().buffer();
        let lines = buffer.content().chunks(usize::from(width));
        lines
            .map(|line| {
                let text: String = line.iter().map(|cell| cell.symbol()).collect();
                text.trim_end().to_owned()
            })
            .collect()
    }

    fn shown() -> App {
        let mut app = app(&[process(1, 0, "init", 0), process(2, 1, "sh", 0)], 60);
        let later = [process(1, 0, "init", 10), process(2, 1, "sh", 1000)];
        show(&mut app, &later, 62);
        app
    }

    #[test]
    fn the_busiest_comes_first() {
        let screen = screen(&mut shown(), 80, 8);
        assert_eq!(
            screen[0],
            "up 1:02.00, load 0.00 0.00 0.00, CPUs 0.0 % busy, top itself 0.0 %"
        );
        assert_eq!(
            screen[1],
            "2 tasks, 2 threads: 0 running, 0 in disk sleep, 0 stopped, 0 zombies"
        );
        assert_eq!(screen[3], "PID USER NI S THR CPU%  RSS    TIME COMMAND");
        assert_eq!(screen[4], "  2 0     0 S   1 50.0 2.0M 0:01.00 sh");
        assert_eq!(screen[5], "  1 0     0 S   1  0.5 1.0M 0:00.01 init");
        assert_eq!(screen[7], "? help  q quit");
    }

    #[test]
    fn details_and_help_are_shown_and_hidden() {
        let mut app = shown();
        app.key(KeyEvent::from(KeyCode::Enter));
        let details = screen(&mut app, 100, 24).join("\n");
        assert!(details.contains(" 2 sh "), "{details}");
        assert!(details.contains("ppid 1"), "{details}");
        assert!(details.contains("CPU, up to 50.0 %"), "{details}");
        app.key(KeyEvent::from(KeyCode::Char('?')));
        let help = screen(&mut app, 100, 24).join("\n");
        assert!(help.contains("reverse the order"), "{help}");
        app.key(KeyEvent::from(KeyCode::Char('x')));
        let without = screen(&mut app, 100, 24).join("\n");
        assert!(!without.contains("reverse the order"), "{without}");
    }

    #[test]
    fn a_small_screen_is_scrolled() {
        let records: Vec<_> = (1..=50).map(|pid| process(pid, 0, "p", 0)).collect();
        let mut app = app(&records, 60);
        app.key(KeyEvent::from(KeyCode::Char('P')));
        app.key(KeyEvent::from(KeyCode::End));
        let screen = screen(&mut app, 60, 10);
        assert!(screen[4].starts_with(" 46 "), "{screen:?}");
        assert!(screen[8].starts_with(" 50 "), "{screen:?}");
        for (width, height) in [(1, 1), (10, 3), (30, 5)] {
            super::tests::screen(&mut app, width, height);
        }
    }

    #[test]
    fn text_has_all_rows() {
        let records: Vec<_> = (1..=50).map(|pid| process(pid, 0, "p", 0)).collect();
        let text = text(&app(&records, 60));
        assert_eq!(text.lines().count(), 3 + 1 + 50);
    }
}
