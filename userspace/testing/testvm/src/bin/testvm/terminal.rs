// SPDX-License-Identifier: GPL-2.0-only

//! Our terminal, for a shell in the guest.

use std::env;
use std::io::{self, IsTerminal};
use std::os::fd::AsRawFd;

use anyhow::{Context, Result, ensure};
use nix::sys::termios::{SetArg, Termios, cfmakeraw, tcgetattr, tcsetattr};
use testvm::protocol::{Size, Task};

nix::ioctl_read_bad!(window_size, libc::TIOCGWINSZ, libc::winsize);

/// Whether stdin and stdout are a terminal.
pub fn is_present() -> bool {
    io::stdin().is_terminal() && io::stdout().is_terminal()
}

/// Returns the task for a command, or for an interactive shell, on our terminal.
pub fn task(command: Option<String>) -> Result<Task> {
    ensure!(
        is_present(),
        "stdin and stdout have to be a terminal for this"
    );
    Ok(Task::Terminal {
        size: size().context("cannot get the size of the terminal")?,
        kind: env::var("TERM").unwrap_or_else(|_| "dumb".to_owned()),
        command,
    })
}

/// Returns the size of our terminal.
pub fn size() -> nix::Result<Size> {
    let mut size = Size {
        rows: 0,
        columns: 0,
    }
    .winsize();
    // SAFETY: The call writes a winsize.
    unsafe { window_size(io::stdout().as_raw_fd(), &mut size) }?;
    Ok(Size {
        rows: size.ws_row,
        columns: size.ws_col,
    })
}

/// The mode in which the guest gets every key, until dropped.
pub struct RawMode(Termios);

impl RawMode {
    pub fn enter() -> Result<Self> {
        let stdin = io::stdin();
        let before = tcgetattr(&stdin).context("cannot get the mode of the terminal")?;
        let mut raw = before.clone();
        cfmakeraw(&mut raw);
        tcsetattr(&stdin, SetArg::TCSANOW, &raw).context("cannot set the mode of the terminal")?;
        Ok(RawMode(before))
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        // An error means that the terminal is gone.
        let _ = tcsetattr(io::stdin(), SetArg::TCSADRAIN, &self.0);
    }
}
