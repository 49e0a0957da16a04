// SPDX-License-Identifier: GPL-2.0-only

//! Counts the processes with a device that another program has opened and passed on as standard
//! input, so that this one needs no rights of its own:
//!
//! ```sh
//! sudo sh -c 'exec setpriv --reuid=nobody passed </dev/procmon'
//! ```

use std::io;
use std::os::fd::AsFd;

use procmon::{Device, SnapshotOptions};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let device = Device::try_from(io::stdin().as_fd().try_clone_to_owned()?)?;
    let snapshot = device.snapshot(&SnapshotOptions::new())?;
    println!("{} processes", snapshot.len());
    Ok(())
}
