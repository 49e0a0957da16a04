// SPDX-License-Identifier: GPL-2.0-only

//! Facts about the host, for results that are kept for as long as these stay the same.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use anyhow::{Context, Result};

pub fn cpu_model() -> Result<String> {
    let cpus = fs::read_to_string("/proc/cpuinfo").context("no /proc/cpuinfo")?;
    let model = cpus.lines().find(|line| line.starts_with("model name"));
    Ok(model.unwrap_or_default().to_owned())
}

/// Returns a text that changes when the host is booted.
pub fn boot_id() -> Result<String> {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").context("no boot_id")
}

/// Returns a text that changes when the file does. This takes less than reading all of it.
pub fn identity(path: &Path) -> Result<String> {
    let data = fs::metadata(path).with_context(|| format!("cannot look at {}", path.display()))?;
    Ok(format!(
        "{} {} {}",
        path.display(),
        data.size(),
        data.mtime()
    ))
}
