// SPDX-License-Identifier: GPL-2.0-only

//! User, system and run time of processes and threads, compared with `/proc` and CPU clocks.

use std::fs;
use std::hint::black_box;
use std::io::{self, Read, Write};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use fixture::child::{Child, idle_threads, set_policy, stay_on};
use fixture::{eventually, is_own_kernel, loaded, procfs, shared};
use nix::unistd::{getppid, pause};
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

/// Starts a process of two threads that sleep after work, and a third one that has exited after it.
fn rested() -> Child {
    let child = Child::spawn(|| {
        thread::spawn(work).join().unwrap();
        thread::spawn(|| {
            work();
            pause();
        });
        work();
        pause();
    });
    eventually("two threads that sleep", || {
        let tasks = procfs::tids(child.pid());
        let sleeps = |&tid: &i32| procfs::is_in_state(tid, 'S');
        // The first thread also sleeps while it waits for the one that ends.
        tasks.len() == 2 && tasks.iter().all(sleeps) && procfs::is_in_pause(child.pid())
    });
    child
}

/// The run time of a process is that of its CPU clock, to the nanosecond, exited threads
/// included. The run times of threads are parts of it.
#[test]
fn run_time_is_that_of_the_cpu_clock() {
    let _kernel = shared();
    let child = rested();
    let pid = child.pid();
    let (record, expected) = procfs::at_rest(pid, || record_of(pid));
    assert_eq!(record.runtime(), Some(expected));
    assert!(expected > Duration::ZERO);
    let threads = snapshot(SnapshotOptions::new().tgid(pid).threads(true));
    assert_eq!(threads.len(), 2);
    let sum: Duration = threads.iter().map(|thread| thread.runtime().unwrap()).sum();
    // The exited thread has the rest.
    assert!(sum < expected, "{sum:?} of {expected:?}");
    assert!(
        threads
            .iter()
            .all(|thread| thread.runtime().unwrap() > expected / 10)
    );
    child.kill();
}

/// The usage of a process never decreases, whether it is looked at before, while or after it has a
/// second thread, which is the first one of it that ends.
#[test]
fn a_second_thread_comes_and_goes() {
    let _kernel = shared();
    let mut seen = [0; 3];
    for _ in 0..if is_own_kernel() { 3 } else { 15 } {
        let child = Child::spawn(|| {
            work();
            thread::spawn(work).join().unwrap();
            pause();
        });
        let pid = child.pid();
        let mut previous = record_of(pid);
        let mut had_two = false;
        loop {
            let record = record_of(pid);
            let used = |record: &Record| {
                let (faults, switches) = (record.faults().unwrap(), record.switches().unwrap());
                [
                    u64::try_from(record.runtime().unwrap().as_nanos()).unwrap(),
                    u64::try_from(record.cpu_time().unwrap().as_nanos()).unwrap(),
                    faults.minor,
                    faults.major,
                    switches.voluntary,
                    switches.involuntary,
                ]
            };
            let pairs = used(&previous).into_iter().zip(used(&record));
            assert!(
                pairs.clone().all(|(before, now)| before <= now),
                "{:?}",
                pairs.collect::<Vec<_>>()
            );
            previous = record;
            had_two |= record.threads() == 2;
            seen[record.threads() as usize] += 1;
            if procfs::is_in_pause(pid) {
                break;
            }
        }
        // A thread that was joined still runs until it has exited.
        eventually("one thread", || procfs::tids(pid).len() == 1);
        let (record, expected) = procfs::at_rest(pid, || record_of(pid));
        assert_eq!(record.threads(), 1);
        assert_eq!(record.runtime(), Some(expected), "{had_two}");
        child.kill();
    }
    assert!(seen[1] > 0 && seen[2] > 0, "{seen:?}");
}

/// Returns user and system time from `/proc/PID/stat`, in hundredths of a second.
fn proc_times(pid: i32) -> (u64, u64) {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let (_, rest) = stat.rsplit_once(')').unwrap();
    let field = |number: usize| rest.split_ascii_whitespace().nth(number - 3).unwrap();
    (field(14).parse().unwrap(), field(15).parse().unwrap())
}

fn snapshot_times(pid: i32) -> (u64, u64) {
    let cpu = record_of(pid).cpu().unwrap();
    let ticks = |time: Duration| u64::try_from(time.as_millis() / 10).unwrap();
    (ticks(cpu.user), ticks(cpu.system))
}

/// Fails unless the times of a snapshot are between those of `/proc` before and after it. The
/// upper limits are higher by two ticks, as the kernel may still correct its estimate of a part.
fn between_those_of_proc(pid: i32) {
    let before = proc_times(pid);
    let (user, system) = snapshot_times(pid);
    let after = proc_times(pid);
    let seen = format!("{before:?}, ({user}, {system}), {after:?}");
    assert!(before.0 <= user && user <= after.0 + 2, "{seen}");
    assert!(before.1 <= system && system <= after.1 + 2, "{seen}");
}

/// The times of a process whose threads are at work are those of `/proc` at that moment.
#[test]
fn times_of_the_busy_are_those_of_proc() {
    let _kernel = shared();
    let child = Child::spawn(|| {
        thread::spawn(|| {
            loop {
                work();
            }
        });
        loop {
            getppid();
        }
    });
    eventually("some time", || proc_times(child.pid()).1 > 10);
    let rounds = if is_own_kernel() { 25 } else { 100 };
    for _ in 0..rounds {
        between_those_of_proc(child.pid());
        thread::sleep(Duration::from_millis(5));
    }
    child.kill();
}

/// Runs a process on a CPU without ticks, first with system calls and then as long without. Returns
/// its user and system time after both parts.
fn tickless(observe: impl Fn(i32)) -> [(u64, u64); 2] {
    const CALLS: u64 = 100;

    let (mut reader, writer) = io::pipe().unwrap();
    let child = Child::spawn(|| {
        stay_on(1);
        let calls = || {
            let mut times = libc::tms {
                tms_utime: 0,
                tms_stime: 0,
                tms_cutime: 0,
                tms_cstime: 0,
            };
            // SAFETY: The pointer is valid.
            unsafe { libc::times(&raw mut times) };
            times.tms_stime as u64
        };
        while calls() < CALLS {
            for _ in 0..1000 {
                getppid();
            }
        }
        (&writer).write_all(b".").unwrap();
        loop {
            std::hint::spin_loop();
        }
    });
    reader.read_exact(&mut [0]).unwrap();
    let before = proc_times(child.pid());
    let used = || procfs::cpu_clock(child.pid());
    let end = used() * 3;
    // The run time alone ends this, so there is no time limit.
    while used() < end {
        observe(child.pid());
        thread::sleep(Duration::from_millis(100));
    }
    let after = proc_times(child.pid());
    child.kill();
    [before, after]
}

/// A snapshot does not change the times in `/proc` of a process in user space on a CPU without
/// ticks: its system time does not grow.
#[test]
fn tickless_times_stay_those_of_the_kernel() {
    let cpus = fs::read_to_string("/sys/devices/system/cpu/nohz_full").unwrap_or_default();
    if cpus.trim() != "1" {
        // The suite guest-nohz has one.
        writeln!(io::stdout(), "skipped: CPU 1 has ticks").unwrap();
        return;
    }
    let (_kernel, _module) = loaded("monitor_interval_ms=100");
    stay_on(0);
    let device = Device::open().unwrap();
    let grown = |[before, after]: [(u64, u64); 2]| (after.0 - before.0, after.1 - before.1);
    let (_, alone) = grown(tickless(|_| {}));
    let (user, watched) = grown(tickless(|pid| {
        device.set_filter(Some(pid)).unwrap();
        // The snapshot first, so that it sees times that the kernel has not brought up to date.
        snapshot_times(pid);
        between_those_of_proc(pid);
    }));
    assert!(user > 100, "{user}");
    // Interrupts take some time. With the fault of tests/mutants/ half of all is system time.
    assert!(
        watched <= alone + user / 10,
        "{watched} and {alone} of {user}"
    );
}

/// Summing up a process takes two passes at the most: it ends although threads exit all the time.
///
/// A real-time thread on the reader's CPU lets a thread exit four times in each pass: that does not
/// take a second CPU which meets the reader.
#[test]
fn threads_that_exit_disturb_a_reading_once() {
    // Two passes meet about five exits. With the fault of tests/mutants/ only this ends them.
    const ENDLESS: u64 = 1_000;

    let _kernel = shared();
    stay_on(0);
    idle_threads(if is_own_kernel() { 300 } else { 1_000 });
    let device = Device::open().unwrap();
    let options = SnapshotOptions::new()
        .groups(Groups::all())
        .tgid(std::process::id() as i32);
    let read = || device.snapshot(&options).map(|all| all.records().len());
    let at_rest = (0..10).map(|_| {
        let start = Instant::now();
        assert_eq!(read().unwrap(), 1);
        start.elapsed()
    });
    let pause = at_rest.min().unwrap() / 4;
    let exits = AtomicU64::new(0);
    let limit = AtomicU64::new(ENDLESS);
    let stop = AtomicBool::new(false);
    let disturbed = thread::scope(|scope| {
        scope.spawn(|| {
            set_policy(libc::SCHED_FIFO, 1);
            while !stop.load(Ordering::Relaxed) {
                if exits.load(Ordering::Relaxed) < limit.load(Ordering::Relaxed) {
                    thread::spawn(|| {}).join().unwrap();
                    exits.fetch_add(1, Ordering::Relaxed);
                }
                thread::sleep(pause);
            }
        });
        let reading = || {
            let before = exits.load(Ordering::Relaxed);
            limit.store(before + ENDLESS, Ordering::Relaxed);
            read().map(|_| exits.load(Ordering::Relaxed) - before)
        };
        // Not unwrapped here: after a panic the other thread would not end.
        let disturbed: procmon::Result<Vec<_>> = (0..30).map(|_| reading()).collect();
        stop.store(true, Ordering::Relaxed);
        disturbed
    });
    let disturbed = disturbed.unwrap();
    assert!(disturbed.iter().any(|exits| *exits > 1), "{disturbed:?}");
    assert!(
        disturbed.iter().all(|exits| *exits < ENDLESS),
        "{disturbed:?}"
    );
}
