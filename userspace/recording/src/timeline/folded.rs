// SPDX-License-Identifier: GPL-2.0-only

//! Stacks of program names.

use std::collections::HashMap;

use super::forest::Forest;
use super::summary::cpu_time;
use super::text::label;
use crate::{Run, Text};

/// The nanoseconds of the unit of the values.
const MICROSECOND: u64 = 1000;

/// A program below its ancestors.
struct Frame<'a> {
    parent: Option<usize>,
    name: &'a Text,
    /// The CPU time of the processes with this stack, in nanoseconds.
    time: u64,
}

/// Returns lines as tools for flame graphs take them: `make;sh;cc1 12345`.
///
/// A line has the names of the programs from the first ancestor to a process, and the microseconds
/// of user and system time that processes with these names took themselves. Those that took less
/// than half a microsecond have no line. A `;` in a name becomes a `:`.
#[must_use]
pub fn folded(run: &Run) -> String {
    let forest = Forest::new(run);
    let mut frames: Vec<Frame> = Vec::new();
    let mut places: HashMap<(Option<usize>, &Text), usize> = HashMap::new();
    let mut frame_of = vec![0; run.processes().len()];
    for &place in &forest.order {
        let process = &run.processes()[place];
        let parent = forest.parents[place].map(|parent| frame_of[parent]);
        let name = process.name();
        let frame = *places.entry((parent, name)).or_insert_with(|| {
            frames.push(Frame {
                parent,
                name,
                time: 0,
            });
            frames.len() - 1
        });
        frame_of[place] = frame;
        frames[frame].time = frames[frame].time.saturating_add(cpu_time(process));
    }
    let mut lines: Vec<String> = Vec::new();
    for frame in &frames {
        let time = frame.time.saturating_add(MICROSECOND / 2) / MICROSECOND;
        if time > 0 {
            lines.push(format!("{} {time}\n", stack(&frames, frame)));
        }
    }
    lines.sort_unstable();
    lines.concat()
}

/// Returns the names from the first ancestor on.
fn stack(frames: &[Frame], frame: &Frame) -> String {
    let mut names = vec![label(frame.name)];
    let mut next = frame.parent;
    while let Some(parent) = next {
        names.push(label(frames[parent].name));
        next = frames[parent].parent;
    }
    let names = names.iter().rev().map(|name| name.replace(';', ":"));
    names.collect::<Vec<_>>().join(";")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::timeline::fixture::{LARGE, recording};

    fn sum(folded: &str) -> u64 {
        let values = folded.lines().map(|line| line.rsplit_once(' ').unwrap().1);
        values.map(|value| value.parse::<u64>().unwrap()).sum()
    }

    #[test]
    fn stacks_have_the_time_of_their_processes() {
        let mut recording = recording();
        recording.begin(1, 100, 0, "make");
        for (pid, time) in [(2, 5_000), (3, 7_000)] {
            recording.begin(pid, 200, 1, "sh");
            recording.exec(pid, 210, &["cc1"]);
            recording.exit_after(pid, 300, 0, time);
        }
        recording.begin(4, 200, 3, "as");
        recording.exit_after(4, 290, 0, 1_600);
        recording.exit_after(1, 400, 0, 400);
        let folded = folded(&recording.run());
        assert_eq!(folded, "make;cc1 12\nmake;cc1;as 2\n");
    }

    #[test]
    fn the_sum_is_that_of_all_processes() {
        let run = &*LARGE;
        let times = run.processes().iter().filter_map(|one| one.cpu_time());
        let expected: u128 = times.map(|time| time.as_micros()).sum();
        let folded = folded(run);
        assert_eq!(u128::from(sum(&folded)), expected);
        // The processes of the build have few different stacks.
        assert!(folded.lines().count() < 10, "{folded}");
    }

    #[test]
    fn names_neither_end_a_line_nor_a_stack() {
        let mut recording = recording();
        recording.begin(1, 100, 0, b"a;b\nc 7\xff;");
        recording.exit_after(1, 300, 0, 5_000);
        assert_eq!(folded(&recording.run()), "a:b\\nc 7\\xff: 5\n");
    }

    #[test]
    fn long_chains_have_short_stacks() {
        let mut recording = recording();
        for pid in 1..=20_000 {
            recording.begin(pid, pid as u64, pid - 1, "fork");
            recording.exit_after(pid, 30_000, 0, 1_000);
        }
        let folded = folded(&recording.run());
        assert_eq!(sum(&folded), 20_000);
        assert_eq!(folded.lines().count(), super::super::forest::DEPTH);
    }
}
