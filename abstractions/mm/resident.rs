// SPDX-License-Identifier: GPL-2.0-only

//! Memory of other processes, as far as it is present and free to be looked at.
//!
//! The kernel's `access_process_vm()` waits for the lock of the address space and for each page,
//! and so for as long as its process likes: a page may be that of a file system in user space. This
//! module waits for neither.
//!
//! Does not support memory of files and devices, memory that is swapped out, nor writing.
//!
//! # Examples
//!
//! ```ignore
//! let mut bytes = [0; 64];
//! let count = match ResidentMemory::try_lock(&mm) {
//!     Some(memory) => memory.read(address, &mut bytes),
//!     None => 0,
//! };
//! ```
//!
//! C header: [`include/linux/mm.h`](srctree/include/linux/mm.h)

use core::ptr::{
    self,
    NonNull, //
};

use kernel::{
    bindings,
    mm::{
        MmWithUser,
        MmapReadGuard, //
    },
    page::{
        PAGE_MASK,
        PAGE_SIZE, //
    },
    prelude::*, //
};

/// The memory of an address space, with its areas locked for reading.
pub(crate) struct ResidentMemory<'a> {
    mm: &'a MmWithUser,
    areas: MmapReadGuard<'a>,
}

impl<'a> ResidentMemory<'a> {
    /// Locks the areas of an address space, unless that would mean to wait.
    ///
    /// TIME: A process that changes its areas waits until this is dropped, so that has to be soon.
    #[doc(alias = "mmap_read_trylock")]
    pub(crate) fn try_lock(mm: &'a MmWithUser) -> Option<Self> {
        let areas = mm.mmap_read_trylock()?;

        Some(Self { mm, areas })
    }

    /// Returns the address space.
    pub(crate) fn mm(&self) -> &MmWithUser {
        self.mm
    }

    /// Reads bytes at any address, up to the first one that is not there. Returns their number.
    ///
    /// The process may write the same bytes at the same time.
    #[doc(alias = "access_remote_vm")]
    pub(crate) fn read(&self, address: usize, to: &mut [u8]) -> usize {
        let mut done = 0usize;

        // TIME: One round for each page, none of which is waited for.
        while let Some(rest) = to.get_mut(done..).filter(|rest| !rest.is_empty()) {
            let address = address.wrapping_add(done);
            let offset = address & !PAGE_MASK;
            let len = rest.len().min(PAGE_SIZE.wrapping_sub(offset));
            let is_read = match (rest.get_mut(..len), self.page(address)) {
                (Some(part), Some(page)) => page.read(offset, part),
                _ => false,
            };

            if !is_read {
                break;
            }
            done = done.saturating_add(len);
        }
        done
    }

    /// Returns the page of anonymous memory at an address, if it is present.
    #[doc(alias = "get_user_pages_remote")]
    fn page(&self, address: usize) -> Option<UserPage> {
        const FLAGS: c_uint = (bindings::FOLL_ANON | bindings::FOLL_NOFAULT) as c_uint;

        // The function warns of an address just below a stack, which has no area.
        self.areas.vma_lookup(address)?;

        let mut page = ptr::null_mut();
        // SAFETY: The address space has users, and its areas are locked. There is space for one
        // page. The null pointer says that the lock is to be kept.
        let count = unsafe {
            bindings::get_user_pages_remote(
                self.mm.as_raw(),
                address,
                1,
                FLAGS,
                &raw mut page,
                ptr::null_mut(),
            )
        };

        if count != 1 {
            return None;
        }
        // INVARIANT: The function has taken a reference of the page.
        NonNull::new(page).map(UserPage)
    }
}

/// A reference to a page of user memory.
///
/// # Invariants
///
/// The page is valid, and this owns one of its references.
struct UserPage(NonNull<bindings::page>);

impl UserPage {
    /// Reads bytes of the page from an offset on. Returns whether they were read.
    fn read(&self, offset: usize, to: &mut [u8]) -> bool {
        if offset.saturating_add(to.len()) > PAGE_SIZE {
            return false;
        }

        // SAFETY: By the type invariants the page is valid. It is unmapped below, and nothing else
        // is mapped in between.
        let mapped = unsafe { bindings::kmap_local_page(self.0.as_ptr()) };
        // SAFETY: The slice has as many bytes, and so has the page from the offset on. User space
        // may write to them at the same time: a function of C copies them, and any bytes will do.
        let result = unsafe {
            bindings::copy_from_kernel_nofault(
                to.as_mut_ptr().cast(),
                mapped.wrapping_byte_add(offset),
                to.len(),
            )
        };

        // SAFETY: It was mapped last, above.
        unsafe { bindings::kunmap_local(mapped) };
        result == 0
    }
}

impl Drop for UserPage {
    #[doc(alias = "put_page")]
    fn drop(&mut self) {
        let mut page = self.0.as_ptr();
        let pages = bindings::release_pages_arg {
            pages: &raw mut page,
        };

        // SAFETY: By the type invariants this owns a reference of the page, which is the only one
        // in the array.
        unsafe { bindings::release_pages(pages, 1) };
    }
}

#[kunit_tests(procmon_resident)]
mod tests {
    use super::*;
    use crate::abstractions::{
        mm::MmExt,
        task::{
            find_task_by_vpid,
            TaskExt, //
        }, //
    };
    use kernel::{
        mm::MmWithUserAsync,
        sync::{
            aref::ARef,
            rcu, //
        }, //
    };

    /// Returns the address space of PID 1, a user process that does not end.
    fn mm_of_init() -> Result<ARef<MmWithUserAsync>> {
        let guard = rcu::read_lock();

        find_task_by_vpid(1, &guard)
            .and_then(TaskExt::get_mm)
            .ok_or(ESRCH)
    }

    #[test]
    fn pieces_are_those_of_the_whole() -> Result {
        let mm = mm_of_init()?;
        let memory = ResidentMemory::try_lock(&mm).ok_or(EBUSY)?;
        let arguments = memory.mm().arguments();
        // Up to the end of the stack, and beyond.
        let mut whole = KVec::from_elem(0, 4 * PAGE_SIZE, GFP_KERNEL)?;
        let len = memory.read(arguments.start, &mut whole);

        assert!(len > 0 && len < whole.len());
        // The memory ends with a page.
        assert_eq!(arguments.start.wrapping_add(len) & !PAGE_MASK, 0);
        for (index, expected) in whole[..len].iter().enumerate().step_by(101) {
            let mut byte = [0];

            assert_eq!(
                memory.read(arguments.start.wrapping_add(index), &mut byte),
                1
            );
            assert_eq!(byte[0], *expected);
        }
        Ok(())
    }

    #[test]
    fn nothing_is_read_elsewhere() -> Result {
        let mm = mm_of_init()?;
        let memory = ResidentMemory::try_lock(&mm).ok_or(EBUSY)?;
        let kernel = ptr::from_ref(&memory).addr();
        let mut bytes = [7; 16];

        for address in [0, 1, PAGE_SIZE, kernel, usize::MAX, usize::MAX - 7] {
            assert_eq!(memory.read(address, &mut bytes), 0);
        }
        assert_eq!(bytes, [7; 16]);
        assert_eq!(memory.read(memory.mm().arguments().start, &mut []), 0);
        Ok(())
    }

    #[test]
    fn a_kernel_thread_has_no_memory() {
        let task: &kernel::task::Task = kernel::current!();

        assert!(task.get_mm().is_none());
    }
}
