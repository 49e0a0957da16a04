// SPDX-License-Identifier: GPL-2.0

//! The processes that `top` knows, with what they did between refreshes.

use std::collections::VecDeque;

use procmon::snapshot::Record;
use procmon::{BootTime, CpuMeter, CpuUsage, Snapshot};

use crate::table::columns::Row;

/// How many refreshes the past of a process goes back.
pub const PAST: usize = 240;

/// A process, or thread, told apart from another one that had its ID before.
pub type Identity = (i32, BootTime);

/// A process, or thread, at the last refresh.
#[derive(Debug)]
pub struct Process {
    pub record: Record,
    /// CPU use since the refresh before, in per cent of one CPU, if there was one.
    pub cpu: Option<f64>,
    /// CPU use since it was started, likewise, where there is no other.
    life: Option<f64>,
    /// CPU use at all refreshes, oldest first.
    pub past: VecDeque<f64>,
}

impl Process {
    /// Identity, which is unknown without the start time.
    pub fn identity(&self) -> Option<Identity> {
        Some((self.record.pid(), self.record.cpu()?.start))
    }

    /// The row that a table shows.
    pub fn row(&self) -> Row<'_> {
        Row {
            record: &self.record,
            cpu: self.cpu.or(self.life),
        }
    }
}

/// All processes of the last snapshot, in the order of their IDs.
#[derive(Debug, Default)]
pub struct Processes {
    all: Vec<Process>,
    /// Time of the snapshot.
    time: BootTime,
    meter: CpuMeter,
    /// Whether CPU use counts from the snapshot before, and not from each start.
    has_interval: bool,
    /// Whether the next snapshot counts something else than the last one.
    is_forgotten: bool,
}

impl Processes {
    /// Takes over a snapshot.
    pub fn update(&mut self, snapshot: &Snapshot) {
        let last = std::mem::replace(&mut self.time, snapshot.time());
        let elapsed = self.time.saturating_sub(last);
        let mut old = std::mem::take(&mut self.all);
        if std::mem::take(&mut self.is_forgotten) {
            old.clear();
            self.meter = CpuMeter::new();
        }
        self.has_interval = !old.is_empty() && !elapsed.is_zero();
        let mut old = old.into_iter().peekable();
        self.all.reserve(snapshot.records().len());
        self.meter.update(snapshot);
        for (&record, usage) in snapshot.iter().zip(self.meter.usages()) {
            while old
                .next_if(|known| known.record.pid() < record.pid())
                .is_some()
            {}
            let known = old.next_if(|known| is_same(&known.record, &record));
            let mut process = Process {
                record,
                cpu: None,
                life: None,
                past: VecDeque::new(),
            };
            if self.has_interval {
                process.cpu = usage.map(CpuUsage::percent);
            }
            if process.cpu.is_none() {
                process.life = CpuUsage::of_life(&record, snapshot).map(CpuUsage::percent);
            }
            if let Some(known) = known {
                process.past = known.past;
                if let Some(cpu) = process.cpu {
                    if process.past.len() == PAST {
                        process.past.pop_front();
                    }
                    process.past.push_back(cpu);
                }
            }
            self.all.push(process);
        }
    }

    /// Forgets what was used before the next snapshot, whose records count something else.
    pub fn forget(&mut self) {
        self.is_forgotten = true;
    }

    pub fn iter(&self) -> std::slice::Iter<'_, Process> {
        self.all.iter()
    }

    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// The process with this ID.
    pub fn get(&self, pid: i32) -> Option<&Process> {
        let place = self
            .all
            .binary_search_by_key(&pid, |process| process.record.pid());
        self.all.get(place.ok()?)
    }

    /// Whether CPU use counts from the refresh before, and not from each start.
    pub fn has_interval(&self) -> bool {
        self.has_interval
    }
}

fn is_same(before: &Record, now: &Record) -> bool {
    let start = |record: &Record| record.cpu().map(|cpu| cpu.start);
    before.pid() == now.pid() && start(before) == start(now)
}
