// SPDX-License-Identifier: GPL-2.0-only

//! The filter: the process that it stands for, and its number as callers see it.

use std::io::{Read, Write, pipe};
use std::sync::mpsc::channel;
use std::thread;

use fixture::child::{Child, in_pid_namespace};
use fixture::{eventually, loaded, procfs, stats};
use nix::unistd::{gettid, pause};
use procmon::Device;
use procmon::history::{Sample, Target};

const FAST: &str = "monitor_interval_ms=10";

fn sleeper() -> Child {
    Child::spawn(|| {
        loop {
            pause();
        }
    })
}

/// Waits for a sample that was begun after this call.
fn next_sample(device: &Device) -> Sample {
    let next = device.history(0).unwrap().next() + 1;
    let mut found = None;
    eventually("a sample", || {
        found = device.history(next).unwrap().samples().last().copied();
        found.is_some()
    });
    found.unwrap()
}

fn target_pid(device: &Device) -> Option<i32> {
    match next_sample(device).target() {
        Target::Process(record) => Some(record.pid()),
        Target::Gone { pid, .. } => panic!("{pid} is gone"),
        _ => None,
    }
}

/// Fails unless ioctl and sysfs show a number to this process.
fn is_shown(device: &Device, expected: Option<i32>) {
    assert_eq!(device.stats().unwrap().filter, expected, "by ioctl");
    assert_eq!(stats().totals.filter, expected, "in sysfs");
}

/// The ID of any thread stands for its process, also after that thread has exited.
#[test]
fn a_thread_stands_for_its_process() {
    let (_kernel, _module) = loaded(FAST);
    let device = Device::open().unwrap();
    let (mut tid_from, mut tid_to) = pipe().unwrap();
    let (mut end_from, mut end_to) = pipe().unwrap();
    let child = Child::spawn(move || {
        let (sender, receiver) = channel();
        let thread = thread::spawn(move || {
            sender.send(gettid().as_raw()).unwrap();
            end_from.read_exact(&mut [0]).unwrap();
        });
        let tid = receiver.recv().unwrap();
        tid_to.write_all(&tid.to_ne_bytes()).unwrap();
        thread.join().unwrap();
        loop {
            pause();
        }
    });
    let mut tid = [0; 4];
    tid_from.read_exact(&mut tid).unwrap();
    let tid = i32::from_ne_bytes(tid);
    assert_ne!(tid, child.pid());

    device.set_filter(Some(tid)).unwrap();
    is_shown(&device, Some(child.pid()));
    assert_eq!(target_pid(&device), Some(child.pid()));

    end_to.write_all(b"x").unwrap();
    eventually("the end of the thread", || procfs::stat(tid).is_none());
    is_shown(&device, Some(child.pid()));
    assert_eq!(target_pid(&device), Some(child.pid()));
    child.kill();
}

/// A process stays the target when a thread that is not its leader executes a program.
#[test]
fn a_program_is_executed_by_another_thread() {
    let (_kernel, _module) = loaded(FAST);
    let device = Device::open().unwrap();
    let (mut start_from, mut start_to) = pipe().unwrap();
    let child = Child::spawn(move || {
        let thread = thread::spawn(move || {
            start_from.read_exact(&mut [0]).unwrap();
            let sleep = [c"/bin/sleep", c"1000"];
            nix::unistd::execv(sleep[0], &sleep).unwrap();
        });
        thread.join().unwrap();
    });
    device.set_filter(Some(child.pid())).unwrap();
    assert_eq!(target_pid(&device), Some(child.pid()));
    start_to.write_all(b"x").unwrap();
    eventually("the program", || {
        procfs::stat(child.pid()).is_some_and(|stat| stat.comm == b"sleep")
    });
    is_shown(&device, Some(child.pid()));
    match next_sample(&device).target() {
        Target::Process(record) => assert_eq!(record.comm(), "sleep"),
        other => panic!("{other:?}"),
    }
    child.kill();
}

/// A filter that is set in a PID namespace means one process everywhere, and each reader sees the
/// number that the process has in the reader's namespace.
#[test]
fn set_in_a_pid_namespace() {
    let (_kernel, _module) = loaded(FAST);
    let device = Device::open().unwrap();
    let outside = sleeper();
    let (mut done_from, mut done_to) = pipe().unwrap();
    let (mut pid_from, mut pid_to) = pipe().unwrap();
    let (mut end_from, mut end_to) = pipe().unwrap();
    let shown = &device;
    // Its ends of the pipes are its alone, so that no read waits for it once it has failed.
    let namespace = Child::spawn(move || {
        in_pid_namespace(|| {
            let inside = sleeper();
            assert_eq!(inside.pid(), 2);
            shown.set_filter(Some(2)).unwrap();
            is_shown(shown, Some(2));
            done_to.write_all(b"x").unwrap();
            // Set by a process outside.
            pid_from.read_exact(&mut [0]).unwrap();
            is_shown(shown, None);
            done_to.write_all(b"x").unwrap();
            end_from.read_exact(&mut [0]).unwrap();
            is_shown(shown, Some(1));
            inside.kill();
        });
    });
    done_from.read_exact(&mut [0]).unwrap();
    // The numbers in all namespaces, the innermost one last.
    let pid = target_pid(&device).unwrap();
    let numbers: Vec<i32> = procfs::numbers_in(pid, "status", "NSpid:").unwrap();
    assert_eq!(numbers, [pid, 2]);
    is_shown(&device, Some(pid));
    // In a sibling namespace, where it has none.
    in_pid_namespace(|| is_shown(&device, None));

    // A process that has no number in the namespace.
    device.set_filter(Some(outside.pid())).unwrap();
    pid_to.write_all(b"x").unwrap();
    done_from.read_exact(&mut [0]).unwrap();
    is_shown(&device, Some(outside.pid()));

    // The namespace's init, by its number outside.
    let parent = procfs::parent(pid).unwrap();
    device.set_filter(Some(parent)).unwrap();
    end_to.write_all(b"x").unwrap();
    namespace.join();
    // It has ended by now, and its number is still shown.
    is_shown(&device, Some(parent));
    outside.kill();
}

/// A number of no process belongs to the namespace in which the filter was set.
#[test]
fn a_pid_of_no_process() {
    let (_kernel, _module) = loaded(FAST);
    let device = Device::open().unwrap();
    let pid = procfs::unused_pid();
    device.set_filter(Some(pid)).unwrap();
    is_shown(&device, Some(pid));
    assert_eq!(
        end_of_process(&device, 0),
        Target::Gone { pid, start: None }
    );
    let next = device.history(0).unwrap().next();
    in_pid_namespace(|| {
        is_shown(&device, None);
        // Outside there is a process with this number.
        device.set_filter(Some(2)).unwrap();
        is_shown(&device, Some(2));
    });
    is_shown(&device, None);
    assert_eq!(
        end_of_process(&device, next),
        Target::Gone {
            pid: 0,
            start: None
        }
    );
    device.reset().unwrap();
    is_shown(&device, None);
}

/// Waits for the sample, from a number on, that has the end of the target. The monitor may take no
/// more samples after it.
fn end_of_process(device: &Device, next: u64) -> Target<'static> {
    let mut found = None;
    eventually("the end of the process", || {
        let history = device.history(next).unwrap();
        found = history
            .samples()
            .iter()
            .find_map(|sample| match sample.target() {
                Target::Gone { pid, start } => Some(Target::Gone { pid, start }),
                _ => None,
            });
        found.is_some()
    });
    found.unwrap()
}

/// A process that reuses the target's PID is not the target, and the number is shown until the
/// filter is set again.
#[test]
fn a_reused_pid_is_another_process() {
    for was_seen in [true, false] {
        let (_kernel, _module) = loaded("monitor_interval_ms=3600000");
        let device = Device::open().unwrap();
        eventually("the first sample", || device.history(0).unwrap().next() > 1);
        let child = sleeper();
        let pid = child.pid();
        let start = procfs::start_time(pid).unwrap();
        device.set_filter(Some(pid)).unwrap();
        let set = |interval| {
            procmon::sysfs::Parameter::MonitorIntervalMs
                .set(interval)
                .unwrap();
        };
        if was_seen {
            set(10);
            assert_eq!(target_pid(&device), Some(pid));
        }
        child.kill();
        let other = Child::spawn_with_pid(pid, || {
            loop {
                pause();
            }
        });
        assert_eq!(other.pid(), pid);
        set(10);
        match end_of_process(&device, 0) {
            Target::Gone {
                pid: gone,
                start: Some(started),
            } => {
                let started = started.since_boot();
                assert_eq!((gone, started.as_nanos() / 10_000_000), (pid, start));
            }
            sample => panic!("{sample:?}"),
        }
        is_shown(&device, Some(pid));
        // The process that has the PID now.
        device.set_filter(Some(pid)).unwrap();
        assert_eq!(target_pid(&device), Some(pid));
        other.kill();
    }
}
