// SPDX-License-Identifier: GPL-2.0-only

//! The five commands of the original C module.

mod arguments;
mod commands;
mod compat32;
mod counters;

use std::os::fd::AsFd;

use fixture::memory::{Ptr, Region};
use fixture::raw;

// The specification's numbers. The header is compared with them, so they are not taken from it.
const RESET: u32 = 0x0000_5000;
const GET_COUNT: u32 = 0x8004_5001;
const GET_STATS: u32 = 0x8028_5002;
const SET_FILTER: u32 = 0x4004_5003;
const QUERY_PID: u32 = 0xc020_5004;
const GET_STATS32: u32 = 0x8014_5002;
const QUERY_PID32: u32 = 0xc01c_5004;

const STATS_SIZE: usize = 40;
const QUERY_SIZE: usize = 32;

fn ioctl(fd: impl AsFd, command: u32, argument: Ptr) -> nix::Result<i32> {
    raw::ioctl(fd, command.into(), argument)
}

fn set_filter(fd: impl AsFd, pid: i32) -> nix::Result<i32> {
    ioctl(fd, SET_FILTER, Region::with(&pid.to_ne_bytes()).start())
}

fn int_at(region: &Region, offset: usize) -> i32 {
    i32::from_ne_bytes(region.bytes(offset, 4).try_into().unwrap())
}

fn long_at(region: &Region, offset: usize) -> u64 {
    u64::from_ne_bytes(region.bytes(offset, 8).try_into().unwrap())
}
