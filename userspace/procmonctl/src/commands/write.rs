// SPDX-License-Identifier: GPL-2.0-only

//! `write`: another message.

use std::ffi::OsString;
use std::io::{self, Read};
use std::os::unix::ffi::OsStringExt;

use anyhow::{Context, bail};
use procmon::sysfs;
use serde::Serialize;

use crate::session::Session;

/// Replace the message
///
/// The device takes at most as many bytes as the module's parameter buffer_size says. A longer
/// message is cut there, and the exit status is 1.
#[derive(clap::Args, Debug)]
#[command(after_long_help = EXAMPLES)]
pub struct Args {
    /// The message, taken as it is; standard input if absent or "-"
    text: Option<OsString>,
}

pub const JSON: &str = "  write    {length, written}";

const EXAMPLES: &str = "\
Examples:
  procmonctl write 'Hello Kernel'
  date | procmonctl write";

#[derive(Serialize)]
struct Written {
    length: usize,
    written: usize,
}

impl Args {
    pub fn run(self, session: &Session) -> anyhow::Result<()> {
        // Before the message is read, so that none is typed in vain.
        let device = session.open_to_write()?;
        let message = match self.text {
            Some(text) if text != "-" => text.into_vec(),
            _ => read_stdin()?,
        };
        let written = device.write_message(&message)?;
        let length = message.len();
        session.out.print_json(&Written { length, written })?;
        if written < length {
            bail!(
                "only {written} of {length} bytes fitted: see the module's parameter buffer_size"
            );
        }
        Ok(())
    }
}

/// Reads standard input to its end, or to the largest size that any device takes.
fn read_stdin() -> anyhow::Result<Vec<u8>> {
    let limit = *sysfs::Parameter::BufferSize.range().end();
    let mut message = Vec::new();
    let len = io::stdin()
        .take(u64::from(limit) + 1)
        .read_to_end(&mut message)
        .context("cannot read standard input")?;
    if len > limit as usize {
        bail!("standard input is longer than any message can be ({limit} bytes): nothing written");
    }
    Ok(message)
}
