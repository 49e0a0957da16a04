// SPDX-License-Identifier: GPL-2.0

//! A terminal for a program that wants one, and what it shows.

use std::ffi::CString;
use std::fs::File;
use std::io::{Read, Write};
use std::num::NonZeroU16;
use std::os::fd::{AsFd, AsRawFd};
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::pty::{ForkptyResult, Winsize, forkpty};
use nix::sys::signal::{Signal, kill};
use nix::sys::termios::{SetArg, Termios, tcgetattr, tcsetattr};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, execv, fork, getpid, pipe2, setpgid, tcsetpgrp};

use crate::PATIENCE;

/// A program with a terminal of its own.
pub struct Terminal {
    program: Pid,
    /// The child of ours that ends with the program.
    leader: Pid,
    /// Our end of the terminal, until it is hung up.
    file: Option<File>,
    first_mode: Termios,
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
        Self::start_by(command, rows, columns, |gate| gate.wait())
    }

    /// Starts a program as a shell with job control does: in a process group of its own, whose
    /// parent is in the same session, so that it can be stopped.
    ///
    /// # Panics
    ///
    /// If that fails.
    #[must_use]
    pub fn start_as_job(command: &[&str], rows: u16, columns: u16) -> Self {
        Self::start_by(command, rows, columns, lead_job)
    }

    fn start_by(command: &[&str], rows: u16, columns: u16, prepare: impl FnOnce(&Gate)) -> Self {
        let size = winsize(rows, columns);
        let arguments: Vec<_> = command
            .iter()
            .map(|argument| CString::new(*argument).expect("no NUL"))
            .collect();
        let gate = Gate::new();
        // SAFETY: The child makes nothing but system calls, after environment variables are set,
        // while there is no other thread.
        match unsafe { forkpty(&size, None) }.expect("a terminal can be had") {
            ForkptyResult::Parent { child, master } => {
                let first_mode = tcgetattr(&master).expect("the terminal has a mode");
                Self {
                    program: gate.open(),
                    leader: child,
                    file: Some(master.into()),
                    first_mode,
                    parser: vt100::Parser::new(nonzero(rows), nonzero(columns), 0),
                    output: Vec::new(),
                }
            }
            ForkptyResult::Child => {
                // SAFETY: There is no other thread.
                unsafe { std::env::set_var("TERM", "xterm-256color") };
                // As at a login. Shells leave some ignored to what they start in the background.
                for signal in [libc::SIGHUP, libc::SIGINT, libc::SIGQUIT, libc::SIGTERM] {
                    // SAFETY: No handler is set.
                    unsafe { libc::signal(signal, libc::SIG_DFL) };
                }
                prepare(&gate);
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

    /// Sends the program a signal.
    ///
    /// # Panics
    ///
    /// If it has ended.
    pub fn signal(&self, signal: Signal) {
        kill(self.program, signal).expect("the program is there");
    }

    fn file(&self) -> &File {
        self.file.as_ref().expect("the terminal is there")
    }

    /// The mode of the terminal before the program was there.
    #[must_use]
    pub fn first_mode(&self) -> &Termios {
        &self.first_mode
    }

    /// The mode of the terminal now.
    ///
    /// # Panics
    ///
    /// If the terminal is gone.
    #[must_use]
    pub fn mode(&self) -> Termios {
        tcgetattr(self.file()).expect("the terminal has a mode")
    }

    /// Gives the terminal another mode, as a shell does when it takes it back.
    ///
    /// # Panics
    ///
    /// If the terminal is gone.
    pub fn set_mode(&self, mode: &Termios) {
        tcsetattr(self.file(), SetArg::TCSANOW, mode).expect("the mode can be set");
    }

    /// Gives the terminal another size.
    ///
    /// # Panics
    ///
    /// If the terminal is gone.
    pub fn resize(&mut self, rows: u16, columns: u16) {
        let size = winsize(rows, columns);
        // SAFETY: The call reads a winsize.
        let result = unsafe { libc::ioctl(self.file().as_raw_fd(), libc::TIOCSWINSZ, &size) };
        assert_eq!(result, 0, "the size can be set");
        self.parser.set_size(nonzero(rows), nonzero(columns));
    }

    /// Types.
    ///
    /// # Panics
    ///
    /// If the terminal is gone.
    pub fn press(&mut self, keys: &str) {
        self.type_bytes(keys.as_bytes());
    }

    /// Types what is no text.
    ///
    /// # Panics
    ///
    /// If the terminal is gone.
    pub fn type_bytes(&mut self, bytes: &[u8]) {
        self.file().write_all(bytes).expect("the terminal is there");
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

    /// Takes in what the program writes until something is true.
    ///
    /// # Panics
    ///
    /// If it does not come to that.
    pub fn read_until(&mut self, what: &str, is_true: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !is_true(self) {
            assert!(Instant::now() < deadline, "waited in vain: {what}");
            self.read(10);
        }
    }

    /// Takes in what there is within so many milliseconds. Returns whether there may be more.
    fn read(&mut self, timeout: u16) -> bool {
        let mut file = self.file();
        let mut fds = [PollFd::new(file.as_fd(), PollFlags::POLLIN)];
        if poll(&mut fds, PollTimeout::from(timeout)) == Ok(0) {
            return true;
        }
        let mut bytes = [0; 4096];
        match file.read(&mut bytes) {
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
        match self.wait() {
            WaitStatus::Exited(_, status) => status,
            other => panic!("the program ended with {other:?}"),
        }
    }

    /// Waits for the end of the program, and takes in what it writes until then.
    ///
    /// # Panics
    ///
    /// If it does not end.
    pub fn wait(&mut self) -> WaitStatus {
        let deadline = Instant::now() + PATIENCE;
        while self.read(100) {
            assert!(
                Instant::now() < deadline,
                "the program goes on:\n{}",
                self.lines().join("\n")
            );
        }
        self.wait_unread()
    }

    /// Waits for the end of the program without a look at what it writes.
    ///
    /// # Panics
    ///
    /// If it does not end.
    pub fn wait_unread(&mut self) -> WaitStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match waitpid(self.leader, Some(WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::StillAlive) => {}
                Err(Errno::EINTR) => continue,
                status => return status.expect("the program was there"),
            }
            assert!(Instant::now() < deadline, "the program goes on");
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// Takes the terminal away, and waits for the end of the program.
    ///
    /// # Panics
    ///
    /// If it does not end.
    pub fn hang_up(&mut self) -> WaitStatus {
        self.file = None;
        self.wait_unread()
    }

    /// Whether the program shows a screen of its own, and not what was there before.
    #[must_use]
    pub fn is_alternate(&self) -> bool {
        self.parser.screen().alternate_screen()
    }

    /// Whether there is no cursor.
    #[must_use]
    pub fn hides_cursor(&self) -> bool {
        self.parser.screen().hide_cursor()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // The leader of a job ends with it.
        if kill(self.program, Signal::SIGKILL).is_ok() {
            let _ = waitpid(self.leader, None);
        }
    }
}

fn nonzero(size: u16) -> NonZeroU16 {
    NonZeroU16::new(size).expect("a terminal has lines and columns")
}

fn winsize(rows: u16, columns: u16) -> Winsize {
    Winsize {
        ws_row: rows,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    }
}

/// Holds a program back until its terminal was looked at.
struct Gate {
    to_child: (File, File),
    to_parent: (File, File),
}

impl Gate {
    fn new() -> Self {
        let pipe = || {
            let (read, write) = pipe2(OFlag::O_CLOEXEC).expect("a pipe can be made");
            (File::from(read), File::from(write))
        };
        Self {
            to_child: pipe(),
            to_parent: pipe(),
        }
    }

    /// Lets the program go, and returns its ID.
    fn open(mut self) -> Pid {
        self.to_child.1.write_all(&[0]).expect("the child is there");
        let mut pid = [0; 4];
        let read = self.to_parent.0.read_exact(&mut pid);
        read.expect("the child tells its ID");
        Pid::from_raw(i32::from_ne_bytes(pid))
    }

    /// Waits in the child, which is to be the program.
    fn wait(&self) {
        let _ = (&self.to_child.0).read_exact(&mut [0]);
        let pid = getpid().as_raw().to_ne_bytes();
        let _ = (&self.to_parent.1).write_all(&pid);
    }
}

/// Makes a child that is to be the program, with the terminal in the foreground, and ends with it.
/// Returns in the child.
fn lead_job(gate: &Gate) {
    // SAFETY: There is no other thread.
    match unsafe { fork() }.expect("a process can be made") {
        ForkResult::Child => {
            let own = getpid();
            let _ = setpgid(own, own);
            // A background process may do so only if it ignores the signal for that.
            // SAFETY: No handler is set.
            unsafe { libc::signal(libc::SIGTTOU, libc::SIG_IGN) };
            let _ = tcsetpgrp(std::io::stdin(), own);
            // SAFETY: As above.
            unsafe { libc::signal(libc::SIGTTOU, libc::SIG_DFL) };
            gate.wait();
        }
        ForkResult::Parent { child } => {
            let status = loop {
                match waitpid(child, None) {
                    Ok(WaitStatus::Exited(_, status)) => break status,
                    Ok(WaitStatus::Signaled(_, signal, _)) => break 128 + signal as i32,
                    Err(Errno::EINTR) => {}
                    _ => break 127,
                }
            };
            // SAFETY: It is always safe to end.
            unsafe { libc::_exit(status) }
        }
    }
}
