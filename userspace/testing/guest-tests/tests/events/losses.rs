// SPDX-License-Identifier: GPL-2.0-only

//! Losses: what a slow reader has missed.

use std::process::Command;
use std::time::Duration;

use fixture::{is_own_kernel, loaded};
use procmon::Device;
use procmon::events::{Classes, EventKind, EventOptions};

/// With the smallest ring, a reader that does nothing for long is told how many events of which
/// classes it has lost: with those that it has got, they are as many as another one has got that
/// was quick.
#[test]
fn what_is_lost_is_counted() {
    let (_kernel, _module) = loaded("events_kb=64");
    let programs = if is_own_kernel() { 200 } else { 500 };
    let classes = [Classes::FORK, Classes::EXEC, Classes::EXIT];
    let (quick, slow) = (Device::open().unwrap(), Device::open().unwrap());
    let options = EventOptions::new();
    let mut slow = slow.events(&options).unwrap();
    let mut quick = quick.events(&options).unwrap();
    let mut got = [0; 3];
    let mut all = [0; 3];
    let mut last = 0;
    for _ in 0..programs {
        Command::new("/bin/true").status().unwrap();
        for event in quick.wait(Some(Duration::ZERO)).unwrap() {
            assert!(last == 0 || event.sequence() > last);
            last = event.sequence();
            all[index(event.kind()).unwrap()] += 1;
        }
    }
    assert_eq!(quick.lost(), 0, "events.lost");
    let mut lost = [0; 3];
    let mut next = 0;
    loop {
        let batch = slow.wait(Some(Duration::ZERO)).unwrap();
        if batch.is_empty() {
            break;
        }
        for event in batch {
            if let EventKind::Lost(some) = event.kind() {
                assert_eq!(next, 0, "it is lost at the beginning only");
                for (lost, class) in lost.iter_mut().zip(classes) {
                    *lost += some.count(class);
                }
                next = some.last() + 1;
            } else {
                assert!(
                    next == 0 || event.sequence() == next,
                    "event_lost.last: {next} {event:?}"
                );
                next = event.sequence() + 1;
                got[index(event.kind()).unwrap()] += 1;
            }
        }
    }
    assert!(
        lost.iter().all(|lost| *lost > 0),
        "event_lost.counts: {lost:?}"
    );
    assert_eq!(slow.lost(), lost.iter().sum::<u64>(), "events.lost");
    let sum: Vec<u64> = lost.iter().zip(got).map(|(lost, got)| lost + got).collect();
    assert_eq!(sum, all, "event_lost.counts");
}

fn index(kind: EventKind<'_>) -> Option<usize> {
    match kind {
        EventKind::Fork(_) => Some(0),
        EventKind::Exec(_) => Some(1),
        EventKind::Exit(_) => Some(2),
        _ => None,
    }
}
