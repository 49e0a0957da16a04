// SPDX-License-Identifier: GPL-2.0

//! Values that are read under RCU and replaced as a whole.
//!
//! C header: [`include/linux/rcupdate.h`](srctree/include/linux/rcupdate.h)

use core::{
    marker::PhantomData,
    ptr, //
};

use kernel::{
    alloc::{
        AllocError,
        Flags, //
    },
    bindings,
    container_of,
    new_spinlock,
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed,
            Release, //
        },
        rcu,
        SpinLock, //
    },
    types::Opaque, //
};

use super::compat::rcu_barrier;

/// A value with room for what RCU needs to free it later.
///
/// It is allocated on its own so that publishing it cannot fail.
pub(crate) struct RcuBox<T>(KBox<Node<T>>);

struct Node<T> {
    head: Opaque<bindings::callback_head>,
    value: T,
}

impl<T> RcuBox<T> {
    /// Allocates memory and moves `value` there.
    pub(crate) fn new(value: T, flags: Flags) -> Result<Self, AllocError> {
        Ok(Self(KBox::new(
            Node {
                head: Opaque::uninit(),
                value,
            },
            flags,
        )?))
    }
}

/// A place for an optional value that readers find under RCU, without a lock and without waiting.
///
/// [`RcuData::replace`] puts a new value there and leaves the old one to the readers that still
/// have it: it is dropped, in softirq context, after a grace period that nobody waits for. A spin
/// lock puts updaters in order.
///
/// Dropping the place waits for all values that were in it to be dropped, so it may sleep.
///
/// # Invariants
///
/// `current` is null or comes from [`KBox::into_raw`], and the node that it points to is freed no
/// earlier than a grace period after `current` has changed.
#[pin_data(PinnedDrop)]
pub(crate) struct RcuData<T: Send + Sync + 'static> {
    current: Atomic<*mut Node<T>>,
    #[pin]
    update: SpinLock<()>,
    _owns: PhantomData<RcuBox<T>>,
}

// SAFETY: The place owns a `T`, which can be dropped by another thread.
unsafe impl<T: Send + Sync> Send for RcuData<T> {}
// SAFETY: Threads share the `T` that is in the place, and any of them may be the one to replace it.
unsafe impl<T: Send + Sync> Sync for RcuData<T> {}

impl<T: Send + Sync> RcuData<T> {
    /// Creates an empty place.
    pub(crate) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            // INVARIANT: Null.
            current: Atomic::new(ptr::null_mut()),
            update <- new_spinlock!((), "RcuData::update"),
            _owns: PhantomData,
        })
    }

    /// Returns the present value.
    #[inline]
    pub(crate) fn dereference<'a>(&'a self, _guard: &'a rcu::Guard) -> Option<&'a T> {
        // ORDERING: What the pointer leads to is read through an address dependency, which relaxed
        // loads keep, and which pairs with the release store in `replace()`.
        let node = self.current.load(Relaxed);

        // SAFETY: By the type invariants a non-null pointer leads to a node, and the guard keeps
        // the grace period from ending that has to pass before the node is freed.
        unsafe { node.as_ref() }.map(|node| &node.value)
    }

    /// Puts a new value, or none, in the place.
    pub(crate) fn replace(&self, new: Option<RcuBox<T>>) {
        let new = new.map_or(ptr::null_mut(), |new| KBox::into_raw(new.0));
        let old = {
            let _guard = self.update.lock();
            let old = self.current.load(Relaxed);

            // ORDERING: Readers that see the pointer see the node filled in, as
            // `tests/memory-model/publish.litmus` shows.
            // INVARIANT: `new` is null or was just returned by `KBox::into_raw()`, and the node
            // behind `old` is freed by RCU below.
            self.current.store(new, Release);
            old
        };

        // `tests/memory-model/free.litmus` shows that no reader sees it freed.
        // SAFETY: `old` left the place just now and under the lock, so nobody else frees it.
        unsafe { free_after_grace_period(old) };
    }
}

#[pinned_drop]
impl<T: Send + Sync> PinnedDrop for RcuData<T> {
    fn drop(self: Pin<&mut Self>) {
        self.replace(None);

        // The callbacks are code of this module and run destructors of `T`: neither may be left
        // behind.
        rcu_barrier();
    }
}

/// Frees a node once all present readers are done.
///
/// # Safety
///
/// `node` must be null or come from [`KBox::into_raw`], no reader may find it any more, and nobody
/// else may free it.
unsafe fn free_after_grace_period<T: Send + 'static>(node: *mut Node<T>) {
    /// # Safety
    ///
    /// To be called by RCU with the head of a `Node<T>` that nobody uses any more.
    unsafe extern "C" fn free<T>(head: *mut bindings::callback_head) {
        // SAFETY: `head` is the field of a `Node<T>`.
        let node = unsafe { container_of!(Opaque::cast_from(head), Node<T>, head) }.cast_mut();

        // SAFETY: The node comes from `KBox::into_raw()`.
        drop(unsafe { KBox::from_raw(node) });
    }

    if !node.is_null() {
        // SAFETY: The node is valid until the callback frees it. `T` is `Send`, so it may be
        // dropped by the thread that runs the callback, and `'static`, so it may be dropped that
        // late.
        unsafe { bindings::call_rcu((*node).head.get(), Some(free::<T>)) };
    }
}

#[kunit_tests(procmon_rcu_data)]
mod tests {
    use super::*;
    use kernel::sync::Arc;

    /// A value that counts when it is dropped.
    struct Tracked {
        value: u32,
        drops: Arc<Atomic<i32>>,
    }

    impl Drop for Tracked {
        fn drop(&mut self) {
            self.drops.add(1, Relaxed);
        }
    }

    fn tracked(value: u32, drops: &Arc<Atomic<i32>>) -> Result<Option<RcuBox<Tracked>>> {
        let drops = drops.clone();

        Ok(Some(RcuBox::new(Tracked { value, drops }, GFP_KERNEL)?))
    }

    #[test]
    fn a_new_place_is_empty() -> Result {
        let place = KBox::pin_init(RcuData::<u32>::new(), GFP_KERNEL)?;

        assert!(place.dereference(&rcu::read_lock()).is_none());
        Ok(())
    }

    #[test]
    fn readers_find_the_last_value() -> Result {
        let place = KBox::pin_init(RcuData::new(), GFP_KERNEL)?;

        for value in 1..100 {
            place.replace(Some(RcuBox::new(value, GFP_KERNEL)?));
            assert_eq!(place.dereference(&rcu::read_lock()), Some(&value));
        }
        place.replace(None);
        assert!(place.dereference(&rcu::read_lock()).is_none());
        Ok(())
    }

    #[test]
    fn a_reader_keeps_what_it_found() -> Result {
        let drops = Arc::new(Atomic::new(0), GFP_KERNEL)?;
        let place = KBox::pin_init(RcuData::new(), GFP_KERNEL)?;
        let next = tracked(2, &drops)?;

        place.replace(tracked(1, &drops)?);
        {
            let guard = rcu::read_lock();
            let found = place.dereference(&guard);

            place.replace(next);
            assert_eq!(found.map(|found| found.value), Some(1));
            assert_eq!(drops.load(Relaxed), 0);
        }
        rcu_barrier();
        assert_eq!(drops.load(Relaxed), 1);
        Ok(())
    }

    #[test]
    fn dropping_the_place_waits_for_all_values() -> Result {
        let drops = Arc::new(Atomic::new(0), GFP_KERNEL)?;
        let place = KBox::pin_init(RcuData::new(), GFP_KERNEL)?;

        for value in 0..10 {
            place.replace(tracked(value, &drops)?);
        }
        drop(place);
        assert_eq!(drops.load(Relaxed), 10);
        Ok(())
    }

    #[test]
    fn a_value_that_is_never_published_is_dropped() -> Result {
        let drops = Arc::new(Atomic::new(0), GFP_KERNEL)?;

        drop(tracked(1, &drops)?);
        assert_eq!(drops.load(Relaxed), 1);
        Ok(())
    }
}
