// SPDX-License-Identifier: GPL-2.0

//! The device.

use kernel::{
    fs::{
        file,
        File, //
    },
    iov::{
        IovIterDest,
        IovIterSource, //
    },
    prelude::*,
    sync::Arc, //
};

use crate::{
    abstractions::miscdevice::MiscDevice,
    driver::{
        counters::Counters,
        ioctl,
        message::{
            CurrentMessage,
            Pass, //
        },
        monitor::Monitor,
        settings::Settings, //
    }, //
};

/// All that open files and sysfs share.
#[pin_data]
pub(crate) struct Device {
    /// What was last written.
    pub(crate) message: CurrentMessage,
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
            message: CurrentMessage::new(),
            counters: Counters::new()?,
            settings <- Settings::new(),
            monitor,
        })
    }
}

impl MiscDevice for Device {
    type Reader = Pass;

    fn opened(&self) {
        self.counters.count_open();
    }

    fn reader(&self) -> impl PinInit<Pass, Error> {
        Pass::new()
    }

    fn read(
        &self,
        pass: &Pass,
        offset: &mut file::Offset,
        to: &mut IovIterDest<'_>,
    ) -> Result<usize> {
        if to.is_empty() {
            return Ok(0);
        }

        let start = usize::try_from(*offset)?;
        let copied = pass.read(start, &self.message, to)?;

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

    fn ioctl(&self, file: &File, cmd: u32, arg: UserPtr) -> Result {
        ioctl::ioctl(self, file, cmd, arg)
    }

    #[cfg(CONFIG_COMPAT)]
    fn compat_ioctl(&self, file: &File, cmd: u32, arg: UserPtr) -> Result {
        ioctl::compat_ioctl(self, file, cmd, arg)
    }
}
