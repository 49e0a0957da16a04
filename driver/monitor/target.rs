// SPDX-License-Identifier: GPL-2.0

//! The filter: the process that the monitor records, by whichever number users know it.

use kernel::{
    pid_namespace::PidNamespace,
    prelude::*,
    sync::{
        aref::ARef,
        rcu, //
    },
    task::Pid, //
};

use core::ptr;

use crate::abstractions::{
    pid::{
        PidNamespaceExt,
        PidRef, //
    },
    process_id::find_process,
    task::TaskExt, //
};

/// A process, as it was chosen by its number in the PID namespace of a caller.
#[derive(Clone)]
pub(crate) struct Filter {
    /// The process, unless the number stood for none.
    process: Option<ARef<PidRef>>,
    /// When its main thread was started, in nanoseconds since boot; 0 if there is no process.
    start_time: u64,
    /// The number that was given, and where it is one.
    nr: Pid,
    ns: ARef<PidNamespace>,
}

impl Filter {
    /// Chooses the process that a number stands for in the caller's PID namespace now. It may be
    /// the number of any of the process's threads. Returns `None` for 0.
    ///
    /// # Errors
    ///
    /// - `EINVAL` if the number is negative.
    /// - `ESRCH` if the caller is being taken down.
    pub(crate) fn of(nr: Pid) -> Result<Option<Self>> {
        if nr < 0 {
            return Err(EINVAL);
        }
        if nr == 0 {
            return Ok(None);
        }

        let process = find_process(nr);
        let start_time = process.as_ref().and_then(|process| {
            let guard = rcu::read_lock();

            Some(process.thread_group_leader(&guard)?.start_boottime())
        });

        Ok(Some(Self {
            process,
            start_time: start_time.unwrap_or(0),
            nr,
            ns: kernel::current!().active_pid_ns().ok_or(ESRCH)?.into(),
        }))
    }

    /// Returns the number of the process in a PID namespace, or 0 if it has none there.
    ///
    /// A number that stood for no process is one only in the namespace that it was given in.
    pub(crate) fn nr_in(&self, ns: &PidNamespace) -> Pid {
        match &self.process {
            Some(process) => process.nr_in(ns),
            None if ptr::eq(ns.as_ptr(), self.ns.as_ptr()) => self.nr,
            None => 0,
        }
    }

    /// Returns the number in the initial PID namespace.
    pub(crate) fn initial_nr(&self) -> Pid {
        match &self.process {
            Some(process) => process.initial_nr(),
            None => self.nr_in(PidNamespace::initial()),
        }
    }

    /// Returns when the process was started, in nanoseconds since boot, or 0 if there is none.
    pub(crate) fn start_time(&self) -> u64 {
        self.start_time
    }

    /// Whether there is a process which has not been waited for.
    ///
    /// As long as there is, no other process has its number.
    pub(crate) fn is_there(&self) -> bool {
        let guard = rcu::read_lock();

        self.process
            .as_ref()
            .is_some_and(|process| process.thread_group_leader(&guard).is_some())
    }
}
