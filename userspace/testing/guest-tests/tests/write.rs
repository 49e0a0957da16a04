// SPDX-License-Identifier: GPL-2.0-only

//! Writing the message.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::thread;

use fixture::memory::{LazyRegion, PAGE, Ptr, Region, bad_pointers};
use fixture::{loaded, open, raw, stats};
use nix::errno::Errno;
use nix::fcntl::{SpliceFFlags, splice};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::sendfile::sendfile;
use nix::unistd::pipe;
use procmon::sysfs::Parameter;
use procmon::{DEVICE_PATH, Device};

fn message() -> Vec<u8> {
    Device::open().unwrap().read_message().unwrap()
}

/// T29: a write takes at most buffer_size bytes, and no size does the kernel harm.
#[test]
fn writes_of_all_sizes() {
    let (_kernel, _module) = loaded("buffer_size=4096");
    let source = Region::with(&(0..=255).cycle().take(2 * PAGE).collect::<Vec<u8>>());
    let file = open();
    for (len, taken) in [
        (1, 1),
        (4095, 4095),
        (4096, 4096),
        (4097, 4096),
        (8192, 4096),
        (1 << 30, 4096),
        (1 << 31, 4096),
        (raw::MAX_RW_COUNT, 4096),
        (0, 0),
    ] {
        let writes = stats().totals.writes;
        assert_eq!(raw::write(&file, source.start(), len), Ok(taken), "{len}");
        assert_eq!(message(), source.bytes(0, taken), "{len}");
        assert_eq!(Device::open().unwrap().count().unwrap(), taken, "{len}");
        assert_eq!(stats().totals.writes, writes + 1, "{len}");
    }
}

/// T29: messages at the smallest and the largest buffer_size.
#[test]
fn smallest_and_largest_buffer_size() {
    let (least, most) = Parameter::BufferSize.range().into_inner();
    for limit in [least, most] {
        let (_kernel, _module) = loaded(&format!("buffer_size={limit}"));
        let size = usize::try_from(limit).unwrap();
        let device = Device::open().unwrap();
        assert_eq!(device.write_message(&vec![b'y'; size + 1]).unwrap(), size);
        assert_eq!(device.count().unwrap(), size);
        assert_eq!(message(), vec![b'y'; size]);
    }
}

/// T30: a bad pointer leaves the message and the counters as they were. It does not matter for a
/// write of nothing.
#[test]
fn writing_from_bad_pointers_changes_nothing() {
    let (_kernel, _module) = loaded("");
    let mut file = open();
    file.write_all(b"old message").unwrap();
    let region = Region::new(PAGE);
    for (name, pointer) in bad_pointers(&region, 100) {
        for len in [100, 1024, 1 << 30] {
            assert_eq!(
                raw::write(&file, pointer, len),
                Err(Errno::EFAULT),
                "{name}, {len}"
            );
            let written = raw::pwrite(&file, pointer, len, 5);
            assert_eq!(written, Err(Errno::EFAULT), "{name}, {len}");
            let written = raw::writev(&file, &[(pointer, len)]);
            assert_eq!(written, Err(Errno::EFAULT), "{name}, {len}");
        }
    }
    assert_eq!(stats().totals.writes, 1);
    assert_eq!(message(), b"old message");
    assert_eq!(raw::write(&file, Ptr::NULL, 0), Ok(0));
    assert_eq!(message(), b"");
}

/// T31: a write whose source ends early is EFAULT as a whole.
#[test]
fn a_write_that_faults_changes_nothing() {
    let (_kernel, _module) = loaded("buffer_size=10000");
    let mut file = open();
    file.write_all(b"old message").unwrap();
    let region = Region::with(&[b'n'; 2 * PAGE]);
    for readable in [1, 100, PAGE, PAGE + 1, 2 * PAGE - 1] {
        let from = region.before_end(readable);
        assert_eq!(
            raw::write(&file, from, readable + 1),
            Err(Errno::EFAULT),
            "{readable}"
        );
        let segments = [
            (region.start(), 3),
            (from, readable + 1),
            (region.start(), 3),
        ];
        assert_eq!(
            raw::writev(&file, &segments),
            Err(Errno::EFAULT),
            "{readable}"
        );
        assert_eq!(message(), b"old message");
    }
    let segments = [(region.start(), 3), (Ptr::NULL, 3), (region.start(), 3)];
    assert_eq!(raw::writev(&file, &segments), Err(Errno::EFAULT));
    assert_eq!(message(), b"old message");
    assert_eq!(stats().totals.writes, 1);

    // Bytes behind the limit are not read.
    Parameter::BufferSize.set(8192).unwrap();
    assert_eq!(
        raw::write(&file, region.start(), 2 * PAGE + 1),
        Ok(2 * PAGE)
    );
    assert_eq!(message(), [b'n'; 2 * PAGE]);
}

/// T32: writev writes one message; pwrite and O_APPEND replace it like any other write.
#[test]
fn other_ways_of_writing() {
    let (_kernel, _module) = loaded("buffer_size=10");
    let mut file = open();
    let region = Region::with(b"abcdefghijklmnop");
    let segments = [(region.at(0), 3), (region.at(10), 0), (region.at(6), 2)];
    assert_eq!(raw::writev(&file, &segments), Ok(5));
    assert_eq!(message(), b"abcgh");
    let segments = [(region.at(0), 8), (region.at(8), 8)];
    assert_eq!(raw::writev(&file, &segments), Ok(10));
    assert_eq!(message(), b"abcdefghij");
    assert_eq!(raw::writev(&file, &[]), Ok(0));
    assert_eq!(
        message(),
        b"abcdefghij",
        "without a segment the VFS does not ask the driver"
    );

    for offset in [0, 1, 5, 1000, 1 << 40] {
        let text = format!("at {offset}");
        let text = &text.as_bytes()[..text.len().min(10)];
        assert_eq!(file.write_at(text, offset).unwrap(), text.len());
        assert_eq!(message(), text);
    }
    assert_eq!(
        file.write_at(b"x", u64::MAX).unwrap_err().raw_os_error(),
        Some(libc::EINVAL)
    );

    let mut append = File::options().append(true).open(DEVICE_PATH).unwrap();
    append.write_all(b"first").unwrap();
    append.write_all(b"second").unwrap();
    assert_eq!(message(), b"second");

    // A write does not move the position of reads.
    let mut part = [0; 3];
    file.read_exact(&mut part).unwrap();
    file.write_all(b"written").unwrap();
    file.read_exact(&mut part).unwrap();
    assert_eq!(&part, b"ond", "the rest of the pass that was begun");
    file.write_all(b"again").unwrap();
    let info = format!("/proc/self/fdinfo/{}", file.as_raw_fd());
    assert!(
        std::fs::read_to_string(info)
            .unwrap()
            .starts_with("pos:\t6\n")
    );
}

/// T32: an open with O_TRUNC or other flags changes nothing by itself, also during a pass of
/// another file.
#[test]
fn opening_for_writing_changes_nothing() {
    let (_kernel, _module) = loaded("");
    open().write_all(b"kept").unwrap();
    drop(
        File::options()
            .write(true)
            .truncate(true)
            .open(DEVICE_PATH)
            .unwrap(),
    );
    drop(
        File::options()
            .write(true)
            .custom_flags(libc::O_APPEND)
            .open(DEVICE_PATH)
            .unwrap(),
    );
    assert_eq!(message(), b"kept");
}

/// T33: writes to a file that is open for reading only are EBADF.
#[test]
fn a_read_only_file_cannot_be_written() {
    let (_kernel, _module) = loaded("");
    open().write_all(b"kept").unwrap();
    let file = File::open(DEVICE_PATH).unwrap();
    let region = Region::with(b"new");
    assert_eq!(raw::write(&file, region.start(), 3), Err(Errno::EBADF));
    assert_eq!(raw::write(&file, region.start(), 0), Err(Errno::EBADF));
    assert_eq!(message(), b"kept");
    assert_eq!(stats().totals.writes, 1);
}

/// T34: a message may have any bytes, and reads return them unchanged.
#[test]
fn every_byte_comes_back() {
    let (_kernel, _module) = loaded("");
    let device = Device::open().unwrap();
    let every: Vec<u8> = (0..=255).collect();
    for bytes in [
        &every[..],
        b"\0",
        b"\0\0a\0",
        b"\xff\xfe",
        "søvn\n".as_bytes(),
    ] {
        assert_eq!(device.write_message(bytes).unwrap(), bytes.len());
        assert_eq!(message(), bytes);
        assert_eq!(device.count().unwrap(), bytes.len());
    }
}

/// Returns the number of voluntary switches of this thread.
fn waits() -> i64 {
    getrusage(UsageWho::RUSAGE_THREAD)
        .unwrap()
        .voluntary_context_switches()
}

/// A write waits neither for readers in the middle of a pass nor for a grace period.
#[test]
fn writes_do_not_wait() {
    const TIMES: i64 = 500;

    let (_kernel, _module) = loaded("");
    let device = Device::open().unwrap();
    device.write_message(b"long enough for a pass").unwrap();
    let readers: Vec<_> = (0..20)
        .map(|_| {
            let mut file = open();
            file.read_exact(&mut [0; 4]).unwrap();
            file
        })
        .collect();
    let before = waits();
    for _ in 0..TIMES {
        device.write_message(b"next").unwrap();
    }
    let waited = waits() - before;
    drop(readers);
    assert!(waited < TIMES / 10, "{TIMES} writes waited {waited} times");

    // The count shows a wait for a grace period, although a single one may be over at once.
    let before = waits();
    for _ in 0..TIMES / 10 {
        // SAFETY: The call has no pointers.
        let result =
            unsafe { libc::syscall(libc::SYS_membarrier, libc::MEMBARRIER_CMD_GLOBAL, 0, 0) };
        assert_eq!(result, 0, "{}", io::Error::last_os_error());
    }
    let waited = waits() - before;
    assert!(waited > TIMES / 20, "only {waited} waits");
}

/// splice and sendfile write as write does: each piece that they hand over is a message.
#[test]
fn splice_writes_messages() {
    let (_kernel, _module) = loaded("buffer_size=10000");
    let file = open();
    let (from, to) = pipe().unwrap();
    let mut to = File::from(to);
    to.write_all(b"through a pipe").unwrap();
    let len = splice(&from, None, &file, None, 100, SpliceFFlags::empty());
    assert_eq!(len, Ok(14));
    assert_eq!(message(), b"through a pipe");
    assert_eq!(stats().totals.writes, 1);

    let path = "/tmp/splice";
    std::fs::write(path, [b'x'; 3000]).unwrap();
    let source = File::open(path).unwrap();
    std::fs::remove_file(path).unwrap();
    assert_eq!(sendfile(&file, &source, None, 5000), Ok(3000));
    assert_eq!(message(), [b'x'; 3000]);

    // Bytes that do not fit in one message are the next one, as with write.
    to.write_all(&[b'a'; 10_000]).unwrap();
    to.write_all(b"bc").unwrap();
    let len = splice(&from, None, &file, None, 20_000, SpliceFFlags::empty());
    assert_eq!(len, Ok(10_002));
    assert_eq!(message(), b"bc");
}

/// A reader that waits for its own memory, as when another process serves its page faults, does not
/// hold up others, and gets the message that it began with.
#[test]
fn a_stalled_reader_holds_up_no_other() {
    let (_kernel, _module) = loaded("");
    let device = Device::open().unwrap();
    device.write_message(b"old").unwrap();
    let memory = LazyRegion::new();
    let read = thread::scope(|scope| {
        let reader = scope.spawn(|| raw::read(open(), memory.region().start(), 100));
        memory.wait_for_fault();
        let written = device.write_message(b"new message");
        let seen = Device::open().and_then(|mut device| device.read_message());
        memory.supply();
        // Not asserted before the page is supplied: after a panic the reader would never end.
        assert_eq!(
            (written.unwrap(), seen.unwrap()),
            (11, b"new message".to_vec())
        );
        reader.join().unwrap()
    });
    assert_eq!(read, Ok(3));
    assert_eq!(memory.region().bytes(0, 3), b"old");
}

/// A writer that waits for its own memory does not hold up others, and its message appears when it
/// is complete.
#[test]
fn a_stalled_writer_holds_up_no_other() {
    let (_kernel, _module) = loaded("");
    let device = Device::open().unwrap();
    device.write_message(b"old").unwrap();
    let memory = LazyRegion::new();
    let written = thread::scope(|scope| {
        let writer = scope.spawn(|| raw::write(open(), memory.region().start(), 5));
        memory.wait_for_fault();
        let before = Device::open().and_then(|mut device| device.read_message());
        let written = device.write_message(b"in between");
        let after = Device::open().and_then(|mut device| device.read_message());
        memory.supply();
        assert_eq!(before.unwrap(), b"old");
        assert_eq!(
            (written.unwrap(), after.unwrap()),
            (10, b"in between".to_vec())
        );
        writer.join().unwrap()
    });
    assert_eq!(written, Ok(5));
    assert_eq!(message(), [0; 5]);
}
