// SPDX-License-Identifier: GPL-2.0

//! What is told about many processes at once.

use core::{
    mem::offset_of,
    ops::ControlFlow, //
};

use kernel::{
    page::PAGE_SIZE,
    pid_namespace::PidNamespace,
    prelude::*,
    sync::rcu,
    task::{
        CurrentTask,
        Pid,
        Task, //
    }, //
};

use crate::{
    abstractions::{
        cgroup::CgroupNamespace,
        compat::zeroed_vec,
        cred::UserNamespace,
        pid::{
            for_each_task,
            Budget,
            PidNamespaceExt,
            TaskIds,
            TaskKind,
            Walk, //
        },
        ptrace,
        task::{
            cond_resched,
            cputime::Times,
            exec::ExecId,
            usage::TaskAccounting,
            TaskExt, //
        },
        time::{
            boottime,
            TimeNamespace, //
        },
        uaccess::{
            read_user_struct,
            write_user, //
        }, //
    },
    driver::{
        backoff::Patience,
        user_array::Output, //
    },
    uapi::{
        self,
        procmon_record as Record,
        procmon_snapshot as Arguments, //
    }, //
};

const GROUPS: u32 = uapi::PROCMON_GROUP_BASIC
    | uapi::PROCMON_GROUP_CPU
    | uapi::PROCMON_GROUP_CREDS
    | uapi::PROCMON_GROUP_FAULTS
    | uapi::PROCMON_GROUP_MEM
    | uapi::PROCMON_GROUP_SCHED
    | uapi::PROCMON_GROUP_IO
    | uapi::PROCMON_GROUP_CGROUP
    | uapi::PROCMON_GROUP_RUNTIME;

const FLAGS: u32 = uapi::PROCMON_SNAPSHOT_THREADS
    | uapi::PROCMON_SNAPSHOT_NO_KTHREADS
    | uapi::PROCMON_SNAPSHOT_BY_UID
    | uapi::PROCMON_SNAPSHOT_BY_PPID
    | uapi::PROCMON_SNAPSHOT_BY_TGID;

/// Flags that leave tasks out.
const FILTERS: u32 = FLAGS & !uapi::PROCMON_SNAPSHOT_THREADS;

/// What `PROCMON_INFO` gives.
pub(crate) const INFO: uapi::procmon_info = uapi::procmon_info {
    abi_version: uapi::PROCMON_ABI_VERSION,
    groups: GROUPS,
    snapshot_flags: FLAGS,
    snapshot_size: size_of::<Arguments>() as u32,
    record_size: size_of::<Record>() as u32,
    max_stride: PAGE_SIZE as u32,
    sample_size: size_of::<uapi::procmon_sample>() as u32,
    history_size: size_of::<uapi::procmon_history>() as u32,
};

/// How many records are collected before they are copied to user space, while RCU is held.
const BATCH: usize = 64;

/// How many IDs and threads are visited while RCU is held. A process of more threads is visited by
/// itself.
const VISITS: usize = 1024;

/// The groups that are summed up over all threads of a process.
const USAGE: u32 = uapi::PROCMON_GROUP_CPU
    | uapi::PROCMON_GROUP_FAULTS
    | uapi::PROCMON_GROUP_SCHED
    | uapi::PROCMON_GROUP_IO
    | uapi::PROCMON_GROUP_RUNTIME;

/// A stride has to have room for the group that is always there.
const MIN_STRIDE: usize = offset_of!(Record, cpu).next_multiple_of(align_of::<Record>());

/// The end of each group's fields in a record.
const GROUP_ENDS: [(u32, usize); 8] = [
    (uapi::PROCMON_GROUP_CPU, offset_of!(Record, uid)),
    (uapi::PROCMON_GROUP_CREDS, offset_of!(Record, minor_faults)),
    (uapi::PROCMON_GROUP_FAULTS, offset_of!(Record, vsize)),
    (
        uapi::PROCMON_GROUP_MEM,
        offset_of!(Record, voluntary_switches),
    ),
    (uapi::PROCMON_GROUP_SCHED, offset_of!(Record, read_bytes)),
    (uapi::PROCMON_GROUP_IO, offset_of!(Record, cgroup_id)),
    (uapi::PROCMON_GROUP_CGROUP, offset_of!(Record, runtime)),
    (uapi::PROCMON_GROUP_RUNTIME, size_of::<Record>()),
];

/// Returns the groups that a record of a size has room for, besides the one that is always there.
pub(crate) fn room_for(size: usize) -> u32 {
    GROUP_ENDS
        .into_iter()
        .filter(|&(_, end)| end <= size)
        .fold(0, |room, (group, _)| room | group)
}

/// What is wanted of whom.
pub(crate) struct Request<'a> {
    caller: &'a CurrentTask,
    pid_ns: &'a PidNamespace,
    user_ns: UserNamespace<'a>,
    cgroup_ns: CgroupNamespace<'a>,
    time_ns: TimeNamespace,
    /// Those groups that are wanted and that there is room for.
    groups: u32,
    flags: u32,
    uid: u32,
    ppid: Pid,
    tgid: Pid,
    /// Whether the caller may see everybody's IO.
    sees_all: bool,
}

/// Whether a task still is what its ID stands for.
enum Presence {
    /// It is.
    Here,
    /// Its process lives on, perhaps with another thread as its leader.
    Replaced,
    /// The process has been waited for.
    Gone,
}

/// Why there are no more records for the moment.
enum Stop {
    /// There are no more.
    End,
    /// It goes on with this ID.
    At(Pid),
    /// It goes on with this ID, and the process is executing a program.
    Again(Pid),
}

impl<'a> Request<'a> {
    fn new(arguments: &Arguments, caller: &'a CurrentTask) -> Result<Self> {
        let Arguments {
            flags,
            groups,
            cursor,
            stride,
            capacity,
            uid,
            ppid,
            tgid,
            ..
        } = *arguments;
        let is_unused = |flag, value| flags & flag == 0 && value != 0;
        let stride_is_good = (MIN_STRIDE..=PAGE_SIZE).contains(&(stride as usize))
            && stride % (align_of::<Record>() as u32) == 0;

        // CAST: Only whether they are zero matters.
        if flags & !FLAGS != 0
            || groups & !GROUPS != 0
            || cursor < 0
            || capacity == 0
            || !stride_is_good
            || is_unused(uapi::PROCMON_SNAPSHOT_BY_UID, uid)
            || is_unused(uapi::PROCMON_SNAPSHOT_BY_PPID, ppid as u32)
            || is_unused(uapi::PROCMON_SNAPSHOT_BY_TGID, tgid as u32)
        {
            return Err(EINVAL);
        }

        let groups = groups & room_for(stride as usize) | uapi::PROCMON_GROUP_BASIC;

        Ok(Self {
            caller,
            pid_ns: caller.active_pid_ns().ok_or(ESRCH)?,
            user_ns: UserNamespace::of_caller(caller),
            cgroup_ns: CgroupNamespace::of_caller(caller),
            time_ns: TimeNamespace::of_caller(caller),
            groups,
            flags,
            uid,
            ppid,
            tgid,
            sees_all: groups & uapi::PROCMON_GROUP_IO != 0 && ptrace::caller_may_trace_all(),
        })
    }

    /// Creates a request for all about any process, by a thread of the kernel that may know it.
    pub(crate) fn of_monitor(thread: &'a CurrentTask) -> Self {
        Self {
            caller: thread,
            pid_ns: PidNamespace::initial(),
            user_ns: UserNamespace::of_caller(thread),
            cgroup_ns: CgroupNamespace::initial(),
            time_ns: TimeNamespace::INITIAL,
            groups: GROUPS,
            flags: 0,
            uid: 0,
            ppid: 0,
            tgid: 0,
            sees_all: true,
        }
    }

    /// Looks for one process. Sleeps if it is executing a program, but not for long.
    pub(crate) fn find(&self, pid: Pid) -> Option<Record> {
        let mut records = [Zeroable::zeroed()];
        let mut patience = Patience::new();

        // TIME: As often as the patience allows. Then it is described as it is.
        loop {
            let (count, stop) = self.fill(pid, &mut records, &patience);
            let [record] = records;

            // What is filled in and what is stopped at may be the next process as well.
            match stop {
                _ if count == 1 && record.pid == pid => return Some(record),
                Stop::Again(nr) if nr == pid => patience.wait_for(pid),
                _ => return None,
            }
        }
    }

    fn has(&self, flag: u32) -> bool {
        self.flags & flag != 0
    }

    fn wants(&self, group: u32) -> bool {
        self.groups & group != 0
    }

    /// Fills in records of tasks from an ID on. Returns how many.
    fn fill(&self, first: Pid, records: &mut [Record], patience: &Patience) -> (usize, Stop) {
        if self.has(uapi::PROCMON_SNAPSHOT_THREADS) {
            self.fill_with::<true>(first, records, patience)
        } else {
            self.fill_with::<false>(first, records, patience)
        }
    }

    #[inline(never)]
    fn fill_with<const THREADS: bool>(
        &self,
        first: Pid,
        records: &mut [Record],
        patience: &Patience,
    ) -> (usize, Stop) {
        // TIME: RCU is held for as many visits as the budget has, or for one process.
        let guard = rcu::read_lock();
        let room = records.len();
        let mut free = records.iter_mut();
        let mut is_last_good = true;

        let kind = if THREADS {
            TaskKind::Thread
        } else {
            TaskKind::Process
        };
        let budget = Budget::new(VISITS);
        let walk = for_each_task(
            self.pid_ns,
            kind,
            first,
            budget,
            &guard,
            |nr, task, budget| {
                if free.len() == 0 {
                    return ControlFlow::Break(Stop::At(nr));
                }

                let exec = ExecId::of(task);

                // Whom nobody has asked for is not waited for.
                if self.flags & FILTERS != 0 && !self.lets_pass(task, &guard) {
                    return ControlFlow::Continue(());
                }
                if !THREADS && !budget.take_threads(self.visits(task)) {
                    return ControlFlow::Break(Stop::At(nr));
                }

                let may_be_mixed = patience.exhausted_by() == Some(nr);

                if exec.is_none() && !may_be_mixed {
                    return ControlFlow::Break(Stop::Again(nr));
                }

                let Some(record) = free.next() else {
                    return ControlFlow::Break(Stop::At(nr));
                };
                let presence = self.describe::<THREADS>(nr, task, record, &guard);
                let is_whole = matches!(presence, Presence::Here)
                    && exec.is_some_and(|exec| exec.is_still(task));

                if is_whole {
                    return ControlFlow::Continue(());
                }
                if may_be_mixed && !matches!(presence, Presence::Gone) {
                    record.flags |= uapi::PROCMON_TASK_MIXED;
                    return ControlFlow::Continue(());
                }
                is_last_good = false;
                ControlFlow::Break(match presence {
                    Presence::Here | Presence::Replaced => Stop::Again(nr),
                    Presence::Gone => Stop::At(nr.wrapping_add(1)),
                })
            },
        );
        let stop = match walk {
            Walk::End => Stop::End,
            Walk::Pause(nr) => Stop::At(nr),
            Walk::Break(stop) => stop,
        };
        let used = room.wrapping_sub(free.len());

        (used.wrapping_sub(usize::from(!is_last_good)), stop)
    }

    /// Returns how many threads are visited to describe the process of a task.
    #[inline(always)]
    fn visits(&self, task: &Task) -> usize {
        if self.wants(USAGE) {
            task.thread_count() as usize
        } else {
            0
        }
    }

    /// Whether there is to be a record of a task, if it still is there.
    #[inline(never)]
    fn lets_pass(&self, task: &Task, guard: &rcu::Guard) -> bool {
        !(self.has(uapi::PROCMON_SNAPSHOT_NO_KTHREADS) && task.flags().is_kernel_thread()
            || self.has(uapi::PROCMON_SNAPSHOT_BY_TGID)
                && task.process_nr_in(self.pid_ns, guard) != self.tgid
            || self.has(uapi::PROCMON_SNAPSHOT_BY_PPID)
                && task
                    .parent_nr_in(self.pid_ns, guard)
                    .is_some_and(|ppid| ppid != self.ppid)
            || self.has(uapi::PROCMON_SNAPSHOT_BY_UID)
                && self.user_ns.uid(task, guard) != Some(self.uid))
    }

    /// Fills in a record. It is of use only if the task was still there after that.
    #[inline(always)]
    fn describe<const THREADS: bool>(
        &self,
        pid: Pid,
        task: &Task,
        record: &mut Record,
        guard: &rcu::Guard,
    ) -> Presence {
        let flags = task.flags();

        record.groups = self.groups;
        record.pid = pid;
        record.tgid = if THREADS {
            task.process_nr_in(self.pid_ns, guard)
        } else {
            pid
        };
        // CAST: The states are single bits far below the sign.
        record.state = task.reported_state() as c_int;
        record.flags = u32::from(flags.is_kernel_thread()) * uapi::PROCMON_TASK_KTHREAD
            | u32::from(flags.is_exiting()) * uapi::PROCMON_TASK_EXITING;
        record.comm = task.comm();

        if self.wants(uapi::PROCMON_GROUP_SCHED | uapi::PROCMON_GROUP_IO) {
            self.describe_usage::<THREADS, true>(task, record, guard);
        } else if self.wants(USAGE) {
            self.describe_usage::<THREADS, false>(task, record, guard);
        }
        if self.wants(uapi::PROCMON_GROUP_CREDS) {
            let ids = self.user_ns.ids(task, guard);

            record.uid = ids.uid;
            record.euid = ids.euid;
            record.gid = ids.gid;
            record.egid = ids.egid;
        }
        if self.wants(uapi::PROCMON_GROUP_MEM) {
            let is_there = task.with_memory(|memory| {
                let resident = memory.resident();

                record.vsize = memory.virtual_size() as u64;
                record.rss_anon = resident.anon;
                record.rss_file = resident.file;
                record.rss_shmem = resident.shmem;
            });

            if is_there.is_none() {
                record.groups &= !uapi::PROCMON_GROUP_MEM;
                record.vsize = 0;
                record.rss_anon = 0;
                record.rss_file = 0;
                record.rss_shmem = 0;
            }
        }
        if self.wants(uapi::PROCMON_GROUP_CGROUP) {
            match self.cgroup_ns.id_of(task, guard) {
                Some(id) => record.cgroup_id = id,
                None => {
                    record.cgroup_id = 0;
                    record.groups &= !uapi::PROCMON_GROUP_CGROUP;
                }
            }
        }

        // The last thread is counted off before it loses its ID.
        record.threads = task.thread_count();
        if record.threads == 0 {
            return Presence::Gone;
        }

        match task.parent_nr_in(self.pid_ns, guard) {
            Some(ppid) => {
                record.ppid = ppid;
                Presence::Here
            }
            None => {
                record.ppid = 0;
                Presence::Replaced
            }
        }
    }

    /// Fills in what is counted for each thread, and what belongs to the same groups.
    #[inline(always)]
    fn describe_usage<const THREADS: bool, const ALL: bool>(
        &self,
        task: &Task,
        record: &mut Record,
        guard: &rcu::Guard,
    ) {
        let usage = if THREADS {
            task.usage::<ALL>()
        } else {
            task.group_usage::<ALL>(guard)
        };

        if self.wants(uapi::PROCMON_GROUP_CPU) {
            let times = if THREADS {
                Times::of_thread(task)
            } else {
                task.group_times(&usage)
            };

            record.cpu = task.cpu();
            record.utime = times.user;
            record.stime = times.system;
            record.start_time = self.time_ns.show(task.start_boottime());
            record.nice = task.nice();
            record.policy = task.policy();
        }
        if self.wants(uapi::PROCMON_GROUP_FAULTS) {
            record.minor_faults = usage.minor_faults;
            record.major_faults = usage.major_faults;
        }
        if self.wants(uapi::PROCMON_GROUP_RUNTIME) {
            record.runtime = usage.runtime;
        }
        if ALL && self.wants(uapi::PROCMON_GROUP_SCHED) {
            record.voluntary_switches = usage.voluntary_switches;
            record.involuntary_switches = usage.involuntary_switches;
        }
        if ALL && self.wants(uapi::PROCMON_GROUP_IO) {
            if self.sees_all || ptrace::is_same_process(self.caller, task) {
                record.read_bytes = usage.read_bytes;
                record.write_bytes = usage.write_bytes;
            } else {
                record.read_bytes = 0;
                record.write_bytes = 0;
                record.groups &= !uapi::PROCMON_GROUP_IO;
            }
        }
    }
}

/// Handles `PROCMON_SNAPSHOT`.
///
/// # Errors
///
/// - `E2BIG` if something is set in the arguments that is not known here.
/// - `EFAULT` if the arguments cannot be read or written, or not even one record be written.
/// - `EINTR` if a fatal signal comes before the first record.
/// - `EINVAL` if an argument is not as it should be.
/// - `ENOMEM` if there is no memory.
#[inline(never)]
pub(crate) fn snapshot(arg: UserPtr) -> Result {
    let mut arguments: Arguments = read_user_struct(arg)?;
    let time = boottime();
    let caller = kernel::current!();
    let request = Request::new(&arguments, caller)?;
    let batch = BATCH.min(arguments.capacity as usize);
    let mut records = zeroed_vec(batch, GFP_KERNEL)?;
    let mut output = Output::new(arguments.records, arguments.stride, arguments.capacity)?;
    let mut patience = Patience::new();
    let mut next = arguments.cursor;

    // TIME: Each round gives at least one record, ends, looks at one process again for which there
    // is little patience, or has spent the budget on other IDs, of which there is a limit.
    let failed = loop {
        let room = batch.min(output.left() as usize);
        let batch = records.get_mut(..room).unwrap_or_default();
        let (count, stop) = request.fill(next, batch, &patience);
        let filled = records.get(..count).unwrap_or_default();

        let written = output.write(filled);

        if let Some(record) = filled.get(written) {
            next = record.pid;
            break Some(EFAULT);
        }
        match stop {
            Stop::End => {
                next = 0;
                break None;
            }
            Stop::At(nr) => next = nr,
            Stop::Again(nr) => {
                next = nr;
                patience.wait_for(nr);
            }
        }
        if output.left() == 0 {
            break None;
        }
        if caller.fatal_signal_pending() {
            break Some(EINTR);
        }
        cond_resched();
    };

    arguments.count = arguments.capacity.wrapping_sub(output.left());
    if let (0, Some(error)) = (arguments.count, failed) {
        return Err(error);
    }
    arguments.groups = request.groups;
    arguments.cursor = next;
    arguments.time = request.time_ns.show(time);
    write_user(arg, &arguments)
}
