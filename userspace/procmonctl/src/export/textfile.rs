// SPDX-License-Identifier: GPL-2.0-only

//! Metrics in a file, for the textfile collector of node_exporter.

use std::convert::Infallible;
use std::fs::Permissions;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;

use super::exporter::Worker;
use super::metrics::Format;

/// Writes metrics to a file at an interval, until that fails.
pub fn write_forever(
    path: &Path,
    interval: Duration,
    worker: &Worker,
) -> anyhow::Result<Infallible> {
    let mut next = Instant::now();
    loop {
        let metrics = worker.wait(Format::Text).context("there are no metrics")?;
        write(path, &metrics).with_context(|| format!("write {}", path.display()))?;
        next += interval;
        let now = Instant::now();
        // After a time of sleep there is nothing to catch up with.
        next = next.max(now);
        thread::sleep(next - now);
    }
}

/// Replaces a file, so that readers find it whole.
fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    let directory = path.parent().filter(|it| !it.as_os_str().is_empty());
    let mut file = tempfile::Builder::new()
        // Its name does not end with ".prom", so that it is not read.
        .prefix(".procmon-")
        .permissions(Permissions::from_mode(0o644))
        .tempfile_in(directory.unwrap_or(Path::new(".")))?;
    file.write_all(text.as_bytes())?;
    file.persist(path)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_file_is_replaced_as_a_whole() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("procmon.prom");
        write(&path, "first and long\n").unwrap();
        let first = fs::File::open(&path).unwrap();
        write(&path, "second\n").unwrap();
        assert_eq!(std::io::read_to_string(first).unwrap(), "first and long\n");
        assert_eq!(fs::read_to_string(&path).unwrap(), "second\n");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
        assert!(write(&directory.path().join("missing/x"), "").is_err());
    }
}
