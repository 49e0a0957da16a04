// SPDX-License-Identifier: GPL-2.0-only

//! Counters under calls of many threads and processes.

use std::collections::HashSet;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use std::{io, thread};

use fixture::child::{Child, set_policy, stay_on};
use fixture::{is_own_kernel, loaded, open, shared, stats};
use procmon::{Device, Stats, sysfs};

/// T46: RESET under a storm of calls loses and invents none: totals after it are at most the number
/// of calls, and per_cpu_ops is exact.
#[test]
fn reset_in_a_storm() {
    const CALLS: u64 = 2000;
    const THREADS: u64 = 3;

    let (_kernel, _module) = loaded("");
    let device = Device::open().unwrap();
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                for _ in 0..CALLS {
                    device.count().unwrap();
                }
            });
        }
        for _ in 0..100 {
            device.reset().unwrap();
            let ioctls = device.stats().unwrap().ioctls;
            assert!(
                (1..=CALLS * THREADS + 1).contains(&ioctls),
                "{ioctls} calls after a reset"
            );
        }
    });
    device.reset().unwrap();
    assert_eq!(stats().totals, Stats::default());
    assert_eq!(stats().per_cpu_ops, 1 + THREADS * CALLS + 100 * 2 + 1);
}

/// T46: totals that are read during a RESET are those from before or those from after it.
#[test]
fn reset_under_readers() {
    let (_kernel, _module) = loaded("");
    let device = Device::open().unwrap();
    // Far quicker than to open the file each time.
    let file = File::open("/sys/class/misc/procmon/stats").unwrap();
    let stop = AtomicBool::new(false);
    let texts = thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                device.reset().unwrap();
            }
        });
        // Not unwrapped here: after a panic the other thread would not end.
        let texts: io::Result<HashSet<_>> = (0..5000)
            .map(|_| {
                let mut text = [0; 200];
                file.read_at(&mut text, 0)
                    .map(|len| String::from_utf8_lossy(&text[..len]).into_owned())
            })
            .collect();
        stop.store(true, Ordering::Relaxed);
        texts
    });
    let most = texts
        .unwrap()
        .iter()
        .map(|text| {
            text.trim_end()
                .parse::<sysfs::Stats>()
                .unwrap()
                .totals
                .ioctls
        })
        .max();
    // A RESET counts before it takes effect.
    assert!(most <= Some(1), "{most:?} calls");
    let calls = stats().per_cpu_ops;
    assert!(calls > 1000, "only {calls} calls");
}

/// The same for a reader that a RESET interrupts at any point, again and again: two CPUs hardly
/// meet where the host has no time for both.
#[test]
fn reset_within_a_read() {
    let _kernel = shared();
    let reads = if is_own_kernel() { 5_000 } else { 20_000 };
    let device = Device::open().unwrap();
    let stop = AtomicBool::new(false);
    let most = thread::scope(|scope| {
        scope.spawn(|| {
            stay_on(0);
            set_policy(libc::SCHED_FIFO, 1);
            while !stop.load(Ordering::Relaxed) {
                device.reset().unwrap();
                thread::sleep(Duration::from_micros(50));
            }
        });
        stay_on(0);
        // As above.
        let most = (0..reads)
            .map(|_| device.stats().map(|stats| stats.ioctls))
            .try_fold(0, |most, ioctls| Ok::<_, procmon::Error>(most.max(ioctls?)));
        stop.store(true, Ordering::Relaxed);
        most
    });
    // At most all of the reads, and a RESET.
    let most = most.unwrap();
    assert!(most <= reads + 1, "{most} calls");
}

/// Every counter is exact after processes on all CPUs have made all calls at once.
#[test]
fn counters_are_exact() {
    const PROCESSES: u64 = 3;

    let (_kernel, _module) = loaded("");
    let rounds = if is_own_kernel() { 30 } else { 200 };
    open().write_at_start(b"message");
    let children: Vec<_> = (0..PROCESSES)
        .map(|_| {
            Child::spawn(|| {
                for _ in 0..rounds {
                    let device = Device::open().unwrap();
                    device.write_message(b"message").unwrap();
                    assert_eq!(device.read_at(&mut [0; 100], 0).unwrap(), 7);
                    device.count().unwrap();
                    device.query(1).unwrap();
                }
            })
        })
        .collect();
    children.into_iter().for_each(Child::join);
    let each = rounds * PROCESSES;
    let expected = Stats {
        opens: each + 1,
        reads: each,
        writes: each + 1,
        ioctls: each * 2,
        filter: None,
    };
    assert_eq!(stats().totals, expected);
    assert_eq!(stats().per_cpu_ops, each * 5 + 2);
}

trait WriteAtStart {
    fn write_at_start(&self, message: &[u8]);
}

impl WriteAtStart for File {
    fn write_at_start(&self, message: &[u8]) {
        FileExt::write_all_at(self, message, 0).unwrap();
    }
}
