// SPDX-License-Identifier: GPL-2.0-only

//! Rows: processes or threads, and the context in which they are shown.

use std::cell::RefCell;
use std::time::Duration;

use procmon::snapshot::Record;
use procmon::{BootTime, CgroupPath, Cgroups, Rates, Snapshot, State};

use super::columns::Column;
use super::kernel_threads::KernelNames;
use super::names::Names;
use super::proc_files::ProcFiles;
use super::value::Value;
use crate::clock::Clock;

/// The data that values need beyond the record.
#[derive(Debug, Default)]
pub struct Context {
    /// Time of the snapshot's beginning, since boot.
    pub now: Duration,
    /// The names of users and groups.
    pub names: Names,
    /// The whole names of kernel threads.
    pub kernel_names: KernelNames,
    /// The files of processes in `/proc`.
    pub proc_files: ProcFiles,
    /// The paths of cgroups.
    pub cgroups: RefCell<Cgroups>,
    /// The wall clock at that time.
    pub clock: Clock,
    /// Bytes of the system's memory.
    pub memory: u64,
    /// Whether the snapshots are from `/proc`, and so without arguments of programs.
    pub reads_proc: bool,
}

impl Context {
    /// Creates the context of a first snapshot.
    pub fn new(now: Duration, names: Names) -> Self {
        Self {
            now,
            names,
            kernel_names: KernelNames::default(),
            proc_files: ProcFiles::of_system(),
            cgroups: Cgroups::mounted().into(),
            clock: Clock::read(),
            memory: memory(),
            reads_proc: false,
        }
    }

    /// Adapts the context to another snapshot.
    pub fn refresh(&mut self, snapshot: &Snapshot) {
        self.now = snapshot.time().since_boot();
        self.names.refresh();
        self.kernel_names.clear();
        self.proc_files.refresh(snapshot.records());
        self.cgroups.get_mut().refresh();
        self.clock = Clock::read();
        self.memory = memory();
    }

    /// Returns the path of the cgroup of a process or thread.
    pub fn cgroup(&self, record: &Record) -> Option<CgroupPath> {
        self.cgroups.borrow_mut().path_of(record).cloned()
    }
}

/// The values of a line: of a process, a thread, or a group of processes.
pub trait Values {
    /// Returns the value in a column.
    fn value(&self, column: &Column, context: &Context) -> Value;
}

/// The measurements that rates are computed from, once a column needs them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Measured<'a> {
    /// Time of the snapshot.
    pub now: Option<BootTime>,
    /// Time of the last snapshot.
    pub last: Option<BootTime>,
    /// The record that it had.
    pub before: Option<&'a Record>,
}

/// A process or thread that is shown.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    /// The kernel's record.
    pub record: &'a Record,
    /// CPU use since the last snapshot, or else since the start, in percent of one CPU.
    pub cpu: Option<f64>,
    /// The measurements that the rates are computed from.
    pub measured: Measured<'a>,
    /// Time for which the state has lasted at least, as far as snapshots before tell.
    pub state_time: Option<Duration>,
    /// Arguments of the program, each with its NUL, if the snapshot has them.
    pub arguments: Option<&'a [u8]>,
    /// Whether `/proc` has more of them that is wanted.
    pub has_more: bool,
}

impl Values for Row<'_> {
    fn value(&self, column: &Column, context: &Context) -> Value {
        column.value(self, context)
    }
}

impl<'a> Row<'a> {
    /// Creates the row of a record alone.
    pub fn of(record: &'a Record) -> Self {
        Self {
            record,
            cpu: None,
            measured: Measured::default(),
            state_time: None,
            arguments: None,
            has_more: false,
        }
    }

    /// Returns the rates since the last snapshot, or else since the start.
    pub fn rates(&self) -> Option<Rates> {
        let Measured { now, last, before } = self.measured;
        let now = now?;
        let since_then = match (last, before) {
            (Some(last), Some(before)) => Rates::between((before, last), (self.record, now)),
            (Some(last), None) => Rates::of_young(self.record, last, now),
            (None, _) => None,
        };
        since_then.or_else(|| Rates::of_young(self.record, self.record.cpu()?.start, now))
    }

    /// Returns the mark after the name in a table.
    pub fn mark(&self) -> &'static str {
        let record = self.record;
        let is_process = record.pid() == record.tgid();
        if record.is_mixed() {
            " <exec>"
        } else if record.is_redacted() {
            "<hidden>"
        } else if record.state() == State::Zombie && is_process && record.threads() > 1 {
            // Only the main thread has ended, whose state and memory are shown.
            " <threads run>"
        } else {
            ""
        }
    }

    /// Returns the arguments of the program, or else the name.
    pub fn command_line(&self, context: &Context) -> Value {
        let name = || context.kernel_names.name(self.record);
        // Not of a process that the module has passed over, which might be waited for.
        let is_read = self.has_more || context.reads_proc && !self.record.is_kernel_thread();
        if !is_read {
            return command_line(self.arguments, name);
        }
        let read = context.proc_files.command_line(self.record);
        command_line(read.as_deref().or(self.arguments), name)
    }

    /// Returns a letter for each flag.
    pub fn flags(&self) -> String {
        let record = self.record;
        let flags = [
            (record.is_kernel_thread(), 'K'),
            (record.is_exiting(), 'E'),
            (record.is_mixed(), 'M'),
            (record.is_redacted(), 'R'),
        ];
        flags
            .iter()
            .filter(|flag| flag.0)
            .map(|flag| flag.1)
            .collect()
    }

    /// Returns the resident memory in percent of the system's.
    pub fn memory_percent(&self, context: &Context) -> Option<f64> {
        let resident = self.record.memory()?.resident() as f64;
        (context.memory > 0).then(|| resident / context.memory as f64 * 100.0)
    }

    /// Returns the sum of user and system time.
    pub fn cpu_time(&self) -> Option<Duration> {
        self.record.cpu().map(|cpu| cpu.user + cpu.system)
    }
}

/// Returns arguments, each of which ends with a NUL that the last one may lack, or else the name.
pub fn command_line(arguments: Option<&[u8]>, name: impl FnOnce() -> Vec<u8>) -> Value {
    let Some(bytes) = arguments else {
        return Value::NoArguments(name());
    };
    let bytes = bytes.strip_suffix(b"\0").unwrap_or(bytes);
    Value::Arguments(bytes.split(|byte| *byte == 0).map(<[u8]>::to_vec).collect())
}

/// Returns the number of bytes of the system's memory.
fn memory() -> u64 {
    let system = rustix::system::sysinfo();
    // The unit is a byte, but for sizes that do not fit a word.
    u64::from(system.mem_unit).saturating_mul(system.totalram)
}
