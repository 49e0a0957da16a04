// SPDX-License-Identifier: GPL-2.0-only

//! Events of procmon, read by a plain system call. This runs in the guest.

use std::fs::{File, OpenOptions};
use std::hint::black_box;
use std::io;
use std::os::fd::AsRawFd;

use anyhow::{Context, Result, bail};
use procmon::events::Classes;
use procmon::uapi::{PROCMON_EVENTS, procmon_events};

use crate::calls::syscall;

/// The bytes of events that a reader of batches waits for, and reads at once.
pub const BATCH: u32 = 64 * 1024;

/// The bytes of arguments that are wanted: the library's default.
const ARGS_MAX: u32 = 512;

/// An open file that is told of the lives of processes.
pub struct Stream {
    file: File,
    buffer: Vec<u64>,
}

impl Stream {
    /// Opens the device, and has events recorded.
    pub fn open() -> Result<Self> {
        let stream = Self::open_only()?;
        stream.begin()?;
        Ok(stream)
    }

    /// Opens the device.
    pub fn open_only() -> Result<Self> {
        let file = OpenOptions::new().read(true).open("/dev/procmon");
        Ok(Self {
            file: file.context("cannot open the device")?,
            buffer: Vec::new(),
        })
    }

    /// Has events recorded.
    pub fn begin(&self) -> Result<()> {
        self.call(0, 0, 0, 0).context("there are no events")?;
        Ok(())
    }

    /// Reads the events that are there, but not more than a batch, and the size of each. Returns
    /// their number.
    pub fn read(&mut self) -> Result<usize> {
        self.buffer.resize(BATCH as usize / size_of::<u64>(), 0);
        let buffer = self.buffer.as_mut_ptr() as u64;
        let arguments = self.call(buffer, BATCH, 0, 0)?;
        let mut index = 0;
        let mut count = 0;
        while index < arguments.bytes as usize / size_of::<u64>() {
            // It begins with its size, of 16 bits.
            let size = self.buffer[index] as u16;
            black_box(self.buffer[index + 1]);
            index += usize::from(size) / size_of::<u64>();
            count += 1;
        }
        if count != arguments.count as usize || arguments.lost > 0 {
            bail!(
                "{count} of {} events, and {} lost",
                arguments.count,
                arguments.lost
            );
        }
        Ok(count)
    }

    /// Reads all events that are there. Returns their number.
    pub fn drain(&mut self) -> Result<usize> {
        let mut all = 0;
        loop {
            match self.read()? {
                0 => return Ok(all),
                count => all += count,
            }
        }
    }

    /// Waits for a batch of events, and reads all that are there then: a few are more than a batch.
    /// Returns their number, or `None` if a signal came first.
    pub fn wait_for_batch(&mut self) -> Result<Option<usize>> {
        let capacity = 2 * BATCH;
        self.buffer.resize(capacity as usize / size_of::<u64>(), 0);
        let buffer = self.buffer.as_mut_ptr() as u64;
        match self.call(buffer, capacity, BATCH, -1) {
            Ok(arguments) => Ok(Some(arguments.count as usize)),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn call(
        &self,
        buffer: u64,
        capacity: u32,
        min_bytes: u32,
        timeout_ms: i32,
    ) -> io::Result<procmon_events> {
        let mut arguments = procmon_events {
            size: size_of::<procmon_events>() as u32,
            classes: Classes::PROCESSES.bits(),
            args_max: ARGS_MAX,
            min_bytes,
            timeout_ms,
            buffer,
            capacity,
            ..procmon_events::default()
        };
        let fd = self.file.as_raw_fd() as usize;
        let address = &raw mut arguments as usize;
        // SAFETY: PROCMON_EVENTS takes and gives such a struct, and fills at most this number of
        // bytes of the buffer, which the callers have.
        let result = unsafe { syscall(libc::SYS_ioctl, [fd, PROCMON_EVENTS as usize, address, 0]) };
        match i32::try_from(-result) {
            Ok(0) => Ok(arguments),
            Ok(errno) => Err(io::Error::from_raw_os_error(errno)),
            Err(_) => Err(io::Error::other("a strange result")),
        }
    }
}
