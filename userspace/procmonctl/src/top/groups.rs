// SPDX-License-Identifier: GPL-2.0-only

//! Groups of processes in place of single ones.

use super::rows::Id;
use super::state::App;
use crate::table::group::GroupBy;

impl App {
    /// Groups processes by the next thing, or shows single ones after the last.
    pub(super) fn group_by_next(&mut self) {
        if self.shows_threads() {
            self.message = Some("threads are not grouped: H shows processes".to_owned());
            return;
        }
        let next = match self.group_by {
            None => Some(0),
            Some(by) => GroupBy::ALL
                .iter()
                .position(|it| *it == by)
                .map(|place| place + 1),
        };
        self.group(next.and_then(|place| GroupBy::ALL.get(place).copied()));
        self.message = Some(match self.group_by {
            Some(by) => format!("processes by {}", by.name()),
            None => "single processes".to_owned(),
        });
    }

    /// Groups processes, or shows single ones, of all groups.
    pub(super) fn group(&mut self, by: Option<GroupBy>) {
        self.opened = None;
        self.group_by = by;
        self.select_first();
        self.arrange();
    }

    /// Shows the processes of the selected group. Returns whether a group is selected.
    pub(super) fn open_group(&mut self) -> bool {
        let (Some(by), Some(Id::Group(name))) = (self.group_by, &self.selected) else {
            return false;
        };
        self.opened = Some((by, name.clone()));
        self.group_by = None;
        self.select_first();
        self.arrange();
        true
    }

    /// Shows the groups again, of which one was opened. Returns whether one was.
    pub(super) fn close_group(&mut self) -> bool {
        let Some((by, name)) = self.opened.take() else {
            return false;
        };
        self.group_by = Some(by);
        self.arrange();
        self.select_row(Id::Group(name));
        self.keep_selection();
        true
    }
}
