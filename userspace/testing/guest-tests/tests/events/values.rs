// SPDX-License-Identifier: GPL-2.0

//! Values of events, compared with those of wait4(2) and `/proc`.

use std::fs;
use std::mem::MaybeUninit;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, ExitStatus};
use std::time::Duration;

use fixture::child::Child;
use fixture::{procfs, shared};
use libc::rusage;
use nix::errno::Errno;
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::{Signal, raise};
use procmon::Device;

use super::{Life, about, everything, rest};

pub fn own_pid() -> i32 {
    i32::try_from(std::process::id()).unwrap()
}

/// Waits for a child by wait4(2).
pub fn wait4(pid: i32) -> (ExitStatus, rusage) {
    let mut status = 0;
    let mut usage = MaybeUninit::<rusage>::zeroed();
    // SAFETY: Both results are valid for writes.
    let result = unsafe { libc::wait4(pid, &raw mut status, 0, usage.as_mut_ptr()) };
    assert_eq!(Errno::result(result), Ok(pid));
    // SAFETY: It is zeroed or filled.
    (ExitStatus::from_raw(status), unsafe { usage.assume_init() })
}

/// A program with arguments: it is made, executed and ended, in this order, by its parent.
#[test]
fn a_program_from_its_beginning_to_its_end() {
    let _kernel = shared();
    let device = Device::open().unwrap();
    let mut events = device.events(&everything()).unwrap();
    let before = procmon::BootTime::now().since_boot();
    #[expect(clippy::zombie_processes, reason = "it is waited for by wait4(2)")]
    let child = Command::new("/bin/sh")
        .args(["-c", "exit 7", "", "an argument  with blanks", "\u{e4}\n"])
        .spawn()
        .unwrap();
    let pid = i32::try_from(child.id()).unwrap();
    let (status, _) = wait4(pid);
    assert_eq!(status.code(), Some(7));
    let told = about(&mut events, &[pid]);
    assert_eq!(told.len(), 3, "{told:#?}");
    assert!(told.iter().all(|event| event.ppid == own_pid()));
    assert!(told.iter().all(|event| event.tid == pid));
    assert!(told.iter().all(|event| event.uid == 0));
    assert!(told.iter().all(|event| event.start == told[0].start));
    let now = procmon::BootTime::now().since_boot();
    assert!(
        (before..=now).contains(&told[0].time) && told[0].time < told[2].time,
        "event.time: {told:#?} from {before:?} to {now:?}"
    );
    assert!(told[0].start <= told[0].time);
    let [
        Life::Fork(fork),
        Life::Exec { file, arguments },
        Life::Exit(exit),
    ] = [&told[0].life, &told[1].life, &told[2].life]
    else {
        panic!("{told:#?}");
    };
    assert_eq!(fork.creator(), own_pid());
    let thread = nix::unistd::gettid().as_raw();
    assert_eq!(fork.creator_tid(), thread, "event_fork.creator");
    assert_eq!(file, "/bin/sh");
    assert_eq!(
        arguments[..],
        [
            "/bin/sh",
            "-c",
            "exit 7",
            "",
            "an argument  with blanks",
            "\u{e4}\n"
        ]
    );
    assert_eq!(exit.status(), status);
    assert_eq!(exit.comm(), "sh");
}

/// The process is the one that a record and `/proc` are about.
#[test]
fn the_start_is_that_of_the_record() {
    let _kernel = shared();
    let device = Device::open().unwrap();
    let mut events = device.events(&everything()).unwrap();
    let child = fixture::child::paused();
    let told = about(&mut events, &[child.pid()]);
    let options = procmon::SnapshotOptions::new().groups(procmon::Groups::all());
    let snapshot = device.snapshot(&options).unwrap();
    let record = snapshot.get(child.pid()).unwrap();
    assert_eq!(
        record.cpu().unwrap().start.since_boot(),
        told[0].start,
        "{told:#?}"
    );
    let parent = snapshot.get(own_pid()).unwrap();
    let Life::Fork(fork) = &told[0].life else {
        panic!("{told:#?}");
    };
    assert_eq!(fork.parent_start(), parent.cpu().unwrap().start);
    child.kill();
}

/// Each way to end has the status of wait(2), a core dump included.
#[test]
fn statuses_are_those_of_wait() {
    let _kernel = shared();
    // So that a process can dump core, if the kernel can. Where that goes does not matter.
    let pattern = Path::new("/proc/sys/kernel/core_pattern");
    if pattern.exists() {
        let directory = "/tmp/cores";
        fs::create_dir_all(directory).unwrap();
        fs::write(pattern, format!("{directory}/core")).unwrap();
    }
    let device = Device::open().unwrap();
    let mut events = device.events(&everything()).unwrap();
    let ends: [fn(); 6] = [
        || std::process::exit(0),
        || std::process::exit(1),
        || std::process::exit(255),
        || raise(Signal::SIGKILL).unwrap(),
        || raise(Signal::SIGTERM).unwrap(),
        || {
            let enough = 1 << 20;
            setrlimit(Resource::RLIMIT_CORE, enough, enough).unwrap();
            raise(Signal::SIGABRT).unwrap();
        },
    ];
    let mut statuses = Vec::new();
    for end in ends {
        // SAFETY: As in `Child::spawn()`.
        match unsafe { nix::unistd::fork() }.unwrap() {
            nix::unistd::ForkResult::Child => {
                end();
                // SAFETY: It only ends the process.
                unsafe { libc::_exit(99) }
            }
            nix::unistd::ForkResult::Parent { child } => {
                statuses.push((child.as_raw(), wait4(child.as_raw()).0));
            }
        }
    }
    let has_core = statuses.iter().any(|(_, status)| status.core_dumped());
    assert_eq!(has_core, pattern.exists());
    let told = rest(&mut events);
    for (pid, status) in statuses {
        let exit = told
            .iter()
            .filter(|event| event.pid == pid)
            .find_map(super::Told::exit);
        assert_eq!(exit.unwrap().status(), status);
    }
}

fn micros(time: libc::timeval) -> Duration {
    Duration::new(
        u64::try_from(time.tv_sec).unwrap(),
        u32::try_from(time.tv_usec).unwrap() * 1000,
    )
}

/// The usage at the end is that of wait4(2), which also has what it takes to take a process down.
#[test]
fn usage_is_that_of_wait4() {
    let _kernel = shared();
    let device = Device::open().unwrap();
    let mut events = device.events(&everything()).unwrap();
    // SAFETY: As in `Child::spawn()`.
    let pid = match unsafe { nix::unistd::fork() }.unwrap() {
        nix::unistd::ForkResult::Child => {
            // Faults, and switches by a thread that ends before its process.
            let memory = vec![1_u8; 8 << 20];
            std::thread::spawn(|| {
                for _ in 0..10 {
                    std::thread::sleep(Duration::from_millis(1));
                }
            })
            .join()
            .unwrap();
            let start = procfs::cpu_clock(own_pid());
            while procfs::cpu_clock(own_pid()) - start < Duration::from_millis(50) {}
            std::hint::black_box(memory);
            // SAFETY: It only ends the process.
            unsafe { libc::_exit(0) }
        }
        nix::unistd::ForkResult::Parent { child } => child.as_raw(),
    };
    let (_, usage) = wait4(pid);
    let told = about(&mut events, &[pid]);
    let exit = told.last().unwrap().exit().unwrap();
    let count = |count: libc::c_long| u64::try_from(count).unwrap();
    // The most memory at a time, exactly.
    assert_eq!(exit.max_resident(), count(usage.ru_maxrss) * 1024);
    assert!(exit.max_resident() >= 8 << 20);
    // What is taken down has no faults but a few on the way.
    let faults = count(usage.ru_minflt);
    assert!((1..=faults).contains(&exit.faults().minor), "{exit:?}");
    assert!(faults - exit.faults().minor < 16, "{exit:?} {faults}");
    let switches = count(usage.ru_nvcsw);
    assert!((10..=switches).contains(&exit.switches().voluntary));
    assert!(switches - exit.switches().voluntary < 16);
    assert!(exit.switches().involuntary <= count(usage.ru_nivcsw));
    let (user, system) = (micros(usage.ru_utime), micros(usage.ru_stime));
    assert!(exit.runtime() >= Duration::from_millis(50));
    // wait4(2) has whole microseconds.
    let all = user + system + Duration::from_micros(2);
    assert!(exit.user() + exit.system() <= all, "{exit:?}");
    assert!(exit.user() + exit.system() >= Duration::from_millis(50));
}

/// Threads have events of their own, and the process ends with the last of them, whichever that is.
#[test]
fn the_leader_may_end_before_its_threads() {
    let _kernel = shared();
    let device = Device::open().unwrap();
    let mut events = device.events(&everything()).unwrap();
    let child = Child::spawn(|| {
        let thread = std::thread::spawn(|| {
            procfs::wait_for_state(own_pid(), 'Z');
            // SAFETY: It only ends the process.
            unsafe { libc::_exit(5) }
        });
        std::mem::forget(thread);
        // SAFETY: It only ends this thread.
        unsafe { libc::syscall(libc::SYS_exit, 0) };
    });
    let pid = child.pid();
    let (status, _) = wait4(pid);
    std::mem::forget(child);
    assert_eq!(status.code(), Some(5));
    let told = about(&mut events, &[pid]);
    let tids: Vec<_> = told.iter().map(|event| event.tid).collect();
    assert_eq!(tids.len(), 4, "{told:#?}");
    let thread = tids[1];
    assert_eq!(tids, [pid, thread, pid, thread]);
    assert_eq!(told[3].exit().unwrap().status(), status);
    assert!(told.iter().all(|event| event.start == told[0].start));
}
