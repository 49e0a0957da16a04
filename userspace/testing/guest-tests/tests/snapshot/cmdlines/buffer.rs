// SPDX-License-Identifier: GPL-2.0-only

//! The second buffer, which has the arguments.

use std::thread;

use fixture::child::stopped_with;
use fixture::memory::{LazyRegion, PAGE, Ptr, Region};
use fixture::shared;
use nix::errno::Errno;
use procmon::uapi;

use super::memory::Mapped;
use crate::snapshot::{RECORD, arguments, call, pid_in};

const HEADER: usize = size_of::<uapi::procmon_args>();

fn with_args(region: &Region, texts: &Region, max: u32) -> uapi::procmon_snapshot {
    uapi::procmon_snapshot {
        groups: uapi::PROCMON_GROUP_ARGS,
        args: texts.start().as_ptr() as u64,
        args_capacity: u32::try_from(texts.size()).unwrap(),
        args_max: max,
        ..arguments(region, region.size() / RECORD)
    }
}

/// Returns PIDs and sizes of entries.
fn entries(texts: &Region, bytes: u32) -> Vec<(i32, u32)> {
    let mut rest = &texts.bytes(0, bytes as usize)[..];
    let mut entries = Vec::new();
    while !rest.is_empty() {
        let word = |index: usize| u32::from_ne_bytes(*rest[4 * index..].first_chunk().unwrap());
        let [size, pid, args_size, stored] = [0, 1, 2, 3].map(word);
        assert!(size % 8 == 0 && size as usize >= HEADER, "args.size {size}");
        assert!(stored <= args_size, "args.args_stored, args.args_size");
        assert_eq!(
            size,
            (HEADER as u32 + stored).next_multiple_of(8),
            "args.size, args.args_stored"
        );
        let padding = &rest[HEADER + stored as usize..size as usize];
        assert!(padding.iter().all(|&byte| byte == 0), "args.args_stored");
        entries.push((pid.cast_signed(), size));
        rest = &rest[size as usize..];
    }
    entries
}

/// Bad arguments are refused, and change nothing.
#[test]
fn the_second_buffer_refuses_bad_arguments() {
    let _kernel = shared();
    let region = Region::new(10 * RECORD);
    let texts = Region::new(PAGE);
    type Change = fn(&mut uapi::procmon_snapshot);
    let cases: [(&str, Change, Errno); 11] = [
        ("no limit", |a| a.args_max = 0, Errno::EINVAL),
        ("a large limit", |a| a.args_max = 4097, Errno::EINVAL),
        ("a small buffer", |a| a.args_capacity = 79, Errno::EINVAL),
        ("no buffer", |a| a.args_capacity = 0, Errno::EINVAL),
        ("a reserved field", |a| a.reserved = 1, Errno::EINVAL),
        ("no group", |a| a.groups = 0, Errno::EINVAL),
        (
            "a limit alone",
            |a| (a.groups, a.args, a.args_capacity) = (0, 0, 0),
            Errno::EINVAL,
        ),
        (
            "a capacity alone",
            |a| (a.groups, a.args, a.args_max) = (0, 0, 0),
            Errno::EINVAL,
        ),
        (
            "a buffer alone",
            |a| (a.groups, a.args_max, a.args_capacity) = (0, 0, 0),
            Errno::EINVAL,
        ),
        ("NULL", |a| a.args = 0, Errno::EFAULT),
        (
            "a kernel address",
            |a| a.args = Ptr::KERNEL.as_ptr() as u64,
            Errno::EFAULT,
        ),
    ];
    for (name, change, errno) in cases {
        let mut bad = with_args(&region, &texts, 64);
        change(&mut bad);
        assert_eq!(call(&mut bad), Err(errno), "{name}");
        for region in [&region, &texts] {
            let bytes = region.bytes(0, region.size());
            assert!(bytes.iter().all(|&byte| byte == 0), "{name}");
        }
    }
    // The smallest buffer, of one longest entry.
    let mut good = with_args(&region, &texts, 64);
    good.args_capacity = 80;
    assert_eq!(call(&mut good), Ok(0));
    assert!(good.count > 0);
}

/// However small the second buffer is, each process comes once, and nothing is written behind it.
#[test]
fn second_buffers_of_all_sizes() {
    const MAX: u32 = 40;

    let _kernel = shared();
    let children: Vec<_> = (0..20).map(|_| stopped_with(&[])).collect();
    let region = Region::new(1000 * RECORD);
    let texts = Region::new(PAGE);
    let smallest = (HEADER + MAX as usize).next_multiple_of(8);
    for capacity in (smallest..PAGE / 2).step_by(72) {
        let mut all = Vec::new();
        let mut pids = Vec::new();
        let mut cursor = 0;
        loop {
            texts.fill(0, &[0xaa; PAGE]);
            let mut arguments = with_args(&region, &texts, MAX);
            arguments.args_capacity = u32::try_from(capacity).unwrap();
            arguments.cursor = cursor;
            assert_eq!(call(&mut arguments), Ok(0));
            assert!(arguments.count > 0, "a call goes on, {capacity}");
            let written = arguments.args_bytes as usize;
            assert!(written <= capacity, "snapshot.args_bytes");
            let behind = texts.bytes(written, PAGE - written);
            assert!(behind.iter().all(|&byte| byte == 0xaa), "{capacity}");
            let of_call = entries(&texts, arguments.args_bytes);
            // They belong to the records, in their order.
            let marked: Vec<_> = (0..arguments.count)
                .filter(|&index| {
                    let groups = region.bytes(index as usize * RECORD, 4);
                    let groups = u32::from_ne_bytes(groups.try_into().unwrap());
                    groups & uapi::PROCMON_GROUP_ARGS != 0
                })
                .map(|index| pid_in(&region, index, RECORD))
                .collect();
            let named: Vec<_> = of_call.iter().map(|entry| entry.0).collect();
            assert_eq!(
                named, marked,
                "snapshot.args_bytes, args.pid, record.groups"
            );
            pids.extend((0..arguments.count).map(|index| pid_in(&region, index, RECORD)));
            all.extend(named);
            cursor = arguments.cursor;
            if cursor == 0 {
                break;
            }
        }
        assert!(pids.is_sorted_by(|one, next| one < next), "snapshot.cursor");
        for child in &children {
            assert!(all.contains(&child.pid()), "args.pid, {capacity}");
        }
    }
}

/// Where the second buffer ends early, the records before are delivered, and the next call goes on.
#[test]
fn a_second_buffer_that_ends_early() {
    let _kernel = shared();
    let _children: Vec<_> = (0..20).map(|_| stopped_with(&[])).collect();
    let region = Region::new(1000 * RECORD);
    let texts = Region::new(PAGE);
    let mut first = with_args(&region, &texts, 40);
    first.args = texts.before_end(200).as_ptr() as u64;
    assert_eq!(call(&mut first), Ok(0));
    assert!(first.count > 0 && first.cursor != 0, "snapshot.cursor");
    assert!(first.args_bytes <= 200, "snapshot.args_bytes");
    let next = first.cursor;
    // From there on nothing fits, and nothing is delivered.
    let mut second = with_args(&region, &texts, 40);
    second.cursor = next;
    second.args = texts.end().as_ptr() as u64;
    assert_eq!(call(&mut second), Err(Errno::EFAULT));
    second.args = texts.start().as_ptr() as u64;
    assert_eq!(call(&mut second), Ok(0));
    assert_eq!(pid_in(&region, 0, RECORD), next);
}

/// A caller whose second buffer does not answer keeps no address space of others.
#[test]
fn a_buffer_that_never_answers() {
    let _kernel = shared();
    let mapped = Mapped::new();
    let lazy = LazyRegion::new();
    let region = Region::new(10 * RECORD);
    let mut arguments = with_args(&region, lazy.region(), 256);
    arguments.flags = uapi::PROCMON_SNAPSHOT_BY_TGID;
    arguments.tgid = mapped.child.pid();
    thread::scope(|scope| {
        let caller = scope.spawn(|| call(&mut arguments));
        lazy.wait_for_fault();
        mapped.end();
        assert!(!caller.is_finished());
        lazy.supply();
        assert_eq!(caller.join().unwrap(), Ok(0));
    });
    assert_eq!(arguments.count, 1);
    assert_eq!(entries(lazy.region(), arguments.args_bytes).len(), 1);
}
