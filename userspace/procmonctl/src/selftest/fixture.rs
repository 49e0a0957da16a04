// SPDX-License-Identifier: GPL-2.0

//! The fixture of the tests.

use std::ffi::{c_int, c_void};
use std::fmt::{self, Display};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail, ensure};
use procmon::{Device, uapi};
use rustix::io::Errno;
use rustix::ioctl::{Ioctl, IoctlOutput, Opcode, ioctl};
use serde::Serialize;

use crate::Exit;
use crate::output::Output;
use crate::selftest::{cases, memory, memory::Ptr};

/// How a test ended well.
pub(super) enum Verdict {
    Pass,
    /// It does not apply here.
    Skip(&'static str),
}

pub(super) type Case = fn(&Bench) -> anyhow::Result<Verdict>;

/// What the tests work with.
pub(super) struct Bench {
    pub(super) path: PathBuf,
    /// Open for reading and writing.
    pub(super) device: Device,
    /// Open for reading.
    pub(super) read_only: Device,
}

#[derive(Serialize)]
struct Report<'a> {
    test: usize,
    name: &'a str,
    ok: bool,
    skipped: bool,
    reason: Option<String>,
}

/// A line of the Test Anything Protocol, and the reason of a failure behind it as a comment.
impl Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            test,
            name,
            ok,
            skipped,
            reason,
        } = self;
        write!(f, "{}ok {test} - {name}", if *ok { "" } else { "not " })?;
        match reason {
            Some(reason) if *skipped => write!(f, " # SKIP {reason}"),
            Some(reason) => write!(f, "\n# {}", reason.replace('\n', "\n# ")),
            None => Ok(()),
        }
    }
}

pub fn run(path: &Path, out: &Output) -> anyhow::Result<ExitCode> {
    let open = |write| Device::options().path(path).write(write).open();
    let mut bench = Bench {
        path: path.to_owned(),
        device: open(true)?,
        read_only: open(false)?,
    };
    let message = bench.device.read_message()?;
    let filter = bench.device.stats()?.filter;

    let mut exit = ExitCode::SUCCESS;
    let mut printed = if out.is_json() {
        Ok(())
    } else {
        out.text(&format!("1..{}", cases::ALL.len()))
    };
    for (index, &(name, case)) in cases::ALL.iter().enumerate() {
        if printed.is_err() {
            // The device is restored all the same.
            break;
        }
        let mut report = Report {
            test: index + 1,
            name,
            ok: true,
            skipped: false,
            reason: None,
        };
        match case(&bench) {
            Ok(Verdict::Pass) => {}
            Ok(Verdict::Skip(reason)) => {
                report.skipped = true;
                report.reason = Some(reason.to_owned());
            }
            Err(error) => {
                report.ok = false;
                report.reason = Some(format!("{error:#}"));
                exit = Exit::Failure.into();
            }
        }
        printed = out.print(&report);
    }

    bench
        .device
        .set_filter(filter)
        .context("cannot put the filter back")?;
    bench
        .device
        .write_message(&message)
        .context("cannot put the message back")?;
    // Even if the reader had enough: success would say that no test has failed.
    if let Err(error) = printed {
        bail!("not all results could be printed: {error:#}");
    }
    Ok(exit)
}

/// An ioctl call with any number and any pointer.
struct RawIoctl {
    command: u32,
    argument: *mut c_void,
}

// SAFETY: The opcode and the pointer are handed on as they are, and no memory is looked at.
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

impl Bench {
    pub(super) fn ioctl_at(&self, fd: impl AsFd, command: u32, argument: Ptr) -> Result<(), Errno> {
        let raw = RawIoctl {
            command,
            argument: argument.as_ptr().cast(),
        };
        // SAFETY: There is nothing behind the pointer that Rust knows of, and no command takes more
        // than a page.
        let output = unsafe { ioctl(fd, raw) }?;
        assert_eq!(
            output, 0,
            "ioctl {command:#x} returned something else than 0"
        );
        Ok(())
    }

    /// Calls ioctl with a buffer that is far larger than what any command may fill.
    pub(super) fn ioctl_with_room(&self, command: u32) -> Result<(), Errno> {
        let page = memory::Page::new().expect("a page of memory can be had");
        self.ioctl_at(&self.device, command, page.start())
    }

    /// QUERY_PID, with the bytes of the answer that are not asked for set to a pattern.
    pub(super) fn query(&self, pid: i32) -> anyhow::Result<uapi::procmon_query> {
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

    pub(super) fn set_filter(&self, pid: c_int) -> Result<(), Errno> {
        let page = memory::Page::new().expect("a page of memory can be had");
        page.write(&pid.to_ne_bytes());
        self.ioctl_at(&self.device, uapi::PROCMON_SET_FILTER, page.start())
    }

    pub(super) fn filter(&self) -> anyhow::Result<Option<i32>> {
        Ok(self.device.stats()?.filter)
    }
}

/// Fails unless a call failed with the given errno.
pub(super) fn expect_errno(
    what: &str,
    result: Result<(), Errno>,
    expected: Errno,
) -> anyhow::Result<()> {
    match result {
        Err(errno) if errno == expected => Ok(()),
        Err(errno) => bail!("{what}: expected {expected:?}, got {errno:?}"),
        Ok(()) => bail!("{what}: expected {expected:?}, but it succeeded"),
    }
}

/// Fails unless two values are equal.
pub(super) fn expect_eq<T: PartialEq + fmt::Debug>(
    what: &str,
    got: T,
    expected: T,
) -> anyhow::Result<()> {
    ensure!(
        got == expected,
        "{what}: expected {expected:?}, got {got:?}"
    );
    Ok(())
}
