// SPDX-License-Identifier: GPL-2.0

//! Filters, which select the processes to show.

use std::borrow::Cow;
use std::ffi::{OsStr, OsString};

use clap::Args;
use procmon::snapshot::Groups;
use procmon::{SnapshotOptions, State};
use regex::bytes::Regex;

use super::names::Names;
use super::places::Places;
use super::row::{Context, Row};
use super::value::Value;
use crate::values::{parse_parent, parse_pid};

/// The letters of states. Capitals and small letters differ.
const STATES: &str = "RSDTtXZPI";

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

    #[command(flatten)]
    pub places: Places,

    /// No kernel threads
    #[arg(short = 'K', long)]
    pub no_kernel_threads: bool,
}

/// A set of states.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct States(String);

impl States {
    fn contains(&self, state: State) -> bool {
        self.0.contains(state.letter())
    }
}

/// Parses letters of states, with or without commas between them.
fn parse_states(text: &str) -> Result<States, String> {
    let letters: String = text.chars().filter(|&letter| letter != ',').collect();
    if let Some(letter) = letters.chars().find(|&letter| !STATES.contains(letter)) {
        return Err(format!(
            "no state has the letter {letter:?}: expected some of {STATES}, \
             where capitals and small letters differ"
        ));
    }
    if letters.is_empty() {
        return Err(format!("expected some of {STATES}"));
    }
    Ok(States(letters))
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
            places,
            no_kernel_threads,
        } = self;
        let ids_are_empty = pid.is_empty() && ppid.is_empty() && user.is_empty();
        ids_are_empty
            && name.is_empty()
            && command.is_none()
            && state.is_none()
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
        self.filters.command.is_some()
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
    }

    /// Returns whether a process that is in no snapshot, since it has ended, passes the filters. Of
    /// its cgroup nothing is known.
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
mod tests {
    use procmon::snapshot::Record;
    use procmon::{CgroupPath, uapi};

    use super::*;

    fn record(pid: i32, comm: &str, state: i32) -> Record {
        let mut raw = uapi::procmon_record {
            pid,
            tgid: pid,
            ppid: pid / 10,
            state,
            groups: Groups::all().bits(),
            uid: pid as u32 % 3,
            cgroup_id: pid as u64,
            rss_anon: 100 - pid as u64,
            ..Default::default()
        };
        for (to, from) in raw.comm.iter_mut().zip(comm.bytes()) {
            *to = from as std::ffi::c_char;
        }
        raw.into()
    }

    fn selected(filters: Filters) -> Vec<i32> {
        let records = [
            record(1, "init", uapi::PROCMON_STATE_SLEEPING),
            record(12, "sh", uapi::PROCMON_STATE_RUNNING),
            record(13, "sshd", uapi::PROCMON_STATE_SLEEPING),
        ];
        let selection = Selection::new(filters, false, &Names::default()).unwrap();
        let context = Context::default();
        let web = CgroupPath::new("/system.slice/web.service");
        context.cgroups.borrow_mut().insert(12, web);
        let matches = records.iter();
        let matches = matches.filter(|record| selection.matches(&Row::of(record), &context));
        matches.map(Record::pid).collect()
    }

    #[test]
    fn filters_select_processes() {
        let none = Filters::default;
        assert_eq!(selected(none()), [1, 12, 13]);
        let pid = vec![1, 13];
        assert_eq!(selected(Filters { pid, ..none() }), [1, 13]);
        let ppid = vec![1];
        assert_eq!(selected(Filters { ppid, ..none() }), [12, 13]);
        let user = vec!["0".to_owned(), "2".to_owned()];
        assert_eq!(selected(Filters { user, ..none() }), [12]);
        let command = Some(Regex::new("^s").unwrap());
        assert_eq!(selected(Filters { command, ..none() }), [12, 13]);
        let names = |names: &[&str]| {
            let name = names.iter().map(OsString::from).collect();
            selected(Filters { name, ..none() })
        };
        assert_eq!(names(&["sh", "init"]), [1, 12]);
        assert_eq!(names(&["s", "shd", ""]), [0; 0]);
        let state = Some(parse_states("R,Z").unwrap());
        assert_eq!(selected(Filters { state, ..none() }), [12]);
        let places = Places {
            unit: vec!["web".to_owned()],
            ..Places::default()
        };
        assert_eq!(selected(Filters { places, ..none() }), [12]);
    }

    #[test]
    fn long_names_are_known_by_their_beginnings() {
        let is_selected = |wanted: &str, comm: &str| {
            let filters = Filters {
                name: vec![wanted.into()],
                ..Filters::default()
            };
            let selection = Selection::new(filters, false, &Names::default()).unwrap();
            selection.matches(
                &Row::of(&record(1, comm, uapi::PROCMON_STATE_SLEEPING)),
                &Context::default(),
            )
        };
        assert!(is_selected("systemd-journald", "systemd-journal"));
        assert!(is_selected("systemd-journal", "systemd-journal"));
        assert!(!is_selected("systemd-journald", "systemd-journ"));
        assert!(!is_selected("systemd-journ", "systemd-journal"));
    }

    #[test]
    fn filters_select_processes_that_have_ended() {
        let is_selected = |filters| {
            let selection = Selection::new(filters, false, &Names::default()).unwrap();
            let line = Value::Arguments(vec![b"sshd".to_vec(), b"-D".to_vec()]);
            let is_match = |is_kernel_thread| {
                selection.matches_ended(13, 1, 2, OsStr::new("sshd"), &line, is_kernel_thread)
            };
            [is_match(false), is_match(true)]
        };
        let none = Filters::default;
        assert_eq!(is_selected(none()), [true, true]);
        let places = Places {
            unit: vec!["web".to_owned()],
            ..Places::default()
        };
        assert_eq!(is_selected(Filters { places, ..none() }), [false, false]);
        let no_kernel_threads = Filters {
            no_kernel_threads: true,
            ..none()
        };
        assert_eq!(is_selected(no_kernel_threads), [true, false]);
        for (value, is_one) in [(13, true), (12, false)] {
            let pid = vec![1, value];
            assert_eq!(is_selected(Filters { pid, ..none() })[0], is_one);
            let ppid = vec![value - 12];
            assert_eq!(is_selected(Filters { ppid, ..none() })[0], is_one);
            let user = vec![(value - 11).to_string()];
            assert_eq!(is_selected(Filters { user, ..none() })[0], is_one);
            for (match_, other) in [("^s", "^t"), ("sshd -D$", "sshd-D")] {
                let command = Some(Regex::new(if is_one { match_ } else { other }).unwrap());
                assert_eq!(is_selected(Filters { command, ..none() })[0], is_one);
            }
            let name = vec![if is_one { "sshd" } else { "ssh" }.into()];
            assert_eq!(is_selected(Filters { name, ..none() })[0], is_one);
            let state = Some(parse_states(if is_one { "RX" } else { "RS" }).unwrap());
            assert_eq!(is_selected(Filters { state, ..none() })[0], is_one);
        }
    }

    #[test]
    fn states_have_letters_and_no_others() {
        assert!(parse_states("tT").is_ok());
        for bad in ["", ",", "Q", "r", "running", "R Z", "日"] {
            assert!(parse_states(bad).is_err(), "{bad:?}");
        }
        let known = [0, 1, 2, 4, 8, 16, 32, 64, 128].map(|raw| State::from_raw(raw).letter());
        assert_eq!(String::from_iter(known), STATES);
    }

    #[test]
    fn an_unknown_user_is_an_error() {
        let user = vec!["no-such-user".to_owned()];
        let filters = Filters {
            user,
            ..Filters::default()
        };
        let error = Selection::new(filters, false, &Names::default()).unwrap_err();
        assert_eq!(error.to_string(), "there is no user \"no-such-user\"");
    }
}
