// SPDX-License-Identifier: GPL-2.0-only

//! An array in user memory, written with the caller's stride.

use kernel::prelude::*;

use zerocopy::{
    Immutable,
    IntoBytes, //
};

use crate::abstractions::uaccess::{
    clear_user,
    write_user_slice, //
};

/// The unwritten rest of an array in user memory.
pub(crate) struct UserArray {
    to: UserPtr,
    stride: usize,
    remaining: u32,
}

impl UserArray {
    /// Creates an array of `capacity` elements of `stride` bytes each.
    ///
    /// # Errors
    ///
    /// `EFAULT` if the address is larger than a pointer.
    pub(crate) fn new(address: u64, stride: u32, capacity: u32) -> Result<Self> {
        let address = usize::try_from(address).map_err(|_| EFAULT)?;

        Ok(Self {
            to: UserPtr::from_addr(address),
            stride: stride as usize,
            remaining: capacity,
        })
    }

    /// Returns the number of elements that can still be written.
    pub(crate) fn remaining(&self) -> u32 {
        self.remaining
    }

    /// Writes the next elements, at most [`remaining`](Self::remaining) ones, up to the first that
    /// faults. Returns the number of elements that were written.
    ///
    /// An element that is longer than the stride is cut off, and one that is shorter is padded with
    /// zeroes.
    pub(crate) fn write<T: IntoBytes + Immutable>(&mut self, elements: &[T]) -> usize {
        if self.stride == size_of::<T>() {
            return self.write_places(elements.as_bytes());
        }

        let written = elements
            .iter()
            .enumerate()
            .take_while(|(index, element)| self.write_one(*index, element.as_bytes()))
            .count();

        self.advance(written);
        written
    }

    /// Writes the next elements as [`write`](Self::write) does, from bytes in which they already
    /// have the stride of the array.
    pub(crate) fn write_places(&mut self, bytes: &[u8]) -> usize {
        let written = write_user_slice(self.to, bytes)
            .checked_div(self.stride)
            .unwrap_or(0);

        self.advance(written);
        written
    }

    fn advance(&mut self, written: usize) {
        self.to = self.to.wrapping_byte_add(written.wrapping_mul(self.stride));
        // CAST: It is at most `remaining`.
        self.remaining = self.remaining.wrapping_sub(written as u32);
    }

    fn write_one(&self, index: usize, element: &[u8]) -> bool {
        let to = self.to.wrapping_byte_add(index.wrapping_mul(self.stride));
        let element = element.get(..self.stride).unwrap_or(element);
        let rest = self.stride.saturating_sub(element.len());

        write_user_slice(to, element) == element.len()
            && clear_user(to.wrapping_byte_add(element.len()), rest)
    }
}
