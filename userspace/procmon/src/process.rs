// SPDX-License-Identifier: GPL-2.0-only

//! Processes: the result of a query, and the states.

use std::borrow::Cow;
use std::ffi::{OsStr, OsString};
use std::fmt;

use crate::{names, uapi};

/// Result of [`Device::query`](crate::Device::query): a process or thread at that moment.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Process {
    /// The PID of the query, in the caller's PID namespace.
    pub pid: i32,
    /// The name, at most 15 bytes; any byte but NUL may occur.
    #[cfg_attr(feature = "serde", serde(serialize_with = "crate::serialize::name"))]
    pub comm: OsString,
    /// The scheduler state.
    pub state: State,
    /// The size of the address space in bytes, 0 for a kernel thread or a zombie, which have none.
    pub vsize: u64,
}

impl Process {
    /// Creates a process.
    #[cfg(feature = "test-util")]
    #[must_use]
    pub fn new(pid: i32, comm: impl Into<OsString>, state: State, vsize: u64) -> Self {
        Self {
            pid,
            comm: comm.into(),
            state,
            vsize,
        }
    }

    /// Converts the kernel's answer, which is `None` if there is no such process.
    #[allow(
        clippy::useless_conversion,
        reason = "an unsigned long is a u32 in 32-bit programs"
    )]
    pub(crate) fn from_raw(raw: &uapi::procmon_query) -> Option<Self> {
        if raw.state == uapi::PROCMON_STATE_NOT_FOUND {
            return None;
        }
        Some(Self {
            pid: raw.pid,
            comm: uapi::name(&raw.comm).to_owned(),
            state: State::from_raw(raw.state),
            vsize: raw.vsize.into(),
        })
    }

    /// Returns the whole name: that of a kernel thread may be longer, and is looked up in `/proc`.
    ///
    /// See [`names::whole_name`] for its cost.
    #[must_use]
    pub fn whole_comm(&self) -> Cow<'_, OsStr> {
        // A user process without memory is a zombie, whose name is whole already.
        if self.vsize == 0 {
            names::whole_name(self.pid, &self.comm)
        } else {
            Cow::Borrowed(&self.comm)
        }
    }
}

/// Scheduler state of a process, with the letters and meanings of `/proc/PID/stat`.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum State {
    /// `R`: running, or waiting for a CPU.
    Running,
    /// `S`: in a sleep that a signal ends.
    Sleeping,
    /// `D`: in a sleep that signals do not end, usually for I/O.
    DiskSleep,
    /// `T`: stopped by a signal.
    Stopped,
    /// `t`: stopped by a tracer.
    Traced,
    /// `X`: being taken down.
    Dead,
    /// `Z`: ended, and not yet reaped.
    Zombie,
    /// `P`: a kernel thread that is parked.
    Parked,
    /// `I`: a kernel thread that has nothing to do.
    Idle,
    /// A number that this version of the crate does not know, or -2 for a state that the caller may
    /// not see: see [`Record::is_redacted`](crate::snapshot::Record::is_redacted).
    Unknown(i32),
}

impl State {
    /// Converts the kernel's number.
    #[must_use]
    pub fn from_raw(raw: i32) -> Self {
        match raw {
            uapi::PROCMON_STATE_RUNNING => Self::Running,
            uapi::PROCMON_STATE_SLEEPING => Self::Sleeping,
            uapi::PROCMON_STATE_DISK_SLEEP => Self::DiskSleep,
            uapi::PROCMON_STATE_STOPPED => Self::Stopped,
            uapi::PROCMON_STATE_TRACED => Self::Traced,
            uapi::PROCMON_STATE_DEAD => Self::Dead,
            uapi::PROCMON_STATE_ZOMBIE => Self::Zombie,
            uapi::PROCMON_STATE_PARKED => Self::Parked,
            uapi::PROCMON_STATE_IDLE => Self::Idle,
            unknown => Self::Unknown(unknown),
        }
    }

    /// Returns the kernel's number.
    pub(crate) fn to_raw(self) -> i32 {
        match self {
            Self::Running => uapi::PROCMON_STATE_RUNNING,
            Self::Sleeping => uapi::PROCMON_STATE_SLEEPING,
            Self::DiskSleep => uapi::PROCMON_STATE_DISK_SLEEP,
            Self::Stopped => uapi::PROCMON_STATE_STOPPED,
            Self::Traced => uapi::PROCMON_STATE_TRACED,
            Self::Dead => uapi::PROCMON_STATE_DEAD,
            Self::Zombie => uapi::PROCMON_STATE_ZOMBIE,
            Self::Parked => uapi::PROCMON_STATE_PARKED,
            Self::Idle => uapi::PROCMON_STATE_IDLE,
            Self::Unknown(raw) => raw,
        }
    }

    /// Returns the letter that `/proc/PID/stat` and `ps` show, `?` for an unknown state.
    #[must_use]
    pub fn letter(self) -> char {
        match self {
            Self::Running => 'R',
            Self::Sleeping => 'S',
            Self::DiskSleep => 'D',
            Self::Stopped => 'T',
            Self::Traced => 't',
            Self::Dead => 'X',
            Self::Zombie => 'Z',
            Self::Parked => 'P',
            Self::Idle => 'I',
            Self::Unknown(_) => '?',
        }
    }
}

/// The words that `/proc/PID/status` has for the states.
impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Running => "running",
            Self::Sleeping => "sleeping",
            Self::DiskSleep => "disk sleep",
            Self::Stopped => "stopped",
            Self::Traced => "tracing stop",
            Self::Dead => "dead",
            Self::Zombie => "zombie",
            Self::Parked => "parked",
            Self::Idle => "idle",
            Self::Unknown(raw) => return f.pad(&format!("unknown ({raw})")),
        })
    }
}

/// The letter of the state.
#[cfg(feature = "serde")]
impl serde::Serialize for State {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_char(self.letter())
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::c_char;
    use std::os::unix::ffi::OsStrExt;

    use super::*;

    #[test]
    fn states_have_the_numbers_and_letters_of_proc() {
        // fs/proc/array.c numbers the letters "RSDTtXZPI" by their bit, R being no bit at all.
        for (bit, letter) in "RSDTtXZPI".chars().enumerate() {
            let raw = if bit == 0 { 0 } else { 1 << (bit - 1) };
            assert_eq!(State::from_raw(raw).letter(), letter);
        }
        assert_eq!(State::from_raw(32), State::Zombie);
        assert_eq!(State::Zombie.to_string(), "zombie");
        assert_eq!(State::Traced.to_string(), "tracing stop");
        assert_eq!(format!("[{:>9}]", State::Idle), "[     idle]");
    }

    #[test]
    fn an_unknown_state_is_kept() {
        assert_eq!(State::from_raw(3), State::Unknown(3));
        assert_eq!(State::Unknown(256).letter(), '?');
        assert_eq!(State::Unknown(256).to_string(), "unknown (256)");
    }

    fn raw(comm: &[u8], state: i32) -> uapi::procmon_query {
        let mut query = uapi::procmon_query {
            pid: 7,
            state,
            vsize: 4096,
            ..Default::default()
        };
        for (to, from) in query.comm.iter_mut().zip(comm) {
            *to = *from as c_char;
        }
        query
    }

    #[test]
    fn any_name_comes_through() {
        for name in [
            &b""[..],
            b"init",
            b"fifteen letters",
            b"\xff\x01 \n)",
            "søvn".as_bytes(),
        ] {
            let process = Process::from_raw(&raw(name, 1)).unwrap();
            assert_eq!(process.comm.as_bytes(), name);
            assert_eq!(
                (process.pid, process.state, process.vsize),
                (7, State::Sleeping, 4096)
            );
        }
        // The kernel always ends the name with a NUL, but memory safety must not hang on that.
        assert_eq!(
            Process::from_raw(&raw(&[b'x'; 16], 1)).unwrap().comm.len(),
            16
        );
    }

    #[test]
    fn no_process_is_none() {
        assert_eq!(Process::from_raw(&raw(b"", -1)), None);
    }
}
