// SPDX-License-Identifier: GPL-2.0-only

//! The programs of a process over time.

use super::layout::Window;
use crate::{Process, Text};

/// A time in which a process executed one program.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Segment {
    /// The beginning.
    pub begin: u64,
    /// The end.
    pub end: u64,
    /// The place in [`Process::programs`], or `None` before the first of them.
    pub program: Option<usize>,
}

impl Segment {
    /// Returns the name of the program.
    pub fn name(self, process: &Process) -> &Text {
        let program = self.program.and_then(|place| process.programs.get(place));
        program.map_or(&process.comm, |program| &program.exec.comm)
    }
}

/// Returns segments that cover the process from its start to its end. One shorter than `least` is
/// a part of the next one, and if it is the last, of the one before.
pub fn segments(process: &Process, window: Window, least: u64) -> Vec<Segment> {
    let (begin, end) = window.clip(process);
    let mut beginnings = vec![(begin, None)];
    for (place, program) in process.programs.iter().enumerate() {
        let earliest = beginnings.last().map_or(begin, |&(time, _)| time);
        let time = program.exec.time.unwrap_or(begin);
        beginnings.push((time.clamp(earliest, end.max(earliest)), Some(place)));
    }
    let ends = beginnings.iter().skip(1).map(|&(time, _)| time);
    let ends: Vec<_> = ends.chain([end]).collect();
    let mut segments: Vec<Segment> = Vec::new();
    // Where the next one begins that is long enough.
    let mut from = begin;
    for (&(begin, program), &end) in beginnings.iter().zip(&ends) {
        if end - begin < least.max(1) {
            continue;
        }
        segments.push(Segment {
            begin: from,
            end,
            program,
        });
        from = end;
    }
    match segments.last_mut() {
        Some(last) => last.end = end,
        None => segments.push(Segment {
            begin,
            end,
            program: process.programs.len().checked_sub(1),
        }),
    }
    segments
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::timeline::fixture::recording;

    fn segments_of(execs: &[(u64, &str)], least: u64) -> Vec<(u64, u64, String)> {
        let mut recording = recording();
        recording.begin(7, 100, 1, "sh");
        for &(time, name) in execs {
            recording.exec(7, time, &[name]);
        }
        recording.exit_after(7, 200, 0, 0);
        let run = recording.run();
        let process = &run.processes()[0];
        segments(process, Window::of(&run), least)
            .into_iter()
            .map(|one| {
                (
                    one.begin,
                    one.end,
                    one.name(process).to_string_lossy().into(),
                )
            })
            .collect()
    }

    fn segment(begin: u64, end: u64, name: &str) -> (u64, u64, String) {
        (begin, end, name.to_owned())
    }

    #[test]
    fn each_program_has_its_time() {
        let expected = [
            segment(100, 110, "sh"),
            segment(110, 150, "env"),
            segment(150, 200, "make"),
        ];
        assert_eq!(segments_of(&[(110, "env"), (150, "make")], 0), expected);
        assert_eq!(segments_of(&[], 0), [segment(100, 200, "sh")]);
        assert_eq!(segments_of(&[(100, "a")], 0), [segment(100, 200, "a")]);
    }

    #[test]
    fn short_ones_belong_to_their_neighbours() {
        let execs = [(101, "env"), (102, "make"), (199, "true")];
        assert_eq!(segments_of(&execs, 5), [segment(100, 200, "make")]);
        assert_eq!(segments_of(&execs, 500), [segment(100, 200, "true")]);
    }

    #[test]
    fn times_that_cannot_be_stay_within_the_process() {
        let execs = [(500, "a"), (50, "b")];
        assert_eq!(segments_of(&execs, 0), [segment(100, 200, "sh")]);
    }
}
