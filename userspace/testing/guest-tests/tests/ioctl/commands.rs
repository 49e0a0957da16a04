// SPDX-License-Identifier: GPL-2.0-only

//! Results and effects of each command.

use std::mem::{offset_of, size_of};

use fixture::memory::{PAGE, Ptr, Region};
use fixture::{loaded, open, procfs, raw, stats};
use nix::errno::Errno;
use procmon::{Device, Stats, uapi};

use super::{
    GET_COUNT, GET_STATS, GET_STATS32, QUERY_PID, QUERY_PID32, QUERY_SIZE, RESET, SET_FILTER,
    STATS_SIZE, int_at, ioctl, long_at, set_filter,
};

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
    // The argument is ignored.
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
        assert_eq!(int_at(&answer, 0), expected, "message.len after {len}");
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
        assert_eq!(long_at(&answer, 0), 2, "stats.total_opens");
        assert_eq!(long_at(&answer, 8), 3, "stats.total_reads");
        assert_eq!(long_at(&answer, 16), 2, "stats.total_writes");
        assert_eq!(long_at(&answer, 24), ioctls, "stats.total_ioctls");
        let filter = int_at(&answer, 32);
        assert_eq!(filter, 0x0102_0304, "stats.current_filter_pid");
        assert_eq!(answer.bytes(36, 4), [0; 4], "padding");
        assert_eq!(
            answer.bytes(STATS_SIZE, 8),
            [pattern; 8],
            "behind the structure"
        );
    }
}

/// T35, T42: SET_FILTER takes 0 and every positive number, of a process or not, and refuses
/// negative ones.
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

/// T35: QUERY_PID fills its structure and nothing behind it. The program `query` tests the values.
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

/// T42: QUERY_PID takes any number, and does not find one that is no PID.
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
