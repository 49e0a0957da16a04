// SPDX-License-Identifier: GPL-2.0

//! Tags, and the process that the selection follows.

use std::collections::{HashMap, HashSet};

use super::state::App;
use super::usage::Process;

impl App {
    pub fn is_tagged(&self, process: &Process) -> bool {
        let identity = process.identity();
        identity.is_some_and(|identity| self.tagged.contains(&identity))
    }

    pub fn tags(&self) -> usize {
        self.tagged.len()
    }

    /// Tags the selected process, or untags it, and selects the next one.
    pub(super) fn tag(&mut self) {
        if let Some(identity) = self.selected_process().and_then(Process::identity) {
            if !self.tagged.remove(&identity) {
                self.tagged.insert(identity);
            }
            self.move_by(1);
        }
    }

    pub(super) fn untag(&mut self) {
        self.tagged.clear();
    }

    /// Follows the selected process, or no longer.
    pub(super) fn toggle_follow(&mut self) {
        if self.followed.take().is_some() {
            self.message = Some("the selection follows no process".to_owned());
            return;
        }
        let process = self.selected_process();
        self.followed = process.and_then(|process| self.target(process));
        self.message = self.followed.as_ref().map(|target| {
            let label = &target.label;
            format!("the selection follows {label} until it is moved")
        });
        if self.followed.is_some() {
            self.is_placed = true;
            self.placed.clone_from(&self.followed);
        }
    }

    /// Ends following a process that has no row any more.
    pub(super) fn end_lost_follow(&mut self) {
        let Some(target) = &self.followed else {
            return;
        };
        let Some(reason) = self.absence(target) else {
            return;
        };
        self.message = Some(format!("{} {reason}", target.label));
        self.followed = None;
    }

    /// Tags the selected process and all of its descendants.
    pub(super) fn tag_family(&mut self) {
        let Some(selected) = self.selected_process() else {
            return;
        };
        let mut children: HashMap<i32, Vec<i32>> = HashMap::new();
        for record in self.processes.iter().map(|process| &process.record) {
            let siblings = children.entry(record.ppid()).or_default();
            siblings.push(record.tgid());
        }
        let mut family = HashSet::new();
        let mut stack = vec![selected.record.tgid()];
        while let Some(member) = stack.pop() {
            if family.insert(member) {
                stack.extend(children.remove(&member).unwrap_or_default());
            }
        }
        let members = self.processes.iter();
        let members = members.filter(|process| family.contains(&process.record.tgid()));
        let members: Vec<_> = members.filter_map(Process::identity).collect();
        self.tagged.extend(members);
    }
}
