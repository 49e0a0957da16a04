// SPDX-License-Identifier: GPL-2.0-only

//! Paths of cgroups.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::os::unix::ffi::OsStrExt;

use super::container::{self, Container};
use super::systemd;

/// The path of a cgroup below the root of the unified hierarchy, as in `/proc/PID/cgroup`.
///
/// Names of cgroups have any bytes but `/`, NUL and line breaks. Users choose those of the cgroups
/// that are delegated to them, so a path proves nothing about a process: a user's cgroup may be
/// named like that of a container.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct CgroupPath(OsString);

impl CgroupPath {
    /// Creates a path from text such as `/system.slice/cron.service`.
    #[must_use]
    pub fn new(path: impl Into<OsString>) -> Self {
        Self(path.into())
    }

    /// Returns the path.
    #[must_use]
    pub fn as_os_str(&self) -> &OsStr {
        &self.0
    }

    /// Returns the bytes of the path.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// Whether this is another cgroup, or one below that.
    #[must_use]
    pub fn is_in(&self, other: &Self) -> bool {
        let mut components = self.components();
        other
            .components()
            .all(|component| components.next() == Some(component))
    }

    /// Returns the unit of the system's systemd: a service, a scope or so, and no slice.
    ///
    /// All that runs under a user's own systemd is in its unit, such as `user@1000.service`.
    #[must_use]
    #[doc(alias = "cg_path_get_unit")]
    pub fn unit(&self) -> Option<&str> {
        systemd::unit(self.components())
    }

    /// Returns the innermost slice of the system's systemd, `-.slice` for the root of all slices.
    #[must_use]
    #[doc(alias = "cg_path_get_slice")]
    pub fn slice(&self) -> &str {
        systemd::slice(self.components())
    }

    /// Returns the unit of a user's systemd.
    #[must_use]
    #[doc(alias = "cg_path_get_user_unit")]
    pub fn user_unit(&self) -> Option<&str> {
        systemd::unit(systemd::of_user(self.components())?)
    }

    /// Returns the innermost slice of a user's systemd.
    #[must_use]
    #[doc(alias = "cg_path_get_user_slice")]
    pub fn user_slice(&self) -> Option<&str> {
        systemd::of_user(self.components()).map(systemd::slice)
    }

    /// Returns the ID of the login session, as systemd-logind has it.
    ///
    /// All that runs under a user's own systemd is in no session.
    #[must_use]
    #[doc(alias = "cg_path_get_session")]
    pub fn session(&self) -> Option<&str> {
        systemd::session(self.unit()?)
    }

    /// Returns the user whose slice this is.
    #[must_use]
    #[doc(alias = "cg_path_get_owner_uid")]
    pub fn owner(&self) -> Option<u32> {
        systemd::owner(self.slice())
    }

    /// Returns the container or virtual machine, the innermost one if there are several.
    #[must_use]
    pub fn container(&self) -> Option<Container> {
        container::find(&self.components().collect::<Vec<_>>())
    }

    /// Returns the UID of the pod of Kubernetes.
    #[must_use]
    pub fn pod(&self) -> Option<String> {
        container::pod(&self.components().collect::<Vec<_>>())
    }

    /// Returns the names in the path.
    fn components(&self) -> impl Iterator<Item = &[u8]> + Clone {
        let components = self.as_bytes().split(|&byte| byte == b'/');
        components.filter(|component| !component.is_empty())
    }
}

/// The path as text, where bytes that are not UTF-8 are replaced, and no others.
impl fmt::Display for CgroupPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.display().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cgroup_is_in_those_above_it() {
        let path = CgroupPath::new("/a.slice/a-b.slice/x");
        for (other, is_in) in [
            ("/", true),
            ("/a.slice", true),
            ("a.slice/", true),
            ("/a.slice/a-b.slice/x", true),
            ("/a.slice/a-b.slice/x/y", false),
            ("/a.slice/a", false),
            ("/a-b.slice", false),
        ] {
            assert_eq!(path.is_in(&CgroupPath::new(other)), is_in, "{other}");
        }
    }
}
