// SPDX-License-Identifier: GPL-2.0-only

//! Fields of a record, compared with `/proc`.

use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::thread;
use std::time::Duration;

use fixture::child::{Child, paused};
use fixture::memory::PAGE;
use fixture::{eventually, procfs, shared};
use nix::sys::prctl;
use nix::sys::ptrace;
use nix::sys::signal::Signal;
use nix::sys::wait::{Id, WaitPidFlag, waitid, waitpid};
use nix::unistd::{Pid, pause, pipe};
use procmon::State;
use procmon::snapshot::{Groups, Record};

use super::{all, own_pid, record_of, snapshot};

/// Returns the numbers behind a name in `/proc/PID/FILE`.
pub fn numbers(pid: i32, file: &str, name: &str) -> Vec<u64> {
    procfs::numbers_in(pid, file, &format!("{name}:")).unwrap()
}

pub fn ticks(time: Duration) -> i64 {
    // USER_HZ is 100 on x86-64.
    i64::try_from(time.as_nanos() / 10_000_000).unwrap()
}

/// Fails unless all fields of a record are those of `/proc`, for a process that does nothing.
pub fn same_as_proc(record: &Record) {
    let pid = record.pid();
    let stat = procfs::stat(pid).unwrap();
    let field = |number| procfs::number::<i64>(pid, number).unwrap();
    let state = record.state().letter();
    assert_eq!(record.tgid(), pid, "record.tgid of {pid}");
    assert_eq!(record.comm().as_bytes(), stat.comm, "record.comm of {pid}");
    assert_eq!(state, stat.state, "record.state of {pid}");
    assert_eq!(i64::from(record.ppid()), field(4), "record.ppid of {pid}");
    assert_eq!(
        i64::from(record.threads()),
        field(20),
        "record.threads of {pid}"
    );
    let is_kernel_thread = record.is_kernel_thread();
    assert_eq!(
        is_kernel_thread, stat.kernel_thread,
        "record.flags of {pid}"
    );

    let cpu = record.cpu().unwrap();
    for (name, value, number) in [
        ("utime", ticks(cpu.user), 14),
        ("stime", ticks(cpu.system), 15),
        ("start_time", ticks(cpu.start.since_boot()), 22),
        ("nice", cpu.nice.into(), 19),
        ("cpu", cpu.last.into(), 39),
        ("policy", cpu.policy.into(), 41),
    ] {
        assert_eq!(value, field(number), "record.{name} of {pid}");
    }

    let faults = record.faults().unwrap();
    let of = |number| u64::try_from(field(number)).unwrap();
    assert_eq!(faults.minor, of(10), "record.minor_faults of {pid}");
    assert_eq!(faults.major, of(12), "record.major_faults of {pid}");

    let credentials = record.credentials().unwrap();
    let uids = numbers(pid, "status", "Uid");
    let gids = numbers(pid, "status", "Gid");
    for (name, value, expected) in [
        ("uid", credentials.uid, uids[0]),
        ("euid", credentials.euid, uids[1]),
        ("gid", credentials.gid, gids[0]),
        ("egid", credentials.egid, gids[1]),
    ] {
        assert_eq!(u64::from(value), expected, "record.{name} of {pid}");
    }

    match record.memory() {
        Some(memory) => {
            let size = memory.virtual_size;
            assert_eq!(size, stat.vsize, "record.vsize of {pid}");
            let pages = memory.resident() / PAGE as u64;
            assert_eq!(i64::try_from(pages).unwrap(), field(24), "RSS of {pid}");
        }
        None => assert_eq!((stat.vsize, field(24)), (0, 0), "memory of {pid}"),
    }

    let switches = record.switches().unwrap();
    let of = |name| numbers(pid, "status", name)[0];
    let io = record.io().unwrap();
    let of_io = |name| numbers(pid, "io", name)[0];
    for (name, value, expected) in [
        (
            "voluntary_switches",
            switches.voluntary,
            of("voluntary_ctxt_switches"),
        ),
        (
            "involuntary_switches",
            switches.involuntary,
            of("nonvoluntary_ctxt_switches"),
        ),
        ("read_bytes", io.read, of_io("read_bytes")),
        ("write_bytes", io.written, of_io("write_bytes")),
    ] {
        assert_eq!(value, expected, "record.{name} of {pid}");
    }
}

/// A process that sleeps, one of another user, and a kernel thread.
#[test]
fn fields_are_those_of_proc() {
    let _kernel = shared();
    let child = paused();
    same_as_proc(&record_of(child.pid()));
    assert_eq!(record_of(child.pid()).ppid(), own_pid());
    child.kill();

    let unprivileged = Child::spawn(|| {
        fixture::child::drop_privileges();
        loop {
            pause();
        }
    });
    procfs::wait_for_state(unprivileged.pid(), 'S');
    eventually("another user", || {
        record_of(unprivileged.pid()).credentials().unwrap().uid == 65534
    });
    same_as_proc(&record_of(unprivileged.pid()));
    unprivileged.kill();

    let kthreadd = record_of(2);
    same_as_proc(&kthreadd);
    assert!(kthreadd.is_kernel_thread());
    assert_eq!(kthreadd.memory(), None);
    assert_eq!(kthreadd.groups(), Groups::all() - Groups::MEMORY);
}

/// A process that has used CPU time and memory, with page faults.
#[test]
fn a_process_that_was_at_work() {
    let _kernel = shared();
    let child = Child::spawn(|| {
        // With huge pages there would be few faults.
        prctl::set_thp_disable(true).unwrap();
        let mut sum = 0u64;
        let memory = vec![1u8; 4 << 20];
        for _ in 0..5 {
            sum += memory
                .iter()
                .step_by(64)
                .map(|&byte| u64::from(byte))
                .sum::<u64>();
            fs::read_to_string("/proc/self/maps").unwrap();
        }
        assert!(sum > 0);
        loop {
            pause();
        }
    });
    eventually("4 MiB", || {
        record_of(child.pid())
            .memory()
            .is_some_and(|memory| memory.resident() > 4 << 20)
    });
    procfs::wait_for_pause(child.pid());
    let record = record_of(child.pid());
    same_as_proc(&record);
    assert!(record.faults().unwrap().minor > 500);
    assert!(record.cpu().unwrap().user + record.cpu().unwrap().system > Duration::ZERO);
    child.kill();
}

/// Stopped and traced processes, and zombies.
#[test]
fn states_are_those_of_proc() {
    let _kernel = shared();
    let child = paused();
    child.signal(Signal::SIGSTOP);
    procfs::wait_for_state(child.pid(), 'T');
    let state = record_of(child.pid()).state();
    assert_eq!(state, State::Stopped, "record.state");
    same_as_proc(&record_of(child.pid()));
    let pid = Pid::from_raw(child.pid());
    child.signal(Signal::SIGCONT);
    procfs::wait_for_state(child.pid(), 'S');
    ptrace::seize(pid, ptrace::Options::empty()).unwrap();
    ptrace::interrupt(pid).unwrap();
    procfs::wait_for_state(child.pid(), 't');
    let state = record_of(child.pid()).state();
    assert_eq!(state, State::Traced, "record.state");
    same_as_proc(&record_of(child.pid()));
    waitpid(pid, None).unwrap();
    ptrace::detach(pid, None).unwrap();
    child.signal(Signal::SIGKILL);
    waitid(Id::Pid(pid), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT).unwrap();
    let zombie = record_of(child.pid());
    assert_eq!(zombie.state(), State::Zombie, "record.state");
    assert!(zombie.is_exiting(), "record.flags");
    assert_eq!(zombie.memory(), None);
    child.kill();
}

/// The record of a process has the sums of all its threads, those that have exited included.
#[test]
fn many_threads() {
    const THREADS: u32 = 100;
    const ENDED: u64 = 20;

    let _kernel = shared();
    let (reader, writer) = pipe().unwrap();
    let child = Child::spawn(move || {
        let writer: &'static OwnedFd = Box::leak(Box::new(writer));
        thread::scope(|scope| {
            for _ in 0..ENDED {
                scope.spawn(|| {
                    fs::read_to_string("/proc/self/maps").unwrap();
                    // Gives up the CPU at least once.
                    thread::sleep(Duration::from_millis(1));
                });
            }
        });
        // Threads whose work is done may still be exiting.
        eventually("one thread", || {
            fs::read_dir("/proc/self/task").unwrap().count() == 1
        });
        for _ in 0..THREADS {
            thread::spawn(move || {
                fs::read_to_string("/proc/self/maps").unwrap();
                nix::unistd::write(writer, b".").unwrap();
                pause();
            });
        }
        pause();
    });
    for _ in 0..THREADS {
        assert_eq!(nix::unistd::read(&reader, &mut [0]), Ok(1));
    }
    for tid in procfs::tids(child.pid()) {
        procfs::wait_for_pause(tid);
    }
    let record = record_of(child.pid());
    assert_eq!(record.threads(), THREADS + 1);
    let stat = procfs::stat(child.pid()).unwrap();
    let field = |number| procfs::number::<i64>(child.pid(), number).unwrap();
    let minor = i64::try_from(record.faults().unwrap().minor).unwrap();
    assert_eq!(field(20), i64::from(THREADS + 1));
    assert_eq!(minor, field(10));
    assert_eq!(ticks(record.cpu().unwrap().user), field(14));
    assert_eq!(ticks(record.cpu().unwrap().system), field(15));
    assert_eq!(record.memory().unwrap().virtual_size, stat.vsize);
    let io = record.io().unwrap();
    assert_eq!(io.read, numbers(child.pid(), "io", "read_bytes")[0]);
    // The counts in `status` are the leader's alone. Exited threads count as well.
    let threads = snapshot(&all().threads(true).tgid(child.pid()));
    assert_eq!(threads.len(), THREADS as usize + 1);
    let sum: u64 = threads
        .iter()
        .map(|thread| thread.switches().unwrap().voluntary)
        .sum();
    let voluntary = record.switches().unwrap().voluntary;
    assert!(voluntary >= sum + ENDED, "{voluntary}, {sum}");
    child.kill();
}

/// The ID of a cgroup is the inode number of its directory.
#[test]
fn cgroup_ids_are_inode_numbers() {
    let _kernel = shared();
    let root = "/tmp/cgroup";
    fs::create_dir_all(root).unwrap();
    let mount = nix::mount::mount(
        Some("none"),
        root,
        Some("cgroup2"),
        nix::mount::MsFlags::empty(),
        None::<&str>,
    );
    if let Err(errno) = mount {
        return fixture::skip(format!("cgroup2: {errno}"));
    }
    let child = paused();
    let directory = format!("{root}/procmon");
    fs::create_dir(&directory).unwrap();
    fs::write(format!("{directory}/cgroup.procs"), child.pid().to_string()).unwrap();
    let id = record_of(child.pid()).cgroup_id();
    let own = record_of(own_pid()).cgroup_id();
    let inode = |path: &str| Some(fs::metadata(path).unwrap().ino());
    assert_eq!(id, inode(&directory), "record.cgroup_id");
    assert_eq!(own, inode(root), "record.cgroup_id");
    child.kill();
    eventually("the cgroup is empty", || fs::remove_dir(&directory).is_ok());
    nix::mount::umount(root).unwrap();
}
