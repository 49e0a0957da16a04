// SPDX-License-Identifier: GPL-2.0

//! Serialization of types that cannot derive it.
//!
//! Times are numbers of nanoseconds. A name is a string, or a sequence of its bytes if these are no
//! text, so that different names stay different.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

use serde::ser::{Serialize, SerializeStruct, Serializer};

use crate::history::{Chosen, History, Sample};
use crate::snapshot::{Groups, Record};
use crate::{BootTime, State};

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

struct Name<'a>(&'a OsStr);

impl Serialize for Name<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        name(self.0, serializer)
    }
}

struct Nanos(Duration);

impl Serialize for Nanos {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        nanos(&self.0, serializer)
    }
}

impl Serialize for BootTime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        nanos(&self.since_boot(), serializer)
    }
}

/// The letter of the state.
impl Serialize for State {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_char(self.letter())
    }
}

/// The names of the groups.
impl Serialize for Groups {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter_names().map(|(name, _)| name.to_ascii_lowercase()))
    }
}

impl Serialize for Record {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut record = serializer.serialize_struct("Record", 17)?;
        record.serialize_field("pid", &self.pid())?;
        record.serialize_field("tgid", &self.tgid())?;
        record.serialize_field("ppid", &self.ppid())?;
        record.serialize_field("state", &self.state())?;
        record.serialize_field("comm", &Name(self.comm()))?;
        record.serialize_field("threads", &self.threads())?;
        record.serialize_field("kernel_thread", &self.is_kernel_thread())?;
        record.serialize_field("exiting", &self.is_exiting())?;
        record.serialize_field("mixed", &self.is_mixed())?;
        record.serialize_field("cpu", &self.cpu())?;
        record.serialize_field("credentials", &self.credentials())?;
        record.serialize_field("faults", &self.faults())?;
        record.serialize_field("memory", &self.memory())?;
        record.serialize_field("switches", &self.switches())?;
        record.serialize_field("io", &self.io())?;
        record.serialize_field("cgroup_id", &self.cgroup_id())?;
        record.serialize_field("runtime", &self.runtime().map(Nanos))?;
        record.end()
    }
}

impl Serialize for Chosen<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match *self {
            Self::None => serializer.serialize_none(),
            Self::Process(record) => record.serialize(serializer),
            Self::Gone { pid, start } => {
                let mut gone = serializer.serialize_struct("Gone", 3)?;
                gone.serialize_field("pid", &pid)?;
                gone.serialize_field("start", &start)?;
                gone.serialize_field("gone", &true)?;
                gone.end()
            }
        }
    }
}

impl Serialize for Sample {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut sample = serializer.serialize_struct("Sample", 4)?;
        sample.serialize_field("sequence", &self.sequence())?;
        sample.serialize_field("time", &self.time())?;
        sample.serialize_field("system", &self.system())?;
        sample.serialize_field("chosen", &self.chosen())?;
        sample.end()
    }
}

impl Serialize for History {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut history = serializer.serialize_struct("History", 4)?;
        history.serialize_field("samples", self.samples())?;
        history.serialize_field("next", &self.next())?;
        history.serialize_field("missed", &self.missed())?;
        history.serialize_field("interval", &Nanos(self.interval()))?;
        history.end()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{json, to_value};

    use crate::uapi;

    use super::*;

    #[test]
    fn a_record_has_all_its_fields() {
        let mut raw = uapi::procmon_record {
            groups: uapi::PROCMON_GROUP_CPU | uapi::PROCMON_GROUP_RUNTIME,
            pid: 7,
            state: uapi::PROCMON_STATE_DISK_SLEEP,
            start_time: 5,
            runtime: 1_500_000_000,
            ..Default::default()
        };
        raw.comm[0] = b'x' as _;
        let value = to_value(Record(raw)).unwrap();
        assert_eq!(value["pid"], 7);
        assert_eq!(value["state"], "D");
        assert_eq!(value["comm"], "x");
        assert_eq!(value["runtime"], 1_500_000_000_u64);
        assert_eq!(value["cpu"]["start"], 5);
        assert_eq!(value["cpu"]["user"], 0);
        assert_eq!(value["memory"], json!(null));
        // Not text.
        raw.comm[0] = 0xff_u8 as _;
        assert_eq!(to_value(Record(raw)).unwrap()["comm"], json!([255]));
    }

    #[test]
    fn a_sample_has_the_target() {
        let mut raw = uapi::procmon_sample {
            sequence: 3,
            zombies: 2,
            ..Default::default()
        };
        let value = to_value(Sample(raw)).unwrap();
        assert_eq!(value["system"]["zombies"], 2);
        assert_eq!(value["chosen"], json!(null));
        raw.flags = uapi::PROCMON_SAMPLE_GONE;
        raw.process.pid = 9;
        assert_eq!(
            to_value(Sample(raw)).unwrap()["chosen"],
            json!({"pid": 9, "start": null, "gone": true})
        );
        let groups = to_value(Groups::CPU | Groups::IO).unwrap();
        assert_eq!(groups, json!(["cpu", "io"]));
    }
}
