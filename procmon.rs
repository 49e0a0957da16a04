// SPDX-License-Identifier: GPL-2.0-only

//! procmon: a process monitor with a character device and sysfs attributes.
//!
//! [`driver`] is the monitor itself, in safe code. [`abstractions`] are the additions to the
//! `kernel` crate that it builds on. [`driver::uapi`] is the ABI, generated from `procmon_uapi.h`.

use kernel::{
    prelude::*,
    sync::Arc, //
};

// Times, counters and the states of locks are read by one load each, and the CPU of a task is read
// from its `thread_info`.
#[cfg(not(CONFIG_64BIT))]
compile_error!("procmon is for 64-bit kernels: it reads 64-bit counters in one go");
#[cfg(not(CONFIG_THREAD_INFO_IN_TASK))]
compile_error!(
    "procmon is for kernels with THREAD_INFO_IN_TASK: a task's CPU is in its thread_info"
);

mod abstractions;
#[forbid(unsafe_code)]
mod driver;

use abstractions::{
    kthread::KThread,
    miscdevice::MiscDeviceRegistration,
    module_param::{
        modinfo,
        module_param, //
    },
    sysfs::AttributeGroups, //
};
use driver::{
    device::Device,
    monitor::{
        targets::List,
        Monitor, //
    },
    sysfs::{
        BufferSize,
        LatestSample,
        Stats,
        Targets, //
    },
    uapi, //
};

module! {
    type: Procmon,
    name: "procmon",
    authors: ["The procmon developers"],
    description: "Process Monitor - Character Device with RCU and sysfs",
    license: "GPL",
}

modinfo!("version", "1.0.0");

module_param! {
    /// The limit of one write to the device, in bytes.
    static BUFFER_SIZE = "buffer_size" {
        default: uapi::PROCMON_BUFFER_SIZE_DEFAULT,
        range: uapi::PROCMON_BUFFER_SIZE_MIN..=uapi::PROCMON_BUFFER_SIZE_MAX,
        mode: 0o644,
        description: "Size of internal buffer (default: 1024)",
    }
}

module_param! {
    /// The interval between two samples of the monitor, in milliseconds.
    static MONITOR_INTERVAL_MS = "monitor_interval_ms" {
        default: uapi::PROCMON_MONITOR_INTERVAL_MS_DEFAULT,
        range: uapi::PROCMON_MONITOR_INTERVAL_MS_MIN..=uapi::PROCMON_MONITOR_INTERVAL_MS_MAX,
        mode: 0o644,
        description: "Time between two samples of the monitor in ms (default: 1000)",
    }
}

module_param! {
    /// The number of samples that are kept.
    static HISTORY = "history" {
        default: uapi::PROCMON_HISTORY_DEFAULT,
        range: uapi::PROCMON_HISTORY_MIN..=uapi::PROCMON_HISTORY_MAX,
        mode: 0o444,
        description: "Number of samples of the monitor that are kept (default: 3600)",
    }
}

module_param! {
    /// The size of the ring of events, in KiB.
    static EVENTS_KB = "events_kb" {
        default: uapi::PROCMON_EVENTS_KB_DEFAULT,
        range: uapi::PROCMON_EVENTS_KB_MIN..=uapi::PROCMON_EVENTS_KB_MAX,
        mode: 0o444,
        description: "Size of the ring of events in KiB (default: 4096)",
    }
}

module_param! {
    /// Whether events are recorded without a reader.
    static EVENTS_RECORD = "events_record" {
        default: uapi::PROCMON_EVENTS_RECORD_DEFAULT,
        range: uapi::PROCMON_EVENTS_RECORD_MIN..=uapi::PROCMON_EVENTS_RECORD_MAX,
        mode: 0o444,
        description: "1: record events without a reader, for later ones (default: 0)",
    }
}

module_param! {
    /// The way in which processes are kept from callers that may not trace them.
    static HIDEPID = "hidepid" {
        default: uapi::PROCMON_HIDEPID_DEFAULT,
        range: uapi::PROCMON_HIDEPID_MIN..=uapi::PROCMON_HIDEPID_MAX,
        mode: 0o444,
        description: "1: redact processes that a caller may not trace, 2: hide them (default: 0)",
    }
}

module_param! {
    /// The processes that the monitor follows.
    static TARGETS = "targets" {
        bytes: 512,
        description: "PIDs and names of processes to follow, separated by commas (default: none)",
    }
}

/// The state of the loaded module.
///
/// Its fields are initialised from bottom to top, so that the device can be opened only when
/// all the rest exists, and dropped from top to bottom.
#[pin_data]
struct Procmon {
    #[pin]
    device: MiscDeviceRegistration<Device>,
    monitor: KThread<Monitor>,
    /// Dropped after all of the above.
    farewell: Farewell,
}

/// Logs that the module is unloaded.
struct Farewell;

impl Drop for Farewell {
    fn drop(&mut self) {
        pr_info!("unloaded\n");
    }
}

impl kernel::InPlaceModule for Procmon {
    fn init(_module: &'static ThisModule) -> impl PinInit<Self, Error> {
        pin_init::pin_init_scope(|| {
            let shared = Arc::pin_init(Monitor::new(HISTORY.value() as usize), GFP_KERNEL)?;
            let targets = List::parse(TARGETS.value()).inspect_err(|_| {
                pr_err!(
                    "targets must be at most {} PIDs and names\n",
                    uapi::PROCMON_TARGETS_MAX,
                );
            })?;

            shared.set_targets(targets, |targets| shared.targets.swap(targets))?;
            Ok(try_pin_init!(Self {
                monitor: KThread::run(Monitor::THREAD_NAME, shared.clone())?,
                device <- MiscDeviceRegistration::register(
                    Device::NAME,
                    Device::MODE,
                    AttributeGroups::new::<(Stats, BufferSize, LatestSample, Targets)>(),
                    Device::new(shared.clone()),
                ),
                _: {
                    if let Some(file) = device.attribute_file::<LatestSample>() {
                        shared.notify_by(file);
                    }
                },
                // Nothing fails after this, so a module that was not loaded logs no farewell.
                farewell: Farewell,
                _: {
                    let (major, minor) = device.number();

                    pr_info!(
                        "loaded: /dev/procmon is {}:{}, buffer_size={}\n",
                        major,
                        minor,
                        BUFFER_SIZE.value(),
                    );
                },
            }? Error))
        })
    }
}
