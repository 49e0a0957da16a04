// SPDX-License-Identifier: GPL-2.0-only

//! `test`: the tester of the ioctl commands.

use std::fmt::{self, Display};
use std::process::ExitCode;

use anyhow::{Context, bail};
use serde::Serialize;

use crate::exit::Exit;
use crate::selftest::cases;
use crate::selftest::fixture::{Fixture, Verdict};
use crate::session::Session;

/// Test every ioctl command with good and bad input
///
/// Prints the results in the Test Anything Protocol. The test zeroes the totals, and changes the
/// message and the filter, which it restores at the end. It needs root, and a device that no other
/// program uses at the same time.
#[derive(clap::Args, Debug)]
pub struct Args {}

pub const JSON: &str = "  test     {test, name, ok, skipped, reason}, one object for each test";

#[derive(Serialize)]
struct Report<'a> {
    test: usize,
    name: &'a str,
    ok: bool,
    skipped: bool,
    reason: Option<String>,
}

impl<'a> Report<'a> {
    fn new(test: usize, name: &'a str, result: anyhow::Result<Verdict>) -> Self {
        let (ok, skipped, reason) = match result {
            Ok(Verdict::Pass) => (true, false, None),
            Ok(Verdict::Skip(reason)) => (true, true, Some(reason.to_owned())),
            Err(error) => (false, false, Some(format!("{error:#}"))),
        };
        Self {
            test,
            name,
            ok,
            skipped,
            reason,
        }
    }
}

/// A line of the Test Anything Protocol, and the reason of a failure after it as a comment.
impl Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            test,
            name,
            ok,
            skipped,
            reason,
        } = self;
        write!(f, "{}ok {test} - {name}", if *ok { "" } else { "not " })?;
        match reason {
            Some(reason) if *skipped => write!(f, " # SKIP {reason}"),
            Some(reason) => write!(f, "\n# {}", reason.replace('\n', "\n# ")),
            None => Ok(()),
        }
    }
}

impl Args {
    pub fn run(self, session: &Session) -> anyhow::Result<ExitCode> {
        let out = &session.out;
        let mut fixture = Fixture::open(session.path())?;
        let message = fixture.device.read_message()?;
        let filter = fixture.device.stats()?.filter;

        let mut exit = ExitCode::SUCCESS;
        let mut printed = if out.is_json() {
            Ok(())
        } else {
            out.text(&format!("1..{}", cases::ALL.len()))
        };
        for (index, &(name, case)) in cases::ALL.iter().enumerate() {
            if printed.is_err() {
                // The device is restored all the same.
                break;
            }
            let report = Report::new(index + 1, name, case(&fixture));
            if !report.ok {
                exit = Exit::Failure.into();
            }
            printed = out.print(&report);
        }

        fixture
            .device
            .set_filter(filter)
            .context("cannot put the filter back")?;
        fixture
            .device
            .write_message(&message)
            .context("cannot put the message back")?;
        // Even if the reader has seen enough: success would say that no test has failed.
        if let Err(error) = printed {
            bail!("not all results could be printed: {error:#}");
        }
        Ok(exit)
    }
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::*;

    #[test]
    fn reports_are_lines_of_tap() {
        for (result, text) in [
            (Ok(Verdict::Pass), "ok 3 - a name"),
            (
                Ok(Verdict::Skip("not here")),
                "ok 3 - a name # SKIP not here",
            ),
            (
                Err(anyhow!("two\nlines")),
                "not ok 3 - a name\n# two\n# lines",
            ),
        ] {
            assert_eq!(Report::new(3, "a name", result).to_string(), text);
        }
    }
}
