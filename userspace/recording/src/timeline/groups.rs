// SPDX-License-Identifier: GPL-2.0-only

//! Groups of processes that a picture shows as one bar.

use std::collections::HashMap;

use super::forest::Forest;
use super::layout::Window;
use crate::{Run, Text};

/// The factor by which a group may be longer than what counts as short. So its bar has its name and
/// number, and there are enough bars to see how the work changes.
const LONGEST: u64 = 16;

/// The rule of what is merged.
#[derive(Clone, Copy)]
pub struct Merging {
    /// The time below which a process is short. Only short siblings are merged. One of a group
    /// starts no later than this after another has ended, and [`LONGEST`] times this after the
    /// first has started.
    pub threshold: u64,
    /// Whether they have to have the same name.
    pub by_name: bool,
}

/// Siblings that are shown as one. The children of all of them are siblings, too.
pub struct Group {
    /// Their places in [`Run::processes`], at least one.
    pub members: Vec<usize>,
    /// The group of their parents, which stands before this one.
    pub parent: Option<usize>,
    /// The first start.
    pub begin: u64,
    /// The last end.
    pub end: u64,
}

/// Returns groups that have each process once.
pub fn groups(run: &Run, forest: &Forest, window: Window, merging: Merging) -> Vec<Group> {
    let mut groups = split(run, window, merging, &forest.roots, (&[], None));
    let mut next = 0;
    while next < groups.len() {
        let members = groups[next].members.iter();
        let mut children: Vec<_> = members
            .flat_map(|&member| &forest.children[member])
            .copied()
            .collect();
        children.sort_unstable();
        let below = (groups.as_slice(), Some(next));
        groups.extend(split(run, window, merging, &children, below));
        next += 1;
    }
    groups
}

/// Splits siblings, in the order of their starts, into groups. That of the parent is one of `done`.
fn split(
    run: &Run,
    window: Window,
    merging: Merging,
    siblings: &[usize],
    (done, parent): (&[Group], Option<usize>),
) -> Vec<Group> {
    let longest = match parent.map(|parent| done[parent].members.len()) {
        None | Some(1) => merging.threshold.saturating_mul(LONGEST),
        Some(_) => u64::MAX,
    };
    let mut groups: Vec<Group> = Vec::new();
    // The group of each name that the next short process may belong to.
    let mut latest: HashMap<Option<&Text>, usize> = HashMap::new();
    for &place in siblings {
        let process = &run.processes()[place];
        let (begin, end) = window.clip(process);
        let is_short = end - begin < merging.threshold;
        let name = merging.by_name.then(|| process.name());
        if is_short && let Some(&latest) = latest.get(&name) {
            let group = &mut groups[latest];
            if begin <= group.end.saturating_add(merging.threshold) && begin - group.begin < longest
            {
                group.members.push(place);
                group.end = group.end.max(end);
                continue;
            }
        }
        if is_short {
            latest.insert(name, groups.len());
        }
        groups.push(Group {
            members: vec![place],
            parent,
            begin,
            end,
        });
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::Script;
    use crate::timeline::fixture::recording;

    fn grouped(recording: Script, threshold: u64, by_name: bool) -> Vec<Vec<i32>> {
        let run = recording.run();
        let merging = Merging { threshold, by_name };
        let groups = groups(&run, &Forest::new(&run), Window::of(&run), merging);
        let pids = |group: &Group| -> Vec<_> {
            let members = group.members.iter();
            members.map(|&place| run.processes()[place].pid).collect()
        };
        groups.iter().map(pids).collect()
    }

    fn siblings() -> Script {
        let mut recording = recording();
        recording.process(1, 0, 0, "make", 1000);
        recording.process(2, 10, 1, "cc", 15);
        recording.process(3, 11, 1, "as", 14);
        recording.process(4, 12, 1, "cc", 18);
        recording.process(5, 20, 1, "cc", 500);
        recording.process(6, 21, 1, "cc", 28);
        recording.process(7, 300, 1, "cc", 305);
        recording.process(8, 13, 4, "ld", 14);
        recording.process(9, 22, 6, "ld", 25);
        recording
    }

    #[test]
    fn short_siblings_of_a_name_that_follow_each_other_are_merged() {
        let groups = grouped(siblings(), 20, true);
        let expected = [
            &[1][..], // the parent
            &[2, 4, 6],
            &[3],
            &[5], // long
            &[7], // much later
            &[8, 9],
        ];
        assert_eq!(groups, expected);
    }

    #[test]
    fn groups_are_not_long() {
        let mut recording = recording();
        for pid in 1..=100 {
            let start = 100 + 10 * pid as u64;
            recording.process(pid, start, 0, "cc", start + 9);
        }
        let groups = grouped(recording, 20, true);
        let counts: Vec<_> = groups.iter().map(Vec::len).collect();
        assert_eq!(counts, [32, 32, 32, 4]);
    }

    #[test]
    fn nothing_is_short_without_a_threshold() {
        assert_eq!(grouped(siblings(), 0, true).len(), 9);
    }

    #[test]
    fn names_may_be_ignored() {
        let groups = grouped(siblings(), 2000, false);
        assert_eq!(groups, [&[1][..], &[2, 3, 4, 5, 6, 7], &[8, 9]]);
    }
}
