// SPDX-License-Identifier: GPL-2.0-only

//! Samples of the system, their sequence numbers and their loss.

use std::time::Duration;
use std::{fs, thread};

use fixture::child::{Child, busy, crowd, in_child, kill_all, uninterruptible};
use fixture::{eventually, is_own_kernel, loaded, procfs};
use nix::time::{ClockId, clock_gettime};
use nix::unistd::pause;
use procmon::Device;
use procmon::history::Target;
use procmon::sysfs::{self, Parameter};

use super::{fast, interval, newest, wait_for};

/// Samples have sequence numbers without gaps, and no deadline has more than one.
#[test]
fn samples_are_numbered() {
    let boot = || Duration::from(clock_gettime(ClockId::CLOCK_BOOTTIME).unwrap());
    let start = boot();
    let (_kernel, _module) = loaded(&fast());
    let device = Device::open().unwrap();
    wait_for(&device, 0, |sample| sample.sequence() == 20);
    let history = device.history(0).unwrap();
    assert_eq!(history.missed(), 0);
    assert_eq!(history.interval(), Duration::from_millis(interval()));
    for (sample, expected) in history.samples().iter().zip(1..) {
        assert_eq!(sample.sequence(), expected);
        assert_eq!(sample.target(), Target::None);
    }
    assert_eq!(history.next(), history.samples().len() as u64 + 1);
    // However late a sample is, it is taken for a deadline of its own. The first one is due when
    // the module is loaded at the earliest.
    for (sample, number) in history.samples().iter().zip(0..) {
        let due = start + Duration::from_millis(interval()) * number;
        assert!(sample.time().since_boot() >= due, "{due:?}: {sample:?}");
    }
    assert!(
        history
            .samples()
            .is_sorted_by_key(|sample| sample.time().since_boot())
    );
    let last = history.samples().last().unwrap().time();
    let age = boot().checked_sub(last.since_boot()).unwrap();
    assert!(age < fixture::PATIENCE, "{age:?}");
}

/// Counts of processes, threads and zombies are those of `/proc`.
#[test]
fn the_system_is_that_of_proc() {
    let (_kernel, _module) = loaded(&fast());
    let device = Device::open().unwrap();
    let children = crowd(70);
    let zombies: Vec<_> = (0..3)
        .map(|_| {
            let child = Child::spawn(|| {});
            procfs::wait_for_state(child.pid(), 'Z');
            child
        })
        .collect();
    eventually("the same numbers", || {
        let before = (procfs::pids().len(), procfs::thread_count());
        let next = newest(&device) + 1;
        let sample = wait_for(&device, next, |_| true);
        let system = sample.system();
        let attribute = sysfs::monitor().unwrap();
        assert!(attribute.samples >= sample.sequence());
        assert!(system.zombies >= 3 && system.running >= 1, "{system:?}");
        assert!(system.threads >= system.processes, "{system:?}");
        (system.processes as usize, system.threads as usize) == before
    });
    let before = zombies_of_proc();
    zombies.into_iter().for_each(Child::join);
    eventually("no zombies of this test", || {
        let next = newest(&device) + 1;
        let zombies = wait_for(&device, next, |_| true).system().zombies as usize;
        zombies == zombies_of_proc() && zombies + 3 <= before
    });
    kill_all(children);
}

/// Counts the zombies that `/proc` shows.
fn zombies_of_proc() -> usize {
    processes_in_state('Z')
}

/// Counts the processes that `/proc` shows in a state.
fn processes_in_state(state: char) -> usize {
    let pids = procfs::pids().into_iter();
    pids.filter(|&pid| procfs::stat(pid).is_some_and(|stat| stat.state == state))
        .count()
}

/// The counts of a system in which each has another value, and none is 0.
#[test]
fn samples_of_a_known_system() {
    const BUSY: u32 = 2;
    const WAITING: u32 = 4;
    const ENDED: u32 = 7;
    const CROWD: u32 = 11;

    let (_kernel, _module) = loaded(&fast());
    let device = Device::open().unwrap();
    let mut children: Vec<_> = (0..WAITING).map(|_| uninterruptible()).collect();
    children.extend((0..ENDED).map(|_| {
        let child = Child::spawn(|| {});
        procfs::wait_for_state(child.pid(), 'Z');
        child
    }));
    let crowd = Child::spawn(|| {
        thread::scope(|scope| {
            for _ in 1..CROWD {
                scope.spawn(pause);
            }
        });
    });
    eventually("its threads", || {
        procfs::number(crowd.pid(), 20) == Some(CROWD)
    });
    children.push(crowd);
    let busy: Vec<_> = (0..BUSY).map(|_| busy(c"busy")).collect();
    let now = || Duration::from(clock_gettime(ClockId::CLOCK_BOOTTIME).unwrap());
    let before = now();
    // The next sample may have been begun already.
    let sample = wait_for(&device, newest(&device) + 2, |_| true);
    let (time, after) = (sample.time().since_boot(), now());
    assert!(
        (before..=after).contains(&time),
        "sample.time {time:?} is not between {before:?} and {after:?}"
    );
    // The monitor runs as well.
    let running = sample.system().running;
    assert!(running > BUSY, "sample.running is {running}");
    kill_all(busy);

    let mut wrong = Vec::new();
    // The kernel starts and ends threads of its own now and then.
    for _ in 0..20 {
        let expected = [
            ("processes", procfs::pids().len()),
            ("threads", procfs::thread_count()),
            ("uninterruptible", processes_in_state('D')),
            ("zombies", processes_in_state('Z')),
        ];
        let sample = wait_for(&device, newest(&device) + 2, |_| true);
        let system = sample.system();
        let values = [
            system.processes,
            system.threads,
            system.uninterruptible,
            system.zombies,
        ];
        wrong = expected
            .into_iter()
            .zip(values)
            .filter(|&((_, expected), value)| value as usize != expected)
            .map(|((name, expected), value)| format!("sample.{name} is {value}, not {expected}"))
            .collect();
        if wrong.is_empty() {
            assert!(system.uninterruptible >= WAITING && system.zombies >= ENDED);
            assert!(system.threads - system.processes >= CROWD - 1);
            break;
        }
    }
    assert!(wrong.is_empty(), "{wrong:?}");
    kill_all(children);
}

/// Every new process and thread counts once.
#[test]
fn forks_count_once() {
    let (_kernel, _module) = loaded(&fast());
    let device = Device::open().unwrap();
    let outer = procfs::forks();
    let first = wait_for(&device, newest(&device) + 1, |_| true).sequence() + 1;
    let inner = procfs::forks();
    for _ in 0..30 {
        in_child(|| thread::scope(|scope| drop(scope.spawn(|| {}))));
    }
    let inner = procfs::forks() - inner;
    wait_for(&device, newest(&device) + 2, |_| true);
    let history = device.history(first).unwrap();
    let outer = procfs::forks() - outer;
    let forks = history
        .samples()
        .iter()
        .map(|sample| u64::from(sample.system().forks));
    let forks: u64 = forks.sum();
    assert!(inner >= 60, "{inner}");
    assert!(
        (inner..=outer).contains(&forks),
        "sample.forks: {forks} of {inner} to {outer}"
    );
}

/// When PIDs wrap at `pid_max`, those in use do not count as new ones.
#[test]
fn forks_when_pids_wrap() {
    const PID_MAX: &str = "/proc/sys/kernel/pid_max";

    let (_kernel, _module) = loaded(&format!("{} history=20000", fast()));
    let device = Device::open().unwrap();
    let old = fs::read_to_string(PID_MAX).unwrap();
    let highest = procfs::pids().into_iter().max().unwrap();
    let sleepers = crowd(20);
    // Fewer on our own kernels, where a fork takes long.
    let (space, count) = if is_own_kernel() {
        (20, 40)
    } else {
        (100, 300)
    };
    fs::write(PID_MAX, (highest + space).max(300 + space).to_string()).unwrap();
    let outer = procfs::forks();
    let first = wait_for(&device, newest(&device) + 1, |_| true).sequence() + 1;
    let inner = procfs::forks();
    for _ in 0..count {
        Child::spawn(|| {}).join();
    }
    let inner = procfs::forks() - inner;
    wait_for(&device, newest(&device) + 2, |_| true);
    let history = device.history(first).unwrap();
    let outer = procfs::forks() - outer;
    fs::write(PID_MAX, old).unwrap();
    assert_eq!(history.missed(), 0);
    let forks = history
        .samples()
        .iter()
        .map(|sample| u64::from(sample.system().forks));
    let forks: u64 = forks.sum();
    // PIDs that were skipped because they were in use, but are free again at the sample, count too.
    assert!(
        (inner..=outer + 5).contains(&forks),
        "{forks} of {inner} to {outer}"
    );
    kill_all(sleepers);
}

/// The module keeps as many samples as the parameter says, and reports the number of missed ones.
#[test]
fn the_oldest_samples_are_lost() {
    let (_kernel, _module) = loaded("history=3 monitor_interval_ms=10");
    assert_eq!(Parameter::History.get().unwrap(), 3);
    Parameter::History.set(5).unwrap_err();
    let device = Device::open().unwrap();
    wait_for(&device, 0, |sample| sample.sequence() >= 10);
    let history = device.history(0).unwrap();
    assert_eq!(history.samples().len(), 3);
    assert_eq!(history.missed(), 0, "nothing was asked for that is lost");
    let history = device.history(2).unwrap();
    let first = history.samples()[0].sequence();
    assert!(first >= 8, "{first}");
    assert_eq!(history.missed(), first - 2);
}
