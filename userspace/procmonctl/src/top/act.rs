// SPDX-License-Identifier: GPL-2.0-only

//! Effects of keys.

use termina::event::{KeyCode, KeyEvent, Modifiers};

use super::input::Input;
use super::keys::{self, Action, Key};
use super::menu::Outcome;
use super::pattern::Pattern;
use super::prompt::{Prompt, Purpose};
use super::selection::SearchFrom;
use super::sorting::has_largest_first;
use super::state::{App, Mode};
use crate::table::columns::Column;

/// The number of characters by which a key scrolls the last column.
const STEP: usize = 8;

/// The next step of the loop after a key.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Flow {
    Continue,
    /// Request a snapshot at once.
    Refresh,
    /// Draw the whole screen again.
    Redraw,
    /// Have the mouse reported, or leave it to the terminal.
    Mouse,
    Suspend,
    Quit,
}

impl App {
    /// Handles input.
    pub fn input(&mut self, input: &Input) -> Flow {
        self.message = None;
        let flow = match input {
            Input::Key(key) => self.key(key),
            Input::Mouse(event) => self.mouse(event),
            Input::Paste(text) => {
                if let Mode::Prompt(prompt) = &mut self.mode {
                    prompt.paste(text);
                    self.typed();
                } else {
                    self.message = Some("there is no text to paste into".to_owned());
                }
                Flow::Continue
            }
        };
        // The user has read of it, or has hidden the process.
        self.lost = None;
        flow
    }

    fn key(&mut self, key: &KeyEvent) -> Flow {
        let pressed = Key::pressed(key);
        // These keys work in every mode.
        match pressed.and_then(keys::action) {
            Some(Action::Quit) if pressed == Some(Key::Control('c')) => return Flow::Quit,
            Some(Action::Suspend) => return Flow::Suspend,
            Some(Action::Redraw) => return Flow::Redraw,
            _ => {}
        }
        let is_modified = key
            .modifiers
            .intersects(Modifiers::CONTROL | Modifiers::ALT);
        match &mut self.mode {
            Mode::Menu(_) | Mode::Picker(_) if is_modified => Flow::Continue,
            Mode::Help => {
                self.help_key(key.code);
                Flow::Continue
            }
            Mode::Menu(menu) => {
                match menu.key(key.code, self.height.max(1)) {
                    Outcome::Open => {}
                    Outcome::Closed => self.mode = Mode::Table,
                    Outcome::Chosen(choice) => {
                        self.mode = Mode::Table;
                        return self.choose(choice);
                    }
                }
                Flow::Continue
            }
            Mode::Picker(_) => self.pick(key.code),
            Mode::Prompt(_) => {
                self.type_key(key);
                Flow::Continue
            }
            Mode::Table => match pressed.and_then(keys::action) {
                Some(action) => self.act(action),
                None => {
                    let name = keys::name(key);
                    self.message = Some(format!("{name} does nothing here; F1 shows the keys"));
                    Flow::Continue
                }
            },
        }
    }

    pub(super) fn act(&mut self, action: Action) -> Flow {
        let page = isize::try_from(self.height).unwrap_or(isize::MAX).max(1);
        match action {
            Action::Up => self.move_by(-1),
            Action::Down => self.move_by(1),
            Action::PageUp => self.move_by(-page),
            Action::PageDown => self.move_by(page),
            Action::First => self.move_by(isize::MIN),
            Action::Last => self.move_by(isize::MAX),
            Action::ScrollLeft => self.shift = self.shift.saturating_sub(STEP),
            // The end is known when the table is drawn.
            Action::ScrollRight => self.shift += STEP,
            Action::Details if self.open_group() => {}
            Action::Details => {
                self.shows_details = !self.shows_details;
                self.details_first = 0;
            }
            Action::Head => {
                self.look.head = self.look.head.next();
                self.message = Some(self.look.head.description().to_owned());
            }
            Action::Transients if !self.has_events => {
                self.message = Some(self.no_events().to_owned());
            }
            Action::Transients => self.shows_transients = !self.shows_transients,
            Action::DetailsUp | Action::DetailsDown if !self.shows_details => {
                self.message = Some("Enter shows the fields of the process first".to_owned());
            }
            Action::DetailsUp => self.details_first = self.details_first.saturating_sub(1),
            // The end is known when the details are drawn.
            Action::DetailsDown => self.details_first += 1,
            Action::Help => {
                self.mode = Mode::Help;
                self.help_first = 0;
            }
            Action::Search => self.mode = Mode::Prompt(Prompt::new(Purpose::Search, "")),
            Action::SearchNext => self.search_on(SearchFrom::Next),
            Action::SearchPrevious => self.search_on(SearchFrom::Previous),
            Action::Filter => {
                self.mode = Mode::Prompt(Prompt::new(Purpose::Filter, self.filter.text()));
            }
            Action::Tree => self.toggle_tree(),
            Action::Fold => self.fold(true),
            Action::Unfold => self.fold(false),
            Action::FoldAll => self.fold_all(),
            Action::Group => self.group_by_next(),
            Action::Columns => self.open_picker(None),
            Action::SortMenu => self.mode = Mode::Menu(self.sort_menu()),
            Action::SortLeft => self.sort_by_next(-1),
            Action::SortRight => self.sort_by_next(1),
            Action::SortBy(key) => {
                if let Some(column) = Column::by_key(key) {
                    self.sort_by(column, has_largest_first(column));
                }
            }
            Action::Invert => self.invert(),
            Action::UserMenu => self.mode = Mode::Menu(self.user_menu()),
            Action::Threads if self.group_by.is_some() => {
                self.message = Some("groups are of processes: Tab ends them".to_owned());
            }
            Action::Threads => {
                self.selection.threads = !self.selection.threads;
                // The time of a process is not that of its main thread.
                self.processes.forget();
                return Flow::Refresh;
            }
            Action::KernelThreads => {
                self.selection.toggle_kernel_threads();
                return Flow::Refresh;
            }
            Action::Tag => self.tag(),
            Action::TagFamily => self.tag_family(),
            Action::Untag => self.untag(),
            Action::Follow => self.toggle_follow(),
            Action::Signal => self.open_signal_menu(),
            Action::Nice(by) => return self.renice(by),
            Action::Mouse => {
                self.has_mouse = !self.has_mouse;
                let owner = if self.has_mouse {
                    "top"
                } else {
                    "the terminal"
                };
                self.message = Some(format!("the mouse is for {owner} now"));
                return Flow::Mouse;
            }
            Action::Pause => self.is_paused = !self.is_paused,
            Action::Delay => {
                let text = self.delay.as_secs_f64().to_string();
                self.mode = Mode::Prompt(Prompt::new(Purpose::Delay, &text));
            }
            Action::Refresh => return Flow::Refresh,
            Action::Redraw => return Flow::Redraw,
            Action::Suspend => return Flow::Suspend,
            Action::Back => self.back(),
            Action::Quit => return Flow::Quit,
        }
        Flow::Continue
    }

    /// Closes the details, or else the group, or else ends the filters.
    fn back(&mut self) {
        if self.shows_details {
            self.shows_details = false;
        } else if self.close_group() {
            // Its group is shown among the others.
        } else if !self.filter.is_empty() || self.user.is_some() {
            self.filter = Pattern::default();
            self.user = None;
            self.arrange();
        } else {
            self.message = Some("nothing to close; q quits".to_owned());
        }
    }

    fn help_key(&mut self, code: KeyCode) {
        let page = self.height.max(1);
        match code {
            KeyCode::Up => self.help_first = self.help_first.saturating_sub(1),
            KeyCode::Down => self.help_first += 1,
            KeyCode::PageUp => self.help_first = self.help_first.saturating_sub(page),
            KeyCode::PageDown => self.help_first += page,
            KeyCode::Home => self.help_first = 0,
            KeyCode::End => self.help_first = keys::BINDINGS.len(),
            _ => self.mode = Mode::Table,
        }
    }
}
