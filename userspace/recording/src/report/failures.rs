// SPDX-License-Identifier: GPL-2.0-only

//! Processes that failed.

use crate::{Process, Run};

/// Programs that answer a question, with status 1 for "no".
const QUESTIONS: [&str; 12] = [
    "[", "cmp", "diff", "egrep", "expr", "fgrep", "grep", "pgrep", "rg", "test", "which", "zgrep",
];

/// The bits of a status that have the signal.
const SIGNAL: i32 = 0x7f;

const SIGPIPE: i32 = 13;

/// The status of the answer "no".
const NO: i32 = 1 << 8;

/// A process that ended with another status than 0, or by a signal.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Failure {
    /// Its place in [`Run::processes`].
    pub process: usize,
    /// The status, as wait(2) has it.
    pub status: i32,
    /// A guess of its importance.
    pub kind: FailureKind,
}

/// A guess of the importance of a failure, the most important ones first.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum FailureKind {
    /// A signal ended the process, other than one since its reader was gone.
    Signal,
    /// None of its children failed before.
    Origin,
    /// A child failed before, whose failure it may have passed on.
    PassedOn,
    /// Programs end so in good order: a test whose answer is "no", or a writer to a pipe whose
    /// reader has seen enough.
    Ordinary,
}

impl FailureKind {
    /// Returns the name in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Signal => "signal",
            Self::Origin => "origin",
            Self::PassedOn => "passed-on",
            Self::Ordinary => "ordinary",
        }
    }
}

impl Failure {
    /// Returns the failures of a run, in the order of the ends.
    #[must_use]
    pub fn all(run: &Run) -> Vec<Self> {
        let mut failures: Vec<_> = (0..run.processes().len())
            .filter_map(|process| Self::of(run, process))
            .collect();
        failures.sort_by_key(|failure| run.processes()[failure.process].end);
        failures
    }

    fn of(run: &Run, place: usize) -> Option<Self> {
        let process = &run.processes()[place];
        let status = failed_status(process)?;
        let has_failed_child = || {
            process.children.iter().any(|&child| {
                let child = &run.processes()[child];
                let status = failed_status(child);
                let is_failure = status.is_some_and(|status| !is_ordinary(child, status));
                is_failure && child.end <= process.end
            })
        };
        let kind = if is_ordinary(process, status) {
            FailureKind::Ordinary
        } else if status & SIGNAL != 0 {
            FailureKind::Signal
        } else if has_failed_child() {
            FailureKind::PassedOn
        } else {
            FailureKind::Origin
        };
        Some(Self {
            process: place,
            status,
            kind,
        })
    }
}

/// Returns the status of a process that failed.
fn failed_status(process: &Process) -> Option<i32> {
    let status = process.exit.as_ref()?.status?;
    (status != 0).then_some(status)
}

fn is_ordinary(process: &Process, status: i32) -> bool {
    let name = process.name().as_bytes();
    let is_question = QUESTIONS.iter().any(|question| question.as_bytes() == name);
    status & SIGNAL == SIGPIPE || status == NO && is_question
}

/// Returns the places of the processes above one, the nearest first.
pub fn ancestors(run: &Run, process: usize) -> impl Iterator<Item = usize> {
    let parent = |process: &usize| run.processes()[*process].parent;
    std::iter::successors(parent(&process), move |process| parent(process))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::Script;

    const fn code(code: i32) -> i32 {
        code << 8
    }

    #[test]
    fn failures_have_kinds_and_are_in_the_order_of_time() {
        let run = Script::new(100)
            .fork(1, 100, 0)
            .exec(1, 100, &["make"])
            .fork(2, 110, 1)
            .exec(2, 110, &["sh", "-e"])
            .fork(3, 111, 2)
            .exec(3, 111, &["grep", "x"])
            .exit(3, 112, code(1))
            .fork(4, 113, 2)
            .exec(4, 113, &["yes"])
            .exit(4, 114, SIGPIPE)
            .exit(2, 120, code(1))
            .fork(5, 130, 1)
            .exec(5, 130, &["cc"])
            .exit(5, 140, 0x8b)
            .fork(6, 131, 1)
            .exec(6, 131, &["grep", "y", "/none"])
            .exit(6, 132, code(2))
            .fork(7, 140, 1)
            .exit(7, 141, 0)
            .fork(8, 141, 1)
            .exit(1, 150, code(2))
            .exit(8, 160, code(9))
            .run();
        let failures: Vec<_> = Failure::all(&run)
            .iter()
            .map(|failure| {
                let pid = run.processes()[failure.process].pid;
                (pid, failure.status, failure.kind)
            })
            .collect();
        let expected = [
            (3, code(1), FailureKind::Ordinary),
            (4, SIGPIPE, FailureKind::Ordinary),
            (2, code(1), FailureKind::Origin),
            (6, code(2), FailureKind::Origin),
            (5, 0x8b, FailureKind::Signal),
            (1, code(2), FailureKind::PassedOn),
            (8, code(9), FailureKind::Origin),
        ];
        assert_eq!(failures, expected);
    }

    #[test]
    fn ancestors_go_up_to_the_root() {
        let run = Script::new(0)
            .fork(1, 0, 0)
            .fork(2, 1, 1)
            .fork(3, 2, 2)
            .run();
        assert_eq!(ancestors(&run, 2).collect::<Vec<_>>(), [1, 0]);
        assert_eq!(ancestors(&run, 0).count(), 0);
    }
}
