// SPDX-License-Identifier: GPL-2.0-only

//! `PROCMON_QUERY_PID`: name, state and size of one process or thread.

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
    driver::hidepid::{
        Restriction,
        View, //
    },
    uapi, //
};

// The ABI has as much space for a name as the kernel.
static_assert!(TASK_COMM_LEN == uapi::PROCMON_COMM_LEN as usize);

/// Looks up a process or thread by its ID in the PID namespace of the caller.
///
/// An ID that is not found gives the state `PROCMON_STATE_NOT_FOUND`, as does one that is hidden
/// from the caller. One that is redacted gives `PROCMON_STATE_UNKNOWN`.
pub(crate) fn query(pid: Pid) -> uapi::procmon_query {
    let caller = kernel::current!();
    let restriction = Restriction::of_caller(caller);
    // TIME: RCU is held for one lookup, and for the lock of the task, which is held for a few
    // loads.
    let guard = rcu::read_lock();
    let Some(task) = find_task_by_vpid(pid, &guard) else {
        return nothing(pid, uapi::PROCMON_STATE_NOT_FOUND);
    };
    let found = uapi::procmon_query {
        pid,
        comm: task.comm(),
        // CAST: The states are single bits far below the sign.
        state: task.reported_state() as c_int,
        vsize: task.vsize(),
    };

    // Last, so that nothing was read of a program that has got other rights by then.
    match restriction.map_or(View::Whole, |restriction| restriction.view(task, &guard)) {
        View::Whole => found,
        View::Redacted => nothing(pid, uapi::PROCMON_STATE_UNKNOWN),
        View::Hidden => nothing(pid, uapi::PROCMON_STATE_NOT_FOUND),
    }
}

/// Returns an answer that tells nothing but this.
fn nothing(pid: Pid, state: c_int) -> uapi::procmon_query {
    uapi::procmon_query {
        pid,
        state,
        ..Zeroable::zeroed()
    }
}
