// SPDX-License-Identifier: GPL-2.0

//! Styles of processes, for terminals with colours.

use anstyle::{AnsiColor, Style};
use procmon::State;
use procmon::snapshot::Record;

/// Returns the style of a process, by its state.
pub fn style_of(record: &Record) -> Style {
    match record.state() {
        State::Running => AnsiColor::Green.on_default(),
        State::DiskSleep => AnsiColor::Red.on_default(),
        State::Stopped | State::Traced => AnsiColor::Yellow.on_default(),
        State::Zombie | State::Dead => AnsiColor::Magenta.on_default(),
        _ if record.is_kernel_thread() => Style::new().dimmed(),
        _ => Style::new(),
    }
}
