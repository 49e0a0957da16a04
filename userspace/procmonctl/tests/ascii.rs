// SPDX-License-Identifier: GPL-2.0-only

//! The characters of `ps`, by the terminal, the locale and the option `--ascii`.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::pty::openpty;

/// The time for an expected event, on a machine that is busy with other things.
const PATIENCE: Duration = Duration::from_secs(60);

/// A child of this process whose command line is not in ASCII, and ends with the test.
struct Sleeper(Child);

impl Sleeper {
    fn start() -> Self {
        let mut command = Command::new("sleep");
        command.arg0("søvn").arg("1000").stdin(Stdio::null());
        let sleeper = Self(command.spawn().unwrap());
        // The kernel shows the arguments soon after the start of the program.
        let deadline = Instant::now() + PATIENCE;
        let file = format!("/proc/{}/cmdline", sleeper.0.id());
        while fs::read(&file).unwrap() != "søvn\x001000\0".as_bytes() {
            assert!(Instant::now() < deadline, "{file}");
            thread::yield_now();
        }
        sleeper
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Returns the command line of `ps` for this process and its child as a tree.
fn ps(sleeper: &Sleeper, locale: &str, options: &[&str]) -> Command {
    let pids = format!("-p{},{}", std::process::id(), sleeper.0.id());
    let mut command = Command::new(env!("CARGO_BIN_EXE_procmonctl"));
    command
        .args(["ps", "--source", "proc", "--tree", "-o", "pid,args", &pids])
        .args(options)
        .env_remove("LC_CTYPE")
        .env("LC_ALL", locale)
        .env("XDG_CONFIG_HOME", "/nonexistent")
        .stdin(Stdio::null());
    command
}

fn in_a_pipe(mut command: Command) -> String {
    let output = command.stderr(Stdio::inherit()).output().unwrap();
    assert!(output.status.success(), "{command:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn on_a_terminal(mut command: Command) -> String {
    // Without a size, so that lines have their whole width.
    let pty = openpty(None, None).unwrap();
    let mut child = command.stdout(pty.slave).spawn().unwrap();
    // The terminal ends with the last descriptor, and the command has another one.
    drop(command);
    let mut output = Vec::new();
    let mut master = File::from(pty.master);
    // At the end of a terminal there is an error.
    let _ = master.read_to_end(&mut output);
    assert!(child.wait().unwrap().success());
    String::from_utf8(output).unwrap()
}

#[test]
fn the_terminal_and_the_option_choose_the_characters() {
    let sleeper = Sleeper::start();
    let utf8 = "└─ søvn 1000";
    let ascii = "+- s\\u{f8}vn 1000";
    type Run = fn(Command) -> String;
    let cases: [(Run, &str, &[&str], &str); 8] = [
        (on_a_terminal, "C.UTF-8", &[], utf8),
        (on_a_terminal, "C.UTF-8", &["--ascii"], ascii),
        (on_a_terminal, "C", &[], ascii),
        (on_a_terminal, "de_DE.ISO-8859-1", &[], ascii),
        (in_a_pipe, "C.UTF-8", &[], utf8),
        (in_a_pipe, "C", &[], utf8),
        (in_a_pipe, "C", &["--ascii"], ascii),
        (in_a_pipe, "C.UTF-8", &["--ascii"], ascii),
    ];
    for (run, locale, options, expected) in cases {
        let output = run(ps(&sleeper, locale, options));
        let row = output.lines().find(|line| line.contains("1000"));
        let row = row.unwrap_or_else(|| panic!("no row: {output:?}"));
        assert!(row.contains(expected), "{locale}, {options:?}: {output:?}");
        assert_eq!(output.is_ascii(), expected == ascii, "{output:?}");
    }
}
