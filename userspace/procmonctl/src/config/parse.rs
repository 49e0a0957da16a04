// SPDX-License-Identifier: GPL-2.0-only

//! The text of a file: its tables, keys and values, with the place of the first fault.

use std::error::Error;
use std::ops::Range;

use clap::error::{ContextKind, ContextValue};
use clap::{Arg, Command};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{Config, Key, Kind, Setting, TABLES, options};
use crate::table::render::cut;

/// The width up to which a message has a value.
const WIDTH: usize = 60;

/// A value: its place, and its text on the command line.
type Value = (Range<usize>, String);

/// A fault in a file.
#[derive(Debug)]
pub struct Fault {
    start: usize,
    pub message: String,
}

impl Fault {
    fn new(span: Range<usize>, message: String) -> Self {
        Self {
            start: span.start,
            message,
        }
    }

    /// Returns the line and the column, in characters and from 1 on.
    pub fn position(&self, bytes: &[u8]) -> (usize, usize) {
        let before = String::from_utf8_lossy(&bytes[..self.start]);
        let line = before.matches('\n').count() + 1;
        let column = before.chars().rev().take_while(|&c| c != '\n').count() + 1;
        (line, column)
    }
}

/// Parses a file. The settings are those of options of this command line.
pub fn parse(bytes: &[u8], command: &Command) -> Result<Config, Fault> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let start = error.valid_up_to();
        Fault::new(start..start, "the file is not in UTF-8".to_owned())
    })?;
    let document = DeTable::parse(text).map_err(|error| {
        let span = error.span().unwrap_or_default();
        Fault::new(span, error.message().to_owned())
    })?;
    let mut settings = Vec::new();
    for (name, value) in document.get_ref() {
        let table = TABLES.into_iter().find(|table| table == name.get_ref());
        let (Some(table), DeValue::Table(entries)) = (table, value.get_ref()) else {
            let expected = TABLES.map(|table| format!("[{table}]")).join(", ");
            let message = format!("{:?} is not one of the tables: {expected}", name.get_ref());
            return Err(Fault::new(name.span(), message));
        };
        let subcommand = command
            .find_subcommand(table)
            .expect("each table has its command");
        let parser = Parser {
            text,
            table,
            subcommand,
        };
        for (name, value) in entries {
            settings.push(parser.setting(name.span(), name.get_ref(), value)?);
        }
    }
    Ok(Config { settings })
}

/// The parser of a table.
struct Parser<'a> {
    text: &'a str,
    table: &'static str,
    subcommand: &'a Command,
}

impl Parser<'_> {
    fn setting(
        &self,
        span: Range<usize>,
        name: &str,
        value: &Spanned<DeValue>,
    ) -> Result<Setting, Fault> {
        let keys = || options(self.subcommand);
        let Some((Key(key, kind), option)) = keys().find(|(key, _)| key.0 == name) else {
            let keys: Vec<_> = keys().map(|(key, _)| key.0).collect();
            let message = format!(
                "unknown key {name:?} in [{}], which has {}",
                self.table,
                keys.join(", ")
            );
            return Err(Fault::new(span, message));
        };
        let Some(values) = kind.values(value) else {
            let raw = self.text[value.span()].lines().next().unwrap_or_default();
            let message = format!(
                "{} is no value of {key}: expected {}",
                cut(raw, WIDTH),
                kind.description()
            );
            return Err(Fault::new(value.span(), message));
        };
        self.check(key, option, &values)?;
        Ok(Setting {
            table: self.table,
            key,
            values: values.into_iter().map(|(_, value)| value).collect(),
        })
    }

    /// Parses values as the command line does.
    fn check(&self, key: &str, option: &Arg, values: &[Value]) -> Result<(), Fault> {
        let name = option.get_long().expect("all of them have long names");
        // An element of an array is one value.
        let command = self.subcommand.clone().no_binary_name(true);
        let command = command.mut_arg(option.get_id(), |option| option.value_delimiter(None));
        let arguments = values.iter().map(|(_, text)| format!("--{name}={text}"));
        let Err(error) = command.try_get_matches_from(arguments) else {
            return Ok(());
        };
        let is_wrong = |(_, text): &&Value| {
            let wrong = error.get(ContextKind::InvalidValue);
            matches!(wrong, Some(ContextValue::String(wrong)) if wrong == text)
        };
        let mut wrong = values.iter().filter(is_wrong).chain(values);
        let (span, text) = wrong.next().expect("a key has values");
        let message = format!(
            "{:?} is no value of {key}: {}",
            cut(text, WIDTH),
            reason(&error)
        );
        Err(Fault::new(span.clone(), message))
    }
}

/// Returns the reason for which the command line refuses a value.
fn reason(error: &clap::Error) -> String {
    if let Some(reason) = error.source() {
        return reason.to_string();
    }
    let Some(ContextValue::Strings(values)) = error.get(ContextKind::ValidValue) else {
        return error.kind().to_string();
    };
    let values = values.join(", ");
    match error.get(ContextKind::SuggestedValue) {
        Some(ContextValue::String(other)) => {
            format!("did you mean {other:?}? Expected one of {values}")
        }
        _ => format!("expected one of {values}"),
    }
}

impl Kind {
    fn description(self) -> &'static str {
        match self {
            Self::Flag => "true or false",
            Self::Number => "a number",
            Self::Text => "a string",
            Self::List => "an array of one string or more",
        }
    }

    /// Returns a value, or the elements of an array, as the command line has them.
    fn values(self, value: &Spanned<DeValue>) -> Option<Vec<Value>> {
        let text = match (self, value.get_ref()) {
            (Self::Flag, DeValue::Boolean(is_set)) => is_set.to_string(),
            (Self::Number, DeValue::Integer(number)) => {
                i64::from_str_radix(number.as_str(), number.radix())
                    .ok()?
                    .to_string()
            }
            (Self::Number, DeValue::Float(number)) => number.as_str().to_owned(),
            (Self::Text, DeValue::String(text)) => text.to_string(),
            (Self::List, DeValue::Array(elements)) if !elements.is_empty() => {
                let elements = elements.iter().map(|element| {
                    let text = element.get_ref().as_str()?;
                    Some((element.span(), text.to_owned()))
                });
                return elements.collect();
            }
            _ => return None,
        };
        Some(vec![(value.span(), text)])
    }
}
