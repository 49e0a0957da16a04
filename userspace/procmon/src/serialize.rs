// SPDX-License-Identifier: GPL-2.0-only

//! Serialization of times and names.
//!
//! Times are numbers of nanoseconds. A name is a string, or a sequence of its bytes if these are no
//! text, so that different names stay different.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

use serde::ser::{Serialize, Serializer};

pub(crate) fn nanos<S: Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
    serializer.serialize_u64(nanos)
}

pub(crate) fn name<S: Serializer>(
    name: impl AsRef<OsStr>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match name.as_ref().to_str() {
        Some(text) => serializer.serialize_str(text),
        None => name.as_ref().as_bytes().serialize(serializer),
    }
}

pub(crate) struct Name<'a>(pub(crate) &'a OsStr);

impl Serialize for Name<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        name(self.0, serializer)
    }
}

pub(crate) struct Nanos(pub(crate) Duration);

impl Serialize for Nanos {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        nanos(&self.0, serializer)
    }
}
