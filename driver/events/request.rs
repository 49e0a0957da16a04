// SPDX-License-Identifier: GPL-2.0-only

//! Requests for events, and the rights of those who make them.

use kernel::{
    prelude::*,
    sync::rcu,
    task::{
        CurrentTask,
        Pid, //
    }, //
};

use crate::{
    abstractions::{
        cred::UserNamespace,
        pid_namespace::is_in_init_pid_ns,
        ptrace,
        time_namespace::TimeNamespace, //
    },
    driver::events::{
        ring::MAX_RECORD,
        CLASSES, //
    },
    uapi::{
        self,
        procmon_event as Header,
        procmon_events as Arguments, //
    }, //
};

const FLAGS: u32 = uapi::PROCMON_EVENTS_FROM_OLDEST
    | uapi::PROCMON_EVENTS_BY_UID
    | uapi::PROCMON_EVENTS_BY_SUBTREE
    | uapi::PROCMON_EVENTS_BY_CGROUP;

/// The request of a caller: which events it wants.
#[derive(Clone, Copy, Default, PartialEq)]
pub(super) struct Request {
    pub(super) classes: u32,
    /// The size of the arguments of a program, in bytes.
    pub(super) args_max: u32,
    flags: u32,
    pub(super) uid: u32,
    pub(super) tgid: Pid,
    pub(super) cgroup_id: u64,
}

impl Request {
    /// Validates the arguments of a caller.
    ///
    /// # Errors
    ///
    /// `EINVAL` if one is out of range, or is set without the flag that it belongs to.
    pub(super) fn new(arguments: &Arguments) -> Result<Self> {
        let Arguments {
            flags,
            classes,
            timeout_ms,
            args_max,
            buffer,
            uid,
            tgid,
            cgroup_id,
            reserved,
            ..
        } = *arguments;
        let is_unused = |flag, value| flags & flag == 0 && value != 0;

        if flags & !FLAGS != 0
            || classes == 0
            || classes & !CLASSES != 0
            || timeout_ms < -1
            || args_max as usize > MAX_RECORD / 2
            || buffer % align_of::<Header>() as u64 != 0
            || is_unused(uapi::PROCMON_EVENTS_BY_UID, uid.into())
            || is_unused(uapi::PROCMON_EVENTS_BY_SUBTREE, (tgid != 0).into())
            || is_unused(uapi::PROCMON_EVENTS_BY_CGROUP, cgroup_id)
            || reserved != 0
        {
            return Err(EINVAL);
        }
        Ok(Self {
            classes,
            args_max,
            flags,
            uid,
            tgid,
            cgroup_id,
        })
    }

    /// Returns the classes that have to be recorded: to follow a subtree takes the beginnings and
    /// the ends of processes.
    pub(super) fn recorded(&self) -> u32 {
        const LIVES: u32 = 1 << uapi::PROCMON_EVENT_FORK | 1 << uapi::PROCMON_EVENT_EXIT;

        if self.has(uapi::PROCMON_EVENTS_BY_SUBTREE) {
            self.classes | LIVES
        } else {
            self.classes
        }
    }

    /// Whether a flag is set.
    pub(super) fn has(&self, flag: u32) -> bool {
        self.flags & flag != 0
    }
}

/// The rights of a caller: which events it may see.
#[derive(Clone, Copy)]
pub(super) enum Rights {
    /// All events.
    All,
    /// Those of processes of one user, and of these what the user may see of a process of this
    /// group.
    Own {
        uid: u32,
        gid: u32,
        /// Whether an event of which it may not see all is not for the user at all.
        hides: bool,
    },
}

/// A caller, as far as its events depend on it.
#[derive(Clone, Copy)]
pub(super) struct Viewer {
    pub(super) rights: Rights,
    /// The namespace whose clock the times are given by.
    pub(super) time_ns: TimeNamespace,
}

impl Viewer {
    /// Returns the caller.
    ///
    /// # Errors
    ///
    /// As for [`Rights::of_caller`].
    pub(super) fn of_caller() -> Result<Self> {
        let caller = kernel::current!();

        Ok(Self {
            rights: Rights::of_caller(caller)?,
            time_ns: TimeNamespace::of_caller(caller),
        })
    }
}

impl Rights {
    /// Returns those of the caller.
    ///
    /// # Errors
    ///
    /// `EPERM` if the caller is outside of the initial namespaces, which events are about.
    fn of_caller(caller: &CurrentTask) -> Result<Self> {
        if !is_in_init_pid_ns(caller) || !UserNamespace::of_caller(caller).is_initial() {
            return Err(EPERM);
        }

        // `/proc` knows of no other capability to see what it hides.
        let hides = crate::HIDEPID.value() != 0;

        if !hides && ptrace::has_perfmon_capability() || ptrace::has_ptrace_capability() {
            return Ok(Self::All);
        }
        // TIME: RCU is held to read the IDs.
        let guard = rcu::read_lock();
        let ids = UserNamespace::initial().ids(caller, &guard);

        Ok(Self::Own {
            uid: ids.euid,
            gid: ids.egid,
            hides,
        })
    }
}
