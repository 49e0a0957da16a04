// SPDX-License-Identifier: GPL-2.0-only

//! The menus of columns and users, and the effects of all menus.

use std::collections::BTreeMap;

use super::act::Flow;
use super::menu::{Choice, Entry, Menu};
use super::sorting::has_largest_first;
use super::state::App;
use crate::table::columns::{COLUMNS, Column};
use crate::text::printable;

impl App {
    /// Carries out the choice of an entry.
    pub(super) fn choose(&mut self, choice: Choice) -> Flow {
        match choice {
            Choice::SortBy(column) => self.sort_by(column, has_largest_first(column)),
            Choice::Column(column) => self.toggle_column(column),
            Choice::User(user) => {
                self.user = user;
                self.arrange();
            }
            Choice::Signal(signal) => return self.send(signal),
        }
        Flow::Continue
    }

    pub(super) fn sort_menu(&self) -> Menu {
        let is_sorted = |column: &&Column| match self.group_by {
            Some(by) => column.adds_up || by.is_in(column),
            None => true,
        };
        let entry = |column| Entry::new(column_text(column), Choice::SortBy(column));
        let entries = COLUMNS.iter().filter(is_sorted).map(entry).collect();
        Menu::new("Sort by", entries, Choice::SortBy(self.order().column))
    }

    pub(super) fn user_menu(&self) -> Menu {
        let mut users = BTreeMap::new();
        for process in self.processes.iter() {
            if let Some(credentials) = process.record.credentials() {
                *users.entry(credentials.uid).or_insert(0) += 1;
            }
        }
        let mut entries = vec![Entry::new("all users".to_owned(), Choice::User(None))];
        entries.extend(users.into_iter().map(|(uid, count)| {
            let name = printable(&self.context.names.user(uid));
            Entry::new(format!("{name} ({count})"), Choice::User(Some(uid)))
        }));
        Menu::new("Show", entries, Choice::User(self.user))
    }
}

/// Returns the text of a column in a menu.
pub fn column_text(column: &Column) -> String {
    format!("{:<12} {}", column.key, column.help)
}
