// SPDX-License-Identifier: GPL-2.0-only

//! Synthetic recordings.

use std::sync::LazyLock;

use crate::script::Script;
use crate::{Run, Selection, Text};

/// A build with 50,000 processes, which takes some time to make.
pub static LARGE: LazyLock<Run> = LazyLock::new(|| build(8, 50_000).run());

/// Names that would be more than text if they were not escaped.
pub const HOSTILE: [&[u8]; 8] = [
    b"</script><script>alert(1)</script>",
    b"]]><script>alert(2)</script><![CDATA[",
    b"<!--<script>",
    b"\" onload=\"alert(3)",
    b"&lt;&#0;&nbsp;",
    b"\x01\x0c\x1b[2J\x7f\r\n",
    b"\xff\xfe\xed\xa0\x80",
    b"\xe2\x80\xa8\xe2\x80\xae\xef\xbf\xbf\\u003c",
];

/// Begins the recording of a command at the time 100.
pub fn recording() -> Script {
    let mut recording = Script::new(100);
    recording.is_ended = true;
    recording.selection(Selection::Command {
        args: ["make", "-j4"].map(Text::from).into(),
        pid: 1,
    });
    recording
}

/// Returns a recording with [`HOSTILE`] in the place of each text.
pub fn hostile() -> Script {
    let mut recording = recording();
    for (pid, name) in (1..).zip(HOSTILE) {
        recording
            .begin(pid, 100 * pid as u64, 0, name)
            .exec(pid, 1000, &HOSTILE)
            .exec(pid, 1100, &[name, b"arg"])
            .exit_after(pid, 2000 + pid as u64, 9, 1000);
    }
    let text = Text::from(&HOSTILE.concat());
    recording.header.host = text.clone();
    recording.header.kernel = text.clone();
    recording.selection(Selection::Command {
        args: HOSTILE.map(Text::from).into(),
        pid: 1,
    });
    recording.names(text.clone(), text);
    recording
}

/// Returns a recording of a build by `jobs` jobs at a time with `processes` processes or a few
/// more. Every 100th job fails. Times are from 1 to about 100 ms, and PIDs are used again.
pub fn build(jobs: u64, processes: usize) -> Script {
    let mut recording = recording();
    let ms = 1_000_000;
    recording.names("søren", "/user.slice");
    recording.begin(1, 200, 0, "sh");
    recording.exec(1, 300, &["make", "-j4"]);
    let mut free = vec![ms; jobs.try_into().unwrap()];
    let mut count = 1;
    let mut busy = 0;
    while count < processes {
        let job = count / 4;
        let slot = (0..free.len()).min_by_key(|&slot| free[slot]).unwrap();
        let begin = free[slot];
        let length = 4 * ms + (job * 7919 % 97) as u64 * ms;
        let pid = 2 + 4 * (job % 8000) as i32;
        let status = if job % 100 == 99 { 256 } else { 0 };
        recording.begin(pid, begin, 1, "make");
        recording.exec(pid, begin + ms / 2, &["sh", "-c", "gcc -c x.c"]);
        recording.begin(pid + 1, begin + ms, pid, "sh");
        recording.exec(pid + 1, begin + ms + 1000, &["gcc", "-c", "x.c"]);
        for (number, name) in [(2, "cc1"), (3, "as")] {
            let start = begin + ms + number * length / 5;
            let pid = pid + number as i32;
            recording.begin(pid, start, pid - number as i32 + 1, "gcc");
            recording.exec(pid, start + 1000, &[name, "x.c"]);
            recording.exit_after(pid, start + length / 5, 0, length / 5 / 1000 * 1000);
        }
        recording.exit_after(pid + 1, begin + length, status, ms);
        recording.exit_after(pid, begin + length + ms / 2, status, ms);
        free[slot] = begin + length + ms;
        busy += length;
        if job % 5 == 0 {
            let memory = (1 << 30) + (job as u64 * 37 % 100) * (20 << 20);
            recording.sample(begin + length, busy, job as u64 * ms, memory);
        }
        count += 4;
    }
    let end = free.iter().max().unwrap() + 10 * ms;
    recording.exit_after(1, end, 512, 2 * ms);
    recording
}
