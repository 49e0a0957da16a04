// SPDX-License-Identifier: GPL-2.0-only

//! Arguments of programs in the second buffer, beside those of /proc/PID/cmdline.

mod buffer;
pub mod memory;
mod programs;

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;

use fixture::child::{Child, as_nobody, at_rest_after, in_pid_namespace, paused, stopped_with};
use fixture::{eventually, procfs, shared};
use procmon::snapshot::SnapshotOptions;
use procmon::{Device, MAX_ARGUMENTS, Snapshot};

fn cmdline(pid: i32) -> Option<Vec<u8>> {
    fs::read(format!("/proc/{pid}/cmdline")).ok()
}

fn snapshot(max: u32) -> Snapshot {
    let device = Device::open().unwrap();
    let options = SnapshotOptions::new().arguments(max);
    device.snapshot(&options).unwrap()
}

/// Returns the arguments of a process, as soon as it changes its memory no more.
fn arguments_of(pid: i32, max: u32) -> (Vec<u8>, u32) {
    let mut found = None;
    eventually("arguments", || {
        let snapshot = snapshot(max);
        let arguments = snapshot.arguments(pid);
        found = arguments.map(|arguments| (arguments.as_bytes().to_vec(), arguments.size()));
        found.is_some()
    });
    found.unwrap()
}

/// The first arguments of a program of [`stopped_with`].
const FIRST: &[u8] = b"sh\0-c\0kill -STOP $$\0";

/// Each process has the arguments that /proc shows, and kernel threads and zombies have none.
#[test]
fn arguments_are_those_of_proc() {
    let _kernel = shared();
    let long = "7".repeat(3000);
    let children = [
        stopped_with(&[]),
        stopped_with(&[OsStr::new(&long)]),
        stopped_with(&[OsStr::from_bytes(b"\xff\n\x1b[31m"), OsStr::new("")]),
    ];
    // SAFETY: It is always safe to end.
    let zombie = Child::spawn(|| unsafe { libc::_exit(0) });
    procfs::wait_for_state(zombie.pid(), 'Z');
    let pids: Vec<_> = procfs::pids();
    let before: HashMap<_, _> = pids.iter().map(|&pid| (pid, cmdline(pid))).collect();
    let snapshot = snapshot(MAX_ARGUMENTS);
    let mut compared = 0;
    for record in &snapshot {
        let pid = record.pid();
        let found = snapshot.arguments(pid);
        if record.is_kernel_thread() || pid == zombie.pid() {
            assert_eq!(found, None, "args of PID {pid}");
            continue;
        }
        let (Some(Some(before)), Some(after)) = (before.get(&pid), cmdline(pid)) else {
            continue;
        };
        if let (Some(found), true) = (found, *before == after) {
            compared += 1;
            assert_eq!(found.as_bytes(), after, "args of PID {pid}");
            assert_eq!(found.size() as usize, after.len(), "args.args_size");
            assert!(!found.is_cut());
        }
    }
    // Init, this process, and the children.
    assert!(compared >= 5, "{compared}");
    for child in &children {
        assert!(snapshot.arguments(child.pid()).is_some(), "it is stopped");
    }
    zombie.join();
}

/// Of long arguments the beginning is there, and the size of all of them.
#[test]
fn arguments_are_cut_at_the_limit() {
    let _kernel = shared();
    let long = "7".repeat(100_000);
    let child = stopped_with(&[OsStr::new(&long)]);
    let all = cmdline(child.pid()).unwrap();
    assert!(all.starts_with(FIRST));
    let first = u32::try_from(FIRST.len()).unwrap();
    for max in [1, first - 1, first, first + 1, 4095, 4096, 10_000] {
        let (bytes, size) = arguments_of(child.pid(), max);
        let expected = max.min(MAX_ARGUMENTS) as usize;
        assert_eq!(bytes, all[..expected], "args.args_stored of {max}");
        assert_eq!(size as usize, all.len(), "args.args_size of {max}");
    }
}

/// Other users see the same as in /proc, where the file is readable to all.
#[test]
fn arguments_for_other_users_and_namespaces() {
    let _kernel = shared();
    let child = stopped_with(&[]);
    let pid = child.pid();
    let device = Device::open().unwrap();
    let options = SnapshotOptions::new().arguments(256);
    as_nobody(|| {
        let snapshot = device.snapshot(&options).unwrap();
        let found = snapshot.arguments(pid).expect("it is stopped");
        assert_eq!(found.as_bytes(), cmdline(pid).unwrap());
    });
    in_pid_namespace(|| {
        let inner = paused();
        let snapshot = device.snapshot(&options).unwrap();
        let pids: Vec<_> = snapshot.iter().map(|record| record.pid()).collect();
        assert_eq!(pids, [1, inner.pid()]);
        assert!(snapshot.arguments(inner.pid()).is_some(), "args.pid");
    });
}

/// With threads, only the main one has the arguments of the process.
#[test]
fn arguments_of_threads() {
    let _kernel = shared();
    let child = at_rest_after(|| fixture::child::idle_threads(3));
    let device = Device::open().unwrap();
    let options = SnapshotOptions::new().tgid(child.pid()).threads(true);
    let snapshot = device.snapshot(&options.arguments(64)).unwrap();
    assert_eq!(snapshot.len(), 4);
    for record in &snapshot {
        let found = snapshot.arguments(record.pid());
        assert_eq!(found.is_some(), record.pid() == child.pid(), "args.pid");
    }
}
