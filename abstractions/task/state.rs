// SPDX-License-Identifier: GPL-2.0-only

//! The states of tasks as `/proc/PID/stat` shows them.
//!
//! Does not support letters: user space gets the bits.
//!
//! # Examples
//!
//! ```ignore
//! let state = reported_state(bindings::TASK_UNINTERRUPTIBLE, 0);
//! ```
//!
//! C header: [`include/linux/sched.h`](srctree/include/linux/sched.h)

use kernel::{
    bindings,
    prelude::*, //
};

/// Returns the state as one bit of `TASK_REPORT` or `TASK_REPORT_IDLE`, or as 0 for a task that
/// runs or waits for a CPU. The C function returns the number of the bit.
#[doc(alias = "__task_state_index")]
#[inline(always)]
pub(super) fn reported_state(state: c_uint, exit_state: c_uint) -> c_uint {
    const SPECIAL: c_uint =
        bindings::TASK_RTLOCK_WAIT | bindings::TASK_FROZEN | bindings::TASK_NOLOAD;

    if state & SPECIAL != 0 {
        if let Some(reported) = special_state(state) {
            return reported;
        }
    }

    let reported = (state | exit_state) & bindings::TASK_REPORT;

    // The highest bit wins, as with `fls()`. Most tasks have none or one of the two lowest.
    match reported {
        0..=2 => reported,
        _ => 1 << reported.ilog2(),
    }
}

/// Returns the bit for a state that few tasks are in.
#[inline(always)]
fn special_state(state: c_uint) -> Option<c_uint> {
    if state & (bindings::TASK_RTLOCK_WAIT | bindings::TASK_FROZEN) != 0 {
        // As in C: a wait for a lock of a PREEMPT_RT kernel, and being frozen.
        return Some(bindings::TASK_UNINTERRUPTIBLE);
    }
    (state & bindings::TASK_IDLE == bindings::TASK_IDLE).then_some(bindings::TASK_REPORT_IDLE)
}

#[kunit_tests(procmon_task_state)]
mod tests {
    use super::*;

    #[test]
    fn states_are_those_of_proc() {
        // Bits by their values, since they are what user space is promised.
        let cases = [
            (0x0, 0x0, 0),     // R
            (0x1, 0x0, 1),     // S
            (0x2, 0x0, 2),     // D
            (0x4, 0x0, 4),     // T
            (0x8, 0x0, 8),     // t
            (0x80, 0x10, 16),  // X
            (0x80, 0x20, 32),  // Z
            (0x40, 0x0, 64),   // P
            (0x402, 0x0, 128), // I
            (0x102, 0x0, 2),   // D, killable
            (0x1000, 0x0, 2),  // D, waiting for a lock of a PREEMPT_RT kernel
            (0x8000, 0x0, 2),  // D, frozen
            (0x2001, 0x0, 1),  // S, freezable
            (0x200, 0x0, 0),   // R, being woken
        ];

        for (state, exit_state, reported) in cases {
            assert_eq!(reported_state(state, exit_state), reported);
        }
    }
}
