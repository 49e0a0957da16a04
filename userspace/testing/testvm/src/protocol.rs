// SPDX-License-Identifier: GPL-2.0

//! The protocol between `testvm` and `testvm-init`.
//!
//! The host puts a [`Job`] into the initramfs. The guest carries it out, and writes one [`Report`]
//! as a line of JSON to the port [`REPORT_PORT`]. The host answers with [`ACKNOWLEDGMENT`] once it
//! has all output and the whole kernel log, up to [`END_OF_LOG`]. Only then does the guest stop
//! the machine by writing [`EXIT_VALUE`] to the I/O port [`EXIT_PORT`], so that QEMU's exit status
//! confirms a third time that the run came to its end.
//!
//! During [`Task::Terminal`] the host writes a [`Size`] as a line of JSON to the same port whenever
//! its terminal has a new size.

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

/// The terminal of [`Task::Terminal`].
pub const TERMINAL_PATH: &str = "/dev/hvc0";

/// The last line of a kernel log that is complete.
pub const END_OF_LOG: &str = "testvm-init: end of the run";

/// Sent by the host on [`REPORT_PORT`] when it needs nothing more from the guest: an empty line.
pub const ACKNOWLEDGMENT: &[u8] = b"\n";

/// I/O port of QEMU's device `isa-debug-exit`.
pub const EXIT_PORT: u16 = 0x501;

/// The value that the guest writes to [`EXIT_PORT`] at the end of a run.
pub const EXIT_VALUE: u8 = 0x10;

/// QEMU's exit status after a write of [`EXIT_VALUE`].
pub const EXIT_STATUS: i32 = ((EXIT_VALUE as i32) << 1) | 1;

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
