// SPDX-License-Identifier: GPL-2.0-only

//! `reset`: the totals and the filter, zeroed.

use serde::Serialize;

use crate::session::Session;

/// Zero the totals (opens, reads, writes, ioctls) and the filter
///
/// The message and per_cpu_ops stay.
#[derive(clap::Args, Debug)]
pub struct Args {}

pub const JSON: &str = "  reset    {reset}";

#[derive(Serialize)]
struct Reset {
    reset: bool,
}

impl Args {
    pub fn run(self, session: &Session) -> anyhow::Result<()> {
        session.open_to_write()?.reset()?;
        session.out.print_json(&Reset { reset: true })
    }
}
