// SPDX-License-Identifier: GPL-2.0-only

//! Filters, which select the processes to show.

mod states;

use std::borrow::Cow;
use std::ffi::{OsStr, OsString};

use clap::Args;
use procmon::snapshot::Groups;
use procmon::{SnapshotOptions, State};
use regex::bytes::Regex;

use self::states::{States, parse_states};
use super::columns::Column;
use super::condition::Condition;
use super::names::Names;
use super::places::Places;
use super::row::{Context, Row};
use super::value::Value;
use crate::values::{parse_parent, parse_pid};

/// The number of bytes to which the kernel cuts a name.
const LONGEST: usize = 15;

/// Options that select processes.
#[derive(Args, Clone, Debug, Default)]
pub struct Filters {
    /// Only these processes; the ID of a thread matches nothing
    #[arg(short, long, value_name = "PID,...", value_delimiter = ',', value_parser = parse_pid)]
    pub pid: Vec<i32>,

    /// Only children of these processes; 0 stands for no parent
    #[arg(long, value_name = "PID,...", value_delimiter = ',', value_parser = parse_parent)]
    pub ppid: Vec<i32>,

    /// Only processes of these real users, by name or ID (with "+" before it never a name)
    #[arg(short, long, value_name = "USER,...", value_delimiter = ',')]
    pub user: Vec<String>,

    /// Only processes whose name or command line matches a regular expression; kernel threads by
    /// their whole name
    #[arg(short, long, value_name = "REGEX")]
    pub command: Option<Regex>,

    /// Only processes with one of these names; kernel threads by their whole name, others by the
    /// first 15 bytes, as the kernel keeps no more
    #[arg(short = 'C', long, value_name = "NAME,...", value_delimiter = ',')]
    pub name: Vec<OsString>,

    /// Only processes in these states: R running, S sleeping, D disk sleep, T stopped, t traced,
    /// X dead, Z zombie, P parked, I idle
    #[arg(short, long, value_name = "LETTERS", value_parser = parse_states)]
    pub state: Option<States>,

    /// Only processes whose columns fulfil a condition: "rss > 100M", "cpu >= 50 or time > 2h",
    /// "unit = cron.service", "args ~ REGEX", also with != < <= and !~. Of several conditions, each
    /// has to be true. Bytes take the units K to P, times s, min, h and d, and percentages %
    #[arg(long, value_name = "CONDITION", value_parser = Condition::parse)]
    pub r#where: Vec<Condition>,

    #[command(flatten)]
    pub places: Places,

    /// No kernel threads
    #[arg(short = 'K', long)]
    pub no_kernel_threads: bool,
}

impl Filters {
    /// Returns whether no filter is given.
    pub fn is_empty(&self) -> bool {
        let Self {
            pid,
            ppid,
            user,
            command,
            name,
            state,
            r#where,
            places,
            no_kernel_threads,
        } = self;
        let ids_are_empty = pid.is_empty() && ppid.is_empty() && user.is_empty();
        ids_are_empty
            && name.is_empty()
            && command.is_none()
            && state.is_none()
            && r#where.is_empty()
            && places.is_empty()
            && !no_kernel_threads
    }
}

/// Filters with their users looked up.
#[derive(Debug)]
pub struct Selection {
    filters: Filters,
    uids: Vec<u32>,
    /// One record for each thread.
    pub threads: bool,
}

impl Selection {
    /// Looks up the users that filters name.
    pub fn new(filters: Filters, threads: bool, names: &Names) -> anyhow::Result<Self> {
        let uids = filters
            .user
            .iter()
            .map(|user| {
                names
                    .uid(user)
                    .ok_or_else(|| anyhow::anyhow!("there is no user {user:?}"))
            })
            .collect::<anyhow::Result<_>>()?;
        Ok(Self {
            filters,
            uids,
            threads,
        })
    }

    /// Returns the options of a snapshot with as many of the filters as the kernel can apply.
    pub fn options(&self, groups: Groups) -> SnapshotOptions {
        let mut options = SnapshotOptions::new()
            .threads(self.threads)
            .kernel_threads(!self.filters.no_kernel_threads);
        let mut groups = groups;
        if !self.filters.places.is_empty() {
            groups |= Groups::CGROUP;
        }
        for condition in &self.filters.r#where {
            groups |= condition.groups();
        }
        match self.uids[..] {
            [] => {}
            [uid] => options = options.uid(uid),
            _ => groups |= Groups::CREDENTIALS,
        }
        // By the start, a process is found in /proc.
        if self.needs_arguments() {
            groups |= Groups::CPU;
        }
        if let [ppid] = self.filters.ppid[..] {
            options = options.ppid(ppid);
        }
        if let [pid] = self.filters.pid[..] {
            options = options.tgid(pid);
        }
        options.groups(groups)
    }

    /// Hides or shows kernel threads.
    pub fn toggle_kernel_threads(&mut self) {
        self.filters.no_kernel_threads = !self.filters.no_kernel_threads;
    }

    /// Returns whether the filters look at command lines.
    pub fn needs_arguments(&self) -> bool {
        self.filters.command.is_some() || self.columns().any(|column| column.needs_arguments)
    }

    /// Returns the columns that the filters look at.
    pub fn columns(&self) -> impl Iterator<Item = &'static Column> {
        self.filters.r#where.iter().flat_map(Condition::columns)
    }

    /// Returns the processes that the filters name by their IDs.
    pub fn pids(&self) -> &[i32] {
        &self.filters.pid
    }

    /// Returns whether a process of the snapshot passes the filters.
    pub fn matches(&self, row: &Row, context: &Context) -> bool {
        let record = row.record;
        // A single user is matched by the kernel, and the record may have no credentials.
        let is_users = self.uids.len() < 2
            || record
                .credentials()
                .is_some_and(|ids| self.uids.contains(&ids.uid));
        let name = || record.whole_comm();
        let command_line = || Cow::Owned(row.command_line(context));
        let places = &self.filters.places;
        is_users
            && self.passes(
                record.tgid(),
                record.ppid(),
                record.state(),
                name,
                command_line,
            )
            && (places.is_empty() || places.contain(context.cgroup(record).as_ref()))
            && self
                .filters
                .r#where
                .iter()
                .all(|condition| condition.holds(row, context))
    }

    /// Returns whether a process that is in no snapshot, since it has ended, passes the filters. Of
    /// its cgroup, and of its values in columns, nothing is known.
    pub fn matches_ended(
        &self,
        pid: i32,
        ppid: i32,
        uid: u32,
        comm: &OsStr,
        command_line: &Value,
        is_kernel_thread: bool,
    ) -> bool {
        let name = || Cow::Borrowed(comm);
        is_one(&self.uids, &uid)
            && !(self.filters.no_kernel_threads && is_kernel_thread)
            && self.filters.places.contain(None)
            && self.filters.r#where.is_empty()
            && self.passes(pid, ppid, State::Dead, name, || Cow::Borrowed(command_line))
    }

    /// Returns whether a process with these values passes. Name and command line are looked up if
    /// they count.
    fn passes<'a>(
        &self,
        pid: i32,
        ppid: i32,
        state: State,
        name: impl FnOnce() -> Cow<'a, OsStr>,
        command_line: impl FnOnce() -> Cow<'a, Value>,
    ) -> bool {
        let filters = &self.filters;
        is_one(&filters.pid, &pid)
            && is_one(&filters.ppid, &ppid)
            && filters
                .state
                .as_ref()
                .is_none_or(|states| states.contains(state))
            && (filters.name.is_empty() && filters.command.is_none()
                || self.is_named(&name(), command_line))
    }

    fn is_named<'a>(&self, name: &OsStr, command_line: impl FnOnce() -> Cow<'a, Value>) -> bool {
        let Filters {
            name: names,
            command,
            ..
        } = &self.filters;
        let bytes = name.as_encoded_bytes();
        let is_wanted = |wanted: &OsString| {
            let wanted = wanted.as_encoded_bytes();
            wanted == bytes || bytes.len() == LONGEST && wanted.starts_with(bytes)
        };
        (names.is_empty() || names.iter().any(is_wanted))
            && command
                .as_ref()
                .is_none_or(|regex| regex.is_match(bytes) || has_match(regex, &command_line()))
    }
}

/// Returns whether a command line matches a regular expression.
fn has_match(regex: &Regex, command_line: &Value) -> bool {
    matches!(command_line, Value::Arguments(list) if regex.is_match(&list.join(&b' ')))
}

/// Returns whether a value is one of those wanted, if there are any.
fn is_one<T: PartialEq>(wanted: &[T], value: &T) -> bool {
    wanted.is_empty() || wanted.contains(value)
}

#[cfg(test)]
mod tests;
