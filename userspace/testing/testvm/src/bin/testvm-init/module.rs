// SPDX-License-Identifier: GPL-2.0-only

//! Loading the module under test.

use std::ffi::CString;
use std::fs::File;

use anyhow::{Context, Result, bail};
use nix::kmod::{ModuleInitFlags, finit_module};

use crate::kmsg;

/// Loads a module. An error has the kernel's messages.
pub fn load(path: &str, parameters: &str) -> Result<()> {
    let file = File::open(path).with_context(|| format!("cannot open {path}"))?;
    let arguments = CString::new(parameters).context("NUL in the module's parameters")?;
    let recorder = kmsg::Recorder::start()?;
    if let Err(error) = finit_module(&file, &arguments, ModuleInitFlags::empty()) {
        let messages = recorder.messages()?;
        bail!(
            "cannot load {path} with \"{parameters}\": {}\n{messages}",
            error.desc()
        );
    }
    Ok(())
}
