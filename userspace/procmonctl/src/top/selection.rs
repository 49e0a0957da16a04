// SPDX-License-Identifier: GPL-2.0-only

//! The selected row: moves, scrolling, and the search.

use super::actor::Target;
use super::rows::{Id, Line};
use super::state::App;
use super::usage::Process;

/// Fate of a process that is gone.
const ENDED: &str = "has ended";

/// The beginning of a search, and its direction.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SearchFrom {
    /// Down from the selected row.
    Here,
    /// Down from the row below it.
    Next,
    /// Up from the row above it.
    Previous,
}

impl App {
    /// Returns the selected process.
    pub fn selected_process(&self) -> Option<&Process> {
        match self.selected {
            Some(Id::Process(pid)) => self.processes.get(pid),
            _ => None,
        }
    }

    /// Returns the selected process, or those of the selected group.
    pub(super) fn selected_processes(&self) -> impl Iterator<Item = &Process> {
        let line = self
            .selected_place()
            .and_then(|place| self.lines.get(place));
        let pids = line.map_or(&[][..], Line::pids);
        pids.iter().filter_map(|&pid| self.processes.get(pid))
    }

    /// Returns the place of the selected row.
    pub fn selected_place(&self) -> Option<usize> {
        let selected = self.selected.as_ref()?;
        self.lines.iter().position(|line| line.is(selected))
    }

    /// Scrolls so that the selection is visible in `height` rows.
    pub fn scroll(&mut self, height: usize) {
        let place = self.selected_place().unwrap_or(0);
        self.height = height;
        if place < self.first {
            self.first = place;
        } else if place >= self.first + height {
            self.first = (place + 1).saturating_sub(height);
        }
        self.first = self.first.min(self.lines.len().saturating_sub(height));
    }

    pub(super) fn move_by(&mut self, rows: isize) {
        let last = self.lines.len().saturating_sub(1);
        let place = self.selected_place().unwrap_or(0);
        self.select(place.saturating_add_signed(rows).min(last));
    }

    pub(super) fn select(&mut self, place: usize) {
        self.selected = self.lines.get(place).map(Line::id);
        self.place(place > 0);
    }

    /// Selects a row, and stays with it even if it is the first one.
    pub(super) fn select_row(&mut self, id: Id) {
        self.selected = Some(id);
        self.place(true);
    }

    /// Selects the first row, whichever that is.
    pub(super) fn select_first(&mut self) {
        self.selected = None;
        self.place(false);
    }

    /// Ends following, and remembers whether the selection stays with its process.
    fn place(&mut self, is_placed: bool) {
        self.is_placed = is_placed;
        self.followed = None;
        self.placed = None;
        if is_placed {
            self.placed = self
                .selected_process()
                .and_then(|process| self.target(process));
        }
    }

    /// Selects the first row until the user moves the selection, and when its process is gone.
    pub(super) fn keep_selection(&mut self) {
        let lost = match (&self.placed, &self.selected) {
            (Some(target), _) => self.absence(target).map(|reason| ("process", reason)),
            (None, _) if self.selected_place().is_some() => None,
            (None, Some(Id::Group(_))) => Some(("group", "is empty")),
            (None, _) => Some(("process", ENDED)),
        };
        if self.is_placed && lost.is_none() {
            return;
        }
        if self.is_placed {
            self.lost = lost.map(|(what, reason)| format!("the selected {what} {reason}"));
        }
        self.is_placed = false;
        self.placed = None;
        self.selected = self.lines.first().map(Line::id);
    }

    /// Returns why the process of a target has no row, unless it has one.
    pub(super) fn absence(&self, target: &Target) -> Option<&'static str> {
        let process = self.processes.get(target.pid);
        let is_there = process.and_then(Process::identity) == Some((target.pid, target.start));
        // Without threads, or kernel threads, it may go on unseen.
        let is_left_out =
            target.is_kernel_thread || (target.pid != target.tgid && !self.shows_threads());
        if is_there {
            let mut rows = self.lines.iter();
            let has_row = rows.any(|line| line.is(&Id::Process(target.pid)));
            (!has_row).then_some("is hidden")
        } else if process.is_none() && is_left_out {
            Some("is listed no more")
        } else {
            Some(ENDED)
        }
    }

    /// Scrolls the table, and moves the selection only as far as it has to in order to be visible.
    pub(super) fn scroll_by(&mut self, rows: isize) {
        let Some(place) = self.selected_place() else {
            return;
        };
        let height = self.height.max(1);
        let end = self.lines.len().saturating_sub(height);
        self.first = self.first.saturating_add_signed(rows).min(end);
        let visible = place.clamp(self.first, self.first + height - 1);
        if visible != place {
            self.select(visible);
        }
    }

    /// Selects the nearest row that matches the search. Returns whether a row matches.
    pub(super) fn find(&mut self, from: SearchFrom) -> bool {
        let count = self.lines.len();
        let place = self.selected_place().unwrap_or(0);
        // After the last row comes the first one.
        let (begin, step) = match from {
            SearchFrom::Here => (place, 1),
            SearchFrom::Next => (place + 1, 1),
            SearchFrom::Previous => (place + count.saturating_sub(1), count.saturating_sub(1)),
        };
        let found = (0..count)
            .map(|distance| (begin + distance * step) % count)
            .find(|&place| self.is_searched(&self.lines[place]));
        if let Some(line) = found.and_then(|place| self.lines.get(place)) {
            self.select_row(line.id());
        }
        found.is_some()
    }

    /// Returns whether the name or the command line of a process contains the searched text, or its
    /// ID equals that, or the name of a group contains it.
    fn is_searched(&self, line: &Line) -> bool {
        let text = self.search.to_lowercase();
        let has_text = |name: &String| name.to_lowercase().contains(&text);
        match line {
            Line::Process { pid, .. } => {
                let row = self
                    .processes
                    .get(*pid)
                    .map(|process| self.processes.row(process));
                pid.to_string() == self.search
                    || row.is_some_and(|row| self.names(&row).iter().any(has_text))
            }
            Line::Group(group) => has_text(&group.name.text()),
        }
    }
}
