// SPDX-License-Identifier: GPL-2.0-only

//! Keys and the mouse, parsed from the bytes that a terminal sends.
//!
//! A separate thread reads the bytes, so that neither half of a sequence nor a terminal that is
//! gone blocks the rest of the program.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::os::fd::AsFd;
use std::sync::mpsc::Sender;
use std::thread;
use std::time::{Duration, Instant};

use termina::event::{KeyEvent, KeyEventKind, MouseButton, MouseEvent, MouseEventKind};
use termina::{Event as TerminalEvent, Parser};

use super::event::Event;
use super::paste::Rest;

/// The time for the rest of a sequence. Terminals send a sequence in one piece, but it may be split
/// on its way to this program.
const PATIENCE: Duration = Duration::from_millis(100);

/// Input of the user.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Input {
    Key(KeyEvent),
    /// A click, or a turn of the wheel.
    Mouse(MouseEvent),
    Paste(String),
}

/// A parser with a time limit for sequences.
#[derive(Default)]
pub struct Keys {
    parser: Parser,
    /// Bytes that form no input yet.
    pending: Vec<u8>,
    /// Arrival of the last of these bytes.
    waiting_since: Option<Instant>,
    /// The rest of a paste that was given up.
    paste: Option<Rest>,
}

impl Keys {
    /// Parses bytes, and returns the input that they complete.
    pub fn feed(&mut self, bytes: &[u8], now: Instant) -> Vec<Input> {
        let rest = match &mut self.paste {
            Some(paste) => paste.skip(bytes, now),
            None => Some(bytes.to_vec()),
        };
        let Some(bytes) = rest else {
            return Vec::new();
        };
        self.paste = None;
        let mut inputs = Vec::new();
        for byte in bytes {
            self.pending.push(byte);
            self.parser.parse(&[byte], true);
            self.pop(&mut inputs);
        }
        self.waiting_since = (!self.pending.is_empty()).then_some(now);
        inputs
    }

    /// Returns the time to call [`Self::give_up`] if no bytes arrive before.
    pub fn deadline(&self) -> Option<Instant> {
        self.waiting_since.map(|since| since + PATIENCE)
    }

    /// Ends an incomplete sequence: a lone ESC is the key of that name, and bytes that form no key
    /// are dropped. Of a paste, those that follow are dropped too.
    pub fn give_up(&mut self) -> Vec<Input> {
        let since = self.waiting_since.take();
        let mut inputs = Vec::new();
        self.paste = since.and_then(|since| Rest::of(&self.pending, since));
        if self.paste.is_none() {
            self.parser.parse(&[], false);
            self.pop(&mut inputs);
        }
        self.pending.clear();
        self.parser = Parser::default();
        inputs
    }

    /// Takes the input that the bytes so far complete.
    fn pop(&mut self, inputs: &mut Vec<Input>) {
        while let Some(event) = self.parser.pop() {
            self.pending.clear();
            inputs.extend(match event {
                TerminalEvent::Key(key) if key.kind != KeyEventKind::Release => {
                    Some(Input::Key(key))
                }
                TerminalEvent::Mouse(event) if is_press(&event) => Some(Input::Mouse(event)),
                TerminalEvent::Paste(text) => Some(Input::Paste(text)),
                _ => None,
            });
        }
    }
}

/// Returns whether the left button was pressed, or the wheel turned.
fn is_press(event: &MouseEvent) -> bool {
    matches!(
        event.kind,
        MouseEventKind::Down(MouseButton::Left)
            | MouseEventKind::ScrollUp
            | MouseEventKind::ScrollDown
    )
}

/// Starts a thread that reads standard input until its end.
pub fn watch(events: Sender<Event>) -> io::Result<()> {
    let mut input = File::from(io::stdin().as_fd().try_clone_to_owned()?);
    thread::Builder::new()
        .name("input".to_owned())
        .spawn(move || {
            let mut buffer = [0; 1024];
            loop {
                let event = match input.read(&mut buffer) {
                    Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                    Ok(0) | Err(_) => Event::Hangup,
                    Ok(read) => Event::Bytes(buffer[..read].to_vec()),
                };
                let is_last = matches!(event, Event::Hangup);
                if events.send(event).is_err() || is_last {
                    return;
                }
            }
        })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use termina::event::{KeyCode, Modifiers};

    use super::*;

    fn code(input: &Input) -> KeyCode {
        match input {
            Input::Key(key) => key.code,
            other => panic!("{other:?}"),
        }
    }

    fn codes(inputs: &[Input]) -> Vec<KeyCode> {
        inputs.iter().map(code).collect()
    }

    #[test]
    fn keys_are_recognised() {
        let now = Instant::now();
        for (bytes, expected) in [
            (&b"q"[..], &[KeyCode::Char('q')][..]),
            (b"\x1b[A\x1b[B", &[KeyCode::Up, KeyCode::Down]),
            (b"\x1bOP", &[KeyCode::Function(1)]),
            (
                b"\x1b[15~\x1b[21~",
                &[KeyCode::Function(5), KeyCode::Function(10)],
            ),
            (b"\x1b[[A", &[KeyCode::Function(1)]),
            (
                b"\r\x7f\t ",
                &[
                    KeyCode::Enter,
                    KeyCode::Backspace,
                    KeyCode::Tab,
                    KeyCode::Char(' '),
                ],
            ),
            ("\u{f8}".as_bytes(), &[KeyCode::Char('\u{f8}')]),
        ] {
            let mut keys = Keys::default();
            assert_eq!(codes(&keys.feed(bytes, now)), expected, "{bytes:?}");
            // The same in pieces of one byte.
            let mut keys = Keys::default();
            let inputs: Vec<_> = bytes
                .iter()
                .flat_map(|&byte| keys.feed(&[byte], now))
                .collect();
            assert_eq!(codes(&inputs), expected, "{bytes:?}");
        }
        let inputs = Keys::default().feed(b"\x1a", now);
        let [Input::Key(key)] = inputs[..] else {
            panic!("{inputs:?}");
        };
        assert_eq!(
            (key.code, key.modifiers),
            (KeyCode::Char('z'), Modifiers::CONTROL)
        );
        assert_eq!(
            Keys::default().feed(b"\x1b[200~q\x1b[201~", now),
            [Input::Paste("q".to_owned())]
        );
    }

    /// Of the mouse, only what has an effect here is input.
    #[test]
    fn clicks_and_the_wheel_are_recognised() {
        let now = Instant::now();
        for (bytes, expected) in [
            (
                &b"\x1b[<0;10;8M"[..],
                Some(MouseEventKind::Down(MouseButton::Left)),
            ),
            (b"\x1b[<64;10;8M", Some(MouseEventKind::ScrollUp)),
            (b"\x1b[<65;10;8M", Some(MouseEventKind::ScrollDown)),
            // Releases, other buttons, motion, and what makes no sense.
            (b"\x1b[<0;10;8m", None),
            (b"\x1b[<1;10;8M", None),
            (b"\x1b[<2;10;8M", None),
            (b"\x1b[<32;10;8M", None),
            (b"\x1b[<35;10;8M", None),
            (b"\x1b[<0;99999;8M", None),
            (b"\x1b[<0M", None),
            (b"\x1b[<M", None),
        ] {
            let mut keys = Keys::default();
            let mut inputs = keys.feed(bytes, now);
            inputs.extend(keys.feed(b"q", now));
            let mouse = match &inputs[..] {
                [Input::Mouse(event), Input::Key(_)] => Some(event),
                [Input::Key(_)] => None,
                other => panic!("{bytes:?}: {other:?}"),
            };
            assert_eq!(mouse.map(|event| event.kind), expected, "{bytes:?}");
            if let Some(event) = mouse {
                assert_eq!((event.column, event.row), (9, 7));
            }
        }
    }

    #[test]
    fn half_a_sequence_blocks_nothing() {
        let now = Instant::now();
        for (half, expected) in [
            (&b"\x1b"[..], &[KeyCode::Escape][..]),
            (b"\x1b[", &[]),
            (b"\x1b[1;", &[]),
            (b"\x1bO", &[]),
            (b"\xc3", &[]),
            (b"\xe2\x82", &[]),
        ] {
            let mut keys = Keys::default();
            assert!(keys.feed(half, now).is_empty(), "{half:?}");
            assert_eq!(keys.deadline(), Some(now + PATIENCE));
            assert_eq!(codes(&keys.give_up()), expected, "{half:?}");
            assert_eq!(keys.deadline(), None);
            assert_eq!(
                codes(&keys.feed(b"q", now)),
                [KeyCode::Char('q')],
                "{half:?}"
            );
        }
    }

    #[test]
    fn complete_input_has_no_deadline() {
        let now = Instant::now();
        let mut keys = Keys::default();
        assert_eq!(codes(&keys.feed(b"q\x1b[A", now)).len(), 2);
        assert_eq!(keys.deadline(), None);
        assert_eq!(codes(&keys.feed(b"q\x1b", now)).len(), 1);
        assert_eq!(keys.deadline(), Some(now + PATIENCE));
    }

    /// The rest of a slow paste is no keys.
    #[test]
    fn the_rest_of_a_paste_is_dropped() {
        let now = Instant::now();
        let mut keys = Keys::default();
        assert_eq!(codes(&keys.feed(b"q\x1b[200~text", now)).len(), 1);
        assert_eq!(keys.deadline(), Some(now + PATIENCE));
        assert!(keys.give_up().is_empty());
        assert!(keys.feed(b"k\r", now).is_empty());
        assert_eq!(keys.deadline(), None);
        let inputs = keys.feed(b"k\r\x1b[201~q", now);
        assert_eq!(codes(&inputs), [KeyCode::Char('q')]);
    }
}
