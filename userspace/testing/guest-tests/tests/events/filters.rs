// SPDX-License-Identifier: GPL-2.0-only

//! Filters: which events a reader gets.

use std::fs;
use std::io::{Read, Write, pipe};
use std::os::unix::fs::MetadataExt;
use std::process::Command;
use std::time::Duration;

use fixture::child::{Child, as_nobody, drop_privileges};
use fixture::{loaded, procfs, shared};
use nix::errno::Errno;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, fork};
use procmon::Device;
use procmon::events::{Classes, EventFlags, EventKind, EventOptions};

use super::fields::cgroup;
use super::{Life, Told, about, each, everything, rest};

/// A process of another user is seen by a filter for that user only.
#[test]
fn by_user() {
    let _kernel = shared();
    let devices = [Device::open().unwrap(), Device::open().unwrap()];
    let [mut of_user, mut of_root] = [65534, 0].map(|uid| {
        let device = &devices[usize::from(uid == 0)];
        device.events(&everything().uid(uid)).unwrap()
    });
    let child = Child::spawn(|| {
        as_nobody(|| assert!(Command::new("/bin/true").status().unwrap().success()));
    });
    child.join();
    let told = rest(&mut of_user);
    assert!(
        told.iter().all(|told| told.uid == 65534),
        "events.BY_UID: {told:#?}"
    );
    assert!(told.iter().any(|told| told.exit().is_some()));
    let told = rest(&mut of_root);
    assert!(told.iter().all(|told| told.uid == 0), "{told:#?}");
    assert!(!told.is_empty());
}

/// Descendants are followed, though their parents have ended; others are not.
#[test]
fn by_subtree() {
    let _kernel = shared();
    let device = Device::open().unwrap();
    let (mut reader, mut writer) = pipe().unwrap();
    let child = Child::spawn(move || {
        reader.read_exact(&mut [0]).unwrap();
        // A daemon: its parent ends, and its child runs a program after that.
        let script = "(sleep 0.1; /bin/true) & exit 0";
        Command::new("/bin/sh")
            .args(["-c", script])
            .status()
            .unwrap();
    });
    let options = everything().subtree(child.pid());
    let mut events = device.events(&options).unwrap();
    Command::new("/bin/true").status().unwrap();
    writer.write_all(b"x").unwrap();
    let mut programs = Vec::new();
    child.join();
    fixture::eventually("the daemon's program", || {
        for event in events.wait(Some(Duration::from_millis(100))).unwrap() {
            if let EventKind::Exec(exec) = event.kind() {
                programs.push(exec.file().to_str().unwrap().to_owned());
            }
        }
        programs.iter().any(|program| program == "/bin/true")
    });
    let count = |name: &str| programs.iter().filter(|program| *program == name).count();
    assert_eq!(count("/bin/sh"), 1, "{programs:?}");
    assert_eq!(count("/bin/true"), 1, "events.BY_SUBTREE: {programs:?}");
}

/// Processes that descend from another one before anything is asked for are of its subtree, too.
#[test]
fn by_subtree_as_it_is() {
    let _kernel = shared();
    let device = Device::open().unwrap();
    let (mut go, mut writer) = pipe().unwrap();
    let (mut ready, report) = pipe().unwrap();
    let child = Child::spawn(move || {
        Child::spawn(move || {
            let grandchild = Child::spawn(move || {
                (&report).write_all(b".").unwrap();
                go.read_exact(&mut [0]).unwrap();
                Command::new("/bin/true").status().unwrap();
            });
            grandchild.join();
        })
        .join();
    });
    ready.read_exact(&mut [0]).unwrap();
    let mut events = device.events(&everything().subtree(child.pid())).unwrap();
    // To follow the processes takes other classes than those that are wanted.
    let other = Device::open().unwrap();
    let options = EventOptions::new().classes(Classes::EXEC);
    let mut of_programs = other.events(&options.subtree(child.pid())).unwrap();
    Command::new("/bin/true").status().unwrap();
    writer.write_all(b".").unwrap();
    child.join();
    assert_eq!(rest(&mut of_programs).len(), 1);
    let told = rest(&mut events);
    let count = |is: fn(&Life) -> bool| told.iter().filter(|told| is(&told.life)).count();
    assert_eq!(count(|life| matches!(life, Life::Fork(_))), 1, "{told:#?}");
    assert_eq!(count(|life| matches!(life, Life::Exec { .. })), 1);
    // The program, and the three that were there before.
    assert_eq!(count(|life| matches!(life, Life::Exit(_))), 4);
}

/// There is no subtree of a process that is not there, and the request before it still counts.
#[test]
fn by_subtree_of_no_process() {
    let _kernel = shared();
    let device = Device::open().unwrap();
    let mut events = device.events(&everything()).unwrap();
    let options = everything().subtree(procfs::unused_pid());
    let error = device.events(&options).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(Errno::ESRCH as i32), "{error}");
    Command::new("/bin/true").status().unwrap();
    assert!(!rest(&mut events).is_empty());
}

/// A process stays in the subtree when events were lost, and what descends from it by then is.
#[test]
fn by_subtree_after_a_loss() {
    let (_kernel, _module) = loaded("events_kb=64");
    let device = Device::open().unwrap();
    let (mut go, mut writer) = pipe().unwrap();
    let (mut ready, mut report) = pipe().unwrap();
    let child = Child::spawn(move || {
        go.read_exact(&mut [0]).unwrap();
        // It is told of in an event that is lost.
        let grandchild = Child::spawn(|| {
            report.write_all(b".").unwrap();
            go.read_exact(&mut [0]).unwrap();
            Command::new("/bin/true").status().unwrap();
        });
        grandchild.join();
    });
    let mut events = device.events(&everything().subtree(child.pid())).unwrap();
    writer.write_all(b".").unwrap();
    ready.read_exact(&mut [0]).unwrap();
    for _ in 0..200 {
        Command::new("/bin/true").status().unwrap();
    }
    // The loss is told of.
    let mut lost = 0;
    for event in events.wait(Some(Duration::ZERO)).unwrap() {
        assert!(matches!(event.kind(), EventKind::Lost(_)), "{event:?}");
        lost += 1;
    }
    assert_eq!(lost, 1);
    writer.write_all(b".").unwrap();
    child.join();
    let mut ends = 0;
    each(&mut events, |event| {
        ends += usize::from(matches!(event.kind(), EventKind::Exit(_)));
    });
    assert_eq!(ends, 3);
}

/// Only processes of a cgroup are seen by a filter for that.
#[test]
fn by_cgroup() {
    let _kernel = shared();
    let Some(directory) = cgroup("by-cgroup") else {
        return;
    };
    let device = Device::open().unwrap();
    let id = fs::metadata(&directory).unwrap().ino();
    let mut events = device.events(&everything().cgroup(id)).unwrap();
    Command::new("/bin/true").status().unwrap();
    let child = Child::spawn(|| {
        fs::write(format!("{directory}/cgroup.procs"), "0").unwrap();
        Command::new("/bin/true").status().unwrap();
    });
    let pid = child.pid();
    child.join();
    let told = rest(&mut events);
    let ends = told.iter().filter(|told| told.exit().is_some());
    assert_eq!(ends.count(), 2, "events.BY_CGROUP: {told:#?}");
    assert!(told.iter().all(|told| told.pid == pid || told.ppid == pid));
}

/// Classes that are not wanted do not come, and are not counted as lost.
#[test]
fn by_class() {
    let _kernel = shared();
    let device = Device::open().unwrap();
    let mut events = device
        .events(&EventOptions::new().classes(Classes::EXIT))
        .unwrap();
    let child = Command::new("/bin/true").spawn().unwrap();
    let pid = i32::try_from(child.id()).unwrap();
    child.wait_with_output().unwrap();
    let told = about(&mut events, &[pid]);
    assert_eq!(told.len(), 1, "{told:#?}");
    assert!(told[0].exit().is_some());
}

/// A caller without privileges gets events of its own processes only, by a file that another one
/// has opened. Of a process that it could not trace, it gets neither the status nor the name of the
/// file.
#[test]
fn by_right() {
    let _kernel = shared();
    let (device, other) = (Device::open().unwrap(), Device::open().unwrap());
    let mut of_root = other.events(&everything()).unwrap();
    let statuses = |told: &[Told]| {
        let codes = told.iter().filter_map(|told| {
            let code = told.exit()?.status().code()?;
            Some((code, told.flags.contains(EventFlags::REDACTED)))
        });
        codes.collect::<Vec<_>>()
    };
    let root = Command::new("/bin/true").spawn().unwrap();
    let root_pid = i32::try_from(root.id()).unwrap();
    Child::spawn(|| {
        drop_privileges();
        let mut events = device.events(&everything()).unwrap();
        let status = Command::new("/bin/sh").args(["-c", "exit 7"]).status();
        assert_eq!(status.unwrap().code(), Some(7));
        // Its parent has changed its user, and so is not dumpable, as it is not itself.
        in_child_with_status(9);
        let told = rest(&mut events);
        assert!(told.iter().all(|told| told.uid == 65534), "{told:#?}");
        assert_eq!(statuses(&told), [(7, false), (0, true)]);
        let file = told.iter().find_map(|told| match &told.life {
            Life::Exec { file, .. } => Some(file.as_str()),
            _ => None,
        });
        assert_eq!(file, Some("/bin/sh"));
    })
    .join();
    root.wait_with_output().unwrap();
    let told = rest(&mut of_root);
    assert!(told.iter().any(|told| told.pid == root_pid));
    let of_user: Vec<_> = told.into_iter().filter(|told| told.uid == 65534).collect();
    assert_eq!(statuses(&of_user), [(7, false), (9, false), (0, false)]);
}

/// Makes a process that ends with a status.
fn in_child_with_status(status: i32) {
    // SAFETY: As in `Child::spawn()`.
    match unsafe { fork() }.unwrap() {
        // SAFETY: It only ends the process.
        ForkResult::Child => unsafe { libc::_exit(status) },
        ForkResult::Parent { child } => {
            assert_eq!(waitpid(child, None), Ok(WaitStatus::Exited(child, status)));
        }
    }
}
