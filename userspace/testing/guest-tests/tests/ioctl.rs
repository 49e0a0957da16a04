// SPDX-License-Identifier: GPL-2.0

//! The ioctl commands.

use std::collections::HashSet;
use std::fs::File;
use std::io;
use std::mem::{offset_of, size_of};
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use fixture::child::{Child, as_nobody};
use fixture::memory::{PAGE, Ptr, Region, bad_pointers};
use fixture::{ia32, is_own_kernel, loaded, open, procfs, raw, stats};
use nix::errno::Errno;
use procmon::{DEVICE_PATH, Device, Stats, sysfs, uapi};

// The numbers of the spec; the header must not change them.
const RESET: u32 = 0x0000_5000;
const GET_COUNT: u32 = 0x8004_5001;
const GET_STATS: u32 = 0x8028_5002;
const SET_FILTER: u32 = 0x4004_5003;
const QUERY_PID: u32 = 0xc020_5004;
const GET_STATS32: u32 = 0x8014_5002;
const QUERY_PID32: u32 = 0xc01c_5004;

const STATS_SIZE: usize = 40;
const QUERY_SIZE: usize = 32;

/// The commands that take a pointer, and how much they read or write there.
const WITH_POINTER: [(u32, usize); 4] = [
    (GET_COUNT, 4),
    (GET_STATS, STATS_SIZE),
    (SET_FILTER, 4),
    (QUERY_PID, QUERY_SIZE),
];

fn ioctl(fd: impl AsFd, command: u32, argument: Ptr) -> nix::Result<i32> {
    raw::ioctl(fd, command.into(), argument)
}

fn set_filter(fd: impl AsFd, pid: i32) -> nix::Result<i32> {
    ioctl(fd, SET_FILTER, Region::with(&pid.to_ne_bytes()).start())
}

fn int_at(region: &Region, offset: usize) -> i32 {
    i32::from_ne_bytes(region.bytes(offset, 4).try_into().unwrap())
}

fn long_at(region: &Region, offset: usize) -> u64 {
    u64::from_ne_bytes(region.bytes(offset, 8).try_into().unwrap())
}

/// T35: RESET zeroes the totals, its own call included, and the filter. The message and
/// per_cpu_ops stay.
#[test]
fn reset_zeroes_the_totals_and_the_filter() {
    let (_kernel, _module) = loaded("");
    let mut device = Device::open().unwrap();
    device.write_message(b"stays").unwrap();
    device.read_message().unwrap();
    device.set_filter(Some(1)).unwrap();
    // One open, one write, one read that delivered something, one ioctl.
    assert_eq!(stats().per_cpu_ops, 4);
    assert_eq!(ioctl(&device, RESET, Ptr::NULL), Ok(0));
    assert_eq!(stats().totals, Stats::default());
    assert_eq!(stats().per_cpu_ops, 5);
    assert_eq!(device.read_message().unwrap(), b"stays");
    assert_eq!(device.count().unwrap(), 5);
    let totals = Stats {
        reads: 1,
        ioctls: 1,
        ..Stats::default()
    };
    assert_eq!(stats().totals, totals);
    assert_eq!(stats().per_cpu_ops, 7);
    // The argument means nothing.
    for argument in [Ptr::ONE, Ptr::KERNEL] {
        assert_eq!(ioctl(&device, RESET, argument), Ok(0));
    }
}

/// T35: GET_COUNT is the length of the message.
#[test]
fn get_count_is_the_length_of_the_message() {
    let (_kernel, _module) = loaded("buffer_size=100");
    let device = Device::open().unwrap();
    let answer = Region::new(PAGE);
    for (len, expected) in [(0, 0), (1, 1), (13, 13), (100, 100), (101, 100), (0, 0)] {
        device.write_message(&vec![b'x'; len]).unwrap();
        answer.fill(0, &[0xaa; 8]);
        assert_eq!(ioctl(&device, GET_COUNT, answer.start()), Ok(0));
        assert_eq!(int_at(&answer, 0), expected, "{len}");
        assert_eq!(answer.bytes(4, 4), [0xaa; 4], "an int and no more");
    }
}

/// T35: GET_STATS counts itself, and gives every byte of its structure a value.
#[test]
fn get_stats_counts_itself() {
    let (_kernel, _module) = loaded("");
    let file = open();
    let device = Device::open().unwrap();
    device.write_message(b"abc").unwrap();
    device.write_message(b"abc").unwrap();
    let buffer = Region::new(PAGE);
    for _ in 0..3 {
        assert_eq!(raw::pread(&file, buffer.start(), 10, 0), Ok(3));
    }
    device.set_filter(Some(0x0102_0304)).unwrap();
    device.query(1).unwrap();
    device.count().unwrap();

    for (ioctls, pattern) in [(4, 0xaa), (5, 0x55)] {
        let answer = Region::with(&[pattern; STATS_SIZE + 8]);
        assert_eq!(ioctl(&file, GET_STATS, answer.start()), Ok(0));
        assert_eq!(long_at(&answer, 0), 2, "opens");
        assert_eq!(long_at(&answer, 8), 3, "reads");
        assert_eq!(long_at(&answer, 16), 2, "writes");
        assert_eq!(long_at(&answer, 24), ioctls, "ioctls");
        assert_eq!(int_at(&answer, 32), 0x0102_0304, "filter");
        assert_eq!(answer.bytes(36, 4), [0; 4], "padding");
        assert_eq!(
            answer.bytes(STATS_SIZE, 8),
            [pattern; 8],
            "behind the structure"
        );
    }
}

/// T35, T42: SET_FILTER takes 0 and every positive number, whether there is such a process or not,
/// and refuses negative ones.
#[test]
fn set_filter_refuses_negative_numbers() {
    let (_kernel, _module) = loaded("");
    let file = open();
    for pid in [1, procfs::unused_pid(), i32::MAX, 0, 7] {
        assert_eq!(set_filter(&file, pid), Ok(0), "{pid}");
        assert_eq!(stats().totals.filter, (pid != 0).then_some(pid));
    }
    for pid in [-1, i32::MIN] {
        assert_eq!(set_filter(&file, pid), Err(Errno::EINVAL), "{pid}");
        assert_eq!(stats().totals.filter, Some(7));
    }
    assert_eq!(stats().totals.ioctls, 7, "failed calls count too");
}

/// T35: QUERY_PID fills its structure; tests/query.rs has what with.
#[test]
fn query_pid_fills_its_structure() {
    let (_kernel, _module) = loaded("");
    let file = open();
    for pattern in [0xaa, 0x55] {
        let query = Region::with(&[pattern; QUERY_SIZE + 8]);
        // One name is as long as a word, and one is shorter.
        for (pid, comm) in [
            (1i32, b"init\0\0\0\0\0\0\0\0\0\0\0\0"),
            (2, b"kthreadd\0\0\0\0\0\0\0\0"),
        ] {
            query.fill(0, &pid.to_ne_bytes());
            assert_eq!(ioctl(&file, QUERY_PID, query.start()), Ok(0));
            assert_eq!(int_at(&query, 0), pid);
            assert_eq!(query.bytes(4, 16), *comm);
            assert_eq!(long_at(&query, 24) == 0, pid == 2);
            assert_eq!(
                query.bytes(QUERY_SIZE, 8),
                [pattern; 8],
                "behind the structure"
            );
        }
    }
}

/// The header has the spec's numbers and layouts.
#[test]
fn the_header_is_the_spec() {
    assert_eq!(
        [
            uapi::PROCMON_RESET,
            uapi::PROCMON_GET_COUNT,
            uapi::PROCMON_GET_STATS,
            uapi::PROCMON_SET_FILTER,
            uapi::PROCMON_QUERY_PID,
            uapi::PROCMON_GET_STATS32,
            uapi::PROCMON_QUERY_PID32,
        ],
        [
            RESET,
            GET_COUNT,
            GET_STATS,
            SET_FILTER,
            QUERY_PID,
            GET_STATS32,
            QUERY_PID32
        ]
    );
    assert_eq!(size_of::<uapi::procmon_stats>(), STATS_SIZE);
    assert_eq!(offset_of!(uapi::procmon_stats, current_filter_pid), 32);
    assert_eq!(size_of::<uapi::procmon_query>(), QUERY_SIZE);
    assert_eq!(offset_of!(uapi::procmon_query, comm), 4);
    assert_eq!(offset_of!(uapi::procmon_query, state), 20);
    assert_eq!(offset_of!(uapi::procmon_query, vsize), 24);
}

/// T36: unknown commands, each of which counts. Bits that do not fit in a command are cut off by
/// the system call.
#[test]
fn unknown_commands_are_refused() {
    let (_kernel, _module) = loaded("");
    let file = open();
    let page = Region::new(PAGE);
    let mut calls = 0;
    let numbers = (5..=0xff).map(|number| (u32::from(b'P') << 8) | number);
    let other_letters =
        [RESET, GET_COUNT, GET_STATS, SET_FILTER, QUERY_PID].map(|command| command ^ 0x100);
    // FIONREAD and TCGETS: others answer them, but we are neither file nor terminal.
    let of_others = [0x541b, 0x5401];
    for command in numbers
        .chain(other_letters)
        .chain(of_others)
        .chain([0, u32::MAX])
    {
        assert_eq!(
            ioctl(&file, command, page.start()),
            Err(Errno::ENOTTY),
            "{command:#x}"
        );
        calls += 1;
    }
    assert_eq!(stats().totals.ioctls, calls);
    let wide = (0xdead_beef << 32) | u64::from(GET_COUNT);
    assert_eq!(raw::ioctl(&file, wide, page.start()), Ok(0));
}

/// T37: a known number with another size or direction is unknown; those of 32-bit processes too.
#[test]
fn wrong_sizes_and_directions_are_refused() {
    let (_kernel, _module) = loaded("");
    let device = Device::open().unwrap();
    device.write_message(b"kept").unwrap();
    device.set_filter(Some(7)).unwrap();
    let page = Region::new(4 * PAGE);
    let known = HashSet::from([RESET, GET_COUNT, GET_STATS, SET_FILTER, QUERY_PID]);
    for number in 0..=4 {
        for direction in 0..4 {
            for size in [
                0, 1, 3, 4, 5, 8, 19, 20, 27, 28, 31, 32, 33, 39, 40, 41, 0x3fff,
            ] {
                let command = (direction << 30) | (size << 16) | (0x50 << 8) | number;
                if !known.contains(&command) {
                    let result = ioctl(&device, command, page.start());
                    assert_eq!(result, Err(Errno::ENOTTY), "{command:#x}");
                }
            }
        }
    }
    assert_eq!(device.count().unwrap(), 4);
    assert_eq!(stats().totals.filter, Some(7));
}

/// T38: a bad pointer is EFAULT, and nothing happens.
#[test]
fn commands_refuse_bad_pointers() {
    let (_kernel, _module) = loaded("");
    let file = open();
    set_filter(&file, 7).unwrap();
    let mut calls = 1;
    let region = Region::new(PAGE);
    for (command, size) in WITH_POINTER {
        for (name, pointer) in bad_pointers(&region, size) {
            let result = ioctl(&file, command, pointer);
            assert_eq!(result, Err(Errno::EFAULT), "{command:#x}, {name}");
            calls += 1;
        }
    }
    let read_only = Region::with(&[0; PAGE]).read_only();
    for command in [GET_COUNT, GET_STATS, QUERY_PID] {
        let result = ioctl(&file, command, read_only.start());
        assert_eq!(result, Err(Errno::EFAULT), "{command:#x}, read-only page");
        calls += 1;
    }
    let expected = Stats {
        opens: 1,
        ioctls: calls,
        filter: Some(7),
        ..Stats::default()
    };
    assert_eq!(stats().totals, expected);
    // What only reads is content with memory that cannot be written.
    assert_eq!(ioctl(&file, SET_FILTER, read_only.start()), Ok(0));
    assert_eq!(stats().totals.filter, None);
}

/// T38, T39: the structures may lie anywhere, at odd addresses too, up to the last byte.
#[test]
fn structures_lie_at_any_address() {
    let (_kernel, _module) = loaded("");
    let file = open();
    let region = Region::new(PAGE);
    for (command, size) in WITH_POINTER {
        for pointer in [region.at(1), region.at(3), region.before_end(size)] {
            assert_eq!(
                ioctl(&file, command, pointer),
                Ok(0),
                "{command:#x} at {pointer:?}"
            );
        }
    }
}

/// T42: any number may be asked for; what is no PID is not found.
#[test]
fn any_number_may_be_queried() {
    let (_kernel, _module) = loaded("");
    let file = open();
    for pid in [0, -1, i32::MIN, i32::MAX, procfs::unused_pid()] {
        let query = Region::with(&[0xaa; QUERY_SIZE]);
        query.fill(0, &pid.to_ne_bytes());
        assert_eq!(ioctl(&file, QUERY_PID, query.start()), Ok(0), "{pid}");
        assert_eq!(int_at(&query, 0), pid);
        assert_eq!(query.bytes(4, 16), [0; 16], "name of {pid}");
        assert_eq!(int_at(&query, 20), -1, "state of {pid}");
        assert_eq!(long_at(&query, 24), 0, "size of {pid}");
    }
}

/// T43: what changes something takes a file that is open for writing, and says so before it looks
/// at the argument; the rest works with any file.
#[test]
fn changes_take_a_file_open_for_writing() {
    let (_kernel, _module) = loaded("");
    set_filter(open(), 7).unwrap();
    let read_only = File::open(DEVICE_PATH).unwrap();
    let write_only = File::options().write(true).open(DEVICE_PATH).unwrap();
    let page = Region::new(PAGE);
    for argument in [page.start(), Ptr::NULL] {
        assert_eq!(ioctl(&read_only, RESET, argument), Err(Errno::EBADF));
        assert_eq!(ioctl(&read_only, SET_FILTER, argument), Err(Errno::EBADF));
    }
    assert_eq!(stats().totals.filter, Some(7));
    assert_eq!(stats().totals.opens, 3);
    for file in [&read_only, &write_only] {
        for command in [GET_COUNT, GET_STATS, QUERY_PID] {
            assert_eq!(ioctl(file, command, page.start()), Ok(0), "{command:#x}");
        }
    }
    assert_eq!(set_filter(&write_only, 8), Ok(0));
    assert_eq!(ioctl(&write_only, RESET, Ptr::NULL), Ok(0));
    // A command that is not ours is unknown, whatever the file.
    assert_eq!(ioctl(&read_only, 0x5005, page.start()), Err(Errno::ENOTTY));
}

/// T44: whoever inherits an open file can do with it what it was opened for, as with any file.
#[test]
fn an_inherited_file_keeps_its_rights() {
    let (_kernel, _module) = loaded("");
    let file = open();
    let read_only = File::open(DEVICE_PATH).unwrap();
    as_nobody(|| {
        let page = Region::new(PAGE);
        for command in [GET_COUNT, GET_STATS, QUERY_PID] {
            assert_eq!(
                ioctl(&read_only, command, page.start()),
                Ok(0),
                "{command:#x}"
            );
        }
        assert_eq!(ioctl(&read_only, RESET, Ptr::NULL), Err(Errno::EBADF));
        assert_eq!(set_filter(&file, 9), Ok(0));
        assert_eq!(raw::write(&file, Region::with(b"mine").start(), 4), Ok(4));
    });
    assert_eq!(stats().totals.filter, Some(9));
    assert_eq!(Device::open().unwrap().read_message().unwrap(), b"mine");
}

/// T46: RESET under a storm of calls loses and invents none: what is counted afterwards is less
/// than there was, and per_cpu_ops is exact.
#[test]
fn reset_in_a_storm() {
    const CALLS: u64 = 2000;
    const THREADS: u64 = 3;

    let (_kernel, _module) = loaded("");
    let device = Device::open().unwrap();
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                for _ in 0..CALLS {
                    device.count().unwrap();
                }
            });
        }
        for _ in 0..100 {
            device.reset().unwrap();
            let ioctls = device.stats().unwrap().ioctls;
            assert!(
                (1..=CALLS * THREADS + 1).contains(&ioctls),
                "{ioctls} calls after a reset"
            );
        }
    });
    device.reset().unwrap();
    assert_eq!(stats().totals, Stats::default());
    assert_eq!(stats().per_cpu_ops, 1 + THREADS * CALLS + 100 * 2 + 1);
}

/// T46: totals that are read during a RESET are those from before or those from after it.
#[test]
fn reset_under_readers() {
    let (_kernel, _module) = loaded("");
    let device = Device::open().unwrap();
    // By far quicker than to open it each time.
    let file = File::open("/sys/class/misc/procmon/stats").unwrap();
    let stop = AtomicBool::new(false);
    let texts = thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                device.reset().unwrap();
            }
        });
        // What fails in here must not keep the other thread from ending.
        let texts: io::Result<HashSet<_>> = (0..5000)
            .map(|_| {
                let mut text = [0; 200];
                file.read_at(&mut text, 0)
                    .map(|len| String::from_utf8_lossy(&text[..len]).into_owned())
            })
            .collect();
        stop.store(true, Ordering::Relaxed);
        texts
    });
    let most = texts
        .unwrap()
        .iter()
        .map(|text| {
            text.trim_end()
                .parse::<sysfs::Stats>()
                .unwrap()
                .totals
                .ioctls
        })
        .max();
    // A RESET may be counted and not done yet.
    assert!(most <= Some(1), "{most:?} calls");
    let calls = stats().per_cpu_ops;
    assert!(calls > 1000, "only {calls} calls");
}

/// Every counter is exact when processes and threads on all CPUs have used all calls at once.
#[test]
fn counters_are_exact() {
    const PROCESSES: u64 = 3;

    let (_kernel, _module) = loaded("");
    let rounds = if is_own_kernel() { 30 } else { 200 };
    open().write_at_start(b"message");
    let children: Vec<_> = (0..PROCESSES)
        .map(|_| {
            Child::spawn(|| {
                for _ in 0..rounds {
                    let device = Device::open().unwrap();
                    device.write_message(b"message").unwrap();
                    assert_eq!(device.read_at(&mut [0; 100], 0).unwrap(), 7);
                    device.count().unwrap();
                    device.query(1).unwrap();
                }
            })
        })
        .collect();
    children.into_iter().for_each(Child::join);
    let each = rounds * PROCESSES;
    let expected = Stats {
        opens: each + 1,
        reads: each,
        writes: each + 1,
        ioctls: each * 2,
        filter: None,
    };
    assert_eq!(stats().totals, expected);
    assert_eq!(stats().per_cpu_ops, each * 5 + 2);
}

trait WriteAtStart {
    fn write_at_start(&self, message: &[u8]);
}

impl WriteAtStart for File {
    fn write_at_start(&self, message: &[u8]) {
        FileExt::write_all_at(self, message, 0).unwrap();
    }
}

/// T47: a 32-bit process has all five commands, with its own numbers and layouts.
#[test]
fn commands_of_32_bit_processes() {
    let (_kernel, _module) = loaded("");
    let device = Device::open().unwrap();
    device.write_message(b"Hello Kernel\n").unwrap();
    let page = Region::new_low(PAGE);

    page.fill(0, &[0xaa; 64]);
    assert_eq!(ia32::ioctl(&device, GET_COUNT, page.start()), Ok(0));
    assert_eq!((int_at(&page, 0), page.bytes(4, 4)), (13, vec![0xaa; 4]));

    page.fill(0, &42i32.to_ne_bytes());
    assert_eq!(ia32::ioctl(&device, SET_FILTER, page.start()), Ok(0));
    page.fill(0, &(-1i32).to_ne_bytes());
    assert_eq!(
        ia32::ioctl(&device, SET_FILTER, page.start()),
        Err(Errno::EINVAL)
    );
    assert_eq!(stats().totals.filter, Some(42));

    // Four longs and an int of four bytes each.
    page.fill(0, &[0xaa; 64]);
    assert_eq!(ia32::ioctl(&device, GET_STATS32, page.start()), Ok(0));
    let fields: Vec<_> = (0..5).map(|index| int_at(&page, 4 * index)).collect();
    assert_eq!(fields, [1, 0, 1, 4, 42]);
    assert_eq!(page.bytes(20, 44), [0xaa; 44], "behind the structure");

    let own = i32::try_from(std::process::id()).unwrap();
    for pid in [own, 2, procfs::unused_pid(), -1] {
        page.fill(0, &[0xaa; 64]);
        page.fill(0, &pid.to_ne_bytes());
        assert_eq!(ia32::ioctl(&device, QUERY_PID32, page.start()), Ok(0));
        let native = device.query(pid).unwrap();
        let name = page.bytes(4, 16);
        let name = name.split(|&byte| byte == 0).next().unwrap();
        assert_eq!(int_at(&page, 0), pid);
        if let Some(process) = native {
            assert_eq!(name, std::os::unix::ffi::OsStrExt::as_bytes(&*process.comm));
            assert_eq!(procmon::State::from_raw(int_at(&page, 20)), process.state);
            let vsize = u32::from_ne_bytes(page.bytes(24, 4).try_into().unwrap());
            assert_eq!(u64::from(vsize), process.vsize);
        } else {
            assert_eq!(page.bytes(4, 16), [0; 16]);
            assert_eq!((int_at(&page, 20), int_at(&page, 24)), (-1, 0));
        }
        assert_eq!(page.bytes(28, 36), [0xaa; 36], "behind the structure");
    }

    assert_eq!(ia32::ioctl(&device, RESET, Ptr::NULL), Ok(0));
    assert_eq!(stats().totals, Stats::default());
}

/// T47: a size that a 32-bit process has no number for is given as the largest it has.
#[test]
fn values_that_do_not_fit_saturate() {
    let (_kernel, _module) = loaded("");
    let device = Device::open().unwrap();
    // Address space costs nothing as long as it is not used.
    let child = Child::spawn(|| {
        // SAFETY: A new mapping at an address of the kernel's choice is in nobody's way.
        let address = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                8 << 30,
                libc::PROT_NONE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
                -1,
                0,
            )
        };
        assert_ne!(address, libc::MAP_FAILED);
        nix::unistd::pause();
    });
    procfs::wait_for_state(child.pid(), 'S');
    let page = Region::new_low(PAGE);
    page.fill(0, &child.pid().to_ne_bytes());
    assert_eq!(ia32::ioctl(&device, QUERY_PID32, page.start()), Ok(0));
    assert_eq!(page.bytes(24, 4), u32::MAX.to_ne_bytes());
    let vsize = device.query(child.pid()).unwrap().unwrap().vsize;
    assert!(vsize > 8 << 30, "{vsize}");
    child.kill();
}

/// T47: bad input from a 32-bit process gets the same errors.
#[test]
fn errors_of_32_bit_processes() {
    let (_kernel, _module) = loaded("");
    let file = open();
    set_filter(&file, 7).unwrap();
    let page = Region::new_low(PAGE);
    // Each word size has its own numbers.
    for command in [
        GET_STATS,
        QUERY_PID,
        0x5005,
        0,
        u32::MAX,
        SET_FILTER ^ 0x100,
    ] {
        let result = ia32::ioctl(&file, command, page.start());
        assert_eq!(result, Err(Errno::ENOTTY), "{command:#x}");
    }
    for (command, size) in [
        (GET_COUNT, 4),
        (GET_STATS32, 20),
        (SET_FILTER, 4),
        (QUERY_PID32, 28),
    ] {
        for (name, pointer) in bad_pointers(&page, size) {
            let result = ia32::ioctl(&file, command, pointer);
            assert_eq!(result, Err(Errno::EFAULT), "{command:#x}, {name}");
        }
        assert_eq!(
            ia32::ioctl(&file, command, page.before_end(size)),
            Ok(0),
            "{command:#x}"
        );
    }
    let read_only = File::open(DEVICE_PATH).unwrap();
    assert_eq!(ia32::ioctl(&read_only, RESET, Ptr::NULL), Err(Errno::EBADF));
    assert_eq!(
        ia32::ioctl(&read_only, SET_FILTER, page.start()),
        Err(Errno::EBADF)
    );
    // 1 of the set-up, 6 unknown, 4 * 6 with pointers, 2 on the read-only file.
    assert_eq!(stats().totals.ioctls, 33);
}

/// T47: reading and writing of a 32-bit process.
#[test]
fn reading_and_writing_of_32_bit_processes() {
    let (_kernel, _module) = loaded("");
    let file = open();
    let page = Region::new_low(PAGE);
    page.fill(0, b"from thirty-two bits");
    assert_eq!(ia32::write(&file, page.start(), 20), Ok(20));
    assert_eq!(ia32::write(&file, page.end(), 20), Err(Errno::EFAULT));
    assert_eq!(ia32::read(&file, page.at(100), 5), Ok(5));
    assert_eq!(page.bytes(100, 5), b"from ");
    assert_eq!(ia32::read(&file, page.end(), 5), Err(Errno::EFAULT));
    let segments = [(page.at(200), 6), (page.at(300), 100)];
    assert_eq!(ia32::readv(&file, &segments), Ok(15));
    assert_eq!(
        [page.bytes(200, 6), page.bytes(300, 9)].concat(),
        b"thirty-two bits"
    );
    assert_eq!((stats().totals.reads, stats().totals.writes), (2, 1));
}
