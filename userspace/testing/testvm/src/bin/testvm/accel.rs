// SPDX-License-Identifier: GPL-2.0-only

//! The choice between KVM and emulation.
//!
//! /dev/kvm may exist and open, and QEMU still abort on it, or stay alive with a guest that never
//! runs. So a small guest is booted once, and the result kept for as long as host, kernel and QEMU
//! stay the same.

use std::fs::{self, OpenOptions};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use testvm::protocol::Outcome;

use crate::cli::{Accel, Options};
use crate::guest;
use crate::host;
use crate::machine::Machine;
use crate::qemu::{Engine, Input};
use crate::verdict;

/// The time for the small guest, which takes about one second where KVM works.
const PROBE_TIMEOUT: Duration = Duration::from_secs(10);

/// Chooses the engine that runs the guest's code.
pub fn choose(options: &Options) -> Result<Engine> {
    if options.icount {
        return Ok(Engine::Icount(options.icount_shift));
    }
    match options.accel {
        Accel::Kvm if options.plugin.is_some() => bail!("QEMU has plugins only without KVM"),
        Accel::Auto if options.plugin.is_some() => Ok(Engine::Tcg),
        Accel::Tcg => Ok(Engine::Tcg),
        Accel::Auto => Ok(if kvm_works(options)? {
            Engine::Kvm
        } else {
            Engine::Tcg
        }),
        Accel::Kvm if kvm_works(options)? => Ok(Engine::Kvm),
        Accel::Kvm => bail!("KVM does not work on this machine"),
    }
}

fn kvm_works(options: &Options) -> Result<bool> {
    if !options.harness.target.is_host()
        || OpenOptions::new()
            .read(true)
            .write(true)
            .open("/dev/kvm")
            .is_err()
    {
        return Ok(false);
    }
    let key = key(options)?;
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    let cache = options
        .harness
        .cache
        .join(format!("accel-{:016x}", hasher.finish()));
    let entry = |works: bool| format!("{}\n{key}", if works { "kvm" } else { "no kvm" });
    if let Ok(present) = fs::read_to_string(&cache)
        && let Some(works) = [true, false]
            .into_iter()
            .find(|&works| present == entry(works))
    {
        return Ok(works);
    }
    eprintln!(
        "vm: testing whether KVM works here (once, up to {} s)",
        PROBE_TIMEOUT.as_secs()
    );
    let works = probe(options)?;
    fs::write(&cache, entry(works)).with_context(|| format!("cannot write {}", cache.display()))?;
    Ok(works)
}

/// Returns a description of everything that the result depends on.
fn key(options: &Options) -> Result<String> {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").context("no kernel release")?;
    Ok(format!(
        "host: {release}{}\nQEMU: {}\nkernel: {}\n",
        host::cpu_model()?,
        host::identity(&options.harness.qemu())?,
        host::identity(&options.kernel_file())?
    ))
}

fn probe(options: &Options) -> Result<bool> {
    let run = Machine {
        harness: &options.harness,
        kernel: &options.kernel_file(),
        engine: Engine::Kvm,
        cpus: 1,
        memory: options.memory(),
        append: "",
        guest: guest::probe(&options.harness)?,
        input: Input::None,
        plugin: None,
        timeout: Some(PROBE_TIMEOUT),
        log: None,
        link: None,
        may_restore: false,
    }
    .run()?;
    Ok(verdict::outcome(&run) == Ok(&Outcome::Exited(0)))
}
