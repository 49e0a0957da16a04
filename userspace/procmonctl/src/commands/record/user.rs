// SPDX-License-Identifier: GPL-2.0

//! The user that a command runs as.

use std::fs;
use std::process::Command;

use anyhow::{Context as _, bail};
use nix::unistd::{Gid, Uid, setgid, setgroups, setuid};

use crate::table::names::Names;

/// A user of `/etc/passwd`, with the groups of `/etc/group`.
#[derive(Debug, Eq, PartialEq)]
pub struct User {
    uid: u32,
    gid: u32,
    groups: Vec<u32>,
    name: String,
    home: String,
}

impl User {
    /// Looks up a user by name or ID.
    pub fn find(user: &str) -> anyhow::Result<Self> {
        let uid = Names::read()
            .uid(user)
            .with_context(|| format!("there is no user {user:?}"))?;
        let passwd = fs::read("/etc/passwd").context("/etc/passwd")?;
        let group = fs::read("/etc/group").unwrap_or_default();
        // Lines of others need not be UTF-8.
        let [passwd, group] = [&passwd, &group].map(|file| String::from_utf8_lossy(file));
        Self::parse(uid, &passwd, &group)
            .with_context(|| format!("user {user:?} is not in /etc/passwd"))
    }

    fn parse(uid: u32, passwd: &str, group: &str) -> Option<Self> {
        let fields = |line: &str| -> Vec<String> { line.split(':').map(str::to_owned).collect() };
        let mut users = passwd.lines().map(fields);
        let user = users.find(|user| user.get(2).is_some_and(|id| *id == uid.to_string()))?;
        let [name, _, _, gid, _, home, ..] = &user[..] else {
            return None;
        };
        let gid = gid.parse().ok()?;
        let is_member = |group: &Vec<String>| {
            let members = group.get(3);
            members.is_some_and(|members| members.split(',').any(|member| member == name))
        };
        let groups = group.lines().map(fields).filter(is_member);
        let groups = groups.filter_map(|group| group.get(2)?.parse().ok());
        Some(Self {
            uid,
            gid,
            groups: std::iter::once(gid).chain(groups).collect(),
            name: name.clone(),
            home: home.clone(),
        })
    }

    /// Makes this process one of the user, for good.
    pub fn become_it(&self) -> anyhow::Result<()> {
        let groups: Vec<_> = self.groups.iter().map(|&gid| Gid::from_raw(gid)).collect();
        setgroups(&groups).context("cannot set the groups")?;
        setgid(Gid::from_raw(self.gid)).context("cannot set the group")?;
        setuid(Uid::from_raw(self.uid)).context("cannot set the user")?;
        // The step that would leave a process with the rights of root is not trusted blindly.
        if self.uid != 0 && setuid(Uid::from_raw(0)).is_ok() {
            bail!("the rights of root remain");
        }
        Ok(())
    }

    /// Has a command find what belongs to the user, as a login does.
    pub fn describe(&self, command: &mut Command) {
        command
            .env("HOME", &self.home)
            .env("USER", &self.name)
            .env("LOGNAME", &self.name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_have_their_groups() {
        let passwd =
            "root:x:0:0:root:/root:/bin/sh\nann:x:1000:1001:Ann,,:/home/ann:/bin/sh\nbad:x\n";
        let group = "root:x:0:\nann:x:1001:\ndocker:x:990:bob,ann\nwheel:x:10:annie\nbad\n";
        let ann = User::parse(1000, passwd, group).unwrap();
        assert_eq!(
            ann,
            User {
                uid: 1000,
                gid: 1001,
                groups: vec![1001, 990],
                name: "ann".to_owned(),
                home: "/home/ann".to_owned(),
            }
        );
        assert_eq!(User::parse(0, passwd, group).unwrap().groups, [0]);
        assert_eq!(User::parse(7, passwd, group), None);
    }
}
