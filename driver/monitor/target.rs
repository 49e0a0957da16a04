// SPDX-License-Identifier: GPL-2.0-only

//! A target: a process that the monitor follows.

use core::ptr;

use kernel::{
    pid_namespace::PidNamespace,
    prelude::*,
    sync::{
        aref::ARef,
        rcu, //
    },
    task::{
        CurrentTask,
        Pid,
        Task, //
    }, //
};

use crate::{
    abstractions::{
        pid::{
            find_process,
            PidRef, //
        },
        pid_namespace::PidNamespaceExt,
        task::TaskExt, //
    },
    driver::{
        hidepid::Restriction,
        snapshot::Request, //
    },
    uapi::{
        self,
        procmon_record as Record,
        procmon_sample as Sample, //
    }, //
};

/// A caller, as far as what it is told of targets depends on it.
pub(crate) struct Viewer<'a> {
    pid_ns: &'a PidNamespace,
    restriction: Option<Restriction<'a>>,
}

impl<'a> Viewer<'a> {
    /// Returns the caller, unless it is exiting and has no PID namespace.
    pub(crate) fn of_caller(caller: &'a CurrentTask) -> Option<Self> {
        Some(Self {
            pid_ns: caller.active_pid_ns()?,
            restriction: Restriction::of_caller(caller),
        })
    }
}

/// A process that was selected by its ID or by its name.
#[derive(Clone)]
pub(crate) enum Target {
    /// A process.
    Process {
        /// Its ID, which is that of no other process, even if the number is.
        process: ARef<PidRef>,
        /// The start time of its main thread in nanoseconds since boot.
        start_time: u64,
    },
    /// The ID was that of no process.
    Absent {
        /// The ID, and the namespace that it is valid in.
        nr: Pid,
        ns: ARef<PidNamespace>,
    },
}

impl Target {
    /// Selects the process that has an ID in the caller's PID namespace now, which may be that of
    /// any of its threads. An ID of one that is hidden from the caller is that of no process.
    /// Returns `None` for 0.
    ///
    /// # Errors
    ///
    /// - `EINVAL` if the ID is negative.
    /// - `ESRCH` if the caller is exiting.
    pub(crate) fn find(nr: Pid) -> Result<Option<Self>> {
        if nr < 0 {
            return Err(EINVAL);
        }
        if nr == 0 {
            return Ok(None);
        }

        let caller = kernel::current!();
        let ns = caller.active_pid_ns().ok_or(ESRCH)?.into();
        let restriction = Restriction::of_caller(caller);
        let is_hidden = |process: &PidRef, guard: &rcu::Guard| {
            restriction.is_some_and(|restriction| restriction.hides(process, guard))
        };
        // TIME: RCU is held for three lookups.
        let guard = rcu::read_lock();

        Ok(Some(match find_process(nr, &guard) {
            Some(process) if !is_hidden(&process, &guard) => Self::Process {
                start_time: process
                    .thread_group_leader(&guard)
                    .map_or(0, TaskExt::start_boottime),
                process,
            },
            _ => Self::Absent { nr, ns },
        }))
    }

    /// Selects a process with this main thread.
    pub(super) fn new(process: ARef<PidRef>, leader: &Task) -> Self {
        Self::Process {
            process,
            start_time: leader.start_boottime(),
        }
    }

    /// Returns the process's ID for a caller, or 0 if it has none in its PID namespace, or is
    /// hidden from it.
    ///
    /// An ID of no process is valid in the namespace of the caller who gave it only.
    pub(super) fn nr_for(&self, viewer: &Viewer<'_>) -> Pid {
        match self {
            Self::Process { process, .. } => {
                let is_hidden = viewer.restriction.is_some_and(|restriction| {
                    // TIME: RCU is held for one lookup.
                    restriction.hides(process, &rcu::read_lock())
                });

                if is_hidden {
                    0
                } else {
                    process.nr_ns(viewer.pid_ns)
                }
            }
            Self::Absent { nr, ns } => absent_nr(*nr, ns, viewer.pid_ns),
        }
    }

    /// Whether there is a process that has not been reaped. Until then no other process gets its
    /// ID.
    fn is_alive(&self) -> bool {
        // TIME: RCU is held for one lookup.
        let guard = rcu::read_lock();

        match self {
            Self::Process { process, .. } => process.thread_group_leader(&guard).is_some(),
            Self::Absent { .. } => false,
        }
    }

    /// Adds the process to a sample of the system. Its flags say whether it is there or gone.
    pub(super) fn add_to(&self, mut sample: Sample) -> Sample {
        let (pid, start_time) = match self {
            Self::Process {
                process,
                start_time,
            } => (process.nr(), *start_time),
            Self::Absent { nr, ns } => (absent_nr(*nr, ns, PidNamespace::initial()), 0),
        };
        let record = Request::of_kernel_thread(kernel::current!()).find(pid);

        // Checked after the record was read: no other process had the ID until now.
        if !self.is_alive() {
            sample.flags = uapi::PROCMON_SAMPLE_GONE;
            sample.process = Record {
                pid,
                start_time,
                ..Zeroable::zeroed()
            };
        } else if let Some(record) = record {
            sample.flags = uapi::PROCMON_SAMPLE_PROCESS;
            sample.process = record;
        }
        sample
    }
}

/// Returns an ID of no process that was given in a PID namespace, as it is in another one.
fn absent_nr(nr: Pid, ns: &PidNamespace, reader: &PidNamespace) -> Pid {
    if ptr::eq(reader.as_ptr(), ns.as_ptr()) {
        nr
    } else {
        0
    }
}
