// SPDX-License-Identifier: GPL-2.0-only

//! Tests of `top` on a terminal with made-up processes, and with events that never happen with a
//! kernel: panics, and a snapshot that does not end.

use std::env;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use nix::pty::{Winsize, openpty};
use nix::sys::termios::{Termios, tcgetattr};
use procmon::{Snapshot, SnapshotOptions};

use super::{empty_app, process};
use crate::top::event::{Answer, Refresh};
use crate::top::live;
use crate::top::screen::Screen;
use crate::top::system::System;
use crate::top::worker::Source;

/// The environment variable with the name of one of the programs below.
const PROGRAM: &str = "PROCMONCTL_TEST_PROGRAM";

/// The time for an expected event, on a machine that is busy with other things.
const PATIENCE: Duration = Duration::from_secs(60);

/// A source of one snapshot only.
struct Once {
    is_asked: bool,
    second: fn(),
}

impl Source for Once {
    fn snapshot(&mut self, _: &SnapshotOptions, _: Snapshot) -> Answer {
        if std::mem::replace(&mut self.is_asked, true) {
            (self.second)();
        }
        let records = vec![process(1, 0, "init", 0)];
        let time = Duration::from_secs(60);
        Ok(Refresh {
            snapshot: Snapshot::new(records, time),
            system: System::default(),
            turnover: None,
            events_error: None,
        })
    }
}

/// The program on the terminal, which the tests below start as another process.
#[test]
#[ignore = "a part of the other tests here"]
fn program() {
    let run = |second| {
        let mut app = empty_app();
        app.delay = Duration::from_millis(100);
        let once = Once {
            is_asked: false,
            second,
        };
        live::run(once, app, None)
    };
    match env::var(PROGRAM).as_deref() {
        Ok("hang") => {
            let hang = || loop {
                thread::park();
            };
            run(hang).unwrap();
        }
        Ok("panic in a thread") => {
            let error = run(|| panic!("made up")).unwrap_err();
            panic!("{error}");
        }
        Ok("panic") => {
            let _screen = Screen::enter(true).unwrap();
            panic!("made up");
        }
        other => panic!("no program {other:?}"),
    }
}

/// A terminal with the program, and its output.
struct Pty {
    child: Child,
    /// Keeps the terminal, and its mode, after the program has ended.
    terminal: OwnedFd,
    before: Termios,
    keys: File,
    pieces: Receiver<Vec<u8>>,
    output: String,
}

impl Pty {
    fn start(program: &str) -> Self {
        let size = Winsize {
            ws_row: 24,
            ws_col: 80,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        let pty = openpty(&size, None).unwrap();
        let before = tcgetattr(&pty.slave).unwrap();
        let mut command = Command::new(env::current_exe().unwrap());
        command
            .args(["--exact", "top::tests::pty::program"])
            .args(["--ignored", "--nocapture"])
            .env(PROGRAM, program)
            .env("TERM", "xterm")
            .stdin(pty.slave.try_clone().unwrap())
            .stdout(pty.slave.try_clone().unwrap())
            .stderr(pty.slave.try_clone().unwrap());
        let lead = || {
            nix::unistd::setsid()?;
            // SAFETY: The call takes an integer.
            if unsafe { libc::ioctl(libc::STDIN_FILENO, libc::TIOCSCTTY, 0) } < 0 {
                return Err(std::io::Error::last_os_error());
            }
            Ok(())
        };
        // SAFETY: Only makes system calls between fork and exec.
        let child = unsafe { command.pre_exec(lead) }.spawn().unwrap();
        let keys = File::from(pty.master);
        let mut reader = keys.try_clone().unwrap();
        let (sender, pieces) = mpsc::channel();
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(read @ 1..) = reader.read(&mut buffer) {
                if sender.send(buffer[..read].to_vec()).is_err() {
                    return;
                }
            }
        });
        Self {
            child,
            terminal: pty.slave,
            before,
            keys,
            pieces,
            output: String::new(),
        }
    }

    /// Reads output of the program until it contains a text.
    fn wait_for(&mut self, text: &str) {
        let deadline = Instant::now() + PATIENCE;
        while !self.output.contains(text) {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.pieces.recv_timeout(left) {
                Ok(piece) => self.output.push_str(&String::from_utf8_lossy(&piece)),
                Err(error) => panic!("no {text:?}: {error}: {:?}", self.output),
            }
        }
    }

    fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
    }

    /// Waits for the end, after which the terminal has to be in its initial mode.
    fn end(mut self) -> (ExitStatus, String) {
        let deadline = Instant::now() + PATIENCE;
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            if Instant::now() >= deadline {
                let _ = self.child.kill();
                panic!("the program goes on: {:?}", self.output);
            }
            thread::sleep(Duration::from_millis(10));
        };
        assert_eq!(tcgetattr(&self.terminal).unwrap(), self.before);
        // The rest of the output arrives soon.
        while let Ok(piece) = self.pieces.recv_timeout(Duration::from_millis(500)) {
            self.output.push_str(&String::from_utf8_lossy(&piece));
        }
        for (on, off) in [
            ("\x1b[?1049h", "\x1b[?1049l"),
            ("\x1b[?2004h", "\x1b[?2004l"),
            ("\x1b[?1000h", "\x1b[?1000l"),
            ("\x1b[?1006h", "\x1b[?1006l"),
            ("\x1b[?25l", "\x1b[?25h"),
        ] {
            assert!(
                self.output.rfind(on) < self.output.rfind(off),
                "{on:?} was last: {:?}",
                self.output
            );
        }
        (status, self.output)
    }
}

/// Returns the output after the end of the screen.
fn after_the_screen(output: &str) -> &str {
    output.split_once("\x1b[?1049l").unwrap().1
}

#[test]
fn a_panic_leaves_the_terminal_in_order() {
    for program in ["panic", "panic in a thread"] {
        let (status, output) = Pty::start(program).end();
        assert!(!status.success(), "{program}");
        let after = after_the_screen(&output);
        assert!(after.contains("made up"), "{program}: {output:?}");
    }
}

#[test]
fn keys_work_though_the_kernel_does_not_answer() {
    let mut pty = Pty::start("hang");
    pty.wait_for("the kernel has not answered for ");
    pty.press("?");
    // One word of the help: blanks that are on the screen already are not written again.
    pty.wait_for("Ctrl-C");
    pty.press("xq");
    let (status, _) = pty.end();
    assert!(status.success());

    let mut pty = Pty::start("hang");
    pty.wait_for("COMMAND");
    pty.press("\x03");
    let (status, _) = pty.end();
    assert!(status.success());
}
