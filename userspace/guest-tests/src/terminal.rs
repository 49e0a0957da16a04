// SPDX-License-Identifier: GPL-2.0

//! A terminal for a program that wants one, and what it shows.

use std::ffi::CString;
use std::fs::File;
use std::io::{Read, Write};
use std::num::NonZeroU16;
use std::time::Instant;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::pty::{ForkptyResult, Winsize, forkpty};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{Pid, execv};

use crate::PATIENCE;

/// A program with a terminal of its own.
pub struct Terminal {
    program: Pid,
    file: File,
    parser: vt100::Parser,
    /// All that the program has written.
    pub output: Vec<u8>,
}

impl Terminal {
    /// Starts a program on a terminal of so many lines and columns.
    ///
    /// # Panics
    ///
    /// If that fails.
    #[must_use]
    pub fn start(command: &[&str], rows: u16, columns: u16) -> Self {
        let size = Winsize {
            ws_row: rows,
            ws_col: columns,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        let arguments: Vec<_> = command
            .iter()
            .map(|argument| CString::new(*argument).expect("no NUL"))
            .collect();
        // SAFETY: The child makes nothing but a system call, after environment variables are set,
        // while there is no other thread.
        match unsafe { forkpty(&size, None) }.expect("a terminal can be had") {
            ForkptyResult::Parent { child, master } => Self {
                program: child,
                file: master.into(),
                parser: vt100::Parser::new(
                    NonZeroU16::new(rows).expect("a terminal has lines"),
                    NonZeroU16::new(columns).expect("a terminal has columns"),
                    0,
                ),
                output: Vec::new(),
            },
            ForkptyResult::Child => {
                // SAFETY: There is no other thread.
                unsafe { std::env::set_var("TERM", "xterm-256color") };
                let _ = execv(&arguments[0], &arguments);
                // SAFETY: Nothing has to be done before.
                unsafe { libc::_exit(127) }
            }
        }
    }

    /// The program.
    #[must_use]
    pub fn pid(&self) -> i32 {
        self.program.as_raw()
    }

    /// Types.
    ///
    /// # Panics
    ///
    /// If the terminal is gone.
    pub fn press(&mut self, keys: &str) {
        self.file
            .write_all(keys.as_bytes())
            .expect("the terminal is there");
    }

    /// What is on the screen, without spaces at the ends of lines.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let screen = self.parser.screen();
        let (_, columns) = screen.size();
        let lines = screen.rows(0, columns.get());
        lines.map(|line| line.trim_end().to_owned()).collect()
    }

    /// Waits until the screen is as it should be.
    ///
    /// # Panics
    ///
    /// If it does not come to that.
    pub fn wait_for(&mut self, what: &str, is_there: impl Fn(&[String]) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !is_there(&self.lines()) {
            assert!(
                Instant::now() < deadline,
                "waited in vain: {what}\n{}",
                self.lines().join("\n")
            );
            assert!(self.read(100), "the program has ended: {what}");
        }
    }

    /// Takes in what there is within so many milliseconds. Returns whether there may be more.
    fn read(&mut self, timeout: u16) -> bool {
        let mut fds = [PollFd::new(
            std::os::fd::AsFd::as_fd(&self.file),
            PollFlags::POLLIN,
        )];
        if poll(&mut fds, PollTimeout::from(timeout)) == Ok(0) {
            return true;
        }
        let mut bytes = [0; 4096];
        match self.file.read(&mut bytes) {
            // The other end is closed.
            Ok(0) | Err(_) => false,
            Ok(read) => {
                self.parser.process(&bytes[..read]);
                self.output.extend(&bytes[..read]);
                true
            }
        }
    }

    /// Waits for the end of the program and returns its exit status.
    ///
    /// # Panics
    ///
    /// If it does not end, or by a signal.
    pub fn end(&mut self) -> i32 {
        let deadline = Instant::now() + PATIENCE;
        while self.read(100) {
            assert!(Instant::now() < deadline, "the program goes on");
        }
        loop {
            match waitpid(self.program, None) {
                Err(Errno::EINTR) => {}
                Ok(WaitStatus::Exited(_, status)) => return status,
                other => panic!("the program ended with {other:?}"),
            }
        }
    }

    /// Whether the program shows a screen of its own, and not what was there before.
    #[must_use]
    pub fn is_alternate(&self) -> bool {
        self.parser.screen().alternate_screen()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        if kill(self.program, Signal::SIGKILL).is_ok() {
            let _ = waitpid(self.program, None);
        }
    }
}
