// SPDX-License-Identifier: GPL-2.0

//! What the kernel has to say while a test runs.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::thread;

/// Bits of `/proc/sys/kernel/tainted` that tell of trouble: bad page, died, warned, soft lockup.
const TROUBLE: u64 = (1 << 5) | (1 << 7) | (1 << 9) | (1 << 14);

/// What a line of trouble has in it. The bench looks through the log of the whole run with more
/// patterns; here it is about finding the test that did it.
const SPLATS: [&str; 11] = [
    "BUG:",
    "WARNING:",
    "Oops",
    "cut here",
    "Call Trace",
    "general protection fault",
    "rust_kernel: panicked",
    "refcount_t:",
    "page allocation failure",
    "blocked for more than",
    "detected stall",
];

/// The kernel log from some moment on.
pub struct KernelLog(File);

impl KernelLog {
    /// The log from now on.
    ///
    /// # Panics
    ///
    /// If the log cannot be read.
    #[must_use]
    pub fn from_now() -> Self {
        let mut file = File::options()
            .read(true)
            .custom_flags(libc::O_NONBLOCK)
            .open("/dev/kmsg")
            .expect("root can read the kernel log");
        file.seek(SeekFrom::End(0))
            .expect("the kernel log has an end");
        Self(file)
    }

    /// The lines since this was made or since the last call.
    ///
    /// # Panics
    ///
    /// If the log cannot be read, or if lines were overwritten before they were read.
    pub fn lines(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        // Each read gives one record.
        let mut record = [0; 8192];
        loop {
            match self.0.read(&mut record) {
                Ok(len) => {
                    let record = String::from_utf8_lossy(&record[..len]);
                    let text = record.split_once(';').map_or(&*record, |(_, text)| text);
                    lines.extend(text.lines().next().map(str::to_owned));
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return lines,
                Err(error) => panic!("cannot read the kernel log: {error}"),
            }
        }
    }

    /// The first line since this was made or since the last call that tells of trouble.
    ///
    /// # Panics
    ///
    /// Like [`Self::lines`].
    pub fn splat(&mut self) -> Option<String> {
        let mut lines = self.lines().into_iter();
        lines.find(|line| SPLATS.iter().any(|splat| line.contains(splat)))
    }

    /// The lines since this was made or since the last call that come from the module.
    pub fn module_lines(&mut self) -> Vec<String> {
        let mut lines = self.lines();
        // What the kernel says of the module when it loads one has the module's name as well.
        lines.retain(|line| line.starts_with("procmon: ") && !line.contains("taint"));
        lines
    }
}

/// Fails the test at its end if the kernel got into trouble since the guard was made.
pub struct KernelGuard {
    log: KernelLog,
    tainted: u64,
}

impl KernelGuard {
    /// Begins to watch.
    #[must_use]
    pub fn new() -> Self {
        Self {
            log: KernelLog::from_now(),
            tainted: trouble(),
        }
    }
}

impl Default for KernelGuard {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for KernelGuard {
    fn drop(&mut self) {
        if thread::panicking() {
            return;
        }
        assert_eq!(self.log.splat(), None, "the kernel complained");
        assert_eq!(trouble(), self.tainted, "the kernel got tainted");
    }
}

/// Lets the kernel warn again where it does so only once.
///
/// # Errors
///
/// If debugfs is not mounted.
pub fn rearm() -> io::Result<()> {
    fs::write("/sys/kernel/debug/clear_warn_once", "1")
}

/// The bits that tell of trouble, of the flags that stay set until the next boot.
///
/// # Panics
///
/// If `/proc` is not mounted.
#[must_use]
pub fn trouble() -> u64 {
    let tainted = fs::read_to_string("/proc/sys/kernel/tainted").expect("/proc is mounted");
    tainted
        .trim()
        .parse::<u64>()
        .expect("the taint is a number")
        & TROUBLE
}
