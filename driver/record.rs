// SPDX-License-Identifier: GPL-2.0-only

//! Records: one task described as a `struct procmon_record`.

use core::mem::offset_of;

use kernel::{
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
        cred::UserNamespace,
        mm::{
            MmExt,
            Rss, //
        },
        pid_namespace::PidNamespaceExt,
        ptrace,
        task::{
            cputime::{
                Clock,
                Times, //
            },
            prefetch::Parts,
            usage::Usage,
            TaskExt, //
        },
        time_namespace::TimeNamespace, //
    },
    driver::hidepid::{
        Restriction,
        View, //
    },
    uapi::{
        self,
        procmon_record as Record, //
    }, //
};

/// A field group of a record.
struct Group {
    /// One of `PROCMON_GROUP_*`.
    bit: u32,
    /// Offset of the end of its fields.
    end: usize,
    /// Whether its fields of a process are sums over all threads.
    is_summed: bool,
}

impl Group {
    const fn new(bit: u32, end: usize) -> Self {
        Self {
            bit,
            end,
            is_summed: false,
        }
    }

    const fn summed(bit: u32, end: usize) -> Self {
        Self {
            bit,
            end,
            is_summed: true,
        }
    }

    /// Returns the mask of all groups, or of the summed ones only.
    const fn mask(summed_only: bool) -> u32 {
        let mut mask = 0;
        let mut index = 0;

        while index < GROUPS.len() {
            if GROUPS[index].is_summed || !summed_only {
                mask |= GROUPS[index].bit;
            }
            index += 1;
        }
        mask
    }
}

/// The field groups, in the order of their fields. All masks and sizes derive from this table.
const GROUPS: [Group; 9] = [
    Group::new(uapi::PROCMON_GROUP_BASIC, offset_of!(Record, cpu)),
    Group::summed(uapi::PROCMON_GROUP_CPU, offset_of!(Record, uid)),
    Group::new(uapi::PROCMON_GROUP_CREDS, offset_of!(Record, minor_faults)),
    Group::summed(uapi::PROCMON_GROUP_FAULTS, offset_of!(Record, vsize)),
    Group::new(
        uapi::PROCMON_GROUP_MEM,
        offset_of!(Record, voluntary_switches),
    ),
    Group::summed(uapi::PROCMON_GROUP_SCHED, offset_of!(Record, read_bytes)),
    Group::summed(uapi::PROCMON_GROUP_IO, offset_of!(Record, cgroup_id)),
    Group::new(uapi::PROCMON_GROUP_CGROUP, offset_of!(Record, runtime)),
    Group::summed(uapi::PROCMON_GROUP_RUNTIME, size_of::<Record>()),
];

// Each group begins where the one before it ends, so a record is cut only between groups.
const _: () = {
    let mut index = 1;

    while index < GROUPS.len() {
        assert!(GROUPS[index - 1].end < GROUPS[index].end);
        index += 1;
    }
};

/// The mask of all groups that are fields of a record.
const RECORD_GROUPS: u32 = Group::mask(false);

/// The mask of all groups.
pub(crate) const ALL_GROUPS: u32 = RECORD_GROUPS | uapi::PROCMON_GROUP_ARGS;

const _: () = assert!(RECORD_GROUPS & uapi::PROCMON_GROUP_ARGS == 0);

/// The mask of the groups that take a visit of each thread.
const SUMMED_GROUPS: u32 = Group::mask(true);

/// The smallest size of a record: that of the group which is always filled in.
pub(crate) const MIN_SIZE: usize = uapi::PROCMON_RECORD_STRIDE_MIN as usize;

const _: () = assert!(MIN_SIZE == GROUPS[0].end.next_multiple_of(align_of::<Record>()));

/// Returns the mask of the groups whose fields lie within the first `size` bytes of a record.
pub(crate) fn groups_within(size: usize) -> u32 {
    GROUPS
        .into_iter()
        .filter(|group| group.end <= size)
        .fold(0, |mask, group| mask | group.bit)
}

/// The terms in which a task is described: the caller's namespaces, and the system's clock.
#[derive(Clone, Copy)]
pub(crate) struct Terms<'a> {
    /// The namespace of process IDs.
    pub(crate) pid_ns: &'a PidNamespace,
    /// The namespace of user and group IDs.
    pub(crate) user_ns: UserNamespace<'a>,
    cgroup_ns: CgroupNamespace<'a>,
    clock: Clock,
}

impl<'a> Terms<'a> {
    /// Returns those of a caller.
    ///
    /// # Errors
    ///
    /// `ESRCH` if the caller is exiting and has no PID namespace.
    #[inline(always)]
    fn of_caller(caller: &'a CurrentTask) -> Result<Self> {
        Ok(Self {
            pid_ns: caller.active_pid_ns().ok_or(ESRCH)?,
            user_ns: UserNamespace::of_caller(caller),
            cgroup_ns: CgroupNamespace::of_caller(caller),
            clock: Clock::of_system(),
        })
    }

    /// Returns those in which most systems describe tasks to most callers: the initial namespaces,
    /// and a clock with ticks. They take no look at anything but the task.
    #[inline(always)]
    fn plain() -> Self {
        Self {
            pid_ns: PidNamespace::initial(),
            user_ns: UserNamespace::initial(),
            cgroup_ns: CgroupNamespace::initial(),
            clock: Clock::TICKING,
        }
    }

    /// Whether these are the plain ones.
    fn are_plain(&self) -> bool {
        self.pid_ns.is_initial()
            && self.user_ns.is_initial()
            && self.cgroup_ns.is_initial()
            && self.clock.is_ticking()
    }
}

/// The state of a task's ID after the task was read.
pub(crate) enum Liveness {
    /// The ID still is the task's.
    Alive,
    /// The process lives on, and another thread may have become its leader (`de_thread()`).
    LeaderReplaced,
    /// The process has been reaped (`release_task()`).
    Reaped,
}

/// Fills in records for one caller: the groups that it gets, in terms of its namespaces.
pub(crate) struct RecordFiller<'a> {
    caller: &'a CurrentTask,
    /// The other namespaces.
    pub(crate) terms: Terms<'a>,
    /// The namespace of points in time.
    pub(crate) time_ns: TimeNamespace,
    /// The mask of the groups to fill in.
    pub(crate) groups: u32,
    may_see_io: bool,
    /// The restriction of the caller, if there is one.
    restriction: Option<Restriction<'a>>,
}

impl<'a> RecordFiller<'a> {
    /// Creates a filler with the namespaces and rights of the caller.
    ///
    /// # Errors
    ///
    /// `ESRCH` if the caller is exiting and has no PID namespace.
    #[inline(always)]
    pub(crate) fn of_caller(caller: &'a CurrentTask, groups: u32) -> Result<Self> {
        Ok(Self {
            caller,
            terms: Terms::of_caller(caller)?,
            time_ns: TimeNamespace::of_caller(caller),
            groups,
            may_see_io: groups & uapi::PROCMON_GROUP_IO != 0 && ptrace::has_ptrace_capability(),
            restriction: Restriction::of_caller(caller),
        })
    }

    /// Creates a filler of all groups in terms of the initial namespaces, for a kernel thread.
    #[inline(always)]
    pub(crate) fn of_kernel_thread(thread: &'a CurrentTask) -> Self {
        Self {
            caller: thread,
            terms: Terms {
                clock: Clock::of_system(),
                ..Terms::plain()
            },
            time_ns: TimeNamespace::INITIAL,
            groups: RECORD_GROUPS,
            may_see_io: true,
            restriction: None,
        }
    }

    fn wants(&self, groups: u32) -> bool {
        self.groups & groups != 0
    }

    /// Whether filling in the record of a process takes a visit of each of its threads.
    #[inline(always)]
    pub(crate) fn is_summing(&self) -> bool {
        self.wants(SUMMED_GROUPS)
    }

    /// Returns the parts of tasks that most records take.
    pub(crate) fn parts(&self) -> Parts {
        if self.groups == uapi::PROCMON_GROUP_BASIC {
            Parts::Few
        } else {
            Parts::Most
        }
    }

    /// Whether all records are in plain terms, so that [`fill_plain`](Self::fill_plain) may be
    /// called.
    pub(crate) fn is_plain(&self) -> bool {
        self.terms.are_plain() && !self.is_restricted()
    }

    /// Whether the caller does not get all of each task.
    #[inline(always)]
    pub(crate) fn is_restricted(&self) -> bool {
        self.restriction.is_some()
    }

    /// Returns what the caller gets of a task.
    pub(crate) fn view(&self, task: &Task, guard: &rcu::Guard) -> View {
        self.restriction
            .as_ref()
            .map_or(View::Whole, |restriction| restriction.view(task, guard))
    }

    /// Fills in the record of a process of which the caller only gets the PID and the owner: that
    /// of its directory in `/proc`.
    #[doc(alias = "task_dump_owner")]
    pub(crate) fn fill_redacted(
        &self,
        pid: Pid,
        task: &Task,
        record: &mut Record,
        guard: &rcu::Guard,
    ) {
        *record = Record {
            groups: self.groups & uapi::PROCMON_GROUP_CREDS,
            pid,
            tgid: pid,
            state: uapi::PROCMON_STATE_UNKNOWN,
            flags: uapi::PROCMON_TASK_REDACTED,
            ..Zeroable::zeroed()
        };
        if self.wants(uapi::PROCMON_GROUP_CREDS) {
            let ids = self.terms.user_ns.ids(task, guard);

            record.uid = ids.euid;
            record.euid = ids.euid;
            record.gid = ids.egid;
            record.egid = ids.egid;
        }
    }

    /// Fills in the record of a process by its leader in plain terms, if the process is one that is
    /// not exiting, and the sums over whose threads, if any are asked for, are those of the leader.
    ///
    /// Returns whether it is. The record is not valid otherwise.
    #[inline(always)]
    pub(crate) fn fill_plain(
        &self,
        pid: Pid,
        task: &Task,
        record: &mut Record,
        guard: &rcu::Guard,
    ) -> bool {
        let threads = task.nr_threads();

        self.fill_by::<false, true>(pid, task, threads, record, guard)
            .is_some()
    }

    /// Fills in the record of a thread, or of a process by its leader, with `threads` threads.
    ///
    /// The record is valid only if the task is [`Liveness::Alive`] after that.
    #[inline(always)]
    pub(crate) fn fill<const THREADS: bool>(
        &self,
        pid: Pid,
        task: &Task,
        threads: u32,
        record: &mut Record,
        guard: &rcu::Guard,
    ) -> Liveness {
        // `None` is for plain records only. It would mean to look at the process again.
        self.fill_by::<THREADS, false>(pid, task, threads, record, guard)
            .unwrap_or(Liveness::LeaderReplaced)
    }

    /// See [`fill`](Self::fill), and [`fill_plain`](Self::fill_plain), for which this may return
    /// `None`. All that is rare is left out then, so that no register has to be kept for it.
    #[inline(always)]
    fn fill_by<const THREADS: bool, const PLAIN: bool>(
        &self,
        pid: Pid,
        task: &Task,
        threads: u32,
        record: &mut Record,
        guard: &rcu::Guard,
    ) -> Option<Liveness> {
        let terms = if PLAIN { Terms::plain() } else { self.terms };

        record.groups = self.groups;
        record.pid = pid;
        record.tgid = if THREADS {
            task.tgid_in_ns(terms.pid_ns, guard)
        } else {
            pid
        };
        record.threads = threads;
        record.comm = task.comm();

        if self.is_summing() {
            if THREADS {
                self.fill_usage::<true>(task, &task.usage(terms.clock), record);
            } else if let Some(usage) = task.sole_usage(threads, terms.clock) {
                self.fill_usage::<false>(task, &usage, record);
            } else if PLAIN {
                return None;
            } else {
                self.fill_group_usage(task, record, guard);
            }
        }
        if self.wants(uapi::PROCMON_GROUP_CREDS) {
            let ids = terms.user_ns.ids(task, guard);

            record.uid = ids.uid;
            record.euid = ids.euid;
            record.gid = ids.gid;
            record.egid = ids.egid;
        }
        if self.wants(uapi::PROCMON_GROUP_MEM) {
            // In there, so that the sizes need not be kept beyond the end of the lock.
            let sizes = task.with_mm(|mm| fill_sizes(mm.vsize() as u64, mm.rss(), record));

            if sizes.is_none() {
                fill_sizes(0, Rss::default(), record);
                record.groups &= !uapi::PROCMON_GROUP_MEM;
            }
        }
        if self.wants(uapi::PROCMON_GROUP_CGROUP) {
            match terms.cgroup_ns.id_of(task, guard) {
                Some(id) => record.cgroup_id = id,
                None => {
                    record.cgroup_id = 0;
                    record.groups &= !uapi::PROCMON_GROUP_CGROUP;
                }
            }
        }

        let vitals = if PLAIN {
            task.vitals_unless_exiting(terms.pid_ns, guard)?
        } else {
            task.vitals(terms.pid_ns, guard)
        };

        // CAST: The states are single bits far below the sign.
        record.state = vitals.state as c_int;
        record.flags = u32::from(vitals.flags.is_kernel_thread()) * uapi::PROCMON_TASK_KTHREAD
            | u32::from(vitals.flags.is_exiting()) * uapi::PROCMON_TASK_EXITING;
        record.ppid = vitals.ppid.unwrap_or(0);

        if vitals.flags.is_exiting() {
            record.threads = task.nr_threads();
            // `release_task()` counts the last thread off before it takes its ID.
            if record.threads == 0 {
                return Some(Liveness::Reaped);
            }
        }
        Some(match vitals.ppid {
            Some(_) => Liveness::Alive,
            None => Liveness::LeaderReplaced,
        })
    }

    /// Fills in the summed groups of a process of several threads.
    #[inline(never)]
    fn fill_group_usage(&self, task: &Task, record: &mut Record, guard: &rcu::Guard) {
        let io = self.wants(uapi::PROCMON_GROUP_IO);
        let usage = task.group_usage(io, self.terms.clock, guard);

        self.fill_usage::<false>(task, &usage, record);
    }

    /// Fills in the summed groups, and the other fields of the same groups.
    #[inline(always)]
    fn fill_usage<const THREADS: bool>(
        &self,
        task: &Task,
        usage: &impl Usage,
        record: &mut Record,
    ) {
        // Read once, since the times add up to it.
        let runtime = usage.runtime();

        if self.wants(uapi::PROCMON_GROUP_CPU) {
            let times = if THREADS {
                Times::of_thread(task)
            } else {
                task.group_times(usage, runtime)
            };

            record.cpu = task.cpu();
            record.utime = times.user;
            record.stime = times.system;
            record.start_time = self.time_ns.show(task.start_boottime());
            record.nice = task.nice();
            record.policy = task.policy();
        }
        if self.wants(uapi::PROCMON_GROUP_FAULTS) {
            record.minor_faults = usage.minor_faults();
            record.major_faults = usage.major_faults();
        }
        if self.wants(uapi::PROCMON_GROUP_RUNTIME) {
            record.runtime = runtime;
        }
        if self.wants(uapi::PROCMON_GROUP_SCHED) {
            record.voluntary_switches = usage.voluntary_switches();
            record.involuntary_switches = usage.involuntary_switches();
        }
        if self.wants(uapi::PROCMON_GROUP_IO) {
            if self.may_see_io || self.caller.same_thread_group(task) {
                record.read_bytes = usage.read_bytes();
                record.write_bytes = usage.write_bytes();
            } else {
                redact_io(record);
            }
        }
    }
}

/// Fills in the sizes of an address space.
#[inline(always)]
fn fill_sizes(vsize: u64, rss: Rss, record: &mut Record) {
    record.vsize = vsize;
    record.rss_anon = rss.anon;
    record.rss_file = rss.file;
    record.rss_shmem = rss.shmem;
}

/// Takes out of a record what only the process itself and holders of `CAP_SYS_PTRACE` may see.
#[inline(always)]
pub(crate) fn redact_io(record: &mut Record) {
    record.read_bytes = 0;
    record.write_bytes = 0;
    record.groups &= !uapi::PROCMON_GROUP_IO;
}
