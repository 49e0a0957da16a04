// SPDX-License-Identifier: GPL-2.0-only

//! Fields with values that are neither the default nor those of the fields beside them, compared
//! with `/proc` and other sources. `tests/mutants/fields` tells which test is for which field.

use std::collections::BTreeSet;
use std::ffi::c_int;
use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::ptr;
use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use fixture::child::{Child, at_rest_after, crowd, kill_all, set_policy, stay_on};
use fixture::disk::Disk;
use fixture::memory::{PAGE, Region};
use fixture::{eventually, leave_out, procfs, shared};
use nix::errno::Errno;
use nix::mount::{MsFlags, mount, umount};
use nix::sys::prctl;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;
use nix::time::ClockId;
use nix::unistd::{Gid, Uid, setgroups, setresgid, setresuid};
use procmon::snapshot::{Groups, Record, SnapshotOptions};
use procmon::uapi;

use super::fields::{numbers, same_as_proc, ticks};
use super::{RECORD, all, arguments, call, own_pid, record_of, snapshot};

/// Fails unless all values differ from each other and from 0, so that none can stand for another.
fn telling<T: Copy + Default + Ord>(values: &[T]) {
    let different: BTreeSet<_> = values.iter().copied().chain([T::default()]).collect();
    assert_eq!(different.len(), values.len() + 1, "values are alike");
}

/// The record of a thread that is not the first of its process.
#[test]
fn a_thread_among_others() {
    let _kernel = shared();
    let child = at_rest_after(|| {
        let named = Box::leak(Box::new(Barrier::new(3)));
        for name in [c"second", c"third"] {
            thread::spawn(|| {
                prctl::set_name(name).unwrap();
                named.wait();
                nix::unistd::pause();
            });
        }
        named.wait();
    });
    let pid = child.pid();
    let mut tids = procfs::tids(pid);
    tids.sort_unstable();
    for &tid in &tids {
        procfs::wait_for_state(tid, 'S');
    }
    let records = snapshot(&all().threads(true).tgid(pid));
    assert_eq!(records.len(), tids.len());
    telling(&[tids[1], pid, own_pid(), 3]);
    for (record, tid) in records.iter().zip(tids) {
        let stat = procfs::stat(tid).unwrap();
        let of = |name| i32::try_from(numbers(tid, "status", name)[0]).unwrap();
        assert_eq!(record.groups(), Groups::all(), "record.groups");
        assert_eq!(record.pid(), tid, "record.pid");
        assert_eq!(record.tgid(), of("Tgid"), "record.tgid");
        assert_eq!(record.ppid(), of("PPid"), "record.ppid");
        assert_eq!(record.threads(), of("Threads") as u32, "record.threads");
        assert_eq!(record.comm().as_bytes(), stat.comm, "record.comm");
        assert_eq!(record.state().letter(), stat.state, "record.state");
    }
    assert_eq!(records[1].comm(), "second");
    child.kill();
}

/// Each policy, nice values on both sides of 0, and a CPU that is not the first.
#[test]
fn policies_and_priorities() {
    let _kernel = shared();
    for (policy, priority, nice) in [
        (libc::SCHED_OTHER, 0, -20),
        (libc::SCHED_BATCH, 0, 5),
        (libc::SCHED_IDLE, 0, 19),
        (libc::SCHED_FIFO, 10, -7),
        (libc::SCHED_RR, 20, 3),
    ] {
        let child = at_rest_after(|| {
            stay_on(1);
            // SAFETY: The call takes numbers only.
            let result = unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, nice) };
            Errno::result(result).unwrap();
            set_policy(policy, priority);
        });
        let record = record_of(child.pid());
        same_as_proc(&record);
        let cpu = record.cpu().unwrap();
        assert_eq!(cpu.last, 1, "record.cpu");
        assert_eq!(cpu.nice, nice, "record.nice");
        assert_eq!(cpu.policy, policy as u32, "record.policy");
        child.kill();
    }
}

/// A process with four different users and groups.
#[test]
fn users_and_groups_that_differ() {
    let _kernel = shared();
    let child = at_rest_after(|| {
        setgroups(&[]).unwrap();
        let [gid, egid] = [1003, 1004].map(Gid::from_raw);
        setresgid(gid, egid, egid).unwrap();
        let [uid, euid] = [1001, 1002].map(Uid::from_raw);
        setresuid(uid, euid, euid).unwrap();
    });
    let record = record_of(child.pid());
    same_as_proc(&record);
    let credentials = record.credentials().unwrap();
    telling(&[
        credentials.uid,
        credentials.euid,
        credentials.gid,
        credentials.egid,
    ]);
    child.kill();
}

/// Returns this process's user and system time, in hundredths of a second.
fn own_ticks() -> [i64; 2] {
    let usage = getrusage(UsageWho::RUSAGE_SELF).unwrap();
    let ticks = |time: TimeVal| time.tv_sec() * 100 + time.tv_usec() / 10_000;
    [ticks(usage.user_time()), ticks(usage.system_time())]
}

/// A process that has used more time in user space than in the kernel.
#[test]
fn times_that_differ() {
    let _kernel = shared();
    let child = at_rest_after(|| {
        let compute = || {
            for _ in 0..100_000 {
                std::hint::spin_loop();
            }
        };
        while own_ticks()[0] < 10 {
            compute();
        }
        while own_ticks()[1] < 5 {
            fs::read_to_string("/proc/self/maps").unwrap();
        }
        while own_ticks()[0] < own_ticks()[1] + 10 {
            compute();
        }
    });
    let pid = child.pid();
    let (record, expected) = procfs::at_rest(pid, || record_of(pid));
    same_as_proc(&record);
    let cpu = record.cpu().unwrap();
    let start = cpu.start.since_boot();
    telling(&[ticks(cpu.user), ticks(cpu.system), ticks(start)]);
    assert_eq!(record.runtime(), Some(expected), "record.runtime");
    assert!(expected > Duration::ZERO);
    child.kill();
}

/// A file system in memory whose pages count as those of files. Those of a tmpfs count as shared
/// memory.
pub struct Ramfs;

impl Ramfs {
    const PATH: &str = "/tmp/ramfs";

    pub fn mount() -> Self {
        fs::create_dir_all(Self::PATH).unwrap();
        let flags = MsFlags::empty();
        mount(Some("none"), Self::PATH, Some("ramfs"), flags, None::<&str>).unwrap();
        Self
    }

    /// Creates a file that has a size, but no page so far.
    pub fn sparse(name: &str, size: usize) -> File {
        let path = format!("{}/{name}", Self::PATH);
        let file = File::create_new(&path).unwrap();
        file.set_len(size as u64).unwrap();
        File::open(path).unwrap()
    }
}

impl Drop for Ramfs {
    fn drop(&mut self) {
        eventually("the file system is not in use", || {
            umount(Self::PATH).is_ok()
        });
    }
}

/// Maps memory for good, of a file if there is one, and touches each page.
pub fn touch(size: usize, flags: c_int, file: Option<&File>) {
    let (protection, fd) = match file {
        Some(file) => (libc::PROT_READ, file.as_raw_fd()),
        None => (libc::PROT_READ | libc::PROT_WRITE, -1),
    };
    // SAFETY: A new mapping at an address of the kernel's choice replaces no other one.
    let start = unsafe { libc::mmap(ptr::null_mut(), size, protection, flags, fd, 0) };
    assert_ne!(start, libc::MAP_FAILED);
    let start = start.cast::<u8>();
    for offset in (0..size).step_by(PAGE) {
        // SAFETY: The place is in the mapping, which nothing else knows of.
        unsafe {
            if file.is_some() {
                start.add(offset).read_volatile();
            } else {
                start.add(offset).write_volatile(1);
            }
        }
    }
}

/// Page faults with and without I/O: a page of a file that is not in memory takes I/O.
#[test]
fn faults_of_both_kinds() {
    let _kernel = shared();
    let _ramfs = Ramfs::mount();
    let child = at_rest_after(|| {
        let file = Ramfs::sparse("faults", 40 * PAGE);
        touch(40 * PAGE, libc::MAP_PRIVATE, Some(&file));
    });
    let record = record_of(child.pid());
    same_as_proc(&record);
    let faults = record.faults().unwrap();
    assert!(faults.major >= 40, "{faults:?}");
    telling(&[faults.minor, faults.major]);
    child.kill();
}

/// Memory of each kind, each of another size.
#[test]
fn memory_of_each_kind() {
    // Each CPU counts less than 32 pages for itself, and guests have up to four of them.
    const ERROR: u64 = 4 * 32 * PAGE as u64;

    let _kernel = shared();
    let _ramfs = Ramfs::mount();
    let child = at_rest_after(|| {
        // A huge page could be counted late.
        prctl::set_thp_disable(true).unwrap();
        let private = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        touch(32 << 20, private, None);
        let file = Ramfs::sparse("memory", 16 << 20);
        touch(16 << 20, libc::MAP_PRIVATE, Some(&file));
        touch(2 << 20, libc::MAP_SHARED | libc::MAP_ANONYMOUS, None);
    });
    let record = record_of(child.pid());
    let memory = record.memory().unwrap();
    let of = |name| numbers(child.pid(), "status", name)[0] << 10;
    let kinds = [
        ("rss_anon", memory.anonymous, of("RssAnon")),
        ("rss_file", memory.file, of("RssFile")),
        ("rss_shmem", memory.shared, of("RssShmem")),
    ];
    for (name, value, expected) in kinds {
        assert!(
            value.abs_diff(expected) < ERROR,
            "record.{name} is {value}, and not about {expected}"
        );
    }
    // The sum is exactly that of `/proc`.
    same_as_proc(&record);
    let mut sizes = kinds.map(|(_, _, size)| size);
    sizes.sort_unstable();
    assert!(sizes[0] > 2 * ERROR, "{sizes:?}");
    assert!(sizes.is_sorted_by(|a, b| b - a > 2 * ERROR), "{sizes:?}");
    child.kill();
}

/// Switches of a process that was sent away by another one, and has waited.
#[test]
fn switches_of_both_kinds() {
    let _kernel = shared();
    let child = at_rest_after(|| {
        stay_on(1);
        let rival = Child::spawn(|| {
            loop {
                std::hint::spin_loop();
            }
        });
        let switches = |name| numbers(own_pid(), "status", name)[0];
        let [voluntary, involuntary] = ["voluntary_ctxt_switches", "nonvoluntary_ctxt_switches"]
            .map(|name| move || switches(name));
        while involuntary() < 5 {
            nix::sched::sched_yield().unwrap();
        }
        rival.kill();
        // To read the counts takes long on our own kernels, and so leads to switches by itself.
        while voluntary().abs_diff(involuntary()) < 20 {
            for _ in 0..50 {
                thread::sleep(Duration::from_millis(1));
            }
        }
    });
    let record = record_of(child.pid());
    same_as_proc(&record);
    let switches = record.switches().unwrap();
    telling(&[switches.voluntary, switches.involuntary]);
    child.kill();
}

/// Counts of processes that have just gone to sleep. Their CPU has to look for other work before it
/// counts the switch.
#[test]
fn switches_of_processes_that_fall_asleep() {
    let _kernel = shared();
    let rivals = [(); 3].map(|()| {
        Child::spawn(|| {
            stay_on(0);
            loop {
                std::hint::spin_loop();
            }
        })
    });
    stay_on(0);
    set_policy(libc::SCHED_FIFO, 1);
    for _ in 0..100 {
        let child = at_rest_after(|| {
            set_policy(libc::SCHED_OTHER, 0);
            stay_on(1);
        });
        same_as_proc(&record_of(child.pid()));
        child.kill();
    }
    kill_all(rivals);
}

/// Reads 256 KiB of a disk and writes 64.
pub fn use_disk(disk: &Disk) {
    let file = disk.open();
    file.read_exact_at(&mut vec![0; 256 << 10], 0).unwrap();
    file.write_all_at(&[1; 64 << 10], 8 << 20).unwrap();
}

/// Bytes from a disk, and fewer to it.
#[test]
fn bytes_read_and_written() {
    let _kernel = shared();
    let Some(disk) = Disk::load() else {
        return leave_out("the kernel has no disks");
    };
    let child = at_rest_after(|| use_disk(&disk));
    let record = record_of(child.pid());
    same_as_proc(&record);
    let io = record.io().unwrap();
    telling(&[io.read, io.written]);
    assert_eq!(io.written, 64 << 10, "record.write_bytes");
    child.kill();
}

/// A group that is requested by itself has values, and all others are zero.
#[test]
fn each_group_by_itself() {
    const NAMES: [&str; 9] = [
        "BASIC", "CPU", "CREDS", "FAULTS", "MEM", "SCHED", "IO", "CGROUP", "RUNTIME",
    ];

    let _kernel = shared();
    let Some(disk) = Disk::load() else {
        return leave_out("the kernel has no disks");
    };
    // I/O without a request would be seen in the caller's own record only.
    use_disk(&disk);
    let child = at_rest_after(|| {
        use_disk(&disk);
        let [uid, gid] = [(); 2].map(|()| 1001);
        setresgid(Gid::from_raw(gid), Gid::from_raw(gid), Gid::from_raw(gid)).unwrap();
        setresuid(Uid::from_raw(uid), Uid::from_raw(uid), Uid::from_raw(uid)).unwrap();
    });
    assert_eq!(NAMES.len(), Groups::ENDS.len());
    for (pid, has_all) in [(child.pid(), true), (own_pid(), false)] {
        for &(requested, _) in Groups::ENDS {
            let options = SnapshotOptions::new().groups(requested).tgid(pid);
            let record: Record = snapshot(&options)[0];
            // SAFETY: There are no gaps between the fields.
            let bytes =
                unsafe { std::slice::from_raw_parts((&raw const record).cast::<u8>(), RECORD) };
            let mut start = 0;
            for (&(group, end), name) in Groups::ENDS.iter().zip(NAMES) {
                let is_empty = bytes[start..end].iter().all(|&byte| byte == 0);
                if group == requested || group == Groups::BASIC {
                    assert!(!is_empty || !has_all, "group.{name} is empty");
                } else {
                    assert!(is_empty, "group.{name} comes with {requested:?}");
                }
                start = end;
            }
            assert_eq!(record.groups(), requested | Groups::BASIC, "record.groups");
        }
    }
    child.kill();
}

/// All results of a call in its arguments, with records left over.
#[test]
fn results_of_a_snapshot() {
    let _kernel = shared();
    let children = crowd(5);
    let region = Region::new(3 * RECORD);
    let mut arguments = uapi::procmon_snapshot {
        flags: uapi::PROCMON_SNAPSHOT_BY_PPID,
        ppid: own_pid(),
        groups: uapi::PROCMON_GROUP_CPU | uapi::PROCMON_GROUP_FAULTS,
        ..arguments(&region, 3)
    };
    let now = || Duration::from(ClockId::CLOCK_BOOTTIME.now().unwrap());
    let before = now();
    call(&mut arguments).unwrap();
    let after = now();
    assert_eq!(arguments.count, 3, "snapshot.count");
    let next = children[3].pid();
    assert_eq!(arguments.cursor, next, "snapshot.cursor");
    let groups = Groups::BASIC | Groups::CPU | Groups::FAULTS;
    assert_eq!(arguments.groups, groups.bits(), "snapshot.groups");
    let time = Duration::from_nanos(arguments.time);
    assert!(
        (before..=after).contains(&time),
        "snapshot.time {time:?} is not between {before:?} and {after:?}"
    );
    kill_all(children);
}
