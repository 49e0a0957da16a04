// SPDX-License-Identifier: GPL-2.0-only

//! The screen in ASCII. Names are escaped where they are put on it.

use ratatui::buffer::Buffer;

use crate::ascii::substitute;

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
