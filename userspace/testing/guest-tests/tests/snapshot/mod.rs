// SPDX-License-Identifier: GPL-2.0-only

//! The command `PROCMON_SNAPSHOT`: records of many processes at once.

mod arguments;
pub mod cmdlines;
mod fields;
mod rights;
mod storm;
pub mod values;
mod walk;

use fixture::memory::Region;
use fixture::{open, raw};
use procmon::snapshot::{Groups, Record, SnapshotOptions};
use procmon::{Device, uapi};

const RECORD: usize = size_of::<uapi::procmon_record>();

fn own_pid() -> i32 {
    i32::try_from(std::process::id()).unwrap()
}

fn snapshot(options: &SnapshotOptions) -> Vec<Record> {
    let device = Device::open().unwrap();
    device.snapshot(options).unwrap().records().to_vec()
}

fn all() -> SnapshotOptions {
    SnapshotOptions::new().groups(Groups::all())
}

fn find(records: &[Record], pid: i32) -> Option<Record> {
    records.iter().copied().find(|record| record.pid() == pid)
}

fn record_of(pid: i32) -> Record {
    find(&snapshot(&all().tgid(pid)), pid).unwrap_or_else(|| panic!("there is no PID {pid}"))
}

fn arguments(region: &Region, capacity: usize) -> uapi::procmon_snapshot {
    uapi::procmon_snapshot {
        size: size_of::<uapi::procmon_snapshot>() as u32,
        records: region.start().as_ptr() as u64,
        stride: RECORD as u32,
        capacity: u32::try_from(capacity).unwrap(),
        ..Default::default()
    }
}

/// Makes the call with these arguments, which receive the results.
fn call(arguments: &mut uapi::procmon_snapshot) -> nix::Result<i32> {
    raw::call(open(), arguments)
}

fn pid_in(region: &Region, index: u32, stride: usize) -> i32 {
    let bytes = region.bytes(index as usize * stride + 4, 4);
    i32::from_ne_bytes(bytes.try_into().unwrap())
}
