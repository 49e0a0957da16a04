// SPDX-License-Identifier: GPL-2.0-only

//! Values that only the files of a process in `/proc` have, each read at its first use.
//!
//! To add a value: a field of [`Entry`], and a function of [`ProcFiles`] that reads it. A column of
//! it needs the group `CPU`, as a record without a start belongs to no known process.

mod capabilities;
mod directory;
mod memory;
mod terminal;

use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use procmon::proc::Stat;
use procmon::snapshot::Record;
use rustix::thread::CapabilitySet;

pub use self::directory::{Directory, ticks, time_of};
use self::memory::Memory;
use super::identity::{Identity, identity};

/// A cache of values of the processes of a snapshot: by default one without `/proc`, where all are
/// absent.
///
/// Values are absent as well if the process is gone, or `/proc` is of another PID namespace.
#[derive(Debug, Default)]
pub struct ProcFiles {
    mount: Option<PathBuf>,
    /// The largest number of a capability that the kernel has.
    last_capability: Cell<u32>,
    cache: RefCell<Cache>,
}

#[derive(Debug, Default)]
struct Cache {
    entries: HashMap<Identity, Entry>,
    /// The directory of the last process. One is enough, as the cells of a row are read one after
    /// the other.
    last: Option<Directory>,
}

/// A value that is read once: `None` if it is absent.
type Cell<T> = OnceCell<Option<T>>;

/// The values of a process that have been read.
#[derive(Debug, Default)]
struct Entry {
    stat: Cell<Stat>,
    command_line: Cell<Vec<u8>>,
    executable: Cell<Vec<u8>>,
    swap: Cell<u64>,
    memory: Cell<Memory>,
    oom_score: Cell<i64>,
    cpu_delay: Cell<u64>,
    wait_channel: Cell<String>,
    capabilities: Cell<CapabilitySet>,
    pid_namespace_level: Cell<u64>,
}

impl Entry {
    /// Forgets what may change.
    fn refresh(&mut self) {
        *self = Self {
            pid_namespace_level: constant(&mut self.pid_namespace_level),
            ..Self::default()
        };
    }
}

/// Returns a value that never changes. An absent one is read again.
fn constant<T>(cell: &mut Cell<T>) -> Cell<T> {
    let value = cell.take().flatten();
    value.map_or_else(Cell::new, |value| Cell::from(Some(value)))
}

impl ProcFiles {
    /// Creates the cache of this system's processes.
    pub fn of_system() -> Self {
        Self::at("/proc")
    }

    fn at(mount: impl Into<PathBuf>) -> Self {
        Self {
            mount: Some(mount.into()),
            ..Self::default()
        }
    }

    /// Forgets the values that may change, and all of processes that are in a snapshot no more.
    pub fn refresh(&mut self, records: &[Record]) {
        let cache = self.cache.get_mut();
        let mut old = std::mem::take(cache).entries;
        if old.is_empty() {
            return;
        }
        for identity in records.iter().filter_map(identity) {
            if let Some(mut entry) = old.remove(&identity) {
                entry.refresh();
                cache.entries.insert(identity, entry);
            }
        }
    }

    /// Returns the ID of the session.
    pub fn session(&self, record: &Record) -> Option<i32> {
        self.stat(record, |stat| stat.session)
    }

    /// Returns the ID of the process group.
    pub fn process_group(&self, record: &Record) -> Option<i32> {
        self.stat(record, |stat| stat.process_group)
    }

    /// Returns the name of the controlling terminal, `?` for none.
    pub fn terminal(&self, record: &Record) -> Option<Vec<u8>> {
        self.stat(record, |stat| terminal::name(stat.terminal))
    }

    /// Returns the ID of the process group in the foreground of the controlling terminal.
    pub fn foreground_group(&self, record: &Record) -> Option<i32> {
        self.stat(record, |stat| stat.foreground_group)?
    }

    /// Returns the number of PID namespaces between that of `/proc` and that of the process.
    pub fn pid_namespace_level(&self, record: &Record) -> Option<u64> {
        self.value(
            record,
            |entry| &entry.pid_namespace_level,
            |directory| {
                let pids = directory.line("status", "NSpid:")?;
                let count = pids.split_ascii_whitespace().count();
                u64::try_from(count).ok()?.checked_sub(1)
            },
        )
    }

    /// Returns the arguments, each with its NUL, of a process that has some.
    pub fn command_line(&self, record: &Record) -> Option<Vec<u8>> {
        self.value(
            record,
            |entry| &entry.command_line,
            |directory| {
                let bytes = directory.contents("cmdline")?;
                (!bytes.is_empty()).then_some(bytes)
            },
        )
    }

    /// Returns the path of the program's file.
    pub fn executable(&self, record: &Record) -> Option<Vec<u8>> {
        self.value(
            record,
            |entry| &entry.executable,
            |directory| directory.link("exe"),
        )
    }

    /// Returns the number of bytes in swap space.
    pub fn swap(&self, record: &Record) -> Option<u64> {
        self.value(
            record,
            |entry| &entry.swap,
            |directory| memory::bytes(&directory.line("status", "VmSwap:")?),
        )
    }

    /// Returns the resident memory, as shares of what several processes have.
    pub fn memory(&self, record: &Record) -> Option<Memory> {
        self.value(
            record,
            |entry| &entry.memory,
            |directory| Memory::parse(&directory.contents("smaps_rollup")?),
        )
    }

    /// Returns the score by which the kernel chooses what to kill when memory is short.
    pub fn oom_score(&self, record: &Record) -> Option<i64> {
        self.value(
            record,
            |entry| &entry.oom_score,
            |directory| directory.line("oom_score", "")?.trim().parse().ok(),
        )
    }

    /// Returns the time for which the main thread has waited for a CPU.
    pub fn cpu_delay(&self, record: &Record) -> Option<Duration> {
        let nanoseconds = self.value(
            record,
            |entry| &entry.cpu_delay,
            |directory| {
                let line = directory.line("schedstat", "")?;
                line.split_ascii_whitespace().nth(1)?.parse().ok()
            },
        );
        nanoseconds.map(Duration::from_nanos)
    }

    /// Returns the time for which the main thread has waited for block I/O. It is 0 where the
    /// kernel does not count it.
    pub fn io_delay(&self, record: &Record) -> Option<Duration> {
        self.stat(record, |stat| time_of(stat.block_io_delay))
    }

    /// Returns the real-time priority of a process that has one.
    pub fn real_time_priority(&self, record: &Record) -> Option<u32> {
        self.stat(record, |stat| stat.real_time_priority)
            .filter(|&priority| priority > 0)
    }

    /// Returns the name of the kernel's function in which the process sleeps.
    pub fn wait_channel(&self, record: &Record) -> Option<String> {
        self.value(
            record,
            |entry| &entry.wait_channel,
            |directory| {
                let name = directory.line("wchan", "")?;
                // Of one that runs, or that the caller may not trace.
                (name != "0").then_some(name)
            },
        )
    }

    /// Returns the effective capabilities as text.
    pub fn capabilities(&self, record: &Record) -> Option<String> {
        let set = self.value(
            record,
            |entry| &entry.capabilities,
            |directory| capabilities::parse(&directory.line("status", "CapEff:")?),
        );
        set.map(|set| capabilities::text(set, self.last_capability()))
    }

    fn last_capability(&self) -> Option<u32> {
        let read = || {
            let path = self.mount.as_ref()?.join("sys/kernel/cap_last_cap");
            fs::read_to_string(path).ok()?.trim().parse().ok()
        };
        *self.last_capability.get_or_init(read)
    }

    /// Returns what a function takes from `stat`.
    fn stat<T>(&self, record: &Record, field: impl FnOnce(&Stat) -> T) -> Option<T> {
        let read = |directory: &Directory| Some(directory.stat().clone());
        self.part(record, |entry| &entry.stat, read, field)
    }

    /// Returns a value of a process, which `read` reads unless it is in its cell.
    fn value<T: Clone>(
        &self,
        record: &Record,
        cell: impl FnOnce(&Entry) -> &Cell<T>,
        read: impl FnOnce(&Directory) -> Option<T>,
    ) -> Option<T> {
        self.part(record, cell, read, T::clone)
    }

    /// Returns a part of such a value.
    fn part<T, P>(
        &self,
        record: &Record,
        cell: impl FnOnce(&Entry) -> &Cell<T>,
        read: impl FnOnce(&Directory) -> Option<T>,
        part: impl FnOnce(&T) -> P,
    ) -> Option<P> {
        let mount = self.mount.as_deref()?;
        let identity = identity(record)?;
        let Cache { entries, last } = &mut *self.cache.borrow_mut();
        let entry = entries.entry(identity).or_default();
        cell(entry)
            .get_or_init(|| read(directory(last, mount, identity)?))
            .as_ref()
            .map(part)
    }
}

/// Returns the directory of a process: the one of the last process, or else a new one.
fn directory<'a>(
    last: &'a mut Option<Directory>,
    mount: &Path,
    identity: Identity,
) -> Option<&'a Directory> {
    if last.as_ref().is_none_or(|last| last.identity() != identity) {
        *last = Directory::open(mount, identity);
    }
    last.as_ref()
}

#[cfg(test)]
mod tests;
