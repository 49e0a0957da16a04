// SPDX-License-Identifier: GPL-2.0-only

//! Templates of names, as far as process-exporter has values for them.

use std::collections::HashMap;
use std::str::FromStr;

use anyhow::{Context, bail};

use super::base;
use crate::clock::Moment;

/// The values of a process.
#[derive(Debug, Default)]
pub struct Values {
    pub comm: String,
    /// Its first argument.
    pub exe: Option<String>,
    /// All arguments, with spaces in between.
    pub command_line: String,
    pub user: String,
    pub pid: i32,
    pub start: Moment,
    pub cgroup: Option<String>,
    /// The texts that the named groups of the expressions have captured.
    pub matches: HashMap<String, String>,
}

#[derive(Clone, Debug, Eq, PartialEq)]
enum Field {
    Comm,
    ExeBase,
    ExeFull,
    Username,
    Pid,
    StartTime,
    Cgroups,
    Match(String),
}

impl FromStr for Field {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        Ok(match text {
            ".Comm" => Self::Comm,
            ".ExeBase" => Self::ExeBase,
            ".ExeFull" => Self::ExeFull,
            ".Username" => Self::Username,
            ".PID" => Self::Pid,
            ".StartTime" => Self::StartTime,
            ".Cgroups" => Self::Cgroups,
            _ => match text.strip_prefix(".Matches.") {
                Some(name) if name.chars().all(|c| c.is_alphanumeric() || c == '_') => {
                    Self::Match(name.to_owned())
                }
                _ => bail!(
                    "unknown value {text}: expected .Comm, .ExeBase, .ExeFull, .Username, .PID, \
                     .StartTime, .Cgroups or .Matches.NAME"
                ),
            },
        })
    }
}

impl Field {
    fn value(&self, values: &Values) -> String {
        let exe = values.exe.as_ref().unwrap_or(&values.comm);
        match self {
            Self::Comm => values.comm.clone(),
            Self::ExeBase => base(exe).to_owned(),
            Self::ExeFull => exe.clone(),
            Self::Username => values.user.clone(),
            Self::Pid => values.pid.to_string(),
            Self::StartTime => values.start.to_string(),
            // As Go prints lists.
            Self::Cgroups => format!("[{}]", values.cgroup.as_deref().unwrap_or_default()),
            Self::Match(name) => values.matches.get(name).cloned().unwrap_or_default(),
        }
    }
}

#[derive(Clone, Debug, Eq, PartialEq)]
enum Part {
    Text(String),
    Field(Field),
}

/// A template: text, with values in `{{` and `}}`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Template(Vec<Part>);

impl Template {
    pub fn parse(text: &str) -> anyhow::Result<Self> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, behind)) = rest.split_once("{{") {
            let (field, after) = behind
                .split_once("}}")
                .with_context(|| format!("{text}: {{{{ without }}}}"))?;
            if !before.is_empty() {
                parts.push(Part::Text(before.to_owned()));
            }
            let field = field.trim().parse();
            parts.push(Part::Field(field.with_context(|| text.to_owned())?));
            rest = after;
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        Ok(Self(parts))
    }

    pub fn fill(&self, values: &Values) -> String {
        let parts = self.0.iter().map(|part| match part {
            Part::Text(text) => text.clone(),
            Part::Field(field) => field.value(values),
        });
        parts.collect()
    }

    /// Returns the name if it does not depend on a process.
    pub fn constant(&self) -> Option<String> {
        match &self.0[..] {
            [Part::Text(text)] => Some(text.clone()),
            _ => None,
        }
    }

    pub fn needs_user(&self) -> bool {
        self.0.contains(&Part::Field(Field::Username))
    }

    pub fn needs_cgroups(&self) -> bool {
        self.0.contains(&Part::Field(Field::Cgroups))
    }
}
