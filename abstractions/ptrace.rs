// SPDX-License-Identifier: GPL-2.0

//! Access checks between tasks.
//!
//! The kernel's own `ptrace_may_access()` is not exported. The check here allows nothing that it
//! would not. It is stricter: `ptrace_may_access()` also allows an unprivileged caller the other
//! processes of the same user with the same privileges.
//!
//! Does not support the checks of security modules, nor of user namespaces other than the initial
//! one.
//!
//! C header: [`include/linux/ptrace.h`](srctree/include/linux/ptrace.h)

use kernel::bindings;

use crate::abstractions::compat::capable_noaudit;

/// Whether the caller may trace each process of the system.
#[doc(alias = "ptrace_has_cap")]
pub(crate) fn has_ptrace_capability() -> bool {
    // Without an audit record: a field that the caller may not see is left out, which is no
    // failure.
    capable_noaudit(bindings::CAP_SYS_PTRACE)
}
