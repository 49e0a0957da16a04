// SPDX-License-Identifier: GPL-2.0-only

//! `count`: the length of the message.

use std::fmt::{self, Display};

use serde::Serialize;

use crate::session::Session;

/// Print the length of the message in bytes
#[derive(clap::Args, Debug)]
pub struct Args {}

pub const JSON: &str = "  count    {count}";

impl Args {
    pub fn run(self, session: &Session) -> anyhow::Result<()> {
        let count = session.open_to_read()?.count()?;
        session.out.print(&Count { count })
    }
}

#[derive(Serialize)]
struct Count {
    count: usize,
}

impl Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.count.fmt(f)
    }
}
