// SPDX-License-Identifier: GPL-2.0-only

//! Single values and slices in user space.
//!
//! All functions take any address, and may copy a part before they fail. All but
//! [`read_user_nofault`] may sleep. User space may change the memory at any time, so a value must
//! be read once only.
//!
//! The `kernel` crate's `UserSlice` requires traits that types from bindgen do not have, and does
//! not return the number of bytes that were written.
//!
//! Does not support strings, nor writing without page faults.
//!
//! # Examples
//!
//! ```ignore
//! let mut arguments: Arguments = read_user_struct(arg, Arguments::SIZE_OF_VERSION_1)?;
//!
//! arguments.count = 1;
//! write_user_struct(arg, arguments.size as usize, &arguments)?;
//! ```
//!
//! C header: [`include/linux/uaccess.h`](srctree/include/linux/uaccess.h)

use core::{
    mem::MaybeUninit,
    ptr, //
};

use kernel::{
    bindings,
    error::to_result,
    page::PAGE_SIZE,
    prelude::*, //
};

use zerocopy::Immutable;

/// Reads a value from user space.
///
/// # Errors
///
/// `EFAULT` if it cannot be read.
#[inline]
#[doc(alias = "copy_from_user")]
pub(crate) fn read_user<T: FromBytes>(from: UserPtr) -> Result<T> {
    let mut value = MaybeUninit::<T>::uninit();
    // SAFETY: `value` has the size of a `T`, and any address may be read from.
    let left = unsafe {
        bindings::_copy_from_user(
            value.as_mut_ptr().cast(),
            from.as_const_ptr(),
            size_of::<T>(),
        )
    };

    if left != 0 {
        return Err(EFAULT);
    }
    // SAFETY: All bytes of it were written, and any will do.
    Ok(unsafe { value.assume_init() })
}

/// Writes a value to user space.
///
/// # Errors
///
/// `EFAULT` if it cannot be written as a whole.
#[doc(alias = "copy_to_user")]
#[inline]
pub(crate) fn write_user<T: IntoBytes + Immutable>(to: UserPtr, value: &T) -> Result {
    // SAFETY: All bytes of the value are initialised, and any address may be written to.
    let left = unsafe {
        bindings::_copy_to_user(to.as_mut_ptr(), ptr::from_ref(value).cast(), size_of::<T>())
    };

    if left != 0 {
        return Err(EFAULT);
    }
    Ok(())
}

/// Reads bytes from user space, from memory that is present only: this takes no page fault, and
/// does not sleep. Returns whether all of them were read.
#[doc(alias = "copy_from_user_nofault")]
pub(crate) fn read_user_nofault(from: UserPtr, to: &mut [u8]) -> bool {
    // SAFETY: The slice has as many bytes, and any address may be read from.
    let result = unsafe {
        bindings::copy_from_user_nofault(to.as_mut_ptr().cast(), from.as_const_ptr(), to.len())
    };

    result == 0
}

/// Reads a struct that begins with its size, of which user space may have a longer version, or a
/// shorter one of at least `min` bytes, whose missing fields are zero here.
///
/// The size is checked, and remains the one from user space.
///
/// # Errors
///
/// - `EINVAL` if the struct in user space is shorter than `min`.
/// - `E2BIG` if it is longer, and not all bytes that follow are zero.
/// - `EFAULT` if it cannot be read.
#[doc(alias = "copy_struct_from_user")]
pub(crate) fn read_user_struct<T>(from: UserPtr, min: usize) -> Result<T>
where
    T: FromBytes + IntoBytes + Immutable,
{
    let size = read_user::<u32>(from)?;
    let known = (size as usize).min(size_of::<T>());
    let rest = (size as usize).saturating_sub(known);

    if known < min {
        return Err(EINVAL);
    }
    if size as usize > PAGE_SIZE {
        return Err(E2BIG);
    }
    if rest > 0 {
        let tail = from.wrapping_byte_add(known);

        // SAFETY: Any address may be read from.
        match unsafe { bindings::check_zeroed_user(tail.as_const_ptr(), rest) } {
            0 => return Err(E2BIG),
            result => to_result(result)?,
        }
    }

    let mut value = T::new_zeroed();
    let Some(bytes) = value.as_mut_bytes().get_mut(..known) else {
        return Err(EINVAL);
    };
    // SAFETY: There are as many bytes, and any address may be read from.
    let left = unsafe {
        bindings::_copy_from_user(bytes.as_mut_ptr().cast(), from.as_const_ptr(), bytes.len())
    };

    if left != 0 {
        return Err(EFAULT);
    }
    // It may have changed since, and the size that was checked counts.
    if let Some(first) = value.as_mut_bytes().first_chunk_mut() {
        *first = size.to_ne_bytes();
    }
    Ok(value)
}

/// Writes a struct to user space, whose version of it has `size` bytes: those that both have.
///
/// # Errors
///
/// `EFAULT` if it cannot be written as a whole.
#[doc(alias = "copy_struct_to_user")]
pub(crate) fn write_user_struct<T>(to: UserPtr, size: usize, value: &T) -> Result
where
    T: IntoBytes + Immutable,
{
    let bytes = value.as_bytes();
    let bytes = bytes.get(..size).unwrap_or(bytes);

    if write_user_slice(to, bytes) != bytes.len() {
        return Err(EFAULT);
    }
    Ok(())
}

/// Writes zeroes to user space. Returns whether all of them were written.
pub(crate) fn clear_user(to: UserPtr, len: usize) -> bool {
    const ZEROES: [u8; 64] = [0; 64];

    let mut done = 0usize;

    // TIME: Each round writes at least one byte, of at most a page.
    while let Some(left) = len.checked_sub(done).filter(|&left| left > 0) {
        let zeroes = ZEROES.get(..left).unwrap_or(&ZEROES);

        if write_user_slice(to.wrapping_byte_add(done), zeroes) != zeroes.len() {
            return false;
        }
        done = done.saturating_add(zeroes.len());
    }
    true
}

/// Writes bytes to user space. Returns the number of bytes that were written, from the first one
/// on.
pub(crate) fn write_user_slice(to: UserPtr, bytes: &[u8]) -> usize {
    // SAFETY: There are as many bytes, and they are initialised; any address may be written to.
    let left =
        unsafe { bindings::copy_to_user(to.as_mut_ptr(), bytes.as_ptr().cast(), bytes.len()) };

    bytes.len().saturating_sub(left)
}
