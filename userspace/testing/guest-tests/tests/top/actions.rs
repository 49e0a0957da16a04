// SPDX-License-Identifier: GPL-2.0-only

//! Signals and nice values, which never hit another process, and the mouse.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use fixture::child::{Child, as_nobody, at_rest_after, idle_threads, sleeper, sleeper_of};
use fixture::terminal::Terminal;
use fixture::{loaded, procfs, shared};
use nix::errno::Errno;
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, Uid, pause};

use super::{has, top};

const F7: &str = "\x1b[18~";
const F8: &str = "\x1b[19~";
const F9: &str = "\x1b[20~";
const HOME: &str = "\x1b[H";
const DOWN: &str = "\x1b[B";

/// Starts `top` with these processes only, in the order of their PIDs.
fn top_of(children: &[&Child], arguments: &[&str]) -> Terminal {
    let pids: Vec<_> = children
        .iter()
        .map(|child| child.pid().to_string())
        .collect();
    let pids = pids.join(",");
    let mut top = top(&[&["--sort", "pid", "-p", &pids], arguments].concat());
    for child in children {
        top.wait_for("a row", |lines| row_of(lines, child.pid()).is_some());
    }
    top
}

/// Returns the row of a process on the screen.
fn row_of(lines: &[String], pid: i32) -> Option<usize> {
    let pid = pid.to_string();
    lines
        .iter()
        .position(|line| line.split_whitespace().next() == Some(&pid))
}

fn quit(mut top: Terminal) {
    top.press("q");
    assert_eq!(top.end(), 0);
}

/// Returns the nice value of a process or thread.
fn nice(pid: i32) -> i32 {
    // A result of -1 may be a value.
    Errno::clear();
    let id = libc::id_t::try_from(pid).unwrap();
    // SAFETY: The call takes numbers.
    let nice = unsafe { libc::getpriority(libc::PRIO_PROCESS, id) };
    assert_eq!(Errno::last_raw(), 0, "{pid} is there");
    nice
}

fn is_alive(child: &Child) -> bool {
    waitpid(Pid::from_raw(child.pid()), Some(WaitPidFlag::WNOHANG)) == Ok(WaitStatus::StillAlive)
}

/// The menu of signals sends the one that is selected, and none before Enter.
#[test]
fn top_sends_signals() {
    let _kernel = shared();
    for (keys, signal) in [
        ("", Signal::SIGTERM),
        ("9", Signal::SIGKILL),
        (HOME, Signal::SIGHUP),
    ] {
        let victim = sleeper(c"victim");
        let pid = victim.pid();
        let mut top = top_of(&[&victim], &["-d", "0.2"]);
        top.press(F9);
        let title = format!("Signal to the process victim ({pid})");
        top.wait_for("the menu", has(&title));
        assert!(is_alive(&victim));
        top.press(keys);
        top.press("\r");
        top.wait_for(
            "the result",
            has(&format!("{signal} sent to victim ({pid})")),
        );
        let pid = Pid::from_raw(pid);
        assert_eq!(
            waitpid(pid, None),
            Ok(WaitStatus::Signaled(pid, signal, false))
        );
        quit(top);
    }

    let victim = sleeper(c"victim");
    let mut top = top_of(&[&victim], &["-d", "0.2"]);
    top.press("k");
    top.wait_for("the menu", has("15 SIGTERM"));
    top.press(&DOWN.repeat(4));
    top.press("\r");
    top.wait_for("the result", has("SIGSTOP sent to victim"));
    procfs::wait_for_state(victim.pid(), 'T');
    top.press("k");
    top.wait_for("the menu", has("15 SIGTERM"));
    top.press("\x1b");
    top.wait_for("no menu", |lines| !has("15 SIGTERM")(lines));
    assert!(is_alive(&victim));
    quit(top);
    victim.kill();
}

/// All tagged processes get the signal, and no other one.
#[test]
fn top_sends_a_signal_to_tagged_processes() {
    let _kernel = shared();
    let mut children = [c"one", c"two", c"three"].map(sleeper);
    children.sort_by_key(Child::pid);
    let [first, second, third] = &children;
    let mut top = top_of(&[first, second, third], &["-d", "0.2"]);
    top.press("  ");
    top.wait_for("tags", has("2 tagged"));
    top.press(F9);
    top.wait_for("the menu", has("Signal to 2 processes: "));
    top.press("\r");
    top.wait_for("the result", has("SIGTERM sent to 2 processes"));
    for child in [first, second] {
        let pid = Pid::from_raw(child.pid());
        assert_eq!(
            waitpid(pid, None),
            Ok(WaitStatus::Signaled(pid, Signal::SIGTERM, false))
        );
    }
    assert!(is_alive(third));
    assert!(procfs::is_in_state(third.pid(), 'S'));
    quit(top);
}

/// F7 and F8 change nice values, in the view of threads those of threads.
#[test]
fn top_changes_nice_values() {
    let _kernel = shared();
    let child = at_rest_after(|| idle_threads(1));
    let pid = child.pid();
    let tid = procfs::tids(pid).into_iter().max().unwrap();
    let mut top = top_of(&[&child], &["-d", "0.2"]);
    for (keys, expected) in [(F8, 1), (F8, 2), (F7, 1), (F7, 0), (F7, -1)] {
        top.press(keys);
        top.wait_for("the result", has(&format!("has the nice value {expected}")));
        assert_eq!((nice(pid), nice(tid)), (expected, 0));
    }
    top.press("H");
    top.wait_for("the thread", |lines| row_of(lines, tid).is_some());
    top.press("\x1b[F");
    top.press(F8);
    top.wait_for("the result", has(&format!("({tid}) has the nice value 1")));
    assert_eq!((nice(pid), nice(tid)), (-1, 1));
    // A signal is for all of the process.
    top.press(F9);
    top.wait_for("the menu", |lines| {
        has("Signal to the whole process ")(lines) && has(&format!("({pid})"))(lines)
    });
    top.press("9\r");
    top.wait_for("the result", has("SIGKILL sent to "));
    let pid = Pid::from_raw(pid);
    assert_eq!(
        waitpid(pid, None),
        Ok(WaitStatus::Signaled(pid, Signal::SIGKILL, false))
    );
    quit(top);
}

/// A process that has got the PID of the one on the screen is left alone.
#[test]
fn top_hits_no_other_process() {
    let _kernel = shared();
    for (before, after) in [(F9, "9\r"), ("", "\x1b[20~9\r"), ("", F8)] {
        let first = sleeper(c"first");
        let pid = first.pid();
        // Refreshes are those of a key only.
        let mut top = top_of(&[&first], &["-d", "1000"]);
        if !before.is_empty() {
            top.press(before);
            top.wait_for("the menu", has("Signal to the process first"));
        }
        let start = procfs::start_time(pid);
        first.kill();
        let second = Child::spawn_with_pid(pid, || {
            loop {
                pause();
            }
        });
        assert_ne!(procfs::start_time(pid), start);
        top.press(after);
        top.wait_for("the result", has(&format!("first ({pid}): it has ended")));
        assert!(is_alive(&second));
        assert_eq!(nice(pid), 0);
        quit(top);
        second.kill();
    }
}

#[test]
fn top_leaves_kernel_threads_alone() {
    let _kernel = shared();
    // kthreadd.
    let mut top = top(&["-d", "0.2", "-p", "2"]);
    top.wait_for("its row", |lines| row_of(lines, 2).is_some());
    let before = nice(2);
    for keys in [F8, "\x1b[20~\r"] {
        top.press(keys);
        top.wait_for(
            "an answer",
            has("kthreadd (2): kernel threads are left alone"),
        );
        top.press(HOME);
        top.wait_for("no message", |lines| !has("left alone")(lines));
    }
    assert_eq!(nice(2), before);
    quit(top);
}

#[test]
fn top_is_read_only_on_demand() {
    let _kernel = shared();
    let child = sleeper(c"bystander");
    let mut top = top_of(&[&child], &["-d", "0.2", "--read-only"]);
    for keys in [F7, F8, F9, "k"] {
        top.press(keys);
        top.wait_for("an answer", has("switched off by --read-only"));
        top.press("\r");
        top.wait_for("details", |lines| !has("--read-only")(lines));
    }
    assert!(is_alive(&child));
    assert_eq!(nice(child.pid()), 0);
    quit(top);
    child.kill();
}

/// A user without rights is told so, and may do what the kernel permits.
#[test]
fn top_without_rights() {
    let (_kernel, _module) = loaded("");
    fs::set_permissions(procmon::DEVICE_PATH, Permissions::from_mode(0o666)).unwrap();
    let others = sleeper(c"others");
    let own = sleeper_of(c"own", Uid::from_raw(65534));
    let (pid, own_pid) = (others.pid(), own.pid());
    as_nobody(|| {
        for (child, name) in [(&others, "others"), (&own, "own")] {
            let mut top = top_of(&[child], &["-d", "0.2"]);
            let label = format!("{name} ({})", child.pid());
            if name == "others" {
                for keys in [F8, F7, "\x1b[20~\r"] {
                    top.press(keys);
                    top.wait_for("a refusal", has(&format!("{label}: permission denied")));
                    top.press(HOME);
                    top.wait_for("no message", |lines| !has("denied")(lines));
                }
            } else {
                top.press(F8);
                top.wait_for("the result", has(&format!("{label} has the nice value 1")));
                top.press(F7);
                top.wait_for(
                    "a refusal",
                    has(&format!("{label}: a lower nice value takes")),
                );
                top.press(F9);
                top.wait_for("the menu", has("15 SIGTERM"));
                top.press("9\r");
                top.wait_for("the result", has("SIGKILL sent to own"));
            }
            quit(top);
        }
    });
    assert!(is_alive(&others));
    assert_eq!(nice(pid), 0);
    let own_pid = Pid::from_raw(own_pid);
    assert_eq!(
        waitpid(own_pid, None),
        Ok(WaitStatus::Signaled(own_pid, Signal::SIGKILL, false))
    );
    others.kill();
}

/// The selection stays with a process that is followed, and its end is told of.
#[test]
fn top_follows_a_process() {
    let _kernel = shared();
    let first = sleeper(c"first");
    let second = sleeper(c"second");
    let mut top = top_of(&[&first, &second], &["-d", "0.2"]);
    top.press("F");
    top.wait_for("the selection", has("follows "));
    let lower = if first.pid() < second.pid() {
        first
    } else {
        second
    };
    top.press("I");
    top.wait_for("the other order", has("2/2"));
    let message = format!("({}) has ended", lower.pid());
    lower.kill();
    top.wait_for("its end", has(&message));
    quit(top);
}

/// Types a press and release of the left button on a text of the screen.
fn click(top: &mut Terminal, text: &str) {
    let lines = top.lines();
    let found = lines.iter().enumerate().find_map(|(row, line)| {
        let column = line[..line.find(text)?].chars().count();
        Some(format!("{};{}", column + 1, row + 1))
    });
    let place = found.unwrap_or_else(|| panic!("no {text:?}: {lines:#?}"));
    top.press(&format!("\x1b[<0;{place}M\x1b[<0;{place}m"));
}

/// The mouse selects, sorts, scrolls, and presses the keys of the bar.
#[test]
fn top_with_a_mouse() {
    let _kernel = shared();
    let mut children = [c"one", c"two", c"three"].map(sleeper);
    children.sort_by_key(Child::pid);
    let [first, second, third] = &children;
    let mut top = top_of(&[first, second, third], &["-d", "0.2"]);
    assert!(top.reports_mouse());
    click(&mut top, &format!("{} root", third.pid()));
    top.wait_for("the selection", has("3/3"));
    click(&mut top, "PID");
    top.wait_for("the other order", |lines| {
        row_of(lines, third.pid()) < row_of(lines, first.pid()) && has("1/3")(lines)
    });
    click(&mut top, "COMMAND");
    top.wait_for("an order", has("COMMAND▲"));
    click(&mut top, &format!("{} root", third.pid()));
    top.wait_for("details", has("CPU, up to"));
    click(&mut top, "F1Help");
    top.wait_for("help", has("show these keys"));
    top.press("\x1b[<65;1;1M");
    top.wait_for("more help", |lines| !has("show these keys")(lines));
    click(&mut top, "Keys");
    top.wait_for("no help", |lines| !has(" Keys ")(lines));
    quit(top);
}

/// With an option, and after a key, the mouse is left to the terminal.
#[test]
fn top_without_a_mouse() {
    let _kernel = shared();
    let mut top = top(&["-d", "0.2", "--no-mouse"]);
    assert!(top.keeps_mouse());
    top.press("m");
    top.read_until("reports", Terminal::reports_mouse);
    top.press("m");
    top.read_until("no reports", Terminal::keeps_mouse);
    quit(top);
}
