// SPDX-License-Identifier: GPL-2.0-only

//! The fixture of the tests: the device, raw ioctl calls, and expectations.

use std::ffi::{c_int, c_void};
use std::fmt::Debug;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use procmon::{Device, uapi};
use rustix::io::Errno;
use rustix::ioctl::{Ioctl, IoctlOutput, Opcode, ioctl};

use super::memory::{Page, Ptr};

/// The result of a test that did not fail.
pub enum Verdict {
    Pass,
    /// The test does not apply here, with the reason.
    Skip(&'static str),
}

/// The device that is tested.
pub struct Fixture {
    pub path: PathBuf,
    /// Open for reading and writing.
    pub device: Device,
    /// Open for reading.
    pub read_only: Device,
}

/// An ioctl call with any number and any pointer.
struct RawIoctl {
    command: u32,
    argument: *mut c_void,
}

// SAFETY: The opcode and the pointer are passed on unchanged, and no memory is accessed.
unsafe impl Ioctl for RawIoctl {
    type Output = IoctlOutput;

    const IS_MUTATING: bool = true;

    fn opcode(&self) -> Opcode {
        self.command
    }

    fn as_ptr(&mut self) -> *mut c_void {
        self.argument
    }

    unsafe fn output_from_ptr(
        output: IoctlOutput,
        _argument: *mut c_void,
    ) -> rustix::io::Result<IoctlOutput> {
        Ok(output)
    }
}

impl Fixture {
    pub fn open(path: &Path) -> procmon::Result<Self> {
        let open = |write| Device::options().path(path).write(write).open();
        Ok(Self {
            path: path.to_owned(),
            device: open(true)?,
            read_only: open(false)?,
        })
    }

    /// Calls ioctl with any command and any pointer.
    pub fn ioctl_at(&self, fd: impl AsFd, command: u32, argument: Ptr) -> Result<(), Errno> {
        let raw = RawIoctl {
            command,
            argument: argument.as_ptr().cast(),
        };
        // SAFETY: Rust has no object behind the pointer, and no command takes more than a page.
        let output = unsafe { ioctl(fd, raw) }?;
        assert_eq!(
            output, 0,
            "ioctl {command:#x} returned a number other than 0"
        );
        Ok(())
    }

    /// Calls ioctl with a buffer that is larger than the argument of any command.
    pub fn ioctl_with_page(&self, command: u32) -> Result<(), Errno> {
        let page = Page::new().expect("a page of memory can be mapped");
        self.ioctl_at(&self.device, command, page.start())
    }

    /// Calls QUERY_PID with a pattern in the output fields.
    pub fn query(&self, pid: i32) -> anyhow::Result<uapi::procmon_query> {
        let mut query = uapi::procmon_query {
            pid,
            comm: [0x55; 16],
            state: 0x5555,
            vsize: 0x5555,
        };
        // SAFETY: QUERY_PID takes and gives a procmon_query.
        let command =
            unsafe { rustix::ioctl::Updater::<{ uapi::PROCMON_QUERY_PID }, _>::new(&mut query) };
        // SAFETY: As above.
        unsafe { ioctl(&self.device, command) }
            .with_context(|| format!("QUERY_PID of {pid} failed"))?;
        ensure!(query.pid == pid, "the PID {pid} came back as {}", query.pid);
        Ok(query)
    }

    /// Calls SET_FILTER with any number.
    pub fn set_filter(&self, pid: c_int) -> Result<(), Errno> {
        let page = Page::new().expect("a page of memory can be mapped");
        page.write(&pid.to_ne_bytes());
        self.ioctl_at(&self.device, uapi::PROCMON_SET_FILTER, page.start())
    }

    pub fn filter(&self) -> anyhow::Result<Option<i32>> {
        Ok(self.device.stats()?.filter)
    }
}

/// Fails unless a call failed with this errno.
pub fn expect_errno(what: &str, result: Result<(), Errno>, expected: Errno) -> anyhow::Result<()> {
    match result {
        Err(errno) if errno == expected => Ok(()),
        Err(errno) => bail!("{what}: expected {expected:?}, got {errno:?}"),
        Ok(()) => bail!("{what}: expected {expected:?}, but it succeeded"),
    }
}

/// Fails unless two values are equal.
pub fn expect_eq<T: PartialEq + Debug>(what: &str, got: T, expected: T) -> anyhow::Result<()> {
    ensure!(
        got == expected,
        "{what}: expected {expected:?}, got {got:?}"
    );
    Ok(())
}
