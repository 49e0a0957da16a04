// SPDX-License-Identifier: GPL-2.0-only

//! Standard output and standard error: text, colours, and lines of JSON.

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};

use serde::Serialize;

use crate::text::printable_lines;

/// Prints a message to standard error. If it cannot be written, the exit status has to do.
pub fn complain(message: impl Display) {
    let message = printable_lines(message.to_string().as_bytes());
    let _ = writeln!(io::stderr(), "procmonctl: {message}");
}

/// Standard output, in the form that the arguments ask for.
pub struct Output {
    json: bool,
}

impl Output {
    pub fn new(json: bool) -> Self {
        Self { json }
    }

    pub fn is_json(&self) -> bool {
        self.json
    }

    /// Prints a result, either as one line of JSON or as its text.
    pub fn print<T: Serialize + Display>(&self, result: &T) -> anyhow::Result<()> {
        if self.json {
            self.raw_line(&serde_json::to_string(result)?)
        } else {
            self.text(result)
        }
    }

    /// Prints a result as JSON only: without `--json`, success is enough.
    pub fn print_json<T: Serialize>(&self, result: &T) -> anyhow::Result<()> {
        if self.json {
            self.raw_line(&serde_json::to_string(result)?)
        } else {
            Ok(())
        }
    }

    /// Prints lines of text.
    pub fn text(&self, text: &impl Display) -> anyhow::Result<()> {
        self.raw_line(&text.to_string())
    }

    /// Prints lines with styles. They are left out for files and pipes, and where the environment
    /// asks for no colours.
    pub fn styled(&self, text: &str) -> anyhow::Result<()> {
        let mut stdout = anstream::stdout().lock();
        stdout.write_all(text.as_bytes())?;
        Ok(stdout.flush()?)
    }

    /// Prints bytes as they are.
    pub fn bytes(&self, bytes: &[u8]) -> anyhow::Result<()> {
        let mut stdout = io::stdout().lock();
        stdout.write_all(bytes)?;
        Ok(stdout.flush()?)
    }

    fn raw_line(&self, line: &str) -> anyhow::Result<()> {
        self.bytes(format!("{line}\n").as_bytes())
    }
}

/// Returns the width of the terminal, if standard output is one.
pub fn terminal_width() -> Option<usize> {
    let stdout = io::stdout();
    if !stdout.is_terminal() {
        return None;
    }
    let size = rustix::termios::tcgetwinsize(&stdout).ok()?;
    (size.ws_col > 0).then(|| size.ws_col.into())
}
