// SPDX-License-Identifier: GPL-2.0-only

//! The table of processes: a snapshot and the events after it make the processes of `/proc`.

use std::collections::BTreeSet;
use std::thread;
use std::time::Duration;

use fixture::child::Child;
use fixture::{eventually, is_long, is_own_kernel, is_very_long, loaded, procfs};
use procmon::events::{EventKind, EventOptions, Events};
use procmon::{Device, ProcessTable};

/// Returns the processes of `/proc` that have not ended.
fn of_proc() -> BTreeSet<i32> {
    let alive = |pid: &i32| {
        // The main thread may have ended before the others.
        procfs::tids(*pid)
            .into_iter()
            .any(|tid| procfs::stat(tid).is_some_and(|stat| !"ZX".contains(stat.state)))
    };
    procfs::pids().into_iter().filter(alive).collect()
}

/// Applies all events up to now, with a snapshot after a loss. Returns the number of losses.
fn catch_up(table: &mut ProcessTable, events: &mut Events<'_>, device: &Device) -> usize {
    let mut losses = 0;
    loop {
        if table.is_stale() {
            table.synchronize(device).unwrap();
        }
        let batch = events.wait(Some(Duration::ZERO)).unwrap();
        if batch.is_empty() && !table.is_stale() {
            return losses;
        }
        for event in batch {
            losses += usize::from(matches!(event.kind(), EventKind::Lost(_)));
            table.apply(&event);
        }
    }
}

/// Makes processes and threads that end at once, and fails unless a table that is begun while they
/// come and go has those of `/proc` in the end. Returns the number of losses.
fn begin_in_a_storm(processes: usize) -> usize {
    let device = Device::open().unwrap();
    let mut events = device.events(&EventOptions::new()).unwrap();
    let mut table = ProcessTable::new();
    let mut losses = 0;
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(move || {
                for count in 0..processes {
                    Child::spawn(|| {
                        // Some whose last thread is another one.
                        if count % 4 == 0 {
                            thread::spawn(thread::yield_now);
                        }
                    })
                    .join();
                }
            });
        }
        for _ in 0..3 {
            losses += catch_up(&mut table, &mut events, &device);
            thread::yield_now();
        }
    });
    // The kernel makes threads at any time, but one that the table has too much stays in it.
    let mut found = (BTreeSet::new(), BTreeSet::new());
    eventually("the processes of /proc", || {
        losses += catch_up(&mut table, &mut events, &device);
        found = (table.iter().map(|it| it.pid).collect(), of_proc());
        if found.0 != found.1 {
            println!("{found:?}");
        }
        found.0 == found.1
    });
    for process in table.iter() {
        if let Some(stat) = procfs::stat(process.pid) {
            let hundredths = procfs::start_time(process.pid).unwrap();
            assert_eq!(
                process.start.since_boot().as_nanos() / 10_000_000,
                hundredths
            );
            let is_named = stat.kernel_thread || stat.comm == process.comm.as_encoded_bytes();
            assert!(is_named, "{process:?} {stat:?}");
        }
    }
    losses
}

/// Returns a number of rounds: 1,000 of a very long run. On our own kernels, where `/proc` takes
/// long to read, those of a long run are fewer.
fn rounds(few: usize, many: usize) -> usize {
    match (is_long(), is_own_kernel()) {
        _ if is_very_long() => 1_000,
        (false, _) => few,
        (true, false) => many,
        (true, true) => many / 5,
    }
}

/// Begun at any moment, the table has the processes of `/proc`.
#[test]
fn begun_at_any_moment() {
    let (_kernel, _module) = loaded("");
    for _ in 0..rounds(8, 300) {
        assert_eq!(begin_in_a_storm(5), 0);
    }
}

/// The same after losses.
#[test]
fn after_losses() {
    let (_kernel, _module) = loaded("events_kb=64");
    let mut losses = 0;
    for _ in 0..rounds(1, 20) {
        losses += begin_in_a_storm(150);
    }
    assert!(losses > 0);
}
