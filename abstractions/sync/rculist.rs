// SPDX-License-Identifier: GPL-2.0-only

//! Circular lists that are read under RCU.
//!
//! Does not support changing a list.
//!
//! # Examples
//!
//! ```ignore
//! // SAFETY: `head` is a list of the kernel's that is changed by RCU list operations.
//! for node in unsafe { RcuList::new(head, &guard) } {
//!     // SAFETY: Each node is part of a task, which is freed by RCU.
//!     let task = unsafe { container_of!(node, bindings::task_struct, thread_node) };
//! }
//! ```
//!
//! C header: [`include/linux/rculist.h`](srctree/include/linux/rculist.h)

use core::marker::PhantomData;

use kernel::{
    bindings,
    sync::rcu, //
};

use crate::abstractions::sync::rwonce::read;

/// An iterator over the nodes of a list.
///
/// # Invariants
///
/// `next` is the head or a node of the list, or was a node during the read-side critical section of
/// `_guard`.
#[doc(alias = "list_for_each_rcu")]
pub(crate) struct RcuList<'a> {
    head: *mut bindings::list_head,
    next: *mut bindings::list_head,
    _guard: PhantomData<&'a rcu::Guard>,
}

impl<'a> RcuList<'a> {
    /// Creates an iterator over all nodes of a list.
    ///
    /// # Safety
    ///
    /// `head` must be the head of an initialised list that is changed by RCU list operations only
    /// and whose nodes stay valid for a grace period after they were removed. The head itself must
    /// live for `'a`.
    pub(crate) unsafe fn new(head: *mut bindings::list_head, _guard: &'a rcu::Guard) -> Self {
        Self {
            head,
            // SAFETY: By the safety requirements.
            // INVARIANT: The head leads to a node or to itself.
            next: unsafe { next_rcu(head) },
            _guard: PhantomData,
        }
    }
}

impl Iterator for RcuList<'_> {
    type Item = *mut bindings::list_head;

    fn next(&mut self) -> Option<Self::Item> {
        if self.next == self.head {
            return None;
        }

        let node = self.next;
        // SAFETY: By the type invariants, `node` is valid under RCU.
        // INVARIANT: A node that was removed still leads to one that was in the list then, and at
        // last to the head.
        self.next = unsafe { next_rcu(node) };
        Some(node)
    }
}

/// Reads the `next` pointer of a link.
///
/// # Safety
///
/// `link` must be valid for reads.
#[doc(alias = "list_next_rcu")]
unsafe fn next_rcu(link: *mut bindings::list_head) -> *mut bindings::list_head {
    // ORDERING: The node is read through an address dependency.
    // SAFETY: By the safety requirements.
    unsafe { read!((*link).next) }
}
