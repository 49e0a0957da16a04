// SPDX-License-Identifier: GPL-2.0-only

//! The mount of the unified hierarchy.

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use rustix::fs::statfs;

/// The usual mounts of the unified hierarchy: alone, or beside those of the first version.
pub const MOUNTS: [&str; 2] = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"];

/// `CGROUP2_SUPER_MAGIC` of `linux/magic.h`.
const MAGIC: u64 = 0x6367_7270;

/// Returns the one of [`MOUNTS`] where the unified hierarchy is mounted, from the root of the
/// cgroup namespace on, which paths in `/proc` begin at.
///
/// In a container without a cgroup namespace of its own there is none, as the root of the mount is
/// the cgroup of the container: a path in `/proc` names no directory below it.
#[must_use]
pub fn mount() -> Option<&'static Path> {
    usual(&all())
}

/// Returns [`mount`], or else another directory where the hierarchy is mounted.
pub fn find_mount() -> Option<PathBuf> {
    let mounts = all();
    usual(&mounts)
        .map(Path::to_owned)
        .or_else(|| mounts.into_iter().next())
}

fn usual(mounts: &[PathBuf]) -> Option<&'static Path> {
    let mut usual = MOUNTS.iter().map(Path::new);
    usual.find(|&directory| mounts.iter().any(|mount| mount == directory))
}

/// Returns all mounts of the whole hierarchy.
fn all() -> Vec<PathBuf> {
    let mounts = fs::read("/proc/self/mountinfo").unwrap_or_default();
    mounts
        .split(|&byte| byte == b'\n')
        .filter_map(mount_of)
        // Another file system may be mounted over it.
        .filter(|directory| is_unified(directory))
        .collect()
}

/// Whether a file is in the unified hierarchy.
#[must_use]
pub fn is_unified(path: &Path) -> bool {
    // The type of the field depends on the architecture.
    statfs(path).is_ok_and(|system| u64::try_from(system.f_type).is_ok_and(|kind| kind == MAGIC))
}

/// Returns the directory of a line of `mountinfo`, if it is a mount of the whole hierarchy.
fn mount_of(line: &[u8]) -> Option<PathBuf> {
    let mut words = line.split(|&byte| byte == b' ');
    let root = words.nth(3)?;
    let directory = words.next()?;
    let mut words = words.skip_while(|word| *word != b"-").skip(1);
    (root == b"/" && words.next() == Some(b"cgroup2"))
        .then(|| OsString::from_vec(unescape(directory)).into())
}

/// Replaces each backslash with three octal digits, as blanks have them, by its byte.
fn unescape(text: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&first, others)) = rest.split_first() {
        let digits = others.first_chunk::<3>().filter(|_| first == b'\\');
        match digits.and_then(octal) {
            Some(byte) => {
                bytes.push(byte);
                rest = &others[3..];
            }
            None => {
                bytes.push(first);
                rest = others;
            }
        }
    }
    bytes
}

fn octal(digits: &[u8; 3]) -> Option<u8> {
    // A number may have a sign, and an escape has none.
    let is_number = digits.iter().all(u8::is_ascii_digit);
    let text = str::from_utf8(digits).ok().filter(|_| is_number)?;
    u8::from_str_radix(text, 8).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounts_are_those_of_the_whole_namespace() {
        let of = |line: &str| mount_of(line.as_bytes());
        let whole = "30 23 0:26 / /sys/fs/cg\\040roup rw shared:4 - cgroup2 cgroup2 rw";
        assert_eq!(of(whole), Some("/sys/fs/cg roup".into()));
        let plain = "30 23 0:26 / /cg rw - cgroup2 none rw";
        assert_eq!(of(plain), Some("/cg".into()));
        for other in [
            "30 23 0:26 /.. /cg rw - cgroup2 none rw",
            "30 23 0:26 /a /cg rw - cgroup2 none rw",
            "30 23 0:26 / /cg rw - cgroup none rw",
            "30 23 0:26 / cgroup2 rw - tmpfs cgroup2 rw",
            "30 23 0:26 / /cg rw cgroup2",
            "",
        ] {
            assert_eq!(of(other), None, "{other}");
        }
    }

    #[test]
    fn usual_mounts_come_first() {
        let mounts = ["/mnt", "/sys/fs/cgroup/unified"].map(PathBuf::from);
        assert_eq!(usual(&mounts), Some(Path::new("/sys/fs/cgroup/unified")));
        assert_eq!(usual(&mounts[..1]), None);
    }

    #[test]
    fn escapes_are_octal() {
        for (text, bytes) in [
            (&b"a\\134b\\012"[..], &b"a\\b\n"[..]),
            (b"\\", b"\\"),
            (b"\\04", b"\\04"),
            (b"\\999\\040", b"\\999 "),
            (b"\\777", b"\\777"),
            (b"\\+40", b"\\+40"),
            (b"\\-40", b"\\-40"),
        ] {
            assert_eq!(unescape(text), bytes);
        }
    }

    #[test]
    fn other_file_systems_are_not_unified() {
        assert!(!is_unified(Path::new("/proc")));
        assert!(!is_unified(Path::new("/nonexistent")));
        if let Some(mount) = mount() {
            assert!(mount.join("cgroup.procs").exists());
            assert_eq!(find_mount().as_deref(), Some(mount));
        }
    }
}
