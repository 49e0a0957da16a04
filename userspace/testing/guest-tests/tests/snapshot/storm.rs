// SPDX-License-Identifier: GPL-2.0-only

//! Snapshots while processes start, execute programs and end.

use std::collections::BTreeSet;
use std::ffi::CStr;
use std::fs::{self, Permissions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use fixture::child::{Child, crowd, in_pid_namespace, kill_all, set_policy};
use fixture::{eventually, is_own_kernel, shared};
use nix::sys::prctl::set_name;
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::{SigHandler, Signal, killpg, signal};
use nix::sys::wait::waitpid;
use nix::unistd::{Pid, Uid, setpgid, setuid};
use procmon::Device;
use procmon::snapshot::Record;

use super::{all, own_pid};

/// Fails unless records are in order, so that each PID is there once, and have all the processes
/// that stay, and none that was reaped.
fn complete(records: &[Record], stay: &[Child]) {
    assert!(records.is_sorted_by(|a, b| a.pid() < b.pid()));
    assert!(records.iter().all(|record| record.threads() > 0));
    let pids: BTreeSet<_> = records.iter().map(Record::pid).collect();
    for child in stay {
        assert!(pids.contains(&child.pid()), "{} is not there", child.pid());
    }
}

/// While other processes start, execute programs and end, those that stay are seen once each.
#[test]
fn snapshots_in_a_storm() {
    let _kernel = shared();
    let stay = crowd(100);
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                Command::new("/bin/true").status().unwrap();
            }
        });
        let device = Device::open().unwrap();
        for _ in 0..if is_own_kernel() { 20 } else { 50 } {
            let snapshot = device.snapshot(&all()).unwrap();
            let records = snapshot.records();
            complete(records, &stay);
            for record in records.iter().filter(|record| record.comm() == "true") {
                assert_eq!(record.ppid(), own_pid(), "{record:?}");
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
    kill_all(stay);
}

/// Kinds of short-lived processes: name, user and nice value.
const KINDS: [(&CStr, u32, i32); 2] = [(c"kind-a", 1001, 3), (c"kind-b", 1002, 7)];

/// Starts a process of a kind, which starts others of its kind, one after the other.
fn parent((name, uid, nice): (&'static CStr, u32, i32)) -> Child {
    Child::spawn(move || {
        set_name(name).unwrap();
        // SAFETY: This changes a number.
        assert_ne!(unsafe { libc::nice(nice) }, -1);
        setuid(Uid::from_raw(uid)).unwrap();
        loop {
            Child::spawn(|| {}).join();
        }
    })
}

/// While PIDs are reused quickly, no record has fields of two processes.
#[test]
fn reused_pids_mix_no_records() {
    let _kernel = shared();
    in_pid_namespace(|| {
        // Each namespace has a pid_max of its own. The lowest 300 PIDs are never reused.
        fs::write("/proc/sys/kernel/pid_max", "320").unwrap();
        for _ in 0..300 {
            thread::spawn(|| {}).join().unwrap();
        }
        let parents = KINDS.map(parent);
        let device = Device::open().unwrap();
        let again = if is_own_kernel() { 3 } else { 30 };
        let mut starts = BTreeSet::new();
        let mut seen = BTreeSet::new();
        eventually("numbers were given again", || {
            let snapshot = device.snapshot(&all()).unwrap();
            let records = snapshot.records();
            complete(records, &parents);
            for record in records {
                for (parent, (name, uid, nice)) in parents.iter().zip(KINDS) {
                    if record.ppid() != parent.pid() {
                        continue;
                    }
                    assert_eq!(record.comm().as_bytes(), name.to_bytes(), "{record:?}");
                    let credentials = record.credentials().unwrap();
                    assert_eq!(
                        (credentials.uid, credentials.euid),
                        (uid, uid),
                        "{record:?}"
                    );
                    let cpu = record.cpu().unwrap();
                    assert_eq!(cpu.nice, nice, "{record:?}");
                    starts.insert((record.pid(), cpu.start));
                    seen.insert(record.pid());
                }
            }
            starts.len() > seen.len() + again
        });
        kill_all(parents);
    });
}

/// Paths of the programs that execute each other, and the set-user-ID of each.
const PROGRAMS: [(&str, u32); 2] = [("/program-a", 0), ("/program-b", 65534)];

/// Arguments of a program, which is a copy of this one, to run [`execute_the_other_program`].
const EXECUTE_THE_OTHER: [&str; 4] = [
    "--exact",
    "snapshot::storm::execute_the_other_program",
    "--ignored",
    "--test-threads=2",
];

/// Executes the other program of [`PROGRAMS`], by a thread that is not the leader.
#[test]
#[ignore = "it is run by `programs_mix_no_records`"]
fn execute_the_other_program() {
    let name = std::env::args_os().next().unwrap();
    let other = PROGRAMS
        .iter()
        .map(|(path, _)| path)
        .find(|&&path| path != name);
    let error = Command::new(other.unwrap()).args(EXECUTE_THE_OTHER).exec();
    panic!("{error}");
}

/// While a process executes programs of different users, no record has the name of one program with
/// the user of the other.
#[test]
fn programs_mix_no_records() {
    let _kernel = shared();
    for (path, uid) in PROGRAMS {
        fs::copy("/proc/self/exe", path).unwrap();
        chown(path, Some(uid), None).unwrap();
        fs::set_permissions(path, Permissions::from_mode(0o4755)).unwrap();
    }
    let mut child = Command::new(PROGRAMS[0].0)
        .args(EXECUTE_THE_OTHER)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let device = Device::open().unwrap();
    let options = all()
        .tgid(i32::try_from(child.id()).unwrap())
        .ppid(own_pid());
    let mut seen = [0; PROGRAMS.len()];
    eventually("both programs", || {
        let snapshot = device.snapshot(&options).unwrap();
        // It stays one process.
        let [record] = snapshot.records() else {
            panic!("{:?}", snapshot.records());
        };
        assert_eq!(record.ppid(), own_pid(), "{record:?}");
        for (count, (path, uid)) in seen.iter_mut().zip(PROGRAMS) {
            // A thread that is about to replace the leader has another name.
            if Path::new("/").join(record.comm()) == Path::new(path) {
                assert_eq!(record.credentials().unwrap().euid, uid, "{record:?}");
                *count += 1;
            }
        }
        seen.into_iter().all(|count| count >= 100)
    });
    child.kill().unwrap();
    child.wait().unwrap();
    for (path, _) in PROGRAMS {
        fs::remove_file(path).unwrap();
    }
}

/// Snapshots are complete during a fork bomb, whose number of processes is limited.
#[test]
fn snapshots_in_a_fork_bomb() {
    let _kernel = shared();
    let (most, least) = if is_own_kernel() { (60, 30) } else { (100, 30) };
    let stay = crowd(70);
    let bomb = Child::spawn(|| {
        setpgid(Pid::from_raw(0), Pid::from_raw(0)).unwrap();
        setrlimit(Resource::RLIMIT_NPROC, most, most).unwrap();
        fixture::child::drop_privileges();
        // So that ended processes are reaped at once.
        // SAFETY: There is no handler.
        unsafe { signal(Signal::SIGCHLD, SigHandler::SigIgn) }.unwrap();
        // The test itself gets the CPU first.
        set_policy(libc::SCHED_IDLE, 0);
        set_name(c"bomb").unwrap();
        loop {
            // SAFETY: There is one thread, which makes nothing but system calls.
            unsafe {
                if libc::fork() == -1 {
                    libc::_exit(0);
                }
            }
        }
    });
    let _group = Group(bomb.pid());
    let device = Device::open().unwrap();
    let mut rounds = 0;
    // A process ends only if it cannot start another one, so there are always some.
    eventually("a bomb that goes off", || {
        rounds += 1;
        let threads = rounds % 2 == 1;
        let snapshot = device.snapshot(&all().threads(threads)).unwrap();
        let records = snapshot.records();
        complete(records, &stay);
        let bombs = records.iter().filter(|record| record.comm() == "bomb");
        for record in bombs.clone() {
            assert_eq!(record.tgid(), record.pid(), "{record:?}");
            assert_eq!(record.credentials().unwrap().uid, 65534, "{record:?}");
        }
        rounds > least && bombs.count() > 20
    });
    kill_all(stay);
}

/// A process group, which a drop kills.
struct Group(i32);

impl Drop for Group {
    fn drop(&mut self) {
        let group = Pid::from_raw(self.0);
        // Until the group is empty: a fork may have been under way.
        while killpg(group, Signal::SIGKILL).is_ok() {
            let _ = waitpid(group, None);
            thread::sleep(Duration::from_millis(10));
        }
    }
}
