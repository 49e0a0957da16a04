// SPDX-License-Identifier: GPL-2.0-only

//! Processes that hold the lock of executing programs, `exec_update_lock`, for any time.

use std::ffi::{c_int, c_void};
use std::fs;
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::ptr::null_mut;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use fixture::child::Child;
use fixture::{PATIENCE, eventually, is_own_kernel, loaded, procfs, skip};
use nix::errno::Errno;
use nix::sys::prctl;
use nix::sys::signal::Signal;
use nix::unistd::{Gid, Pid, Uid, gettid, setgid, setgroups, setuid};
use procmon::Device;
use procmon::history::Target;
use procmon::snapshot::{Groups, Record, SnapshotOptions};

/// `LANDLOCK_RESTRICT_SELF_TSYNC`: for all threads of the process.
const TSYNC: u32 = 1 << 3;

/// Returns a ruleset of Landlock, or `None` if the kernel has none for all threads at once.
fn ruleset() -> Option<OwnedFd> {
    const VERSION: u32 = 1;

    // SAFETY: This asks for a number.
    let version = unsafe {
        libc::syscall(
            libc::SYS_landlock_create_ruleset,
            null_mut::<c_void>(),
            0,
            VERSION,
        )
    };
    // That is the 8th version, of Linux 7.0.
    if version < 8 {
        return None;
    }
    // handled_access_fs: LANDLOCK_ACCESS_FS_EXECUTE
    let attributes = [1u64, 0, 0];
    // SAFETY: The attributes are valid, and the descriptor is new.
    unsafe {
        let fd = libc::syscall(
            libc::SYS_landlock_create_ruleset,
            attributes.as_ptr(),
            size_of_val(&attributes),
            0,
        );
        (fd >= 0).then(|| OwnedFd::from_raw_fd(fd as c_int))
    }
}

/// Restricts all threads of the process at once, which waits until each has done its part.
fn restrict_all_threads(ruleset: &OwnedFd) -> nix::Result<()> {
    prctl::set_no_new_privs().unwrap();
    // SAFETY: The descriptor is valid.
    let result =
        unsafe { libc::syscall(libc::SYS_landlock_restrict_self, ruleset.as_raw_fd(), TSYNC) };
    Errno::result(result).map(drop)
}

/// Waits in vfork(2), which no task work interrupts, for a child that never ends.
fn vfork_for_ever() {
    extern "C" fn child(_: *mut c_void) -> c_int {
        loop {
            // SAFETY: This only waits.
            unsafe { libc::syscall(libc::SYS_ppoll, 0_usize, 0_usize, 0_usize, 0_usize, 0_usize) };
        }
    }

    let mut stack = vec![0u8; 64 << 10];
    let top = stack.as_mut_ptr_range().end;
    // SAFETY: The stack is for the child alone, which returns from nothing.
    unsafe {
        libc::clone(
            child,
            top.cast(),
            libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD,
            null_mut(),
        )
    };
}

/// Becomes an ordinary user.
fn become_user() {
    setgroups(&[]).unwrap();
    setgid(Gid::from_raw(1000)).unwrap();
    setuid(Uid::from_raw(1000)).unwrap();
    // It may be killed as any other one.
    prctl::set_dumpable(true).unwrap();
}

/// Starts a process of an ordinary user that holds its `exec_update_lock` until it is killed.
fn holder() -> Option<Child> {
    let ruleset = ruleset()?;
    let (mut ready, writer) = io::pipe().unwrap();
    let child = Child::spawn(|| {
        become_user();
        prctl::set_name(c"holder").unwrap();
        thread::spawn(vfork_for_ever);
        let tasks = || {
            let tasks = fs::read_dir("/proc/self/task").unwrap();
            tasks.map(|task| {
                task.unwrap()
                    .file_name()
                    .into_string()
                    .unwrap()
                    .parse()
                    .unwrap()
            })
        };
        let own = std::process::id() as i32;
        // A thread in vfork() is in state D.
        eventually("a thread in vfork()", || {
            tasks()
                .filter(|&tid: &i32| tid != own)
                .any(|tid| procfs::is_in_state(tid, 'D'))
        });
        (&writer).write_all(b".").unwrap();
        restrict_all_threads(&ruleset).unwrap();
        panic!("not all threads can have come to it");
    });
    drop(writer);
    ready.read_exact(&mut [0]).unwrap();
    // From then on its first thread only waits for the other one. Most files of /proc would wait
    // for the lock, but not this one.
    eventually("a process that holds the lock", || {
        fs::read_to_string(format!("/proc/{}/status", child.pid()))
            .is_ok_and(|status| status.contains("State:\tS"))
    });
    Some(child)
}

/// Kills a process together with the child that it waits for in vfork(2).
fn end(holder: Child) {
    let path = format!("/proc/{}/task", holder.pid());
    let children: Vec<i32> = fs::read_dir(path)
        .unwrap()
        .filter_map(|task| fs::read_to_string(task.unwrap().path().join("children")).ok())
        .flat_map(|line| {
            line.split_ascii_whitespace()
                .map(|pid| pid.parse().unwrap())
                .collect::<Vec<_>>()
        })
        .collect();
    holder.signal(Signal::SIGKILL);
    for pid in children {
        let _ = nix::sys::signal::kill(Pid::from_raw(pid), Signal::SIGKILL);
    }
    holder.kill();
}

/// Runs `body` in a process of its own, which must end within [`PATIENCE`], as the failure to find
/// is to hang for ever.
fn in_time(what: &str, body: impl FnOnce()) {
    let start = Instant::now();
    let child = Child::spawn(body);
    while is_running(child.pid()) {
        assert!(start.elapsed() < PATIENCE, "waited in vain: {what}");
        thread::sleep(Duration::from_millis(10));
    }
    child.join();
}

fn is_running(pid: i32) -> bool {
    procfs::stat(pid).is_some_and(|stat| stat.state != 'Z')
}

fn snapshot(options: &SnapshotOptions) -> Vec<Record> {
    let device = Device::open().unwrap();
    device.snapshot(options).unwrap().records().to_vec()
}

fn all() -> SnapshotOptions {
    SnapshotOptions::new().groups(Groups::all())
}

/// A process that holds the lock for ever stops no snapshot and no sample. It is in both, marked as
/// mixed, and the records of other processes are as ever.
#[test]
fn a_process_that_never_ends_executing() {
    let (_kernel, _module) = loaded("monitor_interval_ms=50");
    let Some(holder) = holder() else {
        return skip("no Landlock for all threads");
    };
    let pid = holder.pid();
    in_time("snapshots with such a process", || {
        for threads in [false, true] {
            let records = snapshot(&all().threads(threads));
            let found: Vec<_> = records
                .iter()
                .filter(|record| record.tgid() == pid)
                .collect();
            assert_eq!(found.len(), if threads { 2 } else { 1 });
            for record in found {
                assert!(record.is_mixed(), "{record:?}");
                assert_eq!(record.comm(), "holder");
                assert_eq!(record.credentials().unwrap().uid, 1000);
                assert_eq!(record.threads(), 2);
            }
            let own = std::process::id() as i32;
            for other in [1, 2, own] {
                let record = records.iter().find(|record| record.pid() == other).unwrap();
                assert!(!record.is_mixed(), "{record:?}");
            }
        }
        // Each filter finds it as well.
        for options in [
            all().tgid(pid),
            all().uid(1000),
            all().kernel_threads(false),
        ] {
            let records = snapshot(&options);
            assert!(
                records
                    .iter()
                    .any(|record| record.pid() == pid && record.is_mixed())
            );
        }
        let records = snapshot(&all().tgid(1));
        assert_eq!(records.len(), 1);
        assert!(!records[0].is_mixed());
    });

    let device = Device::open().unwrap();
    device.set_filter(Some(pid)).unwrap();
    let next = device.history(0).unwrap().next();
    eventually("samples of that process", || {
        let history = device.history(next).unwrap();
        history.samples().len() >= 5
    });
    let history = device.history(next).unwrap();
    for sample in history.samples() {
        match sample.target() {
            Target::Process(record) => {
                assert_eq!(record.pid(), pid);
                assert!(record.is_mixed());
            }
            // The first sample may have begun before the filter was set.
            other => assert_eq!(sample.sequence(), next, "{other:?}"),
        }
    }
    end(holder);
}

/// Filters come before the back-off: with 20 such processes, a snapshot of another process takes no
/// sleep. The caller's voluntary switches show the sleeps.
#[test]
fn filters_come_first() {
    let (_kernel, _module) = loaded("monitor_interval_ms=3600000");
    if ruleset().is_none() {
        return skip("no Landlock for all threads");
    }
    let holders: Vec<_> = (0..20).map(|_| holder().unwrap()).collect();
    let device = Device::open().unwrap();
    let own = std::process::id() as i32;
    let sleeps = |options: SnapshotOptions| {
        let before = voluntary_switches();
        let count = device.snapshot(&options).unwrap().records().len();
        (voluntary_switches() - before, count)
    };
    assert_eq!(sleeps(all().tgid(1)), (0, 1));
    assert_eq!(sleeps(all().ppid(1).uid(4711)), (0, 0));
    let (one, count) = sleeps(all().tgid(holders[0].pid()));
    assert_eq!(count, 1);
    assert!((1..=4).contains(&one), "{one} sleeps for one");
    // The number of sleeps is bounded for all of them together.
    let (many, count) = sleeps(all().ppid(own));
    assert_eq!(count, 20);
    assert!((one..=30).contains(&many), "{many} sleeps for 20");
    holders.into_iter().for_each(end);
}

fn voluntary_switches() -> u64 {
    procfs::numbers_in(gettid().as_raw(), "status", "voluntary_ctxt_switches:").unwrap()[0]
}

/// A process does not hang whose one thread takes snapshots while another one holds the lock and
/// waits for all threads.
#[test]
fn a_process_does_not_lock_itself_up() {
    let (_kernel, _module) = loaded("monitor_interval_ms=3600000");
    if ruleset().is_none() {
        return skip("no Landlock for all threads");
    }
    let rounds = if is_own_kernel() { 10 } else { 30 };
    for round in 0..rounds {
        in_time(&format!("the end of process {round}"), move || {
            let device = Device::open().unwrap();
            let (sender, receiver) = mpsc::channel();
            thread::spawn(move || {
                loop {
                    device.snapshot(&all()).unwrap();
                    // An error means that the receiver has ended.
                    let _ = sender.send(());
                }
            });
            receiver.recv().unwrap();
            thread::sleep(Duration::from_micros(777 * (round % 10)));
            restrict_all_threads(&ruleset().unwrap()).unwrap();
        });
    }
}
