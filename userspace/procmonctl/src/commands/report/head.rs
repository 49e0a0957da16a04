// SPDX-License-Identifier: GPL-2.0-only

//! The head of a report: what was recorded, and what is missing.

use std::fmt::Write;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use recording::{Run, Selection, Text};

use crate::clock::Moment;
use crate::table::value::{status_text, time_text};
use crate::text::printable;

/// Returns lines on the circumstances of a run, and what is missing.
pub fn text(run: &Run) -> String {
    let header = &run.header;
    let mut text = format!(
        "{}\non {}, Linux {}, {}, {}: {} in {}",
        selection(&header.selection),
        printable(header.host.as_bytes()),
        printable(header.kernel.as_bytes()),
        number(header.cpus.into(), "CPU", "CPUs"),
        Moment::since_1970(header.wall_time).local(),
        number(run.processes().len() as u64, "process", "processes"),
        time_text(run.lasted()),
    );
    if let Some(status) = run.end.as_ref().and_then(|end| end.status) {
        let status = status_text(ExitStatus::from_raw(status));
        let _ = write!(text, ", status {status}");
    }
    text.push('\n');
    for gap in gaps(run) {
        text.push_str(&gap);
        text.push('\n');
    }
    text
}

/// Returns sentences on what is missing in a recording.
pub fn gaps(run: &Run) -> Vec<String> {
    let mut gaps = Vec::new();
    if run.lost > 0 {
        gaps.push(format!(
            "{} lost: processes, programs and ends may be missing",
            number(run.lost, "event is", "events are")
        ));
    }
    if run.end.is_none() {
        gaps.push("the recording was cut off: its last part may be missing".to_owned());
    }
    gaps
}

fn number(number: u64, one: &str, more: &str) -> String {
    let noun = if number == 1 { one } else { more };
    format!("{number} {noun}")
}

fn selection(selection: &Selection) -> String {
    match selection {
        Selection::Command { args, .. } => command_line(args),
        Selection::Pid(pid) => format!("process {pid} and its descendants"),
        Selection::Cgroup(path) => format!("cgroup {}", printable(path.as_bytes())),
        _ => "all processes".to_owned(),
    }
}

/// Returns arguments as one line.
pub fn command_line<'a>(arguments: impl IntoIterator<Item = &'a Text>) -> String {
    let arguments: Vec<_> = arguments.into_iter().map(Text::as_bytes).collect();
    printable(&arguments.join(&b' '))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selections_are_named() {
        let args = ["sh", "-c", "a\n"].map(Text::from).to_vec();
        for (one, text) in [
            (Selection::Command { args, pid: 7 }, "sh -c a\\n"),
            (Selection::Pid(7), "process 7 and its descendants"),
            (Selection::Cgroup(Text::from("/a\x1b")), "cgroup /a\\u{1b}"),
            (Selection::System, "all processes"),
        ] {
            assert_eq!(selection(&one), text);
        }
    }

    #[test]
    fn numbers_have_their_nouns() {
        for (count, text) in [(0, "0 CPUs"), (1, "1 CPU"), (2, "2 CPUs")] {
            assert_eq!(number(count, "CPU", "CPUs"), text);
        }
    }
}
