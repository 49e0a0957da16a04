// SPDX-License-Identifier: GPL-2.0-only

//! Tests of what is counted between refreshes, from made-up snapshots and events.

use std::time::Duration;

use procmon::events::Batch;
use procmon::snapshot::{Groups, Record};
use procmon::{Snapshot, uapi};

use crate::top::turnover::{LATEST, Turnover, TurnoverMeter};

/// A process as a test names it: its PID, and its start in nanoseconds.
type Named = (i32, u64);

fn bytes_of<T>(event: &T) -> Vec<u8> {
    // SAFETY: The structures of events are integers without gaps.
    unsafe { std::slice::from_raw_parts((&raw const *event).cast(), size_of::<T>()) }.to_vec()
}

fn header<T>(kind: u32, sequence: u64, (pid, start): Named) -> uapi::procmon_event {
    uapi::procmon_event {
        size: u16::try_from(size_of::<T>()).unwrap(),
        tail: u16::try_from(size_of::<T>()).unwrap(),
        type_: u8::try_from(kind).unwrap(),
        sequence,
        time: start,
        start_time: start,
        tgid: pid,
        pid,
        ppid: 1,
        ..Default::default()
    }
}

pub fn fork(sequence: u64, process: Named) -> Vec<u8> {
    type Fork = uapi::procmon_event_fork;
    bytes_of(&Fork {
        event: header::<Fork>(uapi::PROCMON_EVENT_FORK, sequence, process),
        ..Default::default()
    })
}

/// Returns the execution of a program with these arguments, each with its NUL.
pub fn exec(sequence: u64, process: Named, arguments: &[u8]) -> Vec<u8> {
    type Exec = uapi::procmon_event_exec;
    let tail = [b"/bin/sh\0", arguments].concat();
    let size = (size_of::<Exec>() + tail.len()).next_multiple_of(8);
    let mut exec = Exec {
        event: header::<Exec>(uapi::PROCMON_EVENT_EXEC, sequence, process),
        name_size: 8,
        args_size: u32::try_from(arguments.len()).unwrap(),
        args_stored: u32::try_from(arguments.len()).unwrap(),
        ..Default::default()
    };
    exec.event.size = u16::try_from(size).unwrap();
    let mut bytes = bytes_of(&exec);
    bytes.extend(tail);
    bytes.resize(size, 0);
    bytes
}

/// Returns the end of a process at a time, with a status as wait(2) has it.
pub fn exit(sequence: u64, process: Named, time: u64, comm: &str, status: i32) -> Vec<u8> {
    type Exit = uapi::procmon_event_exit;
    let mut exit = Exit {
        event: header::<Exit>(uapi::PROCMON_EVENT_EXIT, sequence, process),
        status,
        runtime: 1_230_000_000,
        max_rss: 2 << 20,
        ..Default::default()
    };
    exit.event.time = time;
    for (to, from) in exit.comm.iter_mut().zip(comm.bytes()) {
        *to = from as std::ffi::c_char;
    }
    bytes_of(&exit)
}

/// Returns an end by which the caller may not see the status.
pub fn redacted(mut exit: Vec<u8>) -> Vec<u8> {
    let flags = u16::try_from(uapi::PROCMON_EVENT_REDACTED).unwrap();
    let offset = std::mem::offset_of!(uapi::procmon_event, flags);
    exit[offset..offset + 2].copy_from_slice(&flags.to_ne_bytes());
    exit
}

/// Returns a loss of this number of events of each class.
pub fn lost(first: u64, last: u64, count: u64) -> Vec<u8> {
    type Lost = uapi::procmon_event_lost;
    bytes_of(&Lost {
        event: header::<Lost>(uapi::PROCMON_EVENT_LOST, first, (0, 0)),
        last,
        counts: [count; uapi::PROCMON_EVENT_TYPES as usize],
    })
}

/// Begins with a snapshot that was complete at a time, applies events and ends.
pub fn measure(
    meter: &mut TurnoverMeter,
    sequence: u64,
    time: u64,
    processes: &[Named],
    events: &[Vec<u8>],
) -> Option<Turnover> {
    let records = processes.iter().map(|&(pid, start_time)| {
        Record::from(uapi::procmon_record {
            pid,
            tgid: pid,
            groups: Groups::CPU.bits(),
            start_time,
            ..Default::default()
        })
    });
    let snapshot = Snapshot::new(records.collect(), Duration::from_nanos(time));
    meter.begin(&snapshot.with_sequence(sequence));
    for event in Batch::new(&events.concat()) {
        meter.apply(&event);
    }
    meter.end()
}

/// Returns a meter with a first snapshot: event 10 was the newest one, and it was complete at 100.
fn begun(processes: &[Named], events: &[Vec<u8>]) -> TurnoverMeter {
    let mut meter = TurnoverMeter::default();
    assert!(measure(&mut meter, 10, 100, processes, events).is_none());
    meter
}

/// Returns the numbers of a turnover, and which processes were transient.
fn numbers(turnover: Option<Turnover>) -> ([u64; 4], Vec<Named>) {
    let turnover = turnover.unwrap();
    let Turnover {
        started,
        ended,
        transient,
        lost,
        latest,
    } = turnover;
    let latest = latest.iter().map(|it| {
        (
            it.pid,
            u64::try_from(it.start.since_boot().as_nanos()).unwrap(),
        )
    });
    ([started, ended, transient, lost], latest.collect())
}

#[test]
fn the_command_line_is_that_of_the_last_program() {
    let mut meter = begun(&[(1, 1)], &[]);
    let events = [
        fork(11, (20, 120)),
        exec(12, (20, 120), b"sh\0-c\0:\0"),
        exec(13, (20, 120), b"cc1\0-O2\0"),
        fork(14, (21, 121)),
        // Of this one a snapshot tells.
        exec(15, (1, 1), b"init\0"),
        exit(16, (20, 120), 130, "cc1", 0),
        exit(17, (21, 121), 131, "forked", 0),
    ];
    let turnover = measure(&mut meter, 20, 200, &[(1, 1)], &events).unwrap();
    let lines = turnover.latest.iter().map(|it| it.command_line().text());
    assert_eq!(lines.collect::<Vec<_>>(), ["cc1 -O2", "[forked]"]);
}

#[test]
fn what_comes_and_goes_is_counted() {
    let mut meter = begun(&[(1, 1), (5, 5)], &[]);
    let events = [
        fork(11, (20, 120)),
        fork(12, (21, 121)),
        exit(13, (5, 5), 130, "old", 0),
        exit(14, (21, 121), 131, "brief", 0),
    ];
    let turnover = measure(&mut meter, 20, 200, &[(1, 1), (20, 120)], &events);
    assert_eq!(numbers(turnover), ([2, 2, 1, 0], vec![(21, 121)]));
    let turnover = measure(&mut meter, 20, 300, &[(1, 1), (20, 120)], &[]);
    assert_eq!(numbers(turnover), ([0; 4], vec![]));
}

/// Events after a snapshot are counted with the next one, though they were read with the first.
#[test]
fn the_sequence_tells_between_which_snapshots() {
    let mut meter = begun(
        &[],
        &[
            fork(11, (20, 120)),
            exit(12, (20, 120), 121, "brief", 0),
            fork(13, (21, 122)),
        ],
    );
    let turnover = measure(&mut meter, 12, 130, &[], &[]);
    assert_eq!(numbers(turnover), ([1, 1, 1, 0], vec![(20, 120)]));
    let events = [exit(14, (21, 122), 135, "brief", 0)];
    let turnover = measure(&mut meter, 14, 140, &[], &events);
    assert_eq!(numbers(turnover), ([1, 1, 1, 0], vec![(21, 122)]));
}

#[test]
fn what_a_snapshot_has_was_seen() {
    // The first one has come to it after it had begun.
    let mut meter = begun(&[(20, 90)], &[]);
    let events = [
        fork(11, (20, 90)),
        exit(12, (20, 90), 110, "seen", 0),
        // It is a zombie.
        fork(13, (21, 120)),
        exit(14, (21, 120), 121, "zombie", 0),
    ];
    let turnover = measure(&mut meter, 14, 200, &[(21, 120)], &events);
    assert_eq!(numbers(turnover), ([2, 2, 0, 0], vec![]));
    // A zombie ends only once.
    let turnover = measure(&mut meter, 14, 300, &[], &[]);
    assert_eq!(numbers(turnover), ([0; 4], vec![]));
}

/// A process that was there when a snapshot began is not always in it: it may have ended before the
/// snapshot came to it, which counts, or a filter has left it out.
#[test]
fn what_a_snapshot_has_missed_was_not_seen() {
    let forks = [fork(9, (20, 80)), fork(10, (21, 81))];
    let mut meter = begun(&[], &forks);
    let events = [
        exit(11, (20, 80), 95, "missed", 0),
        exit(12, (21, 81), 105, "left out", 0),
    ];
    let turnover = measure(&mut meter, 20, 200, &[], &events);
    assert_eq!(numbers(turnover), ([0, 2, 1, 0], vec![(20, 80)]));

    let mut meter = begun(&[], &forks);
    let turnover = measure(&mut meter, 20, 200, &[], &[]);
    assert_eq!(numbers(turnover), ([0; 4], vec![]));
    let events = [exit(21, (20, 80), 195, "left out", 0)];
    let turnover = measure(&mut meter, 30, 300, &[], &events);
    assert_eq!(numbers(turnover), ([0, 1, 0, 0], vec![]));
}

#[test]
fn a_pid_may_be_used_again() {
    let mut meter = begun(&[(20, 20)], &[]);
    let events = [
        exit(11, (20, 20), 110, "seen", 0),
        fork(12, (20, 120)),
        exit(13, (20, 120), 121, "brief", 0),
        fork(14, (20, 130)),
        exit(15, (20, 130), 131, "brief", 0),
        fork(16, (20, 140)),
    ];
    let turnover = measure(&mut meter, 20, 200, &[(20, 140)], &events);
    let transient = vec![(20, 120), (20, 130)];
    assert_eq!(numbers(turnover), ([3, 3, 2, 0], transient));
}

#[test]
fn losses_are_those_of_starts_and_ends() {
    let mut meter = begun(&[], &[]);
    let events = [
        lost(11, 90, 7),
        // Its start is among them.
        exit(91, (20, 120), 121, "brief", 0),
        lost(150, 160, 1),
    ];
    let turnover = measure(&mut meter, 100, 200, &[], &events);
    assert_eq!(numbers(turnover), ([0, 1, 0, 14], vec![]));
    let turnover = measure(&mut meter, 200, 300, &[], &[]);
    assert_eq!(numbers(turnover), ([0, 0, 0, 2], vec![]));
}

/// However many there are, they are counted, and the last ones are kept.
#[test]
fn few_are_kept() {
    let mut meter = begun(&[], &[]);
    let count = LATEST as u64 + 10;
    let events: Vec<_> = (0..count)
        .flat_map(|number| {
            let process = (5, 1000 + number);
            let sequence = 11 + 2 * number;
            [
                fork(sequence, process),
                exit(sequence + 1, process, 2000 + number, "brief", 0),
            ]
        })
        .collect();
    let mut turnover = measure(&mut meter, 10 + 2 * count, 9000, &[], &events).unwrap();
    let later = turnover.clone();
    for times in 1..=2 {
        let (sums, latest) = numbers(Some(turnover.clone()));
        assert_eq!(sums, [times * count, times * count, times * count, 0]);
        assert_eq!(latest.len(), LATEST);
        assert_eq!(latest.last(), Some(&(5, 1000 + count - 1)));
        if times == 1 {
            assert_eq!(latest[0], (5, 1010));
            turnover.append(later.clone());
        }
    }
}
