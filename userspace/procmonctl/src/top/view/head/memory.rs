// SPDX-License-Identifier: GPL-2.0-only

//! Bars of memory and swap, side by side where they fit.

use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::widgets::Widget;

use super::meter::{LEAST, Meter};
use crate::table::value::bytes_text;
use crate::top::state::App;
use crate::top::theme::Fill;

/// Returns the number of lines for the bars.
pub fn height(app: &App, width: u16) -> u16 {
    let memory = app.system.memory;
    match memory.swap {
        _ if memory.total == 0 => 0,
        1.. if width < 2 * LEAST => 2,
        _ => 1,
    }
}

pub fn draw(app: &App, buffer: &mut Buffer, area: Rect) {
    let memory = app.system.memory;
    let theme = app.look.theme;
    let bar = |label, parts: &[(u64, Fill)], total: u64, text: &str, area, buffer: &mut Buffer| {
        let parts = parts
            .iter()
            .map(|&(part, fill)| (part as f64 / total.max(1) as f64, fill));
        let meter = Meter {
            label,
            parts: &parts.collect::<Vec<_>>(),
            text,
            theme,
        };
        meter.render(area, buffer);
    };

    let layout = if area.height > 1 {
        Layout::vertical([Constraint::Length(1); 2])
    } else if memory.swap > 0 {
        Layout::horizontal([Constraint::Fill(1); 2]).spacing(1)
    } else {
        Layout::horizontal([Constraint::Fill(1), Constraint::Length(0)])
    };
    let [first, second]: [Rect; 2] = layout.areas(area);
    let [used, cache] = theme.memory;
    // Some of the cache may be in use.
    let rest = memory.cache.min(memory.total.saturating_sub(memory.used));
    let parts = [(memory.used, used), (rest, cache)];
    let mut text = format!("{}/{}", bytes_text(memory.used), bytes_text(memory.total));
    if first.width >= 2 * LEAST {
        text = format!("cache {}, used {text}", bytes_text(memory.cache));
    }
    bar("Mem", &parts, memory.total, &text, first, buffer);
    if memory.swap > 0 {
        let (used, total) = (memory.swap_used, memory.swap);
        let text = format!("{}/{}", bytes_text(used), bytes_text(total));
        bar("Swp", &[(used, theme.swap)], total, &text, second, buffer);
    }
}
