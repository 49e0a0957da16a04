// SPDX-License-Identifier: GPL-2.0-only

//! IDs of users and groups.

/// Users, or groups.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    User,
    Group,
}

/// Parses an ID: digits only. The largest number is no ID: it stands for "none".
pub fn parse_id(digits: &[u8]) -> Option<u32> {
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let id = std::str::from_utf8(digits).ok()?.parse().ok()?;
    (id != u32::MAX).then_some(id)
}
