// SPDX-License-Identifier: GPL-2.0-only

//! Styles of processes by their states. `top` has themes for the same roles.

use anstyle::{AnsiColor, Style};
use procmon::State;
use procmon::snapshot::Record;

/// The role of a process, by which rows have a style.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Role {
    Running,
    DiskSleep,
    Stopped,
    Zombie,
    KernelThread,
    Other,
}

impl Role {
    pub fn of(record: &Record) -> Self {
        match record.state() {
            State::Running => Self::Running,
            State::DiskSleep => Self::DiskSleep,
            State::Stopped | State::Traced => Self::Stopped,
            State::Zombie | State::Dead => Self::Zombie,
            _ if record.is_kernel_thread() => Self::KernelThread,
            _ => Self::Other,
        }
    }
}

/// Returns the style of a process, for terminals with colours.
pub fn style_of(record: &Record) -> Style {
    match Role::of(record) {
        Role::Running => AnsiColor::Green.on_default(),
        Role::DiskSleep => AnsiColor::Red.on_default(),
        Role::Stopped => AnsiColor::Yellow.on_default(),
        Role::Zombie => AnsiColor::Magenta.on_default(),
        Role::KernelThread => Style::new().dimmed(),
        Role::Other => Style::new(),
    }
}
