// SPDX-License-Identifier: GPL-2.0

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
    driver::snapshot::Request,
    uapi::{
        self,
        procmon_record as Record,
        procmon_sample as Sample, //
    }, //
};

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
    /// any of its threads. Returns `None` for 0.
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

        let ns = kernel::current!().active_pid_ns().ok_or(ESRCH)?.into();
        // TIME: RCU is held for two lookups.
        let guard = rcu::read_lock();

        Ok(Some(match find_process(nr, &guard) {
            Some(process) => Self::Process {
                start_time: process
                    .thread_group_leader(&guard)
                    .map_or(0, TaskExt::start_boottime),
                process,
            },
            None => Self::Absent { nr, ns },
        }))
    }

    /// Selects a process with this main thread.
    pub(super) fn new(process: ARef<PidRef>, leader: &Task) -> Self {
        Self::Process {
            process,
            start_time: leader.start_boottime(),
        }
    }

    /// Returns the process's ID in a PID namespace, or 0 if it has none there.
    ///
    /// An ID of no process is valid in the namespace of the caller who gave it only.
    pub(super) fn nr_ns(&self, reader: &PidNamespace) -> Pid {
        match self {
            Self::Process { process, .. } => process.nr_ns(reader),
            Self::Absent { nr, ns } if ptr::eq(reader.as_ptr(), ns.as_ptr()) => *nr,
            Self::Absent { .. } => 0,
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
            Self::Absent { .. } => (self.nr_ns(PidNamespace::initial()), 0),
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
