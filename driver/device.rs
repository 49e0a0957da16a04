// SPDX-License-Identifier: GPL-2.0

//! The device.

use kernel::{
    fs::file,
    iov::{
        IovIterDest,
        IovIterSource, //
    },
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        poll::PollTable,
        Arc, //
    }, //
};

use crate::{
    abstractions::miscdevice::{
        MiscDevice,
        OpenFile,
        POLLIN,
        POLLOUT,
        POLLPRI, //
    },
    driver::{
        counters::Counters,
        ioctl,
        message::{
            Message,
            Pass, //
        },
        monitor::{
            target::Filter,
            Monitor, //
        },
        settings::{
            Report,
            Settings, //
        }, //
    }, //
};

/// All that open files and sysfs share.
#[pin_data]
pub(crate) struct Device {
    /// What was last written.
    #[pin]
    pub(crate) message: Message,
    /// What was done with the device.
    pub(crate) counters: Counters,
    /// What users have set.
    #[pin]
    pub(crate) settings: Settings,
    /// What the monitor thread has seen.
    pub(crate) monitor: Arc<Monitor>,
}

impl Device {
    /// The name of the device.
    pub(crate) const NAME: &'static CStr = c"procmon";

    /// The mode of its node: whoever may open it sees every process's name, state and size.
    pub(crate) const MODE: u16 = 0o600;

    /// Creates a device with an empty message, whose counters are zero.
    pub(crate) fn new(monitor: Arc<Monitor>) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            message <- Message::new(),
            counters: Counters::new()?,
            settings <- Settings::new(),
            monitor,
        })
    }
}

impl Device {
    /// Returns what the counters and the settings are, with the filter as a number of the caller's
    /// PID namespace.
    #[inline(always)]
    pub(crate) fn report(&self) -> Report {
        self.settings
            .report(&self.counters, || self.monitor.filter_pid())
    }

    /// Sets the filter.
    pub(crate) fn set_filter(&self, filter: Option<Filter>) {
        // What was chosen before is given up when no lock is held any more.
        let mut previous = None;

        self.settings.set_filter(filter.is_some(), || {
            previous = self.monitor.choose(filter);
        });
    }

    /// Sets the totals to zero, and takes the filter away.
    pub(crate) fn reset(&self) {
        // As above.
        let mut previous = None;

        self.settings.reset(&self.counters, || {
            previous = self.monitor.choose(None);
        });
    }
}

/// What there is for an open file.
pub(crate) struct FileState {
    /// Where it is in reading the message.
    pass: Pass,
    /// The number of the sample that it has not asked for yet.
    next_sample: Atomic<u64>,
}

impl FileState {
    fn new() -> Self {
        Self {
            pass: Pass::new(),
            next_sample: Atomic::new(0),
        }
    }

    fn next_sample(&self) -> u64 {
        self.next_sample.load(Relaxed)
    }

    /// Sets the number of the sample with which the file's next question would go on.
    pub(crate) fn set_next_sample(&self, sequence: u64) {
        self.next_sample.store(sequence, Relaxed);
    }
}

impl MiscDevice for Device {
    type Reader = FileState;

    fn opened(&self) {
        self.counters.count_open();
    }

    fn reader(&self) -> impl PinInit<FileState, Error> {
        Ok(FileState::new())
    }

    fn released(&self, state: &FileState) {
        state.pass.close(&self.message);
    }

    fn read(
        &self,
        state: &FileState,
        offset: &mut file::Offset,
        to: &mut IovIterDest<'_>,
    ) -> Result<usize> {
        if to.is_empty() {
            return Ok(0);
        }

        let start = usize::try_from(*offset)?;
        let copied = state.pass.read(start, &self.message, to)?;

        if copied != 0 {
            *offset = file::Offset::try_from(start.checked_add(copied).ok_or(EOVERFLOW)?)?;
            self.counters.count_read();
        }
        Ok(copied)
    }

    fn write(&self, from: &mut IovIterSource<'_>) -> Result<usize> {
        let written = self
            .message
            .replace(from, crate::BUFFER_SIZE.value() as usize)?;

        self.counters.count_write();
        Ok(written)
    }

    fn ioctl(&self, file: &OpenFile<Self>, cmd: u32, arg: UserPtr) -> Result {
        ioctl::ioctl(self, file, cmd, arg)
    }

    #[cfg(CONFIG_COMPAT)]
    fn compat_ioctl(&self, file: &OpenFile<Self>, cmd: u32, arg: UserPtr) -> Result {
        ioctl::compat_ioctl(self, file, cmd, arg)
    }

    /// The message can always be read and replaced. Urgent is what the monitor has recorded and
    /// this file has not asked for.
    fn poll(&self, file: &OpenFile<Self>, table: &PollTable<'_>) -> u32 {
        let recorder = &self.monitor.recorder;
        let next = file.existing_reader().map_or(0, FileState::next_sample);

        table.register_wait(file.as_file(), &recorder.news);
        if recorder.newest() >= next.max(1) {
            POLLIN | POLLOUT | POLLPRI
        } else {
            POLLIN | POLLOUT
        }
    }
}
