// SPDX-License-Identifier: GPL-2.0-only

//! The differences between two runs.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::hash::Hash;

use super::programs::{processes, programs};
use super::usage::{Measure, Usage};
use crate::{Run, Text};

/// The differences between two runs.
///
/// Programs are matched by their names. Processes are matched by their command lines and
/// directories, the n-th one in the order of starts with the n-th one of the other run; those that
/// are left by their command lines alone if the directory of one of the two is not known. Command
/// lines with a part that is another one in each run, as the name of a temporary file, do not
/// match.
#[derive(Clone, Debug, PartialEq)]
pub struct Diff {
    /// The programs of both runs, in the order of the names.
    pub programs: Vec<(Text, Change)>,
    /// The processes of both runs: those of the new one in the order of their starts, and then
    /// those that only the old one has.
    pub processes: Vec<(Pair, Change)>,
}

/// The places of a process in [`Run::processes`] of the two runs. One of them may be absent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Pair {
    /// The place in the old run.
    pub old: Option<usize>,
    /// The place in the new run.
    pub new: Option<usize>,
}

/// The use in both runs. One of them may be absent.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Change {
    /// The use in the old run.
    pub old: Option<Usage>,
    /// The use in the new run.
    pub new: Option<Usage>,
}

/// A kind of change.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ChangeKind {
    /// A measure has grown.
    Grown,
    /// A measure has shrunk.
    Shrunk,
    /// The old run does not have it.
    New,
    /// The new run does not have it.
    Gone,
    /// A measure is the same.
    Same,
}

impl ChangeKind {
    /// Returns the name in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Grown => "grown",
            Self::Shrunk => "shrunk",
            Self::New => "new",
            Self::Gone => "gone",
            Self::Same => "same",
        }
    }
}

impl Change {
    /// Returns the kind, by a measure.
    #[must_use]
    pub fn kind(&self, measure: Measure) -> ChangeKind {
        match (&self.old, &self.new) {
            (None, _) => ChangeKind::New,
            (_, None) => ChangeKind::Gone,
            _ => match self.growth(measure) {
                1.. => ChangeKind::Grown,
                0 => ChangeKind::Same,
                _ => ChangeKind::Shrunk,
            },
        }
    }

    /// Returns how much a measure has grown.
    #[must_use]
    pub fn growth(&self, measure: Measure) -> i128 {
        let of = |usage: &Option<Usage>| {
            let measure = usage.as_ref().map_or(0, |usage| measure.of(usage));
            i128::try_from(measure).unwrap_or(i128::MAX)
        };
        of(&self.new).saturating_sub(of(&self.old))
    }
}

impl Diff {
    /// Compares two runs.
    #[must_use]
    pub fn between(old: &Run, new: &Run) -> Self {
        Self {
            programs: changed_programs(old, new),
            processes: changed_processes(old, new),
        }
    }
}

fn changed_programs(old: &Run, new: &Run) -> Vec<(Text, Change)> {
    let mut changes: BTreeMap<Text, Change> = BTreeMap::new();
    for (name, usage) in programs(old) {
        changes.entry(name).or_default().old = Some(usage);
    }
    for (name, usage) in programs(new) {
        changes.entry(name).or_default().new = Some(usage);
    }
    changes.into_iter().collect()
}

fn changed_processes(old: &Run, new: &Run) -> Vec<(Pair, Change)> {
    let mut matches = Matches {
        old: vec![true; old.processes().len()],
        new: vec![None; new.processes().len()],
    };
    matches.pair(
        |place| Some((command(old, place), directory(old, place))),
        |place| Some((command(new, place), directory(new, place))),
    );
    // A directory that is not known goes with any.
    for is_known in [true, false] {
        matches.pair(
            |place| (directory(old, place).is_some() == is_known).then(|| command(old, place)),
            |place| (directory(new, place).is_some() != is_known).then(|| command(new, place)),
        );
    }
    let (old_uses, new_uses) = (processes(old), processes(new));
    let of_new = new_uses.into_iter().map(|(place, usage)| {
        let old = matches.new[place];
        let pair = Pair {
            old,
            new: Some(place),
        };
        let change = Change {
            old: old.map(|place| old_uses[place].1.clone()),
            new: Some(usage),
        };
        (pair, change)
    });
    let of_old = old_uses.iter().filter(|&&(place, _)| matches.old[place]);
    let of_old = of_old.map(|(place, usage)| {
        let pair = Pair {
            old: Some(*place),
            new: None,
        };
        let change = Change {
            old: Some(usage.clone()),
            new: None,
        };
        (pair, change)
    });
    of_new.chain(of_old).collect()
}

/// The processes that match so far.
struct Matches {
    /// Whether each of the old ones is left.
    old: Vec<bool>,
    /// The old one of each of the new ones.
    new: Vec<Option<usize>>,
}

impl Matches {
    /// Matches those that are left and have equal keys.
    fn pair<K: Eq + Hash>(
        &mut self,
        old_key: impl Fn(usize) -> Option<K>,
        new_key: impl Fn(usize) -> Option<K>,
    ) {
        let mut left: HashMap<K, VecDeque<usize>> = HashMap::new();
        for place in (0..self.old.len()).filter(|&place| self.old[place]) {
            if let Some(key) = old_key(place) {
                left.entry(key).or_default().push_back(place);
            }
        }
        for place in 0..self.new.len() {
            if self.new[place].is_some() {
                continue;
            }
            let queue = new_key(place).and_then(|key| left.get_mut(&key));
            if let Some(old) = queue.and_then(VecDeque::pop_front) {
                self.new[place] = Some(old);
                self.old[old] = false;
            }
        }
    }
}

fn command(run: &Run, place: usize) -> Vec<&Text> {
    run.processes()[place].command_line()
}

fn directory(run: &Run, place: usize) -> Option<&Text> {
    run.processes()[place].program()?.directory.as_ref()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::{Script, executed};
    use crate::{Exec, Line};

    /// Returns a run of processes, each with its start, end, command line and directory.
    fn run(processes: &[(u64, u64, &[&str], Option<&str>)]) -> Run {
        let mut script = Script::new(0);
        for (pid, &(start, end, args, directory)) in (1..).zip(processes) {
            script
                .fork(pid, start, 0)
                .line(Line::Exec(Exec {
                    directory: directory.map(Text::from),
                    ..executed(pid, start, start, args)
                }))
                .exit(pid, end, 0);
        }
        script.run()
    }

    fn pairs(old: &Run, new: &Run) -> Vec<(Option<usize>, Option<usize>)> {
        let diff = Diff::between(old, new);
        let pairs = diff.processes.iter();
        pairs.map(|(pair, _)| (pair.old, pair.new)).collect()
    }

    #[test]
    fn programs_are_matched_by_name() {
        let old = run(&[
            (0, 10, &["cc", "a.c"], None),
            (10, 20, &["cc", "b.c"], None),
            (20, 30, &["ar"], None),
        ]);
        let new = run(&[(0, 50, &["cc", "a.c"], None), (50, 60, &["ld"], None)]);
        let diff = Diff::between(&old, &new);
        let growth = |measure: Measure| -> Vec<_> {
            let programs = diff.programs.iter();
            programs
                .map(|(name, change)| (name.to_string_lossy(), change.growth(measure)))
                .collect()
        };
        let of = |values: [i128; 3]| -> Vec<_> {
            ["ar", "cc", "ld"]
                .map(Into::into)
                .into_iter()
                .zip(values)
                .collect()
        };
        assert_eq!(growth(Measure::Time), of([-10, 30, 10]));
        assert_eq!(growth(Measure::Count), of([-1, -1, 1]));
        assert_eq!(growth(Measure::Cpu), of([-3000, -2000, 2000]));
        let kinds: Vec<_> = diff
            .programs
            .iter()
            .map(|(_, change)| (change.kind(Measure::Time), change.kind(Measure::Failures)))
            .collect();
        let expected = [
            (ChangeKind::Gone, ChangeKind::Gone),
            (ChangeKind::Grown, ChangeKind::Same),
            (ChangeKind::New, ChangeKind::New),
        ];
        assert_eq!(kinds, expected);
        assert_eq!(diff.programs[1].1.kind(Measure::Count), ChangeKind::Shrunk);
    }

    #[test]
    fn equal_command_lines_match_in_turn() {
        let cc: &[&str] = &["cc", "a.c"];
        let old = run(&[
            (0, 1, cc, Some("/a")),
            (1, 2, cc, Some("/b")),
            (2, 3, cc, Some("/a")),
            (3, 4, &["ld"], Some("/a")),
        ]);
        let new = run(&[
            (0, 1, cc, Some("/b")),
            (1, 2, cc, Some("/a")),
            (2, 3, cc, Some("/a")),
            (3, 4, cc, Some("/a")),
        ]);
        let expected = [
            (Some(1), Some(0)),
            (Some(0), Some(1)),
            (Some(2), Some(2)),
            (None, Some(3)),
            (Some(3), None),
        ];
        assert_eq!(pairs(&old, &new), expected);
    }

    #[test]
    fn an_unknown_directory_matches_any() {
        let cc: &[&str] = &["cc", "a.c"];
        let old = run(&[(0, 1, cc, Some("/a")), (1, 2, cc, None)]);
        let new = run(&[(0, 1, cc, None), (1, 2, cc, None), (2, 3, cc, Some("/c"))]);
        let expected = [(Some(1), Some(0)), (Some(0), Some(1)), (None, Some(2))];
        assert_eq!(pairs(&old, &new), expected);
        let known = run(&[(2, 3, cc, Some("/c"))]);
        assert_eq!(pairs(&known, &new)[0], (None, Some(0)));
        assert_eq!(pairs(&known, &new)[2], (Some(0), Some(2)));
        assert_eq!(pairs(&old, &known), [(Some(1), Some(0)), (Some(0), None)]);
    }

    #[test]
    fn a_run_differs_from_itself_in_nothing() {
        let run = run(&[(0, 9, &["a"], None), (3, 5, &["b"], Some("/"))]);
        let diff = Diff::between(&run, &run);
        assert!(diff.processes.iter().all(|(pair, _)| pair.old == pair.new));
        for change in diff.programs.iter().map(|(_, change)| change) {
            assert_eq!(change.growth(Measure::Time), 0);
        }
    }
}
