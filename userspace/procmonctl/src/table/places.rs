// SPDX-License-Identifier: GPL-2.0-only

//! Filters by the place that a process belongs to: unit, cgroup or container.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use clap::Args;
use clap::builder::{OsStringValueParser, TypedValueParser};
use procmon::CgroupPath;
use procmon::cgroup::mount;

/// Options that select processes by their cgroups.
#[derive(Args, Clone, Debug, Default)]
pub struct Places {
    /// Only processes of these units of systemd, or of a user's systemd; ".service" may be left out
    #[arg(long, value_name = "NAME,...", value_delimiter = ',')]
    pub unit: Vec<String>,

    /// Only processes of these cgroups and of those below, by their paths in the unified hierarchy
    #[arg(long, value_name = "PATH", value_parser = OsStringValueParser::new().map(below_mount))]
    pub cgroup: Vec<CgroupPath>,

    /// Only processes of these containers, by their names or the first digits of their IDs
    #[arg(long, value_name = "NAME,...", value_delimiter = ',')]
    pub container: Vec<OsString>,
}

/// Returns the path of a cgroup that is named by its path or by its directory.
fn below_mount(path: OsString) -> CgroupPath {
    let path = Path::new(&path);
    let below = mount().and_then(|mount| path.strip_prefix(mount).ok());
    CgroupPath::new(below.unwrap_or(path))
}

impl Places {
    /// Returns whether no filter is given.
    pub fn is_empty(&self) -> bool {
        let Self {
            unit,
            cgroup,
            container,
        } = self;
        unit.is_empty() && cgroup.is_empty() && container.is_empty()
    }

    /// Returns whether a process of this cgroup, if that is known, passes the filters.
    pub fn contain(&self, path: Option<&CgroupPath>) -> bool {
        self.is_empty()
            || path.is_some_and(|path| {
                self.has_unit(path) && self.has_cgroup(path) && self.has_container(path)
            })
    }

    fn has_unit(&self, path: &CgroupPath) -> bool {
        let is_named = |unit: &str, name: &String| {
            let service = unit.strip_suffix(".service");
            unit == name || service == Some(name)
        };
        let mut units = [path.unit(), path.user_unit()].into_iter().flatten();
        self.unit.is_empty() || units.any(|unit| self.unit.iter().any(|name| is_named(unit, name)))
    }

    fn has_cgroup(&self, path: &CgroupPath) -> bool {
        self.cgroup.is_empty() || self.cgroup.iter().any(|cgroup| path.is_in(cgroup))
    }

    fn has_container(&self, path: &CgroupPath) -> bool {
        if self.container.is_empty() {
            return true;
        }
        let Some(container) = path.container() else {
            return false;
        };
        let is_id = container.short_name() != container.name;
        self.container.iter().any(|name| {
            let is_beginning = container.name.as_bytes().starts_with(name.as_bytes());
            container.name == *name || (is_id && !name.is_empty() && is_beginning)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "3f1c7e0b9d2a4c6e8f0a1b2c3d4e5f60718293a4b5c6d7e8f901a2b3c4d5e6f7";

    fn units(names: &[&str]) -> Places {
        Places {
            unit: names.iter().map(|&name| name.to_owned()).collect(),
            ..Places::default()
        }
    }

    fn cgroup(path: &str) -> Places {
        Places {
            cgroup: vec![below_mount(path.into())],
            ..Places::default()
        }
    }

    fn container(name: &str) -> Places {
        Places {
            container: vec![name.into()],
            ..Places::default()
        }
    }

    #[test]
    fn processes_are_selected_by_their_places() {
        let web = "/system.slice/web.service";
        let mail = "/user.slice/user-1000.slice/user@1000.service/app.slice/mail.scope";
        let docker = &format!("/docker/{ID}");
        for (places, path, is_in) in [
            (units(&["web.service"]), web, true),
            (units(&["web"]), web, true),
            (units(&["cron", "web"]), web, true),
            (units(&["we"]), web, false),
            (units(&["mail.scope"]), mail, true),
            (units(&["mail"]), mail, false),
            (units(&["user@1000"]), mail, true),
            (units(&["web"]), "/", false),
            (cgroup("/system.slice"), web, true),
            (cgroup("system.slice/web.service/"), web, true),
            (cgroup("/system.slice/web"), web, false),
            (cgroup("/"), web, true),
            (container(&ID[..3]), docker, true),
            (container(ID), docker, true),
            (container(&ID[1..]), docker, false),
            (container(""), docker, false),
            (container("web"), "/lxc/web", true),
            (container("we"), "/lxc/web", false),
            (container("web"), web, false),
            (Places::default(), web, true),
        ] {
            let path = CgroupPath::new(path);
            assert_eq!(places.contain(Some(&path)), is_in, "{places:?} {path}");
            assert_eq!(places.contain(None), places.is_empty());
        }
        if let Some(mount) = mount() {
            let directory = mount.join("system.slice");
            assert_eq!(
                below_mount(directory.into()),
                CgroupPath::new("system.slice")
            );
        }
    }

    #[test]
    fn each_kind_of_filter_has_to_pass() {
        let path = CgroupPath::new("/system.slice/web.service");
        let both = |unit: &str| Places {
            cgroup: vec![CgroupPath::new("/system.slice")],
            ..units(&[unit])
        };
        assert!(both("web").contain(Some(&path)));
        assert!(!both("cron").contain(Some(&path)));
    }
}
