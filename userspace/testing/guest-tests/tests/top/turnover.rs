// SPDX-License-Identifier: GPL-2.0-only

//! Processes that come and go between two refreshes.

use std::collections::HashSet;
use std::io::{BufRead, BufReader};
use std::process::{self, Command, Stdio};
use std::thread;

use fixture::child::{in_pid_namespace, sleeper};
use fixture::command::{PROGRAM, output_of};
use fixture::terminal::Terminal;
use fixture::{procfs, shared};
use nix::sys::prctl;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, fork};
use serde_json::Value;

use super::{NAMES, first_row, has, top, wait_for_table};

/// Makes a process of this name that ends at once with a status, and waits for its end. Returns its
/// PID.
fn gnat(status: i32) -> i32 {
    // SAFETY: The child makes system calls only.
    match unsafe { fork() }.unwrap() {
        ForkResult::Parent { child } => {
            let end = waitpid(child, None);
            assert_eq!(end, Ok(WaitStatus::Exited(child, status)));
            child.as_raw()
        }
        ForkResult::Child => {
            let _ = prctl::set_name(c"gnat");
            // SAFETY: It is always safe to end.
            unsafe { libc::_exit(status) }
        }
    }
}

/// Returns the numbers in the head of the processes that started, that ended, and that came and
/// went.
fn turnover(lines: &[String]) -> [u64; 3] {
    ["started", "ended", "came and went"].map(|what| {
        let mut parts = lines.iter().flat_map(|line| line.split(", "));
        let number = parts.find_map(|part| part.strip_suffix(what));
        let number = number.unwrap_or_else(|| panic!("{what}: {lines:#?}"));
        number.trim_end().parse().unwrap()
    })
}

/// Processes that come and go between two refreshes are counted, and listed with their statuses.
/// One that the screen had is not among them.
#[test]
fn top_shows_what_came_and_went() {
    const GNATS: i32 = 12;

    let _kernel = shared();
    // Refreshes are those of a key only.
    let mut top = Terminal::start(&[PROGRAM, "top", NAMES, "--delay", "1000"], 60, 110);
    wait_for_table(&mut top);
    assert!(!has("came and went")(&top.lines()), "since when?");
    top.press("E\\gnat\r");
    top.wait_for("the list", |lines| {
        has(" Came and went: 0 so far")(lines) && has("filter: gnat")(lines)
    });
    let gnatling = sleeper(c"gnatling");
    let before = procfs::forks();
    top.press("\x12");
    top.wait_for("a refresh", first_row(|row| row.ends_with(" gnatling")));
    turnover(&top.lines());

    let pids: Vec<_> = (0..GNATS).map(gnat).collect();
    gnatling.kill();
    top.press("\x12");
    top.wait_for("the list", |lines| {
        let inside = |line: &String| line.trim_matches(['│', ' ']).ends_with(" [gnat]");
        lines.iter().filter(|line| inside(line)).count() == pids.len()
    });
    let lines = top.lines();
    let made = procfs::forks() - before;
    let [started, ended, transient] = turnover(&lines);
    let count = pids.len() as u64;
    assert!(
        count <= transient && transient <= started && started <= made && transient < ended,
        "{count} of {made}: {lines:#?}"
    );
    assert!(!has("gnatling")(&lines), "{lines:#?}");

    // The last one comes first.
    let own = process::id().to_string();
    let rows = lines
        .iter()
        .filter(|line| line.starts_with('│') && line.contains(" [gnat] "));
    let rows: Vec<Vec<_>> = rows
        .map(|line| line.split_whitespace().skip(1).collect())
        .collect();
    for ((row, pid), status) in rows.iter().zip(pids.iter().rev()).zip((0..GNATS).rev()) {
        let expected = [&*pid.to_string(), &own, "root", &status.to_string()];
        assert_eq!(row[..4], expected, "{lines:#?}");
    }
    assert_eq!(rows.len(), pids.len(), "{lines:#?}");

    top.press("E");
    top.wait_for("no list", |lines| !has("Came and went")(lines));
    top.press("q");
    assert_eq!(top.end(), 0);
}

/// While processes come and go, each of them is either in a snapshot or among those that came and
/// went, and never in both.
#[test]
fn top_misses_no_process() {
    const GNATS: i32 = 200;

    let _kernel = shared();
    let before = procfs::forks();
    let mut program = Command::new(PROGRAM)
        .args(["--json", "top", "-b", "-d", "0.01", "-o", "pid,comm"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut documents = BufReader::new(program.stdout.take().unwrap())
        .lines()
        .map(|line| serde_json::from_str::<Value>(&line.unwrap()).unwrap());
    let first = documents.next().unwrap();
    assert_eq!(first["turnover"], Value::Null, "since when?");

    let storm = thread::spawn(|| {
        let gnats: Vec<_> = (0..GNATS).map(|_| gnat(0)).collect();
        (gnats, sleeper(c"gnatling"))
    });
    let pids = |list: &Value| -> Vec<_> {
        let list = list.as_array().unwrap().iter();
        list.map(|process| process["pid"].as_i64().unwrap())
            .collect()
    };
    let mut seen = HashSet::new();
    let mut transient = Vec::new();
    let mut sums = [0; 4];
    // A snapshot that has the gnatling may have begun before the end of the last gnat.
    let mut left = None;
    while left != Some(0) {
        let document = documents.next().unwrap();
        let turnover = &document["turnover"];
        seen.extend(pids(&document["processes"]));
        transient.extend(pids(&turnover["latest"]));
        for (sum, key) in sums
            .iter_mut()
            .zip(["started", "ended", "transient", "lost"])
        {
            *sum += turnover[key].as_u64().unwrap();
        }
        let mut processes = document["processes"].as_array().unwrap().iter();
        if processes.any(|process| process["comm"] == "gnatling") {
            left = Some(left.map_or(1, |left: u32| left - 1));
        }
    }
    let made = procfs::forks() - before;
    program.kill().unwrap();
    program.wait().unwrap();
    let (gnats, gnatling) = storm.join().unwrap();
    gnatling.kill();

    let [started, ended, count, lost] = sums;
    assert_eq!(lost, 0);
    assert_eq!(count, transient.len() as u64);
    let least = u64::try_from(GNATS).unwrap();
    assert!(
        least < started && started <= made && least <= ended,
        "{sums:?}, {made}"
    );
    for gnat in gnats.into_iter().map(i64::from) {
        let times = transient.iter().filter(|pid| **pid == gnat).count();
        let is_seen = seen.contains(&gnat);
        assert_eq!(times, usize::from(!is_seen), "{gnat}: {is_seen}");
    }
}

/// Without the right to read events, `top` is as it was without them.
#[test]
fn top_without_events() {
    let _kernel = shared();
    in_pid_namespace(|| {
        let text = output_of(&["--json", "top", "-b", "-n", "2", "-d", "0.1"]);
        for line in text.lines() {
            let document: Value = serde_json::from_str(line).unwrap();
            assert_eq!(document["turnover"], Value::Null);
            assert!(!document["processes"].as_array().unwrap().is_empty());
        }
        let mut top = top(&["-d", "0.1"]);
        let clock = top.lines()[0].clone();
        top.wait_for("a refresh", |lines| lines[0] != clock);
        top.press("E");
        top.wait_for(
            "an answer",
            has("the module does not tell what came and went"),
        );
        let lines = top.lines();
        assert!(!has("started")(&lines) && !has("Came and went")(&lines));
        top.press("q");
        assert_eq!(top.end(), 0);
    });
}
