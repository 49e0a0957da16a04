// SPDX-License-Identifier: GPL-2.0-only

//! The file `stat` of a process or thread.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::str::{self, FromStr, SplitAsciiWhitespace};

use crate::State;

/// The file `/proc/PID/stat` of a process or thread, without fields that are seldom of use.
///
/// Times are in clock ticks, of which there are 100 in a second. Any caller may read these fields,
/// unless `/proc` is mounted with `hidepid`.
///
/// ```
/// use procmon::proc::Stat;
///
/// # fn main() -> std::io::Result<()> {
/// let stat = Stat::parse(&std::fs::read("/proc/self/stat")?).expect("an unknown format");
/// println!("{:?} is {} in session {}", stat.comm, stat.state, stat.session);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Stat {
    /// The name, which may have any bytes: up to 15, and more of a kernel thread.
    pub comm: OsString,
    /// The scheduler state.
    pub state: State,
    /// The ID of the parent process, 0 if it is outside of the PID namespace of `/proc`.
    pub ppid: i32,
    /// The ID of the process group.
    pub process_group: i32,
    /// The ID of the session.
    pub session: i32,
    /// The device number of the controlling terminal.
    pub terminal: Option<u32>,
    /// The ID of the process group in the foreground of the controlling terminal.
    pub foreground_group: Option<i32>,
    /// `PF_*` of the kernel.
    pub flags: u32,
    /// Page faults without I/O.
    pub minor_faults: u64,
    /// Page faults with I/O.
    pub major_faults: u64,
    /// Time in user space.
    pub user: u64,
    /// Time in the kernel.
    pub system: u64,
    /// From -20 to 19.
    pub nice: i32,
    /// The number of threads of the process.
    pub threads: u32,
    /// The start, as time since boot.
    pub start: u64,
    /// Size of the address space in bytes.
    pub virtual_size: u64,
    /// The CPU that the task runs on, or ran on last.
    pub last_cpu: u32,
    /// The real-time priority, from 1 to 99, or 0 for other scheduling policies.
    pub real_time_priority: u32,
    /// One of `SCHED_*`.
    pub policy: u32,
    /// Time of waiting for block I/O, 0 where the kernel does not count it.
    pub block_io_delay: u64,
}

impl Stat {
    /// Parses the contents of the file. It is `None` for anything else, such as a part of the file.
    #[must_use]
    pub fn parse(contents: &[u8]) -> Option<Self> {
        // The name may have brackets, but nothing before and after it has any.
        let open = contents.iter().position(|&byte| byte == b'(')?;
        let close = contents.iter().rposition(|&byte| byte == b')')?;
        let comm = OsStr::from_bytes(contents.get(open + 1..close)?);
        let mut fields = Fields::new(&contents[close + 1..])?;
        // In the order of the file.
        Some(Self {
            comm: comm.to_owned(),
            state: state(fields.text(3)?)?,
            ppid: fields.number(4)?,
            process_group: fields.number(5)?,
            session: fields.number(6)?,
            // The kernel prints it with a sign.
            terminal: Some(fields.number::<i32>(7)?.cast_unsigned()).filter(|&number| number != 0),
            // Without a terminal it is -1.
            foreground_group: Some(fields.number(8)?).filter(|&group| group >= 0),
            flags: fields.number(9)?,
            minor_faults: fields.number(10)?,
            major_faults: fields.number(12)?,
            user: fields.number(14)?,
            system: fields.number(15)?,
            nice: fields.number(19)?,
            threads: fields.number(20)?,
            start: fields.number(22)?,
            virtual_size: fields.number(23)?,
            last_cpu: fields.number(39)?,
            real_time_priority: fields.number(40)?,
            policy: fields.number(41)?,
            block_io_delay: fields.number(42)?,
        })
    }

    /// Whether the task is a kernel thread.
    #[must_use]
    pub fn is_kernel_thread(&self) -> bool {
        /// `PF_KTHREAD` of the kernel.
        const KTHREAD: u32 = 0x0020_0000;

        self.flags & KTHREAD != 0
    }

    /// Whether the task is exiting, or a zombie.
    #[must_use]
    pub fn is_exiting(&self) -> bool {
        /// `PF_EXITING` of the kernel.
        const EXITING: u32 = 0x0000_0004;

        self.flags & EXITING != 0
    }
}

/// The fields behind the name, which are read in their order.
struct Fields<'a> {
    rest: SplitAsciiWhitespace<'a>,
    /// The number of the first one in the rest, as in proc_pid_stat(5).
    next: usize,
}

impl<'a> Fields<'a> {
    fn new(text: &'a [u8]) -> Option<Self> {
        Some(Self {
            rest: str::from_utf8(text).ok()?.split_ascii_whitespace(),
            next: 3,
        })
    }

    /// Returns a field that comes after the last one.
    fn text(&mut self, number: usize) -> Option<&'a str> {
        let skipped = number.checked_sub(self.next)?;
        self.next = number + 1;
        self.rest.nth(skipped)
    }

    fn number<T: FromStr>(&mut self, number: usize) -> Option<T> {
        self.text(number)?.parse().ok()
    }
}

/// Returns the state with this letter.
fn state(field: &str) -> Option<State> {
    let &[letter] = field.as_bytes() else {
        return None;
    };
    Some(match letter {
        b'R' => State::Running,
        b'S' => State::Sleeping,
        b'D' => State::DiskSleep,
        b'T' => State::Stopped,
        b't' => State::Traced,
        b'X' => State::Dead,
        b'Z' => State::Zombie,
        b'P' => State::Parked,
        b'I' => State::Idle,
        // No letter has the number of a state, which is a single bit.
        unknown => State::Unknown(unknown.into()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A line as a kernel has written it, with another name.
    fn line(name: &[u8]) -> Vec<u8> {
        let rest = b" S 1 1233 1232 34816 1300 4194304 850 19000 3 25 11 22 50 60 20 -5 4 0 8041 \
            9064448 1408 18446744073709551615 1 1 0 0 0 0 65536 3670020 1266777851 0 0 0 17 7 50 3 \
            25 0 0 0 0 0 0 0 0 0 0\n";
        [b"1234 (", name, b")", &rest[..]].concat()
    }

    #[test]
    fn fields_have_the_numbers_of_the_manual() {
        let expected = Stat {
            comm: "bash".into(),
            state: State::Sleeping,
            ppid: 1,
            process_group: 1233,
            session: 1232,
            terminal: Some(34816),
            foreground_group: Some(1300),
            flags: 4_194_304,
            minor_faults: 850,
            major_faults: 3,
            user: 11,
            system: 22,
            nice: -5,
            threads: 4,
            start: 8041,
            virtual_size: 9_064_448,
            last_cpu: 7,
            real_time_priority: 50,
            policy: 3,
            block_io_delay: 25,
        };
        assert_eq!(Stat::parse(&line(b"bash")), Some(expected));
    }

    #[test]
    fn terminals_have_32_bits_or_are_missing() {
        let of = |terminal: &str| {
            let text = String::from_utf8(line(b"x")).unwrap();
            let text = text.replace("34816 1300", terminal);
            let stat = Stat::parse(text.as_bytes()).unwrap();
            (stat.terminal, stat.foreground_group)
        };
        assert_eq!(of("-2147448832 1"), (Some(0x8000_8800), Some(1)));
        assert_eq!(of("0 -1"), (None, None));
    }

    #[test]
    fn names_have_any_bytes() {
        for name in [
            &b""[..],
            b")",
            b"(",
            b") R 7 (",
            b"a) Z 1 1 1",
            b"\n\n",
            b"\xff\xfe 0 0",
            b"kworker/0:0H-events_highpri",
        ] {
            let stat = Stat::parse(&line(name)).unwrap();
            let found = (stat.comm.as_bytes(), stat.ppid, stat.policy);
            assert_eq!(found, (name, 1, 3));
        }
    }

    #[test]
    fn what_is_no_such_file_is_refused() {
        let whole = line(b"bash");
        // The last field that counts ends before these.
        let end = whole.len() - b" 0 0 0 0 0 0 0 0 0 0\n".len();
        for length in 0..end {
            let text = &whole[..length];
            // A number may be cut in two.
            let is_cut = Stat::parse(text).is_none_or(|stat| length + 1 >= end && stat.ppid == 1);
            assert!(is_cut, "{length}");
        }
        for bad in [
            &b")("[..],
            b"1 (a",
            b"1 a) S",
            b"1 (a) SS 1",
            b"1 (a) \xff 1",
            b"(((((",
            b")))))",
        ] {
            assert_eq!(Stat::parse(bad), None, "{bad:?}");
        }
        let mut text = whole.clone();
        let place = text.len() - end;
        text[place] = 0xff;
        assert_eq!(Stat::parse(&text), None);
    }

    #[test]
    fn states_have_their_letters() {
        for letter in "RSDTtXZPI".chars() {
            let state = state(&letter.to_string()).unwrap();
            assert_eq!(state.letter(), letter);
            assert_eq!(State::from_raw(state.to_raw()), state);
        }
        for letter in (b'A'..=b'z').filter(|letter| !b"RSDTtXZPI".contains(letter)) {
            let unknown = state(&char::from(letter).to_string()).unwrap();
            assert_eq!(unknown, State::Unknown(letter.into()));
            assert_eq!(State::from_raw(unknown.to_raw()), unknown);
        }
    }

    #[test]
    fn flags_are_those_of_the_kernel() {
        let mut stat = Stat::parse(&line(b"x")).unwrap();
        let marks = |stat: &Stat| (stat.is_kernel_thread(), stat.is_exiting());
        assert_eq!(marks(&stat), (false, false));
        // That of kthreadd, and that of a zombie.
        stat.flags = 2_129_984;
        assert_eq!(marks(&stat), (true, false));
        stat.flags = 4_228_108;
        assert_eq!(marks(&stat), (false, true));
    }
}
