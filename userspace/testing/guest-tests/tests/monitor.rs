// SPDX-License-Identifier: GPL-2.0-only

//! The monitor: moments of its samples, wake-ups and notifications.

use std::fs::File;
use std::io::{Read, Seek};
use std::os::fd::AsFd;
use std::thread;
use std::time::{Duration, Instant};

use fixture::child::{Child, as_nobody};
use fixture::monitor::{self, samples};
use fixture::{PATIENCE, eventually, loaded, procfs};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use nix::time::{ClockId, ClockNanosleepFlags, clock_gettime, clock_nanosleep};
use procmon::Device;
use procmon::sysfs::Parameter;

const ATTRIBUTE: &str = "/sys/class/misc/procmon/monitor";

/// Returns the number of times that a thread has gone to sleep.
fn sleeps(pid: i32) -> u64 {
    procfs::numbers_in(pid, "status", "voluntary_ctxt_switches:").unwrap()[0]
}

fn since_boot() -> Duration {
    clock_gettime(ClockId::CLOCK_BOOTTIME).unwrap().into()
}

/// Measures the delay of wake-ups on this machine: the median of some attempts.
fn lateness() -> Duration {
    let mut late: Vec<_> = (0..25)
        .map(|_| {
            let now = Duration::from(clock_gettime(ClockId::CLOCK_MONOTONIC).unwrap());
            let due = now + Duration::from_millis(10);
            clock_nanosleep(
                ClockId::CLOCK_MONOTONIC,
                ClockNanosleepFlags::TIMER_ABSTIME,
                &due.into(),
            )
            .unwrap();
            Duration::from(clock_gettime(ClockId::CLOCK_MONOTONIC).unwrap()) - due
        })
        .collect();
    late.sort();
    late[late.len() / 2]
}

/// The number of samples that show whether they drift.
const COUNT: usize = 100;

/// Samples do not drift: their deadlines are multiples of the interval, and do not depend on how
/// long a sample takes or how late the thread wakes up. An overdue sample is skipped.
#[test]
fn samples_do_not_drift() {
    /// A host that does other work in between makes wake-ups later than they were when they were
    /// measured. Samples that drift do so in each attempt.
    const ATTEMPTS: usize = 10;

    let mut attempts = (0..ATTEMPTS).map(|_| same_phases());
    let found: Vec<_> = attempts.by_ref().take_while(Result::is_err).collect();
    assert!(found.len() < ATTEMPTS, "{found:?}");
}

/// Takes some samples, and returns an error unless most of them are in one quarter of the interval.
fn same_phases() -> Result<(), String> {
    // So long that late wake-ups do not spread the times over a quarter of it.
    let late = u32::try_from(lateness().as_millis()).unwrap();
    let interval = (8 * late).max(10);
    let start = since_boot();
    let (_kernel, _module) = loaded(&format!("monitor_interval_ms={interval}"));
    let interval = u128::from(interval) * 1_000_000;
    let device = Device::open().unwrap();
    let deadline = Instant::now() + PATIENCE;
    while (samples() as usize) < COUNT {
        assert!(Instant::now() < deadline, "{} samples", samples());
        thread::sleep(Duration::from_millis(10));
    }
    let history = device.history(1).unwrap();
    let times: Vec<_> = history
        .samples()
        .iter()
        .take(COUNT)
        .map(|sample| sample.time().since_boot().as_nanos())
        .collect();
    // A thread that slept for the interval after each sample would be later each time, and go
    // through all phases. Then a quarter of the interval would have about a quarter of the samples.
    let mut phases: Vec<_> = times.iter().map(|time| time % interval).collect();
    phases.sort_unstable();
    let most = phases
        .iter()
        .map(|&first| {
            let is_near = |&&phase: &&u128| (phase + interval - first) % interval < interval / 4;
            phases.iter().filter(is_near).count()
        })
        .max()
        .unwrap();
    // Two samples are not taken for one deadline: the first one is due when the module is loaded at
    // the earliest, and none is taken before it is due.
    for (time, number) in times.iter().zip(0..) {
        assert!(
            *time >= start.as_nanos() + number * interval,
            "{number}: {times:?}"
        );
    }
    if most * 2 > COUNT {
        Ok(())
    } else {
        Err(format!(
            "{most} of {COUNT} in a quarter of {interval} ns: {times:?}"
        ))
    }
}

/// The thread sleeps once for each sample, and is not woken in between.
#[test]
fn the_monitor_sleeps_in_between() {
    let (_kernel, _module) = loaded("monitor_interval_ms=1200");
    let pid = monitor::pid();
    // Both numbers, while the thread sleeps.
    let asleep = |from: u64| {
        let mut numbers = (0, 0);
        eventually("a sample, and sleep", || {
            procfs::wait_for_state(pid, 'I');
            numbers = (samples(), sleeps(pid));
            procfs::wait_for_state(pid, 'I');
            numbers.0 >= from && numbers == (samples(), sleeps(pid))
        });
        numbers
    };
    let before = asleep(1);
    let after = asleep(before.0 + 2);
    assert_eq!(
        after.1 - before.1,
        after.0 - before.0,
        "{before:?} {after:?}"
    );
}

/// A new interval takes effect at once, after any old one.
#[test]
fn a_changed_interval_wakes_the_monitor() {
    let (_kernel, _module) = loaded("monitor_interval_ms=3600000");
    eventually("the first sample", || samples() == 1);
    for _ in 0..3 {
        Parameter::MonitorIntervalMs.set(10).unwrap();
        let before = samples();
        eventually("more samples", || samples() > before + 2);
        // A sample may be under way.
        monitor::rest();
        let before = samples();
        thread::sleep(Duration::from_millis(200));
        assert!(samples() <= before + 1);
    }
}

/// Unloading does not wait for the next sample.
#[test]
fn unloading_wakes_the_monitor() {
    for _ in 0..5 {
        let (_kernel, module) = loaded("monitor_interval_ms=3600000");
        module.unload().unwrap();
    }
}

/// Returns whether poll(2) reports an event for a file within a time.
fn is_news(file: &File, timeout: Duration) -> bool {
    let mut fds = [PollFd::new(file.as_fd(), PollFlags::POLLPRI)];
    let timeout = PollTimeout::try_from(timeout).unwrap();
    poll(&mut fds, timeout).unwrap() == 1
        && fds[0]
            .revents()
            .unwrap()
            .contains(PollFlags::POLLPRI | PollFlags::POLLERR)
}

/// Reads the attribute, which makes poll(2) wait again, and returns its number of samples.
fn read(file: &mut File) -> u64 {
    let mut text = String::new();
    file.rewind().unwrap();
    file.read_to_string(&mut text).unwrap();
    let line = text.lines().next().unwrap();
    line.strip_prefix("samples: ").unwrap().parse().unwrap()
}

/// poll(2) on the attribute reports each new sample to each file, and nothing else.
#[test]
fn the_attribute_tells_of_samples() {
    let (_kernel, _module) = loaded("monitor_interval_ms=3600000");
    eventually("the first sample", || samples() == 1);
    procfs::wait_for_state(monitor::pid(), 'I');
    as_nobody(|| {
        let mut file = File::open(ATTRIBUTE).unwrap();
        assert_eq!(read(&mut file), 1);
        assert!(!is_news(&file, Duration::from_millis(100)));
    });
    let waiting = Child::spawn(|| {
        fixture::child::drop_privileges();
        let mut file = File::open(ATTRIBUTE).unwrap();
        let first = read(&mut file);
        let mut seen = first;
        let mut events = 0;
        while seen < first + 5 {
            assert!(is_news(&file, PATIENCE), "there is a sample after {seen}");
            events += 1;
            let now = read(&mut file);
            // A sample may have been read before the event that tells of it.
            assert!(now >= seen, "{now} after {seen}");
            seen = now;
        }
        assert!(events <= seen - first, "{events} from {first} to {seen}");
    });
    Parameter::MonitorIntervalMs.set(50).unwrap();
    waiting.join();
}

/// inotify(7) reports new samples as well.
#[test]
fn the_attribute_is_modified_by_samples() {
    let (_kernel, _module) = loaded("monitor_interval_ms=3600000");
    eventually("the first sample", || samples() == 1);
    let inotify = Inotify::init(InitFlags::IN_NONBLOCK).unwrap();
    inotify
        .add_watch(ATTRIBUTE, AddWatchFlags::IN_MODIFY)
        .unwrap();
    Parameter::MonitorIntervalMs.set(10).unwrap();
    eventually("an event", || inotify.read_events().is_ok());
}

/// Files of the attribute that processes poll do not prevent unloading, again and again.
#[test]
fn unloading_while_the_attribute_is_polled() {
    for _ in 0..4 {
        let (_kernel, module) = loaded("monitor_interval_ms=10");
        let mut file = File::open(ATTRIBUTE).unwrap();
        read(&mut file);
        let polling = Child::spawn(|| {
            loop {
                is_news(&file, Duration::from_millis(1));
            }
        });
        assert!(is_news(&file, PATIENCE));
        module.unload().unwrap();
        polling.kill();
        let error = file.read(&mut [0; 10]).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::ENODEV));
    }
}
