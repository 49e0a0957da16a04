// SPDX-License-Identifier: GPL-2.0-only

//! CPUs: a bar for each of a few, or one bar for many and a row with a level for each.

use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::widgets::{Sparkline, Widget};
use unicode_width::UnicodeWidthStr;

use super::meter::{LEAST, Meter};
use crate::table::render::{Side, pad};
use crate::top::state::App;
use crate::top::system::cpu::{Cpu, Usage};
use crate::top::theme::Theme;

/// The most CPUs with a bar for each.
const FEW: usize = 16;

/// The most lines of levels. Where they do not suffice, a level is the average of several CPUs.
const LEVEL_LINES: usize = 4;

/// The form in which CPUs are shown.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum CpuBars {
    /// A bar for each, in rows of as many as fit.
    Each { lines: u16, per_line: usize },
    /// One bar for all.
    All,
    /// One bar for all, and lines of levels, each of which is that of some CPUs.
    Levels {
        lines: u16,
        per_line: usize,
        per_level: usize,
    },
}

impl CpuBars {
    /// Chooses the form for a screen with space for a number of lines. Returns `None` if there is
    /// not enough, or if the CPUs are unknown.
    pub fn new(app: &App, width: u16, space: u16) -> Option<Self> {
        let count = app.cpus.each.len();
        if count == 0 || space == 0 {
            return None;
        }
        let length = |lines: usize| u16::try_from(lines).unwrap_or(u16::MAX);
        let lines = count.div_ceil(usize::from(width / LEAST).max(1));
        if count <= FEW && length(lines) <= space {
            return Some(Self::Each {
                lines: length(lines),
                // As many in each line, rather than few in the last one.
                per_line: count.div_ceil(lines),
            });
        }
        let most = LEVEL_LINES.min(usize::from(space) - 1);
        if most == 0 {
            return Some(Self::All);
        }
        let fitting = usize::from(width)
            .saturating_sub(label_width(app) + 2)
            .max(1);
        let per_level = count.div_ceil(most * fitting);
        let levels = count.div_ceil(per_level);
        let lines = levels.div_ceil(fitting);
        Some(Self::Levels {
            lines: length(lines),
            per_line: levels.div_ceil(lines),
            per_level,
        })
    }

    pub fn height(&self) -> u16 {
        match *self {
            Self::Each { lines, .. } => lines,
            Self::All => 1,
            Self::Levels { lines, .. } => 1 + lines,
        }
    }

    pub fn draw(&self, app: &App, buffer: &mut Buffer, area: Rect) {
        match *self {
            Self::Each { per_line, .. } => draw_each(app, per_line, buffer, area),
            Self::All => draw_all(app, buffer, area),
            Self::Levels {
                per_line,
                per_level,
                ..
            } => {
                draw_all(app, buffer, area);
                for (line, cpus) in area
                    .rows()
                    .skip(1)
                    .zip(app.cpus.each.chunks(per_line * per_level))
                {
                    draw_levels(app, cpus, per_level, buffer, line);
                }
            }
        }
    }
}

fn draw_each(app: &App, per_line: usize, buffer: &mut Buffer, area: Rect) {
    let cpus = &app.cpus.each;
    let width = cpus.last().map_or(0, |cpu| cpu.number.to_string().len());
    let places = Layout::horizontal(vec![Constraint::Fill(1); per_line]).spacing(1);
    for (line, cpus) in area.rows().zip(cpus.chunks(per_line)) {
        for (place, cpu) in places.split(line).iter().zip(cpus) {
            let label = format!("{:width$}", cpu.number);
            draw_bar(app.look.theme, &label, cpu.usage, buffer, *place);
        }
    }
}

fn draw_all(app: &App, buffer: &mut Buffer, area: Rect) {
    let area = Rect { height: 1, ..area };
    draw_bar(app.look.theme, "CPU", Some(app.cpus.all), buffer, area);
}

fn draw_bar(theme: &Theme, label: &str, usage: Option<Usage>, buffer: &mut Buffer, area: Rect) {
    let mut parts = usage
        .unwrap_or_default()
        .kinds()
        .map(|part| part / 100.0)
        .into_iter();
    let parts = theme.cpu.map(|fill| (parts.next().unwrap_or(0.0), fill));
    let text = match usage {
        Some(usage) => format!("{:.1}%", usage.busy()),
        // It was offline.
        None => "-".to_owned(),
    };
    let meter = Meter {
        label,
        parts: &parts,
        text: &text,
        theme,
    };
    meter.render(area, buffer);
}

/// Returns the width of the widest label of a line of levels: that of the last one.
fn label_width(app: &App) -> usize {
    let last = app.cpus.each.last();
    last.map_or(0, |last| format!("{0}-{0}", last.number).width())
}

/// Draws a level for each few CPUs, between the names of the first and the last one.
fn draw_levels(app: &App, cpus: &[Cpu], per_level: usize, buffer: &mut Buffer, area: Rect) {
    let (Some(first), Some(last)) = (cpus.first(), cpus.last()) else {
        return;
    };
    let name = format!("{}-{}", first.number, last.number);
    let label = pad(&name, label_width(app), Side::Right);
    let levels = cpus.len().div_ceil(per_level);
    let width = u16::try_from(label.width() + levels + 2).unwrap_or(u16::MAX);
    let meter = Meter {
        label: &label,
        parts: &[],
        text: "",
        theme: app.look.theme,
    };
    let area = Rect {
        width: width.min(area.width),
        ..area
    };
    meter.render(area, buffer);
    let inner = u16::try_from(label.width() + 1).unwrap_or(u16::MAX);
    let area = Rect {
        x: area.x.saturating_add(inner),
        width: area.width.saturating_sub(inner + 1),
        ..area
    };
    Sparkline::default()
        .data(cpus.chunks(per_level).map(level))
        .max(8)
        .style(app.look.theme.graph)
        .render(area, buffer);
}

/// Returns the average use of some CPUs, as a character of eight shows it. One that is not all idle
/// has at least the lowest.
fn level(cpus: &[Cpu]) -> u64 {
    let sum: f64 = cpus
        .iter()
        .map(|cpu| cpu.usage.unwrap_or_default().busy())
        .sum();
    let average = sum / cpus.len().max(1) as f64;
    if average < 0.5 {
        return 0;
    }
    (average / 12.5).ceil() as u64
}
