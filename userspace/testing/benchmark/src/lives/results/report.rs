// SPDX-License-Identifier: GPL-2.0-only

//! The report on lives: tables of the results, beside the targets.

use std::fmt;

use super::{Results, WATCHED};
use crate::lives::{Event, Life, Listener, Reading};
use crate::tables::{Table, number, optional, verdict};

/// The largest numbers of instructions of procmon: of a probe, of one for a thread that is not
/// wanted, and of reading an event.
const FORK_TARGET: f64 = 280.0;
const EXEC_TARGET: f64 = 750.0;
const EXIT_TARGET: f64 = 550.0;
const THREAD_TARGET: f64 = 30.0;
const READ_TARGET: f64 = 150.0;

/// The largest part of a life that the three probes may take, and the whole cost of a reader in
/// batches, in percent.
const SHARE_TARGET: f64 = 0.7;
const WHOLE_TARGET: f64 = 1.0;

/// The largest number of bytes of a reader.
const READER_TARGET: f64 = 16.0 * 1024.0;

impl Results {
    /// Returns the table of a life as user space sees it.
    fn life_table(&self, life: Life) -> Table {
        let mut table = Table::new(
            format!("Instructions of {}", life.name()),
            &[
                "instr.", "modules", "more", "in %", "target", "least", "most",
            ],
        );
        for result in self.lives.iter().filter(|result| result.life == life) {
            let percent = 100.0 * result.more / result.base;
            let target = (life, result.listener) == (Life::Exec, Listener::Batches);
            let verdict = target.then(|| Unit::Percent.verdict(percent, WHOLE_TARGET));
            table.row(
                result.listener.name(),
                vec![
                    format!("{:.0}", result.instructions),
                    format!("{:.0}", result.of_modules),
                    format!("{:.0}", result.more),
                    percents(percent),
                    verdict.unwrap_or_default(),
                    format!("{:.0}", result.least_more),
                    format!("{:.0}", result.most_more),
                ],
            );
        }
        table
    }

    /// Returns the table of what is called for each event.
    fn inside_table(&self) -> Table {
        let mut table = Table::new(
            "Instructions of what the kernel calls for an event",
            &["procmon", "target", "BPF", "connector", "taskstats"],
        );
        let mut row = |name: &str, unit: Unit, target, of: &dyn Fn(Listener) -> Option<f64>| {
            let show =
                |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| unit.show(value));
            let ours = of(Listener::Unread);
            let judged = ours.map(|ours| unit.verdict(ours, target));
            let mut cells = vec![show(ours), judged.unwrap_or_default()];
            cells.extend(WATCHED[1..].iter().map(|&other| show(of(other))));
            table.row(name, cells);
        };
        let of = |life, event| move |listener| self.of_call(life, listener, event);
        row(
            "fork",
            Unit::Instructions,
            FORK_TARGET,
            &of(Life::Exec, Event::Fork),
        );
        row(
            "exec, with 200 bytes of arguments",
            Unit::Instructions,
            EXEC_TARGET,
            &of(Life::Exec, Event::Exec),
        );
        row(
            "exit",
            Unit::Instructions,
            EXIT_TARGET,
            &of(Life::Exec, Event::Exit),
        );
        let sum = |listener| {
            let events = [Event::Fork, Event::Exec, Event::Exit];
            let calls = events.map(|event| self.of_call(Life::Exec, listener, event));
            let sum: f64 = calls.iter().flatten().sum();
            calls.iter().any(Option::is_some).then_some(sum)
        };
        row(
            "all three",
            Unit::Instructions,
            FORK_TARGET + EXEC_TARGET + EXIT_TARGET,
            &sum,
        );
        let share = |life: Option<f64>| {
            move |listener| {
                life.zip(sum(listener))
                    .map(|(life, sum)| 100.0 * sum / life)
            }
        };
        let of_nothing = share(self.of_life(Life::Exec, Listener::None));
        row(
            "in % of vfork + exec + exit + wait",
            Unit::Percent,
            SHARE_TARGET,
            &of_nothing,
        );
        let of_busybox = share(self.of_busybox);
        row(
            "in % of the same of busybox",
            Unit::Percent,
            SHARE_TARGET,
            &of_busybox,
        );
        row(
            "start of a thread",
            Unit::Instructions,
            THREAD_TARGET,
            &of(Life::Thread, Event::Fork),
        );
        row(
            "end of a thread",
            Unit::Instructions,
            THREAD_TARGET,
            &of(Life::Thread, Event::Exit),
        );
        table
    }

    /// Returns the table of reading, and of memory.
    fn reading_table(&self) -> Table {
        let mut table = Table::new(
            "Instructions of reading an event",
            &["instr.", "target", "ratio", "events at once"],
        );
        let ours = self.of_reading(Reading::Procmon);
        for result in &self.reading {
            let target = (result.name == Reading::Procmon.name()).then_some(READ_TARGET);
            table.row(
                result.name,
                vec![
                    number(result.instructions),
                    verdict(result.instructions, target, number),
                    optional(ours.map(|ours| result.instructions / ours), number),
                    result.events.to_string(),
                ],
            );
        }
        table
    }
}

impl fmt::Display for Results {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.lives.is_empty() {
            for life in Life::ALL {
                writeln!(f, "{}", self.life_table(life))?;
            }
        }
        write!(f, "{}\n{}", self.inside_table(), self.reading_table())?;
        if let Some(bytes) = self.reader_bytes {
            let mut table = Table::new("Memory of a reader", &["bytes", "target"]);
            let cells = vec![
                format!("{bytes:.0}"),
                verdict(bytes, Some(READER_TARGET), number),
            ];
            table.row("", cells);
            write!(f, "\n{table}")?;
        }
        Ok(())
    }
}

/// The unit of a number with a target.
#[derive(Clone, Copy)]
enum Unit {
    Instructions,
    Percent,
}

impl Unit {
    fn show(self, value: f64) -> String {
        match self {
            Self::Instructions => number(value),
            Self::Percent => percents(value),
        }
    }

    /// Formats a target, with "ok" or by how much the value misses it.
    fn verdict(self, value: f64, target: f64) -> String {
        match self {
            Self::Instructions => verdict(value, Some(target), number),
            Self::Percent if value < target + 0.005 => format!("{} ok", percents(target)),
            Self::Percent => format!("{} +{}", percents(target), percents(value - target)),
        }
    }
}

/// Formats a number of percents.
fn percents(value: f64) -> String {
    format!("{value:.2}")
}
