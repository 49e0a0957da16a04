// SPDX-License-Identifier: GPL-2.0-only

//! The text of the head, which batch mode prints as well.

use procmon::State;
use unicode_width::UnicodeWidthStr;

use crate::table::value::{bytes_text, time_text};
use crate::top::state::App;
use crate::top::system::pressure::Pressure;
use crate::top::view::at_least;

/// Returns the lines on the system, in parts, the most important first. Bars have the memory.
pub fn facts(app: &App, has_bars: bool) -> [Vec<String>; 3] {
    [system(app), tasks(app), changes(app, has_bars)]
}

fn system(app: &App) -> Vec<String> {
    let [one, five, fifteen] = app.system.load;
    let mut parts = vec![
        format!("up {}", time_text(app.context.now)),
        format!("load {one:.2} {five:.2} {fifteen:.2}"),
        format!("CPUs {:.1} % busy", app.cpus.all.busy()),
    ];
    if let Some(own) = app.own_cpu() {
        parts.push(format!("top itself {own:.1} %"));
    }
    parts
}

fn tasks(app: &App) -> Vec<String> {
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
    vec![
        format!("{tasks} tasks"),
        format!("{threads} threads"),
        format!("{} running", count(|state| state == State::Running)),
        format!("{} in disk sleep", count(|state| state == State::DiskSleep)),
        format!(
            "{} stopped",
            count(|state| matches!(state, State::Stopped | State::Traced))
        ),
        format!("{} zombies", count(|state| state == State::Zombie)),
    ]
}

fn changes(app: &App, has_bars: bool) -> Vec<String> {
    let memory = app.system.memory;
    let mut parts = Vec::new();
    if !has_bars {
        parts.push(format!(
            "memory {} of {} in use",
            bytes_text(memory.used),
            bytes_text(memory.total),
        ));
    }
    if app.context.reads_proc {
        parts.push("from /proc without events".to_owned());
    }
    if let Some(turnover) = &app.turnover {
        parts.extend([
            format!("{}{} started", at_least(turnover), turnover.started),
            format!("{} ended", turnover.ended),
            format!("{} came and went", turnover.transient),
        ]);
    }
    if let Some(error) = &app.events_error {
        parts.push(format!("events are read no more: {error}"));
    }
    if !app.processes.has_interval() {
        parts.push("CPU% is that of whole lifetimes until the next refresh".to_owned());
    }
    parts.extend(pressure(&app.system.pressure));
    if !has_bars && memory.swap > 0 {
        parts.push(format!(
            "swap {} of {} in use",
            bytes_text(memory.swap_used),
            bytes_text(memory.swap),
        ));
    }
    parts
}

/// Returns the parts of time for which some tasks, and all, were stalled, as far as they are known.
fn pressure(pressure: &Pressure) -> Option<String> {
    let mut text = String::new();
    for (name, stall) in [
        ("cpu", pressure.cpu),
        ("memory", pressure.memory),
        ("io", pressure.io),
    ] {
        let Some(stall) = stall else {
            continue;
        };
        text.push_str(&format!(" {name} {:.1}", stall.some));
        // For the CPUs of a whole system it has no meaning, and is zero.
        if let Some(full) = stall.full.filter(|_| name != "cpu") {
            text.push_str(&format!("/{full:.1}"));
        }
    }
    (!text.is_empty()).then(|| format!("PSI{text}"))
}

/// Joins as many whole parts as fit.
pub fn join(parts: &[String], width: usize) -> String {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::top::system::pressure::Stall;

    #[test]
    fn pressure_is_left_out_where_the_kernel_has_none() {
        assert_eq!(pressure(&Pressure::default()), None);
        let stall = |some, full| Some(Stall { some, full });
        let mut known = Pressure {
            cpu: stall(21.74, Some(0.0)),
            memory: stall(0.0, Some(0.0)),
            io: stall(3.25, Some(1.0)),
        };
        let text = "PSI cpu 21.7 memory 0.0/0.0 io 3.2/1.0";
        assert_eq!(pressure(&known).as_deref(), Some(text));
        known.memory = None;
        known.io = stall(1.0, None);
        assert_eq!(pressure(&known).as_deref(), Some("PSI cpu 21.7 io 1.0"));
    }
}
