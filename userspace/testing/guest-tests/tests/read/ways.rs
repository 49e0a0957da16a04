// SPDX-License-Identifier: GPL-2.0-only

//! Reading by splice(2), sendfile(2), io_uring(7) and io_submit(2).

use std::fs::File;
use std::io::Read;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;

use fixture::memory::{PAGE, Ptr, Region};
use fixture::{loaded, open, raw, stats};
use nix::errno::Errno;
use nix::fcntl::{SpliceFFlags, splice};
use nix::sys::sendfile::sendfile;
use nix::unistd::{Whence, lseek, pipe};
use procmon::Device;

use super::{position, write_counting};

/// T26: ways of reading that the device does not offer fail with the usual errno.
#[test]
fn other_ways_of_reading_are_refused() {
    let (_kernel, _module) = loaded("");
    write_counting(10);
    let file = open();
    let region = Region::new(PAGE);
    let segments = [(region.start(), 10)];
    let nowait = raw::preadv2(&file, &segments, 0, libc::RWF_NOWAIT);
    assert_eq!(nowait, Err(Errno::EOPNOTSUPP));

    assert_eq!(stats().totals.reads, 0);
}

/// T26: splice and sendfile read as read does, in pieces and to the end.
#[test]
fn splice_reads_as_read_does() {
    let (_kernel, _module) = loaded("buffer_size=100000");
    let message = write_counting(100_000);
    let writer = Device::open().unwrap();

    let file = open();
    let (from, to) = pipe().unwrap();
    let mut from = File::from(from);
    let mut all = Vec::new();
    loop {
        let len = splice(&file, None, &to, None, 10_000, SpliceFFlags::empty()).unwrap();
        if len == 0 {
            break;
        }
        let mut part = vec![0; len];
        from.read_exact(&mut part).unwrap();
        all.extend(part);
        assert_eq!(position(&file), all.len() as u64);
        // The pass keeps to its message.
        writer.write_message(b"another one").unwrap();
    }
    assert_eq!(all, message);

    let mut offset = 8;
    let len = splice(
        &file,
        Some(&mut offset),
        &to,
        None,
        100,
        SpliceFFlags::empty(),
    );
    assert_eq!((len, offset), (Ok(3), 11));
    let mut part = [0; 3];
    from.read_exact(&mut part).unwrap();
    assert_eq!(&part, b"one");

    let message = write_counting(100_000);
    let reads = stats().totals.reads;
    let other = tempfile("sent");
    assert_eq!(sendfile(&other, open(), None, 200_000), Ok(100_000));
    let mut sent = vec![0; 100_000];
    other.read_exact_at(&mut sent, 0).unwrap();
    assert_eq!(sent, message);
    assert!(stats().totals.reads > reads);
    // Still, the file cannot be rewound.
    assert_eq!(lseek(&file, 0, Whence::SeekSet), Err(Errno::ESPIPE));
}

fn tempfile(name: &str) -> File {
    let path = format!("/tmp/{name}");
    let file = File::options()
        .read(true)
        .write(true)
        .create_new(true)
        .open(&path)
        .unwrap();
    std::fs::remove_file(path).unwrap();
    file
}

/// T26: io_uring reads as pread does.
#[test]
fn io_uring_reads_as_pread_does() {
    use io_uring::{IoUring, opcode, types};

    let (_kernel, _module) = loaded("");
    let message = write_counting(100);
    let file = open();
    let region = Region::new(PAGE);
    let mut ring = IoUring::new(2).unwrap();
    let mut read = |to: Ptr, offset: u64| {
        let fd = types::Fd(file.as_raw_fd());
        let entry = opcode::Read::new(fd, to.as_ptr(), 200)
            .offset(offset)
            .build();
        // SAFETY: `Ptr` promises that any length is fine.
        unsafe { ring.submission().push(&entry) }.unwrap();
        ring.submit_and_wait(1).unwrap();
        ring.completion().next().unwrap().result()
    };
    assert_eq!(read(region.start(), 40), 60);
    assert_eq!(region.bytes(0, 60), message[40..]);
    assert_eq!(read(region.start(), 100), 0);
    assert_eq!(read(region.end(), 0), -libc::EFAULT);
    assert_eq!(stats().totals.reads, 1);
}

/// T26: Linux's own asynchronous I/O reads as pread does.
#[test]
fn aio_reads_as_pread_does() {
    /// struct iocb of linux/aio_abi.h, little endian.
    #[repr(C)]
    #[derive(Default)]
    struct Iocb {
        data: u64,
        key: u32,
        rw_flags: i32,
        opcode: u16,
        priority: i16,
        fd: u32,
        buffer: u64,
        len: u64,
        offset: i64,
        reserved: u64,
        flags: u32,
        event_fd: u32,
    }

    let (_kernel, _module) = loaded("");
    let message = write_counting(100);
    let file = open();
    let region = Region::new(PAGE);
    let mut context: libc::c_ulong = 0;
    // SAFETY: The kernel writes the handle to a valid place.
    let result = unsafe { libc::syscall(libc::SYS_io_setup, 1, &raw mut context) };
    Errno::result(result).unwrap();
    let read = |to: Ptr, offset: i64| {
        let request = Iocb {
            fd: u32::try_from(file.as_raw_fd()).unwrap(),
            buffer: u64::try_from(to.as_ptr().addr()).unwrap(),
            len: 200,
            offset,
            ..Iocb::default()
        };
        let requests = [&raw const request];
        // struct io_event: data, obj, res, res2.
        let mut event = [0i64; 4];
        // SAFETY: The counts are those of the arrays; `Ptr` promises that any length is fine.
        unsafe {
            let sent = libc::syscall(libc::SYS_io_submit, context, 1, requests.as_ptr());
            assert_eq!(Errno::result(sent), Ok(1));
            let none = std::ptr::null::<libc::timespec>();
            let done = libc::syscall(
                libc::SYS_io_getevents,
                context,
                1,
                1,
                event.as_mut_ptr(),
                none,
            );
            assert_eq!(Errno::result(done), Ok(1));
        }
        event[2]
    };
    assert_eq!(read(region.start(), 40), 60);
    assert_eq!(region.bytes(0, 60), message[40..]);
    assert_eq!(read(region.end(), 0), -i64::from(libc::EFAULT));
    // SAFETY: The context is ours and has no request left.
    let result = unsafe { libc::syscall(libc::SYS_io_destroy, context) };
    Errno::result(result).unwrap();
}
