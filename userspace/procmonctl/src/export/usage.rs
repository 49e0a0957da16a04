// SPDX-License-Identifier: GPL-2.0-only

//! Counters of what processes have used.

use procmon::Record;
use procmon::events::Exit;

use crate::clock::nanoseconds;

/// Usage of a process since its start, or of a group of processes since the exporter's.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Usage {
    /// CPU time in user space, in nanoseconds.
    pub user: u64,
    /// CPU time in the kernel, in nanoseconds.
    pub system: u64,
    pub minor_faults: u64,
    pub major_faults: u64,
    pub voluntary_switches: u64,
    pub involuntary_switches: u64,
    /// Bytes read from block devices.
    pub read: u64,
    /// Bytes written to block devices.
    pub written: u64,
}

impl Usage {
    /// Returns the usage by a snapshot. What that does not have, or may not tell, is 0.
    pub fn of_record(record: &Record) -> Self {
        let cpu = record.cpu().unwrap_or_default();
        let faults = record.faults().unwrap_or_default();
        let switches = record.switches().unwrap_or_default();
        let io = record.io().unwrap_or_default();
        Self {
            user: nanoseconds(cpu.user),
            system: nanoseconds(cpu.system),
            minor_faults: faults.minor,
            major_faults: faults.major,
            voluntary_switches: switches.voluntary,
            involuntary_switches: switches.involuntary,
            read: io.read,
            written: io.written,
        }
    }

    /// Returns the usage at the end of a process.
    pub fn of_exit(exit: &Exit) -> Self {
        Self {
            user: nanoseconds(exit.user()),
            system: nanoseconds(exit.system()),
            minor_faults: exit.faults().minor,
            major_faults: exit.faults().major,
            voluntary_switches: exit.switches().voluntary,
            involuntary_switches: exit.switches().involuntary,
            read: exit.io().read,
            written: exit.io().written,
        }
    }

    /// Returns what is to be added to this for that to be in it. No counter is to go back, so
    /// there is nothing to add where that is less.
    ///
    /// The kernel may divide CPU time in another way later on, so that one part of it is less: what
    /// is added is never more than the sum has grown.
    pub fn missing_from(&self, later: &Self) -> Self {
        let grown = (later.user + later.system).saturating_sub(self.user + self.system);
        let user = later.user.saturating_sub(self.user).min(grown);
        Self {
            user,
            system: grown - user,
            minor_faults: later.minor_faults.saturating_sub(self.minor_faults),
            major_faults: later.major_faults.saturating_sub(self.major_faults),
            voluntary_switches: later
                .voluntary_switches
                .saturating_sub(self.voluntary_switches),
            involuntary_switches: later
                .involuntary_switches
                .saturating_sub(self.involuntary_switches),
            read: later.read.saturating_sub(self.read),
            written: later.written.saturating_sub(self.written),
        }
    }

    pub fn add(&mut self, more: &Self) {
        self.user += more.user;
        self.system += more.system;
        self.minor_faults += more.minor_faults;
        self.major_faults += more.major_faults;
        self.voluntary_switches += more.voluntary_switches;
        self.involuntary_switches += more.involuntary_switches;
        self.read += more.read;
        self.written += more.written;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cpu(user: u64, system: u64) -> Usage {
        Usage {
            user,
            system,
            ..Usage::default()
        }
    }

    #[test]
    fn no_counter_goes_back_and_cpu_time_is_counted_once() {
        for (known, later, added) in [
            (cpu(0, 0), cpu(3, 4), cpu(3, 4)),
            (cpu(3, 4), cpu(5, 9), cpu(2, 5)),
            // The kernel has divided the time again: 2 ns were used, not 5.
            (cpu(5, 5), cpu(2, 10), cpu(0, 2)),
            (cpu(5, 5), cpu(10, 2), cpu(2, 0)),
            (cpu(5, 5), cpu(4, 5), cpu(0, 0)),
        ] {
            assert_eq!(known.missing_from(&later), added, "{known:?} {later:?}");
            let mut sum = known;
            sum.add(&added);
            let total = |usage: &Usage| usage.user + usage.system;
            assert_eq!(total(&sum), total(&later).max(total(&known)));
        }
    }
}
