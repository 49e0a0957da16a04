// SPDX-License-Identifier: GPL-2.0

//! JSON of processes.
//!
//! A name is a string, or null if it is not UTF-8. Beside the name of a process, and beside each
//! other name that is not UTF-8, stand its bytes in base64, under its key with `_base64` behind.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::ser::{SerializeMap, SerializeSeq};
use serde::{Serialize, Serializer};

use crate::clock::{self, Moment};
use crate::table::columns::{Column, Context, Row, Value};

/// The version of the JSON of `ps` and `top`. It goes up when a key goes away or changes its
/// meaning.
const VERSION: u32 = 2;

/// A table of processes, with a key for each column in the order of the columns.
#[derive(Serialize)]
pub struct Document<'a> {
    version: u32,
    /// When the snapshot was begun, in nanoseconds since boot.
    time: u64,
    /// The same by the clock on the wall.
    wall_time: Moment,
    boot_id: Option<String>,
    processes: Processes<'a>,
}

impl<'a> Document<'a> {
    pub fn new(rows: &'a [Row<'a>], columns: &'a [&'static Column], context: &'a Context) -> Self {
        Self {
            version: VERSION,
            time: u64::try_from(context.now.as_nanos()).unwrap_or(u64::MAX),
            wall_time: context.clock.at(context.now),
            boot_id: clock::boot_id(),
            processes: Processes {
                rows,
                columns,
                context,
            },
        }
    }
}

struct Processes<'a> {
    rows: &'a [Row<'a>],
    columns: &'a [&'static Column],
    context: &'a Context,
}

impl Serialize for Processes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut sequence = serializer.serialize_seq(Some(self.rows.len()))?;
        for row in self.rows {
            sequence.serialize_element(&Process {
                row,
                columns: self.columns,
                context: self.context,
            })?;
        }
        sequence.end()
    }
}

struct Process<'a> {
    row: &'a Row<'a>,
    columns: &'a [&'static Column],
    context: &'a Context,
}

impl Serialize for Process<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for column in self.columns {
            let value = column.value(self.row, self.context);
            map.serialize_entry(column.key, &value)?;
            if let Value::Name(name) = value
                && (column.key == "comm" || std::str::from_utf8(&name).is_err())
            {
                let key = format!("{}_base64", column.key);
                map.serialize_entry(&key, &base64(&name))?;
            }
        }
        map.end()
    }
}

/// Encodes bytes in base64.
pub fn base64(bytes: &[u8]) -> String {
    BASE64_STANDARD.encode(bytes)
}
