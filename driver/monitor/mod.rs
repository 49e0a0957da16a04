// SPDX-License-Identifier: GPL-2.0-only

//! The monitor: a kernel thread that samples the system and its targets at intervals.
//!
//! - [`census`]: counts the tasks of the system.
//! - [`target`]: one process.
//! - [`targets`]: the places for processes that are followed.

use kernel::{
    new_mutex,
    new_spinlock,
    prelude::*,
    sync::{
        Arc,
        Mutex,
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
        },
        tracepoint::{
            events::SchedProcessExec,
            Registration, //
        }, //
    },
    driver::history::History,
    uapi::{
        self,
        procmon_sample as Sample, //
    }, //
};

mod census;
mod target;
pub(crate) mod targets;

use census::Census;
pub(crate) use target::{
    Target, //
    Viewer,
};
use targets::{
    Copy,
    List,
    Place,
    Targets, //
};

/// The latest sample.
#[derive(Clone, Copy)]
pub(crate) struct Latest {
    /// The number of samples so far, this one included. Not all of them are in the history.
    pub(crate) samples: u64,
    /// The sample, all zeroes before the first one.
    pub(crate) sample: Sample,
}

/// The results of the monitor and its targets, shared between its thread and its users.
#[pin_data]
pub(crate) struct Monitor {
    #[pin]
    latest: SpinLock<Latest>,
    /// The samples that are kept.
    #[pin]
    pub(crate) history: History,
    /// The processes that are followed.
    pub(crate) targets: Arc<Targets>,
    /// The probe that finds targets by their names, while any has one.
    #[pin]
    probe: Mutex<Option<Registration<SchedProcessExec, Targets>>>,
    /// The attribute that shows the latest sample, once it is registered.
    #[pin]
    attribute: SetOnce<AttributeFile>,
}

impl Monitor {
    /// The name of the thread.
    pub(crate) const THREAD_NAME: &'static CStr = c"procmon_monitor";

    /// Creates a monitor without samples, whose history holds `capacity` of each target.
    ///
    /// # Errors
    ///
    /// `ENOMEM` if memory is short.
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
            targets: Arc::pin_init(Targets::new(), GFP_KERNEL)?,
            probe <- new_mutex!(None, "Monitor::probe"),
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

    /// Sets all targets from the next sample on, by a function that exchanges the list for the one
    /// in force.
    ///
    /// # Errors
    ///
    /// - `ENOENT` if the kernel does not tell of programs that are executed, by which names are
    ///   found.
    /// - `ENOMEM` if memory is short.
    pub(crate) fn set_targets(&self, mut list: List, swap: impl FnOnce(&mut List)) -> Result {
        // TIME: The lock is held while the probe is registered or dropped: milliseconds, and until
        // the probes of others that run at this moment have returned.
        let mut probe = self.probe.lock();

        for (index, place) in (0..targets::MAX).zip(list.iter()) {
            if place.is_set() {
                self.history.prepare(index)?;
            }
        }
        // Before the list is in force, so that no process is missed: one that is there already is
        // found by a search, and one from now on by the probe.
        if list.has_names() && probe.is_none() {
            *probe = Some(Registration::new(self.targets.clone())?);
        }
        // The previous ones are dropped at the end.
        swap(&mut list);
        self.tidy(&mut probe);
        Ok(())
    }

    /// Sets the first target from the next sample on. Returns the previous one.
    pub(crate) fn set_target(&self, target: Option<Target>) -> Place {
        self.targets.replace_first(target)
    }

    /// Drops the probe if no target has a name any more.
    #[cold]
    pub(crate) fn forget_names(&self) {
        // TIME: As in `set_targets()`.
        self.tidy(&mut self.probe.lock());
    }

    fn tidy(&self, probe: &mut Option<Registration<SchedProcessExec, Targets>>) {
        if !self.targets.has_names() {
            *probe = None;
        }
    }

    /// Returns the first target's ID for the caller, or 0 without a process.
    pub(crate) fn target_pid(&self) -> Pid {
        Viewer::of_caller(kernel::current!()).map_or(0, |viewer| self.targets.first_nr(&viewer))
    }

    /// Publishes a sample of the system, and those of the targets.
    fn publish(&self, system: &Sample, targets: &Copy) {
        for (index, place) in (0..targets::MAX).zip(targets.list.iter()) {
            let sample = match place.target() {
                Some(target) => target.add_to(*system),
                // Without a target, this is the history of the system.
                None if index == 0 && !place.is_set() => *system,
                None => continue,
            };

            self.history.push(index, &sample);
            if sample.flags & uapi::PROCMON_SAMPLE_GONE != 0 {
                self.targets.end(index, place);
            }
        }
        self.history.new_samples.notify_all();
        {
            // TIME: As in `latest()`.
            let mut latest = self.latest.lock();

            latest.samples = latest.samples.wrapping_add(1);
            latest.sample = *system;
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
        let mut targets = Copy::new();
        let mut due = ktime_get_boottime_ns();

        // TIME: Each round sleeps until a deadline that is later than the last one.
        while !thread.should_stop() {
            let mut search = self.targets.search();
            let system = census.run(|process, leader| search.visit(process, leader));

            self.targets.finish(search);
            self.targets.refresh(&mut targets);
            self.publish(&system, &targets);
            due = Self::wait(thread, due);
        }
    }
}
