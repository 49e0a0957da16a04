// SPDX-License-Identifier: GPL-2.0-only

//! Reads of a message that writers replace.

use std::io::Read;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use fixture::{PATIENCE, loaded, open, stats};
use procmon::Device;

use super::write_counting;

/// T28: a pass stays with the message that it began with; the next one gets the new message.
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

    // The pass has ended, so a read behind the old end is one of the present message.
    assert_eq!(file.read_at(&mut part, 4).unwrap(), 4);
    assert_eq!(&part, b"bbbb");

    // A read from the beginning begins a pass, and another read from there the next.
    file.read_exact_at(&mut part, 0).unwrap();
    writer.write_message(b"cc").unwrap();
    file.read_exact_at(&mut part, 8).unwrap();
    assert_eq!(&part, b"bbbb");
    assert_eq!(file.read_at(&mut part, 0).unwrap(), 2);
    assert_eq!(&part[..2], b"cc");

    // A message that was read as a whole ends where it did, although a longer one has come.
    writer.write_message(b"longer").unwrap();
    assert_eq!(file.read_at(&mut part, 2).unwrap(), 0);
    assert_eq!(file.read_at(&mut part, 2).unwrap(), 4);
    assert_eq!(&part, b"nger");

    // An empty message is like any other one.
    file.read_exact_at(&mut part[..1], 0).unwrap();
    writer.write_message(b"").unwrap();
    assert_eq!(file.read_at(&mut part, 3).unwrap(), 3);
    assert_eq!(&part[..3], b"ger");
    assert_eq!(file.read_at(&mut part, 0).unwrap(), 0);
    assert_eq!(file.read_at(&mut part, 3).unwrap(), 0);
}

/// T28: while writers replace the message all the time, no reader sees a mix of two.
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
        let end = Instant::now() + PATIENCE;
        let is_enough = || {
            [&passes, &writes]
                .iter()
                .all(|count| count.load(Ordering::Relaxed) > 1000)
        };
        while Instant::now() < end && !is_enough() && !stop.load(Ordering::Relaxed) {
            thread::sleep(Duration::from_millis(10));
        }
        stop.store(true, Ordering::Relaxed);
    });
    let (passes, writes) = (passes.into_inner(), writes.into_inner());
    assert!(
        passes > 1000 && writes > 1000,
        "{passes} passes, {writes} writes"
    );
    assert_eq!(stats().totals.writes, writes + 1);
}
