// SPDX-License-Identifier: GPL-2.0

//! Byte strings that are read under RCU and replaced as a whole.
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

use crate::abstractions::compat::{
    call_rcu_hurry,
    rcu_barrier, //
};

/// The most memory that waits for readers at a time, in bytes, beside what [`Removed`] waits for
/// itself.
///
/// This is what four of the longest messages take, or some ten thousand short ones.
const MAX_WAITING: usize = 4 << 20;

/// The memory that RCU is to free, in bytes.
static WAITING: Atomic<usize> = Atomic::new(0);

/// The beginning of an allocation, behind which the bytes are.
///
/// No reference is made to one, since that would not reach as far as the bytes: all accesses go
/// through pointers that were derived from the one to the whole allocation.
#[repr(C)]
struct Header {
    head: Opaque<bindings::callback_head>,
    len: usize,
}

/// A byte string that is not published, to which there is no other reference.
///
/// # Invariants
///
/// The pointer is one to the whole of an allocation by [`allocate`], with an initialised `len` and
/// as many initialised bytes behind the header. They do not change.
pub(crate) struct RcuBytes(NonNull<Header>);

// SAFETY: The bytes belong to their owner, and any thread may free them.
unsafe impl Send for RcuBytes {}
// SAFETY: They do not change.
unsafe impl Sync for RcuBytes {}

impl RcuBytes {
    /// Reads exactly `len` bytes from an IO vector. This may sleep.
    ///
    /// The memory is accounted to the caller. It is `len` and a header, rounded up to a power of
    /// two if that is less than a page, and to pages otherwise. A lack of memory leaves no trace in
    /// the kernel's log.
    ///
    /// # Errors
    ///
    /// `ENOMEM` if there is no memory, `EFAULT` if fewer than `len` bytes can be read.
    pub(crate) fn from_iter(from: &mut IovIterSource<'_>, len: usize) -> Result<Self> {
        let this = allocate(len)?.as_ptr();

        // SAFETY: The allocation has room for a header and `len` bytes.
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

    /// Gives up the ownership for a pointer.
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

/// Allocates a header and `len` bytes behind it, accounted to the caller. This may sleep.
///
/// What does not fit in a page comes from single pages, since `kmalloc()` would round it up to a
/// power of two.
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

/// Returns how much memory an allocation with `len` bytes behind its header takes.
fn footprint(len: usize) -> usize {
    let size = size_of::<Header>().saturating_add(len);

    let rounded = if size > PAGE_SIZE {
        size.checked_next_multiple_of(PAGE_SIZE)
    } else {
        size.checked_next_power_of_two()
    };

    // There is no allocation for which that overflows.
    rounded.unwrap_or(size)
}

/// Returns the bytes behind a header.
///
/// # Safety
///
/// The invariants of [`RcuBytes`] must hold for `header`, and the allocation must live for `'a`.
#[inline]
unsafe fn bytes<'a>(header: *const Header) -> &'a [u8] {
    // SAFETY: By the safety requirements.
    unsafe { slice::from_raw_parts(header.add(1).cast(), (*header).len) }
}

/// A byte string that has left its place, which readers may still have.
///
/// Dropping it leaves it to RCU to free it after a grace period, which is begun at once also on
/// CPUs whose callbacks are offloaded and lazy. If more than [`MAX_WAITING`] bytes wait for that
/// already, dropping waits for the grace period itself, so it may sleep. Either way the memory that
/// readers still have is bounded, however fast byte strings are replaced.
///
/// It cannot outlive its [`RcuPlaces`], whose drop waits for what RCU does with it.
///
/// # Invariants
///
/// Those of [`RcuBytes`]. The byte string is in no place, and nothing else is to free it.
#[must_use = "dropping it may sleep, which takes a place of its own"]
pub(crate) struct Removed<'a>(NonNull<Header>, PhantomData<&'a ()>);

// SAFETY: Any thread may be the one to free it.
unsafe impl Send for Removed<'_> {}

impl Drop for Removed<'_> {
    fn drop(&mut self) {
        let header = self.0.as_ptr();
        // SAFETY: By the type invariants.
        let size = footprint(unsafe { (*header).len });

        might_sleep();
        if WAITING.fetch_add(size, Relaxed).saturating_add(size) <= MAX_WAITING {
            // `tests/memory-model/free.litmus` shows that no reader sees it freed.
            // TIME: The callback frees one allocation.
            // SAFETY: By the type invariants nothing else frees it, and it has been in no place
            // again since it left one, so the head is not in use.
            unsafe { call_rcu_hurry(Opaque::cast_into(&raw const (*header).head), Some(free)) };
        } else {
            WAITING.fetch_sub(size, Relaxed);
            // TIME: A grace period, which lasts as long as the longest of all readers of the kernel
            // that have begun before. Those of this module copy 64 KiB at the most.
            // SAFETY: This may be called wherever sleeping is allowed; elsewhere the kernel
            // complains.
            unsafe { bindings::synchronize_rcu() };
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

/// Places for optional byte strings that readers find under RCU, without a lock and without
/// waiting.
///
/// Dropping them waits until all that has ever left them is freed, so it may sleep.
///
/// # Invariants
///
/// Each place is null or has a byte string for which the invariants of [`RcuBytes`] hold, which is
/// in no other place and is freed no earlier than a grace period after it has left this one.
pub(crate) struct RcuPlaces<const N: usize> {
    places: [Atomic<*mut Header>; N],
}

// SAFETY: The places own byte strings, which any thread may read and free.
unsafe impl<const N: usize> Send for RcuPlaces<N> {}
// SAFETY: As above, and any thread may be the one to replace what is there.
unsafe impl<const N: usize> Sync for RcuPlaces<N> {}

impl<const N: usize> RcuPlaces<N> {
    /// Creates empty places.
    pub(crate) fn new() -> Self {
        Self {
            // INVARIANT: Null.
            places: [const { Atomic::new(ptr::null_mut()) }; N],
        }
    }

    /// Returns what is in a place, or nothing if there is no such place.
    ///
    /// It stays there for the reader as long as the guard does, whatever becomes of the place.
    #[inline]
    pub(crate) fn dereference<'a>(
        &'a self,
        place: usize,
        _guard: &'a rcu::Guard,
    ) -> Option<&'a [u8]> {
        // ORDERING: What the pointer leads to is read through an address dependency, which pairs
        // with the exchange in `exchange()`.
        let header = self.places.get(place)?.load(Relaxed);

        if header.is_null() {
            return None;
        }
        // SAFETY: By the type invariants, and the guard keeps the grace period from ending that has
        // to pass before it may be freed.
        Some(unsafe { bytes(header) })
    }

    /// Puts a new byte string, or none, in a place, and returns what was there.
    ///
    /// If there is no such place, the new one is freed.
    pub(crate) fn replace(&self, place: usize, new: Option<RcuBytes>) -> Option<Removed<'_>> {
        let place = self.places.get(place)?;

        // INVARIANT: `RcuBytes` has the same invariants, and it was in no place.
        Self::exchange(place, new.map_or(ptr::null_mut(), RcuBytes::into_raw))
    }

    /// Puts what has left one place in another one, and returns what was there.
    ///
    /// If there is no such place, it comes back.
    pub(crate) fn keep<'a>(&'a self, place: usize, kept: Removed<'a>) -> Option<Removed<'a>> {
        let Some(place) = self.places.get(place) else {
            return Some(kept);
        };

        // INVARIANT: `Removed` has the same invariants and is in no place.
        Self::exchange(place, ManuallyDrop::new(kept).0.as_ptr())
    }

    fn exchange<'a>(place: &'a Atomic<*mut Header>, new: *mut Header) -> Option<Removed<'a>> {
        // ORDERING: Readers that see the pointer see the bytes, as
        // `tests/memory-model/publish.litmus` shows.
        let old = place.xchg(new, Full);

        // INVARIANT: It left its place just now, so nothing else frees it.
        NonNull::new(old).map(|old| Removed(old, PhantomData))
    }
}

impl<const N: usize> Drop for RcuPlaces<N> {
    fn drop(&mut self) {
        for place in &self.places {
            drop(Self::exchange(place, ptr::null_mut()));
        }

        // TIME: A grace period, and what is queued before. The callbacks are code of this module,
        // which must not be left behind.
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
        let places = RcuPlaces::<2>::new();
        let guard = rcu::read_lock();

        for place in 0..3 {
            assert!(places.dereference(place, &guard).is_none());
        }
    }

    #[test]
    fn readers_find_the_last_value() -> Result {
        let places = RcuPlaces::<1>::new();

        for value in 1..100 {
            drop(places.replace(0, Some(new(&[value; 30])?)));

            let guard = rcu::read_lock();

            assert_eq!(places.dereference(0, &guard), Some(&[value; 30][..]));
        }
        drop(places.replace(0, None));
        assert!(places.dereference(0, &rcu::read_lock()).is_none());
        Ok(())
    }

    #[test]
    fn a_reader_keeps_what_it_found() -> Result {
        let places = RcuPlaces::<1>::new();
        let next = new(b"second")?;

        drop(places.replace(0, Some(new(b"first")?)));

        let removed = {
            let guard = rcu::read_lock();
            let found = places.dereference(0, &guard);
            let removed = places.replace(0, Some(next));

            assert_eq!(found, Some(&b"first"[..]));
            removed
        };

        assert!(removed.is_some());
        Ok(())
    }

    #[test]
    fn what_left_one_place_is_found_in_another() -> Result {
        let places = RcuPlaces::<3>::new();

        drop(places.replace(0, Some(new(b"first")?)));
        for (place, next) in [(1, b"second"), (2, b"third!")] {
            let removed = places.replace(0, Some(new(next)?)).ok_or(ENOENT)?;

            assert!(places.keep(place, removed).is_none());
        }

        {
            let guard = rcu::read_lock();

            assert_eq!(places.dereference(0, &guard), Some(&b"third!"[..]));
            assert_eq!(places.dereference(1, &guard), Some(&b"first"[..]));
            assert_eq!(places.dereference(2, &guard), Some(&b"second"[..]));
        }

        // What was in a place comes out of it, and what finds none comes back.
        let second = places.replace(2, None).ok_or(ENOENT)?;
        let first = places.keep(1, second).ok_or(ENOENT)?;
        let first = places.keep(3, first).ok_or(ENOENT)?;

        assert!(places.keep(2, first).is_none());
        assert_eq!(
            places.dereference(2, &rcu::read_lock()),
            Some(&b"first"[..])
        );
        Ok(())
    }

    #[test]
    fn what_waits_for_readers_is_bounded() -> Result {
        const LEN: usize = 1 << 20;

        let text = KVVec::from_elem(1u8, LEN, GFP_KERNEL)?;
        let places = RcuPlaces::<1>::new();

        for _ in 0..20 {
            drop(places.replace(0, Some(new(&text)?)));
            // Nothing else uses byte strings while KUnit runs, but for an open device.
            assert!(WAITING.load(Relaxed) <= MAX_WAITING);
        }
        drop(places);
        assert_eq!(WAITING.load(Relaxed), 0);
        Ok(())
    }
}
