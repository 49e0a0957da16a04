// SPDX-License-Identifier: GPL-2.0

//! Fields of processes in `/proc`, to compare with.

use std::fs;

use anyhow::Context;

pub struct Stat {
    pub comm: Vec<u8>,
    pub state: char,
    pub vsize: u64,
}

/// Reads `/proc/PID/stat`, whose second field may hold any character, also blanks and brackets.
pub fn stat(pid: i32) -> anyhow::Result<Stat> {
    let path = format!("/proc/{pid}/stat");
    let stat = fs::read(&path).with_context(|| format!("cannot read {path}"))?;
    parse(&stat).with_context(|| format!("cannot parse {path}"))
}

fn parse(stat: &[u8]) -> Option<Stat> {
    let open = stat.iter().position(|&byte| byte == b'(')?;
    let close = stat.iter().rposition(|&byte| byte == b')')?;
    let fields = std::str::from_utf8(&stat[close + 1..]).ok()?;
    // proc(5) counts from 1: state is field 3 and vsize is field 23.
    let mut fields = fields.split_ascii_whitespace();
    let state = fields.next()?.chars().next()?;
    let vsize = fields.nth(23 - 3 - 1)?.parse().ok()?;
    Some(Stat {
        comm: stat[open + 1..close].to_vec(),
        state,
        vsize,
    })
}

/// Returns a PID that no process can have: PIDs are smaller than pid_max.
pub fn unused_pid() -> anyhow::Result<i32> {
    let path = "/proc/sys/kernel/pid_max";
    fs::read_to_string(path)
        .with_context(|| format!("cannot read {path}"))?
        .trim()
        .parse()
        .with_context(|| format!("cannot parse {path}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stat_line_is_parsed() {
        let line = b"42 (a) S (b) R 1 42 42 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 99 123456 10 0\n";
        let stat = parse(line).unwrap();
        assert_eq!(
            (&*stat.comm, stat.state, stat.vsize),
            (&b"a) S (b"[..], 'R', 123_456)
        );
        assert!(parse(b"42 (a").is_none());
    }

    #[test]
    fn our_own_stat_is_parsed() {
        let stat = stat(i32::try_from(std::process::id()).unwrap()).unwrap();
        assert!(!stat.comm.is_empty() && stat.vsize > 0);
    }
}
