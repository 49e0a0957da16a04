// SPDX-License-Identifier: GPL-2.0

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

use fixture::child::{Child, in_pid_namespace};
use fixture::{eventually, is_own_kernel, loaded};
use nix::sys::prctl::set_name;
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::{SigHandler, Signal, killpg, signal};
use nix::sys::wait::waitpid;
use nix::unistd::{Pid, Uid, setpgid, setuid};
use procmon::Device;
use procmon::snapshot::Record;

use crate::{all, own_pid, sleeper};

/// Fails unless records are in order, and those who are there all the time are among them. Each is
/// there once, as they are in order. None has been waited for.
fn complete(records: &[Record], stay: &[Child]) {
    assert!(records.is_sorted_by(|a, b| a.pid() < b.pid()));
    assert!(records.iter().all(|record| record.threads() > 0));
    let pids: BTreeSet<_> = records.iter().map(Record::pid).collect();
    for child in stay {
        assert!(pids.contains(&child.pid()), "{} is not there", child.pid());
    }
}

/// Whatever is started, replaced and ended meanwhile: those who stay are seen once each.
#[test]
fn snapshots_in_a_storm() {
    let (_kernel, _module) = loaded("");
    let stay: Vec<_> = (0..100).map(|_| sleeper()).collect();
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                Command::new("/bin/true").status().unwrap();
            }
        });
        let device = Device::open().unwrap();
        for _ in 0..50 {
            let snapshot = device.snapshot(&all()).unwrap();
            let records = snapshot.records();
            complete(records, &stay);
            for record in records.iter().filter(|record| record.comm() == "true") {
                assert_eq!(record.ppid(), own_pid(), "{record:?}");
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
    stay.into_iter().for_each(Child::kill);
}

/// The kinds of processes of which there is one after the other below: name, user and nice value.
const KINDS: [(&CStr, u32, i32); 2] = [(c"kind-a", 1001, 3), (c"kind-b", 1002, 7)];

/// A process of a kind that starts others of its kind again and again.
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

/// When numbers of processes are soon given again, no record is about two processes.
#[test]
fn reused_pids_mix_no_records() {
    let (_kernel, _module) = loaded("");
    in_pid_namespace(|| {
        // Each namespace has a limit of its own. The lowest 300 are given but once.
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
        parents.into_iter().for_each(Child::kill);
    });
}

/// The name of the programs that execute each other, and the user that each is.
const PROGRAMS: [(&str, u32); 2] = [("/program-a", 0), ("/program-b", 65534)];

/// Arguments of a program, which is a copy of this one, to run [`execute_the_other_program`].
const EXECUTE_THE_OTHER: [&str; 4] = [
    "--exact",
    "storm::execute_the_other_program",
    "--ignored",
    "--test-threads=2",
];

/// Executes the other program of [`PROGRAMS`], by a thread which is not the first one.
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

/// While a process executes programs that are of different users, it is seen with the name of the
/// one as the user of the other never.
#[test]
fn programs_mix_no_records() {
    let (_kernel, _module) = loaded("");
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
        // It is one process, whatever it executes.
        let [record] = snapshot.records() else {
            panic!("{:?}", snapshot.records());
        };
        assert_eq!(record.ppid(), own_pid(), "{record:?}");
        for (count, (path, uid)) in seen.iter_mut().zip(PROGRAMS) {
            // The thread that takes the place of the first one has another name.
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

/// A bomb that goes off all the time, of at most so many processes.
#[test]
fn snapshots_in_a_fork_bomb() {
    let (_kernel, _module) = loaded("");
    let (most, least) = if is_own_kernel() {
        (60, 30)
    } else {
        (200, 100)
    };
    let stay: Vec<_> = (0..70).map(|_| sleeper()).collect();
    let bomb = Child::spawn(|| {
        setpgid(Pid::from_raw(0), Pid::from_raw(0)).unwrap();
        setrlimit(Resource::RLIMIT_NPROC, most, most).unwrap();
        fixture::child::drop_privileges();
        // Whoever ends is gone at once.
        // SAFETY: There is no handler.
        unsafe { signal(Signal::SIGCHLD, SigHandler::SigIgn) }.unwrap();
        // Those who watch come first.
        let parameters = libc::sched_param { sched_priority: 0 };
        // SAFETY: The parameters are valid.
        let idle = unsafe { libc::sched_setscheduler(0, libc::SCHED_IDLE, &raw const parameters) };
        assert_eq!(idle, 0);
        set_name(c"bomb").unwrap();
        loop {
            // SAFETY: There is but one thread, and nothing but system calls is done here.
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
    // Each ends that cannot start another one, so there are always some.
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
    stay.into_iter().for_each(Child::kill);
}

/// A process group, which is killed when this is dropped.
struct Group(i32);

impl Drop for Group {
    fn drop(&mut self) {
        let group = Pid::from_raw(self.0);
        // Until there is nobody any more: some may just have been started.
        while killpg(group, Signal::SIGKILL).is_ok() {
            let _ = waitpid(group, None);
            thread::sleep(Duration::from_millis(10));
        }
    }
}
