// SPDX-License-Identifier: GPL-2.0

//! The selected row: moves, scrolling, and the search.

use super::state::App;
use super::usage::Process;

impl App {
    /// Returns the selected process.
    pub fn selected_process(&self) -> Option<&Process> {
        self.processes.get(self.selected?)
    }

    /// Returns the row of the selected process.
    pub fn selected_place(&self) -> Option<usize> {
        let selected = self.selected?;
        self.lines.iter().position(|line| line.pid == selected)
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
        self.is_placed = place > 0;
        self.selected = self.lines.get(place).map(|line| line.pid);
    }

    /// Selects the first row that matches the search, from the selected row on, or from the one
    /// after it. Returns whether a row matches.
    pub(super) fn find(&mut self, after: bool) -> bool {
        let count = self.lines.len();
        let begin = self.selected_place().unwrap_or(0) + usize::from(after);
        let found = (0..count)
            .map(|step| (begin + step) % count)
            .find(|&place| {
                let process = self.process(&self.lines[place]);
                process.is_some_and(|process| self.has_text(&process.row(), &self.search))
            });
        if let Some(place) = found {
            self.select(place);
            self.is_placed = true;
        }
        found.is_some()
    }
}
