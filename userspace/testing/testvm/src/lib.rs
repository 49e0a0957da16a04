// SPDX-License-Identifier: GPL-2.0

//! Common parts of the harness: `testvm`, which runs on the host and starts the virtual
//! machine, and `testvm-init`, which is process 1 inside it.

pub mod protocol;
pub mod pump;
pub mod splat;
