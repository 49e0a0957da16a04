// SPDX-License-Identifier: GPL-2.0-only

//! The end of QEMU, which gets [`EXIT_STATUS`](testvm::protocol::EXIT_STATUS).

use std::arch::asm;

/// Stops the machine, and returns only if that fails.
#[cfg(target_arch = "x86_64")]
pub fn stop() {
    use testvm::protocol::{EXIT_PORT, EXIT_VALUE};

    // SAFETY: Gives this process the right to use one I/O port.
    if unsafe { libc::ioperm(EXIT_PORT.into(), 1, 1) } == 0 {
        // SAFETY: Only QEMU's isa-debug-exit is at that port.
        unsafe { asm!("out dx, al", in("dx") EXIT_PORT, in("al") EXIT_VALUE) };
    }
}

/// Stops the machine, and returns only if that fails.
#[cfg(target_arch = "aarch64")]
pub fn stop() {
    use testvm::protocol::EXIT_STATUS;

    /// SYS_EXIT_EXTENDED of Arm's specification of semihosting.
    const EXIT: u64 = 0x20;
    /// ADP_Stopped_ApplicationExit, which is the reason that comes with a status.
    const APPLICATION_EXIT: u64 = 0x20026;

    let block = [APPLICATION_EXIT, EXIT_STATUS as u64];
    // SAFETY: QEMU reads the block, which lives as long as the call, and ends.
    unsafe { asm!("hlt #0xf000", in("x0") EXIT, in("x1") &raw const block) };
}
