// SPDX-License-Identifier: GPL-2.0-only

//! Sizes of address spaces, and the places of arguments and environment.
//!
//! Additions to the `kernel` crate's [`Mm`]. Does not support swap and page-table sizes.
//!
//! # Examples
//!
//! ```ignore
//! let rss = task.with_mm(|mm| mm.rss());
//! ```
//!
//! C header: [`include/linux/mm.h`](srctree/include/linux/mm.h)

use core::ops::Range;

use kernel::{
    bindings,
    mm::Mm,
    page::PAGE_SHIFT,
    prelude::*, //
};

use crate::abstractions::sync::rwonce::read;

pub(crate) mod cmdline;
pub(crate) mod resident;

/// The resident memory of an address space, in bytes.
#[derive(Clone, Copy, Default)]
pub(crate) struct Rss {
    /// Anonymous memory.
    pub(crate) anon: u64,
    /// Memory of files.
    pub(crate) file: u64,
    /// Shared memory.
    pub(crate) shmem: u64,
}

/// Additions to the `kernel` crate's [`Mm`].
pub(crate) trait MmExt {
    /// Returns the size of the address space in bytes.
    #[doc(alias = "task_vsize")]
    fn vsize(&self) -> usize;

    /// Returns the resident memory. Each CPU counts up to some pages for itself, by which the
    /// result may be off.
    #[doc(alias = "get_mm_counter")]
    fn rss(&self) -> Rss;

    /// Returns the addresses of the arguments of the program.
    #[doc(alias = "arg_start")]
    fn arguments(&self) -> Range<usize>;

    /// Returns the addresses of its environment.
    #[doc(alias = "env_start")]
    fn environment(&self) -> Range<usize>;
}

impl MmExt for Mm {
    #[inline(always)]
    fn vsize(&self) -> usize {
        // SAFETY: The address space is valid. The size is read without the mmap lock, as for
        // `/proc/PID/stat`.
        let pages = unsafe { read!((*self.as_raw()).__bindgen_anon_1.total_vm) };

        (pages as usize) << PAGE_SHIFT
    }

    #[inline(always)]
    fn rss(&self) -> Rss {
        let pages = [
            bindings::MM_ANONPAGES,
            bindings::MM_FILEPAGES,
            bindings::MM_SHMEMPAGES,
        ]
        .map(|member| counter(self, member));

        // A counter may be negative for a moment, which is rare.
        let [anon, file, shmem] = if pages.into_iter().fold(0, |all, count| all | count) < 0 {
            pages.map(|count| count.max(0))
        } else {
            pages
        }
        // CAST: None is negative.
        .map(|count| (count as u64) << PAGE_SHIFT);

        Rss { anon, file, shmem }
    }

    fn arguments(&self) -> Range<usize> {
        // SAFETY: The address space is valid; prctl(2) changes this concurrently. Any two numbers
        // will do, and both are checked by those who use them as addresses of user space.
        unsafe {
            read!((*self.as_raw()).__bindgen_anon_1.arg_start)
                ..read!((*self.as_raw()).__bindgen_anon_1.arg_end)
        }
    }

    fn environment(&self) -> Range<usize> {
        // SAFETY: As in `arguments()`.
        unsafe {
            read!((*self.as_raw()).__bindgen_anon_1.env_start)
                ..read!((*self.as_raw()).__bindgen_anon_1.env_end)
        }
    }
}

/// Returns one of the counters `MM_*`, in pages, without the sum over all CPUs.
#[doc(alias = "get_mm_counter")]
#[inline(always)]
fn counter(mm: &Mm, member: c_uint) -> i64 {
    const { assert!(bindings::NR_MM_COUNTERS == 4) };

    // SAFETY: The address space is valid. No reference is made to the counters, which change
    // concurrently.
    let counters = unsafe { &raw const (*mm.as_raw()).__bindgen_anon_1.rss_stat };

    // SAFETY: There is a counter for each member.
    unsafe {
        read!(
            (*counters
                .cast::<bindings::percpu_counter>()
                .add(member as usize))
            .count
        )
    }
}
