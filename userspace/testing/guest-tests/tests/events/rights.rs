// SPDX-License-Identifier: GPL-2.0-only

//! Events for readers without privileges, and with some.

use std::fs::{self, Permissions};
use std::io::{Read, Write, pipe};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::Command;

use fixture::child::{Child, drop_privileges};
use fixture::{is_own_kernel, loaded, shared};
use nix::errno::Errno;
use nix::sys::prctl;
use nix::unistd::{Gid, Uid, setgid, setgroups, setuid};
use procmon::Device;
use procmon::events::{Classes, EventFlags, EventOptions};

use super::values::wait4;
use super::{Life, Told, about, end_of, everything, rest};

/// The user that has no privileges, and its group.
pub const USER: u32 = 65534;

/// Has a reader of another process look at the events of a function.
///
/// The process calls `prepare`, begins to read with these options by a file of this process, and
/// after `happen` has returned, calls `look` with all its events and that result.
fn look_from(
    prepare: impl FnOnce(),
    options: &EventOptions,
    happen: impl FnOnce() -> i32,
    look: impl FnOnce(Vec<Told>, i32),
) {
    let device = Device::open().unwrap();
    let (mut ready, mut report) = pipe().unwrap();
    let (mut go, mut writer) = pipe().unwrap();
    let reader = Child::spawn(move || {
        prepare();
        let mut events = device.events(options).unwrap();
        report.write_all(b".").unwrap();
        let mut pid = [0; 4];
        go.read_exact(&mut pid).unwrap();
        look(rest(&mut events), i32::from_ne_bytes(pid));
    });
    if ready.read_exact(&mut [0]).is_ok() {
        writer.write_all(&happen().to_ne_bytes()).unwrap();
    }
    reader.join();
}

/// Runs a program as a user and a group. Returns the PID and the status.
fn run(command: &mut Command, uid: u32, gid: u32) -> (i32, Option<i32>) {
    #[expect(clippy::zombie_processes, reason = "it is waited for by wait4(2)")]
    let child = command.uid(uid).gid(gid).spawn().unwrap();
    let pid = i32::try_from(child.id()).unwrap();
    (pid, wait4(pid).0.code())
}

fn exit_7() -> Command {
    let mut command = Command::new("/bin/sh");
    command.args(["-c", "exit 7"]);
    command
}

/// The part of an event of a program that may be hidden.
fn file_of(told: &[Told], pid: i32) -> Option<&str> {
    told.iter().find_map(|told| match &told.life {
        Life::Exec { file, .. } if told.pid == pid => Some(file.as_str()),
        _ => None,
    })
}

/// Events that a filter or missing rights keep from a reader are not lost to it: there is no event
/// of a loss, and the number of losses stays 0.
#[test]
fn nothing_is_lost_by_filters() {
    let _kernel = shared();
    let storm = || {
        for _ in 0..if is_own_kernel() { 10 } else { 50 } {
            Child::spawn(|| ()).join();
        }
        let (pid, status) = run(&mut exit_7(), USER, USER);
        assert_eq!(status, Some(7));
        pid
    };
    // Events of root, which forks for the other user, are none of these.
    let is_of_nobody = |told: Vec<Told>, pid| {
        assert!(told.iter().all(|told| told.uid == USER), "{told:#?}");
        assert_eq!(end_of(&told, pid).status().code(), Some(7));
    };
    look_from(|| (), &everything().uid(USER), storm, is_of_nobody);
    look_from(drop_privileges, &everything(), storm, is_of_nobody);
    let idle = fixture::child::paused();
    let nothing = |told: Vec<Told>, _| assert!(told.is_empty(), "{told:#?}");
    look_from(|| (), &everything().subtree(idle.pid()), storm, nothing);
    look_from(|| (), &everything().cgroup(u64::MAX), storm, nothing);
    let others = EventOptions::new().classes(Classes::OUT_OF_MEMORY);
    look_from(|| (), &others, storm, nothing);
    idle.kill();
}

/// Of a process of the same user but of another group, the status and the file are hidden, and the
/// arguments are not, which `/proc` shows to everybody.
#[test]
fn a_process_of_another_group() {
    let _kernel = shared();
    for (gid, is_hidden) in [(USER, false), (1000, true)] {
        let happen = || run(&mut exit_7(), USER, gid).0;
        look_from(drop_privileges, &everything(), happen, |told, pid| {
            let file = if is_hidden { "" } else { "/bin/sh" };
            assert_eq!(file_of(&told, pid), Some(file));
            let mut programs = 0;
            for told in told.iter().filter(|told| told.pid == pid) {
                let is_marked = told.flags.contains(EventFlags::REDACTED);
                match &told.life {
                    Life::Exec { arguments, .. } => {
                        programs += 1;
                        assert_eq!(arguments[..], ["/bin/sh", "-c", "exit 7"]);
                        assert_eq!(is_marked, is_hidden);
                    }
                    Life::Exit(_) => assert_eq!(is_marked, is_hidden),
                    Life::Fork(_) => assert!(!is_marked),
                }
            }
            assert_eq!(programs, 1);
            let exit = end_of(&told, pid);
            let code = if is_hidden { 0 } else { 7 };
            assert_eq!((exit.status().code(), exit.gid()), (Some(code), gid));
        });
    }
}

/// A program that gets the rights of another user is not one of the caller's, and its end is hidden
/// even if it has given them up.
#[test]
fn a_program_with_the_rights_of_another_user() {
    let _kernel = shared();
    // The file system of /tmp may ignore the bit.
    let path = "/of-root";
    fs::copy("/bin/false", path).unwrap();
    fs::set_permissions(path, Permissions::from_mode(0o4755)).unwrap();
    let other = Device::open().unwrap();
    let mut of_root = other.events(&everything()).unwrap();
    let mut executed = 0;
    let happen = || {
        let (pid, status) = run(Command::new(path).arg0("false"), USER, USER);
        assert_eq!(status, Some(1));
        executed = pid;
        pid
    };
    look_from(drop_privileges, &everything(), happen, |told, pid| {
        assert_eq!(file_of(&told, pid), None);
        for told in told.iter().filter(|told| told.pid == pid) {
            if let Life::Exit(exit) = told.life {
                assert!(told.flags.contains(EventFlags::REDACTED), "{told:#?}");
                assert_eq!(exit.status().code(), Some(0));
            }
        }
    });
    fs::remove_file(path).unwrap();
    let told = about(&mut of_root, &[executed]);
    assert_eq!(file_of(&told, executed), Some(path));
    assert_eq!(end_of(&told, executed).status().code(), Some(1));
}

/// Becomes a user without privileges that has a single capability.
pub fn become_nobody_with(capability: u32) {
    /// `_LINUX_CAPABILITY_VERSION_3`: two words for each set.
    const VERSION: u32 = 0x2008_0522;

    prctl::set_keepcaps(true).unwrap();
    setgroups(&[]).unwrap();
    setgid(Gid::from_raw(USER)).unwrap();
    setuid(Uid::from_raw(USER)).unwrap();
    let mut sets = [[0_u32; 3]; 2];
    let set = 1 << (capability % 32);
    // Effective and permitted ones.
    sets[capability as usize / 32][..2].copy_from_slice(&[set; 2]);
    // The own thread.
    let header = [VERSION, 0];
    // SAFETY: The sets are as long as the header says.
    let result = unsafe { libc::syscall(libc::SYS_capset, header.as_ptr(), sets.as_ptr()) };
    Errno::result(result).unwrap();
}

pub const CAP_SYS_PTRACE: u32 = 19;
const CAP_SYS_ADMIN: u32 = 21;
pub const CAP_PERFMON: u32 = 38;

/// Looks from a caller with each of these capabilities, and no other one, at a program of root's,
/// and fails unless it is told of all processes, and of all about them, or of its own only.
fn look_with(capabilities: &[(u32, bool)]) {
    for &(capability, sees_all) in capabilities {
        let prepare = || become_nobody_with(capability);
        let happen = || run(&mut exit_7(), 0, 0).0;
        look_from(prepare, &everything(), happen, |told, pid| {
            if sees_all {
                assert_eq!(file_of(&told, pid), Some("/bin/sh"), "{capability}");
                assert_eq!(end_of(&told, pid).status().code(), Some(7));
            } else {
                assert!(told.iter().all(|told| told.uid == USER), "{told:#?}");
            }
            let is_marked = |told: &Told| told.flags.contains(EventFlags::REDACTED);
            assert!(!told.iter().any(is_marked), "{capability}: {told:#?}");
        });
    }
}

/// With `CAP_PERFMON` or `CAP_SYS_PTRACE`, a caller is told of all processes.
#[test]
fn capabilities_to_see_all() {
    let _kernel = shared();
    look_with(&[
        (CAP_SYS_PTRACE, true),
        (CAP_PERFMON, true),
        (CAP_SYS_ADMIN, false),
    ]);
}

/// With `hidepid`, `CAP_PERFMON` is not enough, and of a process of the same user that the user may
/// not trace, programs and ends are not told of at all. They do not count as lost.
#[test]
fn events_of_hidden_processes() {
    for level in [1, 2] {
        let (_kernel, _module) = loaded(&format!("hidepid={level}"));
        look_with(&[(CAP_SYS_PTRACE, true), (CAP_PERFMON, false)]);
        for (gid, is_told) in [(USER, true), (1000, false)] {
            let happen = || run(&mut exit_7(), USER, gid).0;
            look_from(drop_privileges, &everything(), happen, |told, pid| {
                assert_eq!(file_of(&told, pid), is_told.then_some("/bin/sh"));
                let is_end = |told: &&Told| told.pid == pid && told.kind == "exit";
                assert_eq!(told.iter().filter(is_end).count(), usize::from(is_told));
                if is_told {
                    assert_eq!(end_of(&told, pid).status().code(), Some(7));
                }
                let is_marked = |told: &Told| told.flags.contains(EventFlags::REDACTED);
                assert!(!told.iter().any(is_marked), "{told:#?}");
            });
        }
    }
}
