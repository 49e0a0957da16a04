// SPDX-License-Identifier: GPL-2.0-only

//! The global options in effect, which every command works with.

use std::path::{Path, PathBuf};

use procmon::Device;

use crate::output::Output;

/// The path of the device, and the form of the output.
pub struct Session {
    device: PathBuf,
    pub out: Output,
}

impl Session {
    pub fn new(device: PathBuf, out: Output) -> Self {
        Self { device, out }
    }

    /// Returns the path of the device.
    pub fn path(&self) -> &Path {
        &self.device
    }

    /// Opens the device for commands that change nothing.
    pub fn open_to_read(&self) -> procmon::Result<Device> {
        Device::options().path(&self.device).write(false).open()
    }

    /// Opens the device for commands that change the message, the filter or the totals.
    pub fn open_to_write(&self) -> procmon::Result<Device> {
        Device::options()
            .path(&self.device)
            .read(false)
            .write(true)
            .open()
    }
}
