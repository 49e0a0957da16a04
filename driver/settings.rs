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

    /// Returns the totals since the last reset and the filter.
    pub(crate) fn read(&self, counters: &Counters) -> (Totals, Pid) {
        let values = self.values.read();

        // The counters are read while no reset can come, so no total is below its baseline.
        (counters.totals().since(&values.baseline), values.filter_pid)
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
