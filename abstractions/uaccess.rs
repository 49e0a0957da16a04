// SPDX-License-Identifier: GPL-2.0

//! Single values in user space.
//!
//! The `kernel` crate's `UserSlice` copies slices, of which the kernel checks at run time that they
//! lie within one object. Of a value the compiler knows that, as in C, where the check is left out
//! for a size that is constant.
//!
//! C header: [`include/linux/uaccess.h`](srctree/include/linux/uaccess.h)

use core::{
    mem::MaybeUninit,
    ptr, //
};

use kernel::{
    bindings,
    prelude::*, //
};

use zerocopy::Immutable;

/// Reads a value from user space.
///
/// # Errors
///
/// `EFAULT` if it cannot be read.
#[inline]
pub(crate) fn read_user<T: FromBytes>(from: UserPtr) -> Result<T> {
    let mut value = MaybeUninit::<T>::uninit();
    // SAFETY: There is room for a `T`.
    let failed = unsafe {
        copy_from_user(
            value.as_mut_ptr().cast(),
            from.as_const_ptr(),
            size_of::<T>(),
        )
    };

    if failed {
        return Err(EFAULT);
    }
    // SAFETY: All bytes of it were written, and any will do.
    Ok(unsafe { value.assume_init() })
}

/// Writes a value to user space.
///
/// # Errors
///
/// `EFAULT` if it cannot be written, as a whole.
#[inline]
pub(crate) fn write_user<T: IntoBytes + Immutable>(to: UserPtr, value: &T) -> Result {
    // SAFETY: All bytes of the value are initialised.
    let failed =
        unsafe { copy_to_user(to.as_mut_ptr(), ptr::from_ref(value).cast(), size_of::<T>()) };

    if failed {
        return Err(EFAULT);
    }
    Ok(())
}

/// Whether to copy a word by functions of the kernel that are made for that, as the C macros
/// `get_user()` and `put_user()` do. They have a calling convention of their own, and neither the
/// checks nor the injected faults of debug kernels.
const HAS_WORDS: bool = cfg!(all(
    CONFIG_X86_64,
    not(CONFIG_UML),
    not(CONFIG_DEBUG_ATOMIC_SLEEP),
    not(CONFIG_FAULT_INJECTION_USERCOPY)
));

/// Returns whether the copy failed.
///
/// # Safety
///
/// `to` must be valid for writes of `len` bytes.
#[inline(always)]
unsafe fn copy_from_user(to: *mut c_void, from: *const c_void, len: usize) -> bool {
    #[cfg(all(CONFIG_X86_64, not(CONFIG_UML)))]
    if HAS_WORDS && len == size_of::<u32>() {
        let value: u32;
        let error: usize;

        // SAFETY: The function takes any address. This is all that it changes.
        unsafe {
            kernel::asm!(
                "call {function}";
                function = sym bindings::__get_user_4,
                inout("rax") from.addr() => error,
                out("rdx") value,
            )
        };
        // SAFETY: By the safety requirements.
        unsafe { to.cast::<u32>().write_unaligned(value) };
        return error != 0;
    }

    // SAFETY: By the safety requirements; any address may be read from.
    unsafe { bindings::_copy_from_user(to, from, len) != 0 }
}

/// Returns whether the copy failed.
///
/// # Safety
///
/// `from` must be valid for reads of `len` bytes, which must be initialised.
#[inline(always)]
unsafe fn copy_to_user(to: *mut c_void, from: *const c_void, len: usize) -> bool {
    #[cfg(all(CONFIG_X86_64, not(CONFIG_UML)))]
    if HAS_WORDS && len == size_of::<u32>() {
        // SAFETY: By the safety requirements.
        let value = unsafe { from.cast::<u32>().read_unaligned() };
        let error: usize;

        // SAFETY: The function takes any address. It changes no register but these and `rbx`, which
        // inline assembly has to preserve.
        unsafe {
            kernel::asm!(
                "mov %rbx, {rbx}; call {function}; mov {rbx}, %rbx";
                function = sym bindings::__put_user_4,
                rbx = out(reg) _,
                inout("rcx") to.addr() => error,
                in("rax") value,
            )
        };
        return error != 0;
    }

    // SAFETY: By the safety requirements; any address may be written to.
    unsafe { bindings::_copy_to_user(to, from, len) != 0 }
}
