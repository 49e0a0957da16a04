// SPDX-License-Identifier: GPL-2.0-only

//! Command lines, which are read again only where they may have changed.

use std::fs;
use std::io::{BufRead, BufReader, Lines};
use std::os::unix::process::CommandExt;
use std::process::{Child as Program, ChildStdout, Command, Stdio};
use std::time::Duration;

use fixture::child::{Child, kill_all, stopped_with};
use fixture::command::PROGRAM;
use fixture::{eventually, procfs, shared};
use nix::sys::signal::{Signal, raise};
use nix::time::ClockId;
use serde_json::Value;

use crate::snapshot::cmdlines::memory::set_title;

/// The number of refreshes after which a title is shown at the latest.
const REFRESHES: usize = 10;

/// The refreshes of `top`.
struct Refreshes {
    program: Program,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Refreshes {
    fn start(arguments: &[&str]) -> Self {
        let mut program = Command::new(PROGRAM)
            .args(["--json", "top", "-b", "-d", "0.05", "-o", "pid,args"])
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(program.stdout.take().unwrap()).lines();
        let mut refreshes = Self { program, lines };
        refreshes.next();
        refreshes
    }

    fn next(&mut self) -> Value {
        serde_json::from_str(&self.lines.next().unwrap().unwrap()).unwrap()
    }

    /// Returns the first refresh that begins after this.
    fn next_new(&mut self) -> Value {
        let now = Duration::from(ClockId::CLOCK_BOOTTIME.now().unwrap());
        loop {
            let refresh = self.next();
            if u128::from(refresh["time"].as_u64().unwrap()) > now.as_nanos() {
                return refresh;
            }
        }
    }

    fn end(mut self) {
        self.program.kill().unwrap();
        self.program.wait().unwrap();
    }
}

/// Returns the arguments of a process by `/proc`.
fn cmdline(pid: i32) -> Vec<String> {
    let text = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap();
    let text = text.strip_suffix('\0').unwrap_or(&text);
    text.split('\0').map(str::to_owned).collect()
}

/// Returns the arguments of a process by a refresh.
fn shown(refresh: &Value, pid: i32) -> Vec<String> {
    let mut processes = refresh["processes"].as_array().unwrap().iter();
    let process = processes.find(|process| process["pid"] == pid);
    let process = process.unwrap_or_else(|| panic!("no PID {pid}: {refresh:#}"));
    serde_json::from_value(process["args"].clone()).unwrap_or_default()
}

/// Starts a shell that stops itself and then executes another program. The last argument is one of
/// both.
fn changeling(pid: i32, argument: &str) -> Child {
    let child = Child::spawn_with_pid(pid, || {
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", "kill -STOP $$; exec sleep $0", argument]);
        panic!("{}", shell.exec());
    });
    procfs::wait_for_state(child.pid(), 'T');
    child
}

/// A process has the arguments of its program from the first refresh on that begins after this was
/// executed, and never those of one that had its PID before.
#[test]
fn top_shows_the_arguments_of_the_last_program() {
    let _kernel = shared();
    for options in [&[][..], &["--threads"]] {
        let mut top = Refreshes::start(options);
        // The last one that can be.
        let pid = procfs::unused_pid() - 1;
        for round in 1000..1010 {
            let child = changeling(pid, &round.to_string());
            let first = cmdline(pid);
            assert_eq!(first.last().unwrap(), &round.to_string());
            assert_eq!(shown(&top.next_new(), pid), first);
            // Without an event nothing changes.
            assert_eq!(shown(&top.next(), pid), first);

            child.signal(Signal::SIGCONT);
            eventually("another program", || cmdline(pid)[0] == "sleep");
            procfs::wait_for_state(pid, 'S');
            let second = cmdline(pid);
            assert_eq!(second, ["sleep", &round.to_string()]);
            assert_eq!(shown(&top.next_new(), pid), second);
            assert_eq!(shown(&top.next(), pid), second);
            child.kill();
        }
        top.end();
    }
}

/// Many programs that are executed between two refreshes all have their arguments.
#[test]
fn top_shows_the_arguments_of_many_programs() {
    let _kernel = shared();
    let mut top = Refreshes::start(&[]);
    let numbers: Vec<_> = (0..100).map(|number: i32| number.to_string()).collect();
    let children: Vec<_> = numbers
        .iter()
        .map(|number| stopped_with(&[number.as_ref()]))
        .collect();
    let refresh = top.next_new();
    for (child, number) in children.iter().zip(&numbers) {
        let shown = shown(&refresh, child.pid());
        assert_eq!(shown, cmdline(child.pid()));
        assert_eq!(shown.last(), Some(number));
    }
    top.end();
    kill_all(children);
}

/// A title that a program writes in the place of its arguments is shown after some refreshes.
#[test]
fn top_shows_titles() {
    let _kernel = shared();
    let child = Child::spawn(|| {
        raise(Signal::SIGSTOP).unwrap();
        set_title(b"title\0");
        raise(Signal::SIGSTOP).unwrap();
    });
    let pid = child.pid();
    procfs::wait_for_state(pid, 'T');
    let mut top = Refreshes::start(&[]);
    let before = cmdline(pid);
    assert_eq!(shown(&top.next_new(), pid), before);
    child.signal(Signal::SIGCONT);
    eventually("a title", || cmdline(pid) != before);
    procfs::wait_for_state(pid, 'T');
    let title = cmdline(pid);
    assert_eq!(title[0], "title");
    let mut refreshes = vec![shown(&top.next_new(), pid)];
    refreshes.extend((1..REFRESHES).map(|_| shown(&top.next(), pid)));
    assert_eq!(refreshes.last(), Some(&title));
    top.end();
    child.kill();
}
