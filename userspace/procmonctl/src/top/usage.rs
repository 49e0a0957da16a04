// SPDX-License-Identifier: GPL-2.0-only

//! The processes of the last snapshot, with their CPU use between refreshes.

use std::collections::VecDeque;
use std::time::Duration;

use procmon::snapshot::Record;
use procmon::{Arguments, BootTime, CpuMeter, CpuUsage, Snapshot, StateMeter};

pub use crate::table::identity::Identity;
use crate::table::identity::identity;
use crate::table::row::{Measured, Row};

/// The number of refreshes for which the CPU use of a process is kept.
pub const PAST: usize = 240;

/// A process, or thread, at the last refresh.
#[derive(Debug)]
pub struct Process {
    pub record: Record,
    /// CPU use since the previous refresh, in percent of one CPU.
    pub cpu: Option<f64>,
    /// CPU use since the start, if `cpu` is `None`.
    life: Option<f64>,
    /// Place of the same process in the snapshot before.
    before: Option<usize>,
    /// Time for which the state has lasted, as far as was seen.
    state_time: Option<Duration>,
    /// Arguments of the program, each with its NUL.
    arguments: Option<Box<[u8]>>,
    /// CPU use at all refreshes, oldest first.
    pub past: VecDeque<f64>,
}

impl Process {
    /// Returns the identity, which is unknown without the start time.
    pub fn identity(&self) -> Option<Identity> {
        identity(&self.record)
    }
}

/// All processes of the last snapshot, in the order of their IDs.
#[derive(Debug, Default)]
pub struct Processes {
    all: Vec<Process>,
    /// Those of the snapshot before, without arguments and past, for rates.
    old: Vec<Process>,
    /// Time of the snapshot, once there is one.
    time: Option<BootTime>,
    /// Time of the one before, if the records can be compared.
    last: Option<BootTime>,
    meter: CpuMeter,
    states: StateMeter,
    /// Whether the records of the next snapshot cannot be compared with these.
    is_forgotten: bool,
}

impl Processes {
    /// Replaces the processes by those of a snapshot.
    pub fn update(&mut self, snapshot: &Snapshot) {
        let now = snapshot.time();
        let mut last = self.time.replace(now).filter(|last| *last < now);
        std::mem::swap(&mut self.all, &mut self.old);
        self.all.clear();
        if std::mem::take(&mut self.is_forgotten) {
            self.old.clear();
            last = None;
            self.meter = CpuMeter::new();
            self.states = StateMeter::new();
        }
        self.last = last;
        self.all.reserve(snapshot.len());
        self.meter.update(snapshot);
        self.states.update(snapshot);
        let mut old = self.old.iter_mut().enumerate().peekable();
        let values = self.meter.usages().iter().zip(self.states.times());
        for (&record, (usage, &state_time)) in snapshot.iter().zip(values) {
            while old
                .next_if(|(_, known)| known.record.pid() < record.pid())
                .is_some()
            {}
            let known = old.next_if(|(_, known)| is_same(&known.record, &record));
            let cpu = usage.filter(|_| last.is_some()).map(CpuUsage::percent);
            let life = match cpu {
                Some(_) => None,
                None => CpuUsage::of_life(&record, snapshot).map(CpuUsage::percent),
            };
            let mut process = Process {
                record,
                cpu,
                life,
                before: known.as_ref().map(|(place, _)| *place),
                state_time,
                arguments: None,
                past: VecDeque::new(),
            };
            let mut last_arguments = None;
            if let Some((_, known)) = known {
                process.past = std::mem::take(&mut known.past);
                last_arguments = known.arguments.take();
                if let Some(cpu) = cpu {
                    if process.past.len() == PAST {
                        process.past.pop_front();
                    }
                    process.past.push_back(cpu);
                }
            }
            process.arguments = latest(last_arguments, snapshot.arguments(record.tgid()));
            self.all.push(process);
        }
    }

    /// Forgets all CPU use at the next snapshot, whose records cannot be compared with these.
    pub fn forget(&mut self) {
        self.is_forgotten = true;
    }

    pub fn iter(&self) -> std::slice::Iter<'_, Process> {
        self.all.iter()
    }

    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// Returns the process with this ID.
    pub fn get(&self, pid: i32) -> Option<&Process> {
        let place = self
            .all
            .binary_search_by_key(&pid, |process| process.record.pid());
        self.all.get(place.ok()?)
    }

    /// Returns whether CPU use is that since the previous refresh, and not since each start.
    pub fn has_interval(&self) -> bool {
        self.last.is_some()
    }

    /// Returns the row of a process for a table.
    pub fn row<'a>(&'a self, process: &'a Process) -> Row<'a> {
        let before = process.before.and_then(|place| self.old.get(place));
        Row {
            record: &process.record,
            cpu: process.cpu.or(process.life),
            measured: Measured {
                now: self.time,
                last: self.last,
                before: before.map(|process| &process.record),
            },
            state_time: process.state_time,
            arguments: process.arguments.as_deref(),
            has_more: false,
        }
    }
}

/// Returns the arguments of a snapshot. The same bytes stay in their memory. Where the module could
/// not look at them, they are those of the last time.
fn latest(last: Option<Box<[u8]>>, now: Option<Arguments<'_>>) -> Option<Box<[u8]>> {
    match now.map(|now| now.as_bytes()) {
        Some(now) if last.as_deref() != Some(now) => Some(now.into()),
        _ => last,
    }
}

fn is_same(before: &Record, now: &Record) -> bool {
    let start = |record: &Record| record.cpu().map(|cpu| cpu.start);
    before.pid() == now.pid() && start(before) == start(now)
}

#[cfg(test)]
mod tests {
    use procmon::uapi;

    use super::*;

    #[test]
    fn states_last_from_snapshot_to_snapshot() {
        let mut processes = Processes::default();
        let mut update = |seconds, switches, is_forgotten| {
            let raw = uapi::procmon_record {
                pid: 7,
                tgid: 7,
                threads: 1,
                state: uapi::PROCMON_STATE_SLEEPING,
                groups: procmon::Groups::all().bits(),
                voluntary_switches: switches,
                ..Default::default()
            };
            if is_forgotten {
                processes.forget();
            }
            let time = Duration::from_secs(seconds);
            processes.update(&Snapshot::new(vec![raw.into()], time));
            let time = processes.row(processes.get(7).unwrap()).state_time;
            time.map(|time| time.as_secs())
        };
        assert_eq!(update(10, 5, false), None);
        assert_eq!(update(12, 5, false), Some(2));
        assert_eq!(update(15, 5, false), Some(5));
        assert_eq!(update(16, 6, false), Some(0));
        assert_eq!(update(17, 6, true), None);
    }
}
