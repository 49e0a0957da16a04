// SPDX-License-Identifier: GPL-2.0-only

//! Recording of what the module has kept.

use std::collections::HashSet;
use std::time::Instant;

use procmon::{BootTime, Device, Events};
use recording::{End, Header, Line, Writer};

use super::live::{Summary, options};
use super::processes::Processes;
use super::selection::Selection;
use super::target::Target;
use crate::clock::nanoseconds;
use crate::events::read_up_to;

/// A process, by its PID and its start.
type Key = (i32, u64);

/// Records the processes that have lived since the time of the header.
pub fn record(
    device: &Device,
    events: &mut Events<'_>,
    header: Header,
    target: Target,
) -> anyhow::Result<Summary> {
    let began = Instant::now();
    let since = header.time;
    let mut processes = Processes::new(Selection::All, None);
    processes.since = since;
    let mut lines = Vec::new();
    let newest = events.newest();
    read_up_to(newest, events, |event| {
        processes.event(event, &mut lines);
    })?;
    let (programs, ended) = keys(&lines, since);
    lines.retain(|line| key(line).is_none_or(|key| !ended.contains(&key)));

    // Those that have been there all the time have no event.
    let snapshot = device.snapshot(&options(device)?)?;
    let mut older = Vec::new();
    let has_program = |record: &procmon::Record| {
        let start = record.cpu().map(|cpu| nanoseconds(cpu.start.since_boot()));
        start.is_some_and(|start| !programs.contains(&(record.pid(), start)))
    };
    processes.snapshot(&snapshot, has_program, &mut older);

    let mut writer = Writer::new(target);
    writer.write(&Line::Header(header))?;
    // What was missed has to come after what was seen.
    let (gone, older): (Vec<_>, Vec<_>) = older
        .into_iter()
        .partition(|line| matches!(line, Line::Gone(_)));
    for line in older.into_iter().chain(lines).chain(gone) {
        writer.write(&line)?;
    }
    let now = BootTime::now().since_boot();
    writer.write(&Line::End(End {
        time: nanoseconds(now),
        status: None,
    }))?;
    writer.flush()?;
    Ok(Summary {
        processes: processes.count - ended.len() as u64,
        lost: processes.lost,
        bytes: writer.get_ref().bytes,
        time: began.elapsed(),
    })
}

/// Returns the processes whose programs the lines have, and those that ended before a time.
fn keys(lines: &[Line], since: u64) -> (HashSet<Key>, HashSet<Key>) {
    let mut programs = HashSet::new();
    let mut ended = HashSet::new();
    for line in lines {
        match line {
            Line::Exec(exec) => drop(programs.insert((exec.pid, exec.start))),
            Line::Exit(exit) if exit.time < since => drop(ended.insert((exit.pid, exit.start))),
            _ => {}
        }
    }
    (programs, ended)
}

/// Returns the process that a line is about.
fn key(line: &Line) -> Option<Key> {
    match line {
        Line::Process(process) => Some((process.pid, process.start)),
        Line::Exec(exec) => Some((exec.pid, exec.start)),
        Line::Exit(exit) => Some((exit.pid, exit.start)),
        Line::Moved(moved) => Some((moved.pid, moved.start)),
        _ => None,
    }
}
