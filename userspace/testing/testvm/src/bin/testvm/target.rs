// SPDX-License-Identifier: GPL-2.0-only

//! The kind of machine that QEMU is.

use std::path::PathBuf;

use clap::ValueEnum;
use testvm::protocol::EXIT_PORT;

use crate::qemu::Engine;

/// Kernel arguments of every guest:
/// - Messages of every level go to the console, and none is dropped for their number.
/// - A panic ends the machine at once. An oops is one, before it can do harm to the results.
/// - Pointers in the log are not hashed, which is for debugging.
/// - What hangs is reported late: a busy host may stop a CPU of the guest for half a minute.
/// - Booting leaves out the self-tests of cryptography, which are half of it.
const KERNEL_ARGUMENTS: &str = "ignore_loglevel printk.devkmsg=on log_buf_len=4M panic=-1 \
    oops=panic no_hash_pointers cryptomgr.notests rcupdate.rcu_cpu_stall_timeout=300 \
    watchdog_thresh=60 workqueue.watchdog_thresh=300";

/// A machine, by the name that Rust has for it.
#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
pub enum Target {
    #[value(name = "x86_64-unknown-linux-gnu")]
    X86_64,
    #[value(name = "aarch64-unknown-linux-gnu")]
    Aarch64,
}

impl Target {
    /// Whether the host is such a machine.
    pub fn is_host(self) -> bool {
        match self {
            Self::X86_64 => cfg!(target_arch = "x86_64"),
            Self::Aarch64 => cfg!(target_arch = "aarch64"),
        }
    }

    /// Returns the name of QEMU.
    pub fn qemu(self) -> &'static str {
        match self {
            Self::X86_64 => "qemu-system-x86_64",
            Self::Aarch64 => "qemu-system-aarch64",
        }
    }

    /// Returns the place of busybox in the build root.
    pub fn busybox(self) -> PathBuf {
        match self {
            Self::X86_64 => "bin/busybox".into(),
            Self::Aarch64 => "opt/programs/usr/bin/busybox".into(),
        }
    }

    /// Returns QEMU's arguments for the machine and its CPU. Process 1 ends it with a status of its
    /// own: by a device, or by a call that debuggers of Arm machines answer.
    pub fn arguments(self, engine: Engine) -> Vec<String> {
        let cpu = match (self, engine) {
            (_, Engine::Kvm) => "host",
            (Self::X86_64, _) => "max",
            // As in servers, and with the atomic instructions of Armv8.1.
            (Self::Aarch64, _) => "neoverse-n1",
        };
        let exit = match self {
            Self::X86_64 => [
                "-device".to_owned(),
                format!("isa-debug-exit,iobase={EXIT_PORT:#x},iosize=1"),
            ],
            Self::Aarch64 => [
                "-semihosting-config".to_owned(),
                "enable=on,userspace=on,target=native".to_owned(),
            ],
        };
        let machine = match self {
            Self::X86_64 => "q35",
            Self::Aarch64 => "virt,gic-version=3",
        };
        let named = ["-machine", machine, "-cpu", cpu].map(str::to_owned);
        named.into_iter().chain(exit).collect()
    }

    /// Returns the kernel arguments of every guest. Calibrations of x86, which are slow, are left
    /// out.
    pub fn kernel_arguments(self) -> String {
        let own = match self {
            Self::X86_64 => "console=ttyS0 no_timer_check tsc=reliable",
            Self::Aarch64 => "console=ttyAMA0",
        };
        format!("{own} {KERNEL_ARGUMENTS}")
    }
}
