// SPDX-License-Identifier: GPL-2.0

//! The monitor: a thread that counts processes at regular intervals.

use kernel::{
    new_spinlock,
    prelude::*,
    sync::{
        rcu,
        SpinLock, //
    },
    time::Msecs, //
};

use crate::{
    abstractions::{
        kthread::{
            CurrentThread,
            ThreadFn, //
        },
        task::{
            processes,
            TaskExt, //
        }, //
    },
    uapi, //
};

/// What the monitor saw at one moment.
#[derive(Clone, Copy, Default)]
pub(crate) struct Sample {
    /// Number of samples taken so far, this one included.
    pub(crate) samples: u64,
    /// Processes, zombies included.
    pub(crate) processes: u64,
    /// Threads of those processes.
    pub(crate) threads: u64,
    /// Threads that run or wait for a CPU, the monitor itself among them.
    pub(crate) running: u64,
}

impl Sample {
    /// Counts what there is now.
    fn take(samples: u64) -> Self {
        let guard = rcu::read_lock();
        let mut sample = Self {
            samples,
            ..Self::default()
        };

        for process in processes(&guard) {
            sample.processes = sample.processes.wrapping_add(1);
            for thread in process.threads(&guard) {
                sample.threads = sample.threads.wrapping_add(1);
                if thread.reported_state() == uapi::PROCMON_STATE_RUNNING {
                    sample.running = sample.running.wrapping_add(1);
                }
            }
        }
        sample
    }
}

/// The monitor's last sample, and the thread function that renews it.
#[pin_data]
pub(crate) struct Monitor {
    #[pin]
    sample: SpinLock<Sample>,
}

impl Monitor {
    /// The name of the thread.
    pub(crate) const THREAD_NAME: &'static CStr = c"procmon_monitor";

    /// How long the thread sleeps before it looks whether the interval was changed.
    const NAP: Msecs = 1000;

    /// Creates a monitor that has taken no sample yet.
    pub(crate) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            sample <- new_spinlock!(Sample::default(), "Monitor::sample"),
        })
    }

    /// Returns the last sample, which is all zeroes before the first one.
    pub(crate) fn sample(&self) -> Sample {
        *self.sample.lock()
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

        let mut samples = 0u64;

        while !thread.should_stop() {
            samples = samples.wrapping_add(1);

            let sample = Sample::take(samples);

            *self.sample.lock() = sample;
            Self::wait(thread);
        }

        pr_info!("monitor stopped\n");
    }
}
