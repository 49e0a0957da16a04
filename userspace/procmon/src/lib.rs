// SPDX-License-Identifier: GPL-2.0

//! Client of procmon, the process monitor in the Linux kernel.
//!
//! [`Device`] is `/dev/procmon`: the shared message, and the ioctl commands as typed methods. Among
//! them, [`Device::snapshot`] tells about all processes at once, and [`Device::history`] what the
//! monitor has recorded.
//! [`sysfs`] is what the module shows and takes under `/sys`: statistics, the monitor's last
//! sample, and the parameters. [`uapi`] holds the raw structures and numbers, for those who make
//! the system calls themselves.
//!
//! ```no_run
//! use procmon::snapshot::Groups;
//! use procmon::{Device, SnapshotOptions, State, sysfs};
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
//! Every [`Error`] says what was being done to which file; [`Error::kind`] sorts it.

#![warn(missing_docs)]

mod device;
mod error;
pub mod history;
mod process;
pub mod snapshot;
pub mod sysfs;
pub mod uapi;

pub use device::{DEVICE_PATH, Device, OpenOptions, SampleEvents, Stats};
pub use error::{Error, ErrorKind, Result};
pub use history::{History, Sample};
pub use process::{Process, State};
pub use snapshot::{Snapshot, SnapshotOptions};
