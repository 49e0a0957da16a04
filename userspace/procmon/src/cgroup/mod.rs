// SPDX-License-Identifier: GPL-2.0-only

//! Cgroups: from the ID in a record to a path, and from that to the unit, the session and the
//! container that a process belongs to.
//!
//! [`Cgroups`] looks paths up and keeps them. [`CgroupPath`] needs no system: its functions follow
//! the rules of systemd, and the names that engines of containers give.
//!
//! ```no_run
//! use procmon::{Cgroups, Device, Groups, SnapshotOptions};
//!
//! # fn main() -> procmon::Result<()> {
//! let device = Device::open_read_only()?;
//! let mut cgroups = Cgroups::mounted();
//! for record in &device.snapshot(&SnapshotOptions::new().groups(Groups::CGROUP))? {
//!     if let Some(path) = cgroups.path_of(record) {
//!         println!("{} {path} {:?} {:?}", record.pid(), path.unit(), path.container());
//!     }
//! }
//! # Ok(())
//! # }
//! ```

mod container;
mod mount;
mod path;
mod paths;
mod systemd;

pub use container::{Container, Engine};
pub(crate) use mount::find_mount;
pub use mount::{MOUNTS, is_unified, mount};
pub use path::CgroupPath;
pub use paths::Cgroups;
