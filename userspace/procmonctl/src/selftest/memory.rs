// SPDX-License-Identifier: GPL-2.0-only

//! Memory that the kernel may write to at will, and pointers that it must refuse.

use std::ptr;

use rustix::mm::{MapFlags, MprotectFlags, ProtFlags, mmap_anonymous, mprotect, munmap};

const PAGE: usize = 4096;

/// A pointer to hand to the kernel.
///
/// The target is in a [`Page`], or in no memory at all, so no command can do harm there.
#[derive(Clone, Copy)]
pub struct Ptr(*mut u8);

impl Ptr {
    pub fn as_ptr(self) -> *mut u8 {
        self.0
    }
}

/// A page of memory, with an inaccessible page after it.
///
/// Only raw pointers lead to the page, so that the compiler assumes nothing about its content,
/// which the kernel changes.
pub struct Page {
    start: *mut u8,
}

impl Page {
    pub fn new() -> anyhow::Result<Self> {
        let prot = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: A new mapping at an address of the kernel's choice overlaps no other.
        let start = unsafe { mmap_anonymous(ptr::null_mut(), 2 * PAGE, prot, MapFlags::PRIVATE) }?;
        let page = Self {
            start: start.cast(),
        };
        // SAFETY: The second page is ours, and there are no references into it.
        unsafe {
            mprotect(
                page.before_end(0).as_ptr().cast(),
                PAGE,
                MprotectFlags::empty(),
            )
        }?;
        Ok(page)
    }

    /// Makes the page read-only. [`Page::write`] must not be called afterwards.
    pub fn read_only(self) -> anyhow::Result<Self> {
        // SAFETY: The page is ours, and there are no references into it.
        unsafe { mprotect(self.start.cast(), PAGE, MprotectFlags::READ) }?;
        Ok(self)
    }

    pub fn start(&self) -> Ptr {
        Ptr(self.start)
    }

    /// Returns the place `len` bytes before the first inaccessible byte.
    pub fn before_end(&self, len: usize) -> Ptr {
        assert!(len <= PAGE);
        Ptr(self.start.wrapping_add(PAGE - len))
    }

    /// Writes to the start of the page.
    pub fn write(&self, bytes: &[u8]) {
        assert!(bytes.len() <= PAGE);
        // SAFETY: The page is ours, writable, and large enough.
        unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), self.start, bytes.len()) };
    }

    /// Reads the start of the page.
    pub fn read(&self, len: usize) -> Vec<u8> {
        assert!(len <= PAGE);
        let mut bytes = vec![0; len];
        // SAFETY: The page is ours, readable, and large enough.
        unsafe { ptr::copy_nonoverlapping(self.start, bytes.as_mut_ptr(), len) };
        bytes
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        // SAFETY: Both pages are ours, and no pointer is used after the end of the Page.
        unsafe { munmap(self.start.cast(), 2 * PAGE) }.expect("our own mapping can be removed");
    }
}

/// Returns pointers that allow neither reading nor writing `size` bytes, with their names.
pub fn bad_pointers(page: &Page, size: usize) -> [(&'static str, Ptr); 5] {
    let nowhere = |address| Ptr(ptr::without_provenance_mut(address));
    [
        ("NULL", nowhere(0)),
        ("address 1", nowhere(1)),
        ("a kernel address", nowhere(0xffff_8880_0000_0000)),
        ("memory without access", page.before_end(0)),
        (
            "the last bytes before memory without access",
            page.before_end(size - 1),
        ),
    ]
}
