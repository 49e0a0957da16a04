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

/// Reads a struct that begins with its size in user space, of which there may be a longer version.
///
/// The size is checked but remains what user space says.
///
/// # Errors
///
/// - `EINVAL` if the struct in user space is shorter.
/// - `E2BIG` if it is longer, and not all that follows is zero.
/// - `EFAULT` if it cannot be read.
pub(crate) fn read_user_struct<T: FromBytes + IntoBytes + Immutable>(from: UserPtr) -> Result<T> {
    let size = read_user::<u32>(from)?;
    let rest = (size as usize).checked_sub(size_of::<T>()).ok_or(EINVAL)?;

    if size as usize > PAGE_SIZE {
        return Err(E2BIG);
    }
    if rest > 0 {
        let tail = from.wrapping_byte_add(size_of::<T>());

        // SAFETY: Any address may be read from.
        match unsafe { bindings::check_zeroed_user(tail.as_const_ptr(), rest) } {
            0 => return Err(E2BIG),
            result => to_result(result)?,
        }
    }

    let mut value = read_user::<T>(from)?;

    // It may have changed meanwhile, and what was checked counts.
    if let Some(first) = value.as_mut_bytes().first_chunk_mut() {
        *first = size.to_ne_bytes();
    }
    Ok(value)
}

/// Writes zeroes to user space. Returns whether all could be written.
pub(crate) fn clear_user(to: UserPtr, len: usize) -> bool {
    const ZEROES: [u8; 64] = [0; 64];

    let mut done = 0usize;

    while let Some(left) = len.checked_sub(done).filter(|&left| left > 0) {
        let zeroes = ZEROES.get(..left).unwrap_or(&ZEROES);

        if write_user_slice(to.wrapping_byte_add(done), zeroes) != zeroes.len() {
            return false;
        }
        done = done.saturating_add(zeroes.len());
    }
    true
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

/// Writes bytes to user space, and returns how many could be written, from the first one on.
///
/// This may sleep.
pub(crate) fn write_user_slice(to: UserPtr, bytes: &[u8]) -> usize {
    let copied = copy_words(to, bytes);

    if copied == bytes.len() {
        return copied;
    }

    let rest = bytes.get(copied..).unwrap_or_default();
    // SAFETY: There are as many bytes, and they are initialised; any address may be written to.
    let left = unsafe {
        bindings::_copy_to_user(
            to.wrapping_byte_add(copied).as_mut_ptr(),
            rest.as_ptr().cast(),
            rest.len(),
        )
    };

    bytes.len().saturating_sub(left)
}

/// Writes bytes to user space by words, as far as this is possible.
///
/// For what the kernel has just put down in words that is fewer steps than its own functions take,
/// which go by bytes on most of today's CPUs. Returns how many bytes were written.
#[cfg(all(
    CONFIG_X86_64,
    not(CONFIG_UML),
    not(CONFIG_KASAN),
    not(CONFIG_KMSAN),
    not(CONFIG_DEBUG_ATOMIC_SLEEP),
    not(CONFIG_FAULT_INJECTION_USERCOPY)
))]
fn copy_words(to: UserPtr, bytes: &[u8]) -> usize {
    /// EX_TYPE_UACCESS: an access to user space, after which to go on elsewhere if it faults.
    const KIND: u32 = 3;
    /// What all kernels have for user space, whatever the CPU can address.
    const END: usize = (1 << 47) - kernel::page::PAGE_SIZE;

    let start = to.as_mut_ptr().addr();
    let words = bytes.len() / size_of::<u64>();
    let mut left = words;

    if start.checked_add(bytes.len()).is_none_or(|end| end > END) {
        return 0;
    }
    // SAFETY: The address is one of user space, which the CPU is told to let pass, and an access
    // that faults nevertheless ends the loop. There are as many words to read.
    unsafe {
        if has_smap() {
            kernel::asm!(
                "stac; 1: rep movsq; 2: clac;
                .pushsection __ex_table, \"a\";
                .balign 4; .long 1b - .; .long 2b - .; .long {kind};
                .popsection";
                kind = const KIND,
                inout("rcx") left,
                inout("rdi") start => _,
                inout("rsi") bytes.as_ptr() => _,
            );
        } else {
            kernel::asm!(
                "1: rep movsq; 2:;
                .pushsection __ex_table, \"a\";
                .balign 4; .long 1b - .; .long 2b - .; .long {kind};
                .popsection";
                kind = const KIND,
                inout("rcx") left,
                inout("rdi") start => _,
                inout("rsi") bytes.as_ptr() => _,
            );
        }
    }
    words.saturating_sub(left).wrapping_mul(size_of::<u64>())
}

/// What takes checks and injected faults is left to the functions of the kernel.
#[cfg(not(all(
    CONFIG_X86_64,
    not(CONFIG_UML),
    not(CONFIG_KASAN),
    not(CONFIG_KMSAN),
    not(CONFIG_DEBUG_ATOMIC_SLEEP),
    not(CONFIG_FAULT_INJECTION_USERCOPY)
)))]
fn copy_words(_to: UserPtr, _bytes: &[u8]) -> usize {
    0
}

/// Whether the CPU keeps the kernel from user space but where it says otherwise (SMAP).
#[cfg(all(
    CONFIG_X86_64,
    not(CONFIG_UML),
    not(CONFIG_KASAN),
    not(CONFIG_KMSAN),
    not(CONFIG_DEBUG_ATOMIC_SLEEP),
    not(CONFIG_FAULT_INJECTION_USERCOPY)
))]
fn has_smap() -> bool {
    const WORD: usize = (bindings::X86_FEATURE_SMAP / u32::BITS) as usize;
    const BIT: u32 = bindings::X86_FEATURE_SMAP % u32::BITS;

    // SAFETY: This is set up early at boot and not changed any more. Any bits make words.
    let word = unsafe { bindings::boot_cpu_data.__bindgen_anon_3.x86_capability[WORD] };

    word >> BIT & 1 != 0
}
