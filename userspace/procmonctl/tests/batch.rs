// SPDX-License-Identifier: GPL-2.0-only

//! Batch mode and `ps` on a machine without the module, by way of `/proc`.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Output, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_procmonctl"));
    command
        .args(arguments)
        .env("XDG_CONFIG_HOME", "/nonexistent")
        .stdin(Stdio::null());
    command
}

fn run(arguments: &[&str]) -> Output {
    command(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

fn succeed(arguments: &[&str]) -> String {
    let output = run(arguments);
    assert_eq!(
        (output.status.code(), text(&output.stderr)),
        (Some(0), ""),
        "{arguments:?}"
    );
    text(&output.stdout).to_owned()
}

/// Starts `top` with refreshes that follow each other soon.
fn start(arguments: &[&str]) -> Child {
    let common = ["top", "--batch", "--source", "proc", "-d", "0.01"];
    let mut command = command(&[&common, arguments].concat());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().unwrap()
}

const CSV: [&str; 10] = [
    "top",
    "--batch",
    "--source",
    "proc",
    "-d",
    "0.05",
    "--csv",
    "-o",
    "pid,cpu",
    "--sort=pid",
];

/// The first line has the keys, and each other one its refresh and the time of that.
#[test]
fn refreshes_are_told_apart_in_csv() {
    let own = std::process::id().to_string();
    let csv = succeed(&[&CSV[..], &["-n", "3", "-p", &own]].concat());
    let lines: Vec<_> = csv.lines().collect();
    assert_eq!(lines[0], "refresh,wall_time,pid,cpu");
    assert_eq!(lines.len(), 4, "{csv}");
    let mut times = Vec::new();
    for (number, line) in (1..).zip(&lines[1..]) {
        let cells: Vec<_> = line.split(',').collect();
        assert_eq!((cells.len(), cells[2]), (4, &*own), "{line}");
        assert_eq!(cells[0].parse(), Ok(number), "{line}");
        assert!(cells[1].ends_with('Z'), "{line}");
        times.push(cells[1]);
    }
    assert!(
        times.is_sorted_by(|earlier, later| earlier < later),
        "{csv}"
    );

    // The keys stand alone if no process matches.
    let none = succeed(&[&CSV[..], &["-n", "2", "-c", "^no such name$"]].concat());
    assert_eq!(none, "refresh,wall_time,pid,cpu\n");
}

#[test]
fn csv_is_refused_where_it_would_not_fit() {
    for arguments in [
        &["top", "--csv"][..],
        &["top", "--batch", "--csv", "--tree"],
        &["top", "--batch", "--csv", "--transient"],
        &["top", "--batch", "--csv", "--json"],
    ] {
        assert_eq!(run(arguments).status.code(), Some(2), "{arguments:?}");
    }
}

#[test]
fn a_count_is_at_least_one() {
    for form in [&["--batch", "--source", "proc"][..], &[]] {
        let output = run(&[&["top", "-n", "0"], form].concat());
        let message = text(&output.stderr);
        assert_eq!((output.status.code(), text(&output.stdout)), (Some(2), ""));
        assert!(
            message.contains("'0' for '--count <N>': expected a number from 1 on"),
            "{message}"
        );
    }
}

/// A reader that has seen enough ends the program, which has nothing to complain of.
#[test]
fn a_closed_pipe_is_a_quiet_end() {
    for form in [&[][..], &["--csv"], &["--json"]] {
        let mut top = start(form);
        let mut output = BufReader::new(top.stdout.take().unwrap());
        output.read_line(&mut String::new()).unwrap();
        drop(output);
        let output = top.wait_with_output().unwrap();
        let result = (output.status.code(), text(&output.stderr));
        assert_eq!(result, (Some(0), ""), "{form:?}");
    }
}

#[test]
fn a_full_disk_is_an_error() {
    for form in ["--csv", "--json"] {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let output = command(&["top", "--batch", "--source", "proc", "-n", "2", form])
            .stdout(full)
            .output()
            .unwrap();
        let message = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{message}");
        assert!(message.contains("No space left"), "{message}");
    }
}

/// A signal that comes during a refresh takes effect behind its last line.
#[test]
fn a_signal_ends_between_refreshes() {
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        let mut top = start(&["--csv", "-o", "pid,cpu,comm"]);
        let mut output = BufReader::new(top.stdout.take().unwrap());
        let mut all = String::new();
        for _ in 0..3 {
            output.read_line(&mut all).unwrap();
        }
        let pid = Pid::from_raw(top.id().cast_signed());
        kill(pid, signal).unwrap();
        output.read_to_string(&mut all).unwrap();
        let status = top.wait().unwrap();
        assert_eq!(status.signal(), Some(signal as i32), "{status}");
        let cells = |line: &str| line.split(',').count();
        let width = cells(all.lines().next().unwrap());
        assert!(all.ends_with('\n') && all.lines().all(|line| cells(line) == width));
    }
}

/// The head names the source, and lacks the numbers of events.
#[test]
fn the_head_names_the_source() {
    let screens = succeed(&[
        "top", "--batch", "--source", "proc", "-n", "2", "-d", "0.05",
    ]);
    assert_eq!(screens.matches("from /proc without events").count(), 2);
    assert!(!screens.contains("came and went"), "{screens}");
    let own = std::process::id().to_string();
    let line = succeed(&[
        "ps",
        "--source",
        "proc",
        "-p",
        &own,
        "-o",
        "pid,runtime,state",
    ]);
    let cells: Vec<_> = line.lines().last().unwrap().split_whitespace().collect();
    assert_eq!((cells[0], cells[1]), (&*own, "-"), "{line}");
}

/// Without a device, the message names the way out, which `auto` takes.
#[test]
fn a_missing_device_has_a_way_out() {
    for command in ["ps", "top"] {
        let more: &[_] = if command == "top" {
            &["--batch", "-n", "1"]
        } else {
            &[]
        };
        let arguments = [&["--device", "/nonexistent", command], more].concat();
        let output = run(&arguments);
        let message = text(&output.stderr);
        assert_eq!((output.status.code(), &*output.stdout), (Some(3), &b""[..]));
        assert!(
            message.starts_with("procmonctl: cannot open /nonexistent: No such file"),
            "{message}"
        );
        assert!(
            message.contains("is the procmon module loaded?\n"),
            "{message}"
        );
        let offer = format!("\"procmonctl {command} --source proc\" reads /proc instead");
        assert!(message.contains(&offer), "{message}");

        let output = run(&[&arguments[..], &["--source", "auto"]].concat());
        let message = text(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{message}");
        assert!(message.starts_with("procmonctl: reading /proc instead: cannot open"));
        assert!(text(&output.stdout).contains("PID"));
        succeed(&[&arguments[..], &["--source", "proc"]].concat());
    }
}
