// SPDX-License-Identifier: GPL-2.0-only

//! The kernel log in the guest.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;

use anyhow::{Context, Result};
use nix::errno::Errno;

const PATH: &str = "/dev/kmsg";

/// The size of a buffer for any record.
const RECORD_SIZE: usize = 8192;

/// Adds a line to the log.
pub fn log(line: &str) -> Result<()> {
    let mut kmsg = OpenOptions::new()
        .write(true)
        .open(PATH)
        .with_context(|| format!("cannot open {PATH}"))?;
    // Without the line end, the kernel would wait for the rest of the line.
    kmsg.write_all(format!("{line}\n").as_bytes())
        .with_context(|| format!("cannot write to {PATH}"))
}

/// A recorder of the messages from its creation on.
pub struct Recorder(File);

impl Recorder {
    pub fn start() -> Result<Self> {
        let mut kmsg = OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_NONBLOCK)
            .open(PATH)
            .with_context(|| format!("cannot open {PATH}"))?;
        kmsg.seek(SeekFrom::End(0))
            .with_context(|| format!("cannot seek in {PATH}"))?;
        Ok(Recorder(kmsg))
    }

    /// Returns the messages since the start, one a line.
    pub fn messages(mut self) -> Result<String> {
        let mut messages = String::new();
        let mut record = [0; RECORD_SIZE];
        loop {
            match self.0.read(&mut record) {
                Ok(length) => {
                    messages.push_str(message(&String::from_utf8_lossy(&record[..length])));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(messages),
                // Records were overwritten before we read them; the next ones are there.
                Err(error) if error.raw_os_error() == Some(Errno::EPIPE as i32) => {}
                Err(error) => {
                    return Err(error).with_context(|| format!("cannot read {PATH}"));
                }
            }
            messages.push('\n');
        }
    }
}

/// Returns the message of a record "priority,sequence,time,flags;message\n SUBSYSTEM=...\n".
fn message(record: &str) -> &str {
    let text = record.split_once(';').map_or(record, |(_, text)| text);
    text.lines().next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_of_a_record_is_its_first_line() {
        assert_eq!(
            message("6,339,5140900,-;procmon: a;b\n SUBSYSTEM=misc\n"),
            "procmon: a;b"
        );
        assert_eq!(message("6,339,5140900,-;\n"), "");
    }
}
