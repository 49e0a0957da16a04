// SPDX-License-Identifier: GPL-2.0

//! User, system and run time of processes and threads, compared with what the kernel itself says.

use std::fs;
use std::hint::black_box;
use std::time::Duration;

use guest_tests::child::Child;
use guest_tests::{eventually, loaded, procfs};
use nix::time::ClockId;
use nix::unistd::{Pid, pause};
use procmon::Device;
use procmon::snapshot::{Groups, Record, SnapshotOptions};

fn snapshot(options: SnapshotOptions) -> Vec<Record> {
    let device = Device::open().unwrap();
    device
        .snapshot(&options.groups(Groups::all()))
        .unwrap()
        .records()
        .to_vec()
}

fn record_of(pid: i32) -> Record {
    snapshot(SnapshotOptions::new().tgid(pid))[0]
}

/// Uses a CPU for some time in user space and in the kernel.
fn work() {
    let mut sum = 0u64;
    for round in 0..20 {
        for number in 0..50_000 {
            sum = black_box(sum.wrapping_add(number * round));
        }
        fs::read_to_string("/proc/self/maps").unwrap();
    }
}

/// A process of two threads that sleep, after a third one has ended, all of which have worked.
fn rested() -> Child {
    let child = Child::spawn(|| {
        std::thread::spawn(work).join().unwrap();
        std::thread::spawn(|| {
            work();
            pause();
        });
        work();
        pause();
    });
    let tasks = format!("/proc/{}/task", child.pid());
    eventually("two threads that sleep", || {
        let tasks: Vec<i32> = fs::read_dir(&tasks)
            .unwrap()
            .map(|entry| {
                let name = entry.unwrap().file_name();
                name.into_string().unwrap().parse().unwrap()
            })
            .collect();
        let sleeps = |&tid: &i32| procfs::stat(tid).is_some_and(|stat| stat.state == 'S');
        tasks.len() == 2 && tasks.iter().all(sleeps) && {
            // The first thread also sleeps while it waits for the one that ends.
            let wchan = fs::read_to_string(format!("/proc/{}/syscall", child.pid())).unwrap();
            wchan.starts_with(&format!("{} ", libc::SYS_pause))
        }
    });
    child
}

/// The run time of a process is that of its CPU clock, to the nanosecond, threads that have ended
/// included. The run times of threads are parts of it.
#[test]
fn run_time_is_that_of_the_cpu_clock() {
    let (_kernel, _module) = loaded("");
    let child = rested();
    let clock = ClockId::pid_cpu_clock_id(Pid::from_raw(child.pid())).unwrap();
    let expected = Duration::from(clock.now().unwrap());
    let record = record_of(child.pid());
    assert_eq!(record.runtime(), Some(expected));
    assert!(expected > Duration::ZERO);
    let threads = snapshot(SnapshotOptions::new().tgid(child.pid()).threads(true));
    assert_eq!(threads.len(), 2);
    let sum: Duration = threads.iter().map(|thread| thread.runtime().unwrap()).sum();
    // The one that has ended has the rest.
    assert!(sum < expected, "{sum:?} of {expected:?}");
    assert!(
        threads
            .iter()
            .all(|thread| thread.runtime().unwrap() > expected / 10)
    );
    child.kill();
}
