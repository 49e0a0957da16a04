// SPDX-License-Identifier: GPL-2.0-only

//! Radix trees of the kernel, read under RCU.
//!
//! An iteration goes from chunk to chunk. A chunk is a series of slots within one node, which the
//! kernel finds and describes by its first slot and its length, so the layout of nodes is the
//! kernel's own business.
//!
//! Does not support changing a tree, nor tags.
//!
//! # Examples
//!
//! ```ignore
//! let mut next = 0;
//!
//! while let Some(chunk) = tree.next_chunk(next) {
//!     for (index, slot) in (chunk.first()..).zip(chunk.slots()) {
//!         if let Some(item) = slot.entry().item() {
//!             pr_info!("{index}: {item:p}\n");
//!         }
//!     }
//!     next = chunk.end();
//! }
//! ```
//!
//! C header: [`include/linux/radix-tree.h`](srctree/include/linux/radix-tree.h)

use core::{
    cell::UnsafeCell,
    marker::PhantomData,
    ptr::NonNull, //
};

use kernel::{
    bindings,
    prelude::*,
    sync::rcu, //
};

use crate::abstractions::sync::rwonce::read;

/// A radix tree that other CPUs may be changing.
///
/// # Invariants
///
/// `root` is an initialised tree that is valid for `'g`, during which RCU is held.
#[derive(Clone, Copy)]
pub(crate) struct RadixTree<'g> {
    root: *const bindings::xarray,
    _guard: PhantomData<&'g rcu::Guard>,
}

impl<'g> RadixTree<'g> {
    /// Wraps a tree of the kernel.
    ///
    /// # Safety
    ///
    /// `root` must be initialised and stay valid for `'g`.
    #[inline(always)]
    pub(crate) unsafe fn from_ptr(root: *const bindings::xarray, _guard: &'g rcu::Guard) -> Self {
        // INVARIANT: By the safety requirements; the guard is borrowed for `'g`.
        Self {
            root,
            _guard: PhantomData,
        }
    }

    /// Finds the first chunk with an index of `start` or more.
    ///
    /// The first slot of the chunk had an entry when it was found, all others may be empty.
    ///
    /// TIME: One descent from the root, and a search of one node per level for an entry. The kernel
    /// begins anew if what it has found is removed at that moment.
    #[doc(alias = "radix_tree_next_chunk")]
    #[inline(always)]
    pub(crate) fn next_chunk(&self, start: usize) -> Option<Chunk<'g>> {
        // As `radix_tree_iter_init()` does.
        let mut iter = bindings::radix_tree_iter {
            index: 0,
            next_index: start,
            ..Default::default()
        };
        // SAFETY: By the type invariants the tree is valid. Nodes are freed by RCU, which is held.
        let first = unsafe { bindings::radix_tree_next_chunk(self.root, &mut iter, 0) };

        // SAFETY: The slot is in the root, or in a node that is not freed for `'g`.
        let slot = unsafe { first.cast::<Slot>().as_ref() }?;

        if slot.entry().is_retry() {
            // It may be a slot of an inner node, for which neither index nor length are right. It
            // will have no other entry any more. C code goes no further than to this slot, either.
            return Some(Chunk {
                first: start,
                slots: core::slice::from_ref(slot),
            });
        }

        // As `radix_tree_chunk_size()` does.
        let len = iter.next_index.wrapping_sub(iter.index);

        Some(Chunk {
            first: iter.index,
            // SAFETY: From a slot with an item on, there are as many slots in the same node, or the
            // one of the root. Others write to them atomically, for which `Slot` is prepared.
            slots: unsafe { core::slice::from_raw_parts(slot, len) },
        })
    }
}

/// A series of slots of a tree.
pub(crate) struct Chunk<'g> {
    first: usize,
    slots: &'g [Slot],
}

impl<'g> Chunk<'g> {
    /// Returns the index of the first slot.
    #[inline(always)]
    pub(crate) fn first(&self) -> usize {
        self.first
    }

    /// Returns the index behind that of the last slot. Iteration continues there.
    #[inline(always)]
    pub(crate) fn end(&self) -> usize {
        self.first.saturating_add(self.slots.len())
    }

    /// Returns the slots, of which there is at least one.
    #[inline(always)]
    pub(crate) fn slots(&self) -> &'g [Slot] {
        self.slots
    }
}

/// A place for an entry, which other CPUs may be writing to.
#[repr(transparent)]
pub(crate) struct Slot(UnsafeCell<*mut c_void>);

impl Slot {
    /// Returns the entry at this moment.
    #[doc(alias = "radix_tree_deref_slot")]
    #[inline(always)]
    pub(crate) fn entry(&self) -> Entry {
        // ORDERING: What an item leads to is read through an address dependency.
        // SAFETY: The slot is valid, and changes concurrently.
        Entry(unsafe { read!(*self.0.get()) })
    }
}

/// The entry of a slot: nothing, an item, or a sign of the tree.
#[derive(Clone, Copy)]
pub(crate) struct Entry(*mut c_void);

impl Entry {
    /// Returns what the user of the tree has stored, unless the slot is empty. It is no item if it
    /// is [`Entry::is_retry`].
    #[inline(always)]
    pub(crate) fn item(self) -> Option<NonNull<c_void>> {
        NonNull::new(self.0)
    }

    /// Whether the slot is in use no more, since the tree has another shape now. Iteration has to
    /// find a new chunk from this index on.
    #[doc(alias = "radix_tree_deref_retry")]
    #[inline(always)]
    pub(crate) fn is_retry(self) -> bool {
        // As `radix_tree_is_internal_node()`. An item is aligned, so one bit tells.
        const { assert!(bindings::RADIX_TREE_INTERNAL_NODE == 0b10) };

        self.0.addr() & bindings::RADIX_TREE_INTERNAL_NODE as usize != 0
    }
}

#[kunit_tests(procmon_radix_tree)]
mod tests {
    use super::*;
    use core::ptr;
    use kernel::types::Opaque;

    /// A tree of this test, whose items are addresses that nothing is read from.
    struct Tree(Opaque<bindings::xarray>);

    impl Tree {
        fn with_items(indices: &[usize]) -> Result<Self> {
            let tree = Self(Opaque::zeroed());

            for &index in indices {
                // SAFETY: A root of zeroes is an empty tree, but for the lock, which only those who
                // share a tree need, and for the flags, which say how to allocate nodes.
                let result = unsafe {
                    (*tree.0.get()).xa_flags = bindings::GFP_ATOMIC;
                    bindings::radix_tree_insert(tree.0.get(), index, item(index).as_ptr())
                };

                kernel::error::to_result(result)?;
            }
            Ok(tree)
        }

        fn indices(&self, start: usize, indices: &mut KVec<usize>) -> Result {
            let guard = rcu::read_lock();
            // SAFETY: The tree is initialised and outlives the guard.
            let tree = unsafe { RadixTree::from_ptr(self.0.get(), &guard) };
            let mut next = start;

            while let Some(chunk) = tree.next_chunk(next) {
                assert!(chunk.first() >= next && chunk.end() > chunk.first());
                for (index, slot) in (chunk.first()..).zip(chunk.slots()) {
                    let entry = slot.entry();

                    assert!(!entry.is_retry());
                    if let Some(found) = entry.item() {
                        assert_eq!(found, item(index));
                        indices.push(index, GFP_ATOMIC)?;
                    }
                }
                next = chunk.end();
            }
            Ok(())
        }
    }

    impl Drop for Tree {
        fn drop(&mut self) {
            loop {
                let next = {
                    let guard = rcu::read_lock();
                    // SAFETY: As above.
                    let tree = unsafe { RadixTree::from_ptr(self.0.get(), &guard) };

                    tree.next_chunk(0).map(|chunk| chunk.first())
                };
                let Some(index) = next else {
                    break;
                };

                // SAFETY: Only this test has the tree.
                unsafe { bindings::radix_tree_delete(self.0.get(), index) };
            }
        }
    }

    fn item(index: usize) -> NonNull<c_void> {
        // Aligned as items have to be.
        let address = ptr::without_provenance_mut(index.wrapping_add(1) << 3);

        NonNull::new(address).unwrap_or(NonNull::dangling())
    }

    fn indices_from(items: &[usize], start: usize) -> Result<KVec<usize>> {
        let mut indices = KVec::new();

        Tree::with_items(items)?.indices(start, &mut indices)?;
        Ok(indices)
    }

    #[test]
    fn an_empty_tree_has_no_chunk() -> Result {
        assert!(indices_from(&[], 0)?.is_empty());
        Ok(())
    }

    #[test]
    fn a_tree_of_one_item_has_one_slot() -> Result {
        assert_eq!(&indices_from(&[0], 0)?[..], &[0]);
        assert!(indices_from(&[0], 1)?.is_empty());
        Ok(())
    }

    #[test]
    fn all_items_come_in_order() -> Result {
        let items = [70_000, 1, 0, 63, 64, 65, 4095, 4096, 5000];
        let sorted = [0, 1, 63, 64, 65, 4095, 4096, 5000, 70_000];

        assert_eq!(&indices_from(&items, 0)?[..], &sorted);
        assert_eq!(&indices_from(&items, 63)?[..], &sorted[2..]);
        assert_eq!(&indices_from(&items, 66)?[..], &sorted[5..]);
        assert_eq!(&indices_from(&items, 70_000)?[..], &sorted[8..]);
        assert!(indices_from(&items, 70_001)?.is_empty());
        assert!(indices_from(&items, usize::MAX)?.is_empty());
        Ok(())
    }

    #[test]
    fn entries_are_told_apart() {
        let entry = |address| Slot(UnsafeCell::new(ptr::without_provenance_mut(address))).entry();

        assert_eq!(entry(0).item(), None);
        assert!(!entry(0).is_retry());
        assert_eq!(entry(8).item(), Some(item(0)));
        assert!(!entry(8).is_retry());
        // `XA_RETRY_ENTRY`, and a node.
        assert!(entry(256 << 2 | 2).is_retry());
        assert!(entry(0x1000 | 2).is_retry());
    }
}
