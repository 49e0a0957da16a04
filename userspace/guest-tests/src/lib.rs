// SPDX-License-Identifier: GPL-2.0

//! Helpers of the integration tests in `tests/`.
//!
//! The tests load and unload the module, provoke errors in the kernel and need root, so they are
//! for a guest that is thrown away. They must run one at a time (`--test-threads=1`), as there is
//! but one module.
//!
//! A test begins with [`loaded`], or with a [`KernelGuard`] if it loads the module in a way of its
//! own. The guard fails the test when the kernel warned of something meanwhile.

pub mod child;
pub mod compat;
pub mod faults;
pub mod kernel_log;
pub mod leaks;
pub mod memory;
pub mod module;
pub mod procfs;
pub mod raw;
pub mod terminal;

use std::env;
use std::fmt::Display;
use std::fs::{self, File};
use std::io::{self, Write};
use std::thread;
use std::time::{Duration, Instant};

use procmon::sysfs;

pub use kernel_log::KernelGuard;
pub use module::Module;

/// How long to wait for what must happen sooner or later, on a slow emulated machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Begins a test: the module is loaded with the given parameters until the end of the test, and the
/// kernel must have no complaint until then.
///
/// # Panics
///
/// If the module cannot be loaded.
#[must_use]
pub fn loaded(parameters: &str) -> (KernelGuard, Module) {
    let guard = KernelGuard::new();
    let module = Module::load(parameters).expect("the module can be loaded");
    (guard, module)
}

/// Opens the device for reading and writing.
///
/// # Panics
///
/// If that fails.
#[must_use]
pub fn open() -> File {
    File::options()
        .read(true)
        .write(true)
        .open(procmon::DEVICE_PATH)
        .expect("the device can be opened")
}

/// The statistics as sysfs has them, reading which changes nothing.
///
/// # Panics
///
/// If they cannot be read.
#[must_use]
pub fn stats() -> sysfs::Stats {
    sysfs::stats().expect("the attribute stats can be read")
}

/// Waits until something is true.
///
/// # Panics
///
/// If it does not get true.
pub fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        thread::sleep(Duration::from_millis(1));
    }
}

/// Whether the kernel is one of our own, which check everything they do.
///
/// # Panics
///
/// If `/proc` is not mounted.
#[must_use]
pub fn is_own_kernel() -> bool {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").expect("/proc is mounted");
    release.contains("-procmon-")
}

/// Says on the terminal that the kernel has not what a test needs, which then has to end.
///
/// With `PROCMON_REQUIRE_DEBUG=1` in the environment, as on the debug kernel, it must have.
///
/// # Panics
///
/// In that case.
pub fn skip(reason: impl Display) {
    let required = env::var_os("PROCMON_REQUIRE_DEBUG").is_some_and(|value| value == "1");
    assert!(!required, "this kernel must have it: {reason}");
    // Unlike what is printed by println!, this is shown by tests that pass too.
    writeln!(io::stdout(), "skipped: {reason}").expect("there is a standard output");
}
