// SPDX-License-Identifier: GPL-2.0-only

//! Arguments and buffers of `PROCMON_EVENTS`.

use std::fs::File;
use std::os::fd::AsFd;
use std::process::Command;

use fixture::child::Child;
use fixture::memory::{PAGE, Ptr, Region, bad_pointers};
use fixture::raw::{bytes_of, call};
use fixture::{ia32, leave_out, open, raw, shared};
use nix::errno::Errno;
use procmon::uapi;

const LIVES: u32 =
    1 << uapi::PROCMON_EVENT_FORK | 1 << uapi::PROCMON_EVENT_EXEC | 1 << uapi::PROCMON_EVENT_EXIT;

/// Returns arguments for the lives of processes of this test: the kernel makes threads at any time.
fn arguments(region: &Region, capacity: usize) -> uapi::procmon_events {
    uapi::procmon_events {
        size: size_of::<uapi::procmon_events>() as u32,
        flags: uapi::PROCMON_EVENTS_BY_SUBTREE,
        tgid: i32::try_from(std::process::id()).unwrap(),
        classes: LIVES,
        buffer: region.start().as_ptr() as u64,
        capacity: u32::try_from(capacity).unwrap(),
        ..Default::default()
    }
}

/// Returns a file for which the lives of processes are recorded.
fn listening(region: &Region) -> File {
    let file = open();
    assert_eq!(call(&file, &mut arguments(region, 0)), Ok(0));
    file
}

/// Returns the types of events in a row.
fn types(region: &Region, bytes: u32) -> Vec<u32> {
    let mut rest = &region.bytes(0, bytes as usize)[..];
    let mut types = Vec::new();
    while let [size0, size1, _, _, kind, ..] = *rest {
        types.push(kind.into());
        let size = usize::from(u16::from_ne_bytes([size0, size1]));
        assert!(size > 0, "event.size");
        rest = &rest[size..];
    }
    assert!(rest.is_empty(), "event.size");
    types
}

/// Bad arguments are refused, each with its own error, and change nothing.
#[test]
fn events_refuse_bad_arguments() {
    let _kernel = shared();
    let region = Region::new(4 * PAGE);
    type Change = fn(&mut uapi::procmon_events);
    let cases: [(&str, Change, Errno); 18] = [
        ("size 0", |a| a.size = 0, Errno::EINVAL),
        ("size 95", |a| a.size = 95, Errno::EINVAL),
        ("a huge size", |a| a.size = 1 << 20, Errno::E2BIG),
        ("an unknown flag", |a| a.flags |= 1 << 4, Errno::EINVAL),
        ("no class", |a| a.classes = 0, Errno::EINVAL),
        ("an unknown class", |a| a.classes = 1 << 8, Errno::EINVAL),
        ("all classes", |a| a.classes = u32::MAX, Errno::EINVAL),
        ("a time below -1", |a| a.timeout_ms = -2, Errno::EINVAL),
        ("long arguments", |a| a.args_max = 8193, Errno::EINVAL),
        ("an odd buffer", |a| a.buffer += 4, Errno::EINVAL),
        ("a uid that is not used", |a| a.uid = 1, Errno::EINVAL),
        ("a tgid that is not used", |a| a.flags = 0, Errno::EINVAL),
        (
            "a cgroup that is not used",
            |a| a.cgroup_id = 1,
            Errno::EINVAL,
        ),
        ("a reserved field", |a| a.reserved = 1, Errno::EINVAL),
        ("the subtree of no process", |a| a.tgid = -1, Errno::ESRCH),
        ("NULL", |a| a.buffer = 0, Errno::EFAULT),
        (
            "a kernel address",
            |a| a.buffer = Ptr::KERNEL.as_ptr() as u64,
            Errno::EFAULT,
        ),
        ("no space for an event", |a| a.capacity = 8, Errno::ENOSPC),
    ];
    for (name, change, errno) in cases {
        let file = listening(&region);
        assert!(Command::new("/bin/true").status().unwrap().success());
        let mut bad = arguments(&region, region.size());
        change(&mut bad);
        assert_eq!(call(&file, &mut bad), Err(errno), "{name}");
        let untouched = region.bytes(0, region.size());
        assert!(untouched.iter().all(|&byte| byte == 0), "{name}");
        // The events are still there.
        let mut good = arguments(&region, region.size());
        assert_eq!(call(&file, &mut good), Ok(0), "{name}");
        assert_eq!((types(&region, good.bytes), good.count), (vec![0, 1, 2], 3));
        assert_eq!(good.lost, 0, "{name}");
        region.fill(0, &vec![0; region.size()]);
    }
    let size = size_of::<uapi::procmon_events>();
    for (name, pointer) in bad_pointers(&region, size) {
        let result = raw::ioctl(open(), uapi::PROCMON_EVENTS.into(), pointer);
        assert!(
            matches!(result, Err(Errno::EFAULT | Errno::EINVAL)),
            "{name}: {result:?}"
        );
    }
}

/// However small the buffer is, each event comes once, and nothing is written behind it.
#[test]
fn buffers_of_all_sizes() {
    let _kernel = shared();
    let region = Region::new(PAGE);
    let file = listening(&region);
    // Larger than any of the events here, and no multiple of any of their sizes.
    for capacity in (312..PAGE).step_by(97) {
        assert!(Command::new("/bin/true").status().unwrap().success());
        let mut all = Vec::new();
        loop {
            region.fill(0, &[0xaa; PAGE]);
            let mut arguments = arguments(&region, capacity);
            assert_eq!(call(&file, &mut arguments), Ok(0));
            let written = arguments.bytes as usize;
            assert!(written <= capacity);
            let behind = region.bytes(written, PAGE - written);
            assert!(behind.iter().all(|&byte| byte == 0xaa), "{capacity}");
            let types = types(&region, arguments.bytes);
            assert_eq!(types.len(), arguments.count as usize, "events.count");
            if types.is_empty() {
                break;
            }
            all.extend(types);
        }
        assert_eq!(all, [0, 1, 2], "event.size, {capacity}");
    }
}

/// Of a buffer that ends before its length says so, the part that is there is used. What was not
/// written comes with the next call.
#[test]
fn a_buffer_that_ends_early() {
    const PROCESSES: usize = 300;
    // More than two batches.
    const USABLE: usize = 40_000;

    let _kernel = shared();
    let region = Region::new(16 * PAGE);
    let file = listening(&region);
    for _ in 0..PROCESSES {
        Child::spawn(|| {}).join();
    }
    let mut all = Vec::new();
    let mut calls = 0;
    loop {
        let mut arguments = arguments(&region, region.size());
        arguments.buffer = region.before_end(USABLE).as_ptr() as u64;
        assert_eq!(call(&file, &mut arguments), Ok(0));
        let mut rest = &region.bytes(region.size() - USABLE, arguments.bytes as usize)[..];
        if rest.is_empty() {
            break;
        }
        calls += 1;
        while let [size0, size1, _, _, kind, _, _, _, sequence @ ..] = rest {
            all.push((u64::from_ne_bytes(*sequence.first_chunk().unwrap()), *kind));
            rest = &rest[usize::from(u16::from_ne_bytes([*size0, *size1]))..];
        }
    }
    assert!(calls > 2, "{calls}");
    assert!(all.is_sorted_by(|one, next| one.0 < next.0));
    let count = |kind: u32| all.iter().filter(|(_, of)| u32::from(*of) == kind).count();
    let counts = [uapi::PROCMON_EVENT_FORK, uapi::PROCMON_EVENT_EXIT].map(count);
    assert_eq!(counts, [PROCESSES; 2], "event.type");
    assert_eq!(all.len(), 2 * PROCESSES);
}

/// 32-bit callers get the same.
#[test]
fn callers_of_32_bits() {
    if !ia32::IS_AVAILABLE {
        return leave_out("no 32-bit calls on this machine");
    }
    let _kernel = shared();
    let region = Region::new_low(PAGE);
    let buffer = Region::new_low(PAGE);
    let file = listening(&buffer);
    assert!(Command::new("/bin/true").status().unwrap().success());
    region.fill(0, &bytes_of(&arguments(&buffer, PAGE)));
    let result = ia32::ioctl(file.as_fd(), uapi::PROCMON_EVENTS, region.start());
    assert_eq!(result, Ok(0));
    let [bytes, count] =
        [36, 40].map(|offset| u32::from_ne_bytes(region.bytes(offset, 4).try_into().unwrap()));
    assert_eq!((types(&buffer, bytes), count), (vec![0, 1, 2], 3));
}

/// Callers of later versions may pass more, if it is zero.
#[test]
fn callers_of_later_versions() {
    let _kernel = shared();
    let region = Region::new(PAGE);
    let buffer = Region::new(PAGE);
    let size = size_of::<uapi::procmon_events>();
    let file = listening(&buffer);
    for (tail, expected) in [(0, Ok(0)), (1, Err(Errno::E2BIG))] {
        let arguments = uapi::procmon_events {
            size: size as u32 + 8,
            ..arguments(&buffer, PAGE)
        };
        region.fill(0, &bytes_of(&arguments));
        region.fill(size, &[0, 0, 0, 0, 0, 0, 0, tail]);
        let command = u64::from(uapi::PROCMON_EVENTS) + (8 << 16);
        assert_eq!(raw::ioctl(&file, command, region.start()), expected);
    }
}
