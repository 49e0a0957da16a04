// SPDX-License-Identifier: GPL-2.0-only

//! Folding of the tree.

use super::rows::Line;
use super::state::App;
use super::usage::{Identity, Process};
use crate::table::identity::identity;
use crate::table::row::Row;

impl App {
    /// Shows single processes as a tree, or as a list.
    pub(super) fn toggle_tree(&mut self) {
        self.is_tree = self.group_by.take().is_some() || !self.is_tree;
        self.arrange();
    }

    pub(super) fn is_folded(&self, row: &Row) -> bool {
        identity(row.record).is_some_and(|identity| self.folded.contains(&identity))
    }

    /// Hides what is below the selected process, or shows it again.
    pub(super) fn fold(&mut self, is_folded: bool) {
        if self.refuse_fold() {
            return;
        }
        let Some(identity) = self.selected_process().and_then(Process::identity) else {
            return;
        };
        let is_changed = if is_folded {
            self.parents(0).any(|parent| parent == identity) && self.folded.insert(identity)
        } else {
            self.folded.remove(&identity)
        };
        if is_changed {
            self.arrange();
        } else {
            let done = if is_folded {
                "is shown below"
            } else {
                "is hidden below"
            };
            self.message = Some(format!("nothing {done} the process"));
        }
    }

    /// Shows all processes, or if none are hidden, hides all but those at the top and below them.
    pub(super) fn fold_all(&mut self) {
        if self.refuse_fold() {
            return;
        }
        if self.folded.is_empty() {
            self.folded = self.parents(1).collect();
            self.select_first();
        } else {
            self.folded.clear();
        }
        self.arrange();
    }

    /// Refuses to fold a list. Returns whether it does.
    fn refuse_fold(&mut self) -> bool {
        let is_tree = self.is_tree && self.group_by.is_none();
        if !is_tree {
            self.message = Some("F5 shows a tree, which can be folded".to_owned());
        }
        !is_tree
    }

    /// Returns the identities of the processes with others below them, from a depth on.
    fn parents(&self, depth: usize) -> impl Iterator<Item = Identity> {
        self.lines.iter().filter_map(move |line| match line {
            Line::Process { branch, .. } if branch.has_children && branch.depth >= depth => {
                self.process(line)?.identity()
            }
            _ => None,
        })
    }
}
