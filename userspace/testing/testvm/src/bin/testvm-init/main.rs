// SPDX-License-Identifier: GPL-2.0-only

//! Process 1 of the guest: prepares it, gets its files from the host, loads the module, runs one
//! task, reports its outcome and stops the machine.
//!
//! The console belongs to the kernel: any other output would mix with its messages.

mod configuration;
mod exit;
mod files;
mod host;
mod kmsg;
mod module;
mod ports;
mod start;
mod system;
mod task;

use std::fs;
use std::io::BufReader;

use anyhow::{Context, Result};
use nix::errno::Errno;
use testvm::protocol::{
    END_OF_LOG, FILES_PORT, JOB_PATH, Job, MODULE_PATH, Message, Outcome, Report, Task,
};

use crate::host::Host;

fn main() {
    if std::process::id() != 1 {
        eprintln!("testvm-init: only useful as process 1 of a virtual machine");
        std::process::exit(1);
    }
    if let Err(error) = run() {
        // Without a port for reports, the host still shows the kernel log.
        let _ = kmsg::log(&format!("testvm-init: {error:#}"));
    }
    stop_machine();
}

fn run() -> Result<()> {
    system::mount_all()?;
    let mut host = Host::open()?;
    let mut report = Report {
        outcome: Outcome::Exited(0),
        stdout: 0,
        stderr: 0,
        tainted: 0,
    };
    if let Err(error) = do_job(&mut host, &mut report) {
        report.outcome = Outcome::Failed(format!("{error:#}"));
    }
    report.tainted = fs::read_to_string("/proc/sys/kernel/tainted")
        .context("cannot read the taint flags")?
        .trim()
        .parse()
        .context("strange taint flags")?;
    kmsg::log(END_OF_LOG)?;

    host.send(&Message::Ended(report))?;
    host.wait_for_acknowledgment()
        .context("the host does not answer")
}

fn do_job(host: &mut Host, report: &mut Report) -> Result<()> {
    system::configure()?;
    // Opened early, as the kernel needs time to learn the names of ports.
    let port = ports::open(FILES_PORT)?;
    host.send(&Message::Ready)?;

    start::apply(&host.wait_for_start()?)?;
    host.send(&Message::Started)?;
    files::unpack(BufReader::new(port)).context("cannot get the files")?;
    let job = fs::read(JOB_PATH).with_context(|| format!("cannot read {JOB_PATH}"))?;
    let job: Job = serde_json::from_slice(&job).with_context(|| format!("bad {JOB_PATH}"))?;
    if job.task == Task::Probe {
        return Ok(());
    }
    if let Some(wanted) = &job.wanted {
        configuration::check(wanted)?;
    }
    if let Some(parameters) = &job.module {
        module::load(MODULE_PATH, parameters)?;
    }
    task::run(&job, host, report)
}

/// Ends QEMU. Unlike a power-off, this gives it an exit status of its own.
fn stop_machine() -> ! {
    exit::stop();
    panic!("the machine has no way to exit: {}", Errno::last());
}
