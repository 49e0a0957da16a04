// SPDX-License-Identifier: GPL-2.0-only

//! Rules that name groups: the configuration of process-exporter.
//!
//! Each entry of `process_names` has conditions on the name of a process (`comm`), on its first
//! argument (`exe`) and on its command line (`cmdline`), and a template for the name of its group.
//! The first entry counts whose conditions a process meets.

mod template;

use std::fs;
use std::path::Path;

use anyhow::{Context, bail};
use procmon::CgroupPath;
use regex::Regex;
use serde::Deserialize;

use self::template::{Template, Values};
use super::subject::Subject;
use crate::clock::Clock;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    process_names: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    #[serde(default = "default_name")]
    name: String,
    comm: Option<Vec<String>>,
    exe: Option<Vec<String>>,
    cmdline: Option<Vec<String>>,
}

fn default_name() -> String {
    "{{.ExeBase}}".to_owned()
}

/// An entry of the configuration.
#[derive(Debug)]
struct Rule {
    name: Template,
    comm: Option<Vec<String>>,
    exe: Option<Vec<String>>,
    cmdline: Vec<Regex>,
}

impl Rule {
    fn new(entry: Entry) -> anyhow::Result<Self> {
        let Entry {
            name,
            comm,
            exe,
            cmdline,
        } = entry;
        if comm.is_none() && exe.is_none() && cmdline.is_none() {
            bail!("there are no conditions: expected comm, exe or cmdline");
        }
        let expressions = cmdline.unwrap_or_default();
        let expressions = expressions.iter().map(|text| Regex::new(text));
        Ok(Self {
            name: Template::parse(&name)?,
            comm,
            exe,
            cmdline: expressions.collect::<Result<_, _>>()?,
        })
    }

    /// Returns whether a process meets the conditions, and if so, adds what the expressions
    /// capture.
    fn matches(&self, values: &mut Values) -> bool {
        let has_comm = |names: &Vec<String>| names.contains(&values.comm);
        if !self.comm.as_ref().is_none_or(has_comm) {
            return false;
        }
        let is_exe = |name: &String| {
            let full = values.exe.as_deref();
            full == Some(name) || !name.contains('/') && full.map(base) == Some(name)
        };
        if !self
            .exe
            .as_ref()
            .is_none_or(|names| names.iter().any(is_exe))
        {
            return false;
        }
        values.matches.clear();
        for expression in &self.cmdline {
            let Some(captures) = expression.captures(&values.command_line) else {
                return false;
            };
            let names = expression.capture_names().flatten();
            let texts = names.map(|name| {
                let text = captures.name(name).map_or("", |capture| capture.as_str());
                (name.to_owned(), text.to_owned())
            });
            values.matches.extend(texts);
        }
        true
    }
}

/// Returns the part behind the last slash.
fn base(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// The entries of a configuration.
#[derive(Debug)]
pub struct Rules {
    rules: Vec<Rule>,
    /// Whether processes that meet no conditions belong to the groups of their parents.
    children: bool,
    /// One for all, so that a name with a time stays the same.
    clock: Clock,
}

impl Rules {
    pub fn read(path: &Path, children: bool) -> anyhow::Result<Self> {
        let text = fs::read_to_string(path);
        text.map_err(anyhow::Error::from)
            .and_then(|text| Self::parse(&text, children))
            .with_context(|| path.display().to_string())
    }

    fn parse(text: &str, children: bool) -> anyhow::Result<Self> {
        let file: File = serde_saphyr::from_str(text)?;
        let rules = file.process_names.into_iter().zip(1..);
        let rules = rules.map(|(entry, number)| {
            Rule::new(entry).with_context(|| format!("entry {number} of process_names"))
        });
        Ok(Self {
            rules: rules.collect::<Result<_, _>>()?,
            children,
            clock: Clock::read(),
        })
    }

    /// Whether processes that meet no conditions belong to the groups of their parents.
    pub fn have_heirs(&self) -> bool {
        self.children
    }

    pub fn need_cgroups(&self) -> bool {
        self.rules.iter().any(|rule| rule.name.needs_cgroups())
    }

    /// Returns the names that do not depend on a process.
    pub fn constant_names(&self) -> Vec<String> {
        let names = self.rules.iter().filter_map(|rule| rule.name.constant());
        names.collect()
    }

    /// Returns the name of the group of a process, unless it meets no conditions.
    pub fn name(
        &self,
        subject: &Subject,
        cgroup: Option<&CgroupPath>,
        user: impl FnOnce() -> String,
    ) -> Option<String> {
        let arguments = subject.arguments().map(String::from_utf8_lossy);
        let arguments: Vec<_> = arguments.collect();
        let mut values = Values {
            comm: String::from_utf8_lossy(subject.comm()).into_owned(),
            exe: arguments.first().map(|exe| exe.clone().into_owned()),
            command_line: arguments.join(" "),
            pid: subject.pid,
            start: self.clock.at(subject.start.since_boot()),
            cgroup: cgroup.map(ToString::to_string),
            ..Values::default()
        };
        let rule = self.rules.iter().find(|rule| rule.matches(&mut values))?;
        if rule.name.needs_user() {
            values.user = user();
        }
        Some(rule.name.fill(&values))
    }
}

#[cfg(test)]
mod tests;
