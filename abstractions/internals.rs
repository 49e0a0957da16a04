// SPDX-License-Identifier: GPL-2.0

//! Numbers and functions from headers of the kernel that its bindings leave out, as bindgen makes
//! them from `internals.h` when the module is built.

use core::mem::offset_of;

use kernel::bindings;

#[expect(
    dead_code,
    non_camel_case_types,
    unreachable_pub,
    reason = "generated from a C header, whose comments are the documentation; some are for asserts"
)]
// Without lockdep, some fields of a task are of an empty type.
#[allow(improper_ctypes)]
mod generated {
    use kernel::bindings::task_struct;

    type u64_ = u64;

    include!("../internals_generated.rs");
}
pub(super) use generated::*;

// Bindgen does not get every struct right. Those that have namespaces in them are of that kind.
const _: () = {
    assert!(offset_of!(bindings::nsproxy, time_ns) == NSPROXY_TIME_NS as usize);
    assert!(offset_of!(bindings::pid_namespace, idr) == PID_NAMESPACE_IDR as usize);
    assert!(offset_of!(bindings::pid_namespace, level) == PID_NAMESPACE_LEVEL as usize);
    assert!(offset_of!(bindings::pid_namespace, pid_max) == PID_NAMESPACE_PID_MAX as usize);
};

#[cfg(CONFIG_CGROUPS)]
const _: () = {
    assert!(offset_of!(bindings::nsproxy, cgroup_ns) == NSPROXY_CGROUP_NS as usize);
    assert!(offset_of!(bindings::cgroup, level) == CGROUP_LEVEL as usize);
    assert!(offset_of!(bindings::cgroup, kn) == CGROUP_KN as usize);
    assert!(offset_of!(bindings::css_set, dfl_cgrp) == CSS_SET_DFL_CGRP as usize);
};
