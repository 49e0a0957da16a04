// SPDX-License-Identifier: GPL-2.0-only

//! Hints to the CPU that memory will be read soon.
//!
//! Does not support hints of writes.
//!
//! # Examples
//!
//! ```ignore
//! // The next one is being fetched while this one is looked at.
//! prefetch::<0, _>(next);
//! look_at(this);
//! ```
//!
//! C header: [`include/linux/prefetch.h`](srctree/include/linux/prefetch.h)

/// Fetches the cache line `OFFSET` bytes behind an address, if the CPU likes to.
///
/// That changes nothing but the time that a read takes. Any address will do, but one that leads
/// nowhere may take long to find out. On other machines than x86-64 and arm64 this does nothing.
#[inline(always)]
pub(crate) fn prefetch<const OFFSET: usize, T>(address: *const T) {
    #[cfg(all(CONFIG_X86_64, not(CONFIG_UML)))]
    // SAFETY: The instruction neither faults nor changes anything.
    unsafe {
        kernel::asm!(
            "prefetcht0 {offset}({address})";
            address = in(reg) address,
            offset = const OFFSET,
            options(nostack, preserves_flags, readonly)
        )
    };
    #[cfg(CONFIG_ARM64)]
    // SAFETY: Likewise.
    unsafe {
        kernel::asm!(
            "prfm pldl1keep, [{address}]";
            address = in(reg) address.wrapping_byte_add(OFFSET),
            options(nostack, preserves_flags, readonly)
        )
    };
    #[cfg(not(any(all(CONFIG_X86_64, not(CONFIG_UML)), CONFIG_ARM64)))]
    let _ = address;
}
