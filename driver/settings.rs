// SPDX-License-Identifier: GPL-2.0

//! What users set.

use kernel::{
    prelude::*,
    task::Pid, //
};

use zerocopy_derive::Immutable;

use crate::{
    abstractions::seqlock::{
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
    /// The process to watch, 0 for none.
    pub(crate) filter_pid: Pid,
}

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
struct Values {
    /// What the counters were when they were last reset.
    baseline: Totals,
    /// The process to watch, 0 for none.
    filter_pid: Pid,
    _padding: u32,
}

/// The filter, and the baselines that make up for counters that are never set back.
///
/// Counting takes no part in the lock, and neither do readers unless a writer is at it.
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
                    filter_pid: 0,
                    _padding: 0,
                },
                "Settings::values"
            ),
        })
    }

    /// Returns what the counters and the settings are.
    #[inline(always)]
    pub(crate) fn report(&self, counters: &Counters) -> Report {
        // No reset comes between, so no total is below its baseline:
        // `tests/memory-model/reset.litmus` shows that this is so though counting takes no lock.
        let (values, totals) = self.values.read_with(|| counters.totals());

        Report {
            since_reset: totals.since(&values.baseline),
            operations: totals.sum(),
            filter_pid: values.filter_pid,
        }
    }

    /// Sets the totals and the filter to zero, and calls a function before another filter is set.
    pub(crate) fn reset(&self, counters: &Counters, then: impl FnOnce()) {
        self.values.update(|_| {
            then();
            Values {
                baseline: counters.totals(),
                filter_pid: 0,
                _padding: 0,
            }
        });
    }

    /// Sets the filter, and calls a function before another one is set.
    pub(crate) fn set_filter(&self, pid: Pid, then: impl FnOnce()) {
        self.values.update(|values| {
            then();
            Values {
                baseline: values.baseline,
                filter_pid: pid,
                _padding: 0,
            }
        });
    }
}
