// SPDX-License-Identifier: GPL-2.0-only

//! The model of the device: the results that a call may have.
//!
//! The two threads share the device and their files, so mostly a set of results is right, and not a
//! single one.

pub mod command;
mod elements;
pub mod list;

use std::fmt::Debug;

use anyhow::{Context, Result, bail, ensure};
use nix::errno::Errno;
use procmon::{State, sysfs, uapi};

/// The period of messages: they are made of bytes that follow each other, with 0 after the last.
const PERIOD: u8 = 251;

/// The module's counters, as the calls of one thread change them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    pub opens: u64,
    pub reads: u64,
    pub writes: u64,
    pub ioctls: u64,
    /// Calls that set all others to zero.
    pub resets: u64,
}

impl Counts {
    /// Returns the sum of both.
    pub fn and(self, other: Self) -> Self {
        Self {
            opens: self.opens + other.opens,
            reads: self.reads + other.reads,
            writes: self.writes + other.writes,
            ioctls: self.ioctls + other.ioctls,
            resets: self.resets + other.resets,
        }
    }
}

/// Returns the bytes of a message.
pub fn pattern(first: u8, len: usize) -> Vec<u8> {
    let numbers = (0..PERIOD).cycle().skip((first % PERIOD).into());
    numbers.take(len).collect()
}

/// Checks that bytes are a part of a message.
pub fn check_message(bytes: &[u8]) -> Result<()> {
    ensure!(
        bytes
            .first()
            .is_none_or(|&first| bytes == pattern(first, bytes.len())),
        "the bytes read are not part of a message"
    );
    Ok(())
}

/// Checks that a call succeeded, or that it failed for a reason that holds: each of `must` makes it
/// fail, each of `may` can. Returns the result of a success.
pub fn judge<T: Debug>(result: nix::Result<T>, must: &[Errno], may: &[Errno]) -> Result<Option<T>> {
    match result {
        Ok(value) if must.is_empty() => Ok(Some(value)),
        Ok(value) => bail!("{value:?} instead of {must:?}"),
        Err(errno) if must.contains(&errno) || may.contains(&errno) => Ok(None),
        Err(errno) => bail!("{errno:?} where only {must:?} and {may:?} can be"),
    }
}

/// Returns the reasons that hold.
pub fn reasons(list: &[(bool, Errno)]) -> Vec<Errno> {
    let present = list.iter().filter(|(present, _)| *present);
    present.map(|&(_, errno)| errno).collect()
}

/// Checks the content of an attribute or a parameter.
pub fn check_attribute(path: &str, text: &str) -> Result<()> {
    let content = text.strip_suffix('\n').context("no end of line")?;
    match path.rsplit('/').next() {
        Some("stats") => drop(content.parse::<sysfs::Stats>()?),
        Some("monitor") => drop(content.parse::<sysfs::Monitor>()?),
        Some("targets") => {
            let words: Vec<_> = content.split(' ').filter(|word| !word.is_empty()).collect();
            ensure!(
                words.len() <= uapi::PROCMON_TARGETS_MAX as usize
                    && words.iter().all(|word| word.len() <= 15 && is_target(word)),
                "targets {content:?}"
            );
        }
        _ => drop(content.parse::<u32>()?),
    }
    Ok(())
}

/// Whether a word is a PID or the name of a process.
pub fn is_target(word: &str) -> bool {
    let digits = word.strip_prefix('-').unwrap_or(word);
    if digits.bytes().all(|byte| byte.is_ascii_digit()) {
        word.parse::<i32>().is_ok_and(|pid| pid >= 0)
    } else {
        word.bytes().all(|byte| byte.is_ascii_graphic())
    }
}

/// Checks the state of a process.
fn check_state(state: i32) -> Result<()> {
    ensure!(
        state == uapi::PROCMON_STATE_NOT_FOUND
            || !matches!(State::from_raw(state), State::Unknown(_)),
        "state {state}"
    );
    Ok(())
}

/// Checks that a name is padded with zeroes, and returns the part before them.
fn check_name(comm: &[u8]) -> Result<&[u8]> {
    let len = comm.iter().position(|&byte| byte == 0);
    let (name, padding) = comm.split_at(len.context("a name without an end")?);
    ensure!(is_zero(padding), "name {comm:?}");
    Ok(name)
}

fn is_zero(bytes: &[u8]) -> bool {
    bytes.iter().all(|&byte| byte == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_judged_by_the_reasons_to_fail() {
        let (must, may) = (&[Errno::EBADF][..], &[Errno::ENOMEM][..]);
        assert_eq!(judge(Ok(5), &[], may).unwrap(), Some(5));
        assert_eq!(judge::<()>(Err(Errno::ENOMEM), &[], may).unwrap(), None);
        assert_eq!(judge::<()>(Err(Errno::EBADF), must, &[]).unwrap(), None);
        assert!(judge(Ok(5), must, may).is_err());
        assert!(judge::<()>(Err(Errno::EFAULT), must, may).is_err());
    }

    #[test]
    fn patterns_continue_where_they_were_cut() {
        let whole = pattern(249, 600);
        assert_eq!(whole[..3], [249, 250, 0]);
        assert_eq!(whole[300..], pattern(whole[300], 300));
        assert!(check_message(&whole[300..]).is_ok());
        assert!(check_message(&[]).is_ok());
        assert!(check_message(&[1, 2, 4]).is_err());
    }

    #[test]
    fn names_and_states_are_checked() {
        assert_eq!(check_name(b"ab\0\0").unwrap(), b"ab");
        assert_eq!(check_name(b"\0\0").unwrap(), b"");
        assert!(check_name(b"abcd").is_err());
        assert!(check_name(b"a\0b\0").is_err());
        assert!(check_state(uapi::PROCMON_STATE_NOT_FOUND).is_ok());
        assert!(check_state(uapi::PROCMON_STATE_IDLE).is_ok());
        assert!(check_state(3).is_err());
    }

    #[test]
    fn attributes_are_parsed_by_their_names() {
        let monitor = "samples: 1\nprocesses: 2\nthreads: 3\nrunning: 4\nuninterruptible: 5\n\
                       zombies: 6\nforks: 7\n";
        assert!(check_attribute("/x/buffer_size", "1024\n").is_ok());
        assert!(check_attribute("/x/buffer_size", "1024").is_err());
        assert!(check_attribute("/x/buffer_size", "-1\n").is_err());
        assert!(check_attribute("/x/monitor", monitor).is_ok());
        assert!(check_attribute("/x/stats", monitor).is_err());
        assert!(check_attribute("/x/targets", "\n").is_ok());
        assert!(check_attribute("/x/targets", "1 0 cron 2147483647\n").is_ok());
        for bad in ["-1", "2147483648", "a-name-of-more-than-15-bytes", "\u{e9}"] {
            assert!(check_attribute("/x/targets", &format!("1 {bad}\n")).is_err());
        }
    }
}
