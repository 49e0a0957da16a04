// SPDX-License-Identifier: GPL-2.0-only

//! A list to choose from.

use nix::sys::signal::Signal;
use termina::event::KeyCode;

use crate::table::columns::Column;

/// The effect of an entry.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Choice {
    SortBy(&'static Column),
    /// Show the column, or hide it.
    Column(&'static Column),
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

/// An entry of a menu.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Mark in front of the text, which typing does not select.
    pub mark: &'static str,
    pub text: String,
    pub choice: Choice,
}

impl Entry {
    pub fn new(text: String, choice: Choice) -> Self {
        Self {
            mark: "",
            text,
            choice,
        }
    }
}

/// Entries, one of which is selected.
#[derive(Debug)]
pub struct Menu {
    pub title: String,
    pub entries: Vec<Entry>,
    pub place: usize,
    /// Characters since the last other key.
    typed: String,
}

impl Menu {
    /// Creates a menu in which `current` is selected.
    pub fn new(title: impl Into<String>, entries: Vec<Entry>, current: Choice) -> Self {
        let place = entries.iter().position(|entry| entry.choice == current);
        Self {
            title: title.into(),
            entries,
            place: place.unwrap_or(0),
            typed: String::new(),
        }
    }

    /// Handles a key. Characters select an entry that begins with them, and the same character
    /// again the next entry that begins with it.
    pub fn key(&mut self, code: KeyCode, page: usize) -> Outcome {
        if let KeyCode::Char(c) = code {
            self.type_char(c);
            return Outcome::Open;
        }
        self.typed.clear();
        let page = isize::try_from(page).unwrap_or(isize::MAX);
        match code {
            KeyCode::Up => self.move_by(-1),
            KeyCode::Down => self.move_by(1),
            KeyCode::PageUp => self.move_by(-page),
            KeyCode::PageDown => self.move_by(page),
            KeyCode::Home => self.move_by(isize::MIN),
            KeyCode::End => self.move_by(isize::MAX),
            KeyCode::Enter => return self.choose(self.place),
            KeyCode::Escape | KeyCode::Function(_) => return Outcome::Closed,
            _ => {}
        }
        Outcome::Open
    }

    /// Chooses an entry.
    pub fn choose(&self, place: usize) -> Outcome {
        let chosen = self.entries.get(place);
        chosen.map_or(Outcome::Closed, |entry| Outcome::Chosen(entry.choice))
    }

    /// Moves the selection, as far as the first or last entry.
    pub fn move_by(&mut self, entries: isize) {
        self.typed.clear();
        let last = self.entries.len().saturating_sub(1);
        self.place = self.place.saturating_add_signed(entries).min(last);
    }

    fn type_char(&mut self, c: char) {
        self.typed.push(c);
        let longer = if self.typed.chars().count() > 1 {
            self.with_typed(self.place)
        } else {
            None
        };
        let found = longer.or_else(|| {
            self.typed = c.into();
            self.with_typed(self.place + 1)
        });
        self.place = found.unwrap_or(self.place);
    }

    /// Returns the entry whose first word the characters are, or else the first one from a place
    /// on, or else before it, that begins with them.
    fn with_typed(&self, from: usize) -> Option<usize> {
        let count = self.entries.len();
        let mut texts = self.entries.iter().map(|entry| &entry.text);
        let whole = texts.position(|text| text.split(' ').next() == Some(&self.typed));
        whole.or_else(|| {
            let mut places = (from..from + count).map(|place| place % count);
            places.find(|&place| self.entries[place].text.starts_with(&self.typed))
        })
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
            Entry::new((*name).to_owned(), Choice::User(Some(uid)))
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

    #[test]
    fn signals_are_chosen_by_their_numbers() {
        let entry = |signal: Signal| {
            let text = format!("{:<2} {signal}", signal as i32);
            Entry::new(text, Choice::Signal(signal))
        };
        let entries: Vec<_> = Signal::iterator().map(entry).collect();
        for (number, signal) in [
            ("9", Signal::SIGKILL),
            ("19", Signal::SIGSTOP),
            ("15", Signal::SIGTERM),
            ("10", Signal::SIGUSR1),
            ("1", Signal::SIGHUP),
            ("2", Signal::SIGINT),
        ] {
            let current = Choice::Signal(Signal::SIGTERM);
            let mut menu = Menu::new("Signal", entries.clone(), current);
            for c in number.chars() {
                assert_eq!(menu.key(KeyCode::Char(c), 10), Outcome::Open);
            }
            let chosen = menu.key(KeyCode::Enter, 10);
            assert_eq!(chosen, Outcome::Chosen(Choice::Signal(signal)), "{number}");
        }
    }
}
