// SPDX-License-Identifier: GPL-2.0

//! What users set.

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

/// What users are told of the counters and the settings, all from one moment.
pub(crate) struct Report {
    /// The totals since the last reset.
    pub(crate) since_reset: Totals,
    /// All operations since the module was loaded.
    pub(crate) operations: u64,
    /// The process that the filter has chosen, 0 for none.
    pub(crate) filter_pid: Pid,
}

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
struct Values {
    /// What the counters were when they were last reset.
    baseline: Totals,
    /// Whether there is a filter, 0 or 1.
    has_filter: u64,
}

/// Whether there is a filter, and the baselines that make up for counters that are never set back.
///
/// Counting takes no part in the lock, and neither do readers unless there is a filter, or a writer
/// is at it. The filter itself is changed while the lock is held, but has a lock of its own, for it
/// is more than words.
#[pin_data]
pub(crate) struct Settings {
    #[pin]
    values: SeqRwLock<Values>,
}

impl Settings {
    /// Creates settings without a filter, with totals that count from the beginning.
    pub(crate) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            values <- new_seqrwlock!(
                Values {
                    baseline: Totals::default(),
                    has_filter: 0,
                },
                "Settings::values"
            ),
        })
    }

    /// Returns what the counters and the settings are.
    ///
    /// `filter_pid` is to return the number that the filter has for whom the report is. It is
    /// called only if there is a filter, with the lock held.
    #[inline(always)]
    pub(crate) fn report(&self, counters: &Counters, filter_pid: impl Fn() -> Pid) -> Report {
        // No reset comes between, so no total is below its baseline:
        // `tests/memory-model/reset.litmus` shows that this is so though counting takes no lock.
        let (values, totals) = self.values.read_with(|| counters.totals());

        if values.has_filter == 0 {
            return Self::summary(&values, &totals, 0);
        }

        let (values, (totals, pid)) = self
            .values
            .read_locked(|| (counters.totals(), filter_pid()));

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

    /// Sets the totals to zero, and calls a function that takes the filter away, before another one
    /// is set.
    pub(crate) fn reset(&self, counters: &Counters, then: impl FnOnce()) {
        self.values.update(|_| {
            then();
            Values {
                baseline: counters.totals(),
                has_filter: 0,
            }
        });
    }

    /// Notes whether there is a filter, and calls a function that sets it, before another one is
    /// set.
    pub(crate) fn set_filter(&self, is_set: bool, then: impl FnOnce()) {
        self.values.update(|values| {
            then();
            Values {
                baseline: values.baseline,
                has_filter: is_set.into(),
            }
        });
    }
}
