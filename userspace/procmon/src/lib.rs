// SPDX-License-Identifier: GPL-2.0-only

//! Client of procmon, the process monitor in the Linux kernel.
//!
//! [`Device`] is `/dev/procmon`: the shared message, and the ioctl commands as typed methods. Among
//! them, [`Device::snapshot`] returns records of all processes in one system call, and
//! [`Device::history`] the samples of the monitor. [`CpuMeter`] computes CPU usages from two
//! snapshots, [`StateMeter`] for how long states have lasted, and [`BootTime`] is a moment on the
//! kernel's clock. [`Device::events`] tells what happens to processes, and [`ProcessTable`] knows
//! by that which ones there are. [`cgroup`] tells the unit, session and container that a process
//! belongs to. [`sysfs`] has the files of the module under `/sys`: statistics, the monitor's last
//! sample, and the parameters. [`proc`] has snapshots without the module.
//!
//! ```no_run
//! use procmon::{Device, Groups, SnapshotOptions, State, sysfs};
//!
//! # fn main() -> procmon::Result<()> {
//! let mut device = Device::open()?;
//! device.write_message(b"Hello Kernel\n")?;
//! assert_eq!(device.read_message()?, b"Hello Kernel\n");
//!
//! if let Some(process) = device.query(1)? {
//!     println!("{:?} is {}", process.comm, process.state);
//!     assert_ne!(process.state, State::Zombie);
//! }
//! let options = SnapshotOptions::new().groups(Groups::MEMORY).kernel_threads(false);
//! for record in &device.snapshot(&options)? {
//!     if let Some(memory) = record.memory() {
//!         println!("{} {:?} {}", record.pid(), record.comm(), memory.resident());
//!     }
//! }
//! println!("{} calls so far", sysfs::stats()?.per_cpu_ops);
//! # Ok(())
//! # }
//! ```
//!
//! An [`Error`] names the operation and the file; [`Error::kind`] sorts it, and [`Error::hint`]
//! is a remedy.
//!
//! # Features
//!
//! - `serde`: `Serialize` for all types that the kernel delivers. Times are numbers of nanoseconds,
//!   and names that are not UTF-8 are sequences of bytes.
//! - `test-util`: constructors of [`Snapshot`], [`History`] and their elements, and of batches of
//!   [events], for tests of programs that show them. No part of the stable interface.

#![warn(missing_docs)]

mod arguments;
pub mod cgroup;
mod device;
mod error;
pub mod events;
pub mod history;
pub mod names;
mod open;
pub mod proc;
mod process;
mod process_table;
mod rates;
mod record;
mod sample_events;
#[cfg(feature = "serde")]
mod serialize;
pub mod snapshot;
mod state_meter;
pub mod sysfs;
mod time;
#[doc(hidden)]
pub mod uapi;
mod usage;

pub use arguments::{Arguments, MAX_ARGUMENTS};
pub use cgroup::{CgroupPath, Cgroups};
pub use device::{DEVICE_PATH, Device, Info, Stats};
pub use error::{Error, ErrorKind, Result};
pub use events::{EventOptions, Events};
pub use history::{History, Sample};
pub use open::OpenOptions;
pub use process::{Process, State};
pub use process_table::{Change, ProcessTable, Program, TableProcess};
pub use rates::Rates;
pub use sample_events::SampleEvents;
pub use snapshot::{Groups, Record, Snapshot, SnapshotOptions};
pub use state_meter::StateMeter;
pub use time::{BootClock, BootTime};
pub use usage::{CpuMeter, CpuUsage};

/// All types may be sent to and shared with other threads.
const _: () = {
    const fn is_send_and_sync<T: Send + Sync + 'static>() {}

    is_send_and_sync::<Device>();
    is_send_and_sync::<Error>();
    is_send_and_sync::<Cgroups>();
    is_send_and_sync::<Snapshot>();
    is_send_and_sync::<History>();
    is_send_and_sync::<Events<'static>>();
    is_send_and_sync::<SampleEvents<'static>>();
};
