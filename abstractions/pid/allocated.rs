// SPDX-License-Identifier: GPL-2.0-only

//! The process IDs that a namespace has allocated for new tasks.
//!
//! Does not support periods in which more IDs were allocated than there are.
//!
//! C header: [`include/linux/pid_namespace.h`](srctree/include/linux/pid_namespace.h)

use kernel::{
    bindings,
    pid_namespace::PidNamespace,
    prelude::*,
    task::Pid, //
};

use crate::abstractions::sync::rwonce::read;

/// The IDs of a namespace that the allocation cursor has passed within some time.
///
/// They include the IDs that were in use already, which allocation skips. The period must be too
/// short for the cursor to wrap around completely.
#[derive(Clone, Copy)]
pub(crate) struct AllocatedPids {
    before: Pid,
    next: Pid,
    end: Pid,
}

impl AllocatedPids {
    /// Returns the IDs from `before` to the cursor of a namespace.
    pub(crate) fn since(ns: &PidNamespace, before: Pid) -> Self {
        let ns = ns.as_ptr();

        // SAFETY: The namespace is valid, and these fields change concurrently.
        unsafe {
            Self {
                before,
                // CAST: IDs are far below the largest number.
                next: read!((*ns).idr.idr_next) as Pid,
                end: read!((*ns).pid_max),
            }
        }
    }

    /// Where the cursor continues after `pid_max`: lower ones are allocated at boot only.
    // CAST: It is small.
    const BEGIN: Pid = bindings::RESERVED_PIDS as Pid;

    /// Returns the ID that the cursor stands at.
    pub(crate) fn next(&self) -> Pid {
        self.next
    }

    /// Whether these include an ID.
    #[inline(always)]
    pub(crate) fn contains(&self, nr: Pid) -> bool {
        if self.before <= self.next {
            // One comparison: an ID below the lowest one becomes a large number.
            // CAST: The difference is not negative.
            (nr.wrapping_sub(self.before) as u32) < self.next.abs_diff(self.before)
        } else {
            nr >= self.before || (Self::BEGIN..self.next).contains(&nr)
        }
    }

    /// Returns the number of these IDs.
    pub(crate) fn count(&self) -> u32 {
        let count = if self.before <= self.next {
            self.next.wrapping_sub(self.before)
        } else {
            self.end
                .saturating_sub(self.before)
                .max(0)
                .saturating_add(self.next.saturating_sub(Self::BEGIN).max(0))
        };

        // It is not negative.
        u32::try_from(count).unwrap_or(0)
    }
}

#[kunit_tests(procmon_pid_allocated)]
mod tests {
    use super::*;

    #[test]
    fn the_cursor_may_wrap() {
        let allocated = |before, next| AllocatedPids {
            before,
            next,
            end: 1000,
        };

        assert_eq!(allocated(400, 400).count(), 0);
        assert_eq!(allocated(400, 410).count(), 10);
        for (nr, is_allocated) in [(399, false), (400, true), (409, true), (410, false)] {
            assert_eq!(allocated(400, 410).contains(nr), is_allocated);
        }

        // Up to the end, and on from the first one that is not reserved.
        let wrapped = allocated(990, 305);

        assert_eq!(wrapped.count(), 10 + 5);
        for nr in [990, 999, 300, 304] {
            assert!(wrapped.contains(nr));
        }
        for nr in [1, 299, 305, 989] {
            assert!(!wrapped.contains(nr));
        }
        // `pid_max` may have been lowered since.
        assert_eq!(allocated(2000, 305).count(), 5);
    }
}
