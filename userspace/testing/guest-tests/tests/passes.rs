// SPDX-License-Identifier: GPL-2.0-only

//! Passes: held messages, their number and their time.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::thread;
use std::time::Duration;

use fixture::leaks::grace_period;
use fixture::memory::{LazyRegion, PAGE, Region};
use fixture::{eventually, loaded, open, raw};
use nix::errno::Errno;
use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;
use procmon::Device;

/// The most messages that the device has: the present one and the held ones.
const MESSAGES: usize = 5;

/// The most messages of the greatest length that may wait for a grace period.
const WAITING: usize = 4;

/// Length of the longest message.
const LONGEST: usize = 1 << 20;

/// Pages of the longest message, with its header.
const PAGES: usize = LONGEST / PAGE + 1;

/// Counts the longest messages that the kernel holds memory of, by their number of pages, which
/// `a_message_takes_as_much_as_it_is_long` tests.
fn long_messages() -> usize {
    let pages = format!(" pages={PAGES} ");
    fs::read_to_string("/proc/vmallocinfo")
        .unwrap()
        .lines()
        .filter(|line| line.contains(&pages))
        .count()
}

fn memory_free() -> usize {
    let info = fs::read_to_string("/proc/meminfo").unwrap();
    let line = info.lines().find_map(|line| line.strip_prefix("MemFree:"));
    let kibibytes = line.unwrap().trim().strip_suffix(" kB").unwrap();
    kibibytes.parse::<usize>().unwrap() * 1024
}

fn read_byte(file: &File, offset: u64) -> Result<u8, Errno> {
    let mut byte = [0];
    match file.read_at(&mut byte, offset) {
        Ok(len) => {
            assert_eq!(len, 1);
            Ok(byte[0])
        }
        Err(error) => Err(Errno::from_raw(error.raw_os_error().unwrap())),
    }
}

/// Waits for the most grace periods that it may take to free a message, until a condition is true.
fn grace_periods_until(mut condition: impl FnMut() -> bool) -> bool {
    (0..50).any(|_| {
        grace_period().unwrap();
        // A worker thread does the last step.
        thread::sleep(Duration::from_millis(2));
        condition()
    })
}

/// A message that does not fit in a page takes the pages that it fills, not a power of two of them.
#[test]
fn a_message_takes_as_much_as_it_is_long() {
    let (_kernel, _module) = loaded("buffer_size=1048576");
    let before = long_messages();
    let device = Device::open().unwrap();
    device.write_message(&vec![1; LONGEST]).unwrap();
    assert_eq!(long_messages(), before + 1);
    device.write_message(b"").unwrap();
    eventually("the message is freed", || long_messages() == before);
}

/// A file that has read a part of a message gets the rest while it is a held message. Later it gets
/// an error, once, and then has no pass.
#[test]
fn a_pass_ends_when_its_message_is_gone() {
    let (_kernel, _module) = loaded("");
    let writer = Device::open().unwrap();
    let files: Vec<File> = (0..12u8)
        .map(|n| {
            writer.write_message(&[n; 10]).unwrap();
            let file = open();
            assert_eq!(read_byte(&file, 0), Ok(n));
            file
        })
        .collect();
    for (n, file) in (0..12u8).zip(&files) {
        if usize::from(n) + MESSAGES < 12 {
            assert_eq!(read_byte(file, 1), Err(Errno::ESTALE), "file {n}");
            assert_eq!(read_byte(file, 1), Ok(11), "file {n}");
        } else {
            assert_eq!(read_byte(file, 1), Ok(n), "file {n}");
        }
    }

    // A message is held only for passes that have read a part and are not at the end.
    let mut file = open();
    assert_eq!(read_byte(&file, 0), Ok(11));
    drop(files);
    for n in 20..40 {
        writer.write_message(&[n; 10]).unwrap();
        assert_eq!(open().read(&mut [0; 10]).unwrap(), 10);
    }
    let mut rest = Vec::new();
    assert_eq!(file.read(&mut [0]).unwrap(), 1);
    assert_eq!(read_byte(&file, 1), Ok(39), "a new pass");
    writer.write_message(b"").unwrap();
    file.read_to_end(&mut rest).unwrap();
    assert_eq!(rest, [39; 9]);
}

/// Two files that have read a part of the same message both get the rest, whichever ends first.
#[test]
fn a_message_is_kept_for_all_its_passes() {
    let (_kernel, _module) = loaded("");
    let writer = Device::open().unwrap();
    writer.write_message(b"first").unwrap();
    let (one, other) = (open(), open());
    assert_eq!(read_byte(&one, 0), Ok(b'f'));
    assert_eq!(read_byte(&other, 0), Ok(b'f'));
    writer.write_message(b"second").unwrap();
    assert_eq!(read_byte(&one, 4), Ok(b't'));
    assert_eq!(one.read_at(&mut [0], 5).unwrap(), 0, "the end");
    assert_eq!(read_byte(&one, 4), Ok(b'n'), "of the present message");
    assert_eq!(read_byte(&other, 4), Ok(b't'));
    drop(one);
    assert_eq!(read_byte(&other, 3), Ok(b's'));
}

/// Any number of readers make the device keep five messages at the most.
#[test]
fn readers_keep_a_bounded_number_of_messages() {
    const READERS: usize = 100;

    let (_kernel, _module) = loaded("buffer_size=1048576");
    let before = long_messages();
    let writer = Device::open().unwrap();
    let free = memory_free();
    let files: Vec<File> = (0..READERS)
        .map(|n| {
            let message = vec![u8::try_from(n).unwrap(); LONGEST];
            writer.write_message(&message).unwrap();
            let file = open();
            assert_eq!(read_byte(&file, 0), Ok(message[0]));
            // What RCU has freed is there until a worker of the kernel's has its turn.
            let bounded = format!("as few messages as may be there after {n}");
            eventually(&bounded, || {
                long_messages() <= before + MESSAGES + WAITING + 1
            });
            file
        })
        .collect();
    eventually("only those that are kept are left", || {
        long_messages() == before + MESSAGES
    });
    // Each takes its length, and the readers' own memory is small beside it.
    eventually("the memory is free again", || {
        memory_free() + 32 * LONGEST > free
    });
    assert_eq!(read_byte(&files[0], 1), Err(Errno::ESTALE));
    assert_eq!(read_byte(&files[READERS - 2], 1), Ok(98));
    drop(files);
    eventually("the last pass has ended", || long_messages() == before + 1);
}

/// A reader that waits for its own memory, for any time, does not keep messages from being freed.
#[test]
fn a_stalled_reader_keeps_no_message() {
    const READERS: usize = 12;

    let (_kernel, _module) = loaded("buffer_size=1048576");
    let before = long_messages();
    let writer = Device::open().unwrap();
    let memory: Vec<LazyRegion> = (0..READERS).map(|_| LazyRegion::new()).collect();
    thread::scope(|scope| {
        let readers: Vec<_> = memory
            .iter()
            .zip(1..)
            .map(|(memory, n)| {
                writer.write_message(&vec![n; LONGEST]).unwrap();
                let file = open();
                let reader = scope.spawn(move || {
                    let start = memory.region().start();
                    let first = raw::read(&file, start, LONGEST);
                    (first, raw::read(&file, start, PAGE))
                });
                memory.wait_for_fault();
                reader
            })
            .collect();
        let left = grace_periods_until(|| long_messages() == before + MESSAGES);
        // Not asserted before the page is supplied: after a panic the readers would never end.
        memory.iter().for_each(LazyRegion::supply);
        assert!(left, "not only those that are kept are left");
        for (n, (reader, memory)) in readers.into_iter().zip(&memory).enumerate() {
            let (first, second) = reader.join().unwrap();
            assert_eq!(first, Ok(PAGE), "reader {n}");
            if n + MESSAGES < READERS {
                assert_eq!(second, Err(Errno::ESTALE), "reader {n}");
            } else {
                assert_eq!(second, Ok(PAGE), "reader {n}");
            }
            let byte = u8::try_from(n + 1).unwrap();
            assert_eq!(memory.region().bytes(0, PAGE), vec![byte; PAGE]);
        }
    });
}

/// Messages that are replaced faster than a grace period passes are four at the most, and are freed
/// after it, also on CPUs with lazy callbacks (`rcu_nocbs=all`).
#[test]
fn replaced_messages_are_freed_soon() {
    let (_kernel, _module) = loaded("buffer_size=1048576");
    let before = long_messages();
    let device = Device::open().unwrap();
    let message = vec![1; LONGEST];
    let mut most = 0;
    for _ in 0..100 {
        device.write_message(&message).unwrap();
        most = most.max(long_messages() - before);
    }
    // Freeing takes a worker thread a moment after the grace period.
    assert!(most <= 4 * (1 + WAITING), "{most} at once");
    assert!(
        grace_periods_until(|| long_messages() == before + 1),
        "{} are left",
        long_messages() - before
    );

    // A few only: afterwards nothing on their CPU hurries lazy callbacks.
    let set = |cpu: usize| {
        let mut cpus = CpuSet::new();
        cpus.set(cpu).unwrap();
        sched_setaffinity(Pid::from_raw(0), &cpus).unwrap();
    };
    set(0);
    for _ in 0..2 {
        device.write_message(&message).unwrap();
    }
    device.write_message(b"").unwrap();
    set(1);
    assert!(
        grace_periods_until(|| long_messages() == before),
        "{} are left",
        long_messages() - before
    );
}

/// A long read into missing pages is of one message, although another one is written between two
/// pieces of the copy.
#[test]
fn a_long_read_is_of_one_message() {
    let (_kernel, _module) = loaded("buffer_size=1048576");
    let writer = Device::open().unwrap();
    let stop = std::sync::atomic::AtomicBool::new(false);
    writer.write_message(&vec![1; LONGEST]).unwrap();
    thread::scope(|scope| {
        scope.spawn(|| {
            let other = Device::open().unwrap();
            for n in (1..=250u8).cycle() {
                if stop.load(std::sync::atomic::Ordering::Relaxed) {
                    break;
                }
                other.write_message(&vec![n; LONGEST]).unwrap();
            }
        });
        let result = std::panic::catch_unwind(|| {
            for _ in 0..12 {
                let region = Region::new(LONGEST);
                let file = open();
                let len = raw::read(&file, region.start(), LONGEST).unwrap();
                let bytes = region.bytes(0, len);
                assert!(bytes.iter().all(|byte| *byte == bytes[0]), "a mix");
            }
        });
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        result.unwrap();
    });
}
