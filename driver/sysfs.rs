// SPDX-License-Identifier: GPL-2.0-only

//! The attributes of the device in sysfs.

use kernel::{
    fmt::{
        self,
        Write, //
    },
    prelude::*,
    str::Formatter, //
};

use crate::{
    abstractions::sysfs::Attribute,
    driver::{
        device::Device,
        monitor::{
            targets::List,
            Latest,
            Viewer, //
        }, //
    }, //
};

/// `stats`: the totals since the last reset, the operations since loading, and the filter.
pub(crate) struct Stats;

#[vtable]
impl Attribute<Device> for Stats {
    const NAME: &'static CStr = c"stats";

    fn show(device: &Device, out: &mut Formatter<'_>) -> fmt::Result {
        let report = device.report();

        writeln!(out, "opens: {}", report.since_reset.opens)?;
        writeln!(out, "reads: {}", report.since_reset.reads)?;
        writeln!(out, "writes: {}", report.since_reset.writes)?;
        writeln!(out, "ioctls: {}", report.since_reset.ioctls)?;
        writeln!(out, "per_cpu_ops: {}", report.operations)?;
        writeln!(out, "filter_pid: {}", report.filter_pid)
    }
}

/// `buffer_size`: the limit of one write, in bytes.
pub(crate) struct BufferSize;

#[vtable]
impl Attribute<Device> for BufferSize {
    const NAME: &'static CStr = c"buffer_size";

    fn show(_device: &Device, out: &mut Formatter<'_>) -> fmt::Result {
        writeln!(out, "{}", crate::BUFFER_SIZE.value())
    }
}

/// `monitor`: the latest sample of the system.
pub(crate) struct LatestSample;

#[vtable]
impl Attribute<Device> for LatestSample {
    const NAME: &'static CStr = c"monitor";

    fn show(device: &Device, out: &mut Formatter<'_>) -> fmt::Result {
        let Latest { samples, sample } = device.monitor.latest();

        writeln!(out, "samples: {samples}")?;
        writeln!(out, "processes: {}", sample.processes)?;
        writeln!(out, "threads: {}", sample.threads)?;
        writeln!(out, "running: {}", sample.running)?;
        writeln!(out, "uninterruptible: {}", sample.uninterruptible)?;
        writeln!(out, "zombies: {}", sample.zombies)?;
        writeln!(out, "forks: {}", sample.forks)
    }
}

/// `targets`: the processes that the monitor follows, as PIDs in the reader's PID namespace and as
/// names. A write sets all of them.
pub(crate) struct Targets;

#[vtable]
impl Attribute<Device> for Targets {
    const NAME: &'static CStr = c"targets";

    fn show(device: &Device, out: &mut Formatter<'_>) -> fmt::Result {
        match Viewer::of_caller(kernel::current!()) {
            Some(viewer) => device.monitor.targets.list().show(&viewer, out),
            None => Ok(()),
        }
    }

    fn store(device: &Device, text: &[u8]) -> Result {
        device.set_targets(List::parse(text)?)
    }
}
