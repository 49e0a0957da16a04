// SPDX-License-Identifier: GPL-2.0-only

//! Names of users and groups.
//!
//! They come from the files below /etc, and otherwise from [`sources`], as this program is linked
//! statically: a static C library cannot load NSS modules.

mod files;
mod id;
mod sources;

use std::cell::RefCell;
use std::collections::HashMap;
use std::time::{Duration, Instant};

use self::files::Database;
pub use self::files::entries;
use self::id::{Kind, parse_id};
use self::sources::Sources;

/// The time after which the sources are asked again for an ID without a name.
const FORGET: Duration = Duration::from_secs(60);

/// The names of users and groups, with a cache of the sources' answers.
#[derive(Debug, Default)]
pub struct Names {
    users: Database,
    groups: Database,
    asked: RefCell<Asked>,
}

#[derive(Debug, Default)]
struct Asked {
    sources: Sources,
    users: HashMap<u32, Answer>,
    groups: HashMap<u32, Answer>,
}

#[derive(Debug)]
struct Answer {
    name: Option<Vec<u8>>,
    time: Instant,
}

impl Names {
    /// Reads the files.
    pub fn read() -> Self {
        Self {
            users: Database::read("/etc/passwd"),
            groups: Database::read("/etc/group"),
            asked: RefCell::new(Asked {
                sources: Sources::of_system(),
                ..Asked::default()
            }),
        }
    }

    /// Reads the files, which are all that is known then: no other program is asked.
    pub fn of_files() -> Self {
        Self {
            asked: RefCell::default(),
            ..Self::read()
        }
    }

    /// Reads the files again if they have changed, and gives the sources their time again.
    pub fn refresh(&mut self) {
        self.users.refresh();
        self.groups.refresh();
        let asked = self.asked.get_mut();
        asked.sources.renew();
        let is_fresh =
            |_: &u32, answer: &mut Answer| answer.name.is_some() || answer.time.elapsed() < FORGET;
        asked.users.retain(is_fresh);
        asked.groups.retain(is_fresh);
    }

    /// Returns the name of a user, or its ID in digits.
    pub fn user(&self, id: u32) -> Vec<u8> {
        self.name(Kind::User, id)
    }

    /// Returns the name of a group, or its ID in digits.
    pub fn group(&self, id: u32) -> Vec<u8> {
        self.name(Kind::Group, id)
    }

    /// Returns the ID of a user by any of its names, or by its ID in digits. A name of digits has
    /// precedence over an ID, unless `+` precedes it.
    pub fn uid(&self, user: &str) -> Option<u32> {
        if let Some(digits) = user.strip_prefix('+') {
            return parse_id(digits.as_bytes());
        }
        self.users
            .id(user.as_bytes())
            .or_else(|| parse_id(user.as_bytes()))
            .or_else(|| self.asked.borrow().sources.uid(user))
    }

    fn name(&self, kind: Kind, id: u32) -> Vec<u8> {
        let database = match kind {
            Kind::User => &self.users,
            Kind::Group => &self.groups,
        };
        match database.name(id) {
            Some(name) => quoted(name.to_owned()),
            None => self
                .asked
                .borrow_mut()
                .name(kind, id)
                .map_or_else(|| id.to_string().into_bytes(), quoted),
        }
    }
}

impl Asked {
    fn name(&mut self, kind: Kind, id: u32) -> Option<Vec<u8>> {
        let answers = match kind {
            Kind::User => &mut self.users,
            Kind::Group => &mut self.groups,
        };
        if let Some(answer) = answers.get(&id) {
            return answer.name.clone();
        }
        let name = self.sources.name(kind, id);
        let time = Instant::now();
        answers.insert(
            id,
            Answer {
                name: name.clone(),
                time,
            },
        );
        name
    }
}

/// Quotes a name that consists of digits, so that it does not look like an ID.
fn quoted(name: Vec<u8>) -> Vec<u8> {
    if parse_id(&name).is_none() {
        return name;
    }
    [b"\"", &name[..], b"\""].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(passwd: &[u8], group: &[u8]) -> Names {
        Names {
            users: Database::parse(passwd),
            groups: Database::parse(group),
            ..Names::default()
        }
    }

    #[test]
    fn names_are_found_both_ways() {
        let names = names(
            b"root:x:0:0:root:/root:/bin/sh\n+\ntoor:x:0:0::/:\nwww:x:33:33\nbad:x:y:",
            b"adm:x:4:syslog\n",
        );
        assert_eq!(names.user(0), b"root");
        assert_eq!(names.user(33), b"www");
        assert_eq!(names.user(1000), b"1000");
        assert_eq!(names.group(4), b"adm");
        assert_eq!(names.uid("www"), Some(33));
        assert_eq!(names.uid("1000"), Some(1000));
        assert_eq!(names.uid("no-such-user"), None);
        assert_eq!(names.uid("-1"), None);
        assert_eq!(names.uid(""), None);
        assert_eq!(names.uid("4294967295"), None);
    }

    #[test]
    fn each_name_of_a_user_is_known() {
        let names = names(b"root:x:0:0::/:\ntoor:x:0:0::/:\n", b"");
        assert_eq!(names.uid("toor"), Some(0));
        assert_eq!(names.uid("root"), Some(0));
        assert_eq!(names.user(0), b"root");
    }

    #[test]
    fn names_of_digits_differ_from_ids() {
        let names = names(b"1005:x:1003:0::/:\n", b"");
        assert_eq!(names.user(1003), b"\"1005\"");
        assert_eq!(names.user(1005), b"1005");
        assert_eq!(names.uid("1005"), Some(1003));
        assert_eq!(names.uid("+1005"), Some(1005));
        assert_eq!(names.uid("++5"), None);
    }
}
