// SPDX-License-Identifier: GPL-2.0

//! Names of users and groups.
//!
//! They come from the files below /etc, and those that are not there from [`sources`], as this
//! program is linked statically: a static C library cannot load NSS modules.

mod files;
mod sources;

use std::cell::RefCell;
use std::collections::HashMap;
use std::time::{Duration, Instant};

use self::files::Database;
use self::sources::Sources;

/// How long an ID without a name stays one before the sources are asked again.
const FORGET: Duration = Duration::from_secs(60);

/// Users, or groups.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    User,
    Group,
}

/// The names of users and groups, with the answers of the sources as a cache.
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
    /// Reads the files. IDs without a name are shown as numbers.
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

    /// Reads the files again if they have changed, and lets the sources be asked again. For
    /// programs that run on.
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

    /// Returns the ID of a user by its name, any of those that it has, or by its ID in digits. A
    /// name of digits comes first, unless there is a `+` before it.
    pub fn uid(&self, user: &str) -> Option<u32> {
        if let Some(digits) = user.strip_prefix('+') {
            return id(digits.as_bytes());
        }
        self.users
            .id(user.as_bytes())
            .or_else(|| id(user.as_bytes()))
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

/// Puts a name that consists of digits in quotes, so that it is not taken for an ID.
fn quoted(name: Vec<u8>) -> Vec<u8> {
    if id(&name).is_none() {
        return name;
    }
    [b"\"", &name[..], b"\""].concat()
}

/// Parses an ID: digits, and nothing else. The largest number is no ID: it stands for "none".
fn id(digits: &[u8]) -> Option<u32> {
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let id = std::str::from_utf8(digits).ok()?.parse().ok()?;
    (id != u32::MAX).then_some(id)
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
        assert_eq!(names.uid("nobody"), None);
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
