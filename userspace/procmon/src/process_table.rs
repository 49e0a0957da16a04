// SPDX-License-Identifier: GPL-2.0-only

//! Table of processes: a snapshot, and the events after it.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ffi::{OsStr, OsString};

use crate::events::{Classes, Event, EventKind};
use crate::snapshot::{Groups, Record, SnapshotOptions};
use crate::time::BootTime;
use crate::{Device, Result};

/// A process of a [`ProcessTable`].
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct TableProcess {
    /// The PID.
    pub pid: i32,
    /// The start, which names the process for good together with the PID.
    pub start: BootTime,
    /// The PID that the parent had when the process was seen for the first time. There is no event
    /// for another parent, which it gets when that one ends.
    pub ppid: i32,
    /// The name.
    pub comm: OsString,
    /// The name of the program's file and its arguments, if it has executed a program since it was
    /// seen for the first time.
    pub program: Option<Program>,
}

/// A program that a process has executed.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Program {
    /// The name of its file, as it was executed.
    pub file: OsString,
    /// The arguments, as many as the events have.
    pub arguments: Vec<OsString>,
}

/// A change of a [`ProcessTable`].
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Change {
    /// A process is in the table now.
    Started(TableProcess),
    /// A process has another name or program.
    Updated(TableProcess),
    /// A process is no longer in the table.
    Ended(TableProcess),
}

/// The processes of the machine, kept up to date by events.
///
/// A table is begun by [`synchronize`](Self::synchronize), after events were asked for. From then
/// on each event is [applied](Self::apply), the same one more than once if that happens to be
/// convenient. After a loss the table [is stale](Self::is_stale), and is synchronized once more.
///
/// # Invariants
///
/// A table that is not stale has exactly those processes that had started and had not ended when
/// the last event was recorded that was applied, or the snapshot began, whichever was later. A
/// process ends with its `EXIT`, and not when its parent has waited for it.
///
/// ```no_run
/// use procmon::{Device, EventOptions, ProcessTable};
///
/// # fn main() -> procmon::Result<()> {
/// let device = Device::open()?;
/// let mut events = device.events(&EventOptions::new())?;
/// let mut table = ProcessTable::new();
/// loop {
///     if table.is_stale() {
///         table.synchronize(&device)?;
///     }
///     for event in events.wait(None)? {
///         table.apply(&event);
///     }
///     println!("{} processes", table.len());
/// }
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct ProcessTable {
    processes: BTreeMap<i32, TableProcess>,
    /// The newest event when the snapshot began.
    sequence: u64,
    is_stale: bool,
}

impl Default for ProcessTable {
    fn default() -> Self {
        Self {
            processes: BTreeMap::new(),
            sequence: 0,
            is_stale: true,
        }
    }
}

impl ProcessTable {
    /// Creates an empty table, which is stale.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether the table has to be synchronized: at the beginning, and after a loss of events about
    /// processes.
    #[must_use]
    pub fn is_stale(&self) -> bool {
        self.is_stale
    }

    /// Takes a snapshot and brings the table up to date by it. Returns the changes that no event
    /// has told of.
    ///
    /// The device has to have its [events](Device::events) of the classes
    /// [`Classes::PROCESSES`] recorded by now, by this or another open file.
    ///
    /// # Errors
    ///
    /// As [`Device::snapshot`]. The table is what it was then.
    pub fn synchronize(&mut self, device: &Device) -> Result<Vec<Change>> {
        let options = SnapshotOptions::new().groups(Groups::CPU);
        let snapshot = device.snapshot(&options)?;
        let mut alive = BTreeMap::new();
        for record in &snapshot {
            if is_alive(record, device)? {
                alive.insert(record.pid(), process(record));
            }
        }
        Ok(self.replace(alive, snapshot.sequence()))
    }

    /// Takes the processes that were alive after an event.
    fn replace(&mut self, mut alive: BTreeMap<i32, TableProcess>, sequence: u64) -> Vec<Change> {
        let mut changes = Vec::new();
        for (pid, old) in std::mem::take(&mut self.processes) {
            match alive.get_mut(&pid) {
                Some(new) if new.start == old.start => {
                    new.ppid = old.ppid;
                    new.program = old.program;
                    if new.comm != old.comm {
                        changes.push(Change::Updated(new.clone()));
                    }
                    self.processes.insert(pid, new.clone());
                }
                _ => changes.push(Change::Ended(old)),
            }
        }
        for (pid, new) in alive {
            if let Entry::Vacant(place) = self.processes.entry(pid) {
                changes.push(Change::Started(place.insert(new).clone()));
            }
        }
        self.sequence = sequence;
        self.is_stale = false;
        changes
    }

    /// Applies an event. Returns what it has changed.
    pub fn apply(&mut self, event: &Event<'_>) -> Option<Change> {
        match event.kind() {
            EventKind::Fork(fork) => self.start(event, fork.comm()),
            EventKind::Exec(exec) => self.update(event, |process| {
                process.comm = exec.comm().to_owned();
                process.program = Some(Program {
                    file: exec.file().to_owned(),
                    arguments: exec.arguments().map(OsStr::to_owned).collect(),
                });
            }),
            // That of another thread is not the process' name.
            EventKind::Rename(rename) if event.tid() == event.pid() => {
                self.update(event, |process| process.comm = rename.comm().to_owned())
            }
            EventKind::Exit(_) => {
                self.known(event)?;
                self.processes.remove(&event.pid()).map(Change::Ended)
            }
            EventKind::Lost(lost) => {
                let is_new = lost.last() > self.sequence;
                self.is_stale |= is_new && lost.count(Classes::PROCESSES) > 0;
                None
            }
            _ => None,
        }
    }

    /// Returns the process of an event, if that is in the table.
    fn known(&mut self, event: &Event<'_>) -> Option<&mut TableProcess> {
        let process = self.processes.get_mut(&event.pid())?;
        (process.start == event.start()).then_some(process)
    }

    fn start(&mut self, event: &Event<'_>, comm: &OsStr) -> Option<Change> {
        // One that had started by then and is not known has ended since.
        if event.sequence() <= self.sequence || self.known(event).is_some() {
            return None;
        }
        let process = TableProcess {
            pid: event.pid(),
            start: event.start(),
            ppid: event.ppid(),
            comm: comm.to_owned(),
            program: None,
        };
        self.processes.insert(event.pid(), process.clone());
        Some(Change::Started(process))
    }

    fn update(
        &mut self,
        event: &Event<'_>,
        change: impl FnOnce(&mut TableProcess),
    ) -> Option<Change> {
        let process = self.known(event)?;
        let before = process.clone();
        change(process);
        (*process != before).then(|| Change::Updated(process.clone()))
    }

    /// Returns the process with this PID.
    #[must_use]
    pub fn get(&self, pid: i32) -> Option<&TableProcess> {
        self.processes.get(&pid)
    }

    /// Iterates over the processes in the order of their PIDs.
    pub fn iter(&self) -> impl Iterator<Item = &TableProcess> {
        self.processes.values()
    }

    /// Returns the number of processes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.processes.len()
    }

    /// Whether there is no process.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.processes.is_empty()
    }
}

/// Whether the event of a process's end is still to come. While its main thread has not begun to
/// exit it is, and else if another thread has not.
fn is_alive(record: &Record, device: &Device) -> Result<bool> {
    if !record.is_exiting() {
        return Ok(true);
    }
    if record.threads() <= 1 {
        return Ok(false);
    }
    let options = SnapshotOptions::new().threads(true).tgid(record.pid());
    let threads = device.snapshot(&options)?;
    Ok(threads.iter().any(|thread| !thread.is_exiting()))
}

fn process(record: &Record) -> TableProcess {
    TableProcess {
        pid: record.pid(),
        start: record.cpu().map_or(BootTime::ZERO, |cpu| cpu.start),
        ppid: record.ppid(),
        comm: record.comm().to_owned(),
        program: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::uapi;

    fn header(kind: u32, sequence: u64, pid: i32, start: u64, size: usize) -> uapi::procmon_event {
        uapi::procmon_event {
            size: u16::try_from(size).unwrap(),
            tail: u16::try_from(size).unwrap(),
            type_: u8::try_from(kind).unwrap(),
            sequence,
            start_time: start,
            tgid: pid,
            pid,
            ppid: 1,
            ..Default::default()
        }
    }

    fn apply<T>(table: &mut ProcessTable, event: &T) -> Option<Change> {
        // SAFETY: The structs are made of integers without gaps.
        let bytes =
            unsafe { std::slice::from_raw_parts((&raw const *event).cast::<u8>(), size_of::<T>()) };
        let (event, rest) = Event::split_first(bytes).unwrap();
        assert!(rest.is_empty());
        table.apply(&event)
    }

    fn fork(sequence: u64, pid: i32, start: u64) -> uapi::procmon_event_fork {
        let size = size_of::<uapi::procmon_event_fork>();
        uapi::procmon_event_fork {
            event: header(uapi::PROCMON_EVENT_FORK, sequence, pid, start, size),
            ..Default::default()
        }
    }

    fn exit(sequence: u64, pid: i32, start: u64) -> uapi::procmon_event_exit {
        let size = size_of::<uapi::procmon_event_exit>();
        uapi::procmon_event_exit {
            event: header(uapi::PROCMON_EVENT_EXIT, sequence, pid, start, size),
            ..Default::default()
        }
    }

    fn lost(sequence: u64, last: u64, forks: u64) -> uapi::procmon_event_lost {
        let size = size_of::<uapi::procmon_event_lost>();
        let mut lost = uapi::procmon_event_lost {
            event: header(uapi::PROCMON_EVENT_LOST, sequence, 0, 0, size),
            last,
            ..Default::default()
        };
        lost.counts[0] = forks;
        lost
    }

    fn processes(list: &[(i32, u64)]) -> BTreeMap<i32, TableProcess> {
        let process = |&(pid, start)| TableProcess {
            pid,
            start: BootTime::from_nanos(start),
            ppid: 1,
            comm: OsString::new(),
            program: None,
        };
        list.iter().map(|it| (it.0, process(it))).collect()
    }

    fn pids(table: &ProcessTable) -> Vec<i32> {
        table.iter().map(|process| process.pid).collect()
    }

    #[test]
    fn events_of_before_the_snapshot_start_nothing() {
        let mut table = ProcessTable::new();
        assert!(table.is_stale());
        let changes = table.replace(processes(&[(1, 5), (7, 30)]), 10);
        assert!(matches!(
            changes[..],
            [Change::Started(_), Change::Started(_)]
        ));
        // It had ended when the snapshot came to it.
        assert_eq!(apply(&mut table, &fork(9, 6, 20)), None);
        // It is known, whether its event came before or after the snapshot began.
        assert_eq!(apply(&mut table, &fork(10, 7, 30)), None);
        assert_eq!(apply(&mut table, &fork(11, 7, 30)), None);
        assert!(matches!(
            apply(&mut table, &fork(12, 8, 40)),
            Some(Change::Started(_))
        ));
        assert_eq!(pids(&table), [1, 7, 8]);
    }

    #[test]
    fn a_process_ends_once_and_its_pid_may_be_another_one() {
        let mut table = ProcessTable::new();
        table.replace(processes(&[(7, 30)]), 10);
        // That of a process that had the PID before.
        assert_eq!(apply(&mut table, &exit(11, 7, 20)), None);
        assert!(matches!(
            apply(&mut table, &exit(12, 7, 30)),
            Some(Change::Ended(_))
        ));
        assert_eq!(apply(&mut table, &exit(12, 7, 30)), None);
        assert!(apply(&mut table, &fork(13, 7, 50)).is_some());
        assert_eq!(table.get(7).unwrap().start, BootTime::from_nanos(50));
    }

    #[test]
    fn a_loss_makes_it_stale_unless_the_snapshot_is_younger() {
        let mut table = ProcessTable::new();
        table.replace(processes(&[(1, 5), (7, 30)]), 10);
        apply(&mut table, &lost(3, 10, 8));
        assert!(!table.is_stale());
        apply(&mut table, &lost(11, 20, 0));
        assert!(!table.is_stale());
        apply(&mut table, &lost(21, 30, 1));
        assert!(table.is_stale());
        let changes = table.replace(processes(&[(1, 5), (9, 60)]), 35);
        assert!(matches!(
            &changes[..],
            [Change::Ended(old), Change::Started(new)] if (old.pid, new.pid) == (7, 9)
        ));
        assert!(!table.is_stale());
    }
}
