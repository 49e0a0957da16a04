// SPDX-License-Identifier: GPL-2.0-only

//! The commands whose argument has a fixed size. A new one is a row of [`COMMANDS`].

use std::collections::BTreeSet;
use std::ffi::c_char;
use std::mem::offset_of;

use anyhow::{Result, ensure};
use procmon::uapi;

use super::{check_name, check_state, is_zero, list};
use crate::plain::FromBytes;

/// A command whose argument has a fixed size, which is part of its number.
pub struct Command {
    pub number: u32,
    /// The callers whose number it is.
    callers: Callers,
    pub effect: Effect,
    /// Checks the argument after a success.
    pub check: fn(&Facts<'_>, &[u8]) -> Result<()>,
}

/// The callers whose layout an argument has.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Callers {
    All,
    Native,
    Compat,
}

/// The state that a command changes, which takes a file that is open for writing.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Effect {
    None,
    /// Zeroes the totals and the filter.
    Reset,
    /// Sets the filter to the argument, which must not be negative.
    SetFilter,
}

/// The caller's knowledge by which the argument is checked.
pub struct Facts<'a> {
    /// The integer at the beginning of the argument before the call.
    pub value: i32,
    /// Values that the filter may have.
    pub filters: &'a BTreeSet<i32>,
    /// Whether the message cannot be empty.
    pub has_message: bool,
    /// The length of the longest message.
    pub max_message: usize,
    /// The ID of the calling thread.
    pub thread: i32,
    /// The name of the calling thread.
    pub name: &'a [u8],
    /// The ID of the child that is not reaped.
    pub child: Option<i32>,
}

/// The commands that inputs choose from by their place in this list.
pub const COMMANDS: [Command; 7] = [
    Command {
        number: uapi::PROCMON_RESET,
        callers: Callers::All,
        effect: Effect::Reset,
        check: |_, _| Ok(()),
    },
    Command {
        number: uapi::PROCMON_GET_COUNT,
        callers: Callers::All,
        effect: Effect::None,
        check: check_count,
    },
    Command {
        number: uapi::PROCMON_GET_STATS,
        callers: Callers::Native,
        effect: Effect::None,
        check: check_stats,
    },
    Command {
        number: uapi::PROCMON_GET_STATS32,
        callers: Callers::Compat,
        effect: Effect::None,
        check: check_stats32,
    },
    Command {
        number: uapi::PROCMON_SET_FILTER,
        callers: Callers::All,
        effect: Effect::SetFilter,
        check: |_, _| Ok(()),
    },
    Command {
        number: uapi::PROCMON_QUERY_PID,
        callers: Callers::Native,
        effect: Effect::None,
        check: check_query,
    },
    Command {
        number: uapi::PROCMON_QUERY_PID32,
        callers: Callers::Compat,
        effect: Effect::None,
        check: check_query32,
    },
];

impl Command {
    /// Returns the length of the argument that the kernel reads.
    pub fn input(&self) -> usize {
        ioc_size(self.number, IOC_WRITE)
    }

    /// Returns the length of the argument that the kernel writes.
    pub fn output(&self) -> usize {
        ioc_size(self.number, IOC_READ)
    }
}

/// The module's reading of a number.
pub enum Meaning {
    Command(&'static Command),
    /// A list, whose size in the number does not matter, or PROCMON_INFO of any of its sizes.
    List,
    /// No command of the module.
    None,
}

impl Meaning {
    /// Returns the meaning of a number for a native or a 32-bit caller.
    pub fn of(number: u32, compat: bool) -> Self {
        static TABLE: [Command; COMMANDS.len()] = COMMANDS;

        let command = TABLE.iter().find(|command| {
            command.number == number
                && match command.callers {
                    Callers::All => true,
                    Callers::Native => !compat,
                    Callers::Compat => compat,
                }
        });
        match command {
            Some(command) => Self::Command(command),
            None if list::NUMBERS
                .iter()
                .any(|list| is_same_but_size(number, *list)) =>
            {
                Self::List
            }
            None if is_same_but_size(number, uapi::PROCMON_INFO)
                && list::INFO_SIZES.contains(&ioc_size(number, IOC_READ)) =>
            {
                Self::List
            }
            None => Self::None,
        }
    }
}

// The layout of numbers, <asm-generic/ioctl.h>.
const IOC_SIZE_SHIFT: u32 = 16;
const IOC_SIZE_MASK: u32 = 0x3fff;
/// `_IOC_WRITE`: user space writes, and the kernel reads.
const IOC_WRITE: u32 = 1 << 30;
/// `_IOC_READ`: user space reads, and the kernel writes.
const IOC_READ: u32 = 2 << 30;

/// Returns the size of an argument that is passed in a direction.
fn ioc_size(number: u32, direction: u32) -> usize {
    if number & direction == 0 {
        return 0;
    }
    (number >> IOC_SIZE_SHIFT & IOC_SIZE_MASK) as usize
}

fn is_same_but_size(number: u32, command: u32) -> bool {
    (number ^ command) & !(IOC_SIZE_MASK << IOC_SIZE_SHIFT) == 0
}

fn check_count(facts: &Facts<'_>, answer: &[u8]) -> Result<()> {
    let count = usize::try_from(i32::from_ne_bytes(answer.try_into()?))?;
    ensure!(count <= facts.max_message, "a message of {count} bytes");
    ensure!(count > 0 || !facts.has_message, "no message");
    Ok(())
}

// SAFETY: All fields are integers.
unsafe impl FromBytes for uapi::procmon_stats {}
// SAFETY: As above.
unsafe impl FromBytes for uapi::procmon_stats32 {}
// SAFETY: As above.
unsafe impl FromBytes for uapi::procmon_query {}
// SAFETY: As above.
unsafe impl FromBytes for uapi::procmon_query32 {}

fn check_stats(facts: &Facts<'_>, answer: &[u8]) -> Result<()> {
    const END: usize = offset_of!(uapi::procmon_stats, current_filter_pid) + size_of::<i32>();

    check_filter(facts, uapi::procmon_stats::read(answer).current_filter_pid)?;
    ensure!(is_zero(&answer[END..]), "padding that is not zero");
    Ok(())
}

fn check_stats32(facts: &Facts<'_>, answer: &[u8]) -> Result<()> {
    check_filter(
        facts,
        uapi::procmon_stats32::read(answer).current_filter_pid,
    )
}

fn check_filter(facts: &Facts<'_>, filter: i32) -> Result<()> {
    let filters = facts.filters;
    ensure!(filters.contains(&filter), "filter {filter} of {filters:?}");
    Ok(())
}

fn check_query(facts: &Facts<'_>, answer: &[u8]) -> Result<()> {
    let query = uapi::procmon_query::read(answer);
    let comm = query.comm.map(c_char::cast_unsigned);
    check_process(facts, query.pid, &comm, query.state, query.vsize != 0)
}

fn check_query32(facts: &Facts<'_>, answer: &[u8]) -> Result<()> {
    let query = uapi::procmon_query32::read(answer);
    let comm = query.comm.map(c_char::cast_unsigned);
    check_process(facts, query.pid, &comm, query.state, query.vsize != 0)
}

fn check_process(
    facts: &Facts<'_>,
    pid: i32,
    comm: &[u8],
    state: i32,
    has_memory: bool,
) -> Result<()> {
    ensure!(pid == facts.value, "the PID has become {pid}");
    let name = check_name(comm)?;
    check_state(state)?;
    if state == uapi::PROCMON_STATE_NOT_FOUND {
        ensure!(
            name.is_empty() && !has_memory,
            "data of a process that does not exist"
        );
    }
    if pid == facts.thread {
        ensure!(name == facts.name, "{:?} is called {comm:?}", facts.name);
        ensure!(
            state == uapi::PROCMON_STATE_RUNNING && has_memory,
            "own process"
        );
    }
    if Some(pid) == facts.child {
        ensure!(state != uapi::PROCMON_STATE_NOT_FOUND, "no child process");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(number: u32, compat: bool) -> Option<u32> {
        match Meaning::of(number, compat) {
            Meaning::Command(command) => Some(command.number),
            _ => None,
        }
    }

    #[test]
    fn commands_are_those_of_the_caller_s_word_size() {
        let stats32 = uapi::PROCMON_GET_STATS32;
        assert_eq!(command(stats32, true), Some(stats32));
        assert_eq!(command(stats32, false), None);
        assert_eq!(command(uapi::PROCMON_QUERY_PID, true), None);
        for compat in [false, true] {
            assert_eq!(
                command(uapi::PROCMON_RESET, compat),
                Some(uapi::PROCMON_RESET)
            );
        }
    }

    #[test]
    fn arguments_have_the_size_that_the_number_tells() {
        let sizes = COMMANDS.map(|command| (command.input(), command.output()));
        let stats = size_of::<uapi::procmon_stats>();
        let stats32 = size_of::<uapi::procmon_stats32>();
        let query = size_of::<uapi::procmon_query>();
        let query32 = size_of::<uapi::procmon_query32>();
        assert_eq!(
            sizes,
            [
                (0, 0),
                (0, 4),
                (0, stats),
                (0, stats32),
                (4, 0),
                (query, query),
                (query32, query32)
            ]
        );
    }

    #[test]
    fn a_list_is_known_by_a_number_of_any_size() {
        // One bit beside PROCMON_QUERY_PID.
        let number = uapi::PROCMON_QUERY_PID ^ 1 << 1;
        assert_ne!(number, uapi::PROCMON_SNAPSHOT);
        assert!(matches!(Meaning::of(number, false), Meaning::List));
        assert!(matches!(
            Meaning::of(uapi::PROCMON_HISTORY, true),
            Meaning::List
        ));
        assert!(matches!(
            Meaning::of(number ^ 1 << 30, false),
            Meaning::None
        ));
        assert!(matches!(Meaning::of(0, false), Meaning::None));
        assert!(matches!(
            Meaning::of(uapi::PROCMON_INFO, false),
            Meaning::List
        ));
        assert!(matches!(
            Meaning::of(uapi::PROCMON_INFO + (4 << IOC_SIZE_SHIFT), false),
            Meaning::None
        ));
    }

    fn facts(filters: &BTreeSet<i32>) -> Facts<'_> {
        Facts {
            value: 7,
            filters,
            has_message: true,
            max_message: 100,
            thread: 7,
            name: b"fuzz",
            child: Some(8),
        }
    }

    #[test]
    fn counts_are_checked() {
        let filters = BTreeSet::new();
        let check = |count: i32| check_count(&facts(&filters), &count.to_ne_bytes());
        assert!(check(1).is_ok() && check(100).is_ok());
        assert!(check(0).is_err() && check(101).is_err() && check(-1).is_err());
    }

    #[test]
    fn statistics_are_checked() {
        let filters = BTreeSet::from([0, 5]);
        let mut answer = [0; size_of::<uapi::procmon_stats>()];
        let place = offset_of!(uapi::procmon_stats, current_filter_pid);
        answer[place] = 5;
        assert!(check_stats(&facts(&filters), &answer).is_ok());
        answer[place] = 6;
        assert!(check_stats(&facts(&filters), &answer).is_err());
        answer[place] = 5;
        answer[place + 4] = 1;
        assert!(check_stats(&facts(&filters), &answer).is_err());
    }

    #[test]
    fn processes_are_checked() {
        let filters = BTreeSet::new();
        let facts = facts(&filters);
        let check = check_process;
        let gone = uapi::PROCMON_STATE_NOT_FOUND;
        assert!(check(&facts, 7, b"fuzz\0", 0, true).is_ok());
        assert!(check(&facts, 7, b"fuzs\0", 0, true).is_err());
        assert!(check(&facts, 7, b"fuzz\0", 1, true).is_err());
        assert!(check(&facts, 7, b"fuzz\0", 0, false).is_err());
        assert!(check(&facts, 6, b"\0\0", 0, true).is_err());
        let other = |value| Facts { value, ..facts };
        assert!(check(&other(9), 9, b"\0\0", gone, false).is_ok());
        assert!(check(&other(9), 9, b"a\0", gone, false).is_err());
        assert!(check(&other(9), 9, b"\0\0", gone, true).is_err());
        assert!(check(&other(8), 8, b"\0\0", gone, false).is_err());
    }
}
