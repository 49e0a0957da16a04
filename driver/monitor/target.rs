// SPDX-License-Identifier: GPL-2.0

//! The target: the process that the monitor follows. For users it is the filter.

use core::ptr;

use kernel::{
    pid_namespace::PidNamespace,
    prelude::*,
    sync::{
        aref::ARef,
        rcu, //
    },
    task::Pid, //
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

/// A process that was selected by an ID in the PID namespace of a caller.
#[derive(Clone)]
pub(crate) struct Target {
    /// The process, unless the ID was that of none.
    process: Option<ARef<PidRef>>,
    /// The start time of its main thread in nanoseconds since boot; 0 without a process.
    start_time: u64,
    /// The ID, and the namespace that it is valid in.
    nr: Pid,
    ns: ARef<PidNamespace>,
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
        let process = find_process(nr, &guard);
        let leader = process
            .as_ref()
            .and_then(|process| process.thread_group_leader(&guard));

        Ok(Some(Self {
            start_time: leader.map_or(0, TaskExt::start_boottime),
            process,
            nr,
            ns,
        }))
    }

    /// Returns the process's ID in a PID namespace, or 0 if it has none there.
    ///
    /// An ID of no process is valid in the namespace of the caller who gave it only.
    pub(crate) fn nr_ns(&self, ns: &PidNamespace) -> Pid {
        match &self.process {
            Some(process) => process.nr_ns(ns),
            None if ptr::eq(ns.as_ptr(), self.ns.as_ptr()) => self.nr,
            None => 0,
        }
    }

    /// Returns the ID in the initial PID namespace.
    pub(super) fn initial_nr(&self) -> Pid {
        match &self.process {
            Some(process) => process.nr(),
            None => self.nr_ns(PidNamespace::initial()),
        }
    }

    /// Whether there is a process that has not been reaped. Until then no other process gets its
    /// ID.
    fn is_alive(&self) -> bool {
        // TIME: RCU is held for one lookup.
        let guard = rcu::read_lock();

        self.process
            .as_ref()
            .is_some_and(|process| process.thread_group_leader(&guard).is_some())
    }
}

/// The target of the monitor, with a count of how often it was set.
#[derive(Clone, Default)]
pub(super) struct Selection {
    pub(super) target: Option<Target>,
    pub(super) generation: u64,
}

/// Samples the target, repeatedly, until it has exited.
#[derive(Default)]
pub(super) struct Follower {
    selection: Selection,
    is_reaped: bool,
}

impl From<Selection> for Follower {
    fn from(selection: Selection) -> Self {
        Self {
            selection,
            is_reaped: false,
        }
    }
}

impl Follower {
    /// Returns the generation of the selection that this follows.
    pub(super) fn generation(&self) -> u64 {
        self.selection.generation
    }

    /// Adds the target to a sample of the system.
    ///
    /// Returns `None` after the sample that reports the target's exit, so that its history is kept.
    pub(super) fn add_to(&mut self, mut sample: Sample) -> Option<Sample> {
        let Some(target) = &self.selection.target else {
            return Some(sample);
        };

        if self.is_reaped {
            return None;
        }

        let record = Request::of_kernel_thread(kernel::current!()).find(target.initial_nr());

        // Checked after the record was read: no other process had the ID until now.
        if !target.is_alive() {
            self.is_reaped = true;
            sample.flags = uapi::PROCMON_SAMPLE_GONE;
            sample.process = Record {
                pid: target.initial_nr(),
                start_time: target.start_time,
                ..Zeroable::zeroed()
            };
        } else if let Some(record) = record {
            sample.flags = uapi::PROCMON_SAMPLE_PROCESS;
            sample.process = record;
        }
        Some(sample)
    }
}
