// SPDX-License-Identifier: GPL-2.0-only

//! The use of time, memory and I/O, and how to order by it.

use std::time::Duration;

use crate::Process;

/// The use of a process, or of all processes with one program.
///
/// Values that ends of processes tell are absent if none of them is known to have ended, or if the
/// recorder was not allowed to see them. They count for the last program of a process.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Usage {
    /// The number of times that the program was executed, or of processes that executed none.
    pub count: u64,
    /// The time in total.
    pub time: Duration,
    /// The time in total without that at which a child was alive.
    pub own: Duration,
    /// The longest time.
    pub longest: Duration,
    /// User and system time.
    pub cpu_time: Option<Duration>,
    /// The most resident memory of a process.
    pub max_rss: Option<u64>,
    /// The bytes read from block devices.
    pub read_bytes: Option<u64>,
    /// The bytes written to block devices.
    pub write_bytes: Option<u64>,
    /// The page faults without I/O.
    pub minor_faults: Option<u64>,
    /// The page faults with I/O.
    pub major_faults: Option<u64>,
    /// The number of processes that failed.
    pub failures: u64,
}

impl Usage {
    /// Adds what the end of a process tells.
    pub(super) fn add_end(&mut self, process: &Process) {
        let Some(exit) = &process.exit else { return };
        if let Some(time) = process.cpu_time() {
            self.cpu_time = Some(self.cpu_time.unwrap_or_default() + time);
        }
        self.max_rss = self.max_rss.max(Some(exit.max_rss));
        for (sum, more) in [
            (&mut self.read_bytes, exit.read_bytes),
            (&mut self.write_bytes, exit.write_bytes),
            (&mut self.minor_faults, Some(exit.minor_faults)),
            (&mut self.major_faults, Some(exit.major_faults)),
        ] {
            if let Some(more) = more {
                *sum = Some(sum.unwrap_or_default().saturating_add(more));
            }
        }
        self.failures += u64::from(process.has_failed());
    }

    /// Returns the bytes read and written, if they are known.
    #[must_use]
    pub fn io_bytes(&self) -> Option<u64> {
        match (self.read_bytes, self.write_bytes) {
            (None, None) => None,
            (read, written) => {
                let read = read.unwrap_or_default();
                Some(read.saturating_add(written.unwrap_or_default()))
            }
        }
    }
}

/// A measure to order by.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Measure {
    /// The number.
    Count,
    /// The time in total.
    Time,
    /// The time without that at which a child was alive.
    Own,
    /// The longest time.
    Longest,
    /// User and system time.
    Cpu,
    /// The most resident memory.
    Memory,
    /// The bytes read and written.
    Io,
    /// The page faults.
    Faults,
    /// The failures.
    Failures,
}

impl Measure {
    /// Returns the measure of a use, in nanoseconds, bytes or a number. An absent one is 0.
    #[must_use]
    pub fn of(self, usage: &Usage) -> u128 {
        let number = match self {
            Self::Count => usage.count,
            Self::Time => return usage.time.as_nanos(),
            Self::Own => return usage.own.as_nanos(),
            Self::Longest => return usage.longest.as_nanos(),
            Self::Cpu => return usage.cpu_time.unwrap_or_default().as_nanos(),
            Self::Memory => usage.max_rss.unwrap_or_default(),
            Self::Io => usage.io_bytes().unwrap_or_default(),
            Self::Faults => {
                let major = usage.major_faults.unwrap_or_default();
                major.saturating_add(usage.minor_faults.unwrap_or_default())
            }
            Self::Failures => usage.failures,
        };
        number.into()
    }

    /// Sorts from the most to the least. Equal ones keep their order.
    pub fn sort<T>(self, all: &mut [(T, Usage)]) {
        all.sort_by_key(|(_, usage)| std::cmp::Reverse(self.of(usage)));
    }
}
