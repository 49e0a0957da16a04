// SPDX-License-Identifier: GPL-2.0

//! The file `stat` of a process or thread.

use std::str::{self, FromStr};

use crate::uapi;

/// The fields of the file that records have as well. Times are in clock ticks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Stat<'a> {
    pub comm: &'a [u8],
    /// One of `PROCMON_STATE_*`.
    pub state: i32,
    pub ppid: i32,
    /// `PF_*` of the kernel.
    pub flags: u32,
    pub minor_faults: u64,
    pub major_faults: u64,
    pub user: u64,
    pub system: u64,
    pub nice: i32,
    pub threads: u32,
    pub start: u64,
    pub cpu: u32,
    pub policy: u32,
}

impl<'a> Stat<'a> {
    /// Parses the file. The name may have any bytes, the brackets around it among them.
    pub fn parse(text: &'a [u8]) -> Option<Self> {
        let open = text.iter().position(|&byte| byte == b'(')?;
        let close = text.iter().rposition(|&byte| byte == b')')?;
        let fields = Fields::new(text.get(close + 1..)?)?;
        Some(Self {
            comm: text.get(open + 1..close)?,
            state: state(fields.0.first()?)?,
            ppid: fields.number(4)?,
            flags: fields.number(9)?,
            minor_faults: fields.number(10)?,
            major_faults: fields.number(12)?,
            user: fields.number(14)?,
            system: fields.number(15)?,
            nice: fields.number(19)?,
            threads: fields.number(20)?,
            start: fields.number(22)?,
            cpu: fields.number(39)?,
            policy: fields.number(41)?,
        })
    }

    pub fn is_kernel_thread(&self) -> bool {
        /// `PF_KTHREAD` of the kernel.
        const KTHREAD: u32 = 0x0020_0000;

        self.flags & KTHREAD != 0
    }

    pub fn is_exiting(&self) -> bool {
        /// `PF_EXITING` of the kernel.
        const EXITING: u32 = 0x0000_0004;

        self.flags & EXITING != 0
    }
}

/// The fields behind the name.
struct Fields<'a>(Vec<&'a str>);

impl<'a> Fields<'a> {
    fn new(text: &'a [u8]) -> Option<Self> {
        let text = str::from_utf8(text).ok()?;
        Some(Self(text.split_ascii_whitespace().collect()))
    }

    /// Returns a field by its number in proc_pid_stat(5), where the first one here is 3.
    fn number<T: FromStr>(&self, number: usize) -> Option<T> {
        self.0.get(number.checked_sub(3)?)?.parse().ok()
    }
}

/// Returns the state with this letter.
fn state(field: &str) -> Option<i32> {
    let &[letter] = field.as_bytes() else {
        return None;
    };
    Some(match letter {
        b'R' => uapi::PROCMON_STATE_RUNNING,
        b'S' => uapi::PROCMON_STATE_SLEEPING,
        b'D' => uapi::PROCMON_STATE_DISK_SLEEP,
        b'T' => uapi::PROCMON_STATE_STOPPED,
        b't' => uapi::PROCMON_STATE_TRACED,
        b'X' => uapi::PROCMON_STATE_DEAD,
        b'Z' => uapi::PROCMON_STATE_ZOMBIE,
        b'P' => uapi::PROCMON_STATE_PARKED,
        b'I' => uapi::PROCMON_STATE_IDLE,
        // No letter has the number of a state, which is a single bit.
        unknown => unknown.into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::State;

    /// A line as a kernel has written it, with another name.
    fn line(name: &[u8]) -> Vec<u8> {
        let rest = b" S 1 1233 1233 34816 1300 4194304 850 19000 3 25 11 22 50 60 20 -5 4 0 8041 \
            9064448 1408 18446744073709551615 1 1 0 0 0 0 65536 3670020 1266777851 0 0 0 17 7 0 3 \
            0 0 0 0 0 0 0 0 0 0 0\n";
        [b"1234 (", name, b")", &rest[..]].concat()
    }

    #[test]
    fn fields_have_the_numbers_of_the_manual() {
        let text = line(b"bash");
        assert_eq!(
            Stat::parse(&text),
            Some(Stat {
                comm: b"bash",
                state: uapi::PROCMON_STATE_SLEEPING,
                ppid: 1,
                flags: 4_194_304,
                minor_faults: 850,
                major_faults: 3,
                user: 11,
                system: 22,
                nice: -5,
                threads: 4,
                start: 8041,
                cpu: 7,
                policy: 3,
            })
        );
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
            let text = line(name);
            let stat = Stat::parse(&text).unwrap();
            assert_eq!((stat.comm, stat.ppid, stat.policy), (name, 1, 3));
        }
    }

    #[test]
    fn what_is_no_such_file_is_refused() {
        let whole = line(b"bash");
        // The last field that counts ends before these.
        let end = whole.len() - b" 0 0 0 0 0 0 0 0 0 0 0\n".len();
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
            let raw = state(&letter.to_string()).unwrap();
            assert_eq!(State::from_raw(raw).letter(), letter);
        }
        for letter in (b'A'..=b'z').filter(|letter| !b"RSDTtXZPI".contains(letter)) {
            let raw = state(&char::from(letter).to_string()).unwrap();
            assert_eq!(State::from_raw(raw), State::Unknown(letter.into()));
        }
    }

    #[test]
    fn flags_are_those_of_the_kernel() {
        let text = line(b"x");
        let mut stat = Stat::parse(&text).unwrap();
        let marks = |stat: Stat<'_>| (stat.is_kernel_thread(), stat.is_exiting());
        assert_eq!(marks(stat), (false, false));
        // That of kthreadd, and that of a zombie.
        stat.flags = 2_129_984;
        assert_eq!(marks(stat), (true, false));
        stat.flags = 4_228_108;
        assert_eq!(marks(stat), (false, true));
    }
}
