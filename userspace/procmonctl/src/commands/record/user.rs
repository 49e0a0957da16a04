// SPDX-License-Identifier: GPL-2.0-only

//! The user that a command runs as.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::process::Command;

use anyhow::{Context as _, bail};
use nix::unistd::{Gid, Uid, setgid, setgroups, setuid};

use crate::table::names::{Names, entries};

/// A user of `/etc/passwd`, with the groups of `/etc/group`.
#[derive(Debug, Eq, PartialEq)]
pub struct User {
    uid: u32,
    gid: u32,
    groups: Vec<u32>,
    name: OsString,
    home: OsString,
}

impl User {
    /// Looks up a user by name or ID.
    pub fn find(user: &str) -> anyhow::Result<Self> {
        let uid = Names::read()
            .uid(user)
            .with_context(|| format!("there is no user {user:?}"))?;
        let passwd = fs::read("/etc/passwd").context("/etc/passwd")?;
        let group = fs::read("/etc/group").unwrap_or_default();
        Self::parse(uid, &passwd, &group)
            .with_context(|| format!("user {user:?} is not in /etc/passwd"))
    }

    fn parse(uid: u32, passwd: &[u8], group: &[u8]) -> Option<Self> {
        let user = entries(passwd).find(|user| user.id == uid)?;
        let gid = user.main_group()?;
        let groups = entries(group)
            .filter(|group| group.members().any(|member| member == user.name))
            .map(|group| group.id);
        Some(Self {
            uid,
            gid,
            groups: std::iter::once(gid).chain(groups).collect(),
            name: OsStr::from_bytes(user.name).to_owned(),
            home: OsStr::from_bytes(user.home()?).to_owned(),
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
        let passwd = b"root:x:0:0:root:/root:/bin/sh\nann:x:1000:1001:Ann,,:/home/ann:/bin/sh\n\
            bad:x\nb\xf6b:x:1002:100::/home/b\xf6b:\nshort:x:8:100\n";
        let group = b"root:x:0:\nann:x:1001:\ndocker:x:990:bob,ann\nwheel:x:10:annie\nbad\n\
            r\xe4d:x:991:b\xf6b\n";
        let ann = User::parse(1000, passwd, group).unwrap();
        assert_eq!(
            ann,
            User {
                uid: 1000,
                gid: 1001,
                groups: vec![1001, 990],
                name: "ann".into(),
                home: "/home/ann".into(),
            }
        );
        assert_eq!(User::parse(0, passwd, group).unwrap().groups, [0]);
        let bob = User::parse(1002, passwd, group).unwrap();
        assert_eq!(bob.home.as_bytes(), b"/home/b\xf6b");
        assert_eq!(bob.groups, [100, 991]);
        for missing in [7, 8] {
            assert_eq!(User::parse(missing, passwd, group), None, "{missing}");
        }
    }
}
