// SPDX-License-Identifier: GPL-2.0-only

//! The device and its open files: the data that the file operations work on.

use kernel::{
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc,
        SetOnce, //
    }, //
};

use crate::driver::{
    counters::Counters,
    events::{
        reader::Reader,
        Events, //
    },
    message::{
        Message,
        ReadCursor, //
    },
    monitor::{
        targets::{
            List,
            Place, //
        },
        Monitor,
        Target, //
    },
    settings::{
        Report,
        Settings, //
    }, //
};

/// The data that all open files and sysfs share.
#[pin_data]
pub(crate) struct Device {
    /// The text that was written last.
    #[pin]
    pub(crate) message: Message,
    /// The counters of operations.
    pub(crate) counters: Counters,
    /// The settings of users.
    #[pin]
    pub(crate) settings: Settings,
    /// The monitor, which its thread shares.
    pub(crate) monitor: Arc<Monitor>,
    /// The events, which files that read them have recorded.
    #[pin]
    pub(crate) events: Events,
}

impl Device {
    /// The name of the device.
    pub(crate) const NAME: &'static CStr = c"procmon";

    /// The mode of its node. Opening the device gives access to the name, state and size of every
    /// process.
    pub(crate) const MODE: u16 = 0o600;

    /// Creates a device with an empty message and counters of zero.
    ///
    /// # Errors
    ///
    /// `ENOMEM` if memory is short.
    pub(crate) fn new(monitor: Arc<Monitor>) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            message <- Message::new(),
            counters: Counters::new()?,
            settings <- Settings::new(monitor.targets.list().has_first()),
            monitor,
            events <- Events::new(),
            _: {
                if crate::EVENTS_RECORD.value() != 0 {
                    events.record()?;
                }
            },
        })
    }
}

impl Device {
    /// Returns the counters and the settings, with the filter as an ID in the caller's PID
    /// namespace.
    #[inline(always)]
    pub(crate) fn report(&self) -> Report {
        self.settings
            .report(&self.counters, || self.monitor.target_pid())
    }

    /// Sets the first target of the monitor, which users call the filter.
    pub(crate) fn set_target(&self, target: Option<Target>) {
        // Dropped at the end, without the lock.
        let mut previous = Place::UNSET;

        self.settings.set_target(target.is_some(), || {
            previous = self.monitor.set_target(target);
        });
        if previous.has_name() {
            self.monitor.forget_names();
        }
    }

    /// Sets all targets of the monitor.
    ///
    /// # Errors
    ///
    /// Those of [`Monitor::set_targets`]. The targets stay as they are then.
    pub(crate) fn set_targets(&self, list: List) -> Result {
        self.monitor.set_targets(list, |list| {
            self.settings.set_target(list.has_first(), || {
                self.monitor.targets.swap(list);
            });
        })
    }

    /// Sets the totals to zero and clears all targets.
    pub(crate) fn reset(&self) {
        // With the previous ones in the end, which are dropped without the lock.
        let mut list = List::UNSET;

        self.settings
            .reset(&self.counters, || self.monitor.targets.swap(&mut list));
        if list.has_names() {
            self.monitor.forget_names();
        }
    }
}

/// The state of an open file.
#[pin_data]
pub(crate) struct FileState {
    /// The position within the message.
    pub(crate) cursor: ReadCursor,
    /// The target whose samples were fetched last.
    target: Atomic<u32>,
    /// The sequence number of the next sample to fetch.
    next_sample: Atomic<u64>,
    /// The place among the events, of a file that has asked for some.
    #[pin]
    events: SetOnce<Pin<KBox<Reader>>>,
}

impl FileState {
    /// Creates the state of a file that was not used yet.
    pub(crate) fn new() -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            cursor: ReadCursor::new(),
            target: Atomic::new(0),
            next_sample: Atomic::new(0),
            events: SetOnce::new(),
        })
    }

    /// Returns the place among the events, if this file has one.
    pub(crate) fn events(&self) -> Option<&Reader> {
        self.events.as_ref().map(|reader| &**reader)
    }

    /// Returns the place among the events.
    ///
    /// # Errors
    ///
    /// - `EBUSY` if another thread is about to make it.
    /// - `ENOMEM` if memory is short.
    pub(crate) fn get_or_try_init_events(&self) -> Result<&Reader> {
        if self.events.as_ref().is_none() {
            let reader = KBox::pin_init(Reader::new(), GFP_KERNEL_ACCOUNT)?;

            // Another thread may have been quicker, whose place is this one's as well then.
            self.events.populate(reader);
        }
        self.events().ok_or(EBUSY)
    }

    /// Returns the target whose samples were fetched last, and the sequence number of its next one.
    pub(crate) fn next_sample(&self) -> (usize, u64) {
        // CAST: It is less than the number of targets.
        (
            self.target.load(Relaxed) as usize,
            self.next_sample.load(Relaxed),
        )
    }

    /// Sets the target and the sequence number of its next sample to fetch.
    pub(crate) fn set_next_sample(&self, target: u32, sequence: u64) {
        self.target.store(target, Relaxed);
        self.next_sample.store(sequence, Relaxed);
    }
}
