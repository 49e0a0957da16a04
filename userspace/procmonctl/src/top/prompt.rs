// SPDX-License-Identifier: GPL-2.0-only

//! A line of input.

use termina::event::{KeyCode, KeyEvent, Modifiers};
use tui_input::{Input, InputRequest};

/// The purpose of a text.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Purpose {
    Search,
    Filter,
    Delay,
}

impl Purpose {
    pub fn title(self) -> &'static str {
        match self {
            Self::Search => "search: ",
            Self::Filter => "filter: ",
            Self::Delay => "seconds between refreshes: ",
        }
    }
}

/// A text that the user edits.
#[derive(Debug)]
pub struct Prompt {
    pub purpose: Purpose,
    pub input: Input,
}

impl Prompt {
    pub fn new(purpose: Purpose, text: &str) -> Self {
        Self {
            purpose,
            input: Input::new(text.to_owned()),
        }
    }

    /// Edits the text. The keys are those of the shell's line editor.
    pub fn key(&mut self, key: &KeyEvent) {
        if let Some(request) = request(key) {
            self.input.handle(request);
        }
    }

    /// Inserts a text without its control characters.
    pub fn paste(&mut self, text: &str) {
        for c in text.chars().filter(|c| !c.is_control()) {
            self.input.handle(InputRequest::InsertChar(c));
        }
    }
}

fn request(key: &KeyEvent) -> Option<InputRequest> {
    let control = key.modifiers.contains(Modifiers::CONTROL);
    let alt = key.modifiers.contains(Modifiers::ALT);
    Some(match key.code {
        KeyCode::Char('a') if control => InputRequest::GoToStart,
        KeyCode::Char('e') if control => InputRequest::GoToEnd,
        KeyCode::Char('b') if control => InputRequest::GoToPrevChar,
        KeyCode::Char('f') if control => InputRequest::GoToNextChar,
        KeyCode::Char('h') if control => InputRequest::DeletePrevChar,
        KeyCode::Char('d') if control => InputRequest::DeleteNextChar,
        KeyCode::Char('k') if control => InputRequest::DeleteTillEnd,
        KeyCode::Char('u') if control => InputRequest::DeleteFromStart,
        KeyCode::Char('w') if control => InputRequest::DeletePrevWord,
        KeyCode::Char('y') if control => InputRequest::Yank,
        KeyCode::Char('b') if alt => InputRequest::GoToPrevWord,
        KeyCode::Char('f') if alt => InputRequest::GoToNextWord,
        KeyCode::Char('d') if alt => InputRequest::DeleteNextWord,
        KeyCode::Char(c) if !control && !alt && !c.is_control() => InputRequest::InsertChar(c),
        KeyCode::Left if control => InputRequest::GoToPrevWord,
        KeyCode::Right if control => InputRequest::GoToNextWord,
        KeyCode::Left => InputRequest::GoToPrevChar,
        KeyCode::Right => InputRequest::GoToNextChar,
        KeyCode::Home => InputRequest::GoToStart,
        KeyCode::End => InputRequest::GoToEnd,
        KeyCode::Backspace => InputRequest::DeletePrevChar,
        KeyCode::Delete => InputRequest::DeleteNextChar,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_edited() {
        let mut prompt = Prompt::new(Purpose::Filter, "one two");
        let control = |c| KeyEvent::new(KeyCode::Char(c), Modifiers::CONTROL);
        for (key, expected) in [
            (KeyEvent::from(KeyCode::Char('s')), "one twos"),
            (KeyEvent::from(KeyCode::Backspace), "one two"),
            (control('w'), "one "),
            (KeyEvent::from(KeyCode::Home), "one "),
            (KeyEvent::from(KeyCode::Delete), "ne "),
            (KeyEvent::from(KeyCode::Char('O')), "One "),
            (control('e'), "One "),
            (control('x'), "One "),
            (control('u'), ""),
        ] {
            prompt.key(&key);
            assert_eq!(prompt.input.value(), expected, "{key:?}");
        }
        prompt.paste("a\nb\x1b[Hq");
        assert_eq!(prompt.input.value(), "ab[Hq");
    }
}
