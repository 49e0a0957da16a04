// SPDX-License-Identifier: GPL-2.0-only

//! Fields of events with values that are neither the default nor those of the fields beside them,
//! compared with `/proc` and wait4(2). `tests/mutants/fields` tells which test is for which field.

use std::fs;
use std::io::{Read, Write, pipe};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::thread;
use std::time::Duration;

use fixture::child::{Child, at_rest_after, stay_on};
use fixture::disk::Disk;
use fixture::memory::PAGE;
use fixture::{leave_out, procfs, shared, skip};
use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::sys::prctl;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::signal::Signal;
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::{Gid, Pid, Uid, gettid, setresgid, setresuid};
use procmon::events::{EventFlags, EventKind};
use procmon::{Device, Groups, SnapshotOptions};

use super::values::{own_pid, wait4};
use super::{each, everything, rest};
use crate::snapshot::values::{Ramfs, touch, use_disk};

/// Makes a cgroup with this name. Returns its directory.
pub fn cgroup(name: &str) -> Option<String> {
    let root = "/tmp/events-cgroup";
    fs::create_dir_all(root).unwrap();
    // Another test may have mounted it.
    if !Path::new(root).join("cgroup.procs").exists() {
        let flags = MsFlags::empty();
        let mounted = mount(Some("none"), root, Some("cgroup2"), flags, None::<&str>);
        if let Err(errno) = mounted {
            skip(format!("cgroup2: {errno}"));
            return None;
        }
    }
    let directory = format!("{root}/{name}");
    fs::create_dir_all(&directory).unwrap();
    Some(directory)
}

/// Makes a child of the own parent. Returns 0 in the child.
fn clone_parent() -> i32 {
    // SAFETY: Zeroes mean that nothing is wanted.
    let mut arguments: libc::clone_args = unsafe { std::mem::zeroed() };
    // Its signal is that of the caller then.
    arguments.flags = libc::CLONE_PARENT as u64;
    // SAFETY: As fork(2) in `Child::spawn()`.
    let result = unsafe {
        libc::syscall(
            libc::SYS_clone3,
            &raw const arguments,
            size_of_val(&arguments),
        )
    };
    i32::try_from(Errno::result(result).unwrap()).unwrap()
}

/// A process with other users, groups, CPU, cgroup and creator than any other one, whose second
/// thread executes a program.
#[test]
fn a_process_like_no_other() {
    let _kernel = shared();
    let Some(directory) = cgroup("like-no-other") else {
        return;
    };
    let cgroup = fs::metadata(&directory).unwrap().ino();
    let device = Device::open().unwrap();
    let mut events = device.events(&everything().max_arguments(8)).unwrap();
    let (mut tids, mut report) = pipe().unwrap();
    let maker = Child::spawn(move || {
        fs::write(format!("{directory}/cgroup.procs"), "0").unwrap();
        stay_on(1);
        prctl::set_name(c"maker").unwrap();
        let [group, effective_group] = [3000, 4000].map(Gid::from_raw);
        let [user, effective_user] = [1000, 2000].map(Uid::from_raw);
        setresgid(group, effective_group, effective_group).unwrap();
        setresuid(user, effective_user, effective_user).unwrap();
        let pid = clone_parent();
        if pid != 0 {
            return report.write_all(&pid.to_ne_bytes()).unwrap();
        }
        let thread = thread::spawn(move || {
            report.write_all(&gettid().as_raw().to_ne_bytes()).unwrap();
            let arguments = [c"true", c"a long argument"];
            nix::unistd::execv(c"/bin/true", &arguments).unwrap();
        });
        thread.join().unwrap();
    });
    let mut numbers = [[0; 4]; 2];
    for number in &mut numbers {
        tids.read_exact(number).unwrap();
    }
    let numbers = numbers.map(i32::from_ne_bytes);
    let maker_pid = maker.pid();
    let [pid, tid] = [numbers[0].min(numbers[1]), numbers[0].max(numbers[1])];
    assert!(maker_pid < pid && pid < tid);
    let start = procfs::start_time(pid);
    wait4(pid);
    let options = SnapshotOptions::new().groups(Groups::CPU);
    let own_start = device.snapshot(&options.clone().tgid(own_pid())).unwrap();
    let own_start = own_start.records()[0].cpu().unwrap().start;
    maker.join();
    let mut maker_start = None;
    let mut kinds = Vec::new();
    each(&mut events, |event| {
        if event.pid() == maker_pid {
            maker_start = Some(event.start());
        }
        if event.pid() != pid {
            return;
        }
        assert_eq!(event.ppid(), own_pid(), "event.ppid");
        assert_eq!(event.cpu(), 1, "event.cpu");
        assert_eq!(event.uid(), 1000, "event.uid");
        // The program itself gives up rights that it does not need.
        if !matches!(event.kind(), EventKind::Exit(_)) {
            assert_eq!(event.euid(), 2000, "event.euid");
        }
        assert_eq!(event.cgroup_id(), cgroup, "event.cgroup_id");
        if let Some(start) = start {
            let hundredths = event.start().since_boot().as_nanos() / 10_000_000;
            assert_eq!(hundredths, start, "event.start_time");
        }
        kinds.push(event.kind().name());
        match event.kind() {
            EventKind::Fork(fork) => {
                assert_eq!(event.tid(), pid, "event.pid, event.type");
                assert_eq!(
                    fork.clone_flags(),
                    libc::CLONE_PARENT as u64,
                    "event_fork.clone_flags"
                );
                assert_eq!(
                    fork.parent_start(),
                    own_start,
                    "event_fork.parent_start_time"
                );
                assert_eq!(
                    Some(fork.creator_start()),
                    maker_start,
                    "event_fork.creator_start_time"
                );
                assert_eq!(fork.creator(), maker_pid, "event_fork.creator_tgid");
                assert_eq!(fork.comm(), "maker", "event_fork.comm");
            }
            EventKind::ThreadStart(fork) => {
                assert_eq!(event.tid(), tid, "event.pid");
                assert_eq!(fork.creator(), pid, "event_fork.creator_tgid");
                assert_eq!(fork.creator_tid(), pid, "event_fork.creator");
            }
            EventKind::Exec(exec) => {
                assert_eq!(exec.old_tid(), tid, "event_exec.old_pid");
                assert_eq!(exec.credentials().gid, 3000, "event_exec.gid");
                assert_eq!(exec.credentials().egid, 4000, "event_exec.egid");
                assert_eq!(exec.file(), "/bin/true", "event_exec.name_size, event.tail");
                assert_eq!(exec.arguments_size(), 21, "event_exec.args_size");
                let arguments: Vec<_> = exec.arguments().collect();
                assert_eq!(arguments, ["true", "a l"], "event_exec.args_stored");
                assert_eq!(exec.comm(), "true", "event_exec.comm");
                let marks = EventFlags::TRUNCATED | EventFlags::PROTECTED;
                assert_eq!(event.flags(), marks, "event.flags");
            }
            EventKind::Exit(exit) => {
                assert_eq!(exit.gid(), 3000, "event_exit.gid");
                assert_eq!(exit.comm(), "true", "event_exit.comm");
            }
            EventKind::Rename(rename) => {
                assert_eq!(rename.old_comm(), "maker", "event_comm.old_comm");
                assert_eq!(rename.comm(), "true", "event_comm.comm");
            }
            _ => {}
        }
    });
    // The main thread ends before its process, which the other thread takes over.
    let expected = [
        "fork",
        "thread-start",
        "thread-exit",
        "rename",
        "exec",
        "exit",
    ];
    assert_eq!(
        kinds, expected,
        "event.tgid, event.type, event.start_time, event.tail"
    );
}

/// The usage of a process lies between what `/proc` shows before it is killed and of its zombie.
#[test]
fn the_usage_of_a_life() {
    let _kernel = shared();
    let Some(disk) = Disk::load() else {
        return leave_out("the kernel has no disks");
    };
    let _ramfs = Ramfs::mount();
    let device = Device::open().unwrap();
    let mut events = device.events(&everything()).unwrap();
    let (mut sums, mut report) = pipe().unwrap();
    let used = || {
        // SAFETY: Zeroes are a result, which the call then writes.
        let mut times: libc::tms = unsafe { std::mem::zeroed() };
        // SAFETY: The pointer is valid.
        unsafe { libc::times(&raw mut times) };
        [times.tms_utime, times.tms_stime]
    };
    let work = |system: i64, user: i64| {
        while used()[1] < system {
            fs::read_to_string("/proc/self/maps").unwrap();
        }
        while used()[0] < used()[1] + user {
            for _ in 0..100_000 {
                std::hint::spin_loop();
            }
        }
    };
    let private = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    let disk = &disk;
    let child = at_rest_after(move || {
        prctl::set_name(c"all its life").unwrap();
        Child::spawn(|| {
            let file = Ramfs::sparse("of-child", 20 * PAGE);
            touch(20 * PAGE, libc::MAP_PRIVATE, Some(&file));
            touch(16 << 20, private, None);
            work(3, 20);
        })
        .join();
        let usage = getrusage(UsageWho::RUSAGE_CHILDREN).unwrap();
        report.write_all(&usage.max_rss().to_ne_bytes()).unwrap();
        stay_on(1);
        let rival = Child::spawn(|| {
            loop {
                std::hint::spin_loop();
            }
        });
        let file = Ramfs::sparse("own", 60 * PAGE);
        touch(60 * PAGE, libc::MAP_PRIVATE, Some(&file));
        touch(32 << 20, private, None);
        use_disk(disk);
        for _ in 0..40 {
            nix::sched::sched_yield().unwrap();
        }
        work(5, 8);
        rival.kill();
        for _ in 0..200 {
            thread::sleep(Duration::from_millis(1));
        }
    });
    let pid = child.pid();
    let mut child_max = [0; 8];
    sums.read_exact(&mut child_max).unwrap();
    let child_max = u64::try_from(i64::from_ne_bytes(child_max)).unwrap() * 1024;
    let before = Account::of(pid);
    child.signal(Signal::SIGKILL);
    let zombie = WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT;
    waitid(Id::Pid(Pid::from_raw(pid)), zombie).unwrap();
    let after = Account::of(pid);
    let (status, usage) = wait4(pid);
    std::mem::forget(child);
    let most = u64::try_from(usage.ru_maxrss).unwrap() * 1024;
    let mut found = None;
    each(&mut events, |event| {
        if let (true, EventKind::Exit(exit)) = (event.pid() == pid, event.kind()) {
            found = Some(exit);
        }
    });
    let exit = found.expect("event.type, event.tgid");
    assert_eq!(status.signal(), Some(9));
    assert_eq!(exit.status(), status, "event_exit.status");
    assert_eq!(exit.comm(), "all its life", "event_exit.comm");
    let ticks = |time: Duration| u64::try_from(time.as_nanos() / 10_000_000).unwrap();
    let nanoseconds = |time: Duration| u64::try_from(time.as_nanos()).unwrap();
    let (child_user, child_system) = exit.child_times();
    let values = [
        ticks(exit.user()),
        ticks(exit.system()),
        nanoseconds(exit.runtime()),
        exit.faults().minor,
        exit.faults().major,
        exit.switches().voluntary,
        exit.switches().involuntary,
        exit.io().read,
        exit.io().written,
        nanoseconds(exit.wait_time()),
        ticks(child_user),
        ticks(child_system),
        exit.child_faults().minor,
        exit.child_faults().major,
    ];
    assert!(before.0.iter().all(|value| *value > 0), "{:?}", before.0);
    for (((name, value), before), after) in
        Account::NAMES.iter().zip(values).zip(before.0).zip(after.0)
    {
        assert!(
            (before..=after).contains(&value),
            "event_exit.{name} is {value}, and not from {before} to {after}"
        );
    }
    assert_eq!(exit.max_resident(), most, "event_exit.max_rss");
    assert_eq!(
        exit.child_max_resident(),
        child_max,
        "event_exit.child_max_rss"
    );
    // That of wait4(2) is the larger one of both.
    assert!(child_max < most);
}

/// The usage of a process and its children as `/proc` shows it.
struct Account([u64; 14]);

impl Account {
    const NAMES: [&str; 14] = [
        "utime",
        "stime",
        "runtime",
        "minor_faults",
        "major_faults",
        "voluntary_switches",
        "involuntary_switches",
        "read_bytes",
        "write_bytes",
        "wait_time",
        "child_utime",
        "child_stime",
        "child_minor_faults",
        "child_major_faults",
    ];

    fn of(pid: i32) -> Self {
        let stat = |number| procfs::number::<u64>(pid, number).unwrap();
        let status = |name| procfs::numbers_in::<u64>(pid, "status", name).unwrap()[0];
        let io = |name| procfs::numbers_in::<u64>(pid, "io", name).unwrap()[0];
        let schedstat = procfs::numbers_in::<u64>(pid, "schedstat", "").unwrap();
        Self([
            stat(14),
            stat(15),
            schedstat[0],
            stat(10),
            stat(12),
            status("voluntary_ctxt_switches:"),
            status("nonvoluntary_ctxt_switches:"),
            io("read_bytes:"),
            io("write_bytes:"),
            schedstat[1],
            stat(16),
            stat(17),
            stat(11),
            stat(13),
        ])
    }
}

/// A move of a kernel thread to another cgroup.
#[test]
fn a_kernel_thread_is_moved() {
    let _kernel = shared();
    let Some(directory) = cgroup("of-kernel-thread") else {
        return;
    };
    let cgroup = fs::metadata(&directory).unwrap().ino();
    let is_monitor =
        |pid: &i32| procfs::stat(*pid).is_some_and(|stat| stat.comm == b"procmon_monitor");
    let monitor = procfs::pids().into_iter().find(is_monitor).unwrap();
    let device = Device::open().unwrap();
    let mut events = device.events(&everything()).unwrap();
    fs::write(format!("{directory}/cgroup.procs"), monitor.to_string()).unwrap();
    let mut moves = 0;
    each(&mut events, |event| {
        if let (true, EventKind::Cgroup(to)) = (event.pid() == monitor, event.kind()) {
            moves += 1;
            assert_eq!(to.id, cgroup, "event_cgroup.new_cgroup_id");
            assert_eq!(to.path, "/of-kernel-thread");
            assert_eq!(event.flags(), EventFlags::KERNEL_THREAD, "event.flags");
        }
    });
    assert_eq!(moves, 1, "event.type");
}

/// A thread of io_uring is a worker.
#[test]
fn a_worker_is_marked() {
    /// `IORING_SETUP_SQPOLL`: a thread of the kernel takes the requests.
    const SQPOLL: u32 = 1 << 1;

    let _kernel = shared();
    let device = Device::open().unwrap();
    let mut events = device.events(&everything()).unwrap();
    // The third word of `struct io_uring_params` has the flags.
    let mut parameters = [0_u32; 30];
    parameters[2] = SQPOLL;
    // SAFETY: The struct has 120 bytes, and zeroes mean that nothing else is wanted.
    let result = unsafe { libc::syscall(libc::SYS_io_uring_setup, 1, &raw mut parameters) };
    if let Err(errno) = Errno::result(result) {
        return leave_out(format!("io_uring: {errno}"));
    }
    let mut workers = 0;
    each(&mut events, |event| {
        if let (true, EventKind::ThreadStart(_)) = (event.pid() == own_pid(), event.kind()) {
            workers += 1;
            assert_eq!(event.flags(), EventFlags::WORKER, "event.flags");
        }
    });
    assert_eq!(workers, 1);
}

/// The results of a call: its counts, and what the ring has.
#[test]
fn results_of_a_call_for_events() {
    let _kernel = shared();
    let device = Device::open().unwrap();
    let mut events = device.events(&everything()).unwrap();
    let first = events.sequence();
    Child::spawn(|| ()).join();
    let snapshot = device.snapshot(&SnapshotOptions::new()).unwrap();
    let told = rest(&mut events).len() as u64;
    assert!(told >= 2, "events.bytes");
    assert!(
        first > 0 && events.sequence() >= first + told,
        "events.sequence"
    );
    assert!(events.newest() + 1 >= events.sequence(), "events.newest");
    assert!((1..=first).contains(&events.oldest()), "events.oldest");
    let newest = first + told - 1;
    assert!(
        (newest..=events.newest()).contains(&snapshot.sequence()),
        "snapshot.sequence"
    );
}
