// SPDX-License-Identifier: GPL-2.0-only

//! The command `PROCMON_QUERY_PID`, compared with `/proc`.

use std::ffi::CStr;
use std::os::unix::ffi::OsStrExt;
use std::process;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::thread;

use fixture::child::{Child, in_child, in_pid_namespace, uninterruptible};
use fixture::procfs::Stat;
use fixture::{eventually, procfs, shared};
use nix::sys::prctl;
use nix::sys::ptrace;
use nix::sys::signal::Signal;
use nix::sys::wait::{Id, WaitPidFlag, waitid, waitpid};
use nix::unistd::{Pid, gettid, pause};
use procmon::{Device, Process, State};

fn own_pid() -> i32 {
    i32::try_from(process::id()).unwrap()
}

/// Fails unless a name is the one in `/proc`, which has longer ones for some kernel threads.
fn same_name(process: &Process, stat: &Stat) {
    let (name, pid) = (process.comm.as_bytes(), process.pid);
    if stat.kernel_thread {
        assert!(
            !name.is_empty() && stat.comm.starts_with(name),
            "PID {pid}: {process:?}, {stat:?}"
        );
    } else {
        assert_eq!(name, stat.comm, "query.comm of {pid}");
    }
}

fn query(pid: i32) -> Option<Process> {
    Device::open().unwrap().query(pid).unwrap()
}

/// Fails unless the device and `/proc` agree on a process, which must not be changing.
fn same_as_proc(pid: i32) -> Process {
    let process = query(pid).unwrap_or_else(|| panic!("there is a PID {pid}"));
    let stat = procfs::stat(pid).unwrap();
    assert_eq!(process.pid, pid);
    same_name(&process, &stat);
    assert_eq!(process.state.letter(), stat.state, "query.state of {pid}");
    assert_eq!(process.vsize, stat.vsize, "query.vsize of {pid}");
    process
}

/// T50: a thread can ask for itself.
#[test]
fn a_thread_finds_itself() {
    let _kernel = shared();
    assert_eq!(same_as_proc(gettid().as_raw()).state, State::Running);
}

/// T50: PID 1, a kernel thread, and every other process: the same as in `/proc`.
#[test]
fn every_process_is_as_in_proc() {
    let _kernel = shared();
    let device = Device::open().unwrap();
    let (mut kernel_threads, mut programs) = (0, 0);
    let mut seen_init = false;
    for pid in procfs::pids() {
        // A process at work may change in between, so try again.
        let mut states = None;
        for _ in 0..100 {
            let before = procfs::stat(pid);
            let process = device.query(pid).unwrap();
            let after = procfs::stat(pid);
            let (Some(before), Some(process), Some(after)) = (before, process, after) else {
                break;
            };
            if before != after {
                continue;
            }
            same_name(&process, &after);
            assert_eq!(process.vsize, after.vsize, "PID {pid}");
            states = Some((process.state.letter(), after.state));
            // A process may run at just the second moment.
            if process.state.letter() == after.state {
                if after.kernel_thread {
                    assert_eq!(process.vsize, 0, "PID {pid}");
                    kernel_threads += 1;
                } else {
                    programs += 1;
                }
                seen_init |= pid == 1;
                break;
            }
        }
        assert!(
            states.is_some_and(|(got, expected)| got == expected) || procfs::stat(pid).is_none(),
            "PID {pid} never is as in /proc: {states:?}"
        );
    }
    assert!(seen_init && kernel_threads >= 10 && programs >= 2);
}

/// T50: threads are found by their own IDs, also the leader, whose ID is the process's.
#[test]
fn threads_are_found_by_their_ids() {
    let _kernel = shared();
    let tid = AtomicI32::new(0);
    let (named, done) = (Barrier::new(2), Barrier::new(2));
    thread::scope(|scope| {
        scope.spawn(|| {
            prctl::set_name(c"second thread").unwrap();
            tid.store(gettid().as_raw(), Ordering::Relaxed);
            named.wait();
            done.wait();
        });
        named.wait();
        let tid = tid.load(Ordering::Relaxed);
        procfs::wait_for_state(tid, 'S');
        let second = query(tid);
        let expected = procfs::stat(tid);
        done.wait();
        let (second, expected) = (second.unwrap(), expected.unwrap());
        assert_ne!(tid, own_pid());
        assert_eq!(second.comm, "second thread");
        assert_eq!(second.state, State::Sleeping);
        assert_eq!(second.vsize, expected.vsize);
        assert_ne!(query(own_pid()).unwrap().comm, "second thread");
    });
}

/// T50: a process goes through the states of the kernel until it is reaped.
#[test]
fn a_process_in_each_state() {
    let _kernel = shared();
    let child = Child::spawn(|| {
        loop {
            pause();
        }
    });
    procfs::wait_for_state(child.pid(), 'S');
    assert_eq!(same_as_proc(child.pid()).state, State::Sleeping);

    child.signal(Signal::SIGSTOP);
    procfs::wait_for_state(child.pid(), 'T');
    assert_eq!(same_as_proc(child.pid()).state, State::Stopped);

    child.signal(Signal::SIGCONT);
    procfs::wait_for_state(child.pid(), 'S');
    ptrace::seize(Pid::from_raw(child.pid()), ptrace::Options::empty()).unwrap();
    ptrace::interrupt(Pid::from_raw(child.pid())).unwrap();
    procfs::wait_for_state(child.pid(), 't');
    assert_eq!(same_as_proc(child.pid()).state, State::Traced);
    waitpid(Pid::from_raw(child.pid()), None).unwrap();
    ptrace::detach(Pid::from_raw(child.pid()), None).unwrap();

    child.signal(Signal::SIGKILL);
    let exited = WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT;
    waitid(Id::Pid(Pid::from_raw(child.pid())), exited).unwrap();
    let zombie = same_as_proc(child.pid());
    assert_eq!((zombie.state, zombie.vsize), (State::Zombie, 0));

    let pid = child.pid();
    drop(child);
    assert_eq!(query(pid), None, "gone");
}

/// T50: a process that computes, and one in an uninterruptible sleep.
#[test]
fn running_and_disk_sleep() {
    let _kernel = shared();
    let child = Child::spawn(|| {
        loop {
            std::hint::spin_loop();
        }
    });
    procfs::wait_for_state(child.pid(), 'R');
    assert_eq!(same_as_proc(child.pid()).state, State::Running);
    child.kill();

    let child = uninterruptible();
    assert_eq!(same_as_proc(child.pid()).state, State::DiskSleep);
    child.kill();
}

/// T50: kernel threads that wait for work are idle, which is another state than sleeping.
#[test]
fn kernel_threads_are_idle() {
    let _kernel = shared();
    // Workqueues' rescuers have nothing to do unless memory is short.
    let idle = procfs::pids().into_iter().find(|&pid| {
        procfs::stat(pid)
            .is_some_and(|stat| stat.state == 'I' && stat.comm.starts_with(b"kworker/R"))
    });
    let idle = idle.expect("the kernel has rescuers");
    let process = query(idle).unwrap();
    assert_eq!((process.state, process.vsize), (State::Idle, 0));
}

/// T50: reaped processes are not found, nor those that never existed.
#[test]
fn reaped_processes_are_not_found() {
    let _kernel = shared();
    let child = Child::spawn(|| {});
    let pid = child.pid();
    child.join();
    for pid in [
        pid,
        procfs::unused_pid(),
        i32::MAX,
        0,
        -1,
        -own_pid(),
        i32::MIN,
    ] {
        assert_eq!(query(pid), None, "{pid}");
    }
}

/// T51: names have any length up to 15, and any bytes.
#[test]
fn names_of_any_bytes() {
    let _kernel = shared();
    in_child(|| {
        let device = Device::open().unwrap();
        for name in [
            c"procmon_monitor",
            c"",
            c"a",
            c"two words",
            c"line\nbreak",
            c") R 1 (",
            c"\xff\xfe\x01\x7f",
            c"s\xc3\xb8vn",
        ] {
            prctl::set_name(name).unwrap();
            let process = device.query(own_pid()).unwrap().unwrap();
            assert_eq!(process.comm.as_bytes(), name.to_bytes());
            assert_eq!(procfs::stat(own_pid()).unwrap().comm, name.to_bytes());
        }
        prctl::set_name(c"sixteen letters!").unwrap();
        assert_eq!(
            device.query(own_pid()).unwrap().unwrap().comm,
            "sixteen letters"
        );
    });
}

/// T51: a name that changes all the time is terminated, and has bytes of its values only.
#[test]
fn a_changing_name_is_whole() {
    const NAMES: [&CStr; 2] = [c"aaaaaaaaaaaaaaa", c"b"];

    let _kernel = shared();
    let child = Child::spawn(|| {
        for name in NAMES.iter().cycle() {
            prctl::set_name(name).unwrap();
        }
    });
    // It has the name of the test at first.
    eventually("the child has begun", || {
        let is_one = |name: &[u8]| NAMES.iter().any(|one| one.to_bytes() == name);
        procfs::stat(child.pid()).is_some_and(|stat| is_one(&stat.comm))
    });
    let device = Device::open().unwrap();
    for _ in 0..5000 {
        let name = device.query(child.pid()).unwrap().unwrap().comm;
        // The kernel changes the name without a lock, so the reader may catch it half way; but it
        // is made of these letters, and no others.
        let name = name.as_bytes();
        assert!(
            name.len() <= 15 && name.iter().all(|c| b"ab".contains(c)),
            "{name:?}"
        );
    }
    child.kill();
}

/// T52: a caller in a PID namespace names processes by their PIDs there, and finds none outside.
#[test]
fn a_pid_namespace_has_its_own_numbers() {
    let _kernel = shared();
    let outer_pid = own_pid();
    assert!(
        outer_pid > 20,
        "too small a PID to be told from one in the namespace"
    );
    in_pid_namespace(|| {
        let device = Device::open().unwrap();
        prctl::set_name(c"inner init").unwrap();
        let init = device.query(1).unwrap().unwrap();
        assert_eq!((init.pid, &*init.comm), (1, "inner init".as_ref()));
        assert_eq!(device.query(outer_pid).unwrap(), None);

        let child = Child::spawn(|| {
            prctl::set_name(c"inner child").unwrap();
            pause();
        });
        assert_eq!(child.pid(), 2);
        eventually("the child has its name", || {
            device.query(2).unwrap().unwrap().comm == "inner child"
        });
        child.kill();
        assert_eq!(device.query(2).unwrap(), None);
    });
}

/// T52: a caller outside names a process in a namespace by its outer PID. The caller's namespace
/// counts, not that of the process that opened the device.
#[test]
fn the_namespace_is_that_of_the_caller() {
    let _kernel = shared();
    let device = Device::open().unwrap();
    in_pid_namespace(|| {
        prctl::set_name(c"inner init").unwrap();
        assert_eq!(device.query(1).unwrap().unwrap().comm, "inner init");
        let outer = procfs::pids().into_iter().find(|&pid| {
            // This is still the /proc of the outer namespace.
            procfs::stat(pid).is_some_and(|stat| stat.comm == b"inner init")
        });
        let outer = outer.unwrap();
        assert_eq!(device.query(outer).unwrap(), None);
    });
    in_child(|| {
        nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWPID).unwrap();
        let inner = Child::spawn(|| {
            prctl::set_name(c"inner init").unwrap();
            pause();
        });
        eventually("the inner process is found by its outer number", || {
            device.query(inner.pid()).unwrap().unwrap().comm == "inner init"
        });
        inner.kill();
    });
}

/// T54: processes and their memory come and go during queries, and each answer is of a process that
/// existed.
#[test]
fn processes_that_come_and_go() {
    let _kernel = shared();
    let device = Device::open().unwrap();
    let stop = AtomicBool::new(false);
    let pid = AtomicI32::new(own_pid());
    let found = thread::scope(|scope| {
        let asker = scope.spawn(|| {
            let mut found = 0;
            while !stop.load(Ordering::Relaxed) {
                if device.query(pid.load(Ordering::Relaxed)).unwrap().is_some() {
                    found += 1;
                }
            }
            found
        });
        for _ in 0..60 {
            let mut child = process::Command::new("/bin/true").spawn().unwrap();
            pid.store(i32::try_from(child.id()).unwrap(), Ordering::Relaxed);
            child.wait().unwrap();
        }
        stop.store(true, Ordering::Relaxed);
        asker.join().unwrap()
    });
    assert!(found > 0);
}
