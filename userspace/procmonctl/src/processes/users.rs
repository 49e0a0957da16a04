// SPDX-License-Identifier: GPL-2.0

//! Names of users and groups.
//!
//! They come from the files below /etc alone: this program is linked statically, and a C library
//! that is could not load what asks other sources.

use std::collections::HashMap;
use std::fs;

/// The names that there are.
#[derive(Debug, Default)]
pub struct Names {
    users: HashMap<u32, String>,
    groups: HashMap<u32, String>,
}

impl Names {
    /// Reads the names. Without the files there are none, and IDs have to do.
    pub fn read() -> Self {
        let names = |path| parse(&fs::read_to_string(path).unwrap_or_default());
        Self {
            users: names("/etc/passwd"),
            groups: names("/etc/group"),
        }
    }

    /// The name of a user, or else its ID.
    pub fn user(&self, id: u32) -> String {
        name(&self.users, id)
    }

    /// The name of a group, or else its ID.
    pub fn group(&self, id: u32) -> String {
        name(&self.groups, id)
    }

    /// The ID of a user by its name, or by its ID in digits.
    pub fn uid(&self, user: &str) -> Option<u32> {
        let by_name = self.users.iter().find(|(_, name)| *name == user);
        by_name.map(|(&id, _)| id).or_else(|| user.parse().ok())
    }
}

fn name(names: &HashMap<u32, String>, id: u32) -> String {
    names.get(&id).cloned().unwrap_or_else(|| id.to_string())
}

/// Takes names and IDs from lines of the form `name:password:ID:...`. Of two names for an ID, the
/// first one counts.
fn parse(text: &str) -> HashMap<u32, String> {
    let mut names = HashMap::new();
    for line in text.lines() {
        let mut fields = line.split(':');
        let name = fields.next();
        let id = fields.nth(1).and_then(|id| id.parse().ok());
        if let (Some(name), Some(id)) = (name, id) {
            names.entry(id).or_insert_with(|| name.to_owned());
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_both_ways() {
        let users =
            parse("root:x:0:0:root:/root:/bin/sh\n+\ntoor:x:0:0::/:\nwww:x:33:33\nbad:x:y:");
        let names = Names {
            users,
            groups: parse("adm:x:4:syslog\n"),
        };
        assert_eq!(names.user(0), "root");
        assert_eq!(names.user(33), "www");
        assert_eq!(names.user(1000), "1000");
        assert_eq!(names.group(4), "adm");
        assert_eq!(names.uid("www"), Some(33));
        assert_eq!(names.uid("1000"), Some(1000));
        assert_eq!(names.uid("nobody"), None);
        assert_eq!(names.uid("-1"), None);
    }
}
