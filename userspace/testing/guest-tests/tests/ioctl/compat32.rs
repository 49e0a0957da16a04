// SPDX-License-Identifier: GPL-2.0-only

//! Commands, reads and writes of 32-bit processes.

use std::fs::File;

use fixture::child::Child;
use fixture::memory::{PAGE, Ptr, Region, bad_pointers};
use fixture::{ia32, leave_out, loaded, open, procfs, stats};
use nix::errno::Errno;
use procmon::{DEVICE_PATH, Device, Stats};

use super::{
    GET_COUNT, GET_STATS, GET_STATS32, QUERY_PID, QUERY_PID32, RESET, SET_FILTER, int_at,
    set_filter,
};

/// T47: a 32-bit process has all five commands, with its own numbers and layouts.
#[test]
fn commands_of_32_bit_processes() {
    if !ia32::IS_AVAILABLE {
        return leave_out("no 32-bit calls on this machine");
    }
    let (_kernel, _module) = loaded("");
    let device = Device::open().unwrap();
    device.write_message(b"Hello").unwrap();
    device.write_message(b"Hello Kernel\n").unwrap();
    for _ in 0..3 {
        device.read_at(&mut [0; 5], 0).unwrap();
    }
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
    for (index, (field, expected)) in [
        ("total_opens", 1),
        ("total_reads", 3),
        ("total_writes", 2),
        ("total_ioctls", 4),
        ("current_filter_pid", 42),
    ]
    .into_iter()
    .enumerate()
    {
        assert_eq!(int_at(&page, 4 * index), expected, "stats32.{field}");
    }
    assert_eq!(page.bytes(20, 44), [0xaa; 44], "behind the structure");

    let own = i32::try_from(std::process::id()).unwrap();
    for pid in [own, 2, procfs::unused_pid(), -1] {
        page.fill(0, &[0xaa; 64]);
        page.fill(0, &pid.to_ne_bytes());
        assert_eq!(ia32::ioctl(&device, QUERY_PID32, page.start()), Ok(0));
        let native = device.query(pid).unwrap();
        let name = page.bytes(4, 16);
        let name = name.split(|&byte| byte == 0).next().unwrap();
        assert_eq!(int_at(&page, 0), pid, "query32.pid");
        if let Some(process) = native {
            let comm = std::os::unix::ffi::OsStrExt::as_bytes(&*process.comm);
            assert_eq!(name, comm, "query32.comm");
            let state = procmon::State::from_raw(int_at(&page, 20));
            assert_eq!(state, process.state, "query32.state");
            let vsize = u32::from_ne_bytes(page.bytes(24, 4).try_into().unwrap());
            assert_eq!(u64::from(vsize), process.vsize, "query32.vsize");
        } else {
            assert_eq!(page.bytes(4, 16), [0; 16]);
            assert_eq!((int_at(&page, 20), int_at(&page, 24)), (-1, 0));
        }
        assert_eq!(page.bytes(28, 36), [0xaa; 36], "behind the structure");
    }

    assert_eq!(ia32::ioctl(&device, RESET, Ptr::NULL), Ok(0));
    assert_eq!(stats().totals, Stats::default());
}

/// T47: a size of 4 GiB or more is the largest 32-bit number for a 32-bit process.
#[test]
fn values_that_do_not_fit_saturate() {
    if !ia32::IS_AVAILABLE {
        return leave_out("no 32-bit calls on this machine");
    }
    let (_kernel, _module) = loaded("");
    let device = Device::open().unwrap();
    // Address space without access takes no memory.
    let child = Child::spawn(|| {
        // SAFETY: A new mapping at an address of the kernel's choice replaces no other one.
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

/// T47: bad arguments of a 32-bit process get the same errors.
#[test]
fn errors_of_32_bit_processes() {
    if !ia32::IS_AVAILABLE {
        return leave_out("no 32-bit calls on this machine");
    }
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
    // 1 to set the filter, 6 unknown, 4 * 6 with pointers, 2 on the read-only file.
    assert_eq!(stats().totals.ioctls, 33);
}

/// T47: reading and writing of a 32-bit process.
#[test]
fn reading_and_writing_of_32_bit_processes() {
    if !ia32::IS_AVAILABLE {
        return leave_out("no 32-bit calls on this machine");
    }
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
