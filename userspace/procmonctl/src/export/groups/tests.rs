// SPDX-License-Identifier: GPL-2.0-only

//! Tests of the sums, from made-up snapshots and events.

use std::mem::offset_of;

use procmon::events::Batch;
use procmon::{Cgroups, uapi};

use super::*;
use crate::export::group::OTHER;
use crate::export::namer::Rule;
use crate::export::rules::Rules;
use crate::table::group::GroupBy;
use crate::table::names::Names;
use crate::top::tests::turnover::{exec, exit, fork, lost};

/// The time of the first snapshot in nanoseconds: processes that start later are new.
const BEGAN: u64 = 1000;

const HOUR: u64 = 3_600_000_000_000;

const LIMITS: Limits = Limits {
    groups: 200,
    forget: Duration::from_nanos(HOUR),
};

/// A process: PID, start, name, CPU time in user space.
type Seen<'a> = (i32, u64, &'a str, u64);

fn record((pid, start_time, comm, utime): Seen) -> Record {
    let mut raw = uapi::procmon_record {
        pid,
        tgid: pid,
        ppid: 1,
        threads: 2,
        groups: Fields::all().bits(),
        start_time,
        utime,
        rss_anon: 4096,
        read_bytes: 10 * utime,
        ..Default::default()
    };
    for (to, from) in raw.comm.iter_mut().zip(comm.bytes()) {
        *to = std::ffi::c_char::from_ne_bytes([from]);
    }
    raw.into()
}

fn snapshot(sequence: u64, time: u64, processes: &[Seen]) -> Snapshot {
    let records = processes.iter().copied().map(record).collect();
    Snapshot::new(records, Duration::from_nanos(time)).with_sequence(sequence)
}

/// Returns the end of a process that has used this much CPU time.
fn end(sequence: u64, (pid, start, comm, utime): Seen) -> Vec<u8> {
    let mut bytes = exit(sequence, (pid, start), start + 1, comm, 0);
    let mut set = |offset: usize, value: u64| {
        bytes[offset..offset + 8].copy_from_slice(&value.to_ne_bytes());
    };
    set(offset_of!(uapi::procmon_event_exit, utime), utime);
    set(offset_of!(uapi::procmon_event_exit, read_bytes), 10 * utime);
    bytes
}

fn by_name() -> Namer {
    Namer::new(
        Rule::By(GroupBy::Name),
        Names::default(),
        Cgroups::default(),
    )
}

fn begun(first: &[Seen]) -> Groups {
    let first = snapshot(10, BEGAN, first);
    Groups::new(by_name(), LIMITS, &first, Beginning::Now)
}

fn apply(groups: &mut Groups, events: &[Vec<u8>]) {
    for event in Batch::new(&events.concat()) {
        groups.apply(&event);
    }
}

/// Returns user time and number of ended processes of a group.
fn sums(groups: &Groups, name: &str) -> Option<(u64, u64)> {
    let group = groups.iter().find(|group| group.name == name)?;
    assert_eq!(group.used.read, 10 * group.used.user);
    Some((group.used.user, group.exited))
}

#[test]
fn what_is_used_after_the_first_snapshot_counts() {
    let mut groups = begun(&[(1, 1, "init", 500), (2, 2, "sh", 7)]);
    assert_eq!(sums(&groups, "init"), Some((0, 0)));
    groups.update(&snapshot(20, 2000, &[(1, 1, "init", 530), (2, 2, "sh", 7)]));
    groups.update(&snapshot(30, 3000, &[(1, 1, "init", 560), (2, 2, "sh", 8)]));
    assert_eq!(sums(&groups, "init"), Some((60, 0)));
    assert_eq!(sums(&groups, "sh"), Some((1, 0)));
    let first = snapshot(10, BEGAN, &[(1, 1, "init", 500)]);
    let groups = Groups::new(by_name(), LIMITS, &first, Beginning::Lives);
    assert_eq!(sums(&groups, "init"), Some((500, 0)));
}

#[test]
fn the_end_has_what_no_snapshot_has_seen() {
    let mut groups = begun(&[(2, 2, "sh", 7)]);
    apply(&mut groups, &[end(11, (2, 2, "sh", 9))]);
    assert_eq!(sums(&groups, "sh"), Some((2, 1)));
    // As a zombie, it has used more: what it took to take it down.
    groups.update(&snapshot(20, 2000, &[(2, 2, "sh", 10)]));
    assert_eq!(sums(&groups, "sh"), Some((3, 1)));
    groups.update(&snapshot(30, 3000, &[(2, 2, "sh", 10)]));
    groups.update(&snapshot(40, 4000, &[]));
    assert_eq!(sums(&groups, "sh"), Some((3, 1)));
    assert!(groups.processes.is_empty());
}

#[test]
fn short_processes_are_counted_by_their_ends() {
    let mut groups = begun(&[]);
    for round in 0..100 {
        let process = (3, 2000 + round, "true", 5);
        let sequence = 11 + 2 * round;
        apply(
            &mut groups,
            &[
                fork(sequence, (3, 2000 + round)),
                end(sequence + 1, process),
            ],
        );
    }
    groups.update(&snapshot(500, 5000, &[]));
    assert_eq!(sums(&groups, "true"), Some((500, 100)));
    assert_eq!(groups.forks, 100);
    assert!(groups.processes.is_empty());
}

/// An end that comes after a snapshot that has the process, or that has missed it.
#[test]
fn no_order_of_events_and_snapshots_counts_twice() {
    for is_in_snapshot in [false, true] {
        let mut groups = begun(&[]);
        let process = (3, 2000, "cc", 50);
        apply(&mut groups, &[fork(11, (3, 2000))]);
        let seen: &[Seen] = if is_in_snapshot { &[process] } else { &[] };
        // The end has number 12, and the snapshot began at 11.
        groups.update(&snapshot(11, 3000, seen));
        apply(&mut groups, &[end(12, process), end(12, process)]);
        groups.update(&snapshot(12, 4000, &[process]));
        groups.update(&snapshot(12, 4000, &[]));
        assert_eq!(sums(&groups, "cc"), Some((50, 1)), "{is_in_snapshot}");
        assert!(groups.processes.is_empty());

        // Read together with the events of the snapshot, the end comes before it.
        let mut groups = begun(&[]);
        apply(&mut groups, &[fork(11, (3, 2000)), end(12, process)]);
        groups.update(&snapshot(11, 3000, seen));
        groups.update(&snapshot(12, 4000, &[]));
        assert_eq!(sums(&groups, "cc"), Some((50, 1)), "{is_in_snapshot}");
    }
}

#[test]
fn events_before_the_first_snapshot_do_not_count() {
    let mut groups = begun(&[(2, 2, "sh", 7)]);
    // Another ended while the first snapshot was taken, which has missed it.
    let events = [
        fork(9, (3, 900)),
        end(10, (3, 900, "sh", 100)),
        lost(5, 10, 3),
        end(11, (4, 800, "sh", 100)),
    ];
    apply(&mut groups, &events);
    assert_eq!(sums(&groups, "sh"), Some((0, 0)));
    assert_eq!((groups.forks, groups.lost), (0, 0));
}

#[test]
fn losses_are_counted_and_nothing_else_twice() {
    let mut groups = begun(&[(2, 2, "sh", 7), (3, 3, "sh", 7)]);
    // Of process 4 the beginning is lost, and of process 3 the end.
    apply(
        &mut groups,
        &[lost(11, 13, 4), end(14, (4, 2000, "sh", 30))],
    );
    groups.update(&snapshot(20, 2000, &[(2, 2, "sh", 8)]));
    groups.update(&snapshot(30, 3000, &[(2, 2, "sh", 8)]));
    assert_eq!(sums(&groups, "sh"), Some((31, 1)));
    // Beginnings and ends are counted classes: 4 of each are lost.
    assert_eq!(groups.lost, 8);
    assert_eq!(groups.processes.len(), 1);
}

#[test]
fn a_process_takes_its_later_usage_to_another_group() {
    let mut groups = begun(&[]);
    groups.update(&snapshot(11, 2000, &[(3, 1500, "sh", 10)]));
    groups.update(&snapshot(12, 3000, &[(3, 1500, "cc", 25)]));
    apply(&mut groups, &[end(13, (3, 1500, "ld", 26))]);
    groups.update(&snapshot(13, 4000, &[]));
    let all = ["sh", "cc", "ld"].map(|name| sums(&groups, name));
    assert_eq!(all, [Some((10, 0)), Some((15, 0)), Some((1, 1))]);
}

#[test]
fn too_many_groups_are_folded() {
    let first = snapshot(10, BEGAN, &[]);
    let limits = Limits {
        groups: 2,
        ..LIMITS
    };
    let mut groups = Groups::new(by_name(), limits, &first, Beginning::Now);
    let seen = [
        (2, 1500, "a", 1),
        (3, 1500, "b", 2),
        (4, 1500, "c", 4),
        (5, 1500, "d", 8),
        (6, 1500, "a", 16),
    ];
    groups.update(&snapshot(11, 2000, &seen));
    groups.update(&snapshot(12, 3000, &seen));
    let all = ["a", "b", "c", "d", OTHER].map(|name| sums(&groups, name));
    assert_eq!(
        all,
        [Some((17, 0)), Some((2, 0)), None, None, Some((12, 0))]
    );
    assert_eq!((groups.folded(), groups.iter().count()), (2, 3));
    let other = groups.iter().find(|group| group.name == OTHER).unwrap();
    assert_eq!((other.present.processes, other.present.threads), (2, 4));
    assert_eq!(other.present.anonymous, 8192);
}

#[test]
fn groups_without_processes_are_forgotten_after_they_were_exported() {
    let mut groups = begun(&[(1, 1, "init", 1)]);
    let events = [fork(11, (3, 2000)), end(12, (3, 2000, "make", 5))];
    apply(&mut groups, &events);
    groups.update(&snapshot(12, 3000, &[(1, 1, "init", 1)]));
    // It was not exported in two hours.
    groups.update(&snapshot(12, 2 * HOUR, &[(1, 1, "init", 1)]));
    assert_eq!(sums(&groups, "make"), Some((5, 1)));
    groups.set_exported();
    groups.update(&snapshot(12, 3 * HOUR - 1, &[(1, 1, "init", 1)]));
    assert_eq!(sums(&groups, "make"), Some((5, 1)));
    groups.update(&snapshot(12, 3 * HOUR, &[(1, 1, "init", 1)]));
    assert_eq!(sums(&groups, "make"), None);
    assert_eq!(sums(&groups, "init"), Some((0, 0)));
    // Its place is free for another one.
    apply(&mut groups, &[end(13, (4, 4 * HOUR, "cc", 6))]);
    assert_eq!(sums(&groups, "cc"), Some((6, 1)));
    assert_eq!(groups.list.slots(), 2);
}

fn rules(text: &str, children: bool) -> Groups {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("rules.yml");
    std::fs::write(&file, text).unwrap();
    let rules = Rules::read(&file, children).unwrap();
    let namer = Namer::new(Rule::Rules(rules), Names::default(), Cgroups::default());
    let first = snapshot(10, BEGAN, &[(1, 1, "init", 0)]);
    Groups::new(namer, LIMITS, &first, Beginning::Now)
}

#[test]
fn short_processes_are_named_by_the_arguments_of_their_programs() {
    let mut groups = rules(
        "process_names: [{name: 'job {{.Matches.n}}', cmdline: ['^job (?P<n>.)$']}, \
         {name: never, comm: [never]}]",
        false,
    );
    let events = [
        fork(11, (3, 2000)),
        exec(12, (3, 2000), b"job\x001\0"),
        end(13, (3, 2000, "job", 5)),
        fork(14, (4, 2100)),
        exec(15, (4, 2100), b"job\x002\0"),
        end(16, (4, 2100, "job", 6)),
        fork(17, (5, 2200)),
        exec(18, (5, 2200), b"other\0"),
        end(19, (5, 2200, "job", 7)),
    ];
    apply(&mut groups, &events);
    let all = ["job 1", "job 2", "never", "other"].map(|name| sums(&groups, name));
    assert_eq!(all, [Some((5, 1)), Some((6, 1)), Some((0, 0)), None]);
}

#[test]
fn children_without_a_group_belong_to_that_of_their_parents() {
    for (children, expected) in [
        (false, Some((1, 0))),
        (true, Some((1 + 20 + 300 + 4000, 2))),
    ] {
        let mut groups = rules("process_names: [{name: init, comm: [init]}]", children);
        // Process 3 is a child of process 1, as its child 4 is: its parent has ended.
        groups.update(&snapshot(
            20,
            3000,
            &[(1, 1, "init", 1), (3, 2000, "sh", 20)],
        ));
        apply(
            &mut groups,
            &[
                fork(21, (4, 3100)),
                end(22, (4, 3100, "cc", 300)),
                end(23, (3, 2000, "sh", 4020)),
            ],
        );
        assert_eq!(sums(&groups, "init"), expected);
    }
}
