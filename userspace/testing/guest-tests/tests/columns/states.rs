// SPDX-License-Identifier: GPL-2.0-only

//! Times for which states have lasted, as `procmonctl top` shows them, beside the counters of
//! `/proc`.

use std::thread;
use std::time::Duration;

use fixture::child::{Child, at_rest_after, idle_threads, paused, stopped_with};
use fixture::command::output_of;
use fixture::{eventually, procfs, shared};
use serde_json::Value;

use crate::processes::columns;

const REFRESHES: usize = 3;

/// The records of a process, or of its threads, at each refresh of `top`.
struct Refreshes {
    times: Vec<u64>,
    rows: Vec<Vec<Value>>,
}

impl Refreshes {
    fn of(pid: i32, options: &[&str]) -> Self {
        let pid = pid.to_string();
        let arguments = [
            "top",
            "--batch",
            "--json",
            "-n",
            "3",
            "-d",
            "0.7",
            "-o",
            "pid,state,vcs,threads,state-time",
            "--sort",
            "pid",
            "--pid",
            &pid,
        ];
        let text = output_of(&[&arguments, options].concat());
        let documents: Vec<Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(documents.len(), REFRESHES);
        let rows = documents.iter().map(|document| &document["processes"]);
        Self {
            times: documents
                .iter()
                .map(|document| document["time"].as_u64().unwrap())
                .collect(),
            rows: rows.map(|rows| rows.as_array().unwrap().clone()).collect(),
        }
    }

    /// Returns the column of a process or thread at each refresh.
    fn column(&self, pid: i32, key: &str) -> Vec<Value> {
        let row_of = |rows: &Vec<Value>| rows.iter().find(|row| row["pid"] == pid).cloned();
        let rows = self.rows.iter().map(row_of);
        rows.map(|row| row.expect("it lives")[key].take()).collect()
    }

    /// Asserts that a state has lasted since the first refresh.
    fn assert_lasting(&self, pid: i32) {
        let [first, second, third] = self.times[..] else {
            unreachable!("three refreshes");
        };
        let expected = [Value::Null, (second - first).into(), (third - first).into()];
        assert_eq!(self.column(pid, "state-time"), expected, "{:?}", self.rows);
    }
}

fn waking_up() -> ! {
    loop {
        thread::sleep(Duration::from_millis(10));
    }
}

/// Returns the voluntary switches of a thread in `/proc`.
fn switches(tid: i32) -> u64 {
    procfs::numbers_in(tid, "status", "voluntary_ctxt_switches:").unwrap()[0]
}

/// The state of a process that does nothing lasts from refresh to refresh.
#[test]
fn states_last() {
    let _kernel = shared();
    let sleeping = paused();
    let stopped = stopped_with(&[]);
    // SAFETY: It is always safe to end.
    let zombie = Child::spawn(|| unsafe { libc::_exit(0) });
    procfs::wait_for_state(zombie.pid(), 'Z');
    for (pid, state) in [
        (sleeping.pid(), "S"),
        (stopped.pid(), "T"),
        (zombie.pid(), "Z"),
    ] {
        let before = switches(pid);
        for source in ["module", "proc"] {
            let refreshes = Refreshes::of(pid, &["--source", source]);
            assert_eq!(refreshes.column(pid, "state"), [state; REFRESHES]);
            refreshes.assert_lasting(pid);
        }
        assert_eq!(switches(pid), before, "it has stayed in this state");
    }
    zombie.join();
}

/// A process that sleeps again and again has not been asleep for long.
#[test]
fn sleeps_that_are_interrupted() {
    let _kernel = shared();
    let child = Child::spawn(|| waking_up());
    let pid = child.pid();
    let before = switches(pid);
    eventually("switches", || switches(pid) > before);
    let refreshes = Refreshes::of(pid, &[]);
    let counts = refreshes.column(pid, "vcs");
    assert!(
        counts.windows(2).all(|pair| pair[0] != pair[1]),
        "{counts:?}"
    );
    let expected = [Value::Null, 0.into(), 0.into()];
    assert_eq!(refreshes.column(pid, "state-time"), expected);
}

/// Of a process whose other threads wake up nothing is known, but its threads have times.
#[test]
fn states_of_threads() {
    let _kernel = shared();
    let idle = at_rest_after(|| idle_threads(2));
    Refreshes::of(idle.pid(), &[]).assert_lasting(idle.pid());

    let mixed = at_rest_after(|| {
        thread::spawn(|| waking_up());
    });
    let pid = mixed.pid();
    let tids = procfs::tids(pid);
    let other = tids.into_iter().find(|&tid| tid != pid).unwrap();
    let refreshes = Refreshes::of(pid, &[]);
    assert_eq!(refreshes.column(pid, "threads"), [2; REFRESHES]);
    let nothing = [Value::Null, Value::Null, Value::Null];
    assert_eq!(refreshes.column(pid, "state-time"), nothing);

    let refreshes = Refreshes::of(pid, &["--threads"]);
    refreshes.assert_lasting(pid);
    let expected = [Value::Null, 0.into(), 0.into()];
    assert_eq!(refreshes.column(other, "state-time"), expected);
}

/// A process that has never waited runs since its start, and in `ps` nothing is known.
#[test]
fn a_process_that_always_runs() {
    let _kernel = shared();
    let child = Child::spawn(|| {
        loop {
            std::hint::spin_loop();
        }
    });
    let pid = child.pid();
    procfs::wait_for_state(pid, 'R');
    let refreshes = Refreshes::of(pid, &[]);
    assert_eq!(refreshes.column(pid, "vcs"), [0; REFRESHES]);
    let start = columns(pid, "start")["start"].as_u64().unwrap();
    let times = refreshes.times.iter().map(|time| time - start);
    let times: Vec<_> = times.collect();
    assert_eq!(refreshes.column(pid, "state-time"), times);
    let row = columns(pid, "state-time");
    assert_eq!(row["state-time"], Value::Null);
}
