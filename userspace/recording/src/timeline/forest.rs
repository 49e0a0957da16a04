// SPDX-License-Identifier: GPL-2.0-only

//! The processes below their parents, to a bounded depth.

use crate::Run;

/// The most generations. A later one is placed beside the last, as a chain of processes may be as
/// long as the recording has processes.
pub const DEPTH: usize = 64;

/// The parents and children of processes, by their places in [`Run::processes`].
pub struct Forest {
    /// The parent of each.
    pub parents: Vec<Option<usize>>,
    /// The children of each, in the order of their starts.
    pub children: Vec<Vec<usize>>,
    /// Those without a parent.
    pub roots: Vec<usize>,
    /// All, with each behind its parent.
    pub order: Vec<usize>,
}

impl Forest {
    /// Finds the parents.
    pub fn new(run: &Run) -> Self {
        let processes = run.processes();
        let places = 0..processes.len();
        let roots: Vec<_> = places
            .filter(|&place| processes[place].parent.is_none())
            .collect();
        let mut parents = vec![None; processes.len()];
        let mut order = Vec::with_capacity(processes.len());
        // A stack of its own, as a chain may be longer than that of the thread.
        let mut stack: Vec<_> = roots.iter().rev().map(|&root| (root, 1)).collect();
        while let Some((place, depth)) = stack.pop() {
            order.push(place);
            let (parent, depth) = if depth < DEPTH {
                (Some(place), depth + 1)
            } else {
                (parents[place], depth)
            };
            for &child in processes[place].children.iter().rev() {
                parents[child] = parent;
                stack.push((child, depth));
            }
        }
        let mut children = vec![Vec::new(); processes.len()];
        for (place, parent) in parents.iter().enumerate() {
            if let Some(parent) = *parent {
                children[parent].push(place);
            }
        }
        Self {
            parents,
            children,
            roots,
            order,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::timeline::fixture::recording;

    #[test]
    fn a_long_chain_ends_beside_its_last_generation() {
        let mut recording = recording();
        for pid in 1..=100 {
            recording.process(pid, pid as u64, pid - 1, "sh", 1000);
        }
        let forest = Forest::new(&recording.run());
        assert_eq!(forest.roots, [0]);
        for place in 1..DEPTH {
            assert_eq!(forest.parents[place], Some(place - 1));
        }
        assert!(
            forest.parents[DEPTH..]
                .iter()
                .all(|parent| *parent == Some(DEPTH - 2))
        );
        let last: Vec<_> = (DEPTH - 1..100).collect();
        assert_eq!(forest.children[DEPTH - 2], last);
        assert_eq!(forest.order.len(), 100);
    }
}
