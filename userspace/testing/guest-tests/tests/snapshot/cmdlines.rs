// SPDX-License-Identifier: GPL-2.0

//! Arguments of programs in the second buffer, beside those of /proc/PID/cmdline.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;
use std::thread;

use fixture::child::{Child, as_nobody, at_rest_after, in_pid_namespace, paused, stopped_with};
use fixture::memory::{LazyRegion, PAGE, Ptr, Region};
use fixture::{eventually, procfs, shared};
use nix::errno::Errno;
use nix::mount::{MsFlags, mount, umount};
use nix::sys::mman::{MapFlags, ProtFlags, mmap, mmap_anonymous};
use procmon::snapshot::SnapshotOptions;
use procmon::{Device, MAX_ARGUMENTS, Snapshot, uapi};

use super::{RECORD, arguments, call, own_pid, pid_in};

const HEADER: usize = size_of::<uapi::procmon_args>();

fn cmdline(pid: i32) -> Option<Vec<u8>> {
    fs::read(format!("/proc/{pid}/cmdline")).ok()
}

fn snapshot(max: u32) -> Snapshot {
    let device = Device::open().unwrap();
    let options = SnapshotOptions::new().arguments(max);
    device.snapshot(&options).unwrap()
}

/// Returns the arguments of a process, as soon as it changes its memory no more.
fn arguments_of(pid: i32, max: u32) -> (Vec<u8>, u32) {
    let mut found = None;
    eventually("arguments", || {
        let snapshot = snapshot(max);
        let arguments = snapshot.arguments(pid);
        found = arguments.map(|arguments| (arguments.as_bytes().to_vec(), arguments.size()));
        found.is_some()
    });
    found.unwrap()
}

/// The first arguments of a program of [`stopped_with`].
const FIRST: &[u8] = b"sh\0-c\0kill -STOP $$\0";

/// Each process has the arguments that /proc shows, and kernel threads and zombies have none.
#[test]
fn arguments_are_those_of_proc() {
    let _kernel = shared();
    let long = "7".repeat(3000);
    let children = [
        stopped_with(&[]),
        stopped_with(&[OsStr::new(&long)]),
        stopped_with(&[OsStr::from_bytes(b"\xff\n\x1b[31m"), OsStr::new("")]),
    ];
    // SAFETY: It is always safe to end.
    let zombie = Child::spawn(|| unsafe { libc::_exit(0) });
    procfs::wait_for_state(zombie.pid(), 'Z');
    let pids: Vec<_> = procfs::pids();
    let before: HashMap<_, _> = pids.iter().map(|&pid| (pid, cmdline(pid))).collect();
    let snapshot = snapshot(MAX_ARGUMENTS);
    let mut compared = 0;
    for record in &snapshot {
        let pid = record.pid();
        let found = snapshot.arguments(pid);
        if record.is_kernel_thread() || pid == zombie.pid() {
            assert_eq!(found, None, "args of PID {pid}");
            continue;
        }
        let (Some(Some(before)), Some(after)) = (before.get(&pid), cmdline(pid)) else {
            continue;
        };
        if let (Some(found), true) = (found, *before == after) {
            compared += 1;
            assert_eq!(found.as_bytes(), after, "args of PID {pid}");
            assert_eq!(found.size() as usize, after.len(), "args.args_size");
            assert!(!found.is_cut());
        }
    }
    // Init, this process, and the children.
    assert!(compared >= 5, "{compared}");
    for child in &children {
        assert!(snapshot.arguments(child.pid()).is_some(), "it is stopped");
    }
    zombie.join();
}

/// Of long arguments the beginning is there, and the size of all of them.
#[test]
fn arguments_are_cut_at_the_limit() {
    let _kernel = shared();
    let long = "7".repeat(100_000);
    let child = stopped_with(&[OsStr::new(&long)]);
    let all = cmdline(child.pid()).unwrap();
    assert!(all.starts_with(FIRST));
    let first = u32::try_from(FIRST.len()).unwrap();
    for max in [1, first - 1, first, first + 1, 4095, 4096, 10_000] {
        let (bytes, size) = arguments_of(child.pid(), max);
        let expected = max.min(MAX_ARGUMENTS) as usize;
        assert_eq!(bytes, all[..expected], "args.args_stored of {max}");
        assert_eq!(size as usize, all.len(), "args.args_size of {max}");
    }
}

/// Returns the addresses of this process' arguments and of its environment.
fn places() -> [usize; 4] {
    // arg_start, arg_end, env_start and env_end.
    [48, 49, 50, 51].map(|field| procfs::number(own_pid(), field).unwrap())
}

/// Writes a title in the place of the arguments, as setproctitle(3) does.
fn set_title(title: &[u8]) {
    let [start, _, _, end] = places();
    assert!(title.len() < end - start);
    // SAFETY: The memory is that of this process, which reads neither its arguments nor its
    // environment.
    unsafe { std::ptr::copy_nonoverlapping(title.as_ptr(), start as *mut u8, title.len()) };
}

/// A title is what /proc shows of it: it may go on in the place of the environment.
#[test]
fn titles() {
    let _kernel = shared();
    let [start, end, _, env_end] = places();
    let len = end - start;
    // The last byte of the arguments is a NUL no more.
    let mut titles = vec![vec![b'x'; len], [vec![b'y'; len], vec![0]].concat()];
    if env_end > end + 2 {
        titles.push([vec![b'z'; len + 1], vec![0]].concat());
    }
    // One that is shorter than the arguments were.
    titles.push([b"short".to_vec(), vec![0; len - 5]].concat());
    for title in titles {
        let child = at_rest_after(|| set_title(&title));
        let shown = cmdline(child.pid()).unwrap();
        assert!(shown.starts_with(&title[..5]));
        let (bytes, _) = arguments_of(child.pid(), MAX_ARGUMENTS);
        assert_eq!(
            bytes,
            shown[..shown.len().min(4096)],
            "args of a title of {len}"
        );
        let (cut, size) = arguments_of(child.pid(), 3);
        assert_eq!(cut, shown[..3]);
        assert!(size as usize >= shown.len().min(4096), "args.args_size");
        child.kill();
    }
}

/// Moves the arguments of this process elsewhere.
fn move_arguments(start: usize, end: usize) {
    for (option, address) in [
        (libc::PR_SET_MM_ARG_END, end),
        (libc::PR_SET_MM_ARG_START, start),
        (libc::PR_SET_MM_ARG_END, end),
    ] {
        // SAFETY: The kernel checks the address, and only those who look at the arguments use it.
        let result = unsafe { libc::prctl(libc::PR_SET_MM, option, address, 0, 0) };
        // The end must not be before the start, so one of the first two may be too early.
        let _ = Errno::result(result);
    }
    let [now_start, now_end, ..] = places();
    assert_eq!((now_start, now_end), (start, end));
}

/// Maps a page of 16 bytes of arguments of this process, of a file or without one.
pub fn map_arguments(file: Option<&fs::File>) -> usize {
    let length = PAGE.try_into().unwrap();
    // SAFETY: A new mapping, which lives as long as the process.
    let page = unsafe {
        match file {
            Some(file) => mmap(
                None,
                length,
                ProtFlags::PROT_READ,
                MapFlags::MAP_PRIVATE,
                file,
                0,
            ),
            None => mmap_anonymous(None, length, ProtFlags::PROT_READ, MapFlags::MAP_PRIVATE),
        }
    };
    let start = page.unwrap().as_ptr() as usize;
    move_arguments(start, start + 16);
    start
}

/// Memory of files, which may be on a file system in user space, is not looked at.
#[test]
fn arguments_in_a_file() {
    let _kernel = shared();
    let child = at_rest_after(|| {
        let file = fs::File::open("/bin/busybox").unwrap();
        let start = map_arguments(Some(&file));
        // SAFETY: The page is mapped. Once read, it is present.
        unsafe { std::ptr::read_volatile(start as *const u8) };
    });
    assert_eq!(cmdline(child.pid()).unwrap(), b"");
    for _ in 0..100 {
        assert_eq!(snapshot(256).arguments(child.pid()), None, "args of a file");
    }
}

/// Memory that is not present stays so: no page of another process is brought in.
#[test]
fn arguments_that_are_not_present() {
    let _kernel = shared();
    let child = at_rest_after(|| {
        map_arguments(None);
    });
    // The flag of a page that is present, in /proc/PID/pagemap, which some kernels lack.
    let is_present = || {
        let start: u64 = procfs::number(child.pid(), 48).unwrap();
        let pagemap = fs::File::open(format!("/proc/{}/pagemap", child.pid())).ok()?;
        let mut entry = [0; 8];
        pagemap
            .read_exact_at(&mut entry, start / PAGE as u64 * 8)
            .unwrap();
        Some(u64::from_ne_bytes(entry) >> 63 == 1)
    };
    for _ in 0..100 {
        let snapshot = snapshot(256);
        assert_ne!(is_present(), Some(true), "the page was brought in");
        assert_eq!(
            snapshot.arguments(child.pid()),
            None,
            "args that are not there"
        );
    }
    // /proc brings it in.
    assert_eq!(cmdline(child.pid()).unwrap(), [0; 16]);
    assert_ne!(is_present(), Some(false));
    assert_eq!(arguments_of(child.pid(), 256).0, [0; 16]);
}

/// A process with a file of a file system of its own in its memory, which can be taken down when
/// nothing keeps that memory any more.
struct Mapped {
    directory: PathBuf,
    child: Child,
}

impl Mapped {
    fn new() -> Self {
        let directory = std::env::temp_dir().join("mapped");
        fs::create_dir_all(&directory).unwrap();
        mount(
            Some("tmpfs"),
            &directory,
            Some("tmpfs"),
            MsFlags::empty(),
            None::<&str>,
        )
        .unwrap();
        let path = directory.join("file");
        fs::write(&path, [7; PAGE]).unwrap();
        let child = at_rest_after(|| {
            let file = fs::File::open(&path).unwrap();
            // SAFETY: A new mapping, which lives as long as the process.
            let page = unsafe {
                let length = PAGE.try_into().unwrap();
                mmap(
                    None,
                    length,
                    ProtFlags::PROT_READ,
                    MapFlags::MAP_PRIVATE,
                    &file,
                    0,
                )
            };
            page.unwrap();
        });
        Self { directory, child }
    }

    /// Ends the process, and waits for the end of its memory.
    fn end(self) {
        assert_eq!(umount(&self.directory), Err(Errno::EBUSY));
        self.child.kill();
        // The last reference may be given back by a worker.
        eventually("the end of its memory", || umount(&self.directory).is_ok());
        fs::remove_dir(&self.directory).unwrap();
    }
}

/// When a process has ended, nothing keeps its memory.
#[test]
fn no_address_space_is_kept() {
    let _kernel = shared();
    let mapped = Mapped::new();
    for _ in 0..10 {
        arguments_of(mapped.child.pid(), 256);
    }
    mapped.end();
}

/// A caller whose second buffer does not answer keeps no address space of others.
#[test]
fn a_buffer_that_never_answers() {
    let _kernel = shared();
    let mapped = Mapped::new();
    let lazy = LazyRegion::new();
    let region = Region::new(10 * RECORD);
    let mut arguments = with_args(&region, lazy.region(), 256);
    arguments.flags = uapi::PROCMON_SNAPSHOT_BY_TGID;
    arguments.tgid = mapped.child.pid();
    thread::scope(|scope| {
        let caller = scope.spawn(|| call(&mut arguments));
        lazy.wait_for_fault();
        mapped.end();
        assert!(!caller.is_finished());
        lazy.supply();
        assert_eq!(caller.join().unwrap(), Ok(0));
    });
    assert_eq!(arguments.count, 1);
    assert_eq!(entries(lazy.region(), arguments.args_bytes).len(), 1);
}

/// While a process changes its memory all the time, its arguments are the right ones or none, and
/// often there.
#[test]
fn a_process_that_changes_its_memory() {
    let _kernel = shared();
    let child = Child::spawn(|| {
        let change = || {
            loop {
                drop(Region::new(PAGE));
            }
        };
        let threads = [(); 3].map(|()| thread::spawn(change));
        for thread in threads {
            let _ = thread.join();
        }
    });
    let expected = cmdline(own_pid()).unwrap();
    let mut found = 0;
    eventually("arguments, a hundred times", || {
        if let Some(arguments) = snapshot(MAX_ARGUMENTS).arguments(child.pid()) {
            assert_eq!(arguments.as_bytes(), &expected[..expected.len().min(4096)]);
            found += 1;
        }
        found >= 100
    });
}

/// The arguments are of the program of the record, however often a process executes another one.
#[test]
fn arguments_belong_to_the_record() {
    let _kernel = shared();
    let directory = std::env::temp_dir().join("cmdlines");
    fs::create_dir_all(&directory).unwrap();
    // Each of the two executes the other one: they are one file by two names.
    for (name, other) in [("one", "two"), ("two", "one")] {
        symlink("/bin/busybox", directory.join(name)).unwrap();
        let script = format!("exec -a sh ./{other} script-of-{other}\n");
        fs::write(directory.join(format!("script-of-{name}")), script).unwrap();
    }
    let child = Child::spawn(|| {
        let mut first = Command::new("./one");
        first
            .current_dir(&directory)
            .arg0("sh")
            .arg("script-of-one");
        panic!("{}", first.exec());
    });
    let pid = child.pid();
    let device = Device::open().unwrap();
    let options = SnapshotOptions::new().tgid(pid).arguments(256);
    let (mut seen, mut names) = (0, HashMap::new());
    eventually("two programs, many times", || {
        let snapshot = device.snapshot(&options).unwrap();
        let (Some(record), Some(arguments)) = (snapshot.get(pid), snapshot.arguments(pid)) else {
            return false;
        };
        let name = record.comm().to_string_lossy().into_owned();
        assert!(!record.is_mixed(), "args of a mixed record");
        if name == "one" || name == "two" {
            let list: Vec<_> = arguments.iter().collect();
            let script = format!("script-of-{name}");
            assert_eq!(list, ["sh", &script], "args of another program");
            *names.entry(name).or_insert(0) += 1;
            seen += 1;
        }
        seen >= 300 && names.len() == 2
    });
    child.kill();
    fs::remove_dir_all(&directory).unwrap();
}

/// Other users see the same as in /proc, where the file is readable to all.
#[test]
fn arguments_for_other_users_and_namespaces() {
    let _kernel = shared();
    let child = stopped_with(&[]);
    let pid = child.pid();
    let device = Device::open().unwrap();
    let options = SnapshotOptions::new().arguments(256);
    as_nobody(|| {
        let snapshot = device.snapshot(&options).unwrap();
        let found = snapshot.arguments(pid).expect("it is stopped");
        assert_eq!(found.as_bytes(), cmdline(pid).unwrap());
    });
    in_pid_namespace(|| {
        let inner = paused();
        let snapshot = device.snapshot(&options).unwrap();
        let pids: Vec<_> = snapshot.iter().map(|record| record.pid()).collect();
        assert_eq!(pids, [1, inner.pid()]);
        assert!(snapshot.arguments(inner.pid()).is_some(), "args.pid");
    });
}

/// With threads, only the main one has the arguments of the process.
#[test]
fn arguments_of_threads() {
    let _kernel = shared();
    let child = at_rest_after(|| fixture::child::idle_threads(3));
    let device = Device::open().unwrap();
    let options = SnapshotOptions::new().tgid(child.pid()).threads(true);
    let snapshot = device.snapshot(&options.arguments(64)).unwrap();
    assert_eq!(snapshot.len(), 4);
    for record in &snapshot {
        let found = snapshot.arguments(record.pid());
        assert_eq!(found.is_some(), record.pid() == child.pid(), "args.pid");
    }
}

fn with_args(region: &Region, texts: &Region, max: u32) -> uapi::procmon_snapshot {
    uapi::procmon_snapshot {
        groups: uapi::PROCMON_GROUP_ARGS,
        args: texts.start().as_ptr() as u64,
        args_capacity: u32::try_from(texts.size()).unwrap(),
        args_max: max,
        ..arguments(region, region.size() / RECORD)
    }
}

/// Returns PIDs and sizes of entries.
fn entries(texts: &Region, bytes: u32) -> Vec<(i32, u32)> {
    let mut rest = &texts.bytes(0, bytes as usize)[..];
    let mut entries = Vec::new();
    while !rest.is_empty() {
        let word = |index: usize| u32::from_ne_bytes(*rest[4 * index..].first_chunk().unwrap());
        let [size, pid, args_size, stored] = [0, 1, 2, 3].map(word);
        assert!(size % 8 == 0 && size as usize >= HEADER, "args.size {size}");
        assert!(stored <= args_size, "args.args_stored, args.args_size");
        assert_eq!(
            size,
            (HEADER as u32 + stored).next_multiple_of(8),
            "args.size, args.args_stored"
        );
        let padding = &rest[HEADER + stored as usize..size as usize];
        assert!(padding.iter().all(|&byte| byte == 0), "args.args_stored");
        entries.push((pid.cast_signed(), size));
        rest = &rest[size as usize..];
    }
    entries
}

/// Bad arguments are refused, and change nothing.
#[test]
fn the_second_buffer_refuses_bad_arguments() {
    let _kernel = shared();
    let region = Region::new(10 * RECORD);
    let texts = Region::new(PAGE);
    type Change = fn(&mut uapi::procmon_snapshot);
    let cases: [(&str, Change, Errno); 11] = [
        ("no limit", |a| a.args_max = 0, Errno::EINVAL),
        ("a large limit", |a| a.args_max = 4097, Errno::EINVAL),
        ("a small buffer", |a| a.args_capacity = 79, Errno::EINVAL),
        ("no buffer", |a| a.args_capacity = 0, Errno::EINVAL),
        ("a reserved field", |a| a.reserved = 1, Errno::EINVAL),
        ("no group", |a| a.groups = 0, Errno::EINVAL),
        (
            "a limit alone",
            |a| (a.groups, a.args, a.args_capacity) = (0, 0, 0),
            Errno::EINVAL,
        ),
        (
            "a capacity alone",
            |a| (a.groups, a.args, a.args_max) = (0, 0, 0),
            Errno::EINVAL,
        ),
        (
            "a buffer alone",
            |a| (a.groups, a.args_max, a.args_capacity) = (0, 0, 0),
            Errno::EINVAL,
        ),
        ("NULL", |a| a.args = 0, Errno::EFAULT),
        (
            "a kernel address",
            |a| a.args = Ptr::KERNEL.as_ptr() as u64,
            Errno::EFAULT,
        ),
    ];
    for (name, change, errno) in cases {
        let mut bad = with_args(&region, &texts, 64);
        change(&mut bad);
        assert_eq!(call(&mut bad), Err(errno), "{name}");
        for region in [&region, &texts] {
            let bytes = region.bytes(0, region.size());
            assert!(bytes.iter().all(|&byte| byte == 0), "{name}");
        }
    }
    // The smallest buffer, of one longest entry.
    let mut good = with_args(&region, &texts, 64);
    good.args_capacity = 80;
    assert_eq!(call(&mut good), Ok(0));
    assert!(good.count > 0);
}

/// However small the second buffer is, each process comes once, and nothing is written behind it.
#[test]
fn second_buffers_of_all_sizes() {
    const MAX: u32 = 40;

    let _kernel = shared();
    let children: Vec<_> = (0..20).map(|_| stopped_with(&[])).collect();
    let region = Region::new(1000 * RECORD);
    let texts = Region::new(PAGE);
    let smallest = (HEADER + MAX as usize).next_multiple_of(8);
    for capacity in (smallest..PAGE / 2).step_by(72) {
        let mut all = Vec::new();
        let mut pids = Vec::new();
        let mut cursor = 0;
        loop {
            texts.fill(0, &[0xaa; PAGE]);
            let mut arguments = with_args(&region, &texts, MAX);
            arguments.args_capacity = u32::try_from(capacity).unwrap();
            arguments.cursor = cursor;
            assert_eq!(call(&mut arguments), Ok(0));
            assert!(arguments.count > 0, "a call goes on, {capacity}");
            let written = arguments.args_bytes as usize;
            assert!(written <= capacity, "snapshot.args_bytes");
            let behind = texts.bytes(written, PAGE - written);
            assert!(behind.iter().all(|&byte| byte == 0xaa), "{capacity}");
            let of_call = entries(&texts, arguments.args_bytes);
            // They belong to the records, in their order.
            let marked: Vec<_> = (0..arguments.count)
                .filter(|&index| {
                    let groups = region.bytes(index as usize * RECORD, 4);
                    let groups = u32::from_ne_bytes(groups.try_into().unwrap());
                    groups & uapi::PROCMON_GROUP_ARGS != 0
                })
                .map(|index| pid_in(&region, index, RECORD))
                .collect();
            let named: Vec<_> = of_call.iter().map(|entry| entry.0).collect();
            assert_eq!(
                named, marked,
                "snapshot.args_bytes, args.pid, record.groups"
            );
            pids.extend((0..arguments.count).map(|index| pid_in(&region, index, RECORD)));
            all.extend(named);
            cursor = arguments.cursor;
            if cursor == 0 {
                break;
            }
        }
        assert!(pids.is_sorted_by(|one, next| one < next), "snapshot.cursor");
        for child in &children {
            assert!(all.contains(&child.pid()), "args.pid, {capacity}");
        }
    }
}

/// Where the second buffer ends early, the records before are delivered, and the next call goes on.
#[test]
fn a_second_buffer_that_ends_early() {
    let _kernel = shared();
    let _children: Vec<_> = (0..20).map(|_| stopped_with(&[])).collect();
    let region = Region::new(1000 * RECORD);
    let texts = Region::new(PAGE);
    let mut first = with_args(&region, &texts, 40);
    first.args = texts.before_end(200).as_ptr() as u64;
    assert_eq!(call(&mut first), Ok(0));
    assert!(first.count > 0 && first.cursor != 0, "snapshot.cursor");
    assert!(first.args_bytes <= 200, "snapshot.args_bytes");
    let next = first.cursor;
    // From there on nothing fits, and nothing is delivered.
    let mut second = with_args(&region, &texts, 40);
    second.cursor = next;
    second.args = texts.end().as_ptr() as u64;
    assert_eq!(call(&mut second), Err(Errno::EFAULT));
    second.args = texts.start().as_ptr() as u64;
    assert_eq!(call(&mut second), Ok(0));
    assert_eq!(pid_in(&region, 0, RECORD), next);
}

/// Processes that come and go at a high rate have the right ones or none.
#[test]
fn arguments_in_a_storm() {
    const LIVES: usize = 30;

    let _kernel = shared();
    let _storm = Child::spawn(|| {
        loop {
            let mut children: Vec<_> = (0..5)
                .map(|_| Command::new("/bin/true").arg("storm").spawn().unwrap())
                .collect();
            for child in &mut children {
                child.wait().unwrap();
            }
        }
    });
    let device = Device::open().unwrap();
    let options = SnapshotOptions::new().arguments(128);
    let mut seen = 0;
    let mut snapshot = Snapshot::default();
    eventually("arguments of short lives", || {
        device.snapshot_into(&options, &mut snapshot).unwrap();
        for record in &snapshot {
            let arguments = snapshot.arguments(record.pid());
            if let Some(arguments) = arguments.filter(|_| record.comm() == "true") {
                let list: Vec<_> = arguments.iter().collect();
                assert_eq!(list, ["/bin/true", "storm"], "args of {}", record.pid());
                seen += 1;
            }
        }
        seen >= LIVES
    });
}
