// SPDX-License-Identifier: GPL-2.0

//! Many processes at once.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

use bitflags::bitflags;

use crate::{State, uapi};

bitflags! {
    /// Groups of fields of a [`Record`]. What a group costs is paid only if it is asked for.
    #[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
    pub struct Groups: u32 {
        /// IDs, state, name and number of threads, which are always there.
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

/// What a snapshot is to have: by default [`Groups::BASIC`] of all processes.
#[derive(Clone, Debug, Default)]
pub struct SnapshotOptions {
    pub(crate) groups: Groups,
    pub(crate) flags: u32,
    pub(crate) uid: u32,
    pub(crate) ppid: i32,
    pub(crate) tgid: i32,
}

impl SnapshotOptions {
    /// The default.
    pub fn new() -> Self {
        Self::default()
    }

    /// Groups of fields to ask for.
    pub fn groups(mut self, groups: Groups) -> Self {
        self.groups = groups;
        self
    }

    /// A record for each thread, and not for each process.
    pub fn threads(self, threads: bool) -> Self {
        self.flag(uapi::PROCMON_SNAPSHOT_THREADS, threads)
    }

    /// Whether there are to be records of kernel threads.
    pub fn kernel_threads(self, kernel_threads: bool) -> Self {
        self.flag(uapi::PROCMON_SNAPSHOT_NO_KTHREADS, !kernel_threads)
    }

    /// Only processes with this real user ID.
    pub fn uid(mut self, uid: u32) -> Self {
        self.uid = uid;
        self.flag(uapi::PROCMON_SNAPSHOT_BY_UID, true)
    }

    /// Only children of this process.
    pub fn ppid(mut self, ppid: i32) -> Self {
        self.ppid = ppid;
        self.flag(uapi::PROCMON_SNAPSHOT_BY_PPID, true)
    }

    /// Only this process, or its threads.
    pub fn tgid(mut self, tgid: i32) -> Self {
        self.tgid = tgid;
        self.flag(uapi::PROCMON_SNAPSHOT_BY_TGID, true)
    }

    fn flag(mut self, flag: u32, set: bool) -> Self {
        if set {
            self.flags |= flag;
        } else {
            self.flags &= !flag;
        }
        self
    }
}

/// What [`Device::snapshot`](crate::Device::snapshot) found.
///
/// A buffer to use again: [`Device::snapshot_into`](crate::Device::snapshot_into) keeps its memory.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    pub(crate) records: Vec<Record>,
    pub(crate) time: Duration,
    pub(crate) groups: Groups,
}

impl Snapshot {
    /// A snapshot of these records, which should be in the order of their PIDs, for tests of what
    /// shows one.
    pub fn new(records: Vec<Record>, time: Duration) -> Self {
        Self {
            records,
            time,
            groups: Groups::all(),
        }
    }

    /// The records in the order of their PIDs.
    pub fn records(&self) -> &[Record] {
        &self.records
    }

    /// When it was begun, since boot.
    pub fn time(&self) -> Duration {
        self.time
    }

    /// The groups that the module has delivered.
    pub fn groups(&self) -> Groups {
        self.groups
    }
}

impl<'a> IntoIterator for &'a Snapshot {
    type Item = &'a Record;
    type IntoIter = std::slice::Iter<'a, Record>;

    fn into_iter(self) -> Self::IntoIter {
        self.records.iter()
    }
}

/// A process or thread in a snapshot.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[repr(transparent)]
pub struct Record(pub(crate) uapi::procmon_record);

/// Times and scheduling.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Cpu {
    /// Time in user space.
    pub user: Duration,
    /// Time in the kernel.
    pub system: Duration,
    /// When it was started, since boot.
    pub start: Duration,
    /// The CPU that it is on, or was on last.
    pub last: u32,
    /// From -20 to 19.
    pub nice: i32,
    /// One of `SCHED_*`.
    pub policy: u32,
}

/// Users and groups, in the caller's user namespace.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
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
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Faults {
    /// Those that took no I/O.
    pub minor: u64,
    /// Those that did.
    pub major: u64,
}

/// Memory in bytes, with the accuracy of `/proc/PID/stat`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
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
    /// All that is resident.
    pub fn resident(&self) -> u64 {
        self.anonymous + self.file + self.shared
    }
}

/// Switches to another task.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Switches {
    /// Because there was nothing to do.
    pub voluntary: u64,
    /// Because it was another task's turn.
    pub involuntary: u64,
}

/// Bytes from and to block devices.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Io {
    /// Bytes read.
    pub read: u64,
    /// Bytes written.
    pub written: u64,
}

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

    /// The groups that there are of it: some have no memory, or do not show everybody everything.
    pub fn groups(&self) -> Groups {
        Groups::from_bits_truncate(self.0.groups)
    }

    /// Its ID, in the caller's PID namespace.
    pub fn pid(&self) -> i32 {
        self.0.pid
    }

    /// The ID of its process.
    pub fn tgid(&self) -> i32 {
        self.0.tgid
    }

    /// The ID of its parent process, 0 if that is outside of the caller's PID namespace.
    pub fn ppid(&self) -> i32 {
        self.0.ppid
    }

    /// What it is doing.
    pub fn state(&self) -> State {
        State::from_raw(self.0.state)
    }

    /// Its name.
    pub fn comm(&self) -> &OsStr {
        // SAFETY: They are as large, and any byte will do.
        let bytes: &[u8; uapi::PROCMON_COMM_LEN as usize] =
            unsafe { &*(&raw const self.0.comm).cast() };
        let len = bytes.iter().position(|&byte| byte == 0);
        OsStr::from_bytes(&bytes[..len.unwrap_or(bytes.len())])
    }

    /// How many threads its process has.
    pub fn threads(&self) -> u32 {
        self.0.threads
    }

    /// Whether it is a kernel thread.
    pub fn is_kernel_thread(&self) -> bool {
        self.0.flags & uapi::PROCMON_TASK_KTHREAD != 0
    }

    /// Whether it is on its way out, or a zombie.
    pub fn is_exiting(&self) -> bool {
        self.0.flags & uapi::PROCMON_TASK_EXITING != 0
    }

    /// Whether it was executing a program and did not finish soon: fields may be of the program
    /// before and of the one after.
    pub fn is_mixed(&self) -> bool {
        self.0.flags & uapi::PROCMON_TASK_MIXED != 0
    }

    /// Times and scheduling.
    pub fn cpu(&self) -> Option<Cpu> {
        self.has(Groups::CPU).then(|| Cpu {
            user: Duration::from_nanos(self.0.utime),
            system: Duration::from_nanos(self.0.stime),
            start: Duration::from_nanos(self.0.start_time),
            last: self.0.cpu,
            nice: self.0.nice,
            policy: self.0.policy,
        })
    }

    /// Users and groups.
    pub fn credentials(&self) -> Option<Credentials> {
        self.has(Groups::CREDENTIALS).then_some(Credentials {
            uid: self.0.uid,
            euid: self.0.euid,
            gid: self.0.gid,
            egid: self.0.egid,
        })
    }

    /// Page faults.
    pub fn faults(&self) -> Option<Faults> {
        self.has(Groups::FAULTS).then_some(Faults {
            minor: self.0.minor_faults,
            major: self.0.major_faults,
        })
    }

    /// Memory.
    pub fn memory(&self) -> Option<Memory> {
        self.has(Groups::MEMORY).then_some(Memory {
            virtual_size: self.0.vsize,
            anonymous: self.0.rss_anon,
            file: self.0.rss_file,
            shared: self.0.rss_shmem,
        })
    }

    /// Switches to another task.
    pub fn switches(&self) -> Option<Switches> {
        self.has(Groups::SWITCHES).then_some(Switches {
            voluntary: self.0.voluntary_switches,
            involuntary: self.0.involuntary_switches,
        })
    }

    /// Bytes from and to block devices.
    pub fn io(&self) -> Option<Io> {
        self.has(Groups::IO).then_some(Io {
            read: self.0.read_bytes,
            written: self.0.write_bytes,
        })
    }

    /// The ID of its cgroup, which is the inode number of that directory.
    pub fn cgroup_id(&self) -> Option<u64> {
        self.has(Groups::CGROUP).then_some(self.0.cgroup_id)
    }

    /// The time that it spent on CPUs, as the scheduler counts it.
    pub fn runtime(&self) -> Option<Duration> {
        self.has(Groups::RUNTIME)
            .then(|| Duration::from_nanos(self.0.runtime))
    }

    fn has(&self, group: Groups) -> bool {
        self.groups().contains(group)
    }
}
