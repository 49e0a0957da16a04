// SPDX-License-Identifier: GPL-2.0

//! The mount of the unified hierarchy.

use std::path::Path;

use rustix::fs::statfs;

/// The usual mounts of the unified hierarchy: alone, or beside those of the first version.
pub const MOUNTS: [&str; 2] = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"];

/// `CGROUP2_SUPER_MAGIC` of `linux/magic.h`.
const MAGIC: u64 = 0x6367_7270;

/// Returns the one of [`MOUNTS`] where the unified hierarchy is mounted.
#[must_use]
pub fn mount() -> Option<&'static Path> {
    let mut mounts = MOUNTS.iter().map(Path::new);
    mounts.find(|mount| is_unified(mount))
}

/// Whether a file is in the unified hierarchy.
#[must_use]
pub fn is_unified(path: &Path) -> bool {
    // The type of the field depends on the architecture.
    statfs(path).is_ok_and(|system| u64::try_from(system.f_type).is_ok_and(|kind| kind == MAGIC))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_file_systems_are_not_unified() {
        assert!(!is_unified(Path::new("/proc")));
        assert!(!is_unified(Path::new("/nonexistent")));
        if let Some(mount) = mount() {
            assert!(mount.join("cgroup.procs").exists());
        }
    }
}
