// SPDX-License-Identifier: GPL-2.0-only

//! The file operations of the device.

use kernel::{
    fs::file,
    iov::{
        IovIterDest,
        IovIterSource, //
    },
    prelude::*,
    sync::poll::PollTable, //
};

use crate::{
    abstractions::miscdevice::{
        MiscDevice,
        OpenFile,
        POLLIN,
        POLLOUT,
        POLLPRI,
        POLLRDBAND, //
    },
    driver::{
        device::{
            Device,
            FileState, //
        },
        ioctl, //
    }, //
};

// Those that are called often are inlined in the only place that calls them.
impl MiscDevice for Device {
    type State = FileState;

    fn opened(&self) {
        self.counters.count_open();
    }

    fn init_state(&self) -> impl PinInit<FileState, Error> {
        FileState::new()
    }

    fn released(&self, state: &FileState) {
        state.cursor.close(&self.message);
        if let Some(reader) = state.events() {
            reader.close(&self.events);
        }
    }

    #[inline(always)]
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
        let copied = state.cursor.read(start, &self.message, to)?;

        if copied != 0 {
            *offset = file::Offset::try_from(start.checked_add(copied).ok_or(EOVERFLOW)?)?;
            self.counters.count_read();
        }
        Ok(copied)
    }

    #[inline(always)]
    fn write(&self, from: &mut IovIterSource<'_>) -> Result<usize> {
        let written = self
            .message
            .replace(from, crate::BUFFER_SIZE.value() as usize)?;

        self.counters.count_write();
        Ok(written)
    }

    #[inline(always)]
    fn ioctl(&self, file: &OpenFile<Self>, cmd: u32, arg: UserPtr) -> Result {
        ioctl::ioctl(self, file, cmd, arg)
    }

    #[cfg(CONFIG_COMPAT)]
    fn compat_ioctl(&self, file: &OpenFile<Self>, cmd: u32, arg: UserPtr) -> Result {
        ioctl::compat_ioctl(self, file, cmd, arg)
    }

    /// The message can always be read and replaced. Samples that the file has not fetched are
    /// urgent.
    fn poll(&self, file: &OpenFile<Self>, table: &PollTable<'_>) -> u32 {
        let history = &self.monitor.history;
        let state = file.get();
        let (target, next) = state.map_or((0, 0), FileState::next_sample);
        let mut events = POLLIN | POLLOUT;

        table.register_wait(file.as_file(), &history.new_samples);
        table.register_wait(file.as_file(), &self.events.recorder.arrived);
        if history.newest(target) >= next.max(1) {
            events |= POLLPRI;
        }
        let reader = state.and_then(FileState::events);

        if reader.is_some_and(|reader| reader.has_events(&self.events)) {
            events |= POLLRDBAND;
        }
        events
    }
}
