// SPDX-License-Identifier: GPL-2.0-only

//! Leaks: of the kernel's memory, and of its old content to the user.

use std::fs;
use std::io::{Read, Write};
use std::mem::offset_of;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::Duration;

use fixture::child::Child;
use fixture::leaks::{self, Usage};
use fixture::memory::{PAGE, Ptr, Region};
use fixture::{
    KernelGuard, Module, ia32, is_long, is_own_kernel, leave_out, loaded, open, procfs, raw, stats,
};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::prctl;
use nix::sys::uio::readv;
use procmon::snapshot::Groups;
use procmon::sysfs::{self, Parameter};
use procmon::{Device, SnapshotOptions, uapi};

/// Loads the module, uses all of its interface, also in ways that fail, and unloads it.
fn load_and_use() {
    let _module = Module::load("buffer_size=1048576").unwrap();
    let mut device = Device::open().unwrap();
    for size in [0, 1, 5000, 200_000, 100] {
        assert_eq!(device.write_message(&vec![b'm'; size]).unwrap(), size);
        assert_eq!(device.read_message().unwrap().len(), size);
    }
    // A pass that is left before its end.
    assert_eq!(device.read_at(&mut [0; 10], 0).unwrap(), 10);
    raw::write(&device, Ptr::NULL, 100).unwrap_err();
    raw::read(open(), Ptr::NULL, 100).unwrap_err();
    device.set_filter(Some(1)).unwrap();
    device.query(1).unwrap();
    device.query(procfs::unused_pid()).unwrap();
    device.stats().unwrap();
    device.count().unwrap();
    device
        .snapshot(&SnapshotOptions::new().groups(Groups::all()))
        .unwrap();
    device.history(0).unwrap();
    device.sample_events().unwrap();
    device.wait_for_sample(Some(Duration::ZERO)).unwrap();
    raw::ioctl(&device, uapi::PROCMON_SNAPSHOT.into(), Ptr::NULL).unwrap_err();
    device.reset().unwrap();
    raw::ioctl(&device, uapi::PROCMON_QUERY_PID.into(), Ptr::NULL).unwrap_err();
    sysfs::stats().unwrap();
    sysfs::monitor().unwrap();
    sysfs::buffer_size().unwrap();
    Parameter::BufferSize.set(10).unwrap();
    Parameter::BufferSize.set(0).unwrap_err();
}

/// T01, T66: the kernel's use of memory does not grow when the module is loaded, used and unloaded
/// again and again.
#[test]
fn no_growing_memory() {
    // Seconds for which a round waits for memory that is freed late. Only the last one, to which
    // hardly any run comes, has time for all: RCU frees open files in sysfs at times after half a
    // minute.
    const ROUNDS: [usize; 4] = [5, 5, 5, 90];

    // On our own kernels kmemleak finds what is lost as well.
    let (first, cycles, others) = if is_own_kernel() {
        (2, 12, 4)
    } else {
        (5, 30, 10)
    };

    let _kernel = KernelGuard::new();
    // The first uses allocate some memory for good.
    for _ in 0..first {
        load_and_use();
    }
    // Other parts of the kernel may allocate too, and at times many objects of a cache. But only a
    // loss in each cycle makes the same cache grow each time.
    let mut lost: Option<Vec<String>> = None;
    for seconds in ROUNDS {
        let before = Usage::now().unwrap();
        for _ in 0..cycles {
            load_and_use();
        }
        let mut growth = Vec::new();
        for _ in 0..seconds {
            growth = Usage::now().unwrap().growth_since(&before, cycles - others);
            if growth.is_empty() {
                return;
            }
            thread::sleep(Duration::from_secs(1));
        }
        if let Some(lost) = lost {
            growth.retain(|kind| lost.contains(kind));
        }
        if growth.is_empty() {
            return;
        }
        lost = Some(growth);
    }
    panic!("more and more is taken of {lost:?}");
}

/// T01: after 200 times of loading and unloading with `PROCMON_LONG=1` in the environment, and else
/// 40 times, the kernel uses as much memory as before.
#[test]
fn loading_and_unloading_loses_no_memory() {
    if is_own_kernel() && !is_long() {
        return leave_out("kmemleak finds what is lost, and loading takes long");
    }
    let _kernel = KernelGuard::new();
    let cycles = |count| {
        for cycle in 0..count {
            let module = Module::load("").unwrap_or_else(|errno| panic!("{cycle}: {errno}"));
            let device = Device::open().unwrap();
            device.write_message(&[b'x'; 1000]).unwrap();
            drop(device);
            module
                .unload()
                .unwrap_or_else(|(_, errno)| panic!("{cycle}: {errno}"));
        }
    };
    // Kernel memory in KiB. RCU and the module loader free memory with a delay.
    let in_use = || {
        thread::sleep(Duration::from_secs(1));
        leaks::shrink_caches().unwrap();
        let info = fs::read_to_string("/proc/meminfo").unwrap();
        let field = |name: &str| -> i64 {
            let line = info.lines().find(|line| line.starts_with(name)).unwrap();
            line.split_ascii_whitespace()
                .nth(1)
                .unwrap()
                .parse()
                .unwrap()
        };
        (
            field("SUnreclaim:"),
            field("VmallocUsed:"),
            field("Percpu:"),
        )
    };
    let (first, others) = if is_long() { (20, 180) } else { (5, 35) };
    cycles(first);
    let before = in_use();
    cycles(others);
    let after = in_use();
    // A leak of 4 KiB in each of 180 cycles would be 720 KiB.
    assert!(
        after.0 - before.0 < 600,
        "slab memory in KiB: {before:?} -> {after:?}"
    );
    assert!(
        after.1 - before.1 < 600,
        "vmalloc memory in KiB: {before:?} -> {after:?}"
    );
    assert!(
        after.2 - before.2 < 100,
        "per-CPU memory in KiB: {before:?} -> {after:?}"
    );
}

/// Leaves bytes on the kernel's stack and in memory that it has freed.
fn poison(byte: u8) {
    // poll(2), select(2) and readv(2) keep small arguments on the stack.
    let pattern = i16::from_ne_bytes([byte; 2]);
    let (mut near, mut far) = UnixStream::pair().unwrap();
    let mut fds: [_; 30] =
        std::array::from_fn(|_| PollFd::new(near.as_fd(), PollFlags::from_bits_retain(pattern)));
    poll(&mut fds, PollTimeout::ZERO).unwrap();
    // SAFETY: The set is as large as the kernel is told, and bits for descriptors that are not open
    // are an error of the call only.
    unsafe {
        let mut set: libc::fd_set = std::mem::zeroed();
        std::ptr::write_bytes(&raw mut set, byte, 1);
        libc::select(
            1024,
            &raw mut set,
            std::ptr::null_mut(),
            std::ptr::null_mut(),
            &mut libc::timeval {
                tv_sec: 0,
                tv_usec: 0,
            },
        );
    }
    // Paths of many lengths, which do not exist, are copied and freed.
    for len in [10, 100, 1000, 4000] {
        let name = String::from_utf8(vec![byte & 0x7f | 1; len]).unwrap();
        fs::metadata(name).unwrap_err();
    }
    // Sent data is copied, and freed when it is received.
    for len in (8..4096).step_by(24) {
        far.write_all(&vec![byte; len]).unwrap();
        let mut back = vec![0; len];
        near.read_exact(&mut back).unwrap();
    }
    // The module does the same with messages.
    let file = open();
    for len in [16, 32, 64, 96, 128, 256, 512, 1024] {
        let message = Region::with(&vec![byte; len]);
        assert_eq!(raw::write(&file, message.start(), len), Ok(len));
        let mut back = vec![0; len / 8];
        let mut pieces: Vec<_> = back
            .chunks_mut(4)
            .take(8)
            .map(std::io::IoSliceMut::new)
            .collect();
        readv(&file, &mut pieces).unwrap();
    }
}

/// Returns the answer of a command, in a buffer that was filled with `byte` but for the argument,
/// after free memory of the kernel was filled with `byte` too.
fn answer(call: impl FnOnce(Ptr), argument: &[u8], size: usize, byte: u8) -> Vec<u8> {
    const BEHIND: usize = 64;

    poison(byte);
    Device::open().unwrap().reset().unwrap();
    let region = Region::new_low(PAGE);
    region.fill(0, &vec![byte; size + BEHIND]);
    region.fill(0, argument);
    call(region.start());
    assert_eq!(
        region.bytes(size, BEHIND),
        [byte; BEHIND],
        "behind the answer"
    );
    region.bytes(0, size)
}

/// T64: no byte of an answer depends on the old content of the user's buffer or of the kernel's
/// memory.
#[test]
fn no_stale_bytes_in_answers() {
    let (_kernel, _module) = loaded("");
    let file = open();
    // A process that does not change, with a short name.
    let child = Child::spawn(|| {
        prctl::set_name(c"ab").unwrap();
        nix::unistd::pause();
    });
    fixture::eventually("a name of its own", || {
        procfs::stat(child.pid()).is_some_and(|stat| stat.comm == b"ab")
    });
    procfs::wait_for_state(child.pid(), 'S');

    let both = |name: &str, number: u32, is_compat: bool, argument: &[u8], size: usize| {
        let [first, second] = [0xaa, 0x55].map(|byte| {
            let call = |pointer| {
                let result = if is_compat {
                    ia32::ioctl(&file, number, pointer)
                } else {
                    raw::ioctl(&file, number.into(), pointer)
                };
                assert_eq!(result, Ok(0), "{name}");
            };
            answer(call, argument, size, byte)
        });
        assert_eq!(first, second, "{name}");
        first
    };

    let callers: &[bool] = if ia32::IS_AVAILABLE {
        &[false, true]
    } else {
        &[false]
    };
    for &is_compat in callers {
        both("GET_COUNT", uapi::PROCMON_GET_COUNT, is_compat, &[], 4);
    }
    let size = size_of::<uapi::procmon_stats>();
    let stats = both("GET_STATS", uapi::PROCMON_GET_STATS, false, &[], size);
    let end = offset_of!(uapi::procmon_stats, current_filter_pid) + 4;
    assert_eq!(stats[end..], [0; 4], "padding");
    let size = size_of::<uapi::procmon_stats32>();
    if callers.contains(&true) {
        both(
            "32-bit GET_STATS",
            uapi::PROCMON_GET_STATS32,
            true,
            &[],
            size,
        );
    }

    for pid in [child.pid(), 2, procfs::unused_pid(), -1] {
        for (number, is_compat, size) in [
            (
                uapi::PROCMON_QUERY_PID,
                false,
                size_of::<uapi::procmon_query>(),
            ),
            (
                uapi::PROCMON_QUERY_PID32,
                true,
                size_of::<uapi::procmon_query32>(),
            ),
        ] {
            if !callers.contains(&is_compat) {
                continue;
            }
            let name = format!("QUERY_PID of {pid}, 32 bits: {is_compat}");
            let query = both(&name, number, is_compat, &pid.to_ne_bytes(), size);
            let comm = procfs::stat(pid).map(|stat| stat.comm).unwrap_or_default();
            let mut padded = [0; 16];
            padded[..comm.len()].copy_from_slice(&comm);
            assert_eq!(query[4..20], padded, "{name}");
        }
    }
    child.kill();
}

/// T64: no byte of records and samples does either, with any stride.
#[test]
fn no_stale_bytes_in_lists() {
    const RECORD: usize = size_of::<uapi::procmon_record>();
    const SAMPLE: usize = size_of::<uapi::procmon_sample>();

    let (_kernel, _module) = loaded("monitor_interval_ms=3600000");
    fixture::eventually("the first sample", || {
        sysfs::monitor().unwrap().samples == 1
    });
    let file = open();
    let child = Child::spawn(|| {
        nix::unistd::pause();
    });
    procfs::wait_for_state(child.pid(), 'S');
    let records = Region::new(PAGE);
    let all = Groups::all().bits();
    for (command, record, stride) in [
        (uapi::PROCMON_SNAPSHOT, RECORD, RECORD as u32),
        (uapi::PROCMON_SNAPSHOT, RECORD, 256),
        (uapi::PROCMON_SNAPSHOT, 184, 184),
        (uapi::PROCMON_SNAPSHOT, 48, uapi::PROCMON_RECORD_STRIDE_MIN),
        (uapi::PROCMON_HISTORY, SAMPLE, SAMPLE as u32),
        (uapi::PROCMON_HISTORY, SAMPLE, 512),
        (uapi::PROCMON_HISTORY, 232, uapi::PROCMON_SAMPLE_STRIDE_MIN),
    ] {
        // Each takes some seconds on our own kernels.
        let groups: &[u32] = if is_own_kernel() {
            &[all, 0b0_1010_1010]
        } else {
            &[0, all, 0b0_1010_1010, all & !0b0_1010_1010]
        };
        for &groups in groups {
            let mut arguments = [0; 56];
            arguments[0..4].copy_from_slice(&56u32.to_ne_bytes());
            if command == uapi::PROCMON_SNAPSHOT {
                let by_tgid = uapi::PROCMON_SNAPSHOT_BY_TGID;
                arguments[4..8].copy_from_slice(&by_tgid.to_ne_bytes());
                arguments[8..12].copy_from_slice(&u32::to_ne_bytes(groups));
                arguments[44..48].copy_from_slice(&child.pid().to_ne_bytes());
            }
            let address = records.start().as_ptr() as u64;
            arguments[16..24].copy_from_slice(&address.to_ne_bytes());
            arguments[24..28].copy_from_slice(&stride.to_ne_bytes());
            arguments[28..32].copy_from_slice(&1u32.to_ne_bytes());
            let [first, second] = [0xaa, 0x55].map(|byte| {
                records.fill(0, &[byte; PAGE]);
                let call = |pointer| {
                    assert_eq!(raw::ioctl(&file, command.into(), pointer), Ok(0));
                };
                let mut answer = answer(call, &arguments, arguments.len(), byte);
                // The time of a snapshot, and the ID of the process behind this one.
                if command == uapi::PROCMON_SNAPSHOT {
                    answer[48..].fill(0);
                    let cursor = i32::from_ne_bytes(answer[12..16].try_into().unwrap());
                    assert!(cursor == 0 || cursor > child.pid(), "{cursor:#x}");
                    answer[12..16].fill(0);
                }
                let stride = stride as usize;
                let behind = records.bytes(stride, 256);
                assert_eq!(behind, [byte; 256], "behind the record");
                answer.extend(records.bytes(0, stride));
                answer
            });
            assert_eq!(
                first, second,
                "{command:#x}, stride {stride}, groups {groups:#x}"
            );
            assert_eq!(first[32..36], 1u32.to_ne_bytes());
            let rest = &first[arguments.len() + record..];
            assert!(rest.iter().all(|&byte| byte == 0), "stride {stride}");
        }
    }
    child.kill();
}

/// T64: a read writes nothing behind the bytes that it returns.
#[test]
fn no_stale_bytes_behind_a_read() {
    let (_kernel, _module) = loaded("");
    for byte in [0xaa, 0x55] {
        poison(byte);
        let file = open();
        let message = Region::with(&[b'm'; 100]);
        assert_eq!(raw::write(&file, message.start(), 100), Ok(100));
        for (offset, len) in [(0, 100), (1, 99), (37, 63), (99, 1), (100, 0), (1000, 0)] {
            let buffer = Region::new(PAGE);
            buffer.fill(0, &[byte; PAGE]);
            let read = raw::pread(&file, buffer.start(), PAGE, offset);
            assert_eq!(read, Ok(len), "at {offset}");
            assert_eq!(buffer.bytes(0, len), vec![b'm'; len], "at {offset}");
            let rest = PAGE - len;
            assert_eq!(buffer.bytes(len, rest), vec![byte; rest], "at {offset}");
        }
    }
    assert_eq!(stats().totals.writes, 2 * (8 + 1));
}
