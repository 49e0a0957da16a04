// SPDX-License-Identifier: GPL-2.0

//! What SNAPSHOT tells about processes, compared with `/proc`.

use std::collections::BTreeSet;
use std::ffi::{CStr, c_int, c_void};
use std::fs::{self, Permissions};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::ptr::null_mut;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use fixture::child::{Child, as_nobody, in_pid_namespace, in_user_namespace};
use fixture::memory::{PAGE, Ptr, Region, bad_pointers};
use fixture::{eventually, ia32, is_own_kernel, loaded, open, procfs, raw, stats};
use nix::errno::Errno;
use nix::sys::prctl::{self, set_name};
use nix::sys::ptrace;
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::{SigHandler, Signal, kill, killpg, signal};
use nix::sys::wait::{Id, WaitPidFlag, waitid, waitpid};
use nix::unistd::{Pid, Uid, gettid, pause, pipe, setpgid, setuid};
use procmon::snapshot::{Groups, Record, SnapshotOptions};
use procmon::{Device, Snapshot, State, uapi};

const RECORD: usize = size_of::<uapi::procmon_record>();

fn own_pid() -> i32 {
    i32::try_from(std::process::id()).unwrap()
}

fn snapshot(options: &SnapshotOptions) -> Vec<Record> {
    let device = Device::open().unwrap();
    device.snapshot(options).unwrap().records().to_vec()
}

fn all() -> SnapshotOptions {
    SnapshotOptions::new().groups(Groups::all())
}

fn find(records: &[Record], pid: i32) -> Option<Record> {
    records.iter().copied().find(|record| record.pid() == pid)
}

fn record_of(pid: i32) -> Record {
    find(&snapshot(&all().tgid(pid)), pid).unwrap_or_else(|| panic!("there is no PID {pid}"))
}

/// A process that sleeps until it is killed.
fn sleeper() -> Child {
    let child = Child::spawn(|| {
        loop {
            pause();
        }
    });
    procfs::wait_for_state(child.pid(), 'S');
    child
}

/// The fields of `/proc/PID/stat`, by their numbers in proc(5).
struct Fields(Vec<String>);

impl Fields {
    fn of(path: &str) -> Option<Self> {
        let stat = fs::read(format!("/proc/{path}/stat")).ok()?;
        let close = stat.iter().rposition(|&byte| byte == b')')?;
        let rest = String::from_utf8_lossy(&stat[close + 1..]).into_owned();
        Some(Self(
            rest.split_ascii_whitespace().map(str::to_owned).collect(),
        ))
    }

    fn number(&self, field: usize) -> i64 {
        self.0[field - 3].parse().unwrap()
    }
}

/// The numbers behind a name in `/proc/PID/FILE`.
fn numbers(pid: i32, file: &str, name: &str) -> Vec<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.unwrap_or_else(|| panic!("{name} in {text}"))
        .trim_start_matches(':')
        .split_ascii_whitespace()
        .map(|number| number.parse().unwrap())
        .collect()
}

fn ticks(time: Duration) -> i64 {
    // USER_HZ is 100 on all machines that there are.
    i64::try_from(time.as_nanos() / 10_000_000).unwrap()
}

/// Fails unless all that a record says is what `/proc` says, of a process that does nothing.
fn same_as_proc(record: &Record) {
    let pid = record.pid();
    let stat = procfs::stat(pid).unwrap();
    let fields = Fields::of(&pid.to_string()).unwrap();
    let field = |number| fields.number(number);
    assert_eq!(record.tgid(), pid);
    assert_eq!(record.comm().as_bytes(), stat.comm, "name of {pid}");
    assert_eq!(record.state().letter(), stat.state, "state of {pid}");
    assert_eq!(i64::from(record.ppid()), field(4), "parent of {pid}");
    assert_eq!(i64::from(record.threads()), field(20), "threads of {pid}");
    assert_eq!(record.is_kernel_thread(), stat.kernel_thread);

    let cpu = record.cpu().unwrap();
    assert_eq!(ticks(cpu.user), field(14), "user time of {pid}");
    assert_eq!(ticks(cpu.system), field(15), "system time of {pid}");
    assert_eq!(ticks(cpu.start.since_boot()), field(22), "start of {pid}");
    assert_eq!(i64::from(cpu.nice), field(19), "nice value of {pid}");
    assert_eq!(i64::from(cpu.last), field(39), "CPU of {pid}");
    assert_eq!(i64::from(cpu.policy), field(41), "policy of {pid}");

    let faults = record.faults().unwrap();
    assert_eq!(faults.minor, u64::try_from(field(10)).unwrap());
    assert_eq!(faults.major, u64::try_from(field(12)).unwrap());

    let credentials = record.credentials().unwrap();
    let uids = numbers(pid, "status", "Uid");
    let gids = numbers(pid, "status", "Gid");
    assert_eq!(u64::from(credentials.uid), uids[0]);
    assert_eq!(u64::from(credentials.euid), uids[1]);
    assert_eq!(u64::from(credentials.gid), gids[0]);
    assert_eq!(u64::from(credentials.egid), gids[1]);

    match record.memory() {
        Some(memory) => {
            assert_eq!(memory.virtual_size, stat.vsize, "size of {pid}");
            let pages = memory.resident() / PAGE as u64;
            assert_eq!(i64::try_from(pages).unwrap(), field(24), "RSS of {pid}");
        }
        None => assert_eq!((stat.vsize, field(24)), (0, 0), "memory of {pid}"),
    }

    let switches = record.switches().unwrap();
    let of = |name| numbers(pid, "status", name)[0];
    assert_eq!(switches.voluntary, of("voluntary_ctxt_switches"));
    assert_eq!(switches.involuntary, of("nonvoluntary_ctxt_switches"));

    let io = record.io().unwrap();
    assert_eq!(io.read, numbers(pid, "io", "read_bytes")[0]);
    assert_eq!(io.written, numbers(pid, "io", "write_bytes")[0]);
}

/// The header says what the module can do, and so does the module.
#[test]
fn info_has_the_limits_of_the_header() {
    let (_kernel, _module) = loaded("");
    let region = Region::new(PAGE);
    region.fill(0, &[0xaa; 64]);
    let command = u64::from(uapi::PROCMON_INFO);
    assert_eq!(raw::ioctl(open(), command, region.start()), Ok(0));
    let words: Vec<u32> = region
        .bytes(0, 32)
        .chunks(4)
        .map(|bytes| u32::from_ne_bytes(bytes.try_into().unwrap()))
        .collect();
    assert_eq!(words, [2, 0x1ff, 0x1f, 56, 192, 4096, 240, 56]);
    assert_eq!(region.bytes(32, 32), [0xaa; 32]);
    for (name, pointer) in bad_pointers(&region, 32) {
        assert_eq!(
            raw::ioctl(open(), command, pointer),
            Err(Errno::EFAULT),
            "{name}"
        );
    }
}

/// A process that sleeps, a kernel thread, and one of another user.
#[test]
fn fields_are_those_of_proc() {
    let (_kernel, _module) = loaded("");
    let child = sleeper();
    same_as_proc(&record_of(child.pid()));
    assert_eq!(record_of(child.pid()).ppid(), own_pid());
    child.kill();

    let nobody = Child::spawn(|| {
        fixture::child::drop_privileges();
        loop {
            pause();
        }
    });
    procfs::wait_for_state(nobody.pid(), 'S');
    eventually("nobody", || {
        record_of(nobody.pid()).credentials().unwrap().uid == 65534
    });
    same_as_proc(&record_of(nobody.pid()));
    nobody.kill();

    let kthreadd = record_of(2);
    same_as_proc(&kthreadd);
    assert!(kthreadd.is_kernel_thread());
    assert_eq!(kthreadd.memory(), None);
    assert_eq!(kthreadd.groups(), Groups::all() - Groups::MEMORY);
}

/// A process that has used both CPUs' time, memory and the disk's cache.
#[test]
fn a_process_that_was_at_work() {
    let (_kernel, _module) = loaded("");
    let child = Child::spawn(|| {
        // With huge pages there would be few faults.
        prctl::set_thp_disable(true).unwrap();
        let mut sum = 0u64;
        let memory = vec![1u8; 4 << 20];
        for _ in 0..5 {
            sum += memory.iter().map(|&byte| u64::from(byte)).sum::<u64>();
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
    procfs::wait_for_state(child.pid(), 'S');
    let record = record_of(child.pid());
    same_as_proc(&record);
    assert!(record.faults().unwrap().minor > 500);
    assert!(record.cpu().unwrap().user + record.cpu().unwrap().system > Duration::ZERO);
    child.kill();
}

/// Stopped and traced processes, and zombies.
#[test]
fn states_are_those_of_proc() {
    let (_kernel, _module) = loaded("");
    let child = sleeper();
    child.signal(Signal::SIGSTOP);
    procfs::wait_for_state(child.pid(), 'T');
    assert_eq!(record_of(child.pid()).state(), State::Stopped);
    same_as_proc(&record_of(child.pid()));
    let pid = Pid::from_raw(child.pid());
    child.signal(Signal::SIGCONT);
    procfs::wait_for_state(child.pid(), 'S');
    ptrace::seize(pid, ptrace::Options::empty()).unwrap();
    ptrace::interrupt(pid).unwrap();
    procfs::wait_for_state(child.pid(), 't');
    assert_eq!(record_of(child.pid()).state(), State::Traced);
    same_as_proc(&record_of(child.pid()));
    waitpid(pid, None).unwrap();
    ptrace::detach(pid, None).unwrap();
    child.signal(Signal::SIGKILL);
    waitid(Id::Pid(pid), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT).unwrap();
    let zombie = record_of(child.pid());
    assert_eq!(zombie.state(), State::Zombie);
    assert!(zombie.is_exiting());
    assert_eq!(zombie.memory(), None);
    child.kill();
}

/// All processes, in order, each once.
#[test]
fn all_processes_in_order() {
    let (_kernel, _module) = loaded("");
    let count = if is_own_kernel() { 70 } else { 200 };
    let children: Vec<_> = (0..count).map(|_| sleeper()).collect();
    let records = snapshot(&all());
    let pids: Vec<_> = records.iter().map(Record::pid).collect();
    assert!(pids.is_sorted_by(|a, b| a < b));
    let seen: BTreeSet<_> = pids.into_iter().collect();
    let listed: BTreeSet<_> = procfs::pids().into_iter().collect();
    // Kernel threads may come and go meanwhile.
    assert!(seen.symmetric_difference(&listed).count() < 5);
    for child in &children {
        assert!(seen.contains(&child.pid()));
    }
    assert!(seen.contains(&1) && seen.contains(&own_pid()));
    children.into_iter().for_each(Child::kill);
}

/// A cursor goes on where the last call has stopped, whatever the capacity.
#[test]
fn pieces_make_the_whole() {
    let (_kernel, _module) = loaded("");
    let count = if is_own_kernel() { 70 } else { 150 };
    let children: Vec<_> = (0..count).map(|_| sleeper()).collect();
    let options = SnapshotOptions::new().ppid(own_pid());
    let expected: Vec<_> = snapshot(&options).iter().map(Record::pid).collect();
    assert_eq!(expected.len(), children.len());
    for capacity in [1, 2, 63, 64, 65, count - 1, count, count + 1, 10_000] {
        let region = Region::new(capacity * RECORD);
        let mut pids = Vec::new();
        let mut arguments = arguments(&region, capacity);
        arguments.flags = uapi::PROCMON_SNAPSHOT_BY_PPID;
        arguments.ppid = own_pid();
        let mut calls = 0;
        loop {
            call(&mut arguments).unwrap();
            calls += 1;
            pids.extend((0..arguments.count).map(|index| pid_in(&region, index, RECORD)));
            if arguments.cursor == 0 {
                break;
            }
            assert_eq!(arguments.count as usize, capacity);
        }
        assert_eq!(pids, expected, "{capacity} at a time");
        // Others that came meanwhile may have been looked for.
        let least = expected.len().div_ceil(capacity);
        assert!(
            (least..=least + 1).contains(&calls),
            "{calls}, {capacity} at a time"
        );
    }
    children.into_iter().for_each(Child::kill);
}

fn arguments(region: &Region, capacity: usize) -> uapi::procmon_snapshot {
    uapi::procmon_snapshot {
        size: size_of::<uapi::procmon_snapshot>() as u32,
        records: region.start().as_ptr() as u64,
        stride: RECORD as u32,
        capacity: u32::try_from(capacity).unwrap(),
        ..Default::default()
    }
}

/// Makes the call, whose arguments are their own buffer.
fn call(arguments: &mut uapi::procmon_snapshot) -> nix::Result<i32> {
    let size = size_of_val(arguments);
    let region = Region::new(PAGE);
    // SAFETY: There are no gaps between the fields.
    let bytes = unsafe { std::slice::from_raw_parts((&raw const *arguments).cast::<u8>(), size) };
    region.fill(0, bytes);
    let result = raw::ioctl(open(), uapi::PROCMON_SNAPSHOT.into(), region.start());
    let bytes = region.bytes(0, size);
    if result.is_ok() {
        // SAFETY: Any bytes will do, and there are as many.
        *arguments = unsafe {
            bytes
                .as_ptr()
                .cast::<uapi::procmon_snapshot>()
                .read_unaligned()
        };
    } else {
        // SAFETY: As above.
        let before = unsafe {
            std::slice::from_raw_parts((&raw const *arguments).cast::<u8>(), size).to_vec()
        };
        assert_eq!(bytes, before, "an error changes nothing");
    }
    result
}

fn pid_in(region: &Region, index: u32, stride: usize) -> i32 {
    let bytes = region.bytes(index as usize * stride + 4, 4);
    i32::from_ne_bytes(bytes.try_into().unwrap())
}

/// Arguments that are not as they should be are refused, each for its reason.
#[test]
fn snapshot_refuses_bad_arguments() {
    let (_kernel, _module) = loaded("");
    let region = Region::new(10 * RECORD);
    type Change = fn(&mut uapi::procmon_snapshot);
    let cases: [(&str, Change, Errno); 17] = [
        ("size 0", |a| a.size = 0, Errno::EINVAL),
        ("size 55", |a| a.size = 55, Errno::EINVAL),
        ("a huge size", |a| a.size = 1 << 20, Errno::E2BIG),
        ("an unknown flag", |a| a.flags = 1 << 5, Errno::EINVAL),
        ("all flags", |a| a.flags = u32::MAX, Errno::EINVAL),
        ("an unknown group", |a| a.groups = 1 << 9, Errno::EINVAL),
        ("a negative cursor", |a| a.cursor = -1, Errno::EINVAL),
        ("no capacity", |a| a.capacity = 0, Errno::EINVAL),
        ("no stride", |a| a.stride = 0, Errno::EINVAL),
        ("a short stride", |a| a.stride = 40, Errno::EINVAL),
        ("an odd stride", |a| a.stride = 196, Errno::EINVAL),
        ("a long stride", |a| a.stride = 4104, Errno::EINVAL),
        ("a uid that is not used", |a| a.uid = 1, Errno::EINVAL),
        ("a ppid that is not used", |a| a.ppid = 1, Errno::EINVAL),
        ("a tgid that is not used", |a| a.tgid = -1, Errno::EINVAL),
        ("NULL", |a| a.records = 0, Errno::EFAULT),
        (
            "a kernel address",
            |a| a.records = Ptr::KERNEL.as_ptr() as u64,
            Errno::EFAULT,
        ),
    ];
    for (name, change, errno) in cases {
        let mut arguments = arguments(&region, 10);
        change(&mut arguments);
        assert_eq!(call(&mut arguments), Err(errno), "{name}");
        assert!(
            region.bytes(0, region.size()).iter().all(|&byte| byte == 0),
            "{name}"
        );
    }
    let size = size_of::<uapi::procmon_snapshot>();
    for (name, pointer) in bad_pointers(&region, size) {
        let result = raw::ioctl(open(), uapi::PROCMON_SNAPSHOT.into(), pointer);
        assert!(
            matches!(result, Err(Errno::EFAULT | Errno::EINVAL)),
            "{name}: {result:?}"
        );
    }
}

/// Arguments of a later version: the unknown part must be zero.
#[test]
fn arguments_of_later_versions() {
    let (_kernel, _module) = loaded("");
    let records = Region::new(10 * RECORD);
    let size = size_of::<uapi::procmon_snapshot>();
    for (len, tail, expected) in [
        (size + 8, 0, Ok(0)),
        (size + 8, 1, Err(Errno::E2BIG)),
        (size + 1, 1, Err(Errno::E2BIG)),
        (PAGE, 0, Ok(0)),
        (PAGE, 1, Err(Errno::E2BIG)),
        (PAGE + 1, 0, Err(Errno::E2BIG)),
    ] {
        let region = Region::new(2 * PAGE);
        let arguments = uapi::procmon_snapshot {
            size: u32::try_from(len).unwrap(),
            ..arguments(&records, 10)
        };
        // SAFETY: There are no gaps between the fields.
        let bytes =
            unsafe { std::slice::from_raw_parts((&raw const arguments).cast::<u8>(), size) };
        region.fill(0, bytes);
        region.fill(len - 1, &[tail]);
        // The number holds the size that the caller knows.
        let command =
            u64::from(uapi::PROCMON_SNAPSHOT) & !(0x3fff << 16) | ((len as u64 & 0x3fff) << 16);
        let result = raw::ioctl(open(), command, region.start());
        assert_eq!(result, expected, "{len} bytes that end with {tail}");
        let count = u32::from_ne_bytes(region.bytes(32, 4).try_into().unwrap());
        assert_eq!(count, if expected.is_ok() { 10 } else { 0 });
    }
}

/// What there is no room for is left out, and what there is too much room for is zero.
#[test]
fn records_of_all_strides() {
    let (_kernel, _module) = loaded("");
    let child = sleeper();
    let full = record_of(child.pid());
    for stride in [48, 80, 96, 112, 144, 160, 176, 184, 192, 256, 4096] {
        let region = Region::new(2 * stride);
        region.fill(0, &vec![0xaa; 2 * stride]);
        let mut arguments = uapi::procmon_snapshot {
            flags: uapi::PROCMON_SNAPSHOT_BY_TGID,
            groups: Groups::all().bits(),
            tgid: child.pid(),
            stride: u32::try_from(stride).unwrap(),
            ..arguments(&region, 2)
        };
        call(&mut arguments).unwrap();
        assert_eq!((arguments.count, arguments.cursor), (1, 0));
        let bytes = region.bytes(0, stride);
        // SAFETY: There are no gaps between the fields.
        let expected =
            unsafe { std::slice::from_raw_parts((&raw const full).cast::<u8>(), RECORD) };
        let groups = Groups::from_bits(u32::from_ne_bytes(bytes[..4].try_into().unwrap())).unwrap();
        assert_eq!(groups.bits(), arguments.groups);
        let len = stride.min(RECORD);
        if stride >= RECORD {
            assert_eq!(groups, Groups::all());
            assert_eq!(bytes[..len], expected[..len]);
            assert!(bytes[len..].iter().all(|&byte| byte == 0));
        } else {
            assert!(!groups.contains(Groups::RUNTIME));
            assert_eq!(groups.contains(Groups::CGROUP), stride >= 184);
            assert_eq!(groups.contains(Groups::CPU), stride >= 80);
            assert_eq!(groups.contains(Groups::MEMORY), stride >= 144);
            assert_eq!(bytes[4..44], expected[4..44]);
        }
        assert!(
            region
                .bytes(stride, stride)
                .iter()
                .all(|&byte| byte == 0xaa)
        );
    }
    child.kill();
}

/// A buffer that ends early has all complete records, and the cursor is at the next one.
#[test]
fn a_buffer_that_ends_early() {
    let (_kernel, _module) = loaded("");
    let children: Vec<_> = (0..100).map(|_| sleeper()).collect();
    let expected: Vec<_> = children.iter().map(Child::pid).collect();
    for stride in [RECORD, 256] {
        for fit in [1, 3, 64, 65, 99] {
            let region = Region::new(100 * 256);
            let room = fit * stride + stride / 2;
            let mut arguments = uapi::procmon_snapshot {
                flags: uapi::PROCMON_SNAPSHOT_BY_PPID,
                ppid: own_pid(),
                stride: u32::try_from(stride).unwrap(),
                records: region.before_end(room).as_ptr() as u64,
                capacity: u32::MAX,
                ..arguments(&region, 1)
            };
            call(&mut arguments).unwrap();
            assert_eq!(arguments.count as usize, fit);
            assert_eq!(arguments.cursor, expected[fit]);
        }
        let region = Region::new(PAGE);
        let mut arguments = uapi::procmon_snapshot {
            stride: u32::try_from(stride).unwrap(),
            records: region.before_end(stride - 8).as_ptr() as u64,
            ..arguments(&region, 1000)
        };
        assert_eq!(call(&mut arguments), Err(Errno::EFAULT));
    }
    children.into_iter().for_each(Child::kill);
}

/// 32-bit programs get the same.
#[test]
fn callers_of_32_bits() {
    let (_kernel, _module) = loaded("");
    let child = sleeper();
    let region = Region::new_low(PAGE);
    let records = Region::new_low(PAGE);
    let mut expected = arguments(&records, 4);
    expected.flags = uapi::PROCMON_SNAPSHOT_BY_TGID;
    expected.tgid = child.pid();
    // SAFETY: There are no gaps between the fields.
    let bytes = unsafe {
        std::slice::from_raw_parts((&raw const expected).cast::<u8>(), size_of_val(&expected))
    };
    region.fill(0, bytes);
    assert_eq!(
        ia32::ioctl(open(), uapi::PROCMON_SNAPSHOT, region.start()),
        Ok(0)
    );
    assert_eq!(pid_in(&records, 0, RECORD), child.pid());
    assert_eq!(
        ia32::ioctl(open(), uapi::PROCMON_INFO, region.start()),
        Ok(0)
    );
    assert_eq!(region.bytes(0, 4), 2u32.to_ne_bytes());
    child.kill();
}

/// Each filter lets through what it should, and all of them together.
#[test]
fn filters_select_records() {
    let (_kernel, _module) = loaded("");
    let child = sleeper();
    let only = |options: SnapshotOptions| -> Vec<_> {
        snapshot(&options).iter().map(Record::pid).collect()
    };
    assert_eq!(
        only(SnapshotOptions::new().tgid(child.pid())),
        [child.pid()]
    );
    assert_eq!(only(SnapshotOptions::new().ppid(own_pid())), [child.pid()]);
    assert_eq!(only(SnapshotOptions::new().ppid(child.pid())), [0; 0]);
    assert_eq!(only(SnapshotOptions::new().uid(12345)), [0; 0]);
    assert_eq!(
        only(SnapshotOptions::new().uid(0).ppid(own_pid())),
        [child.pid()]
    );
    assert_eq!(only(SnapshotOptions::new().uid(1).ppid(own_pid())), [0; 0]);
    let users = snapshot(&SnapshotOptions::new().kernel_threads(false));
    assert!(users.iter().all(|record| !record.is_kernel_thread()));
    assert!(find(&users, 1).is_some() && find(&users, 2).is_none());
    child.kill();
}

/// A record for each thread.
#[test]
fn a_record_for_each_thread() {
    let (_kernel, _module) = loaded("");
    let (ready, done) = (Barrier::new(4), Barrier::new(4));
    thread::scope(|scope| {
        let tids: Vec<_> = (0..3)
            .map(|_| {
                let (sender, receiver) = std::sync::mpsc::channel();
                let (ready, done) = (&ready, &done);
                scope.spawn(move || {
                    sender.send(gettid().as_raw()).unwrap();
                    ready.wait();
                    done.wait();
                });
                receiver.recv().unwrap()
            })
            .collect();
        ready.wait();
        let records = snapshot(&all().threads(true).tgid(own_pid()));
        let processes = snapshot(&all().tgid(own_pid()));
        done.wait();
        assert_eq!(processes.len(), 1);
        let count = processes[0].threads();
        assert_eq!(records.len(), count as usize);
        for tid in tids {
            let record = find(&records, tid).unwrap_or_else(|| panic!("{tid}: {records:?}"));
            assert_eq!(record.tgid(), own_pid());
            assert_eq!(record.threads(), count);
            let size = |record: &Record| record.memory().unwrap().virtual_size;
            assert_eq!(size(&record), size(&records[0]));
        }
        // What all threads have used is more than what each has.
        let sum: Duration = records
            .iter()
            .map(|record| record.cpu().unwrap().user)
            .sum();
        assert!(processes[0].cpu().unwrap().user + Duration::from_millis(1) > sum / 2);
    });
}

/// A process of many threads, some of which have ended, is the sum of all.
#[test]
fn many_threads() {
    const THREADS: u32 = 100;
    const ENDED: u64 = 20;

    let (_kernel, _module) = loaded("");
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
        // Threads whose work is known to be done may still be ending.
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
    for entry in fs::read_dir(format!("/proc/{}/task", child.pid())).unwrap() {
        let thread = entry.unwrap().file_name().into_string().unwrap();
        procfs::wait_for_state(thread.parse().unwrap(), 'S');
    }
    let record = record_of(child.pid());
    assert_eq!(record.threads(), THREADS + 1);
    let stat = procfs::stat(child.pid()).unwrap();
    let fields = Fields::of(&child.pid().to_string()).unwrap();
    let number = |field| u64::try_from(fields.number(field)).unwrap();
    assert_eq!(fields.number(20), i64::from(THREADS + 1));
    assert_eq!(record.faults().unwrap().minor, number(10));
    assert_eq!(ticks(record.cpu().unwrap().user), fields.number(14));
    assert_eq!(ticks(record.cpu().unwrap().system), fields.number(15));
    assert_eq!(record.memory().unwrap().virtual_size, stat.vsize);
    let io = record.io().unwrap();
    assert_eq!(io.read, numbers(child.pid(), "io", "read_bytes")[0]);
    // Those of status are the leader's alone; those who have ended count as well.
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

/// In a PID namespace there is what is in it, by the numbers that it has there.
#[test]
fn pids_are_those_of_the_namespace() {
    let (_kernel, _module) = loaded("");
    in_pid_namespace(|| {
        let child = sleeper();
        let records = snapshot(&all());
        let pids: Vec<_> = records.iter().map(Record::pid).collect();
        assert_eq!(pids, [1, child.pid()]);
        assert_eq!(records[0].ppid(), 0);
        assert_eq!(records[1].ppid(), 1);
        assert_eq!((records[0].tgid(), records[1].tgid()), (1, child.pid()));
        child.kill();
    });
}

/// In a user namespace, users that are not in it are the overflow user.
#[test]
fn users_of_another_namespace() {
    let (_kernel, _module) = loaded("");
    let device = Device::open().unwrap();
    in_user_namespace(|| {
        let snapshot = device.snapshot(&all()).unwrap();
        let own = find(snapshot.records(), own_pid()).unwrap();
        assert_eq!(own.credentials().unwrap().uid, 65534);
        let init = find(snapshot.records(), 1).unwrap();
        assert_eq!(init.credentials().unwrap().euid, 65534);
        // A capability in a namespace of one's own is none over others.
        assert_eq!(init.io(), None);
        assert!(own.io().is_some());
    });
}

/// Whoever has no rights over a process is told no more than by `/proc`.
#[test]
fn io_is_for_those_who_may_trace() {
    let (_kernel, _module) = loaded("");
    let device = Device::open().unwrap();
    let child = sleeper();
    as_nobody(|| {
        let snapshot = device.snapshot(&all()).unwrap();
        let record = find(snapshot.records(), child.pid()).unwrap();
        assert!(fs::read(format!("/proc/{}/io", child.pid())).is_err());
        assert_eq!(record.io(), None);
        let own = find(snapshot.records(), own_pid()).unwrap();
        assert!(own.io().is_some());
    });
    child.kill();
}

/// The ID of a cgroup is the number of its directory.
#[test]
fn cgroup_ids_are_inode_numbers() {
    let (_kernel, _module) = loaded("");
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
    let child = sleeper();
    let directory = format!("{root}/procmon");
    fs::create_dir(&directory).unwrap();
    fs::write(format!("{directory}/cgroup.procs"), child.pid().to_string()).unwrap();
    let id = record_of(child.pid()).cgroup_id();
    let own = record_of(own_pid()).cgroup_id();
    assert_eq!(id, Some(fs::metadata(&directory).unwrap().ino()));
    assert_eq!(own, Some(fs::metadata(root).unwrap().ino()));
    child.kill();
    eventually("the cgroup is empty", || fs::remove_dir(&directory).is_ok());
    nix::mount::umount(root).unwrap();
}

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

/// Executes the other program of [`PROGRAMS`], by a thread which is not the first one.
#[test]
#[ignore = "it is run by `programs_mix_no_records`"]
fn execute_the_other_program() {
    let name = std::env::args_os().next().unwrap();
    let other = PROGRAMS
        .iter()
        .map(|(path, _)| path)
        .find(|&&path| path != name);
    let error = Command::new(other.unwrap())
        .args([
            "--exact",
            "execute_the_other_program",
            "--ignored",
            "--test-threads=2",
        ])
        .exec();
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
        .args([
            "--exact",
            "execute_the_other_program",
            "--ignored",
            "--test-threads=2",
        ])
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

/// Many processes, which share their memory so that there is enough.
struct Crowd {
    pids: Vec<i32>,
    _stacks: Region,
}

impl Crowd {
    fn new(count: usize) -> Self {
        extern "C" fn sleep(_: *mut c_void) -> c_int {
            loop {
                // SAFETY: This waits, and is not returned from. It is not the function of libc,
                // which would use what is there for each thread.
                unsafe { libc::syscall(libc::SYS_pause) };
            }
        }

        let stacks = Region::new(count * PAGE);
        let pids = (1..=count).map(|index| {
            let top = stacks.at(index * PAGE).as_ptr().cast();
            // SAFETY: The stack is for this process alone, and large enough for one call.
            let pid =
                unsafe { libc::clone(sleep, top, libc::CLONE_VM | libc::SIGCHLD, null_mut()) };
            Errno::result(pid).unwrap()
        });
        Self {
            pids: pids.collect(),
            _stacks: stacks,
        }
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        for &pid in &self.pids {
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
        for &pid in &self.pids {
            let _ = waitpid(Pid::from_raw(pid), None);
        }
    }
}

/// Very many processes are seen by few calls, once each.
#[test]
fn a_crowd_takes_few_calls() {
    const THREADS_MAX: &str = "/proc/sys/kernel/threads-max";

    let (_kernel, _module) = loaded("");
    let count = if is_own_kernel() { 500 } else { 20_000 };
    let old = fs::read_to_string(THREADS_MAX).unwrap();
    fs::write(THREADS_MAX, "30000").unwrap();
    let crowd = Crowd::new(count);
    let device = Device::open().unwrap();
    let options = all().ppid(own_pid());
    let mut snapshot = Snapshot::default();
    // Once to know how many there are, as those who look again and again do.
    device.snapshot_into(&options, &mut snapshot).unwrap();
    let before = stats().totals.ioctls;
    device.snapshot_into(&options, &mut snapshot).unwrap();
    let calls = stats().totals.ioctls - before;
    let pids: Vec<_> = snapshot.records().iter().map(Record::pid).collect();
    let mut expected = crowd.pids.clone();
    expected.sort_unstable();
    assert_eq!(pids, expected);
    assert!(calls <= 3, "{calls} calls");
    let everybody = snapshot_pids(&device);
    let listed: BTreeSet<_> = procfs::pids().into_iter().collect();
    assert!(everybody.symmetric_difference(&listed).count() < 5);
    drop(crowd);
    fs::write(THREADS_MAX, old).unwrap();
}

fn snapshot_pids(device: &Device) -> BTreeSet<i32> {
    let snapshot = device.snapshot(&SnapshotOptions::new()).unwrap();
    snapshot.records().iter().map(Record::pid).collect()
}
