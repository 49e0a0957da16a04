// SPDX-License-Identifier: GPL-2.0-only

//! The filter that is typed: a regular expression for names, a PID, or a condition.

use regex::{Regex, RegexBuilder};

use crate::table::condition::{Condition, Mistake};

/// The most memory that an expression may take, in bytes, once for itself and once for its cache.
const LIMIT: usize = 1 << 20;

/// A filter. An empty one matches all processes.
#[derive(Debug, Default)]
pub struct Pattern {
    text: String,
    /// The expression, unless the text is empty or a condition.
    regex: Option<Regex>,
    condition: Option<Condition>,
}

impl Pattern {
    /// Replaces the filter. It stays as it is if the text is no valid expression, nor a condition,
    /// and if a condition has a number with a unit that does not fit.
    ///
    /// Case matters if an expression has a letter in upper case.
    pub fn set(&mut self, text: &str) -> Result<(), String> {
        let condition = match Condition::parse(text) {
            Ok(condition) => Some(condition),
            Err(Mistake::Unit(message)) => return Err(message),
            Err(Mistake::Other(_)) => None,
        };
        self.regex = if text.is_empty() || condition.is_some() {
            None
        } else {
            let regex = RegexBuilder::new(text)
                .case_insensitive(!has_upper_case(text))
                .size_limit(LIMIT)
                .dfa_size_limit(LIMIT)
                .build();
            Some(regex.map_err(|error| reason(&error))?)
        };
        self.condition = condition;
        text.clone_into(&mut self.text);
        Ok(())
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// Returns the condition, unless the filter is an expression.
    pub fn condition(&self) -> Option<&Condition> {
        self.condition.as_ref()
    }

    /// Returns whether the expression matches a part of a name, or the text is this PID.
    pub fn matches(&self, name: &str, pid: i32) -> bool {
        let Some(regex) = &self.regex else {
            return true;
        };
        regex.is_match(name) || pid.to_string() == self.text
    }
}

/// Returns whether a text has a letter in upper case, other than in a class such as `\S`.
fn has_upper_case(text: &str) -> bool {
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => drop(chars.next()),
            c if c.is_uppercase() => return true,
            _ => {}
        }
    }
    false
}

/// Returns the last line of an error, after those that show the place.
fn reason(error: &regex::Error) -> String {
    let text = error.to_string();
    let last = text.lines().last().unwrap_or_default();
    last.trim_start_matches("error: ").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> Pattern {
        let mut pattern = Pattern::default();
        pattern.set(text).unwrap();
        pattern
    }

    #[test]
    fn expressions_match_names() {
        for (text, name, expected) in [
            ("", "anything", true),
            ("sh", "sshd", true),
            ("sh", "SSHD", true),
            ("^sh$", "sshd", false),
            ("^(sh|ssh)d?$", "sshd", true),
            ("Sh", "sshd", false),
            ("Sh", "Shell", true),
            (r"^\S+$", "SHELL", true),
            (r"^\S+$", "two words", false),
            ("Å", "å", false),
            ("å", "Å", true),
            ("kworker/.*:1", "kworker/0:1", true),
        ] {
            assert_eq!(pattern(text).matches(name, 7), expected, "{text} {name}");
        }
        assert!(pattern("20").matches("name", 20));
        assert!(!pattern("20").matches("name", 201));
        assert!(!pattern("2.").matches("name", 20));
    }

    #[test]
    fn a_condition_is_no_expression() {
        let mut pattern = pattern("rss > 1M");
        assert!(pattern.condition().is_some() && !pattern.is_empty());
        for text in ["rss > x", "rsss > 1", "rss", ""] {
            pattern.set(text).unwrap();
            assert!(pattern.condition().is_none(), "{text}");
        }
    }

    #[test]
    fn a_unit_that_does_not_fit_is_told() {
        let mut pattern = pattern("time > 10");
        for text in ["time > 10m", "time > 10M"] {
            let error = pattern.set(text).unwrap_err();
            assert!(error.contains("does not fit time"), "{error}");
            assert!(pattern.condition().is_some(), "{text}");
            assert_eq!(pattern.text(), "time > 10");
        }
        assert_eq!(pattern.set("time > 10min"), Ok(()));
        assert_eq!(pattern.text(), "time > 10min");
    }

    #[test]
    fn the_last_valid_expression_stays() {
        let mut pattern = pattern("sh");
        for (bad, reason) in [
            ("sh(", "unclosed group"),
            ("*", "repetition operator missing expression"),
            ("(a{1000}){1000}", "exceeds size limit"),
        ] {
            let error = pattern.set(bad).unwrap_err();
            assert!(error.contains(reason), "{error}");
            assert!(!error.contains('\n'), "{error}");
            assert_eq!(pattern.text(), "sh");
            assert!(pattern.matches("sshd", 1) && !pattern.matches("cron", 1));
        }
        assert_eq!(pattern.set(""), Ok(()));
        assert!(pattern.is_empty() && pattern.matches("cron", 1));
    }
}
