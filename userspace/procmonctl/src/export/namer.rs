// SPDX-License-Identifier: GPL-2.0-only

//! The names of the groups that processes belong to.

use procmon::snapshot::Groups;
use procmon::{CgroupPath, Cgroups};

use super::rules::Rules;
use super::subject::Subject;
use crate::table::group::GroupBy;
use crate::table::names::Names;

/// The group of processes that are in no other one, as they have no unit, container or cgroup.
pub const NONE: &str = "-";

/// The group of kernel threads.
const KERNEL: &str = "[kernel]";

/// The most bytes of a name. Some of them are made by those who start the processes.
const LONGEST: usize = 256;

/// By what processes are grouped.
#[derive(Debug)]
pub enum Rule {
    By(GroupBy),
    Rules(Rules),
}

/// The group of a process.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Name {
    Of(String),
    /// No name so far, as with a cgroup whose path is not known.
    Unknown,
    /// There are no rules for this process.
    Unmatched,
}

/// Names the groups of processes.
#[derive(Debug)]
pub struct Namer {
    rule: Rule,
    names: Names,
    cgroups: Cgroups,
}

impl Namer {
    pub fn new(rule: Rule, names: Names, cgroups: Cgroups) -> Self {
        Self {
            rule,
            names,
            cgroups,
        }
    }

    /// Returns the groups of fields that names depend on.
    pub fn fields(&self) -> Groups {
        match &self.rule {
            Rule::By(GroupBy::Name) => Groups::BASIC,
            Rule::By(GroupBy::User) => Groups::CREDENTIALS,
            Rule::By(GroupBy::Unit | GroupBy::Container | GroupBy::Cgroup) => Groups::CGROUP,
            Rule::Rules(_) => Groups::CREDENTIALS | Groups::CGROUP,
        }
    }

    /// Whether names depend on the arguments of programs.
    pub fn needs_arguments(&self) -> bool {
        matches!(&self.rule, Rule::Rules(_))
    }

    /// Whether names depend on the paths of cgroups.
    pub fn needs_cgroups(&self) -> bool {
        match &self.rule {
            Rule::By(by) => matches!(by, GroupBy::Unit | GroupBy::Container | GroupBy::Cgroup),
            Rule::Rules(rules) => rules.need_cgroups(),
        }
    }

    /// Returns the groups that are there without a process, too.
    pub fn constant_names(&self) -> Vec<String> {
        match &self.rule {
            Rule::By(_) => Vec::new(),
            Rule::Rules(rules) => rules.constant_names(),
        }
    }

    /// Reads again what may have changed.
    pub fn refresh(&mut self) {
        self.names.refresh();
        self.cgroups.refresh();
    }

    /// Remembers the path of a cgroup, as an event has it.
    pub fn learn_cgroup(&mut self, id: u64, path: CgroupPath) {
        if self.needs_cgroups() {
            self.cgroups.insert(id, path);
        }
    }

    /// Looks for the path of a cgroup of which a process is a member.
    pub fn find_cgroup(&mut self, id: u64, member: i32) {
        if self.needs_cgroups() {
            self.cgroups.path(id, member);
        }
    }

    /// Returns the name of the group of a process. Its parent may be in the same cgroup.
    pub fn name(&mut self, subject: &Subject, ppid: i32) -> Name {
        let path = match subject.cgroup_id {
            Some(id) if self.needs_cgroups() && !subject.is_kernel_thread => {
                if self.cgroups.path(id, subject.pid).is_none() {
                    self.cgroups.path(id, ppid);
                }
                self.cgroups.path(id, subject.pid)
            }
            _ => None,
        };
        let name = match &self.rule {
            Rule::By(_) if subject.is_kernel_thread => Some(KERNEL.to_owned()),
            Rule::By(GroupBy::Name) => Some(text(subject.comm())),
            Rule::By(GroupBy::User) => Some(text(&self.names.user(subject.uid))),
            Rule::By(by) => {
                let Some(path) = path else {
                    return Name::Unknown;
                };
                match by {
                    GroupBy::Unit => path.unit().map(str::to_owned),
                    GroupBy::Container => path
                        .container()
                        .map(|container| text(container.short_name().as_encoded_bytes())),
                    _ => Some(text(path.as_bytes())),
                }
                .or_else(|| Some(NONE.to_owned()))
            }
            Rule::Rules(rules) => {
                let user = || text(&self.names.user(subject.euid));
                rules.name(subject, path, user)
            }
        };
        name.map_or(Name::Unmatched, |name| Name::Of(shortened(name)))
    }

    /// Whether processes without a group belong to that of their parents.
    pub fn has_heirs(&self) -> bool {
        matches!(&self.rule, Rule::Rules(rules) if rules.have_heirs())
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn shortened(mut name: String) -> String {
    let mut end = name.len().min(LONGEST);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    name.truncate(end);
    name
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use procmon::{Record, uapi};

    use super::*;

    fn record(comm: &str) -> Record {
        let mut raw = uapi::procmon_record {
            pid: 7,
            tgid: 7,
            groups: Groups::all().bits(),
            cgroup_id: 5,
            ..Default::default()
        };
        for (to, from) in raw.comm.iter_mut().zip(comm.bytes()) {
            *to = std::ffi::c_char::from_ne_bytes([from]);
        }
        raw.into()
    }

    fn namer(by: GroupBy) -> Namer {
        let mut cgroups = Cgroups::default();
        cgroups.insert(1, CgroupPath::new("/"));
        cgroups.insert(5, CgroupPath::new("/system.slice/web.service"));
        Namer::new(Rule::By(by), Names::default(), cgroups)
    }

    #[test]
    fn processes_are_named_by_what_they_have_in_common() {
        let web = Subject::of_record(&record("nginx"), None);
        let lost = Subject {
            cgroup_id: Some(6),
            ..web.clone()
        };
        let root = Subject {
            cgroup_id: Some(1),
            ..web.clone()
        };
        let kernel = Subject {
            is_kernel_thread: true,
            ..root.clone()
        };
        for (by, subject, name) in [
            (GroupBy::Name, &web, "nginx"),
            (GroupBy::User, &web, "0"),
            (GroupBy::Unit, &web, "web.service"),
            (GroupBy::Cgroup, &web, "/system.slice/web.service"),
            (GroupBy::Container, &web, NONE),
            (GroupBy::Unit, &root, NONE),
            (GroupBy::Cgroup, &root, "/"),
            (GroupBy::Name, &kernel, KERNEL),
            (GroupBy::Unit, &kernel, KERNEL),
        ] {
            assert_eq!(
                namer(by).name(subject, 0),
                Name::Of(name.to_owned()),
                "{by:?}"
            );
        }
        assert_eq!(namer(GroupBy::Unit).name(&lost, 0), Name::Unknown);
    }

    #[test]
    fn names_are_valid_text_of_bounded_length() {
        let mut namer = namer(GroupBy::Cgroup);
        let path = format!("/{}", "ä".repeat(200));
        namer.learn_cgroup(9, CgroupPath::new(path));
        let subject = Subject {
            cgroup_id: Some(9),
            ..Subject::of_record(&record("x"), Some(Arc::from(&b"x\0"[..])))
        };
        let Name::Of(name) = namer.name(&subject, 0) else {
            panic!("no name");
        };
        assert_eq!(name, format!("/{}", "ä".repeat(127)));
    }
}
