// SPDX-License-Identifier: GPL-2.0

//! A list to choose from.

use nix::sys::signal::Signal;
use termina::event::KeyCode;

use crate::table::columns::Column;

/// The effect of an entry.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Choice {
    SortBy(&'static Column),
    User(Option<u32>),
    Signal(Signal),
}

/// The result of a key.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Outcome {
    Open,
    Closed,
    Chosen(Choice),
}

/// Entries, one of which is selected.
#[derive(Debug)]
pub struct Menu {
    pub title: String,
    pub entries: Vec<(String, Choice)>,
    pub place: usize,
}

impl Menu {
    /// Creates a menu in which `current` is selected.
    pub fn new(title: impl Into<String>, entries: Vec<(String, Choice)>, current: Choice) -> Self {
        let place = entries.iter().position(|(_, choice)| *choice == current);
        Self {
            title: title.into(),
            entries,
            place: place.unwrap_or(0),
        }
    }

    /// Handles a key. A letter selects the next entry that begins with it.
    pub fn key(&mut self, code: KeyCode, page: usize) -> Outcome {
        let last = self.entries.len().saturating_sub(1);
        self.place = match code {
            KeyCode::Up => self.place.saturating_sub(1),
            KeyCode::Down => (self.place + 1).min(last),
            KeyCode::PageUp => self.place.saturating_sub(page),
            KeyCode::PageDown => (self.place + page).min(last),
            KeyCode::Home => 0,
            KeyCode::End => last,
            KeyCode::Enter => return self.choose(self.place),
            KeyCode::Escape | KeyCode::Function(_) => return Outcome::Closed,
            KeyCode::Char(c) => self.next_with(c).unwrap_or(self.place),
            _ => self.place,
        };
        Outcome::Open
    }

    /// Chooses an entry.
    pub fn choose(&self, place: usize) -> Outcome {
        let chosen = self.entries.get(place);
        chosen.map_or(Outcome::Closed, |(_, choice)| Outcome::Chosen(*choice))
    }

    /// Moves the selection, as far as the first or last entry.
    pub fn move_by(&mut self, entries: isize) {
        let last = self.entries.len().saturating_sub(1);
        self.place = self.place.saturating_add_signed(entries).min(last);
    }

    fn next_with(&self, c: char) -> Option<usize> {
        let count = self.entries.len();
        let mut places = (1..=count).map(|step| (self.place + step) % count);
        places.find(|&place| self.entries[place].0.starts_with(c))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_chosen() {
        let names = ["all", "root", "www", "rtkit"];
        let entry = |(index, name): (usize, &&str)| {
            let uid = u32::try_from(index).unwrap();
            ((*name).to_owned(), Choice::User(Some(uid)))
        };
        let entries = names.iter().enumerate().map(entry).collect();
        let mut menu = Menu::new("Users", entries, Choice::User(Some(1)));
        assert_eq!(menu.place, 1);
        for (code, place) in [
            (KeyCode::Down, 2),
            (KeyCode::PageDown, 3),
            (KeyCode::Down, 3),
            (KeyCode::Char('r'), 1),
            (KeyCode::Char('r'), 3),
            (KeyCode::Char('x'), 3),
            (KeyCode::Home, 0),
            (KeyCode::Up, 0),
        ] {
            assert_eq!(menu.key(code, 10), Outcome::Open);
            assert_eq!(menu.place, place, "{code:?}");
        }
        assert_eq!(
            menu.key(KeyCode::Enter, 10),
            Outcome::Chosen(Choice::User(Some(0)))
        );
        assert_eq!(menu.key(KeyCode::Escape, 10), Outcome::Closed);
    }
}
