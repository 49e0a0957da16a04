// SPDX-License-Identifier: GPL-2.0-only

//! The settings of users: the baseline of the totals, and whether the monitor has a target.

use kernel::{
    prelude::*,
    task::Pid, //
};

use zerocopy_derive::Immutable;

use crate::{
    abstractions::sync::seqlock::{
        new_seqrwlock,
        SeqRwLock, //
    },
    driver::counters::{
        Counters,
        Totals, //
    }, //
};

/// The counters and the settings, all from one moment.
pub(crate) struct Report {
    /// The totals since the last reset.
    pub(crate) since_reset: Totals,
    /// All operations since the module was loaded.
    pub(crate) operations: u64,
    /// The target of the monitor as an ID in the caller's PID namespace, 0 for none.
    pub(crate) filter_pid: Pid,
}

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
struct Values {
    /// The counters as of the last reset.
    baseline: Totals,
    /// Whether the monitor has a target, 0 or 1.
    has_target: u64,
}

/// The baseline of the counters, which themselves are never reset, and whether there is a target.
///
/// Counting does not take the lock, nor do readers, unless there is a target or a writer. The
/// target itself is set with the lock held, but has a lock of its own, since it is no plain data.
#[pin_data]
pub(crate) struct Settings {
    #[pin]
    values: SeqRwLock<Values>,
}

impl Settings {
    /// Creates settings with a baseline of zero.
    pub(crate) fn new(has_target: bool) -> impl PinInit<Self> {
        pin_init!(Self {
            values <- new_seqrwlock!(
                Values {
                    baseline: Totals::default(),
                    has_target: has_target.into(),
                },
                "Settings::values"
            ),
        })
    }

    /// Returns the counters and the settings.
    ///
    /// `target_pid` returns the target's ID for the caller. It is called with the lock held, and
    /// only if there is a target.
    #[inline(always)]
    pub(crate) fn report(&self, counters: &Counters, target_pid: impl Fn() -> Pid) -> Report {
        // No reset comes in between, so no total is below its baseline, though counting takes no
        // lock: see `tests/litmus/reset.litmus`.
        let (values, totals) = self.values.read_with(|| counters.totals());

        if values.has_target == 0 {
            return Self::summary(&values, &totals, 0);
        }

        let (values, (totals, pid)) = self
            .values
            .read_locked(|| (counters.totals(), target_pid()));

        Self::summary(&values, &totals, pid)
    }

    #[inline(always)]
    fn summary(values: &Values, totals: &Totals, filter_pid: Pid) -> Report {
        Report {
            since_reset: totals.since(&values.baseline),
            operations: totals.sum(),
            filter_pid,
        }
    }

    /// Sets the totals to zero, and calls a function that clears the target, in one step.
    pub(crate) fn reset(&self, counters: &Counters, then: impl FnOnce()) {
        self.values.update(|_| {
            then();
            Values {
                baseline: counters.totals(),
                has_target: 0,
            }
        });
    }

    /// Notes whether there is a target, and calls a function that sets it, in one step.
    pub(crate) fn set_target(&self, is_set: bool, then: impl FnOnce()) {
        self.values.update(|values| {
            then();
            Values {
                baseline: values.baseline,
                has_target: is_set.into(),
            }
        });
    }
}
