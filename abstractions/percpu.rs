// SPDX-License-Identifier: GPL-2.0-only

//! Per-CPU counters.
//!
//! Does not support types other than counters, nor decrements.
//!
//! # Examples
//!
//! ```ignore
//! let counters = PerCpuCounters::<2>::new()?;
//!
//! counters.inc::<0>();
//! assert_eq!(counters.sums(), [1, 0]);
//! ```
//!
//! C headers: [`include/linux/percpu.h`](srctree/include/linux/percpu.h),
//! [`include/linux/percpu-defs.h`](srctree/include/linux/percpu-defs.h)

use core::ptr::NonNull;

use kernel::{
    alloc::AllocError,
    bindings,
    cpu::nr_cpu_ids,
    prelude::*,
    sync::atomic::Atomic, //
};

use crate::abstractions::sync::rwonce::load_relaxed;

/// `N` event counters per CPU.
///
/// An increment only writes memory of the CPU that it runs on, so CPUs never wait for each other
/// and share no cache line. Reading the counters is expensive: it visits every CPU.
///
/// # Invariants
///
/// `base` was returned by `pcpu_alloc_noprof()` for a `[u64; N]` and has not been freed.
pub(crate) struct PerCpuCounters<const N: usize> {
    base: NonNull<u64>,
}

// SAFETY: Per-CPU memory can be freed by any thread.
unsafe impl<const N: usize> Send for PerCpuCounters<N> {}
// SAFETY: A counter is only changed by one instruction on its own CPU, or atomically, and only read
// atomically.
unsafe impl<const N: usize> Sync for PerCpuCounters<N> {}

impl<const N: usize> PerCpuCounters<N> {
    /// The size of a cache line, which the counters of two CPUs must not share.
    const ALIGN: usize = 64;

    /// Allocates the counters, all zero, for each CPU that may ever come online.
    ///
    /// Allocation tags are made by macros of C, so a kernel with `CONFIG_MEM_ALLOC_PROFILING_DEBUG`
    /// logs once that this allocation has none.
    ///
    /// # Errors
    ///
    /// `AllocError` if memory is short.
    #[doc(alias = "alloc_percpu")]
    pub(crate) fn new() -> Result<Self, AllocError> {
        const { assert!(N > 0) };

        let size = size_of::<[u64; N]>().next_multiple_of(Self::ALIGN);
        // SAFETY: The size is not zero, and the alignment is a power of two.
        let base =
            unsafe { bindings::pcpu_alloc_noprof(size, Self::ALIGN, false, bindings::GFP_KERNEL) };

        // INVARIANT: The pointer comes from `pcpu_alloc_noprof()`, which zeroes what it returns.
        Ok(Self {
            base: NonNull::new(base.cast()).ok_or(AllocError)?,
        })
    }

    /// Adds one to counter `I`.
    ///
    /// May be called from any context. On x86-64 this is one instruction that no interrupt can
    /// split; elsewhere it is an atomic addition to the counter of the CPU that the caller ran on
    /// a moment ago, which is correct on whichever CPU the caller runs by then.
    #[doc(alias = "this_cpu_inc")]
    #[inline(always)]
    pub(crate) fn inc<const I: usize>(&self) {
        const { assert!(I < N) };

        #[cfg(all(CONFIG_X86_64, CONFIG_SMP, not(CONFIG_UML)))]
        // SAFETY: By the type invariants `base` plus the offset that the GS segment adds is this
        // CPU's `[u64; N]`, and `I` is less than `N`.
        unsafe {
            kernel::asm!(
                "incq %gs:{offset}({base})";
                base = in(reg) self.base.as_ptr(),
                offset = const I * size_of::<u64>(),
                options(nostack)
            )
        };

        #[cfg(not(all(CONFIG_X86_64, CONFIG_SMP, not(CONFIG_UML))))]
        self.inc_portable::<I>();
    }

    /// Adds one to counter `I` of the CPU that the caller ran on a moment ago.
    #[cfg(any(
        CONFIG_KUNIT = "y",
        not(all(CONFIG_X86_64, CONFIG_SMP, not(CONFIG_UML)))
    ))]
    #[inline(always)]
    fn inc_portable<const I: usize>(&self) {
        const { assert!(I < N) };

        // SAFETY: A CPU that runs something is possible.
        let counters = unsafe { self.on_cpu(kernel::cpu::CpuId::current().as_u32()) };

        counters[I].add(1, kernel::sync::atomic::Relaxed);
    }

    /// Returns the sum of each counter over all CPUs.
    ///
    /// The sums are exact without concurrent increments. Otherwise each lies between its values at
    /// the beginning and at the end of the call, and never below one that was returned earlier.
    ///
    /// TIME: Visits each CPU once.
    #[inline(always)]
    pub(crate) fn sums(&self) -> [u64; N] {
        let mut sums = [0u64; N];

        let mask = &raw const bindings::__cpu_possible_mask;
        // SAFETY: The mask is set up before any module is loaded, lives as long as the kernel and
        // does not change any more.
        let possible = unsafe { &(*mask).bits };

        for cpu in 0..nr_cpu_ids() {
            let word = possible.get((cpu / usize::BITS) as usize);

            if word.is_some_and(|word| word >> (cpu % usize::BITS) & 1 != 0) {
                // SAFETY: Just checked.
                let counters = unsafe { self.on_cpu(cpu) };

                for (sum, counter) in sums.iter_mut().zip(counters) {
                    *sum = sum.wrapping_add(load_relaxed(counter));
                }
            }
        }
        sums
    }

    /// Returns the counters of one CPU.
    ///
    /// # Safety
    ///
    /// `cpu` must be a possible CPU.
    #[inline(always)]
    unsafe fn on_cpu(&self, cpu: u32) -> &[Atomic<u64>; N] {
        // SAFETY: `cpu` is possible and with it within the array, which does not change
        // once the kernel runs modules.
        #[cfg(CONFIG_SMP)]
        let offset = unsafe {
            (&raw const bindings::__per_cpu_offset)
                .cast::<usize>()
                .add(cpu as usize)
                .read()
        };
        #[cfg(not(CONFIG_SMP))]
        let offset = {
            let _ = cpu;
            0
        };

        // SAFETY: By the type invariants `base` plus the offset of a possible CPU, which the caller
        // promises, is that CPU's `[u64; N]`, and it lives as long as `self`. All accesses are
        // atomic or, in `inc()`, one instruction of the counter's own CPU.
        unsafe { &*self.base.as_ptr().wrapping_byte_add(offset).cast() }
    }
}

impl<const N: usize> Drop for PerCpuCounters<N> {
    fn drop(&mut self) {
        // SAFETY: By the type invariants `base` came from the per-CPU allocator. It is not in use,
        // since `inc()` and `sums()` borrow `self`.
        unsafe { bindings::free_percpu(self.base.as_ptr().cast()) };
    }
}

#[kunit_tests(procmon_percpu)]
mod tests {
    use super::*;
    use crate::abstractions::kthread::{
        tests::run_in_threads,
        CurrentThread, //
    };
    use kernel::sync::Arc;

    #[test]
    fn counters_start_at_zero() -> Result {
        assert_eq!(PerCpuCounters::<3>::new()?.sums(), [0; 3]);
        Ok(())
    }

    #[test]
    fn each_counter_counts_for_itself() -> Result {
        let counters = PerCpuCounters::<3>::new()?;

        for _ in 0..5 {
            counters.inc::<0>();
        }
        counters.inc::<2>();
        assert_eq!(counters.sums(), [5, 0, 1]);
        Ok(())
    }

    #[test]
    fn more_counters_than_a_cache_line_holds() -> Result {
        let counters = PerCpuCounters::<20>::new()?;

        counters.inc::<19>();
        counters.inc::<8>();

        let sums = counters.sums();

        assert_eq!(sums.first(), Some(&0));
        assert_eq!(sums.get(8), Some(&1));
        assert_eq!(sums.last(), Some(&1));
        Ok(())
    }

    #[test]
    fn no_increment_is_lost() -> Result {
        let counters = Arc::new(PerCpuCounters::<2>::new()?, GFP_KERNEL)?;
        let counted = counters.clone();

        run_in_threads::<8>(move |_: &CurrentThread| {
            for _ in 0..10_000 {
                counted.inc::<0>();
                counted.inc::<1>();
            }
        })?;
        assert_eq!(counters.sums(), [80_000; 2]);
        Ok(())
    }

    #[test]
    fn the_portable_increment_loses_none_either() -> Result {
        let counters = Arc::new(PerCpuCounters::<2>::new()?, GFP_KERNEL)?;
        let counted = counters.clone();

        run_in_threads::<8>(move |_: &CurrentThread| {
            for _ in 0..10_000 {
                counted.inc_portable::<1>();
            }
        })?;
        assert_eq!(counters.sums(), [0, 80_000]);
        Ok(())
    }
}
