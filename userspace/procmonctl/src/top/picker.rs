// SPDX-License-Identifier: GPL-2.0-only

//! The list of all columns, in which the user chooses those of the table, and their order.

use termina::event::KeyCode;

use super::act::Flow;
use super::menu::{Choice, Entry, Menu, Outcome};
use super::menus::column_text;
use super::state::{App, Mode};
use crate::table::columns::{COLUMNS, Column};
use crate::table::render::Side;

const TITLE: &str = "Columns: Space shows or hides, F7 F8 move, Esc closes";

impl App {
    /// Opens the list, or draws it anew, with this column selected.
    pub(super) fn open_picker(&mut self, current: Option<&'static Column>) {
        let others = COLUMNS
            .iter()
            .filter(|column| !self.chosen.contains(column));
        let entry = |mark: &'static str| {
            move |column: &'static Column| Entry {
                mark,
                text: column_text(column),
                choice: Choice::Column(column),
            }
        };
        let chosen = self.chosen.iter().copied().map(entry("[x] "));
        let entries: Vec<_> = chosen.chain(others.map(entry("[ ] "))).collect();
        let current = current.or(self.chosen.first().copied());
        let current = current.map_or(entries[0].choice, Choice::Column);
        self.mode = Mode::Picker(Menu::new(TITLE, entries, current));
    }

    /// Handles a key in the list.
    pub(super) fn pick(&mut self, code: KeyCode) -> Flow {
        let page = self.height.max(1);
        let Mode::Picker(menu) = &mut self.mode else {
            return Flow::Continue;
        };
        let code = match code {
            KeyCode::Char(' ') => KeyCode::Enter,
            code => code,
        };
        let current = menu.entries.get(menu.place).map(|entry| entry.choice);
        match (code, current) {
            (KeyCode::Function(7), Some(Choice::Column(column))) => self.shift_column(column, -1),
            (KeyCode::Function(8), Some(Choice::Column(column))) => self.shift_column(column, 1),
            (code, _) => match menu.key(code, page) {
                Outcome::Open => {}
                Outcome::Closed => self.close_picker(),
                Outcome::Chosen(choice) => return self.choose(choice),
            },
        }
        Flow::Continue
    }

    /// Closes the list, and tells how to have the same columns the next time.
    pub(super) fn close_picker(&mut self) {
        let keys: Vec<_> = self.chosen.iter().map(|column| column.key).collect();
        self.message = Some(format!("as an option: -o {}", keys.join(",")));
        self.mode = Mode::Table;
    }

    /// Shows a column, or hides it.
    pub(super) fn toggle_column(&mut self, column: &'static Column) {
        let place = self.chosen.iter().position(|shown| *shown == column);
        match place {
            Some(_) if self.chosen.len() == 1 => {
                self.message = Some("a table has one column at least".to_owned());
            }
            Some(place) => {
                self.chosen.remove(place);
            }
            None => {
                // A column that is flush left and long stays the last.
                let is_long = self
                    .chosen
                    .last()
                    .is_some_and(|last| last.side() == Side::Left);
                let place = self.chosen.len() - usize::from(is_long);
                self.chosen.insert(place, column);
            }
        }
        self.arrange();
        self.open_picker(Some(column));
    }

    /// Moves a column to the left or right.
    fn shift_column(&mut self, column: &'static Column, by: isize) {
        let Some(place) = self.chosen.iter().position(|shown| *shown == column) else {
            self.message = Some("Space shows the column first".to_owned());
            return;
        };
        let last = self.chosen.len() - 1;
        self.chosen
            .swap(place, place.saturating_add_signed(by).min(last));
        self.open_picker(Some(column));
    }
}
