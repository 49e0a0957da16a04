// SPDX-License-Identifier: GPL-2.0-only

//! The lines of a recording.
//!
//! Times are nanoseconds since boot, but `lasted` is none of a line: it follows from two of them.
//! Sizes are bytes. A process is named by its PID and its start, as PIDs are reused. A value that
//! the recorder could not learn is absent. Readers ignore keys and kinds of lines that they do not
//! know; what a key means changes with the version only.

use serde::{Deserialize, Serialize};

use crate::Text;

/// The version of the format.
pub const VERSION: u32 = 1;

/// A line of a recording.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "kind", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Line {
    /// The first line.
    Header(Header),
    /// A process is there: it came to be, or had been there before the recording.
    Process(Process),
    /// A process executes a program.
    Exec(Exec),
    /// A process has ended.
    Exit(Exit),
    /// A process is there no more, and the event of its end is lost.
    Gone(Gone),
    /// A process was moved to another cgroup.
    Moved(Moved),
    /// The path of a cgroup, before the first line that has its ID.
    Cgroup(Cgroup),
    /// The name of a user, before the first line that has the ID.
    User(User),
    /// The use of the machine.
    Sample(Sample),
    /// Events that came too fast for the recorder.
    Lost(Lost),
    /// The last line, unless the recorder was stopped by force.
    End(End),
    /// A kind of a later version.
    #[cfg_attr(test, schemars(skip))]
    #[serde(other)]
    Unknown,
}

/// The circumstances of a recording.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Header {
    /// The version of the format.
    pub version: u32,
    /// The beginning.
    pub time: u64,
    /// The same moment by the wall clock, in nanoseconds since 1970.
    pub wall_time: i64,
    /// The ID of the boot, within which times can be compared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub boot_id: Option<String>,
    /// The name of the machine.
    pub host: Text,
    /// The release of its kernel.
    pub kernel: Text,
    /// The number of its CPUs that are online.
    pub cpus: u32,
    /// The size of its memory.
    pub memory: u64,
    /// The processes that are recorded.
    pub selection: Selection,
}

/// The processes that are recorded.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Selection {
    /// The process that executes a command, and all that descend from it.
    Command {
        /// The command with its arguments.
        args: Vec<Text>,
        /// The PID.
        pid: i32,
    },
    /// The process with this PID, and all that descend from it.
    Pid(i32),
    /// Those of a cgroup, by its path, and of those below it.
    Cgroup(Text),
    /// All.
    System,
}

/// A process.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Process {
    /// The PID.
    pub pid: i32,
    /// The start.
    pub start: u64,
    /// The parent at that moment.
    pub ppid: i32,
    /// The start of the parent, if it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent_start: Option<u64>,
    /// The name.
    pub comm: Text,
    /// The real user.
    pub uid: u32,
    /// The ID of the cgroup.
    pub cgroup_id: u64,
    /// Whether it had been there before the recording.
    #[serde(default, skip_serializing_if = "is_false")]
    pub is_older: bool,
}

/// The execution of a program. Of a process that is older than the recording it is the last one
/// before it, without a time.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Exec {
    /// The PID.
    pub pid: i32,
    /// The start.
    pub start: u64,
    /// The moment, if it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<u64>,
    /// The name of the program's file, as it was executed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<Text>,
    /// The arguments, if they could be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub args: Option<Vec<Text>>,
    /// Whether there are more arguments.
    #[serde(default, skip_serializing_if = "is_false")]
    pub is_cut: bool,
    /// The working directory, if it was looked up before the process ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub directory: Option<Text>,
    /// The name.
    pub comm: Text,
    /// The effective user from now on.
    pub euid: u32,
}

/// The end of a process. What the recorder may not see is absent.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Exit {
    /// The PID.
    pub pid: i32,
    /// The start.
    pub start: u64,
    /// The moment.
    pub time: u64,
    /// The status, as wait(2) has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<i32>,
    /// The user time.
    pub utime: u64,
    /// The system time.
    pub stime: u64,
    /// The time on CPUs, as the scheduler counts it.
    pub runtime: u64,
    /// The time of waiting for a CPU, of the last thread.
    pub wait_time: u64,
    /// Page faults without I/O.
    pub minor_faults: u64,
    /// Page faults with I/O.
    pub major_faults: u64,
    /// Voluntary context switches.
    pub voluntary_switches: u64,
    /// Involuntary context switches.
    pub involuntary_switches: u64,
    /// The most memory that was resident at a time.
    pub max_rss: u64,
    /// Bytes read from block devices.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read_bytes: Option<u64>,
    /// Bytes written to block devices.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub write_bytes: Option<u64>,
}

/// The end of a process whose event is lost.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Gone {
    /// The PID.
    pub pid: i32,
    /// The start.
    pub start: u64,
    /// The moment at which the process was missed.
    pub time: u64,
}

/// A move to another cgroup.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Moved {
    /// The PID.
    pub pid: i32,
    /// The start.
    pub start: u64,
    /// The moment.
    pub time: u64,
    /// The ID of the new cgroup.
    pub cgroup_id: u64,
}

/// A cgroup.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Cgroup {
    /// The ID.
    pub id: u64,
    /// The path in the unified hierarchy.
    pub path: Text,
}

/// A user.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct User {
    /// The ID.
    pub uid: u32,
    /// The name.
    pub name: Text,
}

/// The use of the machine. Times are sums over all CPUs since boot.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Sample {
    /// The moment.
    pub time: u64,
    /// The time that CPUs were busy.
    pub busy: u64,
    /// The time that they were idle while I/O was pending.
    pub io_wait: u64,
    /// The memory in use, without the cache.
    pub memory: u64,
}

/// Losses of the stream of events.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Lost {
    /// The moment at which the recorder learned of them.
    pub time: u64,
    /// Their number. They include events of processes that are not recorded.
    pub count: u64,
}

/// The end of a recording.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct End {
    /// The moment.
    pub time: u64,
    /// The status of the command, as wait(2) has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<i32>,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
fn is_false(value: &bool) -> bool {
    !value
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::env;

    use schemars::generate::SchemaSettings;
    use serde_json::Value;

    use super::*;

    /// Lines of each kind, as the first version has written them.
    const FIRST_VERSION: &str = include_str!("../version-1.jsonl");

    /// The schema that users have.
    const SCHEMA: &str = include_str!("../schema.json");

    /// With `UPDATE_SCHEMA=1` in the environment, the file is written.
    #[test]
    fn the_schema_is_that_of_the_types() {
        let settings = SchemaSettings::draft2020_12().for_serialize();
        let schema = settings.into_generator().into_root_schema_for::<Line>();
        let schema = serde_json::to_string_pretty(&schema).unwrap() + "\n";
        if env::var_os("UPDATE_SCHEMA").is_some_and(|value| value == "1") {
            std::fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/schema.json"), &schema).unwrap();
        } else {
            assert_eq!(schema, SCHEMA, "see UPDATE_SCHEMA");
        }
    }

    #[test]
    fn lines_of_the_first_version_are_read_and_written_as_they_are() {
        let mut kinds = BTreeSet::new();
        for json in FIRST_VERSION.lines() {
            let line: Line = serde_json::from_str(json).unwrap();
            assert_ne!(line, Line::Unknown, "{json}");
            assert_eq!(serde_json::to_string(&line).unwrap(), json);
            let value: Value = serde_json::from_str(json).unwrap();
            kinds.insert(value["kind"].as_str().unwrap().to_owned());
        }
        assert_eq!(kinds.len(), 11, "{kinds:?}");
    }

    /// The keys of a line are those that the schema has for its kind, and all that it requires are
    /// there.
    #[test]
    fn lines_of_the_first_version_have_the_keys_of_the_schema() {
        let schema: Value = serde_json::from_str(SCHEMA).unwrap();
        for json in FIRST_VERSION.lines() {
            let line: Value = serde_json::from_str(json).unwrap();
            let kinds = schema["oneOf"].as_array().unwrap();
            let is_kind = |of: &&Value| of["properties"]["kind"]["const"] == line["kind"];
            let mut kind = kinds.iter().find(is_kind).unwrap().clone();
            // What is not of the tag is in a definition of its own.
            let required = kind["required"].take();
            let name = kind["$ref"].as_str().unwrap().strip_prefix("#/$defs/");
            let definition = &schema["$defs"][name.unwrap()];
            let known = |key: &str| key == "kind" || definition["properties"].get(key).is_some();
            assert!(
                line.as_object().unwrap().keys().all(|key| known(key)),
                "{json}"
            );
            let needed = [&required, &definition["required"]];
            let mut needed = needed.into_iter().flat_map(|keys| keys.as_array().unwrap());
            assert!(
                needed.all(|key| line.get(key.as_str().unwrap()).is_some()),
                "{json}"
            );
        }
    }

    #[test]
    fn lines_are_objects_with_a_kind() {
        let line = Line::User(User {
            uid: 7,
            name: Text::from("søren"),
        });
        let json = r#"{"kind":"user","uid":7,"name":"søren"}"#;
        assert_eq!(serde_json::to_string(&line).unwrap(), json);
        assert_eq!(serde_json::from_str::<Line>(json).unwrap(), line);
    }

    #[test]
    fn later_versions_may_have_more() {
        let key = r#"{"kind":"user","uid":7,"name":"a","group":8}"#;
        assert!(matches!(serde_json::from_str(key), Ok(Line::User(_))));
        let kind = r#"{"kind":"weather","sun":true}"#;
        assert_eq!(serde_json::from_str::<Line>(kind).unwrap(), Line::Unknown);
    }

    #[test]
    fn absent_values_have_no_key() {
        let process =
            r#"{"kind":"process","pid":7,"start":5,"ppid":1,"comm":"sh","uid":0,"cgroup_id":1}"#;
        let line: Line = serde_json::from_str(process).unwrap();
        assert!(matches!(&line, Line::Process(process) if !process.is_older));
        assert_eq!(serde_json::to_string(&line).unwrap(), process);
        let header =
            r#"{"kind":"header","version":1,"time":7,"wall_time":0,"host":"a","kernel":"b","#;
        let header = format!("{header}\"cpus\":1,\"memory\":0,\"selection\":\"system\"}}");
        let line: Line = serde_json::from_str(&header).unwrap();
        assert_eq!(serde_json::to_string(&line).unwrap(), header);
    }
}
