// SPDX-License-Identifier: GPL-2.0-only

//! The virtio-serial ports that lead to the host.

use std::fs::{self, File, OpenOptions};
use std::path::PathBuf;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

const CLASS: &str = "/sys/class/virtio-ports";

/// The time for the kernel to learn the names of the ports from the host, after it made them.
const PATIENCE: Duration = Duration::from_secs(10);

/// Opens a port by its name, for reading and writing.
pub fn open(name: &str) -> Result<File> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(path) = find(name)? {
            return OpenOptions::new()
                .read(true)
                .write(true)
                .open(&path)
                .with_context(|| format!("cannot open port {name} at {}", path.display()));
        }
        if Instant::now() > deadline {
            bail!("there is no port {name}");
        }
        sleep(Duration::from_millis(5));
    }
}

fn find(name: &str) -> Result<Option<PathBuf>> {
    for entry in fs::read_dir(CLASS).with_context(|| format!("cannot read {CLASS}"))? {
        let entry = entry.with_context(|| format!("cannot read {CLASS}"))?;
        let found = fs::read_to_string(entry.path().join("name")).unwrap_or_default();
        if found.trim_end() == name {
            return Ok(Some(PathBuf::from("/dev").join(entry.file_name())));
        }
    }
    Ok(None)
}
