// SPDX-License-Identifier: GPL-2.0-only

//! The parameter `hidepid`, compared with `/proc` that is mounted with the option of this name.

use std::fs::{self, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::process::{Command, Stdio};

use fixture::child::{
    Child, as_nobody, at_rest_after, drop_privileges, idle_threads, in_child, in_pid_namespace,
    in_user_namespace, kill_all, paused,
};
use fixture::command::PROGRAM;
use fixture::{eventually, loaded, open, procfs, raw};
use nix::errno::Errno;
use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl;
use nix::unistd::{Gid, Uid, setegid, seteuid, setgroups, setresgid, setresuid};
use procmon::events::EventOptions;
use procmon::history::{Sample, Target};
use procmon::snapshot::{Groups, Record, SnapshotOptions};
use procmon::sysfs::{self, TargetPlace};
use procmon::{DEVICE_PATH, Device, State, uapi};

use crate::events::rights::{CAP_PERFMON, CAP_SYS_PTRACE, USER, become_nobody_with};

/// Another user, and another group.
const OTHER: u32 = 1000;

const CAP_NET_RAW: u32 = 13;

/// The part of a process that a caller gets.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum View {
    Whole,
    Redacted,
    Hidden,
}

/// Returns the part that callers get of processes which they may not trace.
fn others_at(level: u32) -> View {
    [View::Whole, View::Redacted, View::Hidden][level as usize]
}

fn parameter(level: u32) -> String {
    format!("hidepid={level}")
}

fn own_pid() -> i32 {
    i32::try_from(std::process::id()).unwrap()
}

/// Returns what the caller gets by `/proc`.
fn by_proc(pid: i32) -> View {
    if let Err(error) = fs::metadata(format!("/proc/{pid}")) {
        assert_eq!(error.kind(), ErrorKind::NotFound);
        return View::Hidden;
    }
    match fs::read(format!("/proc/{pid}/stat")) {
        Ok(_) => View::Whole,
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::PermissionDenied);
            View::Redacted
        }
    }
}

fn in_records(records: &[Record], pid: i32) -> View {
    match records.iter().find(|record| record.pid() == pid) {
        None => View::Hidden,
        Some(record) if record.is_redacted() => View::Redacted,
        Some(_) => View::Whole,
    }
}

fn by_query(device: &Device, pid: i32) -> View {
    match device.query(pid).unwrap() {
        None => View::Hidden,
        Some(process) if process.state == State::Unknown(uapi::PROCMON_STATE_UNKNOWN) => {
            assert_eq!((process.comm.len(), process.vsize), (0, 0));
            View::Redacted
        }
        Some(_) => View::Whole,
    }
}

fn all() -> SnapshotOptions {
    SnapshotOptions::new().groups(Groups::all())
}

fn snapshot(device: &Device, options: &SnapshotOptions) -> Vec<Record> {
    device.snapshot(options).unwrap().records().to_vec()
}

/// Returns what the caller gets of a process, which is the same in all ways.
fn by_module(device: &Device, pid: i32) -> View {
    let view = in_records(&snapshot(device, &all()), pid);
    let single = snapshot(device, &all().tgid(pid));
    assert_eq!(in_records(&single, pid), view, "PID {pid} by itself");
    let threads = snapshot(device, &all().threads(true));
    assert_eq!(in_records(&threads, pid), view, "PID {pid} as a thread");
    let basic = snapshot(device, &SnapshotOptions::new());
    assert_eq!(in_records(&basic, pid), view, "PID {pid} without groups");
    assert_eq!(by_query(device, pid), view, "query of PID {pid}");
    view
}

/// Fails unless all processes are there that `/proc` shows, and no other one.
fn has_pids_of_proc(device: &Device) {
    let sorted = |mut pids: Vec<i32>| {
        pids.sort_unstable();
        pids
    };
    let mut seen = (Vec::new(), Vec::new());
    // Threads of the kernel come and go.
    eventually("the same processes", || {
        let records = snapshot(device, &all());
        let pids = records.iter().map(Record::pid).collect();
        seen = (sorted(pids), sorted(procfs::pids()));
        seen.0 == seen.1
    });
    assert!(!seen.0.is_empty());
}

fn be_dumpable() {
    prctl::set_dumpable(true).unwrap();
}

/// Starts a process of the user that calls `prepare`.
fn of_user(prepare: impl FnOnce()) -> Child {
    at_rest_after(|| {
        drop_privileges();
        be_dumpable();
        prepare();
    })
}

/// Processes that differ in what decides on tracing, with whether the user may trace them.
fn crowd() -> Vec<(&'static str, Child, bool)> {
    let with_ids = |uids: [u32; 3], gids: [u32; 3]| {
        at_rest_after(|| {
            let [uid, euid, suid] = uids.map(Uid::from_raw);
            let [gid, egid, sgid] = gids.map(Gid::from_raw);
            setgroups(&[]).unwrap();
            setresgid(gid, egid, sgid).unwrap();
            setresuid(uid, euid, suid).unwrap();
            be_dumpable();
        })
    };
    let own = [USER; 3];
    vec![
        ("root's", paused(), false),
        ("the user's", of_user(|| ()), true),
        ("not dumpable", at_rest_after(drop_privileges), false),
        (
            "another real user",
            with_ids([OTHER, USER, USER], own),
            false,
        ),
        (
            "another effective user",
            with_ids([USER, OTHER, USER], own),
            false,
        ),
        (
            "another saved user",
            with_ids([USER, USER, OTHER], own),
            false,
        ),
        (
            "another real group",
            with_ids(own, [OTHER, USER, USER]),
            false,
        ),
        (
            "another effective group",
            with_ids(own, [USER, OTHER, USER]),
            false,
        ),
        (
            "another saved group",
            with_ids(own, [USER, USER, OTHER]),
            false,
        ),
        (
            "with a capability",
            at_rest_after(|| {
                become_nobody_with(CAP_NET_RAW);
                be_dumpable();
            }),
            false,
        ),
    ]
}

fn kill_crowd(crowd: Vec<(&'static str, Child, bool)>) {
    kill_all(crowd.into_iter().map(|(_, child, _)| child));
}

/// Each caller gets of each process what `/proc` gives it, by a descriptor that root has opened.
#[test]
fn as_proc_with_the_same_option() {
    type Viewer = (&'static str, fn(), bool);

    const VIEWERS: [Viewer; 4] = [
        ("root", || (), true),
        (
            "CAP_SYS_PTRACE",
            || become_nobody_with(CAP_SYS_PTRACE),
            true,
        ),
        ("CAP_PERFMON", || become_nobody_with(CAP_PERFMON), false),
        ("a user", drop_privileges, false),
    ];

    for level in 0..=2 {
        let (_kernel, _module) = loaded(&parameter(level));
        let device = Device::open().unwrap();
        let crowd = crowd();
        for (viewer, become_viewer, sees_all) in VIEWERS {
            in_child(|| {
                procfs::mount_with(&parameter(level));
                become_viewer();
                for (name, child, is_own) in &crowd {
                    let view = by_module(&device, child.pid());
                    let expected = if sees_all || *is_own {
                        View::Whole
                    } else {
                        others_at(level)
                    };
                    let what = format!("hidepid={level}: {name}, for {viewer}");
                    assert_eq!(view, by_proc(child.pid()), "{what}");
                    assert_eq!(view, expected, "{what}");
                }
                // A thread of the kernel, and the caller.
                for (pid, is_own) in [(2, false), (own_pid(), true)] {
                    let view = by_module(&device, pid);
                    assert_eq!(view, by_proc(pid), "PID {pid} for {viewer}");
                    assert_eq!(view == View::Whole, sees_all || is_own || level == 0);
                }
                has_pids_of_proc(&device);
            });
        }
        kill_crowd(crowd);
    }
}

/// The rights are those of the caller and not of the one that has opened the file.
#[test]
fn a_descriptor_of_another_user() {
    let (_kernel, _module) = loaded("hidepid=2");
    let child = paused();
    fs::set_permissions(DEVICE_PATH, Permissions::from_mode(0o666)).unwrap();
    in_child(|| {
        let become_user = |id| {
            setegid(Gid::from_raw(id)).unwrap();
            seteuid(Uid::from_raw(id)).unwrap();
        };
        let of_root = Device::open().unwrap();
        become_user(USER);
        let of_user = Device::open().unwrap();
        assert_eq!(by_module(&of_user, child.pid()), View::Hidden);
        assert_eq!(by_module(&of_root, child.pid()), View::Hidden);
        seteuid(Uid::from_raw(0)).unwrap();
        assert_eq!(by_module(&of_user, child.pid()), View::Whole);
        assert_eq!(by_module(&of_root, child.pid()), View::Whole);
    });
    fs::set_permissions(DEVICE_PATH, Permissions::from_mode(0o600)).unwrap();
    child.kill();
}

/// A redacted record has the PID and the owner of the directory in `/proc`, and nothing else.
#[test]
fn a_redacted_record_has_nothing_else() {
    let (_kernel, _module) = loaded("hidepid=1");
    let file = open();
    // The real and the saved ones are other ones.
    let child = at_rest_after(|| {
        let [one, two, three] = [1001, 1002, 1003].map(Uid::from_raw);
        setresgid(
            Gid::from_raw(2001),
            Gid::from_raw(2002),
            Gid::from_raw(2003),
        )
        .unwrap();
        setresuid(one, two, three).unwrap();
    });
    let pid = child.pid();
    let owner = fs::metadata(format!("/proc/{pid}")).unwrap();
    assert_eq!((owner.uid(), owner.gid()), (1002, 2002));
    as_nobody(|| {
        for (groups, uid, gid) in [
            (Groups::all().bits(), owner.uid(), owner.gid()),
            (uapi::PROCMON_GROUP_CPU | uapi::PROCMON_GROUP_MEM, 0, 0),
        ] {
            let mut record = uapi::procmon_record {
                runtime: u64::MAX,
                ..Default::default()
            };
            let mut arguments = uapi::procmon_snapshot {
                size: size_of::<uapi::procmon_snapshot>() as u32,
                flags: uapi::PROCMON_SNAPSHOT_BY_TGID,
                groups,
                records: &raw mut record as u64,
                stride: size_of::<uapi::procmon_record>() as u32,
                capacity: 1,
                tgid: pid,
                ..Default::default()
            };
            raw::call(&file, &mut arguments).unwrap();
            assert_eq!(arguments.count, 1);
            let expected = uapi::procmon_record {
                groups: groups & uapi::PROCMON_GROUP_CREDS,
                pid,
                tgid: pid,
                state: uapi::PROCMON_STATE_UNKNOWN,
                flags: uapi::PROCMON_TASK_REDACTED,
                uid,
                euid: uid,
                gid,
                egid: gid,
                ..Default::default()
            };
            assert_eq!(record, expected);
        }
    });
    child.kill();
}

/// Threads of other users' processes are not told of, nor are arguments.
#[test]
fn threads_and_arguments() {
    let threaded = || idle_threads(3);
    for level in [1, 2] {
        let (_kernel, _module) = loaded(&parameter(level));
        let device = Device::open().unwrap();
        let foreign = at_rest_after(threaded);
        let own = of_user(threaded);
        as_nobody(|| {
            let threads = snapshot(&device, &all().threads(true));
            let count = |child: &Child| {
                let is_thread = |record: &&Record| record.tgid() == child.pid();
                threads.iter().filter(is_thread).count()
            };
            let expected = usize::from(others_at(level) == View::Redacted);
            assert_eq!((count(&own), count(&foreign)), (4, expected));
            let snapshot = device.snapshot(&all().arguments(100)).unwrap();
            assert!(snapshot.arguments(own.pid()).is_some());
            assert!(snapshot.arguments(foreign.pid()).is_none());
        });
        // Root gets both.
        let snapshot = device.snapshot(&all().arguments(100)).unwrap();
        assert!(snapshot.arguments(foreign.pid()).is_some());
        kill_all([foreign, own]);
    }
}

/// Filters go by what redacted records tell.
#[test]
fn filters_know_no_more_than_the_records() {
    let (_kernel, _module) = loaded("hidepid=1");
    let device = Device::open().unwrap();
    let child = at_rest_after(|| {
        setgroups(&[]).unwrap();
        let [real, effective] = [OTHER, OTHER + 1].map(Uid::from_raw);
        setresuid(real, effective, effective).unwrap();
    });
    let (pid, parent) = (child.pid(), own_pid());
    let is_there = |options: SnapshotOptions| {
        in_records(&snapshot(&device, &options.groups(Groups::all())), pid) != View::Hidden
    };
    let new = SnapshotOptions::new;
    // Root's are not redacted.
    assert!(is_there(new().uid(OTHER)) && is_there(new().ppid(parent)));
    as_nobody(|| {
        assert!(is_there(new().uid(OTHER + 1)));
        assert!(!is_there(new().uid(OTHER)));
        assert!(!is_there(new().ppid(parent)) && !is_there(new().ppid(0)));
        assert!(is_there(new().tgid(pid)) && !is_there(new().tgid(pid + 1)));
        let users = snapshot(&device, &new().kernel_threads(false));
        assert_eq!(in_records(&users, 2), View::Redacted);
    });
    child.kill();
}

/// Waits for a sample of the first target that meets a condition.
fn wait_for(device: &Device, wanted: impl Fn(&Sample) -> bool) {
    eventually("a sample", || {
        let history = device.history(0).unwrap();
        history.samples().last().is_some_and(&wanted)
    });
}

fn has_process(pid: i32) -> impl Fn(&Sample) -> bool {
    move |sample| matches!(sample.target(), Target::Process(record) if record.pid() == pid)
}

/// Of other users' processes, a caller gets no samples, and of its own all. What is kept from it is
/// in no field of the samples, which are of the system then.
#[test]
fn samples_of_targets() {
    for level in [1, 2] {
        let (_kernel, _module) = loaded(&format!("{} monitor_interval_ms=10", parameter(level)));
        let device = Device::open().unwrap();
        let (foreign, own) = (paused(), of_user(|| ()));
        device.set_filter(Some(foreign.pid())).unwrap();
        wait_for(&device, has_process(foreign.pid()));
        as_nobody(|| {
            let history = device.history(0).unwrap();
            assert!(!history.is_empty());
            for sample in &history {
                assert_eq!(sample.target(), Target::None);
                assert!(sample.system().processes > 2);
            }
            // One that is hidden is shown nowhere.
            let is_hidden = others_at(level) == View::Hidden;
            let shown = (!is_hidden).then_some(foreign.pid());
            assert_eq!(device.stats().unwrap().filter, shown);
            assert_eq!(sysfs::stats().unwrap().totals.filter, shown);
            let place = shown.map_or(TargetPlace::Empty, TargetPlace::Pid);
            assert_eq!(sysfs::targets().unwrap(), [place]);
        });
        device.set_filter(Some(own.pid())).unwrap();
        wait_for(&device, has_process(own.pid()));
        as_nobody(|| {
            wait_for(&device, has_process(own.pid()));
            assert_eq!(device.stats().unwrap().filter, Some(own.pid()));
        });
        // With the capability, all are there.
        in_child(|| {
            become_nobody_with(CAP_SYS_PTRACE);
            device.set_filter(Some(foreign.pid())).unwrap();
            wait_for(&device, has_process(foreign.pid()));
        });
        // Its end is not told of either.
        let pid = foreign.pid();
        foreign.kill();
        let is_gone = |sample: &Sample| {
            let Target::Gone { pid: gone, .. } = sample.target() else {
                return false;
            };
            gone == pid
        };
        wait_for(&device, is_gone);
        as_nobody(|| {
            let history = device.history(0).unwrap();
            assert!(!history.iter().any(is_gone));
        });
        own.kill();
    }
}

/// A process that is hidden from the caller becomes no target, as a PID of no process.
#[test]
fn a_hidden_process_is_no_target() {
    for level in [1, 2] {
        let (_kernel, _module) = loaded(&format!("{} monitor_interval_ms=10", parameter(level)));
        let device = Device::open().unwrap();
        let child = paused();
        let pid = child.pid();
        as_nobody(|| {
            device.set_filter(Some(pid)).unwrap();
            assert_eq!(device.stats().unwrap().filter, Some(pid));
        });
        if others_at(level) == View::Hidden {
            wait_for(&device, |sample| {
                sample.target() == Target::Gone { pid, start: None }
            });
        } else {
            wait_for(&device, has_process(pid));
        }
        // Nor is its subtree one.
        let subtree = EventOptions::new().subtree(pid);
        let begin = || {
            let events = device.events(&subtree).map(drop);
            events.map_err(|error| error.raw_os_error())
        };
        as_nobody(|| {
            let expected = if others_at(level) == View::Hidden {
                Err(Some(Errno::ESRCH as i32))
            } else {
                Ok(())
            };
            assert_eq!(begin(), expected);
        });
        assert_eq!(begin(), Ok(()));
        child.kill();
    }
}

/// In a PID namespace, PIDs are those of the namespace, and users are the same.
#[test]
fn in_a_namespace_of_pids() {
    for level in 0..=2 {
        let (_kernel, _module) = loaded(&parameter(level));
        let device = Device::open().unwrap();
        in_pid_namespace(|| {
            procfs::mount_with(&parameter(level));
            let (foreign, own) = (paused(), of_user(|| ()));
            as_nobody(|| {
                assert_eq!(by_module(&device, own.pid()), View::Whole);
                for pid in [1, foreign.pid()] {
                    assert_eq!(by_module(&device, pid), others_at(level));
                    assert_eq!(by_proc(pid), others_at(level));
                }
                has_pids_of_proc(&device);
            });
            kill_all([foreign, own]);
        });
    }
}

/// Root of a user namespace is not root of the machine: it gets what a user gets, and of other
/// processes of its namespace only those with its rights.
#[test]
fn root_of_a_user_namespace() {
    for level in [1, 2] {
        let (_kernel, _module) = loaded(&parameter(level));
        let device = Device::open().unwrap();
        let (foreign, outside) = (paused(), of_user(|| ()));
        // Of the user, in a namespace that it has made. `/proc` shows it to the user.
        let inside = at_rest_after(|| {
            drop_privileges();
            unshare(CloneFlags::CLONE_NEWUSER).unwrap();
            be_dumpable();
        });
        in_child(|| {
            procfs::mount_with(&parameter(level));
            in_user_namespace(|| {
                let own = at_rest_after(be_dumpable);
                assert_eq!(by_module(&device, own.pid()), View::Whole);
                assert_eq!(by_proc(own.pid()), View::Whole);
                for pid in [1, foreign.pid(), outside.pid()] {
                    assert_eq!(by_module(&device, pid), others_at(level), "PID {pid}");
                    assert_eq!(by_proc(pid), others_at(level), "PID {pid}");
                }
                own.kill();
            });
            drop_privileges();
            assert_eq!(by_module(&device, inside.pid()), others_at(level));
            assert_eq!(by_proc(inside.pid()), View::Whole);
        });
        kill_all([foreign, outside, inside]);
    }
}

/// The command shows what its user gets.
#[test]
fn the_command_shows_what_there_is() {
    for level in 0..=2 {
        let (_kernel, _module) = loaded(&parameter(level));
        let (foreign, own) = (paused(), of_user(|| ()));
        fs::set_permissions(DEVICE_PATH, Permissions::from_mode(0o666)).unwrap();
        as_nobody(|| {
            let pids = format!("{},{}", foreign.pid(), own.pid());
            let columns = ["-o", "pid,uid,state,flags,ppid,rss,comm"];
            let output = Command::new(PROGRAM)
                .args(["ps", "--csv", "-p", &pids])
                .args(columns)
                .stdin(Stdio::null())
                .output()
                .unwrap();
            let text = String::from_utf8(output.stdout).unwrap();
            let row = |child: &Child| {
                let start = format!("{},", child.pid());
                let line = text.lines().find_map(|line| line.strip_prefix(&start));
                line.map(|line| line.split(',').collect::<Vec<_>>())
            };
            let own = row(&own).unwrap();
            assert_eq!(own[..2], ["65534", "S"], "{text}");
            let foreign = row(&foreign);
            match others_at(level) {
                View::Whole => assert_eq!(foreign.unwrap()[..2], ["0", "S"], "{text}"),
                View::Redacted => {
                    assert_eq!(foreign.unwrap(), ["0", "?", "R", "0", "", ""], "{text}");
                }
                View::Hidden => assert_eq!(foreign, None, "{text}"),
            }
        });
        kill_all([foreign, own]);
    }
}
