// SPDX-License-Identifier: GPL-2.0

//! Byte strings that are read under RCU and replaced as a whole.
//!
//! C headers: [`include/linux/rcupdate.h`](srctree/include/linux/rcupdate.h),
//! [`include/linux/refcount.h`](srctree/include/linux/refcount.h)

use core::{
    mem::MaybeUninit,
    ops::Deref,
    ptr::{
        self,
        NonNull, //
    },
    slice, //
};

use kernel::{
    bindings,
    container_of,
    iov::IovIterSource,
    prelude::*,
    sync::{
        aref::{
            ARef,
            AlwaysRefCounted, //
        },
        atomic::{
            Atomic,
            Full, //
        },
        rcu,
        Refcount, //
    },
    types::Opaque, //
};

use super::{
    compat::{
        kvmalloc_account,
        rcu_barrier,
        smp_rmb, //
    },
    iov::IovIterSourceExt,
    once::read_once, //
};

/// A byte string that never changes, with its reference count in front of it.
///
/// It is found under RCU, in an [`RcuData`], or kept by an [`ARef`]. All of it is one allocation.
///
/// # Invariants
///
/// The structure comes from the kernel's `kvmalloc()`, with `len` initialised bytes behind it.
#[repr(C)]
pub(crate) struct RcuBytes {
    head: Opaque<bindings::callback_head>,
    refcount: Refcount,
    len: usize,
    bytes: bindings::__IncompleteArrayField<u8>,
}

// SAFETY: The bytes do not change, and any thread may free them.
unsafe impl Send for RcuBytes {}
// SAFETY: As above, and all references are counted atomically.
unsafe impl Sync for RcuBytes {}

impl Deref for RcuBytes {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        // SAFETY: By the type invariants.
        unsafe { self.bytes.as_slice(self.len) }
    }
}

// SAFETY: The count is that of the references, and the bytes are freed when it comes to zero.
unsafe impl AlwaysRefCounted for RcuBytes {
    fn inc_ref(&self) {
        self.refcount.inc();
    }

    unsafe fn dec_ref(obj: NonNull<Self>) {
        // SAFETY: By the safety requirements there is a reference still.
        let refcount = unsafe { &obj.as_ref().refcount };

        // Who has the only reference need not count it down, for nobody else can change the count.
        let is_last = if read_once(refcount.as_atomic()) == 1 {
            // ORDERING: What others did with the bytes comes before they are freed. This pairs with
            // the release ordering of `dec_and_test()`.
            smp_rmb();
            true
        } else {
            refcount.dec_and_test()
        };

        if is_last {
            // SAFETY: That was the last reference.
            unsafe { bindings::kvfree(obj.as_ptr().cast()) };
        }
    }
}

/// A byte string that has not been published, to which there is no other reference.
pub(crate) struct NewRcuBytes(ARef<RcuBytes>);

impl NewRcuBytes {
    /// Reads exactly `len` bytes from an IO vector.
    ///
    /// The memory is accounted to whoever calls this. That there is none for so many bytes leaves
    /// no trace in the kernel's log.
    ///
    /// # Errors
    ///
    /// `ENOMEM` if there is no memory, `EFAULT` if fewer than `len` bytes can be read.
    pub(crate) fn from_iter(from: &mut IovIterSource<'_>, len: usize) -> Result<Self> {
        let bytes = kvmalloc_account::<RcuBytes>(len)?;
        let this = bytes.as_ptr();

        // SAFETY: The allocation has room for all of this. That a reference count is laid out as an
        // `Atomic<i32>` is what `Refcount::as_atomic()` says; its own constructor calls C.
        let spare: &mut [MaybeUninit<u8>] = unsafe {
            (&raw mut (*this).len).write(len);
            (&raw mut (*this).refcount)
                .cast::<Atomic<i32>>()
                .write(Atomic::new(1));
            slice::from_raw_parts_mut((&raw mut (*this).bytes).cast(), len)
        };

        if !from.copy_from_iter_all(spare) {
            // SAFETY: It was allocated above, and nobody knows of it.
            unsafe { bindings::kvfree(this.cast()) };
            return Err(EFAULT);
        }

        // SAFETY: The reference is the one that the count begins with.
        // INVARIANT: All of the structure and of the bytes was initialised above, but for the head,
        // which is RCU's.
        Ok(Self(unsafe { ARef::from_raw(bytes) }))
    }
}

/// A place for an optional byte string that readers find under RCU, without a lock and without
/// waiting.
///
/// [`RcuData::replace`] puts a new one there and leaves the old one to the readers that still have
/// it: the place gives up its reference after a grace period that nobody waits for.
///
/// Dropping the place waits until it has given up all references, so it may sleep.
///
/// # Invariants
///
/// `current` is null or a reference to a byte string, which is given up no earlier than a grace
/// period after `current` has changed.
pub(crate) struct RcuData {
    current: Atomic<*mut RcuBytes>,
}

// SAFETY: The place owns references to byte strings, which are `Send` and `Sync`.
unsafe impl Send for RcuData {}
// SAFETY: As above, and any thread may be the one to replace what is there.
unsafe impl Sync for RcuData {}

impl RcuData {
    /// Creates an empty place.
    pub(crate) fn new() -> Self {
        Self {
            // INVARIANT: Null.
            current: Atomic::new(ptr::null_mut()),
        }
    }

    /// Returns what is in the place.
    #[inline]
    pub(crate) fn dereference<'a>(&'a self, _guard: &'a rcu::Guard) -> Option<&'a RcuBytes> {
        // ORDERING: What the pointer leads to is read through an address dependency, which pairs
        // with the exchange in `replace()`.
        let current = read_once(&self.current);

        // SAFETY: By the type invariants a non-null pointer leads to a byte string, and the guard
        // keeps the grace period from ending that has to pass before it may be freed.
        unsafe { current.as_ref() }
    }

    /// Puts a new byte string, or none, in the place.
    pub(crate) fn replace(&self, new: Option<NewRcuBytes>) {
        let new = new.map_or(ptr::null_mut(), |new| ARef::into_raw(new.0).as_ptr());
        // ORDERING: Readers that see the pointer see the bytes, as
        // `tests/memory-model/publish.litmus` shows.
        // INVARIANT: `new` is null or a reference, and that behind `old` is given up by RCU below.
        let old = self.current.xchg(new, Full);

        if let Some(old) = NonNull::new(old) {
            // `tests/memory-model/free.litmus` shows that no reader sees it freed.
            // SAFETY: `old` is a reference that left the place just now, so nobody else gives it
            // up. Only what was never in a place is put in one, so the head is not in use.
            unsafe { bindings::call_rcu((*old.as_ptr()).head.get(), Some(put)) };
        }
    }
}

/// Gives up a reference.
///
/// # Safety
///
/// To be called by RCU with the head of an [`RcuBytes`] and a reference to it.
unsafe extern "C" fn put(head: *mut bindings::callback_head) {
    // SAFETY: `head` is the field of an `RcuBytes`.
    let bytes = unsafe { container_of!(Opaque::cast_from(head), RcuBytes, head) }.cast_mut();

    // SAFETY: By the safety requirements.
    unsafe { RcuBytes::dec_ref(NonNull::new_unchecked(bytes)) };
}

impl Drop for RcuData {
    fn drop(&mut self) {
        self.replace(None);

        // The callbacks are code of this module, which must not be left behind.
        rcu_barrier();
    }
}

#[kunit_tests(procmon_rcu_data)]
mod tests {
    use super::*;
    use kernel::sync::atomic::Relaxed;

    /// Reads `len` bytes from an IO vector over `text`.
    fn read(text: &[u8], len: usize) -> Result<NewRcuBytes> {
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

        NewRcuBytes::from_iter(from, len)
    }

    fn new(text: &[u8]) -> Result<NewRcuBytes> {
        read(text, text.len())
    }

    #[test]
    fn reads_what_was_asked_for() -> Result {
        assert_eq!(**read(b"message", 7)?.0, *b"message");
        assert_eq!(**read(b"message", 3)?.0, *b"mes");
        assert!(read(b"message", 0)?.0.is_empty());
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
    fn a_new_place_is_empty() -> Result {
        let place = RcuData::new();

        assert!(place.dereference(&rcu::read_lock()).is_none());
        Ok(())
    }

    #[test]
    fn readers_find_the_last_value() -> Result {
        let place = RcuData::new();

        for value in 1..100 {
            place.replace(Some(new(&[value; 30])?));

            let guard = rcu::read_lock();
            let found = place.dereference(&guard).ok_or(ENOENT)?;

            assert_eq!(**found, [value; 30]);
        }
        place.replace(None);
        assert!(place.dereference(&rcu::read_lock()).is_none());
        Ok(())
    }

    #[test]
    fn a_reader_keeps_what_it_found() -> Result {
        let place = RcuData::new();
        let next = new(b"second")?;

        place.replace(Some(new(b"first")?));
        let kept: ARef<RcuBytes> = {
            let guard = rcu::read_lock();
            let found = place.dereference(&guard).ok_or(ENOENT)?;

            place.replace(Some(next));
            assert_eq!(**found, *b"first");
            found.into()
        };

        // After this the place has given up its reference, and there is one left.
        rcu_barrier();
        assert_eq!(**kept, *b"first");
        assert_eq!(kept.refcount.as_atomic().load(Relaxed), 1);
        Ok(())
    }

    #[test]
    fn references_outlive_the_place() -> Result {
        let place = RcuData::new();

        place.replace(Some(new(b"bytes")?));
        let kept: Option<ARef<RcuBytes>> = place.dereference(&rcu::read_lock()).map(ARef::from);

        drop(place);

        let kept = kept.ok_or(ENOENT)?;

        assert_eq!(**kept, *b"bytes");
        assert_eq!(kept.refcount.as_atomic().load(Relaxed), 1);
        Ok(())
    }
}
