// SPDX-License-Identifier: GPL-2.0

//! The interface to user space, as bindgen makes it from `procmon_uapi.h`.
//!
//! The structs have their padding spelt out, so that no byte of them can be forgotten.

use core::mem::offset_of;

use kernel::prelude::*;

#[expect(
    dead_code,
    non_camel_case_types,
    unreachable_pub,
    reason = "generated from a C header, whose comments are the documentation"
)]
mod generated {
    use kernel::{
        ffi,
        prelude::*, //
    };
    use zerocopy_derive::Immutable;

    include!("../uapi_generated.rs");
}
pub(crate) use generated::*;

// Sizes, offsets and numbers that programs were built with, whatever becomes of the header.
const _: () = {
    assert!(size_of::<procmon_stats>() == 40);
    assert!(offset_of!(procmon_stats, total_reads) == 8);
    assert!(offset_of!(procmon_stats, total_writes) == 16);
    assert!(offset_of!(procmon_stats, total_ioctls) == 24);
    assert!(offset_of!(procmon_stats, current_filter_pid) == 32);
    assert!(size_of::<procmon_query>() == 32);
    assert!(offset_of!(procmon_query, comm) == 4);
    assert!(offset_of!(procmon_query, state) == 20);
    assert!(offset_of!(procmon_query, vsize) == 24);
    assert!(PROCMON_GET_STATS == 0x8028_5002);
    assert!(PROCMON_QUERY_PID == 0xc020_5004);
};

const _: () = {
    assert!(PROCMON_RESET == 0x5000);
    assert!(PROCMON_GET_COUNT == 0x8004_5001);
    assert!(PROCMON_SET_FILTER == 0x4004_5003);

    assert!(size_of::<procmon_stats32>() == 20);
    assert!(offset_of!(procmon_stats32, current_filter_pid) == 16);
    assert!(PROCMON_GET_STATS32 == 0x8014_5002);
    assert!(size_of::<procmon_query32>() == 28);
    assert!(offset_of!(procmon_query32, comm) == 4);
    assert!(offset_of!(procmon_query32, state) == 20);
    assert!(offset_of!(procmon_query32, vsize) == 24);
    assert!(PROCMON_QUERY_PID32 == 0xc01c_5004);

    // These have one layout for all.
    assert!(size_of::<procmon_info>() == 32);
    assert!(size_of::<procmon_record>() == 192);
    assert!(size_of::<procmon_snapshot>() == 56);
    assert!(size_of::<procmon_sample>() == 240);
    assert!(size_of::<procmon_history>() == 56);
    assert!(offset_of!(procmon_record, cpu) == 44);
    assert!(offset_of!(procmon_record, uid) == 80);
    assert!(offset_of!(procmon_record, minor_faults) == 96);
    assert!(offset_of!(procmon_record, vsize) == 112);
    assert!(offset_of!(procmon_record, voluntary_switches) == 144);
    assert!(offset_of!(procmon_record, read_bytes) == 160);
    assert!(offset_of!(procmon_record, cgroup_id) == 176);
    assert!(offset_of!(procmon_record, runtime) == 184);
    assert!(offset_of!(procmon_sample, process) == 48);
    assert!(PROCMON_INFO == 0x8020_5005);
    assert!(PROCMON_SNAPSHOT == 0xc038_5006);
    assert!(PROCMON_HISTORY == 0xc038_5007);
};
