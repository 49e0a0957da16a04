// SPDX-License-Identifier: GPL-2.0

//! The structures and numbers of `procmon_uapi.h`.
//!
//! Public for tests of the module only: no part of the stable interface of this crate.

#![allow(
    non_camel_case_types,
    missing_docs,
    reason = "the names are those of C, and the header documents them"
)]

use std::ffi::{OsStr, c_char};
use std::mem::offset_of;
use std::os::unix::ffi::OsStrExt;

/// The header in Rust, with the assertions of its layouts on 64-bit machines. The crate
/// `uapi-bindings` writes the file, and has a test that it is up to date. The numbers that programs
/// were built with are in `tests/abi/header.c`.
#[rustfmt::skip]
mod bindings;

pub use bindings::*;

#[cfg(target_pointer_width = "32")]
pub const PROCMON_GET_STATS: u32 = PROCMON_GET_STATS32;
#[cfg(target_pointer_width = "32")]
pub const PROCMON_QUERY_PID: u32 = PROCMON_QUERY_PID32;

/// Returns the bytes of a name before its first NUL.
pub(crate) fn name(name: &[c_char; PROCMON_COMM_LEN as usize]) -> &OsStr {
    // SAFETY: A c_char is one byte of any value, so these are as many bytes in the same place, and
    // are borrowed for as long.
    let bytes: &[u8; PROCMON_COMM_LEN as usize] = unsafe { &*(&raw const *name).cast() };
    let len = bytes.iter().position(|&byte| byte == 0);
    OsStr::from_bytes(&bytes[..len.unwrap_or(bytes.len())])
}

/// The groups of a record in the order of their fields, with the offset of the end of each one's
/// fields, where those of the next one begin.
pub const GROUP_ENDS: [(u32, usize); 9] = [
    (PROCMON_GROUP_BASIC, offset_of!(procmon_record, cpu)),
    (PROCMON_GROUP_CPU, offset_of!(procmon_record, uid)),
    (
        PROCMON_GROUP_CREDS,
        offset_of!(procmon_record, minor_faults),
    ),
    (PROCMON_GROUP_FAULTS, offset_of!(procmon_record, vsize)),
    (
        PROCMON_GROUP_MEM,
        offset_of!(procmon_record, voluntary_switches),
    ),
    (PROCMON_GROUP_SCHED, offset_of!(procmon_record, read_bytes)),
    (PROCMON_GROUP_IO, offset_of!(procmon_record, cgroup_id)),
    (PROCMON_GROUP_CGROUP, offset_of!(procmon_record, runtime)),
    (PROCMON_GROUP_RUNTIME, size_of::<procmon_record>()),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Groups;

    #[test]
    fn groups_cover_the_record_in_order() {
        let mask = GROUP_ENDS.iter().fold(0, |mask, (group, _)| mask | group);
        assert_eq!(mask, Groups::all().bits());
        assert!(GROUP_ENDS.is_sorted_by_key(|&(_, end)| end));
        let (_, end) = GROUP_ENDS.last().unwrap();
        assert_eq!(*end, size_of::<procmon_record>());
    }
}
