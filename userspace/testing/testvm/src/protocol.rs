// SPDX-License-Identifier: GPL-2.0-only

//! The protocol between `testvm` and `testvm-init`.
//!
//! The guest writes each [`Message`] as a line of JSON to the port [`REPORT_PORT`], and gets all
//! that is particular to a run only when it is ready, so that a guest that was saved at that point
//! can be used for any run:
//!
//! | Guest | Host |
//! |---|---|
//! | boots, then [`Message::Ready`] | |
//! | | [`Start`], a line of JSON on the same port |
//! | [`Message::Started`] | a cpio archive on [`FILES_PORT`], with the [`Job`] |
//! | carries out the job, then [`Message::Ended`] | |
//! | | [`ACKNOWLEDGMENT`], once it has all output and the kernel log up to [`END_OF_LOG`] |
//! | ends QEMU with [`EXIT_STATUS`] | |
//!
//! The last step stops the machine, so that QEMU's exit status confirms a third time that the run
//! came to its end. A guest that was restored is ready already, and gets [`Start`] at once.
//!
//! During [`Task::Terminal`] the host writes a [`Size`] as a line of JSON to the report's port once
//! the guest has started, and whenever its terminal has a new size.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Path of the [`Job`] in the guest, as JSON.
pub const JOB_PATH: &str = "/job.json";

/// Path of the module in the guest.
pub const MODULE_PATH: &str = "/lib/modules/procmon.ko";

/// Names of the virtio-serial ports.
pub const STDIN_PORT: &str = "testvm.stdin";
pub const STDOUT_PORT: &str = "testvm.stdout";
pub const STDERR_PORT: &str = "testvm.stderr";
pub const REPORT_PORT: &str = "testvm.report";
pub const FILES_PORT: &str = "testvm.files";

/// The terminal of [`Task::Terminal`].
pub const TERMINAL_PATH: &str = "/dev/hvc0";

/// The last line of a kernel log that is complete.
pub const END_OF_LOG: &str = "testvm-init: end of the run";

/// Sent by the host on [`REPORT_PORT`] when it needs nothing more from the guest: an empty line.
pub const ACKNOWLEDGMENT: &[u8] = b"\n";

/// I/O port of QEMU's device `isa-debug-exit`, by which the guest ends QEMU on x86-64.
pub const EXIT_PORT: u16 = 0x501;

/// The value that the guest writes to [`EXIT_PORT`].
pub const EXIT_VALUE: u8 = 0x10;

/// QEMU's exit status then, which Arm machines give it by themselves.
pub const EXIT_STATUS: i32 = ((EXIT_VALUE as i32) << 1) | 1;

/// Returns a value as what goes over [`REPORT_PORT`]: a line of JSON.
///
/// # Errors
///
/// Those of [`serde_json::to_vec`], of which no type of this module has any.
pub fn line(value: &impl Serialize) -> serde_json::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(value)?;
    line.push(b'\n');
    Ok(line)
}

/// A message of the guest.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub enum Message {
    /// The guest has booted and waits for [`Start`].
    Ready,
    /// The guest goes on, with time and random numbers from [`Start`].
    Started,
    /// The job has come to its end.
    Ended(Report),
}

/// Facts for a guest that may have been saved long ago, and restored more than once.
#[derive(Debug, Serialize, Deserialize)]
pub struct Start {
    /// The time since 1970.
    pub time: Duration,
    /// Random bytes, without which all guests that are restored from one state would draw the same
    /// random numbers.
    pub entropy: [u8; ENTROPY_SIZE],
}

/// The number of bytes that the kernel's random number generator takes as its seed.
pub const ENTROPY_SIZE: usize = 32;

/// The guest's work.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct Job {
    /// Lines of the kernel's configuration that must be there.
    pub wanted: Option<String>,
    /// Parameters for loading the module at [`MODULE_PATH`]. None to load no module.
    pub module: Option<String>,
    /// Variables to add to the environment of the task.
    pub environment: Vec<(String, String)>,
    pub task: Task,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub enum Task {
    /// Report at once: the machine works.
    Probe,
    /// Run a shell command.
    Command(String),
    /// Run a shell that reads its commands from [`STDIN_PORT`].
    Script,
    /// Run a shell command, or an interactive shell, on [`TERMINAL_PATH`].
    Terminal {
        size: Size,
        /// The value of `TERM`.
        kind: String,
        command: Option<String>,
    },
}

/// Size of a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Size {
    pub rows: u16,
    pub columns: u16,
}

impl Size {
    /// Converts the size to the kernel's structure.
    pub fn winsize(self) -> libc::winsize {
        libc::winsize {
            ws_row: self.rows,
            ws_col: self.columns,
            ws_xpixel: 0,
            ws_ypixel: 0,
        }
    }
}

/// The end of a run, by the guest's account.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    pub outcome: Outcome,
    /// Bytes sent on [`STDOUT_PORT`].
    pub stdout: u64,
    /// Bytes sent on [`STDERR_PORT`].
    pub stderr: u64,
    /// The kernel's taint flags, as in `/proc/sys/kernel/tainted`.
    pub tainted: u64,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub enum Outcome {
    /// The task exited with this status.
    Exited(i32),
    /// The task was killed by this signal.
    Signaled(i32),
    /// The task could not be started, for this reason.
    Failed(String),
}
