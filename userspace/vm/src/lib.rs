// SPDX-License-Identifier: GPL-2.0

//! What the two halves of the bench share: `vm`, which runs on the host and starts the virtual
//! machine, and `vm-init`, which is process 1 inside it.

pub mod protocol;
pub mod pump;
pub mod splat;
