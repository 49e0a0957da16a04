// SPDX-License-Identifier: GPL-2.0-only

//! Snapshots from `/proc`, for machines without the module, and the file [`Stat`].
//!
//! [`snapshot`](snapshot()) returns records of the same form as
//! [`Device::snapshot`](crate::Device::snapshot), by the same options. It takes several system
//! calls for each process, and a record tells less:
//!
//! - It is not one of a moment: its fields are read one after the other, and a program that is
//!   executed in between does not [mark](Record::is_mixed) it. All of them are of the same process
//!   nevertheless.
//! - A process that starts during the snapshot may be missing, also if its ID is in between.
//! - Times are in clock ticks, of which there are 100 in a second.
//! - [`Groups::RUNTIME`] is missing. [`GROUPS`] are those that there are.
//! - [`Groups::SWITCHES`] are those of the threads that exist, without those that have ended.
//! - [`Groups::IO`] is there of each process that the caller may trace: also of those of the same
//!   user, unless a security module forbids it.
//! - [`Groups::CGROUP`] is missing where the unified hierarchy is not mounted.
//! - Processes that the mount option `hidepid` hides are missing.
//! - The [sequence number](Snapshot::sequence) is 0, as there are no events.
//!
//! ```
//! use procmon::{Groups, SnapshotOptions, proc};
//!
//! # fn main() -> procmon::Result<()> {
//! let options = SnapshotOptions::new().groups(Groups::MEMORY);
//! for record in &proc::snapshot(&options)? {
//!     println!("{} {:?} {:?}", record.pid(), record.comm(), record.memory());
//! }
//! # Ok(())
//! # }
//! ```

mod cgroup_ids;
mod fields;
mod files;
mod keys;
mod reader;
mod stat;

use std::path::Path;

use crate::snapshot::{Groups, Snapshot, SnapshotOptions};
use crate::time::BootTime;
use crate::{Error, ErrorKind, Result};

use files::Directory;
use reader::Reader;
pub use stat::Stat;

#[cfg(doc)]
use crate::Record;

/// The groups of fields that records from `/proc` can have.
pub const GROUPS: Groups = Groups::all().difference(Groups::RUNTIME);

const PATH: &str = "/proc";

/// Returns records of all processes, or of those that match the options, as `/proc` shows them.
///
/// # Errors
///
/// If `/proc` is not mounted or cannot be read, and if there are no more descriptors or no memory.
/// Processes and files that the caller may not see are left out.
pub fn snapshot(options: &SnapshotOptions) -> Result<Snapshot> {
    let mut snapshot = Snapshot::default();
    snapshot_into(options, &mut snapshot)?;
    Ok(snapshot)
}

/// Takes a [`snapshot`](snapshot()) in the memory of an earlier one.
///
/// # Errors
///
/// Those of [`snapshot`](snapshot()); the snapshot is empty or incomplete then.
pub fn snapshot_into(options: &SnapshotOptions, snapshot: &mut Snapshot) -> Result<()> {
    let path = Path::new(PATH);
    snapshot.clear();
    let is_proc = Directory::open(path).and_then(|root| root.is_proc());
    if !is_proc.map_err(failure)? {
        return Err(Error::other(
            ErrorKind::Other,
            path,
            "is not the file system of processes",
            Some("is it mounted?"),
        ));
    }
    fill(path, options, snapshot).map_err(failure)
}

fn failure(errno: rustix::io::Errno) -> Error {
    Error::other(
        ErrorKind::Other,
        Path::new(PATH),
        format_args!("cannot be read: {errno}"),
        None,
    )
}

/// Fills an empty snapshot from a directory with the form of `/proc`.
fn fill(path: &Path, options: &SnapshotOptions, snapshot: &mut Snapshot) -> rustix::io::Result<()> {
    snapshot.time = BootTime::now();
    let mut reader = Reader::new(path, options, &mut snapshot.records)?;
    reader.read_all()?;
    snapshot.of_threads = reader.reads_threads();
    snapshot.groups = reader.groups();
    // An ID that was given to another task during the snapshot is kept once, as everywhere.
    let records = &mut snapshot.records;
    records.sort_by_key(crate::Record::pid);
    records.dedup_by_key(|record| record.pid());
    snapshot.end = BootTime::now();
    Ok(())
}

#[cfg(test)]
mod tests;
