// SPDX-License-Identifier: GPL-2.0-only

//! `read`: the message.

use std::io::{self, IsTerminal};
use std::str;

use serde::Serialize;

use crate::session::Session;
use crate::text::{base64, printable_lines};

/// Print the message
///
/// All bytes are printed as they are, except on a terminal: there, characters that it would obey or
/// not show are escaped.
#[derive(clap::Args, Debug)]
pub struct Args {}

pub const JSON: &str = "  read     {length, text, base64}; text is null if it is not UTF-8";

impl Args {
    pub fn run(self, session: &Session) -> anyhow::Result<()> {
        let message = session.open_to_read()?.read_message()?;
        let out = &session.out;
        if out.is_json() {
            out.print_json(&Message::new(&message))
        } else if io::stdout().is_terminal() {
            out.bytes(printable_lines(&message).as_bytes())
        } else {
            out.bytes(&message)
        }
    }
}

#[derive(Serialize)]
struct Message {
    length: usize,
    text: Option<String>,
    base64: String,
}

impl Message {
    fn new(message: &[u8]) -> Self {
        Self {
            length: message.len(),
            text: str::from_utf8(message).ok().map(str::to_owned),
            base64: base64(message),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn json_is_as_documented() {
        let message = serde_json::to_value(Message::new(b"hi\n")).unwrap();
        assert_eq!(
            message,
            json!({"length": 3, "text": "hi\n", "base64": "aGkK"})
        );
        let message = serde_json::to_value(Message::new(b"\xff")).unwrap();
        assert_eq!(
            message,
            json!({"length": 1, "text": null, "base64": "/w=="})
        );
    }
}
