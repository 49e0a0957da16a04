// SPDX-License-Identifier: GPL-2.0

//! The screen in ASCII, for locales without UTF-8.
//!
//! Names are escaped where they are put on the screen. Here are the characters of borders, bars,
//! trees and so on, of ratatui and of this program.

use ratatui::buffer::Buffer;

/// Returns the character of ASCII that is most like another one.
fn substitute(c: char) -> char {
    match c {
        ' '..='~' => c,
        '─' | '━' => '-',
        '│' | '║' | '┃' | '├' => '|',
        '┌' | '┐' | '└' | '┘' => '+',
        '▲' => '^',
        '▼' => 'v',
        '…' => '.',
        // Eighths of a bar, by the ink that they take.
        '▁' => '_',
        '▂' => '.',
        '▃' => '-',
        '▄' => '=',
        '▅' => '+',
        '▆' => '*',
        '▇' => '%',
        '█' => '#',
        _ => '?',
    }
}

/// Replaces all characters outside of ASCII.
pub fn replace(buffer: &mut Buffer) {
    for cell in &mut buffer.content {
        let symbol = cell.symbol();
        if !symbol.is_ascii() {
            let c = symbol.chars().next().map_or(' ', substitute);
            cell.set_char(c);
        }
    }
}

/// Returns the prefix of a name in a tree.
pub fn prefix(prefix: &str) -> String {
    prefix.chars().map(substitute).collect()
}
