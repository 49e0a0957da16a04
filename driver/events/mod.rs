// SPDX-License-Identifier: GPL-2.0-only

//! Events: what happens to processes, in the order in which it happens.
//!
//! - [`reader`]: one open file, and `PROCMON_EVENTS`.
//! - [`filter`]: which events a reader gets, and what of them.
//! - [`request`]: what a caller asks for, and its rights.
//! - [`subtree`]: a process and those that descend from it.
//! - [`probes`]: what is written of an event.
//! - [`recorder`]: the ring with its lock, and what is to be written there.
//! - [`ring`]: the ring of events.

mod filter;
mod probes;
pub(crate) mod reader;
mod recorder;
mod request;
mod ring;
mod subtree;

use kernel::{
    new_mutex,
    prelude::*,
    sync::{
        Arc,
        Mutex, //
    }, //
};

#[cfg(CONFIG_CGROUPS)]
use crate::abstractions::tracepoint::events::CgroupAttachTask;
use crate::{
    abstractions::tracepoint::{
        events::{
            MarkVictim,
            SchedProcessExec,
            SchedProcessExit,
            TaskNewtask,
            TaskRename, //
        },
        is_supported,
        Probe,
        Registration,
        Tracepoint, //
    },
    uapi, //
};

use recorder::Recorder;
use ring::{
    Ring,
    TYPES, //
};

/// All classes.
const CLASSES: u32 = (1 << TYPES) - 1;

const FORKS: u32 = 1 << uapi::PROCMON_EVENT_FORK | 1 << uapi::PROCMON_EVENT_THREAD_START;
const EXECS: u32 = 1 << uapi::PROCMON_EVENT_EXEC;
const EXITS: u32 = 1 << uapi::PROCMON_EVENT_EXIT | 1 << uapi::PROCMON_EVENT_THREAD_EXIT;
const THREADS: u32 = 1 << uapi::PROCMON_EVENT_THREAD_START | 1 << uapi::PROCMON_EVENT_THREAD_EXIT;
const COMMS: u32 = 1 << uapi::PROCMON_EVENT_COMM;
#[cfg(CONFIG_CGROUPS)]
const CGROUPS: u32 = 1 << uapi::PROCMON_EVENT_CGROUP;
const OOMS: u32 = 1 << uapi::PROCMON_EVENT_OOM;

/// The events of the machine.
#[pin_data]
pub(crate) struct Events {
    /// The probes, with the ring that they write to.
    pub(crate) recorder: Arc<Recorder>,
    /// The classes that the kernel tells of.
    pub(crate) classes: u32,
    #[pin]
    subscriptions: Mutex<Subscriptions>,
}

/// The open files that read events, and the probes for them.
#[derive(Default)]
struct Subscriptions {
    /// The number of files that want each class.
    readers: [u32; TYPES],
    /// The largest size of arguments that a file has asked for since there were files.
    args_max: u32,
    forks: Option<Registration<TaskNewtask, Recorder>>,
    execs: Option<Registration<SchedProcessExec, Recorder>>,
    exits: Option<Registration<SchedProcessExit, Recorder>>,
    comms: Option<Registration<TaskRename, Recorder>>,
    #[cfg(CONFIG_CGROUPS)]
    cgroups: Option<Registration<CgroupAttachTask, Recorder>>,
    ooms: Option<Registration<MarkVictim, Recorder>>,
}

impl Subscriptions {
    fn wanted(&self) -> u32 {
        self.readers
            .iter()
            .zip(0..TYPES as u32)
            .filter(|(readers, _)| **readers > 0)
            .fold(0, |classes, (_, kind)| classes | 1u32.wrapping_shl(kind))
    }

    /// Counts a reader of some classes.
    fn count(&mut self, classes: u32, by: impl Fn(u32) -> u32) {
        for (readers, kind) in self.readers.iter_mut().zip(0..TYPES as u32) {
            if classes & 1u32.wrapping_shl(kind) != 0 {
                *readers = by(*readers);
            }
        }
    }

    /// Registers the probes that the wanted classes need, and drops the others.
    fn update(&mut self, recorder: &Arc<Recorder>) -> Result {
        let wanted = self.wanted();

        // First, so that no event is missed that a reader of its class may count on.
        recorder.want(wanted, self.args_max);
        set(&mut self.forks, wanted & FORKS != 0, recorder)?;
        set(&mut self.execs, wanted & EXECS != 0, recorder)?;
        set(&mut self.exits, wanted & EXITS != 0, recorder)?;
        set(&mut self.comms, wanted & COMMS != 0, recorder)?;
        #[cfg(CONFIG_CGROUPS)]
        set(&mut self.cgroups, wanted & CGROUPS != 0, recorder)?;
        set(&mut self.ooms, wanted & OOMS != 0, recorder)
    }
}

/// Registers a probe if it is wanted, or drops it.
fn set<T: Tracepoint>(
    registration: &mut Option<Registration<T, Recorder>>,
    is_wanted: bool,
    recorder: &Arc<Recorder>,
) -> Result
where
    Recorder: Probe<T>,
{
    match registration {
        Some(_) if !is_wanted => *registration = None,
        None if is_wanted => *registration = Some(Registration::new(recorder.clone())?),
        _ => {}
    }
    Ok(())
}

/// Returns the classes of events that the kernel tells of.
fn supported_classes() -> u32 {
    [
        (FORKS, is_supported::<TaskNewtask>()),
        (EXECS, is_supported::<SchedProcessExec>()),
        (EXITS, is_supported::<SchedProcessExit>()),
        (COMMS, is_supported::<TaskRename>()),
        #[cfg(CONFIG_CGROUPS)]
        (CGROUPS, is_supported::<CgroupAttachTask>()),
        (OOMS, is_supported::<MarkVictim>()),
    ]
    .into_iter()
    .filter(|(_, is_supported)| *is_supported)
    .fold(0, |all, (classes, _)| all | classes)
}

impl Events {
    /// Creates events that are not recorded yet.
    ///
    /// # Errors
    ///
    /// `ENOMEM` if memory is short.
    pub(crate) fn new() -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            recorder: Arc::pin_init(Recorder::new(), GFP_KERNEL)?,
            classes: supported_classes(),
            subscriptions <- new_mutex!(Subscriptions::default(), "Events::subscriptions"),
        })
    }

    /// Returns the sequence number of the newest event, 0 before the first one.
    pub(crate) fn newest(&self) -> u64 {
        // TIME: The lock is held for a load.
        let shared = self.recorder.shared.lock();

        shared.ring.as_ref().map_or(0, Ring::newest)
    }

    /// Has classes of events recorded, until [`unsubscribe`](Self::unsubscribe) is called with the
    /// same classes.
    ///
    /// # Errors
    ///
    /// `ENOMEM` if memory is short, `ENOENT` if the kernel does not tell of a class.
    fn subscribe(&self, classes: u32, args_max: u32) -> Result {
        // TIME: The lock is held while probes are registered and dropped: milliseconds, and until
        // the probes of others that run at this moment have returned.
        let mut subscriptions = self.subscriptions.lock();

        if self.recorder.shared.lock().ring.is_none() {
            let ring = Ring::new((crate::EVENTS_KB.value() as usize).saturating_mul(1024))?;

            self.recorder.shared.lock().ring = Some(ring);
        }
        subscriptions.count(classes, |readers| readers.saturating_add(1));
        subscriptions.args_max = subscriptions.args_max.max(args_max);

        let result = subscriptions.update(&self.recorder);

        if result.is_err() {
            subscriptions.count(classes, |readers| readers.saturating_sub(1));
            // This drops probes only.
            let _ = subscriptions.update(&self.recorder);
        }
        result
    }

    /// Has events recorded for good, for readers that come later: the lives of processes and what
    /// changes them, without those of threads.
    ///
    /// # Errors
    ///
    /// `ENOMEM` if memory is short.
    pub(crate) fn record(&self) -> Result {
        /// The size of the arguments of a program.
        const ARGS_MAX: u32 = 1024;

        self.subscribe(self.classes & !THREADS, ARGS_MAX)
    }

    /// Ends what [`subscribe`](Self::subscribe) has begun.
    fn unsubscribe(&self, classes: u32) {
        // TIME: As above.
        let mut subscriptions = self.subscriptions.lock();

        subscriptions.count(classes, |readers| readers.saturating_sub(1));
        if subscriptions.wanted() == 0 {
            subscriptions.args_max = 0;
        }
        // This drops probes only.
        let _ = subscriptions.update(&self.recorder);
    }
}
