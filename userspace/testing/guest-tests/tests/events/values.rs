// SPDX-License-Identifier: GPL-2.0-only

//! Values of events, compared with those of wait4(2) and `/proc`.

use std::fs;
use std::mem::MaybeUninit;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, ExitStatus};
use std::time::Duration;

use fixture::child::Child;
use fixture::memory::PAGE;
use fixture::{procfs, shared};
use libc::rusage;
use nix::errno::Errno;
use nix::sys::resource::{Resource, UsageWho, getrusage, setrlimit};
use nix::sys::signal::{Signal, raise};
use nix::time::{ClockId, clock_gettime};
use procmon::events::Exit;
use procmon::{BootTime, Device};

use super::{Life, Told, about, end_of, everything, rest};
use crate::snapshot::values::touch;

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
    let before = BootTime::now().since_boot();
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
    let now = BootTime::now().since_boot();
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

/// Lets processes dump core, if the kernel can. Returns whether it can.
pub fn allow_cores() -> bool {
    let pattern = Path::new("/proc/sys/kernel/core_pattern");
    if pattern.exists() {
        // Where that goes does not matter.
        let directory = "/tmp/cores";
        fs::create_dir_all(directory).unwrap();
        fs::write(pattern, format!("{directory}/core")).unwrap();
    }
    pattern.exists()
}

/// Each way to end has the status of wait(2), a core dump included.
#[test]
fn statuses_are_those_of_wait() {
    let _kernel = shared();
    let can_dump = allow_cores();
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
    assert_eq!(has_core, can_dump);
    let told = rest(&mut events);
    for (pid, status) in statuses {
        let exit = told
            .iter()
            .filter(|event| event.pid == pid)
            .find_map(Told::exit);
        assert_eq!(exit.unwrap().status(), status);
    }
}

fn micros(time: libc::timeval) -> Duration {
    Duration::new(
        u64::try_from(time.tv_sec).unwrap(),
        u32::try_from(time.tv_usec).unwrap() * 1000,
    )
}

/// Fails unless the usage of a process and of its children is that of wait4(2) but for what it
/// takes to take the process down before `reaped`, for which there is a bound for each value.
fn is_usage_of_wait4(told: &Told, usage: &rusage, reaped: BootTime) {
    /// The most faults and waits on the way down. What is unmapped has none.
    const FEW: u64 = 16;

    let exit = told.exit().unwrap();
    let bound = |name: &str, value: u64, whole: libc::c_long, most: u64| {
        let whole = u64::try_from(whole).unwrap();
        assert!(
            value <= whole && whole - value <= most,
            "{name}: {value}, and {whole} by wait4, {exit:?}"
        );
    };
    // No longer than all CPUs can have given in between.
    let cpus = std::thread::available_parallelism().unwrap().get();
    let between = (reaped.since_boot() - told.time) * u32::try_from(cpus).unwrap();
    let most = exit.max_resident().max(exit.child_max_resident());
    assert_eq!(most, u64::try_from(usage.ru_maxrss).unwrap() * 1024);
    let (faults, of_children) = (exit.faults(), exit.child_faults());
    let minor = faults.minor + of_children.minor;
    bound("minor faults", minor, usage.ru_minflt, FEW);
    let major = faults.major + of_children.major;
    bound("major faults", major, usage.ru_majflt, 0);
    let switches = exit.switches();
    if exit.child_times() == Default::default() {
        // An event has none of these of children, and a block has 512 bytes.
        bound("waits", switches.voluntary, usage.ru_nvcsw, FEW);
        // Who else has work decides on these, and none takes less than a microsecond.
        let most = u64::try_from(between.as_micros()).unwrap();
        bound("others", switches.involuntary, usage.ru_nivcsw, most);
        bound("read", exit.io().read / 512, usage.ru_inblock, 0);
        bound("written", exit.io().written / 512, usage.ru_oublock, 0);
    }
    let (child_user, child_system) = exit.child_times();
    let times = exit.user() + exit.system() + child_user + child_system;
    // wait4(2) has whole microseconds.
    let rounding = Duration::from_micros(2);
    let whole = micros(usage.ru_utime) + micros(usage.ru_stime);
    assert!(times <= whole + rounding, "{whole:?}, {exit:?}");
    assert!(whole <= times + between, "{whole:?}, {between:?} {exit:?}");
}

/// Sleeps until this thread has given up the CPU that often. A sleep that is over before it has
/// begun does not count.
fn sleep_until(switches: i64) {
    let count = || {
        let usage = getrusage(UsageWho::RUSAGE_THREAD).unwrap();
        usage.voluntary_context_switches()
    };
    while count() < switches {
        std::thread::sleep(Duration::from_millis(1));
    }
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
            std::thread::spawn(|| sleep_until(10)).join().unwrap();
            let start = procfs::cpu_clock(own_pid());
            while procfs::cpu_clock(own_pid()) - start < Duration::from_millis(50) {}
            std::hint::black_box(memory);
            // SAFETY: It only ends the process.
            unsafe { libc::_exit(0) }
        }
        nix::unistd::ForkResult::Parent { child } => child.as_raw(),
    };
    let (_, usage) = wait4(pid);
    let reaped = BootTime::now();
    let told = about(&mut events, &[pid]);
    is_usage_of_wait4(told.last().unwrap(), &usage, reaped);
    let exit = end_of(&told, pid);
    assert!(exit.max_resident() >= 8 << 20);
    assert!(exit.faults().minor > 0 && exit.switches().voluntary >= 10);
    assert!(exit.runtime() >= Duration::from_millis(50));
    assert!(exit.user() + exit.system() >= Duration::from_millis(50));
}

/// The usage of a process that has waited for others has theirs as wait4(2) had it for them.
#[test]
fn usage_of_children_is_that_of_wait4() {
    let _kernel = shared();
    let device = Device::open().unwrap();
    let mut events = device.events(&everything()).unwrap();
    let child = Child::spawn(|| {
        for pages in [500, 900] {
            Child::spawn(|| {
                touch(pages * PAGE, libc::MAP_SHARED | libc::MAP_ANONYMOUS, None);
                let start = procfs::cpu_clock(own_pid());
                while procfs::cpu_clock(own_pid()) - start < Duration::from_millis(30) {}
            })
            .join();
        }
    });
    let pid = child.pid();
    std::mem::forget(child);
    let (_, usage) = wait4(pid);
    let reaped = BootTime::now();
    let told = rest(&mut events);
    let of_children = |told: &&Told| told.ppid == pid && told.kind == "exit";
    let children: Vec<_> = told.iter().filter(of_children).collect();
    assert_eq!(children.len(), 2);
    let end = |told: &&Told| told.pid == pid && told.kind == "exit";
    is_usage_of_wait4(told.iter().find(end).unwrap(), &usage, reaped);
    let exit = end_of(&told, pid);
    let sum = |of: fn(&Exit) -> u64| children.iter().filter_map(|told| told.exit()).map(of).sum();
    let minor: u64 = sum(|exit| exit.faults().minor);
    let of_children = exit.child_faults();
    assert!((minor..minor + 32).contains(&of_children.minor), "{exit:?}");
    assert!(minor >= 1400, "{exit:?}");
    assert_eq!(of_children.major, sum(|exit| exit.faults().major));
    let (user, system) = exit.child_times();
    assert!(user + system >= Duration::from_millis(60), "{exit:?}");
    let most = children.iter().filter_map(|told| told.exit());
    let most = most.map(Exit::max_resident).max();
    assert_eq!(Some(exit.child_max_resident()), most);
}

/// The usage of a process is that of all its threads, of the main thread too if that has ended
/// before the others, and the process ends once.
#[test]
fn usage_with_a_main_thread_that_has_ended() {
    let _kernel = shared();
    let device = Device::open().unwrap();
    let mut events = device.events(&everything()).unwrap();
    let used = || {
        let clock = ClockId::CLOCK_THREAD_CPUTIME_ID;
        Duration::from(clock_gettime(clock).unwrap())
    };
    let work = move |pages: usize| {
        touch(pages * PAGE, libc::MAP_SHARED | libc::MAP_ANONYMOUS, None);
        sleep_until(10);
        while used() < Duration::from_millis(40) {}
    };
    let child = Child::spawn(move || {
        std::mem::forget(std::thread::spawn(move || {
            procfs::wait_for_state(own_pid(), 'Z');
            work(700);
            // SAFETY: It only ends the process.
            unsafe { libc::_exit(5) }
        }));
        work(1500);
        // SAFETY: It only ends this thread.
        unsafe { libc::syscall(libc::SYS_exit, 6) };
    });
    let pid = child.pid();
    std::mem::forget(child);
    let (status, usage) = wait4(pid);
    let reaped = BootTime::now();
    assert_eq!(status.code(), Some(5));
    let told = about(&mut events, &[pid]);
    let exit = end_of(&told, pid);
    assert_eq!(exit.status(), status);
    let [.., of_main, of_last] = &told[..] else {
        panic!("{told:#?}");
    };
    assert_eq!((of_main.kind, of_main.tid), ("thread-exit", pid));
    assert!(of_last.kind == "exit" && of_last.tid != pid);
    is_usage_of_wait4(of_last, &usage, reaped);
    let main = of_main.exit().unwrap();
    assert_eq!(main.status().code(), Some(6));
    // Each has done its part.
    let part = Duration::from_millis(40);
    assert!(main.runtime() >= part && exit.runtime() >= main.runtime() + part);
    assert!(main.faults().minor >= 1500);
    assert!(exit.faults().minor >= main.faults().minor + 700);
    assert!(main.switches().voluntary >= 10);
    assert!(exit.switches().voluntary >= main.switches().voluntary + 10);
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
