// SPDX-License-Identifier: GPL-2.0

//! procmon: a process monitor with a character device and sysfs attributes.
//!
//! [`driver`] is what the module does, in safe code. [`abstractions`] is what the `kernel` crate
//! lacks for that. [`driver::uapi`] is what user space sees, made from `procmon_uapi.h`.

use kernel::{
    prelude::*,
    sync::Arc, //
};

// Times, counters and the states of locks are read in one go, and `task_struct` is asked for its
// CPU.
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
    monitor::Monitor,
    sysfs::{
        BufferSize,
        LatestSample,
        Stats, //
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

modinfo!("version", "1.0");

module_param! {
    /// The most that one write to the device takes, in bytes.
    static BUFFER_SIZE = "buffer_size" {
        default: 1024,
        range: 1..=1048576,
        mode: 0o644,
        description: "Size of internal buffer (default: 1024)",
    }
}

module_param! {
    /// The time between two samples of the monitor, in milliseconds.
    static MONITOR_INTERVAL_MS = "monitor_interval_ms" {
        default: 1000,
        range: 10..=3600000,
        mode: 0o644,
        description: "Time between two samples of the monitor in ms (default: 1000)",
    }
}

module_param! {
    /// How many samples of the monitor are kept.
    static HISTORY = "history" {
        default: 3600,
        range: 1..=65536,
        mode: 0o444,
        description: "Number of samples of the monitor that are kept (default: 3600)",
    }
}

/// All that lives while the module is loaded.
///
/// It is set up from bottom to top, so that the device can be reached only when all the rest is
/// there, and taken down from top to bottom.
#[pin_data]
struct Procmon {
    #[pin]
    device: MiscDeviceRegistration<Device>,
    monitor: KThread<Monitor>,
    /// Is dropped when all of the above is gone.
    farewell: Farewell,
}

/// Says that the module is unloaded.
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

            Ok(try_pin_init!(Self {
                monitor: KThread::run(Monitor::THREAD_NAME, shared.clone())?,
                device <- MiscDeviceRegistration::register(
                    Device::NAME,
                    Device::MODE,
                    AttributeGroups::new::<(Stats, BufferSize, LatestSample)>(),
                    Device::new(shared.clone()),
                ),
                _: {
                    if let Some(file) = device.attribute_file::<LatestSample>() {
                        shared.notify_by(file);
                    }
                },
                // Nothing fails any more, so a module that was not loaded does not say farewell.
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
