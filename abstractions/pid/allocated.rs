// SPDX-License-Identifier: GPL-2.0

//! The process IDs that a namespace has given to new tasks.
//!
//! C header: [`include/linux/pid_namespace.h`](srctree/include/linux/pid_namespace.h)

use kernel::{
    bindings,
    pid_namespace::PidNamespace,
    prelude::*,
    task::Pid, //
};

use crate::abstractions::task::read;

/// The IDs of a namespace that were given to new tasks within some time.
///
/// It must not be so long that more were given than there are IDs. Those that were in use already
/// were passed over, and are among these too.
#[derive(Clone, Copy)]
pub(crate) struct GivenIds {
    before: Pid,
    next: Pid,
    end: Pid,
}

impl GivenIds {
    /// Returns the IDs that a namespace has given since its next one was `before`.
    pub(super) fn since(ns: &PidNamespace, before: Pid) -> Self {
        let ns = ns.as_ptr();

        // SAFETY: The namespace is valid, and these change under our eyes, hence volatile.
        unsafe {
            Self {
                before,
                // CAST: IDs are far below the largest number.
                next: read!((*ns).idr.idr_next) as Pid,
                end: read!((*ns).pid_max),
            }
        }
    }

    /// The lower ones are not given again: `RESERVED_PIDS`.
    // CAST: It is small.
    const BEGIN: Pid = bindings::RESERVED_PIDS as Pid;

    /// The ID that comes next.
    pub(crate) fn next(&self) -> Pid {
        self.next
    }

    /// Whether an ID is one of these.
    #[inline(always)]
    pub(crate) fn contains(&self, nr: Pid) -> bool {
        if self.before <= self.next {
            // With one comparison: what is lower than the lowest one becomes a large number.
            // CAST: The difference is not negative.
            (nr.wrapping_sub(self.before) as u32) < self.next.abs_diff(self.before)
        } else {
            nr >= self.before || (Self::BEGIN..self.next).contains(&nr)
        }
    }

    /// How many these are.
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

#[kunit_tests(procmon_given_ids)]
mod tests {
    use super::*;

    #[test]
    fn given_ids() {
        let given = |before, next| GivenIds {
            before,
            next,
            end: 1000,
        };

        assert_eq!(given(400, 400).count(), 0);
        assert_eq!(given(400, 410).count(), 10);
        for (nr, is_given) in [(399, false), (400, true), (409, true), (410, false)] {
            assert_eq!(given(400, 410).contains(nr), is_given);
        }

        // From the end to the first ones that are given again.
        let anew = given(990, 305);

        assert_eq!(anew.count(), 10 + 5);
        for nr in [990, 999, 300, 304] {
            assert!(anew.contains(nr));
        }
        for nr in [1, 299, 305, 989] {
            assert!(!anew.contains(nr));
        }
        // The end may have become lower meanwhile.
        assert_eq!(given(2000, 305).count(), 5);
    }
}
