// SPDX-License-Identifier: GPL-2.0-only

//! Repeated system calls on a file.

use std::arch::asm;
use std::ffi::CString;
use std::fs::{self, OpenOptions};
use std::ops::RangeInclusive;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use crate::rows::{Call, File, MESSAGE_SIZE, UNKNOWN};

/// The memory that a call reads and writes.
#[repr(C, align(4096))]
struct Buffer([u8; MESSAGE_SIZE]);

/// A call on an open file, ready to be made.
pub struct Prepared {
    path: CString,
    fd: OwnedFd,
    call: Call,
    buffer: Box<Buffer>,
    expected: isize,
}

/// A way to repeat a call.
pub trait Repeat {
    type Output;

    /// Repeats `call`, which makes the system call once and returns its result: `expected`, if all
    /// is well.
    fn repeat(&mut self, expected: isize, call: impl FnMut() -> isize) -> Self::Output;
}

impl File {
    pub fn path(self) -> Result<PathBuf> {
        match self {
            Self::Device => Ok("/dev/procmon".into()),
            Self::Process => Ok("/proc/1/stat".into()),
            // Another module may have a class of its own.
            Self::Stats => fs::read_dir("/sys/class")
                .context("cannot read /sys/class")?
                .filter_map(|class| Some(class.ok()?.path().join("procmon/stats")))
                .find(|path| path.exists())
                .context("there is no procmon/stats in any class"),
        }
    }
}

impl Prepared {
    /// Prepares a call on a file of the kernel.
    pub fn floor(path: &str, call: Call) -> Result<Self> {
        let expected = match call {
            // These files have no commands.
            Call::Ioctl(_) => -isize::try_from(libc::ENOTTY)?,
            _ => 0,
        };
        Self::new(Path::new(path), call, expected)
    }

    /// Prepares a call on a file of procmon, after writing a message to read.
    pub fn procmon(file: File, call: Call) -> Result<Self> {
        let expected = match call {
            Call::Ioctl(UNKNOWN) => -isize::try_from(libc::ENOTTY)?,
            _ => 0,
        };
        if let File::Device = file {
            let len = match call {
                Call::Read(len) => len,
                _ => 64,
            };
            fs::write(file.path()?, &[b'x'; MESSAGE_SIZE][..len])
                .context("cannot write a message")?;
        }
        Self::new(&file.path()?, call, expected)
    }

    /// Prepares a call. `status` is its result if that is no number of bytes.
    fn new(path: &Path, call: Call, status: isize) -> Result<Self> {
        let fd = OpenOptions::new()
            .read(true)
            .write(!matches!(call, Call::ReadText))
            .open(path)
            .with_context(|| format!("cannot open {}", path.display()))?;
        let mut buffer = Box::new(Buffer([0; MESSAGE_SIZE]));
        // Process 1, for commands that take a process.
        buffer.0[0] = 1;
        let mut prepared = Self {
            path: CString::new(path.to_path_buf().into_os_string().into_vec())?,
            fd: fd.into(),
            call,
            buffer,
            expected: 0,
        };
        prepared.expected = prepared.repeat(&mut Once);
        let good: RangeInclusive<isize> = match call {
            Call::Read(len) | Call::Write(len) => {
                let len = isize::try_from(len)?;
                len..=len
            }
            Call::ReadText => 1..=isize::try_from(MESSAGE_SIZE)?,
            Call::Ioctl(_) | Call::Open => status..=status,
        };
        ensure!(
            good.contains(&prepared.expected),
            "a call on {} returns {}, and not {good:?}",
            path.display(),
            prepared.expected
        );
        Ok(prepared)
    }

    /// Repeats the call.
    #[expect(
        clippy::undocumented_unsafe_blocks,
        reason = "one comment is for all of them"
    )]
    pub fn repeat<R: Repeat>(&mut self, how: &mut R) -> R::Output {
        let fd = self.fd.as_raw_fd() as usize;
        let data = &raw mut self.buffer.0 as usize;
        let path = self.path.as_ptr() as usize;
        let flags = (libc::O_RDWR | libc::O_CLOEXEC) as usize;
        // SAFETY: All calls are made on descriptors that are open, with a string, or with a buffer
        // that is long enough for any of them and that only they use. If open(2) fails, close(2)
        // gets no valid descriptor.
        match self.call {
            Call::Read(len) => how.repeat(self.expected, || unsafe {
                syscall(libc::SYS_pread64, [fd, data, len, 0])
            }),
            Call::ReadText => how.repeat(self.expected, || unsafe {
                syscall(libc::SYS_pread64, [fd, data, MESSAGE_SIZE, 0])
            }),
            Call::Write(len) => how.repeat(self.expected, || unsafe {
                syscall(libc::SYS_pwrite64, [fd, data, len, 0])
            }),
            Call::Ioctl(command) => how.repeat(self.expected, || unsafe {
                syscall(libc::SYS_ioctl, [fd, command as usize, data, 0])
            }),
            Call::Open => how.repeat(self.expected, || unsafe {
                let fd = syscall(libc::SYS_open, [path, flags, 0, 0]);
                syscall(libc::SYS_close, [fd as usize, 0, 0, 0])
            }),
        }
    }
}

/// Makes a call once, and returns its result.
struct Once;

impl Repeat for Once {
    type Output = isize;

    fn repeat(&mut self, _: isize, mut call: impl FnMut() -> isize) -> isize {
        call()
    }
}

/// Makes a system call without the C library, whose instructions would count as well.
///
/// # Safety
///
/// That of the system call.
#[inline(always)]
pub unsafe fn syscall(number: libc::c_long, arguments: [usize; 4]) -> isize {
    let result;
    // SAFETY: By the safety requirements. The instruction changes these registers only.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") number as isize => result,
            in("rdi") arguments[0],
            in("rsi") arguments[1],
            in("rdx") arguments[2],
            in("r10") arguments[3],
            lateout("rcx") _,
            lateout("r11") _,
            options(nostack),
        );
    }
    result
}

#[cfg(test)]
mod tests {
    use procmon::uapi::PROCMON_GET_COUNT;

    use super::*;

    #[test]
    fn makes_each_kind_of_call() {
        for (path, call, expected) in [
            ("/dev/zero", Call::Read(64), 64),
            ("/dev/null", Call::Write(64), 64),
            ("/dev/null", Call::Open, 0),
            (
                "/dev/null",
                Call::Ioctl(PROCMON_GET_COUNT),
                -libc::ENOTTY as isize,
            ),
        ] {
            let mut prepared = Prepared::floor(path, call).unwrap();
            assert_eq!(prepared.expected, expected);
            assert_eq!(prepared.repeat(&mut Once), expected);
        }
    }

    #[test]
    fn a_call_that_does_not_do_its_work_is_refused() {
        // A read of /dev/null returns 0.
        let error = Prepared::floor("/dev/null", Call::Read(64)).err().unwrap();
        assert!(error.to_string().contains("returns 0"), "{error}");
        assert!(Prepared::floor("/dev/missing", Call::Open).is_err());
    }
}
