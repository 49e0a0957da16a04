// SPDX-License-Identifier: GPL-2.0-only

//! Records of processes and threads.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::mem::offset_of;
use std::time::Duration;

use bitflags::bitflags;

use crate::time::BootTime;
use crate::{State, names, uapi};

bitflags! {
    /// Groups of fields of a [`Record`]. A group costs time only if it is requested.
    #[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
    pub struct Groups: u32 {
        /// IDs, state, name and number of threads, which are always delivered.
        const BASIC = uapi::PROCMON_GROUP_BASIC;
        /// [`Record::cpu`].
        const CPU = uapi::PROCMON_GROUP_CPU;
        /// [`Record::credentials`].
        const CREDENTIALS = uapi::PROCMON_GROUP_CREDS;
        /// [`Record::faults`].
        const FAULTS = uapi::PROCMON_GROUP_FAULTS;
        /// [`Record::memory`].
        const MEMORY = uapi::PROCMON_GROUP_MEM;
        /// [`Record::switches`].
        const SWITCHES = uapi::PROCMON_GROUP_SCHED;
        /// [`Record::io`].
        const IO = uapi::PROCMON_GROUP_IO;
        /// [`Record::cgroup_id`].
        const CGROUP = uapi::PROCMON_GROUP_CGROUP;
        /// [`Record::runtime`].
        const RUNTIME = uapi::PROCMON_GROUP_RUNTIME;
    }
}

impl Groups {
    /// The groups in the order of their fields, with the offset of the end of each one's fields,
    /// where those of the next one begin.
    ///
    /// Public for tests of the module only.
    #[doc(hidden)]
    pub const ENDS: &[(Self, usize)] = &[
        (Self::BASIC, offset_of!(uapi::procmon_record, cpu)),
        (Self::CPU, offset_of!(uapi::procmon_record, uid)),
        (
            Self::CREDENTIALS,
            offset_of!(uapi::procmon_record, minor_faults),
        ),
        (Self::FAULTS, offset_of!(uapi::procmon_record, vsize)),
        (
            Self::MEMORY,
            offset_of!(uapi::procmon_record, voluntary_switches),
        ),
        (Self::SWITCHES, offset_of!(uapi::procmon_record, read_bytes)),
        (Self::IO, offset_of!(uapi::procmon_record, cgroup_id)),
        (Self::CGROUP, offset_of!(uapi::procmon_record, runtime)),
        (Self::RUNTIME, size_of::<uapi::procmon_record>()),
    ];
}

/// The names of the groups.
#[cfg(feature = "serde")]
impl serde::Serialize for Groups {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter_names().map(|(name, _)| name.to_ascii_lowercase()))
    }
}

/// A process or thread in a snapshot.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[repr(transparent)]
pub struct Record(pub(crate) uapi::procmon_record);

/// Times and scheduling.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Cpu {
    /// Time in user space.
    #[cfg_attr(feature = "serde", serde(serialize_with = "crate::serialize::nanos"))]
    pub user: Duration,
    /// Time in the kernel.
    #[cfg_attr(feature = "serde", serde(serialize_with = "crate::serialize::nanos"))]
    pub system: Duration,
    /// The time of the start.
    pub start: BootTime,
    /// The CPU that the task runs on, or ran on last.
    pub last: u32,
    /// From -20 to 19.
    pub nice: i32,
    /// One of `SCHED_*`.
    pub policy: u32,
}

/// Users and groups, in the caller's user namespace.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Credentials {
    /// Real user ID.
    pub uid: u32,
    /// Effective user ID.
    pub euid: u32,
    /// Real group ID.
    pub gid: u32,
    /// Effective group ID.
    pub egid: u32,
}

/// Page faults.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Faults {
    /// Those that took no I/O.
    pub minor: u64,
    /// Those that did.
    pub major: u64,
}

/// Memory in bytes, with the accuracy of `/proc/PID/stat`.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Memory {
    /// Size of the address space.
    pub virtual_size: u64,
    /// Resident anonymous memory.
    pub anonymous: u64,
    /// Resident memory of files.
    pub file: u64,
    /// Resident shared memory.
    pub shared: u64,
}

impl Memory {
    /// Returns the size of all resident memory.
    #[must_use]
    pub fn resident(&self) -> u64 {
        let resident = self.anonymous.saturating_add(self.file);
        resident.saturating_add(self.shared)
    }
}

/// Context switches.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Switches {
    /// Switches because the task had nothing to do.
    pub voluntary: u64,
    /// Switches because another task's turn came.
    pub involuntary: u64,
}

/// Bytes from and to block devices.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Io {
    /// Bytes read.
    pub read: u64,
    /// Bytes written.
    pub written: u64,
}

#[cfg(feature = "test-util")]
impl From<uapi::procmon_record> for Record {
    fn from(raw: uapi::procmon_record) -> Self {
        Self(raw)
    }
}

impl Record {
    pub(crate) fn from_raw(raw: &uapi::procmon_record) -> &Self {
        // SAFETY: This is a transparent wrapper.
        unsafe { &*(&raw const *raw).cast() }
    }

    /// Returns the groups that the record has: kernel threads have no memory, for example, and the
    /// caller may not see the I/O of all tasks.
    #[must_use]
    pub fn groups(&self) -> Groups {
        Groups::from_bits_truncate(self.0.groups)
    }

    /// Returns the ID of the process or thread, in the caller's PID namespace.
    #[must_use]
    pub fn pid(&self) -> i32 {
        self.0.pid
    }

    /// Returns the ID of the process.
    #[must_use]
    pub fn tgid(&self) -> i32 {
        self.0.tgid
    }

    /// Returns the ID of the parent process, 0 if it is outside of the caller's PID namespace.
    #[must_use]
    pub fn ppid(&self) -> i32 {
        self.0.ppid
    }

    /// Returns the scheduler state.
    #[must_use]
    pub fn state(&self) -> State {
        State::from_raw(self.0.state)
    }

    /// Returns the name: at most 15 bytes, any of which but NUL may occur.
    #[must_use]
    pub fn comm(&self) -> &OsStr {
        uapi::name(&self.0.comm)
    }

    /// Returns the whole name: that of a kernel thread may be longer, and is looked up in `/proc`.
    ///
    /// See [`names::whole_name`] for its cost.
    #[must_use]
    pub fn whole_comm(&self) -> Cow<'_, OsStr> {
        if self.is_kernel_thread() {
            names::whole_name(self.pid(), self.comm())
        } else {
            Cow::Borrowed(self.comm())
        }
    }

    /// Returns the number of threads of the process.
    #[must_use]
    pub fn threads(&self) -> u32 {
        self.0.threads
    }

    /// Whether the task is a kernel thread.
    #[must_use]
    pub fn is_kernel_thread(&self) -> bool {
        self.0.flags & uapi::PROCMON_TASK_KTHREAD != 0
    }

    /// Whether the task is exiting, or a zombie.
    #[must_use]
    pub fn is_exiting(&self) -> bool {
        self.0.flags & uapi::PROCMON_TASK_EXITING != 0
    }

    /// Whether the record is mixed: the process was executing a program and did not finish soon, so
    /// fields may be of the program before and of the one after.
    #[must_use]
    pub fn is_mixed(&self) -> bool {
        self.0.flags & uapi::PROCMON_TASK_MIXED != 0
    }

    /// Whether the module's parameter `hidepid` keeps the process from the caller: there are only
    /// its PID and, as real and effective ones, the effective user and group. The state is
    /// [`State::Unknown`].
    #[must_use]
    pub fn is_redacted(&self) -> bool {
        self.0.flags & uapi::PROCMON_TASK_REDACTED != 0
    }

    /// Returns times and scheduling.
    #[must_use]
    pub fn cpu(&self) -> Option<Cpu> {
        self.has(Groups::CPU).then(|| Cpu {
            user: Duration::from_nanos(self.0.utime),
            system: Duration::from_nanos(self.0.stime),
            start: BootTime::from_nanos(self.0.start_time),
            last: self.0.cpu,
            nice: self.0.nice,
            policy: self.0.policy,
        })
    }

    /// Returns users and groups.
    #[must_use]
    pub fn credentials(&self) -> Option<Credentials> {
        self.has(Groups::CREDENTIALS).then_some(Credentials {
            uid: self.0.uid,
            euid: self.0.euid,
            gid: self.0.gid,
            egid: self.0.egid,
        })
    }

    /// Returns page faults.
    #[must_use]
    pub fn faults(&self) -> Option<Faults> {
        self.has(Groups::FAULTS).then_some(Faults {
            minor: self.0.minor_faults,
            major: self.0.major_faults,
        })
    }

    /// Returns the sizes of memory.
    #[must_use]
    pub fn memory(&self) -> Option<Memory> {
        self.has(Groups::MEMORY).then_some(Memory {
            virtual_size: self.0.vsize,
            anonymous: self.0.rss_anon,
            file: self.0.rss_file,
            shared: self.0.rss_shmem,
        })
    }

    /// Returns context switches.
    #[must_use]
    pub fn switches(&self) -> Option<Switches> {
        self.has(Groups::SWITCHES).then_some(Switches {
            voluntary: self.0.voluntary_switches,
            involuntary: self.0.involuntary_switches,
        })
    }

    /// Returns bytes from and to block devices.
    #[must_use]
    pub fn io(&self) -> Option<Io> {
        self.has(Groups::IO).then_some(Io {
            read: self.0.read_bytes,
            written: self.0.write_bytes,
        })
    }

    /// Returns the ID of the cgroup, which is the inode number of its directory.
    #[must_use]
    pub fn cgroup_id(&self) -> Option<u64> {
        self.has(Groups::CGROUP).then_some(self.0.cgroup_id)
    }

    /// Returns the time on CPUs, as the scheduler counts it: exact, while the two of
    /// [`cpu`](Self::cpu) are estimates.
    #[must_use]
    pub fn runtime(&self) -> Option<Duration> {
        self.has(Groups::RUNTIME)
            .then(|| Duration::from_nanos(self.0.runtime))
    }

    /// Returns the time on CPUs: [`runtime`](Self::runtime), or else user and system time.
    #[must_use]
    pub fn cpu_time(&self) -> Option<Duration> {
        self.runtime().or_else(|| {
            let cpu = self.cpu()?;
            Some(cpu.user.saturating_add(cpu.system))
        })
    }

    fn has(&self, group: Groups) -> bool {
        self.groups().contains(group)
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for Record {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct;

        use crate::serialize::{Name, Nanos};

        let mut record = serializer.serialize_struct("Record", 18)?;
        record.serialize_field("pid", &self.pid())?;
        record.serialize_field("tgid", &self.tgid())?;
        record.serialize_field("ppid", &self.ppid())?;
        record.serialize_field("state", &self.state())?;
        record.serialize_field("comm", &Name(self.comm()))?;
        record.serialize_field("threads", &self.threads())?;
        record.serialize_field("kernel_thread", &self.is_kernel_thread())?;
        record.serialize_field("exiting", &self.is_exiting())?;
        record.serialize_field("mixed", &self.is_mixed())?;
        record.serialize_field("redacted", &self.is_redacted())?;
        record.serialize_field("cpu", &self.cpu())?;
        record.serialize_field("credentials", &self.credentials())?;
        record.serialize_field("faults", &self.faults())?;
        record.serialize_field("memory", &self.memory())?;
        record.serialize_field("switches", &self.switches())?;
        record.serialize_field("io", &self.io())?;
        record.serialize_field("cgroup_id", &self.cgroup_id())?;
        record.serialize_field("runtime", &self.runtime().map(Nanos))?;
        record.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_cover_the_record_in_order() {
        let groups: Groups = Groups::ENDS.iter().map(|&(group, _)| group).collect();
        assert_eq!(groups, Groups::all());
        assert_eq!(Groups::ENDS.len(), Groups::all().iter().count());
        assert!(Groups::ENDS.is_sorted_by(|(_, end), (_, next)| end < next));
        let (_, end) = Groups::ENDS.last().unwrap();
        assert_eq!(*end, size_of::<uapi::procmon_record>());
    }

    #[test]
    fn a_group_that_was_not_delivered_is_none() {
        let mut record = Record(uapi::procmon_record {
            utime: 1,
            stime: 2,
            runtime: 4,
            rss_anon: u64::MAX,
            rss_file: 1,
            ..Default::default()
        });
        assert_eq!(record.cpu(), None);
        assert_eq!(record.cpu_time(), None);
        assert_eq!(record.memory(), None);
        record.0.groups = uapi::PROCMON_GROUP_CPU | uapi::PROCMON_GROUP_MEM;
        assert_eq!(record.cpu().unwrap().system, Duration::from_nanos(2));
        assert_eq!(record.cpu_time(), Some(Duration::from_nanos(3)));
        assert_eq!(record.memory().unwrap().resident(), u64::MAX);
        record.0.groups |= uapi::PROCMON_GROUP_RUNTIME;
        assert_eq!(record.cpu_time(), Some(Duration::from_nanos(4)));
    }

    #[test]
    fn the_marks_are_told_apart() {
        let marks = |flags| {
            let record = Record(uapi::procmon_record {
                flags,
                ..Default::default()
            });
            (
                record.is_kernel_thread(),
                record.is_exiting(),
                record.is_mixed(),
                record.is_redacted(),
            )
        };
        assert_eq!(marks(1), (true, false, false, false));
        assert_eq!(marks(2), (false, true, false, false));
        assert_eq!(marks(4), (false, false, true, false));
        assert_eq!(marks(8), (false, false, false, true));
    }

    #[cfg(feature = "serde")]
    #[test]
    fn all_fields_are_serialized() {
        use serde_json::{json, to_value};

        let mut raw = uapi::procmon_record {
            groups: uapi::PROCMON_GROUP_CPU | uapi::PROCMON_GROUP_RUNTIME,
            pid: 7,
            state: uapi::PROCMON_STATE_DISK_SLEEP,
            start_time: 5,
            runtime: 1_500_000_000,
            ..Default::default()
        };
        raw.comm[0] = b'x'.cast_signed();
        let value = to_value(Record(raw)).unwrap();
        assert_eq!(value.as_object().unwrap().len(), 18);
        assert_eq!(value["pid"], 7);
        assert_eq!(value["state"], "D");
        assert_eq!(value["comm"], "x");
        assert_eq!(value["runtime"], 1_500_000_000_u64);
        assert_eq!(value["cpu"]["start"], 5);
        assert_eq!(value["cpu"]["user"], 0);
        assert_eq!(value["memory"], json!(null));
        // Not text.
        raw.comm[0] = -1;
        assert_eq!(to_value(Record(raw)).unwrap()["comm"], json!([255]));
        let groups = to_value(Groups::CPU | Groups::IO).unwrap();
        assert_eq!(groups, json!(["cpu", "io"]));
    }
}
