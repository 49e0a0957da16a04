// SPDX-License-Identifier: GPL-2.0-only

//! Single events, and what they tell of.

use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::Duration;

use bitflags::bitflags;

use super::Classes;
use crate::arguments;
use crate::record::{Credentials, Faults, Io, Switches};
use crate::time::BootTime;
use crate::uapi;

bitflags! {
    /// Marks of an [`Event`].
    #[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
    pub struct EventFlags: u16 {
        /// The task is a kernel thread.
        const KERNEL_THREAD = uapi::PROCMON_EVENT_KTHREAD as u16;
        /// The thread is one of the kernel in a user process, as those of io_uring are.
        const WORKER = uapi::PROCMON_EVENT_WORKER as u16;
        /// Not all of the arguments are there.
        const TRUNCATED = uapi::PROCMON_EVENT_TRUNCATED as u16;
        /// Another process of the same user may need rights to look into the process: it is not
        /// dumpable, or has more rights than its user.
        const PROTECTED = uapi::PROCMON_EVENT_PROTECTED as u16;
        /// The reader may not see all: the status and the I/O of an [`Exit`] are 0, and the file of
        /// an [`Exec`] has no name.
        const REDACTED = uapi::PROCMON_EVENT_REDACTED as u16;
    }
}

/// A type of `uapi` that any bytes are a value of.
trait Plain: Copy {}

impl Plain for uapi::procmon_event {}
impl Plain for uapi::procmon_event_fork {}
impl Plain for uapi::procmon_event_exec {}
impl Plain for uapi::procmon_event_exit {}
impl Plain for uapi::procmon_event_comm {}
impl Plain for uapi::procmon_event_cgroup {}
impl Plain for uapi::procmon_event_lost {}

/// Reads the value that bytes begin with.
fn read<T: Plain>(bytes: &[u8]) -> Option<T> {
    let bytes = bytes.get(..size_of::<T>())?;
    // SAFETY: There are as many bytes, and any are a value.
    Some(unsafe { bytes.as_ptr().cast::<T>().read_unaligned() })
}

/// An event.
///
/// PIDs, users and groups are those of the initial namespaces. The process has a name for good: its
/// PID together with its [`start`](Self::start), as in a [`Record`](crate::Record).
#[derive(Clone, Copy)]
pub struct Event<'a> {
    header: uapi::procmon_event,
    bytes: &'a [u8],
}

impl fmt::Debug for Event<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event")
            .field("sequence", &self.sequence())
            .field("time", &self.time())
            .field("pid", &self.pid())
            .field("kind", &self.kind())
            .finish_non_exhaustive()
    }
}

impl<'a> Event<'a> {
    /// Returns the event that bytes begin with, and the bytes behind it.
    pub(crate) fn split_first(bytes: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let header: uapi::procmon_event = read(bytes)?;
        let size = usize::from(header.size);
        if size < size_of::<uapi::procmon_event>() {
            return None;
        }
        let (bytes, rest) = bytes.split_at_checked(size)?;
        Some((Self { header, bytes }, rest))
    }

    /// Returns the sequence number: that of the event before plus one, whatever its class.
    #[must_use]
    pub fn sequence(&self) -> u64 {
        self.header.sequence
    }

    /// Returns the moment at which it happened.
    #[must_use]
    pub fn time(&self) -> BootTime {
        BootTime::from_nanos(self.header.time)
    }

    /// Returns the PID of the process.
    #[must_use]
    #[expect(
        clippy::misnamed_getters,
        reason = "the ID of a process is that of its thread group"
    )]
    pub fn pid(&self) -> i32 {
        self.header.tgid
    }

    /// Returns the ID of the thread, which is the PID for the main thread.
    #[must_use]
    pub fn tid(&self) -> i32 {
        self.header.pid
    }

    /// Returns the PID of the parent.
    #[must_use]
    pub fn ppid(&self) -> i32 {
        self.header.ppid
    }

    /// Returns the start of the process.
    #[must_use]
    pub fn start(&self) -> BootTime {
        BootTime::from_nanos(self.header.start_time)
    }

    /// Returns the CPU on which it happened.
    #[must_use]
    pub fn cpu(&self) -> u32 {
        self.header.cpu
    }

    /// Returns the real user ID.
    #[must_use]
    pub fn uid(&self) -> u32 {
        self.header.uid
    }

    /// Returns the effective user ID.
    #[must_use]
    pub fn euid(&self) -> u32 {
        self.header.euid
    }

    /// Returns the ID of the cgroup in the unified hierarchy.
    #[must_use]
    pub fn cgroup_id(&self) -> u64 {
        self.header.cgroup_id
    }

    /// Returns the marks.
    #[must_use]
    pub fn flags(&self) -> EventFlags {
        EventFlags::from_bits_truncate(self.header.flags)
    }

    /// Returns what has happened.
    #[must_use]
    pub fn kind(&self) -> EventKind<'a> {
        self.known().unwrap_or(EventKind::Unknown)
    }

    fn known(&self) -> Option<EventKind<'a>> {
        let tail = self.bytes.get(usize::from(self.header.tail)..)?;
        Some(match self.header.type_.into() {
            uapi::PROCMON_EVENT_FORK => EventKind::Fork(Fork(read(self.bytes)?)),
            uapi::PROCMON_EVENT_EXEC => EventKind::Exec(Exec::new(read(self.bytes)?, tail)?),
            uapi::PROCMON_EVENT_EXIT => EventKind::Exit(Exit(read(self.bytes)?)),
            uapi::PROCMON_EVENT_THREAD_START => EventKind::ThreadStart(Fork(read(self.bytes)?)),
            uapi::PROCMON_EVENT_THREAD_EXIT => EventKind::ThreadExit(Exit(read(self.bytes)?)),
            uapi::PROCMON_EVENT_COMM => EventKind::Rename(Rename(read(self.bytes)?)),
            uapi::PROCMON_EVENT_CGROUP => {
                let raw: uapi::procmon_event_cgroup = read(self.bytes)?;
                EventKind::Cgroup(CgroupMove {
                    id: raw.new_cgroup_id,
                    path: until_nul(tail),
                })
            }
            uapi::PROCMON_EVENT_OOM => EventKind::OutOfMemory,
            uapi::PROCMON_EVENT_LOST => EventKind::Lost(Lost(read(self.bytes)?)),
            _ => return None,
        })
    }
}

/// Returns the text up to its NUL.
fn until_nul(bytes: &[u8]) -> &OsStr {
    let len = bytes.iter().position(|byte| *byte == 0);
    OsStr::from_bytes(&bytes[..len.unwrap_or(bytes.len())])
}

/// The kind of an [`Event`], with its details.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum EventKind<'a> {
    /// A process came to be. It has not run yet.
    Fork(Fork),
    /// A process runs a program.
    Exec(Exec<'a>),
    /// A process ends.
    Exit(Exit),
    /// A thread came to be.
    ThreadStart(Fork),
    /// A thread ends that is not the last one of its process.
    ThreadExit(Exit),
    /// A task gets a new name.
    Rename(Rename),
    /// A process was moved to another cgroup.
    Cgroup(CgroupMove<'a>),
    /// A process is killed since memory is short.
    OutOfMemory,
    /// Events were lost.
    Lost(Lost),
    /// Something that this version of the crate does not know.
    Unknown,
}

impl EventKind<'_> {
    /// Returns the name of the kind, in small letters with hyphens.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Fork(_) => "fork",
            Self::Exec(_) => "exec",
            Self::Exit(_) => "exit",
            Self::ThreadStart(_) => "thread-start",
            Self::ThreadExit(_) => "thread-exit",
            Self::Rename(_) => "rename",
            Self::Cgroup(_) => "cgroup",
            Self::OutOfMemory => "oom",
            Self::Lost(_) => "lost",
            Self::Unknown => "unknown",
        }
    }
}

/// The beginning of a process or thread.
#[derive(Clone, Copy, Debug)]
pub struct Fork(uapi::procmon_event_fork);

impl Fork {
    /// Returns the flags `CLONE_*`.
    #[must_use]
    pub fn clone_flags(&self) -> u64 {
        self.0.clone_flags
    }

    /// Returns the start of the parent.
    #[must_use]
    pub fn parent_start(&self) -> BootTime {
        BootTime::from_nanos(self.0.parent_start_time)
    }

    /// Returns the start of the process that has made it.
    #[must_use]
    pub fn creator_start(&self) -> BootTime {
        BootTime::from_nanos(self.0.creator_start_time)
    }

    /// Returns the PID of the process that has made it, which is not always the parent.
    #[must_use]
    #[expect(
        clippy::misnamed_getters,
        reason = "the field of that name is the thread"
    )]
    pub fn creator(&self) -> i32 {
        self.0.creator_tgid
    }

    /// Returns the ID of the thread that has made it.
    #[must_use]
    pub fn creator_tid(&self) -> i32 {
        self.0.creator
    }

    /// Returns the name.
    #[must_use]
    pub fn comm(&self) -> &OsStr {
        uapi::name(&self.0.comm)
    }
}

/// The execution of a program.
#[derive(Clone, Copy, Debug)]
pub struct Exec<'a> {
    raw: uapi::procmon_event_exec,
    file: &'a OsStr,
    arguments: &'a [u8],
}

impl<'a> Exec<'a> {
    fn new(raw: uapi::procmon_event_exec, tail: &'a [u8]) -> Option<Self> {
        let (file, rest) = tail.split_at_checked(raw.name_size as usize)?;
        Some(Self {
            raw,
            file: until_nul(file),
            arguments: rest.get(..raw.args_stored as usize)?,
        })
    }

    /// Returns the name of the program's file, as it was executed.
    #[must_use]
    pub fn file(&self) -> &'a OsStr {
        self.file
    }

    /// Iterates over the arguments. The last one may be cut, or be missing, if the event is marked
    /// as [`EventFlags::TRUNCATED`].
    pub fn arguments(&self) -> impl Iterator<Item = &'a OsStr> + use<'a> {
        arguments::split(self.arguments)
    }

    /// Returns the arguments as bytes, each with a NUL, which the last one may lack.
    #[must_use]
    pub fn arguments_bytes(&self) -> &'a [u8] {
        self.arguments
    }

    /// Returns the size of all arguments in bytes, each with a NUL.
    #[must_use]
    pub fn arguments_size(&self) -> u32 {
        self.raw.args_size
    }

    /// Returns the thread that has executed it, whose ID was not always that of the process.
    #[must_use]
    pub fn old_tid(&self) -> i32 {
        self.raw.old_pid
    }

    /// Returns users and groups.
    #[must_use]
    pub fn credentials(&self) -> Credentials {
        Credentials {
            uid: self.raw.event.uid,
            euid: self.raw.event.euid,
            gid: self.raw.gid,
            egid: self.raw.egid,
        }
    }

    /// Returns the name that the process has from now on.
    #[must_use]
    pub fn comm(&self) -> &OsStr {
        uapi::name(&self.raw.comm)
    }
}

/// The end of a process or thread.
///
/// The values of a process are sums over all its threads, without what it takes to take it down.
#[derive(Clone, Copy, Debug)]
pub struct Exit(uapi::procmon_event_exit);

impl Exit {
    /// Returns the group ID.
    #[must_use]
    pub fn gid(&self) -> u32 {
        self.0.gid
    }

    /// Returns the status, as wait(2) has it.
    #[must_use]
    pub fn status(&self) -> ExitStatus {
        ExitStatus::from_raw(self.0.status)
    }

    /// Returns the time in user space.
    #[must_use]
    pub fn user(&self) -> Duration {
        Duration::from_nanos(self.0.utime)
    }

    /// Returns the time in the kernel.
    #[must_use]
    pub fn system(&self) -> Duration {
        Duration::from_nanos(self.0.stime)
    }

    /// Returns the time on a CPU.
    #[must_use]
    pub fn runtime(&self) -> Duration {
        Duration::from_nanos(self.0.runtime)
    }

    /// Returns the time for which the last thread of the process has waited for a CPU, zero if the
    /// kernel does not count that.
    #[must_use]
    pub fn wait_time(&self) -> Duration {
        Duration::from_nanos(self.0.wait_time)
    }

    /// Returns user and system time of the children that it has waited for, and of those that these
    /// have.
    #[must_use]
    pub fn child_times(&self) -> (Duration, Duration) {
        (
            Duration::from_nanos(self.0.child_utime),
            Duration::from_nanos(self.0.child_stime),
        )
    }

    /// Returns the page faults of these children.
    #[must_use]
    pub fn child_faults(&self) -> Faults {
        Faults {
            minor: self.0.child_minor_faults,
            major: self.0.child_major_faults,
        }
    }

    /// Returns the most memory that was resident at a time in one of these children, in bytes.
    #[must_use]
    pub fn child_max_resident(&self) -> u64 {
        self.0.child_max_rss
    }

    /// Returns the page faults.
    #[must_use]
    pub fn faults(&self) -> Faults {
        Faults {
            minor: self.0.minor_faults,
            major: self.0.major_faults,
        }
    }

    /// Returns the context switches.
    #[must_use]
    pub fn switches(&self) -> Switches {
        Switches {
            voluntary: self.0.voluntary_switches,
            involuntary: self.0.involuntary_switches,
        }
    }

    /// Returns the bytes that were read from and written to block devices.
    #[must_use]
    pub fn io(&self) -> Io {
        Io {
            read: self.0.read_bytes,
            written: self.0.write_bytes,
        }
    }

    /// Returns the most memory that was resident at a time, in bytes.
    #[must_use]
    pub fn max_resident(&self) -> u64 {
        self.0.max_rss
    }

    /// Returns the name.
    #[must_use]
    pub fn comm(&self) -> &OsStr {
        uapi::name(&self.0.comm)
    }
}

/// A new name of a task.
#[derive(Clone, Copy, Debug)]
pub struct Rename(uapi::procmon_event_comm);

impl Rename {
    /// Returns the name that it had before.
    #[must_use]
    pub fn old_comm(&self) -> &OsStr {
        uapi::name(&self.0.old_comm)
    }

    /// Returns the new name.
    #[must_use]
    pub fn comm(&self) -> &OsStr {
        uapi::name(&self.0.comm)
    }
}

/// A move to another cgroup.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct CgroupMove<'a> {
    /// The ID of the new cgroup.
    pub id: u64,
    /// The path of the new cgroup in the unified hierarchy.
    pub path: &'a OsStr,
}

/// Events that were replaced by newer ones before they were read.
#[derive(Clone, Copy, Debug)]
pub struct Lost(uapi::procmon_event_lost);

impl Lost {
    /// Returns the sequence number of the last one. The event itself has that of the first one.
    #[must_use]
    pub fn last(&self) -> u64 {
        self.0.last
    }

    /// Returns the number of those of these classes.
    #[must_use]
    pub fn count(&self, classes: Classes) -> u64 {
        self.0
            .counts
            .iter()
            .zip(0..)
            .filter(|(_, kind)| classes.bits() & (1 << kind) != 0)
            .map(|(count, _)| count)
            .sum()
    }
}
