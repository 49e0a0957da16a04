// SPDX-License-Identifier: GPL-2.0-only

//! Processes in PID namespaces, and readers in namespaces of their own.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write, pipe};
use std::mem::forget;
use std::os::unix::process::ExitStatusExt;

use fixture::child::{Child, idle_threads, in_child, in_pid_namespace, in_user_namespace};
use fixture::{eventually, procfs, shared};
use nix::errno::Errno;
use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl;
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, execv, pause};
use procmon::Device;
use procmon::events::EventKind;

use super::values::{own_pid, wait4};
use super::{Life, each, end_of, everything, rest};

/// Starts a process that makes the first process of a new PID namespace, which calls `body`. It
/// takes a name after it has waited for that.
fn start_namespace(body: impl FnOnce()) -> Child {
    Child::spawn(|| {
        unshare(CloneFlags::CLONE_NEWPID).unwrap();
        let init = Child::spawn(|| {
            assert_eq!(own_pid(), 1);
            body();
        });
        wait4(init.pid());
        forget(init);
        prctl::set_name(c"has waited").unwrap();
    })
}

/// Returns the processes whose parent is this one.
fn children_of(parent: i32) -> Vec<i32> {
    let is_child = |pid: &i32| procfs::parent(*pid) == Some(parent);
    procfs::pids().into_iter().filter(is_child).collect()
}

/// The IDs of a process in the initial namespace and in that below.
fn ids_of(pid: i32) -> Option<Vec<i32>> {
    procfs::numbers_in(pid, "status", "NSpid:")
}

/// Processes of a PID namespace have the IDs in events that they have in the initial one.
#[test]
fn ids_are_those_of_the_initial_namespace() {
    let _kernel = shared();
    let device = Device::open().unwrap();
    let mut events = device.events(&everything()).unwrap();
    let outer = start_namespace(|| {
        let _child = Child::spawn(|| {
            idle_threads(1);
            execv(c"/bin/sh", &[c"sh", c"-c", c"kill -STOP $$"]).unwrap();
        });
        loop {
            pause();
        }
    });
    let mut found = (0, 0);
    eventually("the program of the namespace", || {
        let [init] = children_of(outer.pid())[..] else {
            return false;
        };
        let [child] = children_of(init)[..] else {
            return false;
        };
        found = (init, child);
        procfs::is_in_state(child, 'T')
    });
    let (init, child) = found;
    assert_eq!(ids_of(init), Some(vec![init, 1]));
    assert_eq!(ids_of(child), Some(vec![child, 2]));
    kill(Pid::from_raw(init), Signal::SIGKILL).unwrap();
    outer.join();
    let mut kinds = Vec::new();
    let mut threads = Vec::new();
    each(&mut events, |event| match event.kind() {
        EventKind::Fork(fork) if event.pid() == init || event.ppid() == init => {
            assert_eq!(event.tid(), event.pid());
            assert_eq!(fork.creator(), event.ppid());
            assert_eq!(fork.creator_tid(), event.ppid());
            kinds.push((event.pid(), event.ppid(), "fork"));
        }
        EventKind::Exec(exec) if event.pid() == child => {
            assert_eq!((event.tid(), exec.old_tid()), (child, child));
            kinds.push((child, event.ppid(), "exec"));
        }
        EventKind::ThreadStart(fork) if event.pid() == child => {
            assert_eq!((fork.creator(), fork.creator_tid()), (child, child));
            threads.push(event.tid());
        }
        EventKind::ThreadExit(_) if event.pid() == child => {
            assert_eq!(threads, [event.tid()]);
        }
        EventKind::Exit(_) if [init, child].contains(&event.pid()) => {
            kinds.push((event.pid(), event.ppid(), "exit"));
        }
        _ => {}
    });
    let outer = kinds[0].1;
    assert_eq!(
        kinds,
        [
            (init, outer, "fork"),
            (child, init, "fork"),
            (child, init, "exec"),
            (init, outer, "exit"),
            (child, init, "exit"),
        ]
    );
    assert_eq!(threads.len(), 1);
}

/// With its first process, all processes of a PID namespace are killed: each ends once, before the
/// one that waits for the first process goes on.
#[test]
fn the_end_of_a_pid_namespace() {
    const CHILDREN: usize = 5;

    let _kernel = shared();
    let device = Device::open().unwrap();
    let mut events = device.events(&everything()).unwrap();
    let (mut ready, report) = pipe().unwrap();
    let outer = start_namespace(|| {
        for _ in 0..CHILDREN {
            forget(Child::spawn(|| {
                idle_threads(2);
                forget(Child::spawn(|| {
                    idle_threads(1);
                    (&report).write_all(b".").unwrap();
                    pause();
                }));
                pause();
            }));
        }
        pause();
    });
    ready.read_exact(&mut [0; CHILDREN]).unwrap();
    let outer_pid = outer.pid();
    let [init] = children_of(outer_pid)[..] else {
        panic!("{:?}", children_of(outer_pid));
    };
    let is_inside = |pid: &i32| ids_of(*pid).is_some_and(|ids| ids.len() == 2);
    let inside: BTreeSet<_> = procfs::pids().into_iter().filter(is_inside).collect();
    assert_eq!(inside.len(), 1 + 2 * CHILDREN);
    kill(Pid::from_raw(init), Signal::SIGKILL).unwrap();
    outer.join();
    let mut ends = BTreeMap::new();
    let mut waited = None;
    each(&mut events, |event| match event.kind() {
        EventKind::Exit(exit) if inside.contains(&event.pid()) => {
            let end = (event.sequence(), exit.status().signal());
            assert_eq!(ends.insert(event.pid(), end), None, "{event:?}");
        }
        EventKind::Rename(rename) if event.pid() == outer_pid && rename.comm() == "has waited" => {
            waited = Some(event.sequence());
        }
        _ => {}
    });
    assert!(ends.keys().eq(&inside), "{ends:?}, {inside:?}");
    for (sequence, signal) in ends.values() {
        assert!(Some(*sequence) < waited, "{ends:?}, {waited:?}");
        assert_eq!(*signal, Some(9), "{ends:?}");
    }
}

/// The first process of a PID namespace in which reboot(2) is called ends with the status of
/// wait(2), which tells how it was called.
#[test]
fn the_reboot_of_a_pid_namespace() {
    let _kernel = shared();
    for (command, signal) in [
        (libc::LINUX_REBOOT_CMD_RESTART, Signal::SIGHUP),
        (libc::LINUX_REBOOT_CMD_POWER_OFF, Signal::SIGINT),
    ] {
        // SAFETY: It is for the namespace only.
        let reboot = || unsafe { libc::reboot(command) };
        for by_init in [true, false] {
            in_child(|| {
                unshare(CloneFlags::CLONE_NEWPID).unwrap();
                let device = Device::open().unwrap();
                let mut events = device.events(&everything()).unwrap();
                let init = Child::spawn(|| {
                    if by_init {
                        reboot();
                    } else {
                        forget(Child::spawn(|| {
                            reboot();
                        }));
                    }
                    pause();
                });
                let pid = init.pid();
                forget(init);
                let (status, _) = wait4(pid);
                assert_eq!(status.signal(), Some(signal as i32));
                let told = rest(&mut events);
                assert_eq!(end_of(&told, pid).status(), status);
            });
        }
    }
}

/// A reader in another PID or user namespace is refused, by a file too that it has read from
/// before; one that only makes such a namespace for its children is not. The events of others stay.
#[test]
fn readers_in_other_namespaces_are_refused() {
    let _kernel = shared();
    let device = Device::open().unwrap();
    let mut events = device.events(&everything()).unwrap();
    let is_refused = |device: &Device| {
        let error = device.events(&everything()).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(Errno::EPERM as i32), "{error}");
    };
    in_pid_namespace(|| {
        is_refused(&device);
        is_refused(&Device::open().unwrap());
    });
    in_user_namespace(|| is_refused(&device));
    in_child(|| {
        unshare(CloneFlags::CLONE_NEWPID).unwrap();
        let own = Device::open().unwrap();
        let mut events = own.events(&everything()).unwrap();
        let child = Child::spawn(|| ());
        let pid = child.pid();
        child.join();
        let made = rest(&mut events)
            .into_iter()
            .filter(|told| matches!(told.life, Life::Fork(_)) && told.pid == pid);
        assert_eq!(made.count(), 1);
    });
    let child = Child::spawn(|| ());
    let pid = child.pid();
    child.join();
    assert_eq!(end_of(&rest(&mut events), pid).status().code(), Some(0));
}
