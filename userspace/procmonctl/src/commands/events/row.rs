// SPDX-License-Identifier: GPL-2.0-only

//! Events as JSON.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::ExitStatusExt;
use std::time::Duration;

use procmon::events::{Classes, Event, EventFlags, EventKind, Exec, Exit, Fork};
use serde::ser::{Serialize, SerializeMap, Serializer};

use super::Programs;
use crate::clock::{Clock, nanoseconds};
use crate::text::base64;

/// The version of the JSON. It increases when a key is removed or changes its meaning.
const JSON_VERSION: u32 = 1;

/// An event for programs. Times are in nanoseconds, memory is in bytes. A name that is not UTF-8 is
/// null, and its bytes are in base64 under the key with `_base64`.
pub struct Row<'a> {
    pub event: &'a Event<'a>,
    pub programs: &'a Programs,
    pub clock: Clock,
}

impl Serialize for Row<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let event = self.event;
        let kind = event.kind();
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("version", &JSON_VERSION)?;
        map.serialize_entry("kind", kind.name())?;
        map.serialize_entry("sequence", &event.sequence())?;
        if let EventKind::Lost(lost) = kind {
            map.serialize_entry("last", &lost.last())?;
            map.serialize_entry("lost", &lost.count(Classes::all()))?;
            return map.end();
        }
        let time = event.time().since_boot();
        map.serialize_entry("time", &nanoseconds(time))?;
        map.serialize_entry("wall_time", &self.clock.at(time))?;
        map.serialize_entry("pid", &event.pid())?;
        map.serialize_entry("tid", &event.tid())?;
        map.serialize_entry("start", &nanoseconds(event.start().since_boot()))?;
        map.serialize_entry("ppid", &event.ppid())?;
        map.serialize_entry("uid", &event.uid())?;
        map.serialize_entry("euid", &event.euid())?;
        map.serialize_entry("cpu", &event.cpu())?;
        map.serialize_entry("cgroup_id", &event.cgroup_id())?;
        match kind {
            EventKind::Fork(fork) | EventKind::ThreadStart(fork) => start(&mut map, &fork)?,
            EventKind::Exec(exec) => self.program(&mut map, &exec)?,
            EventKind::Exit(exit) | EventKind::ThreadExit(exit) => self.end(&mut map, &exit)?,
            EventKind::Rename(rename) => {
                name(&mut map, "old_comm", rename.old_comm())?;
                name(&mut map, "comm", rename.comm())?;
            }
            EventKind::Cgroup(to) => {
                map.serialize_entry("new_cgroup_id", &to.id)?;
                name(&mut map, "path", to.path)?;
            }
            _ => {}
        }
        map.end()
    }
}

/// Adds a name, and its bytes if it is not UTF-8.
fn name<M: SerializeMap>(map: &mut M, key: &str, name: &OsStr) -> Result<(), M::Error> {
    map.serialize_entry(key, &name.to_str())?;
    if name.to_str().is_none() {
        map.serialize_entry(&format!("{key}_base64"), &base64(name.as_bytes()))?;
    }
    Ok(())
}

fn start<M: SerializeMap>(map: &mut M, fork: &Fork) -> Result<(), M::Error> {
    map.serialize_entry("creator", &fork.creator())?;
    map.serialize_entry("creator_tid", &fork.creator_tid())?;
    map.serialize_entry("clone_flags", &fork.clone_flags())?;
    name(map, "comm", fork.comm())
}

impl Row<'_> {
    fn has(&self, flag: EventFlags) -> bool {
        self.event.flags().contains(flag)
    }

    fn program<M: SerializeMap>(&self, map: &mut M, exec: &Exec<'_>) -> Result<(), M::Error> {
        let arguments: Vec<_> = exec.arguments().collect();
        name(map, "comm", exec.comm())?;
        name(map, "file", exec.file())?;
        let texts: Vec<_> = arguments.iter().map(|argument| argument.to_str()).collect();
        map.serialize_entry("args", &texts)?;
        if texts.contains(&None) {
            let bytes = arguments.iter().map(|argument| base64(argument.as_bytes()));
            map.serialize_entry("args_base64", &bytes.collect::<Vec<_>>())?;
        }
        map.serialize_entry("args_size", &exec.arguments_size())?;
        map.serialize_entry("truncated", &self.has(EventFlags::TRUNCATED))
    }

    fn end<M: SerializeMap>(&self, map: &mut M, exit: &Exit) -> Result<(), M::Error> {
        let event = self.event;
        let status = exit.status();
        let is_known = !self.has(EventFlags::REDACTED);
        let command = self.programs.of(event, exit.comm());
        name(map, "comm", exit.comm())?;
        name(map, "command", OsStr::from_bytes(&command))?;
        // Nothing is known of what the caller may not see.
        map.serialize_entry("exit_code", &status.code().filter(|_| is_known))?;
        map.serialize_entry("signal", &status.signal())?;
        map.serialize_entry("core_dumped", &is_known.then(|| status.core_dumped()))?;
        let times: [(&str, Duration); 5] = [
            ("lasted", event.time().saturating_sub(event.start())),
            ("utime", exit.user()),
            ("stime", exit.system()),
            ("runtime", exit.runtime()),
            ("wait_time", exit.wait_time()),
        ];
        for (key, time) in times {
            map.serialize_entry(key, &nanoseconds(time))?;
        }
        for (key, number) in [
            ("minor_faults", exit.faults().minor),
            ("major_faults", exit.faults().major),
            ("voluntary_switches", exit.switches().voluntary),
            ("involuntary_switches", exit.switches().involuntary),
            ("max_rss", exit.max_resident()),
        ] {
            map.serialize_entry(key, &number)?;
        }
        for (key, bytes) in [
            ("read_bytes", exit.io().read),
            ("write_bytes", exit.io().written),
        ] {
            map.serialize_entry(key, &is_known.then_some(bytes))?;
        }
        Ok(())
    }
}
