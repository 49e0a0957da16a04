// SPDX-License-Identifier: GPL-2.0-only

//! Boots a kernel in a virtual machine and runs a command there. The exit status is the command's,
//! unless the machine fails or the kernel log has a splat.

mod accel;
mod cli;
mod elf;
mod guest;
mod host;
mod initramfs;
mod kernel;
mod machine;
mod monitor;
mod qemu;
mod saved;
mod session;
mod target;
mod terminal;
mod tsc;
mod verdict;

use std::fs::{self, File};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use testvm::protocol::Task;
use testvm::splat;

use crate::cli::{FAILED, Options, SPLAT};
use crate::machine::Machine;
use crate::qemu::{Input, Plugin};
use crate::terminal::RawMode;

const DEFAULT_TIMEOUT: Duration = Duration::from_secs(120);

/// The factor of the time with a kernel that finds errors.
const SLOWNESS: u32 = 3;

/// Kernel arguments for such a kernel. It goes on after a warning, so that the log has the whole
/// report. Watchdogs wait longer, as all is slow in emulation.
const SLOW_ARGUMENTS: &str = "panic_on_warn=0 watchdog_thresh=165 \
    rcupdate.rcu_cpu_stall_timeout=300 sysctl.kernel.hung_task_timeout_secs=420 \
    workqueue.watchdog_thresh=165";

fn main() -> ExitCode {
    let result = match cli::parse(std::env::args_os()) {
        Ok(Options {
            judge: Some(log), ..
        }) => judge_log(&log),
        Ok(options) => run(&options),
        Err(status) => return status.into(),
    };
    match result {
        Ok(status) => status.into(),
        Err(error) => {
            eprintln!("vm: {error:#}");
            FAILED.into()
        }
    }
}

fn judge_log(log: &Path) -> Result<u8> {
    let data = fs::read(log).with_context(|| format!("cannot read {}", log.display()))?;
    Ok(match splat::find(&data) {
        Some(splat) => {
            eprintln!("vm: {} shows: {splat}", log.display());
            SPLAT
        }
        None => 0,
    })
}

fn run(options: &Options) -> Result<u8> {
    let (task, input) = match cli::command_line(&options.command) {
        command if options.terminal => (terminal::task(command)?, Input::Terminal),
        Some(command) => (Task::Command(command), Input::None),
        None if terminal::is_present() => (terminal::task(None)?, Input::Terminal),
        None => (Task::Script, Input::Script),
    };
    let engine = accel::choose(options)?;
    let wanted = options
        .wanted_file()
        .map(|path| {
            fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
        })
        .transpose()?;
    let (slowness, arguments) = match wanted {
        Some(_) => (SLOWNESS, SLOW_ARGUMENTS),
        None => (1, ""),
    };
    let default_timeout = (input != Input::Terminal).then_some(DEFAULT_TIMEOUT * slowness);
    let log = options
        .log
        .as_ref()
        .map(|path| {
            File::create(path).with_context(|| format!("cannot write to {}", path.display()))
        })
        .transpose()?;
    let plugin = options
        .plugin
        .as_deref()
        .zip(options.plugin_output.as_deref())
        .map(|(plugin, output)| Plugin::open(plugin, output))
        .transpose()?;
    let machine = Machine {
        harness: &options.harness,
        kernel: &options.kernel_file(),
        engine,
        cpus: options.cpus(),
        memory: options.memory(),
        append: &format!("{arguments} {}", options.append.join(" ")),
        guest: guest::full(options, wanted, task)?,
        input,
        plugin,
        timeout: options.timeout.or(default_timeout),
        log,
        link: options.link.as_ref(),
        may_restore: !options.boot,
    };
    let raw_mode = (input == Input::Terminal)
        .then(RawMode::enter)
        .transpose()?;
    let run = machine.run();
    drop(raw_mode);

    let verdict = verdict::judge(&run?);
    if !verdict.message.is_empty() {
        eprintln!("vm: {}", verdict.message.trim_end());
    }
    Ok(verdict.status)
}
