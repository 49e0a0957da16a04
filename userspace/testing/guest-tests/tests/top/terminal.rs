// SPDX-License-Identifier: GPL-2.0-only

//! The terminal: it is in order when the program ends, stops, or cannot go on.

use std::fs;
use std::thread;
use std::time::Duration;

use fixture::command::PROGRAM;
use fixture::terminal::Terminal;
use fixture::{eventually, procfs, shared};
use nix::sys::signal::Signal;
use nix::sys::termios::{LocalFlags, Termios};
use nix::sys::wait::WaitStatus;

use super::{has, titles, top, wait_for_table};

/// Fails unless the terminal is as it was before the program.
fn assert_in_order(terminal: &Terminal, before: &Termios, what: &str) {
    assert_eq!(&terminal.mode(), before, "{what}");
    assert!(!terminal.is_alternate(), "{what}: alternate screen");
    assert!(!terminal.hides_cursor(), "{what}: no cursor");
    assert!(terminal.keeps_mouse(), "{what}: mouse");
}

/// Signals end the program as usual, and the terminal is as it was before.
#[test]
fn top_ended_by_signals() {
    let _kernel = shared();
    for signal in [
        Signal::SIGTERM,
        Signal::SIGHUP,
        Signal::SIGINT,
        Signal::SIGQUIT,
    ] {
        let mut top = Terminal::start(&[PROGRAM, "top"], 24, 80);
        let before = top.first_mode().clone();
        wait_for_table(&mut top);
        top.read_until("reports of the mouse", Terminal::reports_mouse);
        top.signal(signal);
        let status = top.wait();
        assert!(
            matches!(status, WaitStatus::Signaled(_, by, _) if by == signal),
            "{signal}: {status:?}"
        );
        assert_in_order(&top, &before, signal.as_str());
    }
}

/// A signal that was ignored from the beginning, as by nohup(1), remains so.
#[test]
fn top_with_ignored_signals() {
    let _kernel = shared();
    let mut top = Terminal::start(
        &["/bin/sh", "-c", "trap '' HUP; exec procmonctl top -d 0.1"],
        24,
        80,
    );
    let before = top.first_mode().clone();
    wait_for_table(&mut top);
    top.signal(Signal::SIGHUP);
    top.press("?");
    top.wait_for("help", has("show these keys"));
    wait_for_raw_mode(&top);
    top.press("xq");
    assert_eq!(top.end(), 0);
    assert_in_order(&top, &before, "q");
}

fn wait_for_raw_mode(top: &Terminal) {
    eventually("raw mode", || {
        !top.mode().local_flags.contains(LocalFlags::ECHO)
    });
}

/// Ctrl-Z and signals stop and continue the program; in between, others have the terminal.
#[test]
fn top_stopped_and_continued() {
    let _kernel = shared();
    // A process group that is the child of another one in its session, as shells make them.
    let mut top = Terminal::start_as_job(&[PROGRAM, "top", "-d", "0.2"], 24, 80);
    let before = top.first_mode().clone();
    wait_for_table(&mut top);
    for stop in ["a key", "SIGTSTP", "SIGSTOP"] {
        match stop {
            "a key" => top.press("\x1a"),
            "SIGTSTP" => top.signal(Signal::SIGTSTP),
            _ => top.signal(Signal::SIGSTOP),
        }
        let pid = top.pid();
        top.read_until(stop, |_| procfs::is_in_state(pid, 'T'));
        if stop != "SIGSTOP" {
            top.read_until(stop, |top| !top.is_alternate() && !top.hides_cursor());
            assert!(top.keeps_mouse(), "{stop}");
        }
        if stop == "SIGSTOP" {
            // SIGSTOP cannot be handled; a shell sets the mode itself.
            top.set_mode(&before);
        } else {
            assert_in_order(&top, &before, stop);
        }
        top.output.clear();
        top.signal(Signal::SIGCONT);
        top.wait_for(stop, |lines| titles(lines).is_some());
        wait_for_raw_mode(&top);
        top.read_until(stop, Terminal::reports_mouse);
        top.press("?");
        top.wait_for("help", has("show these keys"));
        top.press("x");
        top.wait_for("no help", |lines| !has("show these keys")(lines));
        wait_for_table(&mut top);
    }
    top.press("q");
    assert_eq!(top.end(), 0);
    assert_in_order(&top, &before, "q");
}

/// Half of a sequence, or of a character, does not stop the program.
#[test]
fn top_with_half_a_sequence() {
    let _kernel = shared();
    for half in [&b"\x1b["[..], b"\xc3", b"\x1b[1;5", b"\x1bO", b"\x1b"] {
        let mut top = top(&["-d", "0.1"]);
        top.type_bytes(half);
        top.output.clear();
        // It goes on drawing, as the time since boot on its screen shows.
        let clock = top.lines()[0].clone();
        top.wait_for("a refresh", |lines| lines[0] != clock);
        let clock = top.lines()[0].clone();
        top.wait_for("another refresh", |lines| lines[0] != clock);
        // The first key may be taken for the rest of the sequence.
        eventually("an answer", || {
            top.press("x");
            top.read_for(Duration::from_millis(100));
            has("x does nothing here")(&top.lines())
        });
        top.press("?");
        top.wait_for("help", has("show these keys"));
        top.press("xq");
        assert_eq!(top.end(), 0, "{half:?}");
    }
}

/// The program ends when its terminal hangs up, even if it ignores SIGHUP.
#[test]
fn top_without_its_terminal() {
    let _kernel = shared();
    for command in ["exec procmonctl top", "trap '' HUP; exec procmonctl top"] {
        let mut top = Terminal::start(&["/bin/sh", "-c", command], 24, 80);
        wait_for_table(&mut top);
        let status = top.hang_up();
        let is_expected = match status {
            WaitStatus::Signaled(_, signal, _) => signal == Signal::SIGHUP,
            WaitStatus::Exited(_, status) => status == 1,
            _ => false,
        };
        assert!(is_expected, "{command}: {status:?}");
    }
}

/// A terminal that accepts no more output does not keep the program from ending.
#[test]
fn top_with_a_terminal_that_is_stuck() {
    let _kernel = shared();
    let mut top = top(&["-d", "0.05"]);
    let before = top.first_mode().clone();
    // Output that is not read fills the terminal's buffer.
    let file = format!("/proc/{}/syscall", top.pid());
    let mut times = 0;
    eventually("a write that waits", || {
        top.press("\x0c");
        thread::sleep(Duration::from_millis(10));
        let call = fs::read_to_string(&file).unwrap();
        let writes = call.starts_with(&format!("{} ", libc::SYS_write));
        times = if writes { times + 1 } else { 0 };
        times == 20
    });
    top.signal(Signal::SIGTERM);
    let status = top.wait_unread();
    assert!(
        matches!(status, WaitStatus::Signaled(_, Signal::SIGTERM, _)),
        "{status:?}"
    );
    assert_eq!(top.mode(), before);
}
