// SPDX-License-Identifier: GPL-2.0-only

//! Command for `/dev/procmon`, the process monitor in the Linux kernel.

mod ascii;
mod cgroup;
mod cli;
mod clock;
mod commands;
mod config;
mod events;
mod exit;
mod export;
mod manual;
mod output;
mod selftest;
mod session;
mod source;
mod table;
mod text;
mod top;
mod values;

use std::env;
use std::io::{self, Write};
use std::process::ExitCode;

use crate::cli::Cli;
use crate::exit::Exit;
use crate::output::complain;
use crate::source::Offer;

fn main() -> ExitCode {
    let result = match Cli::read() {
        Ok(cli) => cli.configured(env::args_os()).and_then(Cli::run),
        Err(message) => show(&message),
    };
    let error = match result {
        Ok(code) => return code,
        Err(error) => error,
    };
    if exit::is_broken_pipe(&error) {
        // The reader has seen enough, as `head` has after a few lines.
        return ExitCode::SUCCESS;
    }
    let hint = error
        .downcast_ref::<procmon::Error>()
        .and_then(procmon::Error::hint);
    let hint = hint.map_or_else(String::new, |hint| format!(": {hint}"));
    let offer = error.downcast_ref::<Offer>();
    let errors = error.chain().skip(usize::from(offer.is_some()));
    let errors: Vec<_> = errors.map(ToString::to_string).collect();
    let offer = offer.map_or_else(String::new, |offer| format!("\n{offer}"));
    complain(format_args!("{}{hint}{offer}", errors.join(": ")));
    Exit::of(&error).into()
}

/// Prints help, the version, or an error in the arguments.
fn show(message: &clap::Error) -> anyhow::Result<ExitCode> {
    if message.use_stderr() {
        // As everywhere, the status counts if the message cannot be written.
        let _ = message.print();
        return Ok(Exit::Usage.into());
    }
    message.print()?;
    io::stdout().flush()?;
    Ok(ExitCode::SUCCESS)
}
