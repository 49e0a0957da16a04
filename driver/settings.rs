// SPDX-License-Identifier: GPL-2.0

//! What users set.

use kernel::{
    prelude::*,
    task::Pid, //
};

use crate::{
    abstractions::rwlock::{
        new_rwlock,
        RwLock, //
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

struct Values {
    /// The process to watch, 0 for none.
    filter_pid: Pid,
    /// What the counters were when they were last reset.
    baseline: Totals,
}

/// The filter, and the baselines that make up for counters that are never set back.
///
/// Counting takes no part in the lock.
#[pin_data]
pub(crate) struct Settings {
    #[pin]
    values: RwLock<Values>,
}

impl Settings {
    /// Creates settings without a filter, with totals that count from the beginning.
    pub(crate) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            values <- new_rwlock!(
                Values {
                    filter_pid: 0,
                    baseline: Totals::default(),
                },
                "Settings::values"
            ),
        })
    }

    /// Returns what the counters and the settings are.
    pub(crate) fn report(&self, counters: &Counters) -> Report {
        let values = self.values.read();

        // The counters are read while no reset can come, so no total is below its baseline:
        // `tests/memory-model/reset.litmus` shows that this is so though counting takes no lock.
        let totals = counters.totals();

        Report {
            since_reset: totals.since(&values.baseline),
            operations: totals.sum(),
            filter_pid: values.filter_pid,
        }
    }

    /// Sets the totals and the filter to zero.
    pub(crate) fn reset(&self, counters: &Counters) {
        let mut values = self.values.write();

        values.filter_pid = 0;
        values.baseline = counters.totals();
    }

    /// Sets the filter.
    pub(crate) fn set_filter(&self, pid: Pid) {
        self.values.write().filter_pid = pid;
    }
}
