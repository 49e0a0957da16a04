// SPDX-License-Identifier: GPL-2.0-only

//! Unknown commands, bad pointers, and commands that take rights.

use std::collections::HashSet;
use std::fs::File;

use fixture::child::as_nobody;
use fixture::memory::{PAGE, Ptr, Region, bad_pointers};
use fixture::{loaded, open, raw, stats};
use nix::errno::Errno;
use procmon::{DEVICE_PATH, Device, Stats};

use super::{
    GET_COUNT, GET_STATS, QUERY_PID, QUERY_SIZE, RESET, SET_FILTER, STATS_SIZE, ioctl, set_filter,
};

/// The commands that take a pointer, with the number of bytes that they read or write there.
const WITH_POINTER: [(u32, usize); 4] = [
    (GET_COUNT, 4),
    (GET_STATS, STATS_SIZE),
    (SET_FILTER, 4),
    (QUERY_PID, QUERY_SIZE),
];

/// The commands above, the one without a pointer, and those whose pointers are tested elsewhere: in
/// the topics `snapshot`, `history` and `events`, and in `compat32`.
const ALL: [&str; 11] = [
    "GET_COUNT",
    "GET_STATS",
    "SET_FILTER",
    "QUERY_PID",
    "RESET",
    "INFO",
    "SNAPSHOT",
    "HISTORY",
    "EVENTS",
    "GET_STATS32",
    "QUERY_PID32",
];

/// No command is left out.
#[test]
fn all_commands_are_listed() {
    for command in fixture::commands() {
        assert!(ALL.contains(&command), "{command}");
    }
}

/// T36: unknown commands fail with ENOTTY, and count. The system call cuts off bits that do not fit
/// in a command.
#[test]
fn unknown_commands_are_refused() {
    let (_kernel, _module) = loaded("");
    let file = open();
    let page = Region::new(PAGE);
    let mut calls = 0;
    let numbers = (5..=0xff).map(|number| (u32::from(b'P') << 8) | number);
    let other_letters =
        [RESET, GET_COUNT, GET_STATS, SET_FILTER, QUERY_PID].map(|command| command ^ 0x100);
    // FIONREAD and TCGETS, which files and terminals answer.
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

/// T37: a known number with another size or direction is unknown, also that of 32-bit processes.
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

/// T38: a bad pointer is EFAULT, and the call has no effect but its count.
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
    // SET_FILTER only reads its argument, so that may be read-only.
    assert_eq!(ioctl(&file, SET_FILTER, read_only.start()), Ok(0));
    assert_eq!(stats().totals.filter, None);
}

/// T38, T39: structures may lie at any address, odd or at the very end of a page.
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

/// T43: commands that change state take a file that is open for writing, which is checked before
/// the argument; the others work with any file.
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
    // An unknown command is unknown with any file.
    assert_eq!(ioctl(&read_only, 0x5005, page.start()), Err(Errno::ENOTTY));
}

/// T44: an inherited file keeps the rights that it was opened with, as any file does.
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
