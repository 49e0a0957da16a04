// SPDX-License-Identifier: GPL-2.0-only

//! Tags, and the process that the selection follows.

use std::collections::{HashMap, HashSet};

use super::rows::Line;
use super::state::App;
use super::usage::Process;

impl App {
    pub fn is_tagged(&self, process: &Process) -> bool {
        let identity = process.identity();
        identity.is_some_and(|identity| self.tagged.contains(&identity))
    }

    /// Returns whether the process in a row is tagged, or all of those in the group.
    pub fn is_line_tagged(&self, line: &Line) -> bool {
        let mut processes = line
            .pids()
            .iter()
            .filter_map(|&pid| self.processes.get(pid));
        !self.tagged.is_empty() && processes.all(|process| self.is_tagged(process))
    }

    pub fn tags(&self) -> usize {
        self.tagged.len()
    }

    /// Tags the selected process, or those of the selected group, or untags them if all are tagged.
    /// Selects the next row.
    pub(super) fn tag(&mut self) {
        let selected = self.selected_processes();
        let selected: HashSet<_> = selected.filter_map(Process::identity).collect();
        if selected.is_empty() {
            return;
        }
        if selected.is_subset(&self.tagged) {
            self.tagged.retain(|identity| !selected.contains(identity));
        } else {
            self.tagged.extend(selected);
        }
        self.move_by(1);
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
        let Some(process) = self.selected_process() else {
            if self.group_by.is_some() {
                let message = "a group is not followed: Enter shows its processes";
                self.message = Some(message.to_owned());
            }
            return;
        };
        self.followed = self.target(process);
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

    /// Tags the selected process, or those of the selected group, and all of their descendants.
    pub(super) fn tag_family(&mut self) {
        let mut children: HashMap<i32, Vec<i32>> = HashMap::new();
        for record in self.processes.iter().map(|process| &process.record) {
            let siblings = children.entry(record.ppid()).or_default();
            siblings.push(record.tgid());
        }
        let mut family = HashSet::new();
        let selected = self.selected_processes();
        let mut stack: Vec<_> = selected.map(|process| process.record.tgid()).collect();
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
