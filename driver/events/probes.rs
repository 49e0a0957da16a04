// SPDX-License-Identifier: GPL-2.0-only

//! The probes, which write what happens to tasks into the ring of the recorder.

use kernel::{
    pid_namespace::PidNamespace,
    prelude::*,
    sync::{
        atomic::Relaxed,
        rcu, //
    },
    task::{
        CurrentTask,
        Task, //
    }, //
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
    driver::events::{
        recorder::Recorder,
        ring::Record, //
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

/// The largest size of the path of a cgroup, with its NUL: the kernel has one of at most this size.
#[cfg(CONFIG_CGROUPS)]
const CGROUP_PATH_MAX: usize = 1024;

/// Returns the header of an event of a task that happens on a CPU, and the user and group IDs, of
/// which it has two. A task without a parent has been reaped.
#[inline(always)]
fn header_and_ids(
    task: &Task,
    parent: Option<&Task>,
    cpu: u32,
    guard: &rcu::Guard,
) -> (Header, Ids) {
    let pid_ns = PidNamespace::initial();
    let ids = UserNamespace::initial().ids(task, guard);
    let flags = task.flags();

    let header = Header {
        flags: u16::from(flags.is_kernel_thread()) * uapi::PROCMON_EVENT_KTHREAD as u16
            | u16::from(flags.is_worker()) * uapi::PROCMON_EVENT_WORKER as u16,
        start_time: task.leader(guard).start_boottime(),
        tgid: task.tgid_in_ns(pid_ns, guard),
        pid: task.pid(),
        ppid: parent.map_or(0, |parent| parent.tgid_in_ns(pid_ns, guard)),
        cpu,
        uid: ids.uid,
        euid: ids.euid,
        cgroup_id: CgroupNamespace::initial().id_of(task, guard).unwrap_or(0),
        ..Zeroable::zeroed()
    };

    (header, ids)
}

/// Returns the header of an event of a task, which may be another one than the current.
#[inline(always)]
fn header(task: &Task, guard: &rcu::Guard) -> Header {
    header_and_ids(task, task.parent(guard), kernel::current!().cpu(), guard).0
}

/// Returns the header of an event of the current task, which tells whether [`ptrace::is_protected`]
/// holds for it, and the IDs.
#[inline(always)]
fn own_header_and_ids(task: &CurrentTask, guard: &rcu::Guard) -> (Header, Ids) {
    let (mut header, ids) = header_and_ids(task, task.parent(guard), task.cpu(), guard);

    if ptrace::is_protected(task, guard) {
        header.flags |= uapi::PROCMON_EVENT_PROTECTED as u16;
    }
    (header, ids)
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

        if self.wants(kind) {
            self.record_start(kind, event);
        }
    }
}

impl Probe<SchedProcessExec> for Recorder {
    fn call(&self, event: ProcessExec<'_>) {
        if self.wants(uapi::PROCMON_EVENT_EXEC) {
            self.record_exec(event);
        }
    }
}

impl Probe<SchedProcessExit> for Recorder {
    fn call(&self, event: ProcessExit<'_>) {
        let kind = if event.group_dead {
            uapi::PROCMON_EVENT_EXIT
        } else {
            uapi::PROCMON_EVENT_THREAD_EXIT
        };

        if self.wants(kind) {
            self.record_exit(kind, event);
        }
    }
}

/// Apart from the probes, so that these are short if a class is not wanted.
impl Recorder {
    #[inline(never)]
    fn record_start(&self, kind: u32, event: NewTask<'_>) {
        let task = event.task;
        let creator = kernel::current!();

        // The idle thread of a CPU that is coming up is no process.
        if task.pid() == 0 {
            return;
        }

        let mut record = {
            // TIME: RCU is held to read one task, its parent and its creator.
            let guard = rcu::read_lock();
            let parent = task.parent(&guard);

            Fork {
                event: header_and_ids(task, parent, creator.cpu(), &guard).0,
                clone_flags: event.clone_flags,
                parent_start_time: parent
                    .map_or(0, |parent| parent.leader(&guard).start_boottime()),
                creator_start_time: creator.leader(&guard).start_boottime(),
                creator_tgid: creator.tgid_in_ns(PidNamespace::initial(), &guard),
                creator: creator.pid(),
                comm: task.comm(),
            }
        };

        self.push(kind, &mut record, 0, |_, _| 0);
    }

    #[inline(never)]
    fn record_exec(&self, event: ProcessExec<'_>) {
        let task = event.task;
        let arguments = task.mm().map(|mm| mm.arguments()).unwrap_or_default();
        let args_size = arguments.end.saturating_sub(arguments.start);
        let args_max = args_size.min(self.args_max.load(Relaxed) as usize);
        let mut exec = {
            // TIME: RCU is held to read one task and its parent.
            let guard = rcu::read_lock();
            let (header, ids) = own_header_and_ids(task, &guard);

            Exec {
                event: header,
                old_pid: event.old_pid,
                gid: ids.gid,
                egid: ids.egid,
                comm: task.comm(),
                args_size: u32::try_from(args_size).unwrap_or(u32::MAX),
                ..Zeroable::zeroed()
            }
        };

        self.push(
            uapi::PROCMON_EVENT_EXEC,
            &mut exec,
            NAME_MAX.saturating_add(args_max),
            |exec, tail| {
                let mut len = event
                    .file_name
                    .copy_to(tail.get_mut(..NAME_MAX).unwrap_or_default());

                // CAST: Both are at most the largest size of a record.
                exec.name_size = len as u32;

                // The pages were written a moment ago. If not all are there, it is without any.
                if let Some(rest) = tail.get_mut(len..) {
                    let stored = args_max.min(rest.len());
                    let is_read = rest
                        .get_mut(..stored)
                        .is_some_and(|rest| read_arguments(arguments.start, rest));

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

    #[inline(never)]
    fn record_exit(&self, kind: u32, event: ProcessExit<'_>) {
        let task = event.task;
        let is_thread = !event.group_dead;
        let mut record = {
            // TIME: RCU is held to read one task and its parent, and for a process its threads: see
            // `group_usage()`.
            let guard = rcu::read_lock();
            let (header, ids) = own_header_and_ids(task, &guard);
            let record = Exit {
                event: header,
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

/// Reads the arguments of a program. Returns whether all of them are there.
///
/// The kernel checks the memory that they are to be in: it knows the stack, and has to look other
/// memory up. So short arguments come by the stack.
fn read_arguments(from: usize, to: &mut [u8]) -> bool {
    let from = UserPtr::from_addr(from);
    let mut short = [0; 256];

    match short.get_mut(..to.len()) {
        Some(short) => {
            let is_read = read_user_nofault(from, short);

            // They are as long as each other, which the compiler does not see.
            if is_read && to.len() == short.len() {
                to.copy_from_slice(short);
            }
            is_read
        }
        None => read_user_nofault(from, to),
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

impl Probe<TaskRename> for Recorder {
    fn call(&self, event: Rename<'_>) {
        if !self.wants(uapi::PROCMON_EVENT_COMM) {
            return;
        }

        let mut comm = [0; TASK_COMM_LEN];

        event.comm.copy_to(&mut comm);

        let mut record = {
            // TIME: RCU is held to read one task.
            let guard = rcu::read_lock();

            Comm {
                event: header(event.task, &guard),
                old_comm: event.task.comm(),
                comm,
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

        self.push(
            uapi::PROCMON_EVENT_CGROUP,
            &mut record,
            CGROUP_PATH_MAX,
            |_, tail| event.path.copy_to(tail),
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
