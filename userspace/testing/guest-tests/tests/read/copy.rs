// SPDX-License-Identifier: GPL-2.0-only

//! Sizes, offsets, segments and pointers of reads.

use std::fs::File;
use std::io::Read;
use std::os::fd::AsFd;

use fixture::memory::{PAGE, Ptr, Region, bad_pointers};
use fixture::{loaded, open, raw, stats};
use nix::errno::Errno;
use nix::unistd::{Whence, lseek};
use procmon::{DEVICE_PATH, Device};

use super::{position, write_counting};

/// T19: buffers of all sizes; reads of nothing do not count.
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

/// T19: the largest message is read whole, also by one read.
#[test]
fn the_largest_message_is_read() {
    let (_kernel, _module) = loaded("buffer_size=1048576");
    let message = write_counting(1_048_576);
    assert_eq!(Device::open().unwrap().read_message().unwrap(), message);
    let mut whole = vec![0; 1_048_577];
    assert_eq!(open().read(&mut whole).unwrap(), 1_048_576);
    assert_eq!(whole[..1_048_576], message);
}

/// T20: a read continues where the one before ended, until 0 at the end.
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

/// T21: pread and preadv2 read at any offset, and do not move the position.
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

/// T22: the device is a stream, and lseek fails with ESPIPE.
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
    // The last one has space for some bytes: see a_read_stops_at_a_fault().
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

    // At the end nothing is copied, so the pointer does not matter.
    assert_eq!(raw::read(&file, Ptr::NULL, 100), Ok(0));
}

/// T24: if the buffer ends early, the bytes that fit are read, and the next read gets the rest.
/// Where the kernel copies several bytes at once and cannot tell how many of them it has written,
/// fewer may count as read, but one at least.
#[test]
fn a_read_stops_at_a_fault() {
    let (_kernel, _module) = loaded("buffer_size=10000");
    let message = write_counting(10_000);
    let region = Region::new(PAGE);
    for fits in [1, 7, 99, PAGE] {
        let reads = stats().totals.reads;
        let mut file = open();
        let read = raw::read(&file, region.before_end(fits), 8000).unwrap();
        let least = if cfg!(target_arch = "x86_64") {
            fits
        } else {
            1
        };
        assert!((least..=fits).contains(&read), "{read} of {fits}");
        assert_eq!(region.bytes(PAGE - fits, read), message[..read], "{fits}");
        assert_eq!(position(&file), u64::try_from(read).unwrap());
        assert_eq!(stats().totals.reads, reads + 1, "{fits}");
        let mut rest = Vec::new();
        file.read_to_end(&mut rest).unwrap();
        assert_eq!(rest, message[read..], "{fits}");
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

/// A read gives the same by the fast path, for which all its pages are present, and by the slow
/// one, which waits for them: for less than a page and for more.
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
            // The pass goes on behind these bytes, at the end of the message.
            assert_eq!(raw::pread(&file, region.start(), 10, len as i64), Ok(0));
        }
    }
}

/// T27: reads from a file that is open for writing only are EBADF.
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
