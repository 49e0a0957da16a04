// SPDX-License-Identifier: GPL-2.0-only

//! Spans of time of processes and their programs.

use std::time::Duration;

use crate::{Process, Run, Text};

/// A part of the time of a recording, in nanoseconds since boot. It never ends before it begins.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Span {
    /// The beginning.
    pub from: u64,
    /// The end.
    pub to: u64,
}

impl Span {
    /// Returns the part of a time that is within this one.
    pub(super) fn clip(self, from: u64, to: u64) -> Self {
        let from = from.clamp(self.from, self.to);
        let to = to.clamp(from, self.to);
        Self { from, to }
    }

    /// Returns the length in nanoseconds.
    pub(super) fn length(self) -> u64 {
        self.to - self.from
    }

    pub(super) fn is_empty(self) -> bool {
        self.from == self.to
    }

    /// Returns the length.
    #[must_use]
    pub fn lasted(self) -> Duration {
        Duration::from_nanos(self.length())
    }
}

/// Returns the time of a recording.
pub(super) fn whole(run: &Run) -> Span {
    Span {
        from: run.header.time,
        to: run.last.max(run.header.time),
    }
}

/// Returns the time of a process within the recording.
pub(super) fn life(run: &Run, process: &Process) -> Span {
    whole(run).clip(process.start, process.end)
}

/// The time of a process with one program.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Part<'a> {
    pub name: &'a Text,
    pub span: Span,
    /// Whether this is a program that was executed, or the only part: not the time between the fork
    /// and the first program, which is short, and has the name of the parent.
    pub is_run: bool,
}

/// Returns the parts of the time of a process, without gaps, in order.
pub(super) fn parts<'a>(run: &Run, process: &'a Process) -> Vec<Part<'a>> {
    let life = life(run, process);
    let mut parts = vec![Part {
        name: &process.comm,
        span: life,
        is_run: process.programs.is_empty(),
    }];
    for program in &process.programs {
        let exec = &program.exec;
        let from = exec.time.unwrap_or(life.from);
        let rest = parts.last().map_or(life, |part| part.span);
        let rest = rest.clip(from, life.to);
        if let Some(before) = parts.last_mut() {
            before.span.to = rest.from;
        }
        parts.push(Part {
            name: &exec.comm,
            span: rest,
            is_run: true,
        });
    }
    parts
}

/// Returns the times of a process within the recording at which none of its children is alive, in
/// order.
pub(super) fn own(run: &Run, process: &Process) -> Vec<Span> {
    let life = life(run, process);
    let mut own = Vec::new();
    let mut from = life.from;
    for &child in &process.children {
        let child = &run.processes()[child];
        let child = life.clip(child.start, child.end);
        if child.from > from {
            own.push(Span {
                from,
                to: child.from,
            });
        }
        from = from.max(child.to);
    }
    if from < life.to {
        own.push(Span { from, to: life.to });
    }
    own
}

/// Returns the parts of a time in spans that are in order and disjoint, with the place of each.
pub(super) fn overlaps<T>(
    spans: &[T],
    of: impl Fn(&T) -> Span,
    time: Span,
) -> impl Iterator<Item = (usize, Span)> {
    let first = spans.partition_point(|span| of(span).to <= time.from);
    spans[first..]
        .iter()
        .enumerate()
        .map(move |(place, span)| (first + place, of(span)))
        .take_while(move |(_, span)| span.from < time.to)
        .map(move |(place, span)| (place, time.clip(span.from, span.to)))
        .filter(|(_, span)| !span.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::Script;

    fn spans(pairs: &[(u64, u64)]) -> Vec<Span> {
        pairs.iter().map(|&(from, to)| Span { from, to }).collect()
    }

    #[test]
    fn own_time_is_without_children() {
        let run = Script::new(100)
            .fork(1, 100, 0)
            .fork(2, 110, 1)
            .fork(3, 115, 1)
            .exit(3, 118, 0)
            .exit(2, 120, 0)
            .fork(4, 130, 1)
            .exit(1, 150, 0)
            .exit(4, 160, 0)
            .run();
        let own = |place: usize| own(&run, &run.processes()[place]);
        assert_eq!(own(0), spans(&[(100, 110), (120, 130)]));
        assert_eq!(own(1), spans(&[(110, 120)]));
        assert_eq!(own(3), spans(&[(130, 160)]));
    }

    #[test]
    fn parts_have_no_gaps() {
        let run = Script::new(100)
            .older(1, 10, "fork")
            .older_exec(1, &["init"])
            .fork(2, 110, 1)
            .exec(2, 115, &["sh"])
            .exec(2, 130, &["make"])
            // A time out of order.
            .exec(2, 120, &["cc"])
            .exit(2, 150, 0)
            .run();
        let parts = |place: usize| -> Vec<_> {
            parts(&run, &run.processes()[place])
                .into_iter()
                .map(|part| {
                    let name = part.name.to_string_lossy().into_owned();
                    (name, part.span.from, part.span.to, part.is_run)
                })
                .collect()
        };
        let part = |name: &str, from, to, is_run| (name.to_owned(), from, to, is_run);
        let older = [part("fork", 100, 100, false), part("init", 100, 150, true)];
        assert_eq!(parts(0), older);
        let child = [
            part("fork", 110, 115, false),
            part("sh", 115, 130, true),
            part("make", 130, 130, true),
            part("cc", 130, 150, true),
        ];
        assert_eq!(parts(1), child);
    }

    #[test]
    fn overlaps_are_clipped() {
        let all = spans(&[(0, 10), (10, 10), (20, 30), (40, 50)]);
        let of = |from, to| -> Vec<_> {
            overlaps(&all, |span| *span, Span { from, to })
                .map(|(place, span)| (place, span.from, span.to))
                .collect()
        };
        assert_eq!(of(5, 45), [(0, 5, 10), (2, 20, 30), (3, 40, 45)]);
        assert_eq!(of(10, 20), []);
        assert_eq!(of(25, 25), []);
        assert_eq!(of(50, 99), []);
    }
}
