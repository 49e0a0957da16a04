// SPDX-License-Identifier: GPL-2.0

//! Numbers from headers of the kernel that its bindings leave out, as bindgen makes them from
//! `internals.h` when the module is built.

#[expect(
    non_camel_case_types,
    unreachable_pub,
    reason = "generated from a C header, whose comments are the documentation"
)]
mod generated {
    include!("../internals_generated.rs");
}
pub(super) use generated::*;
