// SPDX-License-Identifier: GPL-2.0

//! The recorder: probes that write what happens to tasks into the ring.

use kernel::{
    new_poll_condvar,
    new_spinlock,
    page::PAGE_SIZE,
    pid_namespace::PidNamespace,
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        poll::PollCondVar,
        rcu,
        SpinLock, //
    },
    task::Task, //
};

#[cfg(CONFIG_CGROUPS)]
use crate::{
    abstractions::tracepoint::events::{
        AttachTask,
        CgroupAttachTask, //
    },
    uapi::procmon_event_cgroup as Cgroup, //
};
use crate::{
    abstractions::{
        cgroup::CgroupNamespace,
        cred::{
            Ids,
            UserNamespace, //
        },
        mm::MmExt,
        pid_namespace::PidNamespaceExt,
        ptrace,
        task::{
            cputime::{
                Clock,
                Times, //
            },
            exit::TaskExitExt,
            usage::Usage,
            TaskExt,
            TASK_COMM_LEN, //
        },
        time::ktime_get_boottime_ns,
        tracepoint::{
            events::{
                MarkVictim,
                NewTask,
                ProcessExec,
                ProcessExit,
                Rename,
                SchedProcessExec,
                SchedProcessExit,
                TaskNewtask,
                TaskRename,
                Victim, //
            },
            Probe, //
        },
        uaccess::read_user_nofault, //
    },
    driver::events::ring::{
        Cursor,
        Record,
        Ring, //
    },
    uapi::{
        self,
        procmon_event as Header,
        procmon_event_comm as Comm,
        procmon_event_exec as Exec,
        procmon_event_exit as Exit,
        procmon_event_fork as Fork, //
    }, //
};

/// The largest size of the name of a program's file that is recorded, with its NUL.
const NAME_MAX: usize = 256;

/// The ring, and what its writers have to know of its readers.
pub(crate) struct Shared {
    /// None until an event was wanted for the first time.
    pub(crate) ring: Option<Ring>,
    /// The number of bytes since the ring was empty at which a reader wants to be woken.
    pub(crate) wake_at: u64,
}

/// Writes events into the ring.
#[pin_data]
pub(crate) struct Recorder {
    /// The ring.
    #[pin]
    pub(crate) shared: SpinLock<Shared>,
    /// Notified when a reader wants to be woken.
    #[pin]
    pub(crate) arrived: PollCondVar,
    /// The classes that anybody wants.
    wanted: Atomic<u32>,
    /// The largest size of arguments that anybody wants.
    args_max: Atomic<u32>,
}

impl Recorder {
    /// Creates a recorder without a ring.
    pub(crate) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            shared <- new_spinlock!(
                Shared {
                    ring: None,
                    wake_at: u64::MAX,
                },
                "Recorder::shared"
            ),
            arrived <- new_poll_condvar!("Recorder::arrived"),
            wanted: Atomic::new(0),
            args_max: Atomic::new(0),
        })
    }

    /// Sets what is recorded from now on.
    pub(crate) fn want(&self, classes: u32, args_max: u32) {
        // ORDERING: The caller takes the lock of the ring twice before it returns to user space,
        // and a task takes locks before `wants()`: what happens after the return is recorded. See
        // `tests/litmus/subscribe.litmus`.
        self.args_max.store(args_max, Relaxed);
        self.wanted.store(classes, Relaxed);
    }

    /// Returns a place in the ring, the first one before there is a ring.
    pub(super) fn cursor(&self, place: impl FnOnce(&Ring) -> Cursor) -> Cursor {
        // TIME: The lock is held for a copy of a cursor.
        self.shared
            .lock()
            .ring
            .as_ref()
            .map_or_else(Cursor::default, place)
    }

    #[inline(always)]
    fn wants(&self, kind: u32) -> bool {
        self.wanted.load(Relaxed) & 1u32.wrapping_shl(kind) != 0
    }

    /// Adds a record to the ring, with the time of this moment, and wakes readers if they want
    /// that.
    ///
    /// TIME: The lock is held for one record, and for the oldest ones that give way to it. It
    /// is not held while anything waits.
    #[inline(always)]
    fn push<T: Record>(
        &self,
        kind: u32,
        record: &mut T,
        room: usize,
        fill: impl FnOnce(&mut T, &mut [u8]) -> usize,
    ) {
        let mut shared = self.shared.lock();
        let Some(ring) = &mut shared.ring else {
            return;
        };

        // With the lock held, so that times are in the order of the records.
        // CAST: There are few types.
        ring.push(kind as u8, ktime_get_boottime_ns(), record, room, fill);
        if ring.end() >= shared.wake_at {
            shared.wake_at = u64::MAX;
            drop(shared);
            self.arrived.notify_all();
        }
    }
}

/// Returns the header of an event of a task, and the user and group IDs, of which it has two.
#[inline(always)]
fn header_and_ids(task: &Task, guard: &rcu::Guard) -> (Header, Ids) {
    let pid_ns = PidNamespace::initial();
    let ids = UserNamespace::initial().ids(task, guard);
    let flags = task.flags();

    let header = Header {
        flags: u16::from(flags.is_kernel_thread()) * uapi::PROCMON_EVENT_KTHREAD as u16
            | u16::from(flags.is_worker()) * uapi::PROCMON_EVENT_WORKER as u16,
        start_time: task.leader(guard).start_boottime(),
        tgid: task.tgid_in_ns(pid_ns, guard),
        pid: task.pid(),
        ppid: task.ppid_in_ns(pid_ns, guard).unwrap_or(0),
        cpu: kernel::current!().cpu(),
        uid: ids.uid,
        euid: ids.euid,
        cgroup_id: CgroupNamespace::initial().id_of(task, guard).unwrap_or(0),
        ..Zeroable::zeroed()
    };

    (header, ids)
}

/// Returns the header of an event of a task.
#[inline(always)]
fn header(task: &Task, guard: &rcu::Guard) -> Header {
    header_and_ids(task, guard).0
}

/// Returns the flag of the current task for [`ptrace::is_protected`].
#[inline(always)]
fn protected() -> u16 {
    u16::from(ptrace::is_protected(kernel::current!())) * uapi::PROCMON_EVENT_PROTECTED as u16
}

impl Record for Fork {
    fn header(&mut self) -> &mut Header {
        &mut self.event
    }
}

impl Record for Exec {
    fn header(&mut self) -> &mut Header {
        &mut self.event
    }
}

impl Record for Exit {
    fn header(&mut self) -> &mut Header {
        &mut self.event
    }
}

#[cfg(CONFIG_CGROUPS)]
impl Record for Cgroup {
    fn header(&mut self) -> &mut Header {
        &mut self.event
    }
}

impl Record for Comm {
    fn header(&mut self) -> &mut Header {
        &mut self.event
    }
}

impl Probe<TaskNewtask> for Recorder {
    fn call(&self, event: NewTask<'_>) {
        let kind = if event.clone_flags & u64::from(kernel::uapi::CLONE_THREAD) == 0 {
            uapi::PROCMON_EVENT_FORK
        } else {
            uapi::PROCMON_EVENT_THREAD_START
        };

        // The idle thread of a CPU that is coming up is no process.
        if !self.wants(kind) || event.task.pid() == 0 {
            return;
        }

        let mut record = {
            // TIME: RCU is held to read one task and its parent.
            let guard = rcu::read_lock();

            Fork {
                event: header(event.task, &guard),
                clone_flags: event.clone_flags,
                parent_start_time: event
                    .task
                    .parent(&guard)
                    .map_or(0, |parent| parent.leader(&guard).start_boottime()),
                creator_start_time: kernel::current!().leader(&guard).start_boottime(),
                creator_tgid: kernel::current!().tgid_in_ns(PidNamespace::initial(), &guard),
                creator: kernel::current!().pid(),
                comm: event.task.comm(),
            }
        };

        self.push(kind, &mut record, 0, |_, _| 0);
    }
}

impl Probe<SchedProcessExec> for Recorder {
    fn call(&self, event: ProcessExec<'_>) {
        if !self.wants(uapi::PROCMON_EVENT_EXEC) {
            return;
        }

        let task = event.task;
        let protected = protected();
        let mut exec = {
            // TIME: RCU is held to read one task and its parent.
            let guard = rcu::read_lock();
            let (header, ids) = header_and_ids(task, &guard);

            Exec {
                event: Header {
                    flags: header.flags | protected,
                    ..header
                },
                old_pid: event.old_pid,
                gid: ids.gid,
                egid: ids.egid,
                comm: task.comm(),
                ..Zeroable::zeroed()
            }
        };
        let (arguments, name) = task
            .with_mm(|mm| (mm.arguments(), mm.file_name()))
            .unwrap_or_default();
        let args_size = arguments.end.saturating_sub(arguments.start);
        let args_max = args_size.min(self.args_max.load(Relaxed) as usize);

        exec.args_size = u32::try_from(args_size).unwrap_or(u32::MAX);
        self.push(
            uapi::PROCMON_EVENT_EXEC,
            &mut exec,
            NAME_MAX.saturating_add(args_max),
            |exec, tail| {
                let mut len = read_name(name, tail);

                // CAST: Both are at most the largest size of a record.
                exec.name_size = len as u32;

                // The pages were written a moment ago. If not all are there, it is without any.
                if let Some(rest) = tail.get_mut(len..) {
                    let stored = args_max.min(rest.len());
                    let is_read = rest.get_mut(..stored).is_some_and(|rest| {
                        read_user_nofault(UserPtr::from_addr(arguments.start), rest)
                    });

                    if is_read {
                        exec.args_stored = stored as u32;
                        len = len.saturating_add(stored);
                    }
                }
                if exec.args_stored < exec.args_size {
                    exec.event.flags |= uapi::PROCMON_EVENT_TRUNCATED as u16;
                }
                len
            },
        );
    }
}

/// Reads the name of a program's file. Returns its size with its NUL, or 0 if it cannot be read.
///
/// The name is at the end of the stack, so no byte is read beyond the page that it ends in.
fn read_name(name: usize, to: &mut [u8]) -> usize {
    const PIECE: usize = 64;

    let to = to.get_mut(..NAME_MAX).unwrap_or_default();
    let mut len = 0usize;

    // TIME: At most `NAME_MAX` bytes, and each round reads at least one of them.
    while len < to.len() {
        let from = name.wrapping_add(len);
        let in_page = PAGE_SIZE.wrapping_sub(from % PAGE_SIZE);
        let end = len.saturating_add(PIECE.min(in_page)).min(to.len());
        let Some(piece) = to.get_mut(len..end) else {
            return 0;
        };

        if !read_user_nofault(UserPtr::from_addr(from), piece) {
            return 0;
        }
        if let Some((_, last)) = piece.iter().zip(len..end).find(|(byte, _)| **byte == 0) {
            return last.saturating_add(1);
        }
        len = end;
    }
    // It is longer.
    if let Some(last) = to.last_mut() {
        *last = 0;
    }
    len
}

impl Probe<SchedProcessExit> for Recorder {
    fn call(&self, event: ProcessExit<'_>) {
        let is_thread = !event.group_dead;
        let kind = if is_thread {
            uapi::PROCMON_EVENT_THREAD_EXIT
        } else {
            uapi::PROCMON_EVENT_EXIT
        };

        if !self.wants(kind) {
            return;
        }

        let task = event.task;
        let protected = protected();
        let mut record = {
            // TIME: RCU is held to read one task and its parent, and for a process its threads: see
            // `group_usage()`.
            let guard = rcu::read_lock();
            let (header, ids) = header_and_ids(task, &guard);
            let record = Exit {
                event: Header {
                    flags: header.flags | protected,
                    ..header
                },
                gid: ids.gid,
                status: task.exit_status(event.group_dead),
                max_rss: task.max_rss(),
                wait_time: task.run_delay(),
                comm: if is_thread {
                    task.comm()
                } else {
                    task.leader(&guard).comm()
                },
                ..Zeroable::zeroed()
            };
            let clock = Clock::of_system();

            if is_thread {
                let usage = task.usage(clock);

                with_usage(record, &usage, usage.runtime(), |_| Times::of_thread(task))
            } else {
                let children = task.child_usage();
                let record = Exit {
                    child_utime: children.times.user,
                    child_stime: children.times.system,
                    child_minor_faults: children.minor_faults,
                    child_major_faults: children.major_faults,
                    child_max_rss: children.max_rss,
                    ..record
                };
                let usage = task.group_usage(true, clock, &guard);
                let times = |runtime| task.group_times(&usage, runtime);

                with_usage(record, &usage, usage.runtime(), times)
            }
        };

        self.push(kind, &mut record, 0, |_, _| 0);
    }
}

/// Adds the usage of a task or process to the record of its exit.
#[inline(always)]
fn with_usage(
    record: Exit,
    usage: &impl Usage,
    runtime: u64,
    times: impl FnOnce(u64) -> Times,
) -> Exit {
    let times = times(runtime);

    Exit {
        utime: times.user,
        stime: times.system,
        runtime,
        minor_faults: usage.minor_faults(),
        major_faults: usage.major_faults(),
        voluntary_switches: usage.voluntary_switches(),
        involuntary_switches: usage.involuntary_switches(),
        read_bytes: usage.read_bytes(),
        write_bytes: usage.write_bytes(),
        ..record
    }
}

/// Returns as much of a name as a task keeps.
fn name(comm: &[u8]) -> [c_char; TASK_COMM_LEN] {
    let mut name = [0; TASK_COMM_LEN];
    // The last one is the NUL.
    if let Some((_, places)) = name.split_last_mut() {
        for (to, from) in places.iter_mut().zip(comm) {
            *to = *from;
        }
    }
    name
}

impl Probe<TaskRename> for Recorder {
    fn call(&self, event: Rename<'_>) {
        if !self.wants(uapi::PROCMON_EVENT_COMM) {
            return;
        }

        let mut record = {
            // TIME: RCU is held to read one task.
            let guard = rcu::read_lock();

            Comm {
                event: header(event.task, &guard),
                old_comm: event.task.comm(),
                comm: name(event.comm),
            }
        };

        self.push(uapi::PROCMON_EVENT_COMM, &mut record, 0, |_, _| 0);
    }
}

#[cfg(CONFIG_CGROUPS)]
impl Probe<CgroupAttachTask> for Recorder {
    fn call(&self, event: AttachTask<'_>) {
        // Moves within the hierarchies of cgroup v1 are none for a record.
        if !self.wants(uapi::PROCMON_EVENT_CGROUP) || !event.is_unified {
            return;
        }

        let mut record = {
            // TIME: RCU is held to read one task.
            let guard = rcu::read_lock();

            Cgroup {
                event: header(event.task, &guard),
                new_cgroup_id: event.id,
            }
        };
        let path = event.path;

        self.push(
            uapi::PROCMON_EVENT_CGROUP,
            &mut record,
            path.len().saturating_add(1),
            |_, tail| {
                // With its NUL, and cut to what a record takes.
                let len = path.len().min(tail.len().saturating_sub(1));

                for (to, from) in tail.iter_mut().zip(path) {
                    *to = *from;
                }
                match tail.get_mut(len) {
                    Some(last) => {
                        *last = 0;
                        len.saturating_add(1)
                    }
                    None => 0,
                }
            },
        );
    }
}

impl Probe<MarkVictim> for Recorder {
    fn call(&self, event: Victim<'_>) {
        if !self.wants(uapi::PROCMON_EVENT_OOM) {
            return;
        }

        let mut record = {
            // TIME: RCU is held to read one task.
            let guard = rcu::read_lock();

            header(event.task, &guard)
        };

        self.push(uapi::PROCMON_EVENT_OOM, &mut record, 0, |_, _| 0);
    }
}
