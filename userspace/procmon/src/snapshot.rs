// SPDX-License-Identifier: GPL-2.0-only

//! Snapshots: records of all processes at once, or of those that match.

use crate::arguments::{self, Arguments, MAX_ARGUMENTS};
use crate::time::BootTime;
use crate::uapi;

pub use crate::record::{Cpu, Credentials, Faults, Groups, Io, Memory, Record, Switches};

/// Options of a snapshot: by default [`Groups::BASIC`] of all processes.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
#[must_use]
pub struct SnapshotOptions {
    groups: Groups,
    flags: u32,
    uid: Option<u32>,
    ppid: Option<i32>,
    tgid: Option<i32>,
    /// Limit of the arguments of one process in bytes, 0 for none.
    arguments: u32,
}

impl SnapshotOptions {
    /// Creates the default.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the groups of fields to request: see [`Info::groups`](crate::Info::groups) for those
    /// that the module knows.
    pub fn groups(mut self, groups: Groups) -> Self {
        self.groups = groups;
        self
    }

    /// Sets the number of bytes, up to [`MAX_ARGUMENTS`], of the arguments of each process to
    /// deliver: see [`Snapshot::arguments`]. With 0, as by default, there are none.
    ///
    /// A module whose [`Info`](crate::Info) does not have them refuses them.
    pub fn arguments(mut self, max: u32) -> Self {
        self.arguments = max.min(MAX_ARGUMENTS);
        self
    }

    /// Returns whether there is one record at most.
    pub(crate) fn is_of_one(&self) -> bool {
        self.tgid.is_some() && self.flags & uapi::PROCMON_SNAPSHOT_THREADS == 0
    }

    /// Returns the limit of the arguments of one process.
    pub(crate) fn max_arguments(&self) -> u32 {
        self.arguments
    }

    /// Sets whether to deliver a record of each thread, and not of each process.
    pub fn threads(self, threads: bool) -> Self {
        self.flag(uapi::PROCMON_SNAPSHOT_THREADS, threads)
    }

    /// Sets whether to deliver records of kernel threads, as is the default.
    pub fn kernel_threads(self, kernel_threads: bool) -> Self {
        self.flag(uapi::PROCMON_SNAPSHOT_NO_KTHREADS, !kernel_threads)
    }

    /// Limits the snapshot to processes with this real user ID; `None` stands for all users.
    pub fn uid(mut self, uid: impl Into<Option<u32>>) -> Self {
        self.uid = uid.into();
        self
    }

    /// Limits the snapshot to children of this process; `None` stands for all processes.
    pub fn ppid(mut self, ppid: impl Into<Option<i32>>) -> Self {
        self.ppid = ppid.into();
        self
    }

    /// Limits the snapshot to this process, or its threads; `None` stands for all processes.
    pub fn tgid(mut self, tgid: impl Into<Option<i32>>) -> Self {
        self.tgid = tgid.into();
        self
    }

    fn flag(mut self, flag: u32, set: bool) -> Self {
        if set {
            self.flags |= flag;
        } else {
            self.flags &= !flag;
        }
        self
    }

    /// Returns the argument of the system call, without the memory for its result.
    pub(crate) fn to_raw(&self) -> uapi::procmon_snapshot {
        let mut flags = self.flags;
        for (is_set, flag) in [
            (self.uid.is_some(), uapi::PROCMON_SNAPSHOT_BY_UID),
            (self.ppid.is_some(), uapi::PROCMON_SNAPSHOT_BY_PPID),
            (self.tgid.is_some(), uapi::PROCMON_SNAPSHOT_BY_TGID),
        ] {
            if is_set {
                flags |= flag;
            }
        }
        uapi::procmon_snapshot {
            size: size_of::<uapi::procmon_snapshot>() as u32,
            flags,
            groups: self.groups.bits()
                | if self.arguments == 0 {
                    0
                } else {
                    uapi::PROCMON_GROUP_ARGS
                },
            args_max: self.arguments,
            uid: self.uid.unwrap_or(0),
            ppid: self.ppid.unwrap_or(0),
            tgid: self.tgid.unwrap_or(0),
            ..Default::default()
        }
    }
}

/// Result of [`Device::snapshot`](crate::Device::snapshot).
///
/// [`Device::snapshot_into`](crate::Device::snapshot_into) uses the memory of an earlier one again.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Snapshot {
    pub(crate) time: BootTime,
    #[cfg_attr(feature = "serde", serde(skip))]
    pub(crate) end: BootTime,
    #[cfg_attr(feature = "serde", serde(skip))]
    pub(crate) sequence: u64,
    pub(crate) groups: Groups,
    #[cfg_attr(feature = "serde", serde(skip))]
    pub(crate) of_threads: bool,
    pub(crate) records: Vec<Record>,
    #[cfg_attr(feature = "serde", serde(skip))]
    pub(crate) arguments: arguments::Table,
}

impl Snapshot {
    /// Creates an empty snapshot for [`Device::snapshot_into`](crate::Device::snapshot_into), with
    /// the capacity for this number of records.
    #[must_use]
    pub fn with_capacity(capacity: usize) -> Self {
        Self {
            records: Vec::with_capacity(capacity),
            ..Self::default()
        }
    }

    /// Creates a snapshot from records in the order of their PIDs.
    #[cfg(feature = "test-util")]
    #[must_use]
    pub fn new(records: Vec<Record>, time: impl Into<BootTime>) -> Self {
        let time = time.into();
        Self {
            time,
            end: time,
            sequence: 0,
            groups: Groups::all(),
            of_threads: false,
            records,
            arguments: arguments::Table::default(),
        }
    }

    /// Adds the arguments of a process, each with a NUL, in the order of PIDs.
    #[cfg(feature = "test-util")]
    #[must_use]
    pub fn with_arguments(mut self, pid: i32, arguments: &[u8]) -> Self {
        let arguments = Arguments {
            bytes: arguments,
            size: u32::try_from(arguments.len()).unwrap_or(u32::MAX),
        };
        self.arguments.insert(pid, arguments);
        self
    }

    /// Sets the sequence number of the newest event when it began.
    #[cfg(feature = "test-util")]
    #[must_use]
    pub fn with_sequence(mut self, sequence: u64) -> Self {
        self.sequence = sequence;
        self
    }

    /// Returns the records in the order of their PIDs.
    #[must_use]
    pub fn records(&self) -> &[Record] {
        &self.records
    }

    /// Returns the record of the process with this PID, or of the thread with this ID.
    #[must_use]
    pub fn get(&self, pid: i32) -> Option<&Record> {
        let index = self.records.binary_search_by_key(&pid, Record::pid).ok()?;
        Some(&self.records[index])
    }

    /// Returns the arguments of the process with this PID, if [options](SnapshotOptions::arguments)
    /// ask for them: the program is that of its record.
    ///
    /// Kernel threads and zombies have none. `None` is also for a process that is executing a
    /// program or changing its memory, as the module waits for no process, and for arguments that
    /// are swapped out. /proc/PID/cmdline waits for the last two.
    #[must_use]
    pub fn arguments(&self, pid: i32) -> Option<Arguments<'_>> {
        self.arguments.get(pid)
    }

    /// Adds the arguments that another snapshot has of the processes of this one, or puts them in
    /// the place of its own. Both need [`Groups::CPU`], by whose start times processes with the
    /// same PID differ.
    ///
    /// ```no_run
    /// use procmon::{Device, Groups, SnapshotOptions};
    ///
    /// # fn main() -> procmon::Result<()> {
    /// let device = Device::open_read_only()?;
    /// let options = SnapshotOptions::new().groups(Groups::CPU);
    /// let mut snapshot = device.snapshot(&options)?;
    /// // Only those of one process, as to look at those of all takes its time.
    /// snapshot.add_arguments(&device.snapshot(&options.arguments(512).tgid(1))?);
    /// assert!(snapshot.arguments(1).is_some());
    /// # Ok(())
    /// # }
    /// ```
    pub fn add_arguments(&mut self, other: &Self) {
        let start = |snapshot: &Self, pid| Some(snapshot.get(pid)?.cpu()?.start);
        for (pid, arguments) in other.arguments.iter() {
            let ours = start(self, pid);
            if ours.is_some() && ours == start(other, pid) {
                self.arguments.insert(pid, arguments);
            }
        }
    }

    /// Returns the number of records.
    #[must_use]
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether there is no record.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Iterates over the records in the order of their PIDs.
    pub fn iter(&self) -> std::slice::Iter<'_, Record> {
        self.records.iter()
    }

    /// Returns the moment at which the module began the snapshot.
    #[must_use]
    pub fn time(&self) -> BootTime {
        self.time
    }

    /// Returns a moment at which the snapshot was complete: each record was made between
    /// [`time`](Self::time) and this.
    #[must_use]
    pub fn end(&self) -> BootTime {
        self.end
    }

    /// Returns the sequence number of the newest [event](crate::events) when it began, 0 if none
    /// was recorded.
    #[must_use]
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// Returns the groups that the module has delivered, though not of each process.
    #[must_use]
    pub fn groups(&self) -> Groups {
        self.groups
    }

    /// Whether the records are those of threads.
    #[must_use]
    pub fn is_of_threads(&self) -> bool {
        self.of_threads
    }

    /// Empties the snapshot and keeps the memory.
    pub(crate) fn clear(&mut self) {
        let mut records = std::mem::take(&mut self.records);
        let mut arguments = std::mem::take(&mut self.arguments);
        records.clear();
        arguments.clear();
        *self = Self {
            records,
            arguments,
            ..Self::default()
        };
    }
}

impl<'a> IntoIterator for &'a Snapshot {
    type Item = &'a Record;
    type IntoIter = std::slice::Iter<'a, Record>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl IntoIterator for Snapshot {
    type Item = Record;
    type IntoIter = std::vec::IntoIter<Record>;

    fn into_iter(self) -> Self::IntoIter {
        self.records.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(pid: i32) -> Record {
        Record(uapi::procmon_record {
            pid,
            ..Default::default()
        })
    }

    #[test]
    fn a_process_is_found_by_its_pid() {
        let snapshot = Snapshot {
            records: [1, 5, 4_194_304].map(record).to_vec(),
            ..Default::default()
        };
        assert_eq!(snapshot.get(5).map(Record::pid), Some(5));
        assert_eq!(snapshot.get(4), None);
        assert_eq!(snapshot.len(), 3);
        assert!(!snapshot.is_empty());
        let pids: Vec<_> = snapshot.iter().map(Record::pid).collect();
        assert_eq!(pids, [1, 5, 4_194_304]);
        assert_eq!((&snapshot).into_iter().count(), 3);
        assert_eq!(snapshot.into_iter().next(), Some(record(1)));
    }

    #[test]
    fn arguments_are_added_to_the_same_processes_only() {
        let snapshot = |processes: &[(i32, u64, Option<&str>)]| {
            let mut snapshot = Snapshot::default();
            for &(pid, start_time, text) in processes {
                snapshot.records.push(Record(uapi::procmon_record {
                    pid,
                    start_time,
                    groups: Groups::CPU.bits(),
                    ..Default::default()
                }));
                if let Some(text) = text {
                    let bytes = text.as_bytes();
                    snapshot
                        .arguments
                        .insert(pid, Arguments { bytes, size: 99 });
                }
            }
            snapshot
        };
        let mut ours = snapshot(&[(1, 10, Some("a")), (2, 20, Some("b")), (3, 30, None)]);
        ours.records.push(record(4));
        let others = [
            (2, 20, Some("new")),
            (3, 31, Some("of another")),
            (5, 50, Some("gone")),
        ];
        let mut other = snapshot(&others);
        other.add_arguments(&snapshot(&[(5, 50, Some("changed"))]));
        // A record without a start time.
        other.records.insert(2, record(4));
        other.arguments.insert(
            4,
            Arguments {
                bytes: b"?",
                size: 1,
            },
        );
        ours.add_arguments(&other);
        let texts = [1, 2, 3, 4, 5].map(|pid| Some(ours.arguments(pid)?.as_bytes()));
        assert_eq!(texts, [Some(&b"a"[..]), Some(b"new"), None, None, None]);
        assert_eq!(other.arguments(5).unwrap().as_bytes(), b"changed");
        let added = ours.arguments(2).unwrap();
        assert_eq!((added.size(), added.is_cut()), (99, true));
    }

    #[test]
    fn what_is_set_can_be_unset() {
        let set = SnapshotOptions::new()
            .uid(0)
            .ppid(1)
            .tgid(2)
            .threads(true)
            .kernel_threads(false)
            .groups(Groups::IO);
        let raw = set.to_raw();
        assert_eq!((raw.uid, raw.ppid, raw.tgid), (0, 1, 2));
        assert_eq!((raw.flags, raw.groups), (0b11111, 1 << 6));
        assert_ne!(set, SnapshotOptions::new());
        let unset = set.uid(None).ppid(None).tgid(None).threads(false);
        let unset = unset.kernel_threads(true).groups(Groups::empty());
        assert_eq!(unset, SnapshotOptions::new());
        assert_eq!(unset.to_raw().flags, 0);
    }

    #[test]
    fn an_emptied_snapshot_keeps_its_memory_alone() {
        let mut snapshot = Snapshot::with_capacity(100);
        snapshot.records.push(record(1));
        snapshot.time = BootTime::from_nanos(1);
        snapshot.clear();
        assert!(snapshot.is_empty() && snapshot.records.capacity() >= 100);
        assert_eq!(snapshot.time(), BootTime::ZERO);
    }
}
