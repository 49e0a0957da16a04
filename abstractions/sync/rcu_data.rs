// SPDX-License-Identifier: GPL-2.0-only

//! Byte strings that are read under RCU and replaced as a whole.
//!
//! Does not support values of other types, readers outside of RCU sections, or changes in place.
//!
//! # Examples
//!
//! ```ignore
//! let slots = RcuSlots::<1>::new();
//!
//! drop(slots.replace(0, Some(RcuBytes::from_iter(from, len)?)));
//!
//! let guard = rcu::read_lock();
//! let bytes: Option<&[u8]> = slots.dereference(0, &guard);
//! ```
//!
//! C headers: [`include/linux/rcupdate.h`](srctree/include/linux/rcupdate.h),
//! [`include/linux/vmalloc.h`](srctree/include/linux/vmalloc.h)

use core::{
    alloc::Layout,
    marker::PhantomData,
    mem::{
        ManuallyDrop,
        MaybeUninit, //
    },
    ops::Deref,
    ptr::{
        self,
        NonNull, //
    },
    slice, //
};

use kernel::{
    alloc::{
        allocator::{
            Kmalloc,
            Vmalloc, //
        },
        flags::__GFP_NOWARN,
        AllocError,
        Allocator,
        NumaNode, //
    },
    bindings,
    container_of,
    iov::IovIterSource,
    page::PAGE_SIZE,
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Full,
            Relaxed, //
        },
        rcu, //
    },
    task::might_sleep,
    types::Opaque, //
};

use crate::abstractions::{
    compat::{
        rcu_barrier,
        synchronize_rcu, //
    },
    sync::rwonce::load_relaxed, //
};

// Queues an RCU callback for the next grace period, which is begun at once. Where no callback is
// lazy, that is an inline function of C which calls the other one.
#[cfg(not(CONFIG_RCU_LAZY))]
use bindings::call_rcu as call_rcu_hurry;
#[cfg(CONFIG_RCU_LAZY)]
use bindings::call_rcu_hurry;

/// The limit of the memory that waits for a grace period, in bytes, beside the one byte string that
/// each dropper of [`Removed`] waits for itself.
///
/// This allows for four byte strings of 1 MiB, or some ten thousand short ones.
const MAX_WAITING: usize = 4 << 20;

/// The memory that waits for a grace period, in bytes.
static WAITING: Atomic<usize> = Atomic::new(0);

/// The header of an allocation, followed by the bytes.
///
/// No reference is made to one, since its provenance would not include the bytes: all accesses go
/// through pointers that were derived from the one to the whole allocation.
#[repr(C)]
struct Header {
    head: Opaque<bindings::callback_head>,
    len: usize,
}

/// An owned byte string that is not published yet.
///
/// # Invariants
///
/// The pointer refers to the whole of an allocation by [`allocate`], with an initialised `len` and
/// as many initialised bytes after the header, which do not change.
pub(crate) struct RcuBytes(NonNull<Header>);

// SAFETY: The bytes belong to their owner, and any thread may free them.
unsafe impl Send for RcuBytes {}
// SAFETY: They do not change.
unsafe impl Sync for RcuBytes {}

impl RcuBytes {
    /// Reads exactly `len` bytes from an IO vector. Sleeps.
    ///
    /// The memory is accounted to the caller: `len` and a header, rounded up to a power of two if
    /// that is less than a page, and to pages otherwise. A failure to allocate it is not logged.
    ///
    /// # Errors
    ///
    /// `ENOMEM` if memory is short, `EFAULT` if fewer than `len` bytes can be read.
    #[inline(always)]
    pub(crate) fn from_iter(from: &mut IovIterSource<'_>, len: usize) -> Result<Self> {
        let this = allocate(len)?.as_ptr();

        // SAFETY: The allocation has the size of a header and `len` bytes.
        let spare: &mut [MaybeUninit<u8>] = unsafe {
            (&raw mut (*this).len).write(len);
            slice::from_raw_parts_mut(this.add(1).cast(), len)
        };

        if from.copy_from_iter_raw(spare).len() != len {
            // SAFETY: It was allocated above, and nothing else refers to it.
            unsafe { bindings::kvfree(this.cast()) };
            return Err(EFAULT);
        }

        // INVARIANT: The length and the bytes were initialised above; the head is for RCU.
        // SAFETY: `allocate()` returns no null pointer.
        Ok(Self(unsafe { NonNull::new_unchecked(this) }))
    }

    /// Turns the byte string into a pointer that owns it.
    fn into_raw(self) -> *mut Header {
        ManuallyDrop::new(self).0.as_ptr()
    }
}

impl Deref for RcuBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: By the type invariants, and the allocation lives as long as its owner.
        unsafe { bytes(self.0.as_ptr()) }
    }
}

impl Drop for RcuBytes {
    fn drop(&mut self) {
        // SAFETY: By the type invariants, and there is no other reference.
        unsafe { bindings::kvfree(self.0.as_ptr().cast()) };
    }
}

/// Allocates a header and `len` bytes after it, accounted to the caller. Sleeps.
///
/// More than a page comes from `vmalloc()`, since `kmalloc()` rounds up to a power of two.
fn allocate(len: usize) -> Result<NonNull<Header>, AllocError> {
    let size = size_of::<Header>().checked_add(len).ok_or(AllocError)?;
    let layout = Layout::from_size_align(size, align_of::<Header>()).map_err(|_| AllocError)?;
    let flags = GFP_KERNEL_ACCOUNT | __GFP_NOWARN;
    let memory = if size > PAGE_SIZE {
        Vmalloc::alloc(layout, flags, NumaNode::NO_NODE)?
    } else {
        Kmalloc::alloc(layout, flags, NumaNode::NO_NODE)?
    };

    Ok(memory.cast())
}

/// Returns the memory that an allocation of a header and `len` bytes takes.
fn footprint(len: usize) -> usize {
    let size = size_of::<Header>().saturating_add(len);

    let rounded = if size > PAGE_SIZE {
        size.checked_next_multiple_of(PAGE_SIZE)
    } else {
        size.checked_next_power_of_two()
    };

    // No allocation is large enough for that to overflow.
    rounded.unwrap_or(size)
}

/// Returns the bytes after a header.
///
/// # Safety
///
/// The invariants of [`RcuBytes`] must hold for `header`, and the allocation must live for `'a`.
#[inline]
unsafe fn bytes<'a>(header: *const Header) -> &'a [u8] {
    // SAFETY: By the safety requirements.
    unsafe { slice::from_raw_parts(header.add(1).cast(), (*header).len) }
}

/// A byte string that has left its slot, and may still have readers.
///
/// Dropping it frees it after a grace period, by `call_rcu_hurry()`. If more than [`MAX_WAITING`]
/// bytes wait for that already, dropping waits for the grace period itself, so it may sleep. Either
/// way the memory that waits is bounded, however fast byte strings are replaced.
///
/// Cannot outlive its [`RcuSlots`], whose drop waits for the callbacks.
///
/// # Invariants
///
/// Those of [`RcuBytes`]. The byte string is in no slot, and nothing else frees it.
#[must_use = "dropping it may sleep, so the place to do that is to be chosen"]
pub(crate) struct Removed<'a>(NonNull<Header>, PhantomData<&'a ()>);

// SAFETY: Any thread may free it.
unsafe impl Send for Removed<'_> {}

impl Drop for Removed<'_> {
    fn drop(&mut self) {
        let header = self.0.as_ptr();
        // SAFETY: By the type invariants.
        let size = footprint(unsafe { (*header).len });

        might_sleep();
        if WAITING.fetch_add(size, Relaxed).saturating_add(size) <= MAX_WAITING {
            // No reader sees it freed: see `tests/litmus/free.litmus`.
            // TIME: The callback frees one allocation.
            // SAFETY: By the type invariants nothing else frees it, and it has been in no slot
            // again since it left one, so the head is not in use.
            unsafe { call_rcu_hurry(Opaque::cast_into(&raw const (*header).head), Some(free)) };
        } else {
            WAITING.fetch_sub(size, Relaxed);
            // TIME: A grace period, which lasts as long as the longest of the kernel's readers that
            // have begun before. Those of this module copy 64 KiB at most.
            synchronize_rcu();
            // SAFETY: By the type invariants, and all readers that had it are done.
            unsafe { bindings::kvfree(header.cast()) };
        }
    }
}

/// Frees a byte string.
///
/// # Safety
///
/// To be called by RCU with the head of a [`Header`] that nothing refers to any more.
unsafe extern "C" fn free(head: *mut bindings::callback_head) {
    // SAFETY: `head` is the field of a `Header`.
    let header = unsafe { container_of!(Opaque::cast_from(head), Header, head) };

    // SAFETY: By the safety requirements, it is still there.
    let size = footprint(unsafe { (*header).len });

    // SAFETY: By the safety requirements.
    unsafe { bindings::kvfree(header.cast()) };
    WAITING.fetch_sub(size, Relaxed);
}

/// Slots for byte strings that readers find under RCU, without a lock and without waiting.
///
/// Dropping them waits until all byte strings that have left them are freed, so it may sleep.
///
/// # Invariants
///
/// Each slot is null or has a byte string for which the invariants of [`RcuBytes`] hold, which is
/// in no other slot and is freed no earlier than a grace period after it has left this one.
pub(crate) struct RcuSlots<const N: usize> {
    slots: [Atomic<*mut Header>; N],
}

// SAFETY: The slots own byte strings, which any thread may read and free.
unsafe impl<const N: usize> Send for RcuSlots<N> {}
// SAFETY: As above, and slots are replaced atomically, by any thread.
unsafe impl<const N: usize> Sync for RcuSlots<N> {}

impl<const N: usize> RcuSlots<N> {
    /// Creates empty slots.
    pub(crate) fn new() -> Self {
        Self {
            // INVARIANT: Null.
            slots: [const { Atomic::new(ptr::null_mut()) }; N],
        }
    }

    /// Returns the byte string in a slot; `None` if it is empty or does not exist.
    ///
    /// The byte string stays valid as long as the guard, even if it is replaced.
    #[doc(alias = "rcu_dereference")]
    #[inline]
    pub(crate) fn dereference<'a>(
        &'a self,
        slot: usize,
        _guard: &'a rcu::Guard,
    ) -> Option<&'a [u8]> {
        // ORDERING: What the pointer leads to is read through an address dependency, which pairs
        // with the exchange in `exchange()`.
        let header = load_relaxed(self.slots.get(slot)?);

        if header.is_null() {
            return None;
        }
        // SAFETY: By the type invariants, and the guard keeps the grace period from ending that has
        // to pass before it may be freed.
        Some(unsafe { bytes(header) })
    }

    /// Publishes a new byte string, or none, in a slot, and returns the previous one.
    ///
    /// If there is no such slot, the new one is freed.
    #[doc(alias = "rcu_replace_pointer")]
    pub(crate) fn replace(&self, slot: usize, new: Option<RcuBytes>) -> Option<Removed<'_>> {
        let slot = self.slots.get(slot)?;

        // INVARIANT: `RcuBytes` has the same invariants, and it was in no slot.
        Self::exchange(slot, new.map_or(ptr::null_mut(), RcuBytes::into_raw))
    }

    /// Moves a byte string that has left one slot to another one, and returns the one from there.
    ///
    /// If there is no such slot, it is returned itself.
    pub(crate) fn keep<'a>(&'a self, slot: usize, kept: Removed<'a>) -> Option<Removed<'a>> {
        let Some(slot) = self.slots.get(slot) else {
            return Some(kept);
        };

        // INVARIANT: `Removed` has the same invariants and is in no slot.
        Self::exchange(slot, ManuallyDrop::new(kept).0.as_ptr())
    }

    fn exchange<'a>(slot: &'a Atomic<*mut Header>, new: *mut Header) -> Option<Removed<'a>> {
        // ORDERING: Readers that see the pointer see the bytes: see
        // `tests/litmus/publish.litmus`.
        let old = slot.xchg(new, Full);

        // INVARIANT: It left its slot just now, so nothing else frees it.
        NonNull::new(old).map(|old| Removed(old, PhantomData))
    }
}

impl<const N: usize> Drop for RcuSlots<N> {
    fn drop(&mut self) {
        for slot in &self.slots {
            drop(Self::exchange(slot, ptr::null_mut()));
        }

        // TIME: A grace period, and the callbacks that are queued before. Callbacks are code of
        // this module, which must not be unloaded before they have run.
        rcu_barrier();
    }
}

#[kunit_tests(procmon_rcu_data)]
mod tests {
    use super::*;

    /// Reads `len` bytes from an IO vector over `text`.
    fn read(text: &[u8], len: usize) -> Result<RcuBytes> {
        let iter = Opaque::<bindings::iov_iter>::uninit();
        let kvec = bindings::kvec {
            iov_base: text.as_ptr().cast_mut().cast(),
            iov_len: text.len(),
        };

        // SAFETY: The segment is valid for reads, and it and the vector live for the whole
        // function.
        let from = unsafe {
            bindings::iov_iter_kvec(iter.get(), bindings::ITER_SOURCE, &kvec, 1, text.len());
            IovIterSource::from_raw(iter.get())
        };

        RcuBytes::from_iter(from, len)
    }

    fn new(text: &[u8]) -> Result<RcuBytes> {
        read(text, text.len())
    }

    #[test]
    fn reads_what_was_asked_for() -> Result {
        assert_eq!(*read(b"message", 7)?, *b"message");
        assert_eq!(*read(b"message", 3)?, *b"mes");
        assert!(read(b"message", 0)?.is_empty());
        Ok(())
    }

    #[test]
    fn less_than_was_asked_for_is_a_fault() {
        assert_eq!(read(b"message", 8).err(), Some(EFAULT));
        assert_eq!(read(b"", 1).err(), Some(EFAULT));
    }

    #[test]
    fn there_is_a_longest_byte_string() {
        for len in [usize::MAX, isize::MAX as usize] {
            assert_eq!(read(b"", len).err(), Some(ENOMEM));
        }
    }

    #[test]
    fn only_what_fits_in_a_page_is_rounded_up_to_a_power_of_two() {
        let header = size_of::<Header>();

        assert_eq!(footprint(PAGE_SIZE - header), PAGE_SIZE);
        assert_eq!(footprint(PAGE_SIZE - header + 1), 2 * PAGE_SIZE);
        assert_eq!(footprint(1 << 20), (1 << 20) + PAGE_SIZE);
        assert_eq!(footprint(1000), 1024);
        assert_eq!(footprint(1024), 2048);
    }

    #[test]
    fn new_places_are_empty() {
        let slots = RcuSlots::<2>::new();
        let guard = rcu::read_lock();

        for slot in 0..3 {
            assert!(slots.dereference(slot, &guard).is_none());
        }
    }

    #[test]
    fn readers_find_the_last_value() -> Result {
        let slots = RcuSlots::<1>::new();

        for value in 1..100 {
            drop(slots.replace(0, Some(new(&[value; 30])?)));

            let guard = rcu::read_lock();

            assert_eq!(slots.dereference(0, &guard), Some(&[value; 30][..]));
        }
        drop(slots.replace(0, None));
        assert!(slots.dereference(0, &rcu::read_lock()).is_none());
        Ok(())
    }

    #[test]
    fn a_reader_keeps_what_it_found() -> Result {
        let slots = RcuSlots::<1>::new();
        let next = new(b"second")?;

        drop(slots.replace(0, Some(new(b"first")?)));

        let removed = {
            let guard = rcu::read_lock();
            let found = slots.dereference(0, &guard);
            let removed = slots.replace(0, Some(next));

            assert_eq!(found, Some(&b"first"[..]));
            removed
        };

        assert!(removed.is_some());
        Ok(())
    }

    #[test]
    fn what_left_one_place_is_found_in_another() -> Result {
        let slots = RcuSlots::<3>::new();

        drop(slots.replace(0, Some(new(b"first")?)));
        for (slot, next) in [(1, b"second"), (2, b"third!")] {
            let removed = slots.replace(0, Some(new(next)?)).ok_or(ENOENT)?;

            assert!(slots.keep(slot, removed).is_none());
        }

        {
            let guard = rcu::read_lock();

            assert_eq!(slots.dereference(0, &guard), Some(&b"third!"[..]));
            assert_eq!(slots.dereference(1, &guard), Some(&b"first"[..]));
            assert_eq!(slots.dereference(2, &guard), Some(&b"second"[..]));
        }

        // The previous byte string of a slot is returned, as is one for which there is no slot.
        let second = slots.replace(2, None).ok_or(ENOENT)?;
        let first = slots.keep(1, second).ok_or(ENOENT)?;
        let first = slots.keep(3, first).ok_or(ENOENT)?;

        assert!(slots.keep(2, first).is_none());
        assert_eq!(slots.dereference(2, &rcu::read_lock()), Some(&b"first"[..]));
        Ok(())
    }

    #[test]
    fn what_waits_for_readers_is_bounded() -> Result {
        const LEN: usize = 1 << 20;

        let text = KVVec::from_elem(1u8, LEN, GFP_KERNEL)?;
        let slots = RcuSlots::<1>::new();

        for _ in 0..20 {
            drop(slots.replace(0, Some(new(&text)?)));
            // Nothing else uses byte strings while KUnit runs, but for an open device.
            assert!(WAITING.load(Relaxed) <= MAX_WAITING);
        }
        drop(slots);
        assert_eq!(WAITING.load(Relaxed), 0);
        Ok(())
    }
}
