// SPDX-License-Identifier: GPL-2.0

//! The monitor: a thread that looks at the system, and at the process that was chosen, at regular
//! intervals.

use core::ops::ControlFlow;

use kernel::{
    new_spinlock,
    pid_namespace::PidNamespace,
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        rcu,
        SpinLock, //
    },
    task::Pid,
    time::Msecs, //
};

use crate::{
    abstractions::{
        kthread::{
            CurrentThread,
            ThreadFn, //
        },
        namespaces::to_initial_pid,
        pid::{
            for_each_pid,
            Budget,
            PidNamespaceExt,
            Walk, //
        },
        task::{
            cond_resched,
            TaskExt, //
        },
        time::{
            boottime,
            jiffies,
            nanoseconds_since, //
        }, //
    },
    driver::{
        recorder::Recorder,
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
    choice: Atomic<u64>,
}

/// A process that was chosen at some time, in one word. Nobody has chosen if it is zero.
#[derive(Clone, Copy, Default, Eq, PartialEq)]
pub(crate) struct Choice(u64);

impl Choice {
    /// Stands for a process that the caller does not have.
    const NOBODY: Pid = Pid::MAX;

    /// Chooses the process that has an ID in the caller's PID namespace now, or none by 0.
    #[inline(always)]
    pub(crate) fn of(pid: Pid) -> Self {
        match pid {
            0 => Self(0),
            // CAST: To the halves of the word. No choice is so old that the rest of the time
            // matters, as the monitor looks at least once an hour.
            _ => {
                let pid = to_initial_pid(pid).unwrap_or(Self::NOBODY);

                Self(u64::from(pid as u32) << 32 | u64::from(jiffies() as u32))
            }
        }
    }

    fn pid(self) -> Option<Pid> {
        // CAST: Back from where it came.
        (self.0 != 0).then_some((self.0 >> 32) as Pid)
    }

    /// Returns the latest time since boot, in nanoseconds, at which the choice may have been made.
    fn time(self) -> u64 {
        // CAST: The half that was kept.
        let elapsed = nanoseconds_since(self.0 as u32);

        // This clock is to be read last, for the result must not be too early.
        boottime().saturating_sub(elapsed)
    }
}

impl Monitor {
    /// The name of the thread.
    pub(crate) const THREAD_NAME: &'static CStr = c"procmon_monitor";

    /// How long the thread sleeps before it looks whether the interval was changed.
    const NAP: Msecs = 1000;

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
            choice: Atomic::new(0),
        }? Error)
    }

    /// Returns what was seen last.
    pub(crate) fn latest(&self) -> Latest {
        *self.latest.lock()
    }

    /// Makes a choice for [`ThreadFn::run`] to find.
    #[inline(always)]
    pub(crate) fn choose(&self, choice: Choice) {
        // The monitor may as well see this later.
        self.choice.store(choice.0, Relaxed);
    }

    /// Sleeps until the next sample is due or the thread is to end.
    fn wait(thread: &CurrentThread) {
        let mut slept = 0;

        while !thread.should_stop() {
            let interval = crate::MONITOR_INTERVAL_MS.value();

            match interval.checked_sub(slept) {
                None | Some(0) => break,
                Some(left) => {
                    let nap = left.min(Self::NAP);

                    thread.sleep(nap);
                    slept = slept.saturating_add(nap);
                }
            }
        }
    }
}

impl ThreadFn for Monitor {
    fn run(&self, thread: &CurrentThread) {
        pr_info!("monitor started\n");

        let mut census = Census::default();
        let mut watch = Watch::default();

        while !thread.should_stop() {
            let sample = census.take();
            let choice = Choice(self.choice.load(Relaxed));
            let sample = watch.look(choice, sample);

            if let Some(sample) = &sample {
                self.recorder.record(sample);
            }
            // What is not recorded is shown nevertheless.
            {
                let mut latest = self.latest.lock();

                latest.samples = latest.samples.wrapping_add(1);
                latest.sample = sample.unwrap_or(census.sample);
            }
            Self::wait(thread);
        }

        pr_info!("monitor stopped\n");
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

/// Looks at the process that was chosen, again and again.
#[derive(Default)]
struct Watch {
    choice: Choice,
    /// When the process was started, if it was ever seen.
    start_time: Option<u64>,
    is_gone: bool,
}

impl Watch {
    /// Adds the process to a sample of the system. Returns nothing if nothing is to be recorded any
    /// more because it is gone.
    fn look(&mut self, choice: Choice, mut sample: Sample) -> Option<Sample> {
        if choice != self.choice {
            *self = Self {
                choice,
                ..Self::default()
            };
        }

        let Some(pid) = choice.pid() else {
            return Some(sample);
        };

        if self.is_gone {
            return None;
        }
        match self.find(pid) {
            Some(record) => {
                self.start_time = Some(record.start_time);
                sample.flags = uapi::PROCMON_SAMPLE_PROCESS;
                sample.process = record;
            }
            None => {
                self.is_gone = true;
                sample.flags = uapi::PROCMON_SAMPLE_GONE;
                sample.process = Record {
                    pid,
                    start_time: self.start_time.unwrap_or(0),
                    ..Zeroable::zeroed()
                };
            }
        }
        Some(sample)
    }

    /// Looks for the process, and not for another one that has got the same ID since.
    fn find(&self, pid: Pid) -> Option<Record> {
        let record = Request::of_monitor(kernel::current!()).find(pid)?;
        let is_same = match self.start_time {
            Some(start_time) => record.start_time == start_time,
            None => record.start_time <= self.choice.time(),
        };

        is_same.then_some(record)
    }
}
