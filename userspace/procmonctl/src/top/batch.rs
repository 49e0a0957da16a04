// SPDX-License-Identifier: GPL-2.0-only

//! Batch mode: output without a screen.

use std::os::unix::process::ExitStatusExt;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::Instant;

use anyhow::bail;
use procmon::Snapshot;
use serde::Serialize;

use super::event::Event;
use super::rows::Line;
use super::signals::{self, Signals};
use super::state::App;
use super::system::cpu::{Cpu, Usage};
use super::system::pressure::Pressure;
use super::turnover::Transient;
use super::view;
use super::worker::Source;
use crate::clock::nanoseconds;
use crate::output::Output;
use crate::table::csv;
use crate::table::document::Document as TableDocument;
use crate::table::group::Group;
use crate::table::row::Row;
use crate::table::value::Value;
use crate::text::base64;

/// The JSON of a refresh: the document of `ps`, with the system.
#[derive(Serialize)]
struct Document<'a> {
    #[serde(flatten)]
    table: TableDocument<'a>,
    system: Numbers,
    /// Null at first, and if the module tells of nothing.
    turnover: Option<Counts<'a>>,
}

#[derive(Serialize)]
struct Numbers {
    load: [f64; 3],
    /// CPU use since the previous refresh, in percent of all CPUs; null at first.
    cpu: Option<f64>,
    /// Those that are online; null at first.
    cpus: Option<Vec<CpuNumbers>>,
    memory: u64,
    memory_used: u64,
    memory_cache: u64,
    swap: u64,
    swap_used: u64,
    /// Each resource is null if the kernel does not have it.
    pressure: Pressure,
}

impl Numbers {
    fn new(app: &App) -> Self {
        let system = &app.system;
        let has_interval = app.has_interval();
        let cpus = app.cpus.each.iter().map(CpuNumbers::from);
        Self {
            load: system.load,
            cpu: has_interval.then(|| app.cpus.all.busy()),
            cpus: has_interval.then(|| cpus.collect()),
            memory: system.memory.total,
            memory_used: system.memory.used,
            memory_cache: system.memory.cache,
            swap: system.memory.swap,
            swap_used: system.memory.swap_used,
            pressure: system.pressure,
        }
    }
}

/// A CPU, with its use since the previous refresh, in percent; null if it was offline.
#[derive(Serialize)]
struct CpuNumbers {
    number: u32,
    busy: Option<f64>,
    kinds: Option<Usage>,
}

impl From<&Cpu> for CpuNumbers {
    fn from(cpu: &Cpu) -> Self {
        Self {
            number: cpu.number,
            busy: cpu.usage.map(|usage| usage.busy()),
            kinds: cpu.usage,
        }
    }
}

/// The turnover since the previous refresh.
#[derive(Serialize)]
struct Counts<'a> {
    started: u64,
    ended: u64,
    transient: u64,
    /// Lost events, by which the other numbers may be too small.
    lost: u64,
    latest: Vec<Ended<'a>>,
}

/// A process that came and went.
#[derive(Serialize)]
struct Ended<'a> {
    pid: i32,
    ppid: i32,
    uid: u32,
    start: u64,
    lasted: u64,
    comm: Option<&'a str>,
    comm_base64: String,
    /// Null if it has executed no program.
    args: Value,
    /// Null for a signal, and if the caller may not see the status, as are the others.
    exit_code: Option<i32>,
    signal: Option<i32>,
    runtime: u64,
    max_rss: u64,
}

impl<'a> From<&'a Transient> for Ended<'a> {
    fn from(process: &'a Transient) -> Self {
        let status = process.status();
        Self {
            pid: process.pid,
            ppid: process.ppid,
            uid: process.uid,
            start: nanoseconds(process.start.since_boot()),
            lasted: nanoseconds(process.lasted()),
            comm: process.comm().to_str(),
            comm_base64: base64(process.comm().as_encoded_bytes()),
            args: process.command_line(),
            exit_code: status.and_then(|status| status.code()),
            signal: status.and_then(|status| status.signal()),
            runtime: nanoseconds(process.exit.runtime()),
            max_rss: process.exit.max_resident(),
        }
    }
}

/// The form of the output.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Form {
    Text,
    Json,
    Csv,
}

/// Prints all processes at each refresh. Signals take effect between two of them.
pub fn run(
    mut source: impl Source,
    mut app: App,
    count: Option<u64>,
    form: Form,
    out: &Output,
) -> anyhow::Result<()> {
    let (sender, events) = mpsc::channel();
    let signals = Signals::watch(sender)?;
    let mut buffer = Snapshot::default();
    let mut next = Instant::now();
    let mut shown = 0;
    while count.is_none_or(|count| shown < count) {
        wait(next, &signals, &events)?;
        next = Instant::now() + app.delay;
        let refresh = source.snapshot(&app.options(), buffer)?;
        app.update(&refresh.snapshot, refresh.system, refresh.turnover);
        app.events_error = refresh.events_error;
        buffer = refresh.snapshot;
        shown += 1;
        match form {
            Form::Text => print_text(&app, shown, out)?,
            Form::Json => print_document(&app, out)?,
            Form::Csv => print_csv(&app, shown, out)?,
        }
    }
    Ok(())
}

/// Waits for the next refresh.
fn wait(until: Instant, signals: &Signals, events: &Receiver<Event>) -> anyhow::Result<()> {
    loop {
        match events.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Ok(Event::Signal(signal)) => {
                signals.notice();
                if signals::is_active(signal) {
                    signals::act(signal)?;
                }
            }
            Ok(_) => {}
            Err(RecvTimeoutError::Timeout) => return Ok(()),
            Err(RecvTimeoutError::Disconnected) => {
                bail!("the thread that waits for signals has ended")
            }
        }
    }
}

fn print_text(app: &App, number: u64, out: &Output) -> anyhow::Result<()> {
    let separator = if number > 1 { "\n" } else { "" };
    out.bytes(format!("{separator}{}", view::text(app)).as_bytes())
}

fn print_csv(app: &App, number: u64, out: &Output) -> anyhow::Result<()> {
    let columns = app.columns();
    let mut text = Vec::new();
    if number == 1 {
        text = csv::keys(&["refresh", "wall_time"], &columns)?;
    }
    let time = app.context.clock.at(app.context.now);
    let before = [number.to_string(), time.to_string()];
    text.extend(match app.group_by {
        Some(_) => csv::lines(&before, &groups(app), &columns, &app.context)?,
        None => csv::lines(&before, &rows(app), &columns, &app.context)?,
    });
    out.bytes(&text)
}

fn rows(app: &App) -> Vec<Row<'_>> {
    app.lines()
        .iter()
        .filter_map(|line| app.process(line))
        .map(|process| app.processes.row(process))
        .collect()
}

fn groups(app: &App) -> Vec<Group> {
    let lines = app.lines().iter();
    let groups = lines.filter_map(|line| match line {
        Line::Group(group) => Some(group.clone()),
        Line::Process { .. } => None,
    });
    groups.collect()
}

fn print_document(app: &App, out: &Output) -> anyhow::Result<()> {
    let columns = app.columns();
    let (rows, groups) = (rows(app), groups(app));
    out.print_json(&Document {
        table: match app.group_by {
            Some(by) => TableDocument::of_groups(&groups, by, &columns, &app.context),
            None => TableDocument::new(&rows, &columns, &app.context),
        },
        system: Numbers::new(app),
        turnover: app.turnover.as_ref().map(|turnover| Counts {
            started: turnover.started,
            ended: turnover.ended,
            transient: turnover.transient,
            lost: turnover.lost,
            latest: app.transients(turnover).map(Ended::from).collect(),
        }),
    })
}
