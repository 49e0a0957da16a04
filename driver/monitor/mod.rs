// SPDX-License-Identifier: GPL-2.0

//! The monitor: a thread that looks at the system, and at the process that was chosen, at regular
//! intervals.

use core::ops::ControlFlow;

use kernel::{
    new_spinlock,
    pid_namespace::PidNamespace,
    prelude::*,
    sync::{
        rcu,
        SetOnce,
        SpinLock, //
    },
    task::Pid,
    time::Delta, //
};

pub(crate) mod target;

use target::Filter;

use crate::{
    abstractions::{
        kthread::{
            CurrentThread,
            ThreadFn, //
        },
        pid::{
            for_each_pid,
            Budget,
            PidNamespaceExt,
            Walk, //
        },
        sysfs::AttributeFile,
        task::{
            cond_resched,
            TaskExt, //
        },
        time::{
            boottime,
            next_due, //
        }, //
    },
    driver::{
        history::Recorder,
        snapshot::Request, //
    },
    uapi::{
        self,
        procmon_record as Record,
        procmon_sample as Sample, //
    }, //
};

/// What the monitor saw last.
#[derive(Clone, Copy)]
pub(crate) struct Latest {
    /// Number of samples taken so far, this one included. Not all were recorded.
    pub(crate) samples: u64,
    /// The sample, all zeroes before the first one.
    pub(crate) sample: Sample,
}

/// What the monitor has seen, and the thread function that looks again.
#[pin_data]
pub(crate) struct Monitor {
    #[pin]
    latest: SpinLock<Latest>,
    /// All samples that there is room for.
    #[pin]
    pub(crate) recorder: Recorder,
    #[pin]
    chosen: SpinLock<Chosen>,
    /// The file that shows what was seen last, once there is one.
    #[pin]
    file: SetOnce<AttributeFile>,
}

/// What the filter is, and how often it was set until then.
#[derive(Clone, Default)]
struct Chosen {
    filter: Option<Filter>,
    generation: u64,
}

impl Monitor {
    /// The name of the thread.
    pub(crate) const THREAD_NAME: &'static CStr = c"procmon_monitor";

    /// Creates a monitor that has taken no sample yet, and records so many.
    ///
    /// # Errors
    ///
    /// `ENOMEM` if there is no memory for the samples.
    pub(crate) fn new(room: usize) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            latest <- new_spinlock!(
                Latest {
                    samples: 0,
                    sample: Zeroable::zeroed(),
                },
                "Monitor::latest"
            ),
            recorder <- Recorder::new(room),
            chosen <- new_spinlock!(Chosen::default(), "Monitor::chosen"),
            file: SetOnce::new(),
        }? Error)
    }

    /// Returns what was seen last.
    pub(crate) fn latest(&self) -> Latest {
        *self.latest.lock()
    }

    /// Has those who poll a file told of each sample from now on.
    pub(crate) fn announce_by(&self, file: AttributeFile) {
        // There is but one.
        let _ = self.file.populate(file);
    }

    /// Sets the filter, from the next sample on. Returns what it was.
    pub(crate) fn choose(&self, filter: Option<Filter>) -> Option<Filter> {
        // TIME: Whoever holds this lock copies the filter, or looks up a number in it.
        let mut chosen = self.chosen.lock();

        chosen.generation = chosen.generation.wrapping_add(1);
        core::mem::replace(&mut chosen.filter, filter)
    }

    /// Returns the number of the process that the filter has chosen in the caller's PID namespace,
    /// or 0 if there is none.
    pub(crate) fn filter_pid(&self) -> Pid {
        let caller = kernel::current!();
        let Some(ns) = caller.active_pid_ns() else {
            return 0;
        };
        // TIME: As in `choose()`.
        let chosen = self.chosen.lock();

        chosen.filter.as_ref().map_or(0, |filter| filter.nr_in(ns))
    }

    /// Returns the filter if it was set since a time when it had been set so often.
    fn chosen_since(&self, generation: u64) -> Option<Chosen> {
        // TIME: As in `choose()`.
        let chosen = self.chosen.lock();

        (chosen.generation != generation).then(|| chosen.clone())
    }

    /// Makes a sample known.
    fn publish(&self, seen: &Sample, recorded: Option<&Sample>) {
        if let Some(sample) = recorded {
            self.recorder.record(sample);
        }
        {
            // TIME: Whoever holds this lock copies a sample.
            let mut latest = self.latest.lock();

            latest.samples = latest.samples.wrapping_add(1);
            // What is not recorded is shown nevertheless.
            latest.sample = *recorded.unwrap_or(seen);
        }
        if let Some(file) = self.file.as_ref() {
            file.notify();
        }
    }

    /// Sleeps until the sample after one that was due at `due`, or until the thread is to end.
    /// Returns when that sample is due.
    fn wait(thread: &CurrentThread, due: u64) -> u64 {
        let interval = &crate::MONITOR_INTERVAL_MS;

        // TIME: Until the next sample is due, which is at most an hour: see `MONITOR_INTERVAL_MS`.
        // Whenever somebody sets the interval it is reckoned anew, from the last sample on.
        while !thread.should_stop() {
            let ms = interval.value();
            let next = next_due(due, Delta::from_millis(ms.into()), boottime());

            thread.sleep_until(next, interval.watched(), ms);
            if interval.value() == ms && boottime() >= next {
                return next;
            }
        }
        due
    }
}

impl ThreadFn for Monitor {
    fn run(&self, thread: &CurrentThread) {
        let mut census = Census::default();
        let mut watch = Watch::default();
        let mut due = boottime();

        // TIME: Each round sleeps until a deadline that is later than the last one.
        while !thread.should_stop() {
            let seen = census.take();

            if let Some(chosen) = self.chosen_since(watch.generation) {
                watch = Watch::from(chosen);
            }
            self.publish(&seen, watch.look(seen).as_ref());
            due = Self::wait(thread, due);
        }
    }
}

/// Counts all tasks, again and again.
struct Census {
    /// The last count.
    sample: Sample,
    /// The ID that the next task gets, as it was then.
    next_pid: Pid,
}

impl Default for Census {
    fn default() -> Self {
        Self {
            sample: Zeroable::zeroed(),
            next_pid: 0,
        }
    }
}

impl Census {
    /// How many IDs are visited while RCU is held.
    const VISITS: usize = 64;

    /// Counts what there is now.
    ///
    /// TIME: Each ID is visited once, and there are at most `pid_max` of them. RCU is held for one
    /// budget of them at a time. So unloading waits for the count that is under way, and no longer.
    fn take(&mut self) -> Sample {
        let ns = PidNamespace::initial();
        let previous = self.sample.time;
        let time = boottime();
        // After the time: what is not counted as a fork now has started before the next time.
        let given = ns.given_since(self.next_pid);
        let mut sample = Sample {
            time,
            ..Zeroable::zeroed()
        };
        let mut skipped = 0u32;
        let mut next = 0;

        loop {
            let guard = rcu::read_lock();
            let budget = Budget::new(Self::VISITS);
            let walk = for_each_pid(ns, next, budget, &guard, |nr, pid, _| {
                let Some(thread) = pid.task(&guard) else {
                    return ControlFlow::<()>::Continue(());
                };
                let state = thread.reported_state();

                sample.threads = sample.threads.wrapping_add(1);
                match state {
                    uapi::PROCMON_STATE_RUNNING => sample.running = sample.running.wrapping_add(1),
                    uapi::PROCMON_STATE_DISK_SLEEP => {
                        sample.uninterruptible = sample.uninterruptible.wrapping_add(1);
                    }
                    _ => {}
                }
                if pid.thread_group_leader(&guard).is_some() {
                    sample.processes = sample.processes.wrapping_add(1);
                    if state == uapi::PROCMON_STATE_ZOMBIE {
                        sample.zombies = sample.zombies.wrapping_add(1);
                    }
                }
                if given.contains(nr) && thread.start_boottime() < previous {
                    skipped = skipped.wrapping_add(1);
                }
                ControlFlow::Continue(())
            });

            match walk {
                Walk::Pause(nr) => next = nr,
                Walk::End | Walk::Break(()) => break,
            }
            drop(guard);
            cond_resched();
        }

        // Nobody knows what was before the first sample.
        if previous != 0 {
            sample.forks = given.count().saturating_sub(skipped);
        }
        self.next_pid = given.next();
        self.sample = sample;
        sample
    }
}

/// Looks at the process that the filter has chosen, again and again.
#[derive(Default)]
struct Watch {
    filter: Option<Filter>,
    generation: u64,
    is_gone: bool,
}

impl From<Chosen> for Watch {
    fn from(chosen: Chosen) -> Self {
        Self {
            filter: chosen.filter,
            generation: chosen.generation,
            is_gone: false,
        }
    }
}

impl Watch {
    /// Adds the process to a sample of the system. Returns `None` once a sample has said that it is
    /// gone, so that its past is kept.
    fn look(&mut self, mut sample: Sample) -> Option<Sample> {
        let Some(filter) = &self.filter else {
            return Some(sample);
        };

        if self.is_gone {
            return None;
        }

        let record = Request::of_kernel_thread(kernel::current!()).find(filter.initial_nr());

        // Not asked before: as long as the process is there, nothing else has the number.
        if !filter.is_there() {
            self.is_gone = true;
            sample.flags = uapi::PROCMON_SAMPLE_GONE;
            sample.process = Record {
                pid: filter.initial_nr(),
                start_time: filter.start_time(),
                ..Zeroable::zeroed()
            };
        } else if let Some(record) = record {
            sample.flags = uapi::PROCMON_SAMPLE_PROCESS;
            sample.process = record;
        }
        Some(sample)
    }
}
