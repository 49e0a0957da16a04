// SPDX-License-Identifier: GPL-2.0

//! Finding memory that the kernel has lost, or that it takes more and more of.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::thread;
use std::time::Duration;

use nix::errno::Errno;

const KMEMLEAK: &str = "/sys/kernel/debug/kmemleak";

/// How old memory must be before kmemleak takes it for lost, and a bit more.
const MIN_AGE: Duration = Duration::from_secs(6);

/// The kernel's search for memory that nothing points to, from some moment on.
#[derive(Debug)]
pub struct Kmemleak(());

impl Kmemleak {
    /// Forgets about everything that is allocated by now.
    ///
    /// # Errors
    ///
    /// If the kernel has no kmemleak, or it has given up.
    pub fn new() -> io::Result<Self> {
        fs::write(KMEMLEAK, "scan")?;
        fs::write(KMEMLEAK, "clear")?;
        Ok(Self(()))
    }

    /// The memory that was lost since then and that is, or may be, the module's: its code, or code
    /// that is no longer there, is among the callers.
    ///
    /// # Panics
    ///
    /// If kmemleak does not work.
    #[must_use]
    pub fn lost(&self) -> Vec<String> {
        thread::sleep(MIN_AGE);
        // What is just moved from one place to another may seem lost, but not twice.
        fs::write(KMEMLEAK, "scan").expect("kmemleak can scan");
        fs::write(KMEMLEAK, "scan").expect("kmemleak can scan");
        let report = fs::read_to_string(KMEMLEAK).expect("kmemleak has a report");
        let mut objects: Vec<String> = Vec::new();
        for line in report.lines() {
            if line.starts_with("unreferenced object") {
                objects.push(String::new());
            }
            let object = objects.last_mut().expect("an object comes first");
            object.push_str(line);
            object.push('\n');
        }
        objects.retain(|object| is_module(object));
        objects
    }
}

/// Lets the kernel give up all objects that were freed but are held back, by KASAN, for the next
/// user or until RCU has no readers of them, which count as if they were in use.
///
/// # Errors
///
/// If the kernel does not know how to.
pub fn shrink_caches() -> io::Result<()> {
    /// What is given to RCU is freed by its callbacks, and then held back by KASAN.
    const ROUNDS: usize = 3;

    for _ in 0..ROUNDS {
        for cache in fs::read_dir("/sys/kernel/slab")? {
            fs::write(cache?.path().join("shrink"), "1")?;
        }
        grace_period()?;
        thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

/// Waits for a grace period of RCU.
///
/// # Errors
///
/// If the kernel has no `membarrier(2)`.
pub fn grace_period() -> io::Result<()> {
    const GLOBAL: libc::c_int = 1 << 0;

    // SAFETY: The call takes numbers only.
    let result = unsafe { libc::syscall(libc::SYS_membarrier, GLOBAL, 0, 0) };
    Errno::result(result)?;
    Ok(())
}

/// Whether the callers in a report of kmemleak name the module, or an address without a name.
fn is_module(object: &str) -> bool {
    let callers = object.split_once("backtrace").map_or("", |(_, rest)| rest);
    callers
        .lines()
        .skip(1)
        .any(|line| line.contains("procmon") || line.trim_start().starts_with("0x"))
}

/// How many objects of each kind the kernel has allocated, and how many bytes per CPU.
#[derive(Clone, Debug)]
pub struct Usage {
    objects: BTreeMap<String, u64>,
    /// KiB of per-CPU memory, in chunks.
    per_cpu: u64,
}

impl Usage {
    /// Takes stock.
    ///
    /// # Errors
    ///
    /// If the kernel does not count.
    pub fn now() -> io::Result<Self> {
        shrink_caches()?;
        let slabs = fs::read_to_string("/proc/slabinfo")?;
        // The first two lines are headings.
        let objects = slabs.lines().skip(2).filter_map(|line| {
            let mut fields = line.split_ascii_whitespace();
            let name = fields.next()?.to_owned();
            Some((name, fields.next()?.parse().ok()?))
        });
        let meminfo = fs::read_to_string("/proc/meminfo")?;
        let per_cpu = meminfo
            .lines()
            .find_map(|line| line.strip_prefix("Percpu:")?.trim().strip_suffix(" kB"))
            .and_then(|number| number.parse().ok())
            .ok_or_else(|| io::Error::other("no Percpu in /proc/meminfo"))?;
        Ok(Self {
            objects: objects.collect(),
            per_cpu,
        })
    }

    /// Of what there is more than earlier: the caches with at least `count` objects more, but for
    /// those of the kernel's own checks, and per-CPU memory.
    #[must_use]
    pub fn growth_since(&self, earlier: &Self, count: u64) -> Vec<String> {
        let caches = self.objects.iter().filter_map(|(name, now)| {
            let before = earlier.objects.get(name).copied().unwrap_or(0);
            // What is said of freed objects is kept for a while.
            let is_check = ["kmemleak_object", "debug_objects_cache"].contains(&&**name);
            (now.saturating_sub(before) >= count && !is_check).then(|| name.clone())
        });
        let per_cpu = (self.per_cpu > earlier.per_cpu).then(|| "per-CPU memory".to_owned());
        caches.chain(per_cpu).collect()
    }
}
