// SPDX-License-Identifier: GPL-2.0

//! The monitor: a kernel thread that samples the system and one target process at intervals.
//!
//! - [`census`]: counts the tasks of the system.
//! - [`target`]: follows one process.

use kernel::{
    new_spinlock,
    prelude::*,
    sync::{
        SetOnce,
        SpinLock, //
    },
    task::Pid,
    time::Delta, //
};

use crate::{
    abstractions::{
        kthread::{
            CurrentThread,
            ThreadFn, //
        },
        sysfs::AttributeFile,
        time::{
            ktime_get_boottime_ns,
            next_due, //
        }, //
    },
    driver::history::History,
    uapi::procmon_sample as Sample, //
};

mod census;
mod target;

use census::Census;
pub(crate) use target::Target;
use target::{
    Follower,
    Selection, //
};

/// The latest sample.
#[derive(Clone, Copy)]
pub(crate) struct Latest {
    /// The number of samples so far, this one included. Not all of them are in the history.
    pub(crate) samples: u64,
    /// The sample, all zeroes before the first one.
    pub(crate) sample: Sample,
}

/// The results of the monitor and its target, shared between its thread and its users.
#[pin_data]
pub(crate) struct Monitor {
    #[pin]
    latest: SpinLock<Latest>,
    /// The samples that are kept.
    #[pin]
    pub(crate) history: History,
    #[pin]
    selection: SpinLock<Selection>,
    /// The attribute that shows the latest sample, once it is registered.
    #[pin]
    attribute: SetOnce<AttributeFile>,
}

impl Monitor {
    /// The name of the thread.
    pub(crate) const THREAD_NAME: &'static CStr = c"procmon_monitor";

    /// Creates a monitor without samples, whose history holds `capacity` of them.
    ///
    /// # Errors
    ///
    /// `ENOMEM` if there is no memory for the history.
    pub(crate) fn new(capacity: usize) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            latest <- new_spinlock!(
                Latest {
                    samples: 0,
                    sample: Zeroable::zeroed(),
                },
                "Monitor::latest"
            ),
            history <- History::new(capacity),
            selection <- new_spinlock!(Selection::default(), "Monitor::selection"),
            attribute: SetOnce::new(),
        }? Error)
    }

    /// Returns the latest sample.
    pub(crate) fn latest(&self) -> Latest {
        // TIME: The lock is held for a copy of one sample.
        *self.latest.lock()
    }

    /// Notifies pollers of an attribute of each sample from now on.
    pub(crate) fn notify_by(&self, attribute: AttributeFile) {
        // The device is registered once, so there is no other.
        let _ = self.attribute.populate(attribute);
    }

    /// Sets the target from the next sample on. Returns the previous one.
    pub(crate) fn set_target(&self, target: Option<Target>) -> Option<Target> {
        // TIME: The lock is held for a copy of the target, or for a lookup of its ID.
        let mut selection = self.selection.lock();

        selection.generation = selection.generation.wrapping_add(1);
        core::mem::replace(&mut selection.target, target)
    }

    /// Returns the target's ID in the caller's PID namespace, or 0 without a target.
    pub(crate) fn target_pid(&self) -> Pid {
        let caller = kernel::current!();
        let Some(ns) = caller.active_pid_ns() else {
            return 0;
        };
        // TIME: As in `set_target()`.
        let selection = self.selection.lock();

        selection
            .target
            .as_ref()
            .map_or(0, |target| target.nr_ns(ns))
    }

    /// Returns the selection if it is not of this generation any more.
    fn selection_since(&self, generation: u64) -> Option<Selection> {
        // TIME: As in `set_target()`.
        let selection = self.selection.lock();

        (selection.generation != generation).then(|| selection.clone())
    }

    /// Publishes a sample: with the target in the history, or of the system alone.
    fn publish(&self, system: &Sample, recorded: Option<&Sample>) {
        if let Some(sample) = recorded {
            self.history.push(sample);
        }
        {
            // TIME: As in `latest()`.
            let mut latest = self.latest.lock();

            latest.samples = latest.samples.wrapping_add(1);
            // A sample that is not kept is shown nevertheless.
            latest.sample = *recorded.unwrap_or(system);
        }
        if let Some(attribute) = self.attribute.as_ref() {
            attribute.notify();
        }
    }

    /// Sleeps from the sample that was due at `due` to the next one, or until the thread is to
    /// stop. Returns when the next sample is due.
    fn wait(thread: &CurrentThread, due: u64) -> u64 {
        let interval = &crate::MONITOR_INTERVAL_MS;

        // TIME: Until the next sample is due, which is at most an hour: see `MONITOR_INTERVAL_MS`.
        // A change of the interval restarts the wait, counted from the previous sample.
        while !thread.should_stop() {
            let ms = interval.value();
            let next = next_due(due, Delta::from_millis(ms.into()), ktime_get_boottime_ns());

            thread.sleep_until(next, interval.watched(), ms);
            if interval.value() == ms && ktime_get_boottime_ns() >= next {
                return next;
            }
        }
        due
    }
}

impl ThreadFn for Monitor {
    fn run(&self, thread: &CurrentThread) {
        let mut census = Census::new();
        let mut follower = Follower::default();
        let mut due = ktime_get_boottime_ns();

        // TIME: Each round sleeps until a deadline that is later than the last one.
        while !thread.should_stop() {
            let system = census.run();

            if let Some(selection) = self.selection_since(follower.generation()) {
                follower = Follower::from(selection);
            }
            self.publish(&system, follower.add_to(system).as_ref());
            due = Self::wait(thread, due);
        }
    }
}
