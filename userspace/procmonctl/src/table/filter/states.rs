// SPDX-License-Identifier: GPL-2.0-only

//! Sets of states.

use procmon::State;

/// The letters of states. Capitals and small letters differ.
const STATES: &str = "RSDTtXZPI";

/// A set of states.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct States(String);

impl States {
    /// Returns whether a state is in the set.
    pub fn contains(&self, state: State) -> bool {
        self.0.contains(state.letter())
    }
}

/// Parses letters of states, with or without commas between them.
pub fn parse_states(text: &str) -> Result<States, String> {
    let letters: String = text.chars().filter(|&letter| letter != ',').collect();
    if let Some(letter) = letters.chars().find(|&letter| !STATES.contains(letter)) {
        return Err(format!(
            "no state has the letter {letter:?}: expected some of {STATES}, \
             where capitals and small letters differ"
        ));
    }
    if letters.is_empty() {
        return Err(format!("expected some of {STATES}"));
    }
    Ok(States(letters))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_have_letters_and_no_others() {
        assert!(parse_states("tT").is_ok());
        for bad in ["", ",", "Q", "r", "running", "R Z", "日"] {
            assert!(parse_states(bad).is_err(), "{bad:?}");
        }
        let known = [0, 1, 2, 4, 8, 16, 32, 64, 128].map(|raw| State::from_raw(raw).letter());
        assert_eq!(String::from_iter(known), STATES);
    }
}
