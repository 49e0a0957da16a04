// SPDX-License-Identifier: GPL-2.0-only

//! Completeness, order and selection of the records in a snapshot.

use std::collections::BTreeSet;
use std::fs;
use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use fixture::child::{Child, crowd, kill_all, paused};
use fixture::memory::{PAGE, Region};
use fixture::{is_long, is_own_kernel, procfs, shared, stats};
use nix::unistd::gettid;
use procmon::snapshot::{Record, SnapshotOptions};
use procmon::{Device, Snapshot, uapi};

use super::{RECORD, all, arguments, call, find, own_pid, pid_in, snapshot};

/// A snapshot has all processes, each once, in the order of their PIDs.
#[test]
fn all_processes_in_order() {
    let _kernel = shared();
    let count = if is_own_kernel() { 70 } else { 200 };
    let children = crowd(count);
    let records = snapshot(&all());
    let pids: Vec<_> = records.iter().map(Record::pid).collect();
    assert!(pids.is_sorted_by(|a, b| a < b));
    let seen: BTreeSet<_> = pids.into_iter().collect();
    let listed: BTreeSet<_> = procfs::pids().into_iter().collect();
    // Kernel threads may come and go in between.
    assert!(seen.symmetric_difference(&listed).count() < 5);
    for child in &children {
        assert!(seen.contains(&child.pid()));
    }
    assert!(seen.contains(&1) && seen.contains(&own_pid()));
    kill_all(children);
}

/// Calls that continue at the cursor have all records together, with any capacity.
#[test]
fn pieces_make_the_whole() {
    let _kernel = shared();
    let count = if is_own_kernel() { 70 } else { 150 };
    let children = crowd(count);
    let options = SnapshotOptions::new().ppid(own_pid());
    let expected: Vec<_> = snapshot(&options).iter().map(Record::pid).collect();
    assert_eq!(expected.len(), children.len());
    for capacity in [1, 2, 63, 64, 65, count - 1, count, count + 1, 10_000] {
        let region = Region::new(capacity * RECORD);
        let mut pids = Vec::new();
        let mut arguments = arguments(&region, capacity);
        arguments.flags = uapi::PROCMON_SNAPSHOT_BY_PPID;
        arguments.ppid = own_pid();
        let mut calls = 0;
        loop {
            call(&mut arguments).unwrap();
            calls += 1;
            pids.extend((0..arguments.count).map(|index| pid_in(&region, index, RECORD)));
            if arguments.cursor == 0 {
                break;
            }
            assert_eq!(arguments.count as usize, capacity);
        }
        assert_eq!(pids, expected, "{capacity} at a time");
        // The last call may find that no process is left.
        let least = expected.len().div_ceil(capacity);
        assert!(
            (least..=least + 1).contains(&calls),
            "{calls}, {capacity} at a time"
        );
    }
    kill_all(children);
}

/// Each filter selects records, alone and together with others.
#[test]
fn filters_select_records() {
    let _kernel = shared();
    let child = paused();
    let only = |options: SnapshotOptions| -> Vec<_> {
        snapshot(&options).iter().map(Record::pid).collect()
    };
    let new = SnapshotOptions::new;
    for (options, expected, filter) in [
        (new().tgid(child.pid()), &[child.pid()][..], "BY_TGID"),
        (new().ppid(own_pid()), &[child.pid()], "BY_PPID"),
        (new().ppid(child.pid()), &[], "BY_PPID"),
        (new().uid(12345), &[], "BY_UID"),
        (new().uid(0).ppid(own_pid()), &[child.pid()], "BY_UID"),
        (new().uid(1).ppid(own_pid()), &[], "BY_UID"),
    ] {
        assert_eq!(only(options), expected, "filter.{filter}");
    }
    let users = snapshot(&SnapshotOptions::new().kernel_threads(false));
    let has_none = users.iter().all(|record| !record.is_kernel_thread());
    assert!(has_none, "filter.NO_KTHREADS");
    assert!(find(&users, 1).is_some() && find(&users, 2).is_none());
    child.kill();
}

/// A process that is asked for by its ID is found from each cursor up to it, and ends the snapshot.
#[test]
fn one_process_by_its_id() {
    let _kernel = shared();
    let processes = crowd(3);
    let child = processes[1].pid();
    let region = Region::new(PAGE);
    let ask = |tgid, cursor| {
        let mut arguments = uapi::procmon_snapshot {
            flags: uapi::PROCMON_SNAPSHOT_BY_TGID,
            tgid,
            cursor,
            ..arguments(&region, 4)
        };
        assert_eq!(call(&mut arguments), Ok(0));
        assert_eq!(arguments.cursor, 0, "{tgid} from {cursor}");
        (arguments.count, pid_in(&region, 0, RECORD))
    };
    for cursor in [0, 1, child - 1, child] {
        assert_eq!(ask(child, cursor), (1, child), "{cursor}");
    }
    for cursor in [child + 1, i32::MAX] {
        assert_eq!(ask(child, cursor).0, 0, "{cursor}");
    }
    for unused in [procfs::unused_pid(), 0, -1, i32::MIN, i32::MAX] {
        assert_eq!(ask(unused, 0).0, 0, "{unused}");
    }
    kill_all(processes);
}

/// A snapshot of threads has a record for each.
#[test]
fn a_record_for_each_thread() {
    let _kernel = shared();
    let (ready, done) = (Barrier::new(4), Barrier::new(4));
    thread::scope(|scope| {
        let tids: Vec<_> = (0..3)
            .map(|_| {
                let (sender, receiver) = std::sync::mpsc::channel();
                let (ready, done) = (&ready, &done);
                scope.spawn(move || {
                    sender.send(gettid().as_raw()).unwrap();
                    ready.wait();
                    done.wait();
                });
                receiver.recv().unwrap()
            })
            .collect();
        ready.wait();
        let records = snapshot(&all().threads(true).tgid(own_pid()));
        let processes = snapshot(&all().tgid(own_pid()));
        done.wait();
        assert_eq!(processes.len(), 1);
        let count = processes[0].threads();
        assert_eq!(records.len(), count as usize, "filter.THREADS");
        for tid in tids {
            let record = find(&records, tid).unwrap_or_else(|| panic!("{tid}: {records:?}"));
            assert_eq!(record.tgid(), own_pid());
            assert_eq!(record.threads(), count);
            let size = |record: &Record| record.memory().unwrap().virtual_size;
            assert_eq!(size(&record), size(&records[0]));
        }
        // The process was read later, and has the time of threads that have ended as well. User and
        // system time are estimates.
        let time = |record: &Record| record.runtime().unwrap();
        let sum: Duration = records.iter().map(time).sum();
        let whole = time(&processes[0]);
        assert!(whole >= sum, "{whole:?} is less than {sum:?}");
    });
}

/// A snapshot of very many processes takes few calls, and has each once.
#[test]
fn a_crowd_takes_few_calls() {
    const THREADS_MAX: &str = "/proc/sys/kernel/threads-max";

    let _kernel = shared();
    let count = match (is_own_kernel(), is_long()) {
        (true, _) => 500,
        (false, true) => 20_000,
        (false, false) => 2000,
    };
    let old = fs::read_to_string(THREADS_MAX).unwrap();
    fs::write(THREADS_MAX, "30000").unwrap();
    let children = crowd(count);
    let device = Device::open().unwrap();
    let options = all().ppid(own_pid());
    let mut snapshot = Snapshot::default();
    // The first one makes the buffer large enough, as for callers that take many snapshots.
    device.snapshot_into(&options, &mut snapshot).unwrap();
    let before = stats().totals.ioctls;
    device.snapshot_into(&options, &mut snapshot).unwrap();
    let calls = stats().totals.ioctls - before;
    let pids: Vec<_> = snapshot.records().iter().map(Record::pid).collect();
    let mut expected: Vec<_> = children.iter().map(Child::pid).collect();
    expected.sort_unstable();
    assert_eq!(pids, expected);
    assert!(calls <= 3, "{calls} calls");
    let everybody = snapshot_pids(&device);
    let listed: BTreeSet<_> = procfs::pids().into_iter().collect();
    assert!(everybody.symmetric_difference(&listed).count() < 5);
    kill_all(children);
    fs::write(THREADS_MAX, old).unwrap();
}

fn snapshot_pids(device: &Device) -> BTreeSet<i32> {
    let snapshot = device.snapshot(&SnapshotOptions::new()).unwrap();
    snapshot.records().iter().map(Record::pid).collect()
}
