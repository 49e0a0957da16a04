// SPDX-License-Identifier: GPL-2.0-only

//! Runs a program on a terminal of its own, presses keys, and draws its screen in SVG.
//! scripts/pictures runs it in a guest.

mod svg;

use std::io::{self, Write};
use std::time::Duration;

use anyhow::ensure;
use clap::Parser;
use fixture::terminal::Terminal;

/// The time without output after which a screen is complete.
const QUIET: Duration = Duration::from_millis(300);

/// Draws the screen of a program
#[derive(Debug, Parser)]
struct Options {
    /// Number of rows of the terminal
    #[arg(long, value_name = "N", default_value_t = 30)]
    rows: u16,

    /// Number of columns of the terminal
    #[arg(long, value_name = "N", default_value_t = 100)]
    columns: u16,

    /// Seconds from the start of the program to the keys
    #[arg(long, value_name = "SECONDS", default_value_t = 5)]
    wait: u64,

    /// Keys to press, and two seconds later the next ones
    #[arg(long, value_name = "KEYS", allow_hyphen_values = true)]
    press: Vec<String>,

    /// The program, by its path, and its arguments
    #[arg(last = true, required = true)]
    command: Vec<String>,
}

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    let command: Vec<_> = options.command.iter().map(String::as_str).collect();
    let mut terminal = Terminal::start(&command, options.rows, options.columns);
    terminal.read_for(Duration::from_secs(options.wait));
    for keys in &options.press {
        terminal.press(keys);
        terminal.read_for(Duration::from_secs(2));
    }
    ensure!(
        terminal.read_until_quiet(QUIET),
        "the program has ended, or its screen never rests:\n{}",
        terminal.lines().join("\n")
    );
    io::stdout().write_all(svg::draw(terminal.screen())?.as_bytes())?;
    Ok(())
}
