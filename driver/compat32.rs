// SPDX-License-Identifier: GPL-2.0-only

//! Arguments of 32-bit processes on a 64-bit kernel.
//!
//! A number that does not fit in its smaller field becomes the largest one that does.

use crate::uapi::{
    procmon_query,
    procmon_query32,
    procmon_stats,
    procmon_stats32, //
};

impl From<procmon_stats> for procmon_stats32 {
    #[inline(always)]
    fn from(stats: procmon_stats) -> Self {
        Self {
            total_opens: saturate(stats.total_opens),
            total_reads: saturate(stats.total_reads),
            total_writes: saturate(stats.total_writes),
            total_ioctls: saturate(stats.total_ioctls),
            current_filter_pid: stats.current_filter_pid,
        }
    }
}

impl From<procmon_query> for procmon_query32 {
    #[inline(always)]
    fn from(query: procmon_query) -> Self {
        Self {
            pid: query.pid,
            comm: query.comm,
            state: query.state,
            vsize: saturate(query.vsize),
        }
    }
}

fn saturate(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}
