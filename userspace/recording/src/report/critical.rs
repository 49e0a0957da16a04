// SPDX-License-Identifier: GPL-2.0-only

//! The critical path: the chain of processes that determined how long a run took.

use std::collections::BTreeMap;
use std::time::Duration;

use super::span::{Part, Span, life, overlaps, parts};
use crate::{Run, Selection, Text};

/// The critical path of a run.
///
/// The path is found from the end to the beginning. At a moment in a process, its child that ended
/// last before that is the one that it waited for: the time since then is the process's own, and
/// the path goes on in the child, from that end to its start, and then in the process at that
/// moment. The first moment is the end of the command or of the process that is recorded, or else
/// of the only process without a known parent, or else of the process that ended last.
///
/// A recording tells no reasons, so the path is a guess where a process works beside a child that
/// it does not wait for. Children that are alive at that moment are not on the path: those in the
/// background, and all but the last one of a pipeline, even if that one waited for them. A child
/// that ended while its parent waited for something else is, and so is a process that sleeps. A
/// descendant whose own parent has ended does not count as a child of another one.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CriticalPath {
    /// The steps, in order. Each begins where the one before it ends, unless the recording has a
    /// child that began after its parent had ended.
    pub steps: Vec<Step>,
    /// The time of each program on the path, the longest first.
    pub programs: Vec<(Text, Duration)>,
}

/// A time on the critical path that is a process's own.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Step {
    /// The place of the process in [`Run::processes`].
    pub process: usize,
    /// The time.
    pub span: Span,
}

impl CriticalPath {
    /// Returns the critical path of a run. It is empty if the run has no process that could be the
    /// last one.
    #[must_use]
    pub fn of(run: &Run) -> Self {
        let mut walk = Walk {
            run,
            steps: Vec::new(),
            programs: BTreeMap::new(),
        };
        if let Some(last) = last(run) {
            walk.back(last);
        }
        walk.steps.reverse();
        let programs = walk.programs.into_iter();
        let mut programs: Vec<_> = programs.map(|(name, time)| (name.clone(), time)).collect();
        programs.sort_by_key(|&(_, time)| std::cmp::Reverse(time));
        Self {
            steps: walk.steps,
            programs,
        }
    }

    /// Returns the time of the whole path.
    #[must_use]
    pub fn lasted(&self) -> Duration {
        self.steps.iter().map(|step| step.span.lasted()).sum()
    }
}

/// Returns the process with whose end the path begins.
pub(super) fn last(run: &Run) -> Option<usize> {
    let processes = || run.processes().iter().enumerate();
    if let Selection::Command { pid, .. } | Selection::Pid(pid) = run.header.selection
        && let Some((place, _)) = processes().find(|(_, process)| process.pid == pid)
    {
        return Some(place);
    }
    let mut roots = processes().filter(|(_, process)| process.parent.is_none());
    if let (Some((root, _)), None) = (roots.next(), roots.next()) {
        return Some(root);
    }
    processes()
        .filter(|(_, process)| process.exit.is_some())
        .max_by_key(|(_, process)| life(run, process).to)
        .map(|(place, _)| place)
}

/// The walk from the end to the beginning.
struct Walk<'a> {
    run: &'a Run,
    /// The steps so far, from the last one on.
    steps: Vec<Step>,
    programs: BTreeMap<&'a Text, Duration>,
}

/// A process on the path.
struct Frame<'a> {
    process: usize,
    life: Span,
    parts: Vec<Part<'a>>,
    /// The children that are still to come, with the one that ended last at the end.
    children: Vec<(usize, Span)>,
}

impl<'a> Walk<'a> {
    /// Goes back from the end of a process.
    fn back(&mut self, last: usize) {
        let mut frame = self.frame(last);
        let mut now = frame.life.to;
        // Those that wait for a child, with the parent of the present one at the end.
        let mut waiting = Vec::new();
        loop {
            if let Some((child, end)) = frame.child(now) {
                self.step(&frame, end, now);
                now = end;
                let child = self.frame(child);
                waiting.push(std::mem::replace(&mut frame, child));
                continue;
            }
            self.step(&frame, frame.life.from, now);
            now = now.min(frame.life.from);
            let parent = self.run.processes()[frame.process].parent;
            frame = match (waiting.pop(), parent) {
                (Some(parent), _) => parent,
                // The path has begun below a root.
                (None, Some(parent)) => self.frame(parent),
                (None, None) => return,
            };
            // A parent that ended before its child began has no part in the time between.
            now = now.min(frame.life.to);
        }
    }

    fn frame(&self, process: usize) -> Frame<'a> {
        let this = &self.run.processes()[process];
        let children = this.children.iter();
        let mut children: Vec<_> = children
            .map(|&child| (child, life(self.run, &self.run.processes()[child])))
            // A child without a time would be one that ended before it began.
            .filter(|(_, life)| !life.is_empty())
            .collect();
        children.sort_by_key(|(_, life)| life.to);
        Frame {
            process,
            life: life(self.run, this),
            parts: parts(self.run, this),
            children,
        }
    }

    /// Adds a time of a process to the path.
    fn step(&mut self, frame: &Frame<'a>, from: u64, to: u64) {
        if from >= to {
            return;
        }
        let span = Span { from, to };
        self.steps.push(Step {
            process: frame.process,
            span,
        });
        for (place, time) in overlaps(&frame.parts, |part| part.span, span) {
            *self.programs.entry(frame.parts[place].name).or_default() += time.lasted();
        }
    }
}

impl Frame<'_> {
    /// Takes the child that ended last before a moment, and after the start of this process.
    /// Children that were alive at that moment do not come back: the path goes to earlier times
    /// only.
    fn child(&mut self, now: u64) -> Option<(usize, u64)> {
        while let Some((child, life)) = self.children.pop() {
            if life.to <= self.life.from {
                return None;
            }
            if life.to <= now {
                return Some((child, life.to));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::Script;

    /// Returns the steps as PIDs and times.
    fn steps(run: &Run) -> Vec<(i32, u64, u64)> {
        let path = CriticalPath::of(run);
        let steps = path.steps.iter();
        steps
            .map(|step| {
                let pid = run.processes()[step.process].pid;
                (pid, step.span.from, step.span.to)
            })
            .collect()
    }

    #[test]
    fn children_in_sequence_are_all_on_the_path() {
        let run = Script::new(100)
            .fork(1, 100, 0)
            .fork(2, 110, 1)
            .exit(2, 120, 0)
            .fork(3, 125, 1)
            .exit(3, 150, 0)
            .exit(1, 160, 0)
            .run();
        let expected = [
            (1, 100, 110),
            (2, 110, 120),
            (1, 120, 125),
            (3, 125, 150),
            (1, 150, 160),
        ];
        assert_eq!(steps(&run), expected);
        assert_eq!(CriticalPath::of(&run).lasted(), Duration::from_nanos(60));
    }

    #[test]
    fn the_last_of_parallel_children_is_on_the_path() {
        // Two jobs at a time: the third begins when the first one has ended.
        let run = Script::new(100)
            .fork(1, 100, 0)
            .fork(2, 110, 1)
            .fork(3, 111, 1)
            .exit(2, 130, 0)
            .fork(4, 131, 1)
            .exit(3, 140, 0)
            .exit(4, 190, 0)
            .exit(1, 200, 0)
            .run();
        let expected = [
            (1, 100, 110),
            (2, 110, 130),
            (1, 130, 131),
            (4, 131, 190),
            (1, 190, 200),
        ];
        assert_eq!(steps(&run), expected);
    }

    #[test]
    fn the_path_goes_down_and_up() {
        let run = Script::new(100)
            .fork(1, 100, 0)
            .exec(1, 102, &["make"])
            .fork(2, 110, 1)
            .exec(2, 110, &["gcc"])
            .fork(3, 120, 2)
            .exec(3, 121, &["cc1"])
            .exit(3, 150, 0)
            .fork(4, 155, 2)
            .exec(4, 155, &["as"])
            .exit(4, 170, 0)
            .exit(2, 180, 0)
            .exit(1, 185, 0)
            .run();
        let expected = [
            (1, 100, 110),
            (2, 110, 120),
            (3, 120, 150),
            (2, 150, 155),
            (4, 155, 170),
            (2, 170, 180),
            (1, 180, 185),
        ];
        assert_eq!(steps(&run), expected);
        let programs: Vec<_> = CriticalPath::of(&run)
            .programs
            .into_iter()
            .map(|(name, time)| (name.to_string_lossy().into_owned(), time.as_nanos()))
            .collect();
        let program = |name: &str, time| (name.to_owned(), time);
        let expected = [
            program("cc1", 29),
            program("gcc", 25),
            program("as", 15),
            program("make", 13),
            program("fork", 3),
        ];
        assert_eq!(programs, expected);
    }

    #[test]
    fn a_child_that_outlives_its_parent_is_not_on_the_path() {
        let run = Script::new(100)
            .fork(1, 100, 0)
            .fork(2, 110, 1)
            .fork(3, 120, 1)
            .exit(3, 130, 0)
            .exit(1, 150, 0)
            .exit(2, 300, 0)
            .run();
        assert_eq!(steps(&run), [(1, 100, 120), (3, 120, 130), (1, 130, 150)]);
    }

    #[test]
    fn the_command_is_the_root() {
        let command = Selection::Command {
            args: vec![Text::from("make")],
            pid: 5,
        };
        // A process whose parent is not known, since events were lost, ended last.
        let run = Script::new(100)
            .selection(command)
            .fork(5, 100, 0)
            .fork(6, 120, 77)
            .exit(5, 150, 0)
            .exit(6, 160, 0)
            .run();
        assert_eq!(steps(&run), [(5, 100, 150)]);
    }

    #[test]
    fn of_several_roots_the_last_process_counts() {
        let run = Script::new(100)
            .older(1, 5, "fork")
            .older(2, 6, "fork")
            .fork(3, 110, 1)
            .exit(3, 120, 0)
            .fork(4, 130, 1)
            .fork(5, 140, 4)
            .exit(5, 190, 0)
            .fork(9, 195, 2)
            .run();
        let expected = [
            (1, 100, 110),
            (3, 110, 120),
            (1, 120, 130),
            (4, 130, 140),
            (5, 140, 190),
        ];
        assert_eq!(steps(&run), expected);
        let none = Script::new(0)
            .older(1, 0, "fork")
            .older(2, 0, "fork")
            .sample(9, 0, 0, 0)
            .run();
        assert_eq!(steps(&none), []);
    }

    #[test]
    fn processes_with_one_pid_are_two() {
        let run = Script::new(100)
            .fork(1, 100, 0)
            .fork(7, 110, 1)
            .exit(7, 120, 0)
            .fork(7, 130, 1)
            .exit(7, 140, 0)
            .exit(1, 150, 0)
            .run();
        let expected = [
            (1, 100, 110),
            (7, 110, 120),
            (1, 120, 130),
            (7, 130, 140),
            (1, 140, 150),
        ];
        assert_eq!(steps(&run), expected);
        let places: Vec<_> = CriticalPath::of(&run)
            .steps
            .iter()
            .map(|step| step.process)
            .collect();
        assert_eq!(places, [0, 1, 0, 2, 0]);
    }

    #[test]
    fn a_run_without_processes_has_no_path() {
        assert_eq!(
            CriticalPath::of(&Script::new(7).run()),
            CriticalPath::default()
        );
    }

    #[test]
    fn a_child_without_a_time_is_passed_over() {
        let run = Script::new(100)
            .fork(1, 100, 0)
            .fork(2, 150, 1)
            .exit(2, 150, 0)
            .exit(1, 200, 0)
            .run();
        assert_eq!(steps(&run), [(1, 100, 200)]);
    }
}
