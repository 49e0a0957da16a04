// SPDX-License-Identifier: GPL-2.0

//! The structures and numbers of `procmon_uapi.h`.
//!
//! Public for tests of the module alone: no part of the interface of this crate, and so of no
//! promise about its versions.

#![allow(
    non_camel_case_types,
    missing_docs,
    reason = "the names are those of C, and the header documents them"
)]

use std::ffi::{OsStr, c_char};
use std::mem::{align_of, offset_of, size_of};
use std::os::unix::ffi::OsStrExt;

/// What bindgen makes of the header on a 64-bit machine, less the numbers that depend on the size
/// of a long. The crate `uapi-bindings` beside this one writes the file, and has a test that it is
/// up to date.
#[rustfmt::skip]
mod bindings;

pub use bindings::*;

/// `_IOR()` and `_IOWR()`, with the directions of `<asm-generic/ioctl.h>`.
const fn number(directions: u32, command: u32, size: usize) -> u32 {
    directions << 30 | (size as u32) << 16 | (PROCMON_MAGIC as u32) << 8 | command
}

pub const PROCMON_GET_STATS: u32 = number(2, 2, size_of::<procmon_stats>());
pub const PROCMON_QUERY_PID: u32 = number(3, 4, size_of::<procmon_query>());

/// The bytes of a name before its first NUL.
pub(crate) fn name(name: &[c_char; PROCMON_COMM_LEN as usize]) -> &OsStr {
    // SAFETY: A c_char is one byte of any value, so these are as many bytes in the same place, and
    // are borrowed for as long.
    let bytes: &[u8; PROCMON_COMM_LEN as usize] = unsafe { &*(&raw const *name).cast() };
    let len = bytes.iter().position(|&byte| byte == 0);
    OsStr::from_bytes(&bytes[..len.unwrap_or(bytes.len())])
}

// The interface is an ABI: whatever becomes of the header or of bindgen, these numbers stay.

const _: () = {
    assert!(PROCMON_MAGIC == b'P');
    assert!(PROCMON_COMM_LEN == 16);
    assert!(PROCMON_RESET == 0x0000_5000);
    assert!(PROCMON_GET_COUNT == 0x8004_5001);
    assert!(PROCMON_SET_FILTER == 0x4004_5003);
    assert!(PROCMON_GET_STATS32 == 0x8014_5002);
    assert!(PROCMON_QUERY_PID32 == 0xC01C_5004);
};

#[cfg(target_pointer_width = "64")]
const _: () = {
    assert!(size_of::<procmon_stats>() == 40 && align_of::<procmon_stats>() == 8);
    assert!(offset_of!(procmon_stats, total_opens) == 0);
    assert!(offset_of!(procmon_stats, total_reads) == 8);
    assert!(offset_of!(procmon_stats, total_writes) == 16);
    assert!(offset_of!(procmon_stats, total_ioctls) == 24);
    assert!(offset_of!(procmon_stats, current_filter_pid) == 32);

    assert!(size_of::<procmon_query>() == 32 && align_of::<procmon_query>() == 8);
    assert!(offset_of!(procmon_query, pid) == 0);
    assert!(offset_of!(procmon_query, comm) == 4);
    assert!(offset_of!(procmon_query, state) == 20);
    assert!(offset_of!(procmon_query, vsize) == 24);

    assert!(PROCMON_GET_STATS == 0x8028_5002);
    assert!(PROCMON_QUERY_PID == 0xC020_5004);
};

#[cfg(target_pointer_width = "32")]
const _: () = {
    assert!(size_of::<procmon_stats>() == size_of::<procmon_stats32>());
    assert!(size_of::<procmon_query>() == size_of::<procmon_query32>());
    assert!(PROCMON_GET_STATS == PROCMON_GET_STATS32);
    assert!(PROCMON_QUERY_PID == PROCMON_QUERY_PID32);
};

const _: () = {
    assert!(size_of::<procmon_stats32>() == 20 && align_of::<procmon_stats32>() == 4);
    assert!(offset_of!(procmon_stats32, total_opens) == 0);
    assert!(offset_of!(procmon_stats32, total_reads) == 4);
    assert!(offset_of!(procmon_stats32, total_writes) == 8);
    assert!(offset_of!(procmon_stats32, total_ioctls) == 12);
    assert!(offset_of!(procmon_stats32, current_filter_pid) == 16);

    assert!(size_of::<procmon_query32>() == 28 && align_of::<procmon_query32>() == 4);
    assert!(offset_of!(procmon_query32, pid) == 0);
    assert!(offset_of!(procmon_query32, comm) == 4);
    assert!(offset_of!(procmon_query32, state) == 20);
    assert!(offset_of!(procmon_query32, vsize) == 24);
};

const _: () = {
    assert!(size_of::<procmon_info>() == 32);
    assert!(size_of::<procmon_record>() == 192);
    assert!(size_of::<procmon_snapshot>() == 56);
    assert!(size_of::<procmon_sample>() == 240);
    assert!(size_of::<procmon_history>() == 56);
    assert!(offset_of!(procmon_record, cpu) == 44);
    assert!(offset_of!(procmon_record, cgroup_id) == 176);
    assert!(offset_of!(procmon_record, runtime) == 184);
    assert!(offset_of!(procmon_sample, process) == 48);
    assert!(PROCMON_INFO == 0x8020_5005);
    assert!(PROCMON_SNAPSHOT == 0xC038_5006);
    assert!(PROCMON_HISTORY == 0xC038_5007);
};
