// SPDX-License-Identifier: GPL-2.0

//! Loading and unloading the module.

use std::ffi::{CStr, CString};
use std::fs::{self, File};
use std::path::Path;
use std::thread;
use std::time::Duration;

use nix::errno::Errno;
use nix::kmod::{DeleteModuleFlags, ModuleInitFlags, delete_module, finit_module};

/// Where the bench puts the module.
pub const PATH: &str = "/lib/modules/procmon.ko";

/// The loaded module, which is unloaded again at the end.
#[derive(Debug)]
pub struct Module(());

impl Module {
    /// Loads the module with parameters in the form `a=1 b=2`.
    ///
    /// # Errors
    ///
    /// What the kernel says.
    pub fn load(parameters: &str) -> nix::Result<Self> {
        let parameters = CString::new(parameters).expect("there is no NUL in the parameters");
        Self::load_from(&file(), &parameters)
    }

    /// The same with all that it takes at hand, so that there is nothing but the one system call.
    ///
    /// # Errors
    ///
    /// What the kernel says.
    pub fn load_from(file: &File, parameters: &CStr) -> nix::Result<Self> {
        finit_module(file, parameters, ModuleInitFlags::empty())?;
        Ok(Self(()))
    }

    /// Unloads the module.
    ///
    /// # Errors
    ///
    /// What the kernel says, with the module still loaded.
    pub fn unload(self) -> Result<(), (Self, Errno)> {
        match try_unload() {
            Ok(()) => {
                std::mem::forget(self);
                Ok(())
            }
            Err(errno) => Err((self, errno)),
        }
    }
}

/// Unloads the module, which a process that was just killed may still be using for a moment.
impl Drop for Module {
    fn drop(&mut self) {
        let mut result = try_unload();
        for _ in 0..1000 {
            if result != Err(Errno::EWOULDBLOCK) {
                break;
            }
            thread::sleep(Duration::from_millis(2));
            result = try_unload();
        }
        if !thread::panicking() {
            assert_eq!(result, Ok(()), "the module cannot be unloaded");
        }
    }
}

/// The module's file.
///
/// # Panics
///
/// If there is none.
#[must_use]
pub fn file() -> File {
    File::open(PATH).expect("the bench has put the module in place")
}

/// Asks the kernel once to unload the module, whoever has loaded it.
///
/// # Errors
///
/// What the kernel says.
pub fn try_unload() -> nix::Result<()> {
    delete_module(c"procmon", DeleteModuleFlags::O_NONBLOCK)
}

/// Whether the module is loaded.
#[must_use]
pub fn is_loaded() -> bool {
    use_count().is_some()
}

/// How many users the kernel says the module has, if it is loaded.
///
/// # Panics
///
/// If `/proc/modules` makes no sense.
#[must_use]
pub fn use_count() -> Option<u32> {
    let modules = fs::read_to_string("/proc/modules").expect("/proc is mounted");
    let line = modules.lines().find(|line| line.starts_with("procmon "))?;
    let count = line
        .split(' ')
        .nth(2)
        .expect("the third field is the use count");
    Some(count.parse().expect("the use count is a number"))
}

/// What is left of the module in the system: files, and its kernel thread.
///
/// # Panics
///
/// If `/proc` is not mounted.
#[must_use]
pub fn traces() -> Vec<String> {
    let files = [
        "/dev/procmon",
        "/sys/class/misc/procmon",
        "/sys/devices/virtual/misc/procmon",
        "/sys/module/procmon",
    ];
    let files = files
        .into_iter()
        .filter(|path| Path::new(path).exists())
        .map(str::to_owned);
    let misc = fs::read_to_string("/proc/misc").expect("/proc is mounted");
    let misc = misc
        .lines()
        .filter(|line| line.contains("procmon"))
        .map(str::to_owned);
    let threads = crate::procfs::pids().into_iter().filter_map(|pid| {
        // Tests look often, and `stat` takes the kernel far longer to make.
        let comm = fs::read(format!("/proc/{pid}/comm")).ok()?;
        (comm == b"procmon_monitor\n").then(|| format!("kernel thread {pid}"))
    });
    files.chain(misc).chain(threads).collect()
}
