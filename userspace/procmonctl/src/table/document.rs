// SPDX-License-Identifier: GPL-2.0-only

//! Tables in JSON.
//!
//! A name is a string, or null if it is not UTF-8. The name of a process, and each other name that
//! is not UTF-8, is also there in base64, under its key with `_base64` appended. Arguments are an
//! array of such strings, and are there in base64, all of them, if one is not UTF-8.

use serde::ser::{SerializeMap, SerializeSeq};
use serde::{Serialize, Serializer};

use super::columns::Column;
use super::group::{Group, GroupBy};
use super::row::{Context, Row, Values};
use super::value::Value;
use crate::clock::Time;
use crate::text::base64;

/// The version of the JSON of `ps` and `top`. It increases when a key is removed or changes its
/// meaning.
const VERSION: u32 = 3;

/// A table of processes or groups, with a key for each column in the order of the columns.
#[derive(Serialize)]
pub struct Document<'a> {
    version: u32,
    /// Time of the snapshot's beginning.
    #[serde(flatten)]
    time: Time,
    #[serde(flatten)]
    lines: Lines<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Lines<'a> {
    Processes {
        processes: Table<'a, Row<'a>>,
    },
    Groups {
        group_by: &'static str,
        groups: Table<'a, Group>,
    },
}

impl<'a> Document<'a> {
    pub fn new(rows: &'a [Row<'a>], columns: &'a [&'static Column], context: &'a Context) -> Self {
        let processes = Table {
            lines: rows,
            columns,
            context,
        };
        Self::of(Lines::Processes { processes }, context)
    }

    pub fn of_groups(
        groups: &'a [Group],
        by: GroupBy,
        columns: &'a [&'static Column],
        context: &'a Context,
    ) -> Self {
        let groups = Table {
            lines: groups,
            columns,
            context,
        };
        let group_by = by.name();
        Self::of(Lines::Groups { group_by, groups }, context)
    }

    fn of(lines: Lines<'a>, context: &Context) -> Self {
        Self {
            version: VERSION,
            time: Time::new(context.now, context.clock),
            lines,
        }
    }
}

struct Table<'a, T> {
    lines: &'a [T],
    columns: &'a [&'static Column],
    context: &'a Context,
}

impl<T: Values> Serialize for Table<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut sequence = serializer.serialize_seq(Some(self.lines.len()))?;
        for line in self.lines {
            sequence.serialize_element(&Line {
                line,
                columns: self.columns,
                context: self.context,
            })?;
        }
        sequence.end()
    }
}

struct Line<'a, T> {
    line: &'a T,
    columns: &'a [&'static Column],
    context: &'a Context,
}

impl<T: Values> Serialize for Line<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for column in self.columns {
            let value = self.line.value(column, self.context);
            map.serialize_entry(column.key, &value)?;
            let key = || format!("{}_base64", column.key);
            match value {
                Value::Name(name) if column.key == "comm" || str::from_utf8(&name).is_err() => {
                    map.serialize_entry(&key(), &base64(&name))?;
                }
                Value::Arguments(list) if list.iter().any(|one| str::from_utf8(one).is_err()) => {
                    let list: Vec<_> = list.iter().map(|one| base64(one)).collect();
                    map.serialize_entry(&key(), &list)?;
                }
                _ => {}
            }
        }
        map.end()
    }
}
