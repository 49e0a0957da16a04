// SPDX-License-Identifier: GPL-2.0

//! Rows: processes or threads, and the context in which they are shown.

use std::time::Duration;

use procmon::State;
use procmon::snapshot::Record;

use super::kernel_threads::KernelNames;
use super::names::Names;
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
    /// The wall clock at that time.
    pub clock: Clock,
}

impl Context {
    /// Creates the context of a first snapshot.
    pub fn new(now: Duration, names: Names) -> Self {
        Self {
            now,
            names,
            kernel_names: KernelNames::default(),
            clock: Clock::read(),
        }
    }

    /// Adapts the context to another snapshot.
    pub fn refresh(&mut self, now: Duration) {
        self.now = now;
        self.names.refresh();
        self.kernel_names.clear();
        self.clock = Clock::read();
    }
}

/// A process or thread that is shown.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    /// The kernel's record.
    pub record: &'a Record,
    /// CPU use since the last snapshot, or else since the start, in percent of one CPU.
    pub cpu: Option<f64>,
}

impl Row<'_> {
    /// Returns the mark after the name in a table.
    pub fn mark(&self) -> &'static str {
        let record = self.record;
        let is_process = record.pid() == record.tgid();
        if record.is_mixed() {
            " <exec>"
        } else if record.state() == State::Zombie && is_process && record.threads() > 1 {
            // Only the main thread has ended, whose state and memory are shown.
            " <threads run>"
        } else {
            ""
        }
    }

    /// Returns a letter for each flag.
    pub fn flags(&self) -> String {
        let record = self.record;
        let flags = [
            (record.is_kernel_thread(), 'K'),
            (record.is_exiting(), 'E'),
            (record.is_mixed(), 'M'),
        ];
        flags
            .iter()
            .filter(|flag| flag.0)
            .map(|flag| flag.1)
            .collect()
    }

    /// Returns the sum of user and system time.
    pub fn cpu_time(&self) -> Option<Duration> {
        self.record.cpu().map(|cpu| cpu.user + cpu.system)
    }
}
