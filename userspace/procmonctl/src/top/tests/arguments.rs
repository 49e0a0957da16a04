// SPDX-License-Identifier: GPL-2.0-only

//! Tests of which arguments are read again, from made-up snapshots and events.

use std::collections::BTreeSet;
use std::time::Duration;

use procmon::events::Batch;
use procmon::snapshot::{Groups, Record};
use procmon::{Snapshot, SnapshotOptions, uapi};

use super::turnover::{exec, fork, lost};
use crate::top::arguments::KnownArguments;

/// The number of the newest event when a snapshot began.
const SEQUENCE: u64 = 10;

/// Returns a process with a start in nanoseconds.
fn process(pid: i32, start_time: u64) -> Record {
    uapi::procmon_record {
        pid,
        tgid: pid,
        start_time,
        state: uapi::PROCMON_STATE_SLEEPING,
        groups: Groups::CPU.bits(),
        ..Default::default()
    }
    .into()
}

/// Does a refresh with these events, where only processes below 100 have arguments that can be
/// read. Returns the processes whose arguments are read, or `None` for all.
fn refresh(known: &mut KnownArguments, records: &[Record], events: &[Vec<u8>]) -> Option<Vec<i32>> {
    let has_all = known.begin(&SnapshotOptions::new());
    let snapshot = Snapshot::new(records.to_vec(), Duration::from_secs(1));
    let mut snapshot = snapshot.with_sequence(SEQUENCE);
    for event in Batch::new(&events.concat()) {
        known.apply(&event);
    }
    let unknown = known.unknown(&snapshot, has_all);
    for record in records {
        let pid = record.tgid();
        if pid < 100 && (has_all || unknown.contains(&pid)) {
            snapshot = snapshot.with_arguments(pid, b"a\0");
        }
    }
    known.end(&snapshot, &unknown, has_all);
    let pids = unknown.into_iter().collect();
    if has_all { None } else { Some(pids) }
}

#[test]
fn only_arguments_that_may_be_others_are_read() {
    let mut known = KnownArguments::default();
    let [one, two, other_two, three] =
        [(1, 10), (2, 20), (2, 21), (3, 30)].map(|(pid, start)| process(pid, start));
    assert_eq!(refresh(&mut known, &[one, two], &[]), None);
    assert_eq!(refresh(&mut known, &[one, two], &[]), Some(vec![]));
    // A new process, by its start if the ID is an old one.
    assert_eq!(refresh(&mut known, &[one, two, three], &[]), Some(vec![3]));
    assert_eq!(refresh(&mut known, &[one, other_two], &[]), Some(vec![2]));
    assert_eq!(refresh(&mut known, &[one, other_two], &[]), Some(vec![]));
    // Another program, before the snapshot or while it was taken.
    let events = [
        fork(8, (4, 40)),
        exec(9, (1, 10), b"x\0"),
        exec(11, (2, 21), b"x\0"),
    ];
    assert_eq!(
        refresh(&mut known, &[one, other_two], &events),
        Some(vec![1, 2])
    );
    assert_eq!(refresh(&mut known, &[one, other_two], &[]), Some(vec![]));
    // One that has ended since.
    let events = [exec(12, (5, 50), b"x\0")];
    assert_eq!(
        refresh(&mut known, &[one, other_two], &events),
        Some(vec![])
    );
}

#[test]
fn all_arguments_are_read_now_and_then() {
    let mut known = KnownArguments::default();
    let records = [process(1, 10), process(2, 20)];
    let mut all = Vec::new();
    for number in 0..25 {
        if refresh(&mut known, &records, &[]).is_none() {
            all.push(number);
        }
    }
    assert_eq!(all, [0, 10, 20]);
}

#[test]
fn all_arguments_are_read_if_the_last_ones_are_unknown() {
    let mut known = KnownArguments::default();
    let records = [process(1, 10), process(2, 20)];
    assert_eq!(refresh(&mut known, &records, &[]), None);
    let losses = [lost(3, 5, 1)];
    assert_eq!(refresh(&mut known, &records, &losses), Some(vec![1, 2]));
    assert_eq!(
        refresh(&mut known, &records, &[lost(6, 7, 0)]),
        Some(vec![])
    );
    known.forget();
    assert_eq!(refresh(&mut known, &records, &[]), None);
    assert!(!known.begin(&SnapshotOptions::new()));
    assert!(known.begin(&SnapshotOptions::new().threads(true)));
}

#[test]
fn a_program_that_began_during_a_snapshot_of_all_is_asked_for() {
    let mut known = KnownArguments::default();
    let snapshot = Snapshot::new(vec![process(1, 10), process(2, 20)], Duration::from_secs(1));
    let snapshot = snapshot.with_sequence(SEQUENCE);
    assert!(known.begin(&SnapshotOptions::new()));
    let events = [exec(9, (1, 10), b"x\0"), exec(11, (2, 20), b"x\0")].concat();
    for event in Batch::new(&events) {
        known.apply(&event);
    }
    let unknown = known.unknown(&snapshot, true);
    assert_eq!(unknown, BTreeSet::from([2]));
    // Whether those of the snapshot are of that program is not known.
    let snapshot = snapshot
        .with_arguments(1, b"x\0")
        .with_arguments(2, b"old\0");
    known.end(&snapshot, &unknown, true);
    assert!(!known.begin(&SnapshotOptions::new()));
    assert_eq!(known.unknown(&snapshot, false), unknown);
}

#[test]
fn arguments_that_could_not_be_read_are_asked_for_again() {
    let mut known = KnownArguments::default();
    let kernel_thread = uapi::procmon_record {
        pid: 102,
        tgid: 102,
        start_time: 7,
        flags: uapi::PROCMON_TASK_KTHREAD,
        groups: Groups::CPU.bits(),
        ..Default::default()
    };
    let zombie = uapi::procmon_record {
        pid: 103,
        tgid: 103,
        start_time: 8,
        state: uapi::PROCMON_STATE_ZOMBIE,
        groups: Groups::CPU.bits(),
        ..Default::default()
    };
    let records = [
        process(1, 10),
        process(101, 20),
        kernel_thread.into(),
        zombie.into(),
    ];
    assert_eq!(refresh(&mut known, &records, &[]), None);
    for _ in 0..2 {
        assert_eq!(refresh(&mut known, &records, &[]), Some(vec![101]));
    }
}

#[test]
fn threads_have_the_arguments_of_their_process() {
    let mut known = KnownArguments::default();
    let thread = uapi::procmon_record {
        pid: 6,
        tgid: 5,
        start_time: 60,
        groups: Groups::CPU.bits(),
        ..Default::default()
    };
    let leader = process(5, 50);
    assert_eq!(refresh(&mut known, &[leader], &[]), None);
    let both = [leader, thread.into()];
    assert_eq!(refresh(&mut known, &both, &[]), Some(vec![5]));
    assert_eq!(refresh(&mut known, &both, &[]), Some(vec![]));
}
