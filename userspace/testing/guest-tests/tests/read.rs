// SPDX-License-Identifier: GPL-2.0

//! Reading the message.

use std::fs::File;
use std::io::Read;
use std::os::fd::AsFd;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use fixture::memory::{PAGE, Ptr, Region, bad_pointers};
use fixture::{loaded, open, raw, stats};
use nix::errno::Errno;
use nix::fcntl::{SpliceFFlags, splice};
use nix::sys::sendfile::sendfile;
use nix::unistd::{Whence, lseek, pipe};
use procmon::{DEVICE_PATH, Device};

/// Makes the bytes 0, 1, 2 ... the message.
fn write_counting(len: usize) -> Vec<u8> {
    let message: Vec<u8> = (0..len).map(|n| u8::try_from(n % 251).unwrap()).collect();
    assert_eq!(
        Device::open().unwrap().write_message(&message).unwrap(),
        len
    );
    message
}

/// Where a file is. A file without lseek tells nobody but the kernel's own books.
fn position(file: &File) -> u64 {
    let path = format!("/proc/self/fdinfo/{}", file.as_raw_fd());
    let info = std::fs::read_to_string(path).unwrap();
    let position = info
        .lines()
        .find_map(|line| line.strip_prefix("pos:"))
        .unwrap();
    position.trim().parse().unwrap()
}

/// T19: buffers of all sizes; reads that give nothing do not count.
#[test]
fn reads_of_all_sizes() {
    let (_kernel, _module) = loaded("");
    let buffer = Region::new(2 * PAGE);
    assert_eq!(
        raw::read(open(), buffer.start(), 100),
        Ok(0),
        "empty at first"
    );
    assert_eq!(stats().totals.reads, 0);

    let message = write_counting(100);
    for (len, expected) in [
        (0, 0),
        (1, 1),
        (99, 99),
        (100, 100),
        (101, 100),
        (5000, 100),
        (1 << 31, 100),
        (raw::MAX_RW_COUNT, 100),
    ] {
        buffer.fill(0, &[0xaa; 200]);
        let reads = stats().totals.reads;
        assert_eq!(
            raw::read(open(), buffer.start(), len),
            Ok(expected),
            "{len}"
        );
        assert_eq!(buffer.bytes(0, expected), message[..expected], "{len}");
        assert_eq!(buffer.bytes(expected, 50), [0xaa; 50], "behind {len}");
        assert_eq!(
            stats().totals.reads,
            reads + u64::from(expected > 0),
            "{len}"
        );
    }
}

/// T19: the same through a buffer as large as the largest message.
#[test]
fn the_largest_message_is_read() {
    let (_kernel, _module) = loaded("buffer_size=1048576");
    let message = write_counting(1_048_576);
    assert_eq!(Device::open().unwrap().read_message().unwrap(), message);
    let mut whole = vec![0; 1_048_577];
    assert_eq!(open().read(&mut whole).unwrap(), 1_048_576);
    assert_eq!(whole[..1_048_576], message);
}

/// T20: short reads go on where the one before ended, until 0 says that this is the end.
#[test]
fn short_reads_go_on() {
    let (_kernel, _module) = loaded("");
    let message = write_counting(10);
    let mut file = open();
    let mut part = [0; 4];
    for (expected, at) in [(&message[..4], 4), (&message[4..8], 8), (&message[8..], 10)] {
        let len = file.read(&mut part).unwrap();
        assert_eq!(&part[..len], expected);
        assert_eq!(position(&file), at);
    }
    for _ in 0..3 {
        assert_eq!(file.read(&mut part).unwrap(), 0);
        assert_eq!(position(&file), 10);
    }
    assert_eq!(stats().totals.reads, 3, "the end does not count");
}

/// T21: pread and preadv read anywhere, and leave the position where it is.
#[test]
fn reads_at_an_offset() {
    let (_kernel, _module) = loaded("");
    let message = write_counting(10);
    let mut file = open();
    file.read_exact(&mut [0; 3]).unwrap();
    let buffer = Region::new(PAGE);
    for (offset, expected) in [
        (0, &message[..]),
        (1, &message[1..]),
        (9, &message[9..]),
        (10, &[]),
        (11, &[]),
        (1 << 40, &[]),
        (i64::MAX - 200, &[]),
    ] {
        let len = raw::pread(&file, buffer.start(), 1, offset);
        assert_eq!(len, Ok(expected.len().min(1)), "one byte at {offset}");
        let len = raw::pread(&file, buffer.start(), 100, offset).unwrap_or_else(|errno| {
            panic!("pread at {offset}: {errno}");
        });
        assert_eq!(buffer.bytes(0, len), expected, "{offset}");
        let segments = [(buffer.at(200), 1), (buffer.at(300), 99)];
        assert_eq!(
            raw::preadv2(&file, &segments, offset, 0),
            Ok(expected.len()),
            "{offset}"
        );
        let got = [buffer.bytes(200, 1), buffer.bytes(300, 99)].concat();
        assert_eq!(got[..expected.len()], *expected, "{offset}");
        assert_eq!(position(&file), 3, "after {offset}");
    }
    for offset in [-1, i64::MIN] {
        assert_eq!(
            raw::pread(&file, buffer.start(), 1, offset),
            Err(Errno::EINVAL),
            "{offset}"
        );
    }
    assert_eq!(position(&file), 3);
    let mut next = [0];
    file.read_exact(&mut next).unwrap();
    assert_eq!(next[0], message[3]);
}

/// T22: the device is a stream.
#[test]
fn the_device_is_a_stream() {
    let (_kernel, _module) = loaded("");
    write_counting(10);
    let file = open();
    for whence in [Whence::SeekSet, Whence::SeekCur, Whence::SeekEnd] {
        assert_eq!(lseek(file.as_fd(), 0, whence), Err(Errno::ESPIPE));
    }
}

/// T23: a bad pointer is EFAULT, moves nothing and counts nothing, not even on an empty device.
#[test]
fn reading_to_bad_pointers_moves_nothing() {
    let (_kernel, _module) = loaded("");
    let message = write_counting(100);
    let mut file = open();
    let region = Region::new(PAGE);
    let read_only = Region::new(PAGE).read_only();
    let reads = stats().totals.reads;
    let all_bad = bad_pointers(&region, 100);
    // The last one has room for some bytes, which t24 is about.
    for (name, pointer) in all_bad[..4]
        .iter()
        .copied()
        .chain([("read-only page", read_only.start())])
    {
        assert_eq!(raw::read(&file, pointer, 100), Err(Errno::EFAULT), "{name}");
        assert_eq!(
            raw::pread(&file, pointer, 100, 50),
            Err(Errno::EFAULT),
            "{name}"
        );
        assert_eq!(
            raw::readv(&file, &[(pointer, 100)]),
            Err(Errno::EFAULT),
            "{name}"
        );
        assert_eq!(raw::read(&file, pointer, 1), Err(Errno::EFAULT), "{name}");
        assert_eq!(position(&file), 0, "{name}");
    }
    assert_eq!(stats().totals.reads, reads);
    let mut all = Vec::new();
    file.read_to_end(&mut all).unwrap();
    assert_eq!(all, message);

    // At the end there is nothing to copy, so nothing is wrong with a pointer either.
    assert_eq!(raw::read(&file, Ptr::NULL, 100), Ok(0));
}

/// T24: a buffer that ends in the middle: what fits is read, and the rest is there for the next.
#[test]
fn a_read_stops_at_a_fault() {
    let (_kernel, _module) = loaded("buffer_size=10000");
    let message = write_counting(10_000);
    let region = Region::new(PAGE);
    for fits in [1, 7, 99, PAGE] {
        let reads = stats().totals.reads;
        let mut file = open();
        assert_eq!(raw::read(&file, region.before_end(fits), 8000), Ok(fits));
        assert_eq!(region.bytes(PAGE - fits, fits), message[..fits], "{fits}");
        assert_eq!(position(&file), u64::try_from(fits).unwrap());
        assert_eq!(stats().totals.reads, reads + 1, "{fits}");
        let mut rest = Vec::new();
        file.read_to_end(&mut rest).unwrap();
        assert_eq!(rest, message[fits..], "{fits}");
    }
}

/// T25: readv fills its segments in order, counts as one read, and stops at a bad one.
#[test]
fn readv_fills_segments_in_order() {
    let (_kernel, _module) = loaded("buffer_size=4096");
    let message = write_counting(2000);
    let region = Region::new(PAGE);

    let file = open();
    assert_eq!(raw::readv(&file, &[]), Ok(0));
    assert_eq!(
        raw::readv(&file, &[(Ptr::NULL, 0), (region.start(), 0)]),
        Ok(0)
    );
    assert_eq!(stats().totals.reads, 0);

    let segments = [
        (region.at(0), 10),
        (region.at(2000), 0),
        (region.at(100), 20),
    ];
    assert_eq!(raw::readv(&file, &segments), Ok(30));
    assert_eq!(region.bytes(0, 10), message[..10]);
    assert_eq!(region.bytes(100, 20), message[10..30]);
    assert_eq!(position(&file), 30);
    assert_eq!(stats().totals.reads, 1);

    let segments = [(region.at(0), 10), (region.end(), 10), (region.at(100), 10)];
    region.fill(100, &[0xaa; 10]);
    assert_eq!(raw::readv(&file, &segments), Ok(10));
    assert_eq!(region.bytes(0, 10), message[30..40]);
    assert_eq!(
        region.bytes(100, 10),
        [0xaa; 10],
        "nothing behind the bad segment"
    );
    assert_eq!(position(&file), 40);
    assert_eq!(raw::readv(&file, &segments[1..]), Err(Errno::EFAULT));
    assert_eq!(position(&file), 40);

    // 1024 segments are IOV_MAX.
    let segments: Vec<_> = (0..1024).map(|n| (region.at(n), 1)).collect();
    assert_eq!(raw::readv(&file, &segments), Ok(1024));
    assert_eq!(region.bytes(0, 1024), message[40..1064]);
    let segments: Vec<_> = (0..1025).map(|n| (region.at(n), 1)).collect();
    assert_eq!(raw::readv(&file, &segments), Err(Errno::EINVAL));
}

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

/// T26: splice and sendfile read as read does, piece by piece and to the end.
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
    let other = tempfile("t26");
    assert_eq!(sendfile(&other, open(), None, 200_000), Ok(100_000));
    let mut sent = vec![0; 100_000];
    other.read_exact_at(&mut sent, 0).unwrap();
    assert_eq!(sent, message);
    assert!(stats().totals.reads > reads);
    // None of that makes it a file that can be rewound.
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

/// T26: and so does Linux's own asynchronous I/O.
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
    // SAFETY: The kernel writes the handle to where it is told.
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
        // SAFETY: Pointers and counts fit each other; `Ptr` promises that any length is fine.
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
    // SAFETY: The context is ours and nothing is under way in it.
    let result = unsafe { libc::syscall(libc::SYS_io_destroy, context) };
    Errno::result(result).unwrap();
}

/// A read takes one way if all pages that it writes to are there, and another one if it has to wait
/// for one, which is the same to the reader. Both take less than a page and more than one.
#[test]
fn pages_that_are_not_there_yet() {
    let (_kernel, _module) = loaded("buffer_size=8192");
    let file = open();
    let mut reads = 0;
    for len in [1, 100, 4096, 8192] {
        let message = write_counting(len);
        for touched in 0..=3 {
            let region = Region::new(3 * PAGE);
            for page in 0..touched {
                region.fill(page * PAGE, b"x");
            }
            let offset = PAGE - 50;
            let result = raw::pread(&file, region.at(offset), 8192, 0);
            assert_eq!(result, Ok(len), "{touched} pages");
            assert_eq!(region.bytes(offset, len), message, "{touched} pages");
            reads += 1;
            assert_eq!(stats().totals.reads, reads);
            // What follows is in the message as well, or is its end.
            assert_eq!(raw::pread(&file, region.start(), 10, len as i64), Ok(0));
        }
    }
}

/// T27: a file that is open for writing only.
#[test]
fn a_write_only_file_cannot_be_read() {
    let (_kernel, _module) = loaded("");
    write_counting(10);
    let file = File::options().write(true).open(DEVICE_PATH).unwrap();
    let region = Region::new(PAGE);
    assert_eq!(raw::read(&file, region.start(), 10), Err(Errno::EBADF));
    assert_eq!(raw::pread(&file, region.start(), 10, 0), Err(Errno::EBADF));
    assert_eq!(stats().totals.reads, 0);
}

/// T28: a pass of reads keeps to the message it began with; the next one gets the new message.
#[test]
fn a_pass_keeps_its_message() {
    let (_kernel, _module) = loaded("");
    let writer = Device::open().unwrap();
    let mut file = open();
    let mut part = [0; 4];

    writer.write_message(b"aaaaaaaa").unwrap();
    file.read_exact(&mut part).unwrap();
    writer.write_message(b"bbbbbbbbbbbb").unwrap();
    let mut rest = Vec::new();
    file.read_to_end(&mut rest).unwrap();
    assert_eq!(
        (&part, &rest[..]),
        (b"aaaa", &b"aaaa"[..]),
        "a longer message came"
    );

    // The pass has ended: what is behind the old end is in the present message.
    assert_eq!(file.read_at(&mut part, 4).unwrap(), 4);
    assert_eq!(&part, b"bbbb");

    // A read from the beginning begins a pass, and another read from there the next.
    file.read_exact_at(&mut part, 0).unwrap();
    writer.write_message(b"cc").unwrap();
    file.read_exact_at(&mut part, 8).unwrap();
    assert_eq!(&part, b"bbbb");
    assert_eq!(file.read_at(&mut part, 0).unwrap(), 2);
    assert_eq!(&part[..2], b"cc");

    // A message that was read as a whole ends where it did, whatever has come since.
    writer.write_message(b"longer").unwrap();
    assert_eq!(file.read_at(&mut part, 2).unwrap(), 0);
    assert_eq!(file.read_at(&mut part, 2).unwrap(), 4);
    assert_eq!(&part, b"nger");

    // Emptying is no different from any other change.
    file.read_exact_at(&mut part[..1], 0).unwrap();
    writer.write_message(b"").unwrap();
    assert_eq!(file.read_at(&mut part, 3).unwrap(), 3);
    assert_eq!(&part[..3], b"ger");
    assert_eq!(file.read_at(&mut part, 0).unwrap(), 0);
    assert_eq!(file.read_at(&mut part, 3).unwrap(), 0);
}

/// T28: writers change the message all the time, and no reader sees a mix of two.
#[test]
fn no_reader_sees_a_mix() {
    const MESSAGES: [(u8, usize); 4] = [(b'a', 3000), (b'b', 700), (b'c', 4096), (b'd', 1)];

    let (_kernel, _module) = loaded("buffer_size=4096");
    write_counting(0);
    let stop = AtomicBool::new(false);
    let (passes, writes) = (AtomicU64::new(0), AtomicU64::new(0));
    thread::scope(|scope| {
        for start in 0..2 {
            let (stop, writes) = (&stop, &writes);
            scope.spawn(move || {
                let device = Device::open().unwrap();
                for &(letter, len) in MESSAGES.iter().cycle().skip(start) {
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                    assert_eq!(device.write_message(&vec![letter; len]).unwrap(), len);
                    writes.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        for piece in [64, 257, 4096] {
            let (stop, passes) = (&stop, &passes);
            scope.spawn(move || {
                let device = Device::open_read_only().unwrap();
                let mut part = vec![0; piece];
                while !stop.load(Ordering::Relaxed) {
                    let mut message = Vec::new();
                    loop {
                        match device.read_at(&mut part, message.len() as u64).unwrap() {
                            0 => break,
                            len => message.extend_from_slice(&part[..len]),
                        }
                    }
                    let known = MESSAGES
                        .iter()
                        .any(|&(letter, len)| message == vec![letter; len]);
                    if !known && !message.is_empty() {
                        stop.store(true, Ordering::Relaxed);
                        message.dedup();
                        panic!("in pieces of {piece}: a mix of {message:?}");
                    }
                    passes.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let end = Instant::now() + Duration::from_secs(3);
        while Instant::now() < end && !stop.load(Ordering::Relaxed) {
            thread::sleep(Duration::from_millis(10));
        }
        stop.store(true, Ordering::Relaxed);
    });
    let (passes, writes) = (passes.into_inner(), writes.into_inner());
    assert!(
        passes > 100 && writes > 100,
        "{passes} passes, {writes} writes"
    );
    assert_eq!(stats().totals.writes, writes + 1);
}
