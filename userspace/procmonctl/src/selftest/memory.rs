// SPDX-License-Identifier: GPL-2.0

//! Memory that the kernel may write to at will, and pointers that it must refuse.

use std::ptr;

use rustix::mm::{MapFlags, MprotectFlags, ProtFlags, mmap_anonymous, mprotect, munmap};

const PAGE: usize = 4096;

/// A pointer to hand to the kernel.
///
/// It leads into a [`Page`] or to where there is no memory at all, so no command can do harm there.
#[derive(Clone, Copy)]
pub struct Ptr(*mut u8);

impl Ptr {
    pub fn as_ptr(self) -> *mut u8 {
        self.0
    }
}

/// A page of memory, and behind it one that nobody can use.
///
/// It is reached by raw pointers only, so that the compiler takes no interest in what the kernel
/// does to it.
pub struct Page {
    start: *mut u8,
}

impl Page {
    pub fn new() -> anyhow::Result<Self> {
        let prot = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: A new mapping at an address of the kernel's choice is in nobody's way.
        let start = unsafe { mmap_anonymous(ptr::null_mut(), 2 * PAGE, prot, MapFlags::PRIVATE) }?;
        let page = Self {
            start: start.cast(),
        };
        // SAFETY: The second page is ours, and nothing is in it.
        unsafe {
            mprotect(
                page.before_end(0).as_ptr().cast(),
                PAGE,
                MprotectFlags::empty(),
            )
        }?;
        Ok(page)
    }

    /// Lets the page be read only from now on; [`Page::write`] may not be used any more.
    pub fn read_only(self) -> anyhow::Result<Self> {
        // SAFETY: The page is ours, and there are no references into it.
        unsafe { mprotect(self.start.cast(), PAGE, MprotectFlags::READ) }?;
        Ok(self)
    }

    pub fn start(&self) -> Ptr {
        Ptr(self.start)
    }

    /// The place `len` bytes before the first byte that cannot be used.
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
        // SAFETY: Both pages are ours, and nobody keeps a pointer longer than the Page.
        unsafe { munmap(self.start.cast(), 2 * PAGE) }.expect("our own mapping can be removed");
    }
}

/// Pointers that are good neither for reading nor for writing `size` bytes, with their names.
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
