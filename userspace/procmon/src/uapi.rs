// SPDX-License-Identifier: GPL-2.0-only

//! The structures and numbers of `procmon_uapi.h`.
//!
//! Public for tests of the module only: no part of the stable interface of this crate.

#![allow(
    non_camel_case_types,
    missing_docs,
    reason = "the names are those of C, and the header documents them"
)]

use std::ffi::{OsStr, c_char};
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
