// SPDX-License-Identifier: GPL-2.0

//! Smoke.

use kernel::prelude::*;

#[allow(dead_code, missing_docs, non_camel_case_types)]
mod uapi {
    use kernel::prelude::*;
    use kernel::ffi;
    include!("uapi_generated.rs");
}

module! {
    type: M,
    name: "procmon",
    authors: ["x"],
    description: "x",
    license: "GPL",
}

struct M;

impl kernel::Module for M {
    fn init(_m: &'static ThisModule) -> Result<Self> {
        pr_info!("smoke {:x}\n", uapi::PROCMON_GET_STATS);
        Ok(M)
    }
}
