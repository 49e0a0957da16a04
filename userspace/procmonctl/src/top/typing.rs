// SPDX-License-Identifier: GPL-2.0-only

//! Text that is typed in the line at the bottom, and its effects.

use termina::event::{KeyCode, KeyEvent};

use super::pattern::Pattern;
use super::prompt::Purpose;
use super::selection::SearchFrom;
use super::state::{App, Mode};
use crate::values::parse_seconds;

impl App {
    pub(super) fn type_key(&mut self, key: &KeyEvent) {
        let Mode::Prompt(prompt) = &mut self.mode else {
            return;
        };
        match key.code {
            KeyCode::Enter => self.accept(),
            KeyCode::Escape => {
                if prompt.purpose == Purpose::Filter {
                    self.filter = Pattern::default();
                    self.arrange();
                }
                self.mode = Mode::Table;
            }
            KeyCode::Function(3) if prompt.purpose == Purpose::Search => {
                self.search_on(SearchFrom::Next);
            }
            _ => {
                prompt.key(key);
                self.typed();
            }
        }
    }

    /// Applies the text so far, if its effect is immediate.
    pub(super) fn typed(&mut self) {
        let Mode::Prompt(prompt) = &self.mode else {
            return;
        };
        let text = prompt.input.value().to_owned();
        match prompt.purpose {
            Purpose::Filter => {
                self.message = self.filter.set(&text).err();
                self.arrange();
            }
            Purpose::Search => {
                self.search = text;
                if !self.search.is_empty() && !self.find(SearchFrom::Here) {
                    self.message = Some(format!("nothing matches {:?}", self.search));
                }
            }
            Purpose::Delay => {}
        }
    }

    fn accept(&mut self) {
        let Mode::Prompt(prompt) = std::mem::take(&mut self.mode) else {
            return;
        };
        let text = prompt.input.value();
        let result = match prompt.purpose {
            Purpose::Search => Ok(()),
            // One that is not valid leaves the last one in effect.
            Purpose::Filter => self.filter.set(text),
            Purpose::Delay => parse_seconds(text).map(|delay| self.delay = delay),
        };
        self.message = result.err();
    }

    pub(super) fn search_on(&mut self, from: SearchFrom) {
        self.message = if self.search.is_empty() {
            Some("F3 searches first".to_owned())
        } else if self.find(from) {
            None
        } else {
            Some(format!("nothing matches {:?}", self.search))
        };
    }
}
