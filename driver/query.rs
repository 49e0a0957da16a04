// SPDX-License-Identifier: GPL-2.0

//! What is told about one process.

use kernel::{
    prelude::*,
    sync::rcu,
    task::Pid, //
};

use crate::{
    abstractions::task::{
        find_task_by_vpid,
        TaskExt,
        TASK_COMM_LEN, //
    },
    uapi, //
};

/// A process or thread as `PROCMON_QUERY_PID` tells of it.
pub(crate) struct ProcessInfo {
    /// The name, NUL-terminated and NUL-padded.
    pub(crate) comm: [u8; TASK_COMM_LEN],
    /// One of `PROCMON_STATE_*`.
    pub(crate) state: c_int,
    /// The size of the address space in bytes.
    pub(crate) vsize: usize,
}

// The interface gives a name the room that the kernel does.
static_assert!(TASK_COMM_LEN == uapi::PROCMON_COMM_LEN as usize);

impl ProcessInfo {
    const NOT_FOUND: Self = Self {
        comm: [0; TASK_COMM_LEN],
        state: uapi::PROCMON_STATE_NOT_FOUND,
        vsize: 0,
    };

    /// Looks a process or thread up by its ID in the PID namespace of the caller.
    pub(crate) fn query(pid: Pid) -> Self {
        let guard = rcu::read_lock();
        let Some(task) = find_task_by_vpid(pid, &guard) else {
            return Self::NOT_FOUND;
        };

        Self {
            comm: task.comm(),
            // CAST: The states are single bits far below the sign.
            state: task.reported_state() as c_int,
            vsize: task.virtual_size(),
        }
    }
}
