// SPDX-License-Identifier: GPL-2.0-only

//! Snapshots: one fixed-size record per process or thread.

use core::{
    mem::offset_of,
    ops::ControlFlow, //
};

use kernel::{
    page::PAGE_SIZE,
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
        pid::{
            walk::{
                for_each_task,
                Budget,
                Walk, //
            },
            TaskKind, //
        },
        task::{
            cond_resched,
            exec::ExecId,
            TaskExt, //
        },
        time::ktime_get_boottime_ns,
        uaccess::{
            read_user_struct,
            write_user_struct, //
        }, //
    },
    driver::{
        arguments::{
            self,
            AddressSpaces,
            ArgumentsBuffer,
            Reason, //
        },
        backoff::Backoff,
        batch::{
            Batch,
            Places, //
        },
        events::Events,
        hidepid::View,
        record::{
            self,
            groups_within,
            Liveness,
            RecordFiller,
            ALL_GROUPS, //
        },
        user_array::UserArray, //
    },
    uapi::{
        self,
        procmon_record as Record,
        procmon_snapshot as Arguments, //
    }, //
};

/// The size of the arguments of ABI versions 1 and 2.
const MIN_ARGUMENTS: usize = offset_of!(Arguments, sequence);

const FLAGS: u32 = uapi::PROCMON_SNAPSHOT_THREADS
    | uapi::PROCMON_SNAPSHOT_NO_KTHREADS
    | uapi::PROCMON_SNAPSHOT_BY_UID
    | uapi::PROCMON_SNAPSHOT_BY_PPID
    | uapi::PROCMON_SNAPSHOT_BY_TGID;

/// Flags that leave tasks out.
const FILTERS: u32 = FLAGS & !uapi::PROCMON_SNAPSHOT_THREADS;

/// Returns the result of `PROCMON_INFO`.
pub(crate) fn info(events: &Events) -> uapi::procmon_info {
    uapi::procmon_info {
        abi_version: uapi::PROCMON_ABI_VERSION,
        groups: ALL_GROUPS,
        snapshot_flags: FLAGS,
        snapshot_size: size_of::<Arguments>() as u32,
        record_size: size_of::<Record>() as u32,
        max_stride: PAGE_SIZE as u32,
        sample_size: size_of::<uapi::procmon_sample>() as u32,
        history_size: size_of::<uapi::procmon_history>() as u32,
        event_classes: events.classes,
        events_size: size_of::<uapi::procmon_events>() as u32,
    }
}

/// The number of IDs and threads that are visited per RCU section. A process of more threads is
/// visited by itself.
const VISITS: usize = 1024;

/// A validated request: which tasks to visit, and which field groups to fill in.
pub(crate) struct Request<'a> {
    filler: RecordFiller<'a>,
    /// Whether all processes are asked for, in plain terms, and no arguments.
    is_plain: bool,
    flags: u32,
    uid: u32,
    ppid: Pid,
    tgid: Pid,
}

/// The reason why a walk gives no more records for now.
enum Stop {
    /// There are no more tasks.
    End,
    /// The walk continues at this ID.
    Resume(Pid),
    /// The walk continues at this ID, whose process is executing a program.
    Retry(Pid),
}

impl<'a> Request<'a> {
    /// Validates the arguments of a caller.
    ///
    /// # Errors
    ///
    /// `EINVAL` if an argument is out of range or is set without the flag that it belongs to,
    /// `ESRCH` if the caller is exiting.
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
        let is_stride_valid = (record::MIN_SIZE..=PAGE_SIZE).contains(&(stride as usize))
            && stride % (align_of::<Record>() as u32) == 0;

        // CAST: Only whether they are zero matters.
        if flags & !FLAGS != 0
            || groups & !ALL_GROUPS != 0
            || cursor < 0
            || capacity == 0
            || !is_stride_valid
            || is_unused(uapi::PROCMON_SNAPSHOT_BY_UID, uid)
            || is_unused(uapi::PROCMON_SNAPSHOT_BY_PPID, ppid as u32)
            || is_unused(uapi::PROCMON_SNAPSHOT_BY_TGID, tgid as u32)
        {
            return Err(EINVAL);
        }

        let has_arguments = groups & uapi::PROCMON_GROUP_ARGS != 0;
        let groups = groups & groups_within(stride as usize) | uapi::PROCMON_GROUP_BASIC;
        let filler = RecordFiller::of_caller(caller, groups)?;

        Ok(Self {
            is_plain: flags & FILTERS == 0 && !has_arguments && filler.is_plain(),
            filler,
            flags,
            uid,
            ppid,
            tgid,
        })
    }

    /// Creates a request of a kernel thread for all groups of any process.
    pub(crate) fn of_kernel_thread(thread: &'a CurrentTask) -> Self {
        Self {
            filler: RecordFiller::of_kernel_thread(thread),
            // Only single processes are asked for.
            is_plain: false,
            flags: 0,
            uid: 0,
            ppid: 0,
            tgid: 0,
        }
    }

    /// Returns the record of one process. Sleeps while the process is executing a program, within
    /// the limits of [`Backoff`].
    pub(crate) fn find(&self, pid: Pid) -> Option<Record> {
        let mut record = Record::zeroed();
        let mut backoff = Backoff::new();

        // TIME: As many rounds as `Backoff` has attempts. The last one takes the process as it is.
        loop {
            let (count, stop) = self.walk(pid, Places::of_one(&mut record), None, &backoff);

            // The walk finds the next process if this one is gone.
            match stop {
                _ if count == 1 && record.pid == pid => return Some(record),
                Stop::Retry(nr) if nr == pid => backoff.wait_for(pid),
                _ => return None,
            }
        }
    }

    fn has(&self, flag: u32) -> bool {
        self.flags & flag != 0
    }

    /// Whether a single process is asked for, by its ID, and not its threads.
    fn is_of_one(&self) -> bool {
        self.flags & (uapi::PROCMON_SNAPSHOT_BY_TGID | uapi::PROCMON_SNAPSHOT_THREADS)
            == uapi::PROCMON_SNAPSHOT_BY_TGID
    }

    /// Returns the ID at which the walk begins for a caller that has got all before the cursor.
    fn first(&self, cursor: Pid) -> Pid {
        if self.is_of_one() {
            cursor.max(self.tgid)
        } else {
            cursor
        }
    }

    /// Fills in records of the tasks from an ID on, and adds their address spaces if these are
    /// wanted. Returns their number.
    fn walk(
        &self,
        first: Pid,
        places: Places<'_>,
        spaces: Option<&mut AddressSpaces>,
        backoff: &Backoff,
    ) -> (usize, Stop) {
        if self.has(uapi::PROCMON_SNAPSHOT_THREADS) {
            self.walk_kind::<true>(first, places, spaces, backoff)
        } else {
            self.walk_kind::<false>(first, places, spaces, backoff)
        }
    }

    #[inline(never)]
    fn walk_kind<const THREADS: bool>(
        &self,
        first: Pid,
        places: Places<'_>,
        spaces: Option<&mut AddressSpaces>,
        backoff: &Backoff,
    ) -> (usize, Stop) {
        // TIME: RCU is held for one budget of visits, or for one process with more threads.
        let guard = rcu::read_lock();
        let mut visitor = Visitor {
            request: self,
            exhausted: backoff.exhausted_by(),
            places,
            spaces,
            guard: &guard,
        };
        let kind = if THREADS {
            TaskKind::Thread
        } else {
            TaskKind::Process
        };
        let walk = for_each_task(
            self.filler.terms.pid_ns,
            kind,
            self.filler.parts(),
            first,
            Budget::new(VISITS),
            &guard,
            |nr, task, budget| {
                if !THREADS && self.is_plain && visitor.visit_plain(nr, task) {
                    return ControlFlow::Continue(());
                }
                visitor.visit::<THREADS>(nr, task, budget)
            },
        );
        let stop = match walk {
            Walk::End => Stop::End,
            Walk::Pause(nr) => Stop::Resume(nr),
            Walk::Break(stop) => stop,
        };

        (visitor.places.taken(), stop)
    }

    /// Whether a task passes the filters of the request.
    #[inline(never)]
    fn matches(&self, task: &Task, guard: &rcu::Guard) -> bool {
        !(self.has(uapi::PROCMON_SNAPSHOT_NO_KTHREADS) && task.flags().is_kernel_thread()
            || self.has(uapi::PROCMON_SNAPSHOT_BY_TGID)
                && task.tgid_in_ns(self.filler.terms.pid_ns, guard) != self.tgid
            || self.has(uapi::PROCMON_SNAPSHOT_BY_PPID)
                && task
                    .ppid_in_ns(self.filler.terms.pid_ns, guard)
                    .is_some_and(|ppid| ppid != self.ppid)
            || self.has(uapi::PROCMON_SNAPSHOT_BY_UID)
                && self.filler.terms.user_ns.uid(task, guard) != Some(self.uid))
    }

    /// Whether a process whose record is redacted passes the filters: by what the record tells.
    fn matches_redacted(&self, record: &Record, task: &Task, guard: &rcu::Guard) -> bool {
        !(self.has(uapi::PROCMON_SNAPSHOT_BY_PPID)
            || self.has(uapi::PROCMON_SNAPSHOT_BY_TGID) && record.tgid != self.tgid
            || self.has(uapi::PROCMON_SNAPSHOT_BY_UID)
                && self.filler.terms.user_ns.euid(task, guard) != Some(self.uid))
    }
}

/// The part of a request that is done in one RCU section.
struct Visitor<'a> {
    request: &'a Request<'a>,
    /// The process that is taken as it is, even if it is executing a program.
    exhausted: Option<Pid>,
    places: Places<'a>,
    /// The address spaces of the records, if they are wanted.
    spaces: Option<&'a mut AddressSpaces>,
    guard: &'a rcu::Guard,
}

impl Visitor<'_> {
    /// Fills in the record of a process as most are, without all that [`visit`](Self::visit) has
    /// for the others: so the loop over the processes keeps few registers and calls little.
    ///
    /// Returns whether the record is valid. If not, its place is still free, and `visit` begins
    /// anew.
    #[inline(always)]
    fn visit_plain(&mut self, nr: Pid, task: &Task) -> bool {
        let Some(record) = self.places.next() else {
            return false;
        };
        let filler = &self.request.filler;
        let is_filled = ExecId::of(task).is_some_and(|exec| {
            filler.fill_plain(nr, task, record, self.guard) && exec.is_still(task)
        });

        if is_filled {
            self.places.take();
        }
        is_filled
    }

    /// Fills in the record of a task that passes the filters. Returns the reason if the walk has to
    /// stop at this task.
    // Not inlined: the loop around this has registers of its own.
    #[inline(never)]
    fn visit<const THREADS: bool>(
        &mut self,
        nr: Pid,
        task: &Task,
        budget: &mut Budget,
    ) -> ControlFlow<Stop> {
        let request = self.request;
        let filler = &request.filler;

        if request.is_of_one() && nr > request.tgid {
            return ControlFlow::Break(Stop::End);
        }

        let exec = ExecId::of(task);

        // Between the looks at the ID of the program: the rights are those of the program that is
        // read.
        if filler.is_restricted() {
            if let Some(flow) = self.visit_restricted(nr, task) {
                return flow;
            }
        }

        let Some(record) = self.places.next() else {
            return ControlFlow::Break(Stop::Resume(nr));
        };

        // The filters come first: a process that is not asked for is not waited for.
        if request.flags & FILTERS != 0 && !request.matches(task, self.guard) {
            return ControlFlow::Continue(());
        }

        let threads = task.nr_threads();

        // The visit of the ID is that of the first thread.
        let others = threads.saturating_sub(1) as usize;

        if !THREADS && filler.is_summing() && !budget.take_threads(others) {
            return ControlFlow::Break(Stop::Resume(nr));
        }

        let may_be_mixed = || self.exhausted == Some(nr);

        if exec.is_none() && !may_be_mixed() {
            return ControlFlow::Break(Stop::Retry(nr));
        }

        let liveness = filler.fill::<THREADS>(nr, task, threads, record, self.guard);
        let mm = self
            .spaces
            .as_ref()
            .and_then(|_| arguments::space_of(task, record));
        let is_consistent =
            matches!(liveness, Liveness::Alive) && exec.is_some_and(|exec| exec.is_still(task));

        if !is_consistent {
            if !may_be_mixed() || matches!(liveness, Liveness::Reaped) {
                return ControlFlow::Break(match liveness {
                    Liveness::Alive | Liveness::LeaderReplaced => Stop::Retry(nr),
                    Liveness::Reaped => Stop::Resume(nr.wrapping_add(1)),
                });
            }
            record.flags |= uapi::PROCMON_TASK_MIXED;
            if filler.is_restricted() {
                // The program after may have rights that the one before had not.
                if let Some(flow) = self.visit_restricted(nr, task) {
                    return flow;
                }
            }
        }
        self.places.take();
        if let Some(spaces) = &mut self.spaces {
            // Arguments are of the same program as the rest of the record.
            spaces.add(mm.filter(|_| is_consistent));
        }
        ControlFlow::Continue(())
    }

    /// Visits a task for a caller that does not get all of each. Returns how the walk goes on after
    /// one that is kept from it, and `None` for any other.
    ///
    /// A hidden task is not waited for, and the walk neither stops at it nor tells of it. A
    /// redacted record is of a whole process.
    #[cold]
    #[inline(never)]
    fn visit_restricted(&mut self, nr: Pid, task: &Task) -> Option<ControlFlow<Stop>> {
        let request = self.request;
        let filler = &request.filler;

        match filler.view(task, self.guard) {
            View::Whole => return None,
            View::Hidden => return Some(ControlFlow::Continue(())),
            View::Redacted => {}
        }

        let Some(record) = self.places.next() else {
            return Some(ControlFlow::Break(Stop::Resume(nr)));
        };
        let is_process = task.tgid_in_ns(filler.terms.pid_ns, self.guard) == nr;

        filler.fill_redacted(nr, task, record, self.guard);
        // One that has been reaped has no threads.
        if is_process && task.nr_threads() > 0 && request.matches_redacted(record, task, self.guard)
        {
            self.places.take();
            if let Some(spaces) = &mut self.spaces {
                spaces.add(None);
            }
        }
        Some(ControlFlow::Continue(()))
    }
}

/// Handles `PROCMON_SNAPSHOT`.
///
/// # Errors
///
/// - `E2BIG` if a field is set that this version does not know.
/// - `EFAULT` if the arguments cannot be read or written, or the first record or its entry of the
///   second buffer cannot be written.
/// - `EINTR` if a fatal signal arrives before the first record.
/// - `EINVAL` if an argument is out of range or does not belong to the flags.
/// - `ENOMEM` if memory is short.
#[inline(never)]
pub(crate) fn snapshot(events: &Events, arg: UserPtr) -> Result {
    let mut arguments: Arguments = read_user_struct(arg, MIN_ARGUMENTS)?;
    let time = ktime_get_boottime_ns();
    // Before the first record, which may have more of what has happened than that.
    let sequence = events.newest();
    let caller = kernel::current!();
    let request = Request::new(&arguments, caller)?;
    let mut texts = ArgumentsBuffer::new(&arguments)?;
    let mut batch = Batch::new(arguments.stride, arguments.capacity)?;
    let mut output = UserArray::new(arguments.records, arguments.stride, arguments.capacity)?;
    let mut backoff = Backoff::new();
    let mut next = request.first(arguments.cursor);

    // TIME: Each round gives at least one record, ends, retries one process, which `Backoff`
    // limits, or has spent its budget on other IDs, of which there are at most `pid_max`.
    let failed = loop {
        let places = batch.places(output.remaining());
        let spaces = texts.as_mut().map(|texts| &mut texts.spaces);
        let (count, stop) = request.walk(next, places, spaces, &backoff);
        let undelivered = texts
            .as_mut()
            .and_then(|texts| texts.write(&mut batch, count));
        let count = undelivered.as_ref().map_or(count, |first| first.count);
        let written = output.write_places(batch.bytes(count));

        if let Some(texts) = &mut texts {
            texts.deliver(written);
        }

        if written < count {
            if let Some(record) = batch.get(written) {
                next = record.pid;
            }
            break Some(EFAULT);
        }
        // The rest of a batch without space is visited again.
        let stop = match undelivered {
            None => stop,
            Some(first) => {
                if let Some(record) = batch.get(count) {
                    next = record.pid;
                }
                match first.reason {
                    Reason::Batch => Stop::Resume(next),
                    Reason::Full => break None,
                    Reason::Fault => break Some(EFAULT),
                }
            }
        };

        match stop {
            Stop::End => {
                next = 0;
                break None;
            }
            Stop::Resume(nr) => next = nr,
            Stop::Retry(nr) => {
                next = nr;
                backoff.wait_for(nr);
            }
        }
        if output.remaining() == 0 {
            break None;
        }
        if caller.fatal_signal_pending() {
            break Some(EINTR);
        }
        cond_resched();
    };

    arguments.count = arguments.capacity.wrapping_sub(output.remaining());
    if let (0, Some(error)) = (arguments.count, failed) {
        return Err(error);
    }
    arguments.groups = request.filler.groups;
    if let Some(texts) = texts {
        arguments.groups |= uapi::PROCMON_GROUP_ARGS;
        arguments.args_bytes = texts.delivered;
    }
    arguments.cursor = next;
    arguments.time = request.filler.time_ns.show(time);
    arguments.sequence = sequence;
    write_user_struct(arg, arguments.size as usize, &arguments)
}
