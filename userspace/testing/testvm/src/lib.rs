// SPDX-License-Identifier: GPL-2.0-only

//! The common part of the harness: of `testvm`, which runs on the host and starts the virtual
//! machine, and of `testvm-init`, which is process 1 inside it.

pub mod protocol;
pub mod pump;
pub mod splat;
