// SPDX-License-Identifier: GPL-2.0-only

//! Memory and swap, from `/proc/meminfo`.

/// Amounts of memory, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Memory {
    pub total: u64,
    /// Memory that is not available to programs.
    pub used: u64,
    /// Buffers, page cache and reclaimable slabs, as free(1) has them. Some of it may be in use.
    pub cache: u64,
    pub swap: u64,
    pub swap_used: u64,
}

impl Memory {
    /// Parses the file. Missing numbers are zero.
    pub fn parse(meminfo: &str) -> Self {
        let [mut total, mut free, mut cache, mut swap, mut swap_free] = [0_u64; 5];
        let mut available = None;
        for line in meminfo.lines() {
            let Some((key, rest)) = line.split_once(':') else {
                continue;
            };
            let number = rest.split_ascii_whitespace().next();
            let Some(kilobytes) = number.and_then(|number| number.parse::<u64>().ok()) else {
                continue;
            };
            let bytes = kilobytes.saturating_mul(1024);
            match key {
                "MemTotal" => total = bytes,
                "MemFree" => free = bytes,
                "MemAvailable" => available = Some(bytes),
                "Buffers" | "Cached" | "SReclaimable" => cache = bytes.saturating_add(cache),
                "SwapTotal" => swap = bytes,
                "SwapFree" => swap_free = bytes,
                _ => {}
            }
        }
        // Linux has the number since 3.14, but not each container has that of Linux.
        let available = available.unwrap_or(free.saturating_add(cache));
        Self {
            total,
            used: total.saturating_sub(available),
            cache,
            swap,
            swap_used: swap.saturating_sub(swap_free),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KB: u64 = 1024;

    #[test]
    fn memory_is_parsed() {
        let meminfo = "\
MemTotal:        8128752 kB
MemFree:         2521180 kB
MemAvailable:    6610032 kB
Buffers:          120016 kB
Cached:          3904948 kB
SwapCached:         1024 kB
Active(anon):     912332 kB
SwapTotal:       2097148 kB
SwapFree:        1572860 kB
Shmem:             24196 kB
SReclaimable:     301208 kB
HugePages_Total:       0
";
        let expected = Memory {
            total: 8_128_752 * KB,
            used: (8_128_752 - 6_610_032) * KB,
            cache: (120_016 + 3_904_948 + 301_208) * KB,
            swap: 2_097_148 * KB,
            swap_used: (2_097_148 - 1_572_860) * KB,
        };
        assert_eq!(Memory::parse(meminfo), expected);
    }

    #[test]
    fn numbers_may_be_missing() {
        let without_swap =
            "MemTotal: 1000 kB\nMemFree: 100 kB\nMemAvailable: 400 kB\nCached: 7 kB\n";
        let memory = Memory::parse(without_swap);
        assert_eq!((memory.total, memory.used), (1000 * KB, 600 * KB));
        assert_eq!((memory.swap, memory.swap_used), (0, 0));
        // An old kernel.
        let memory = Memory::parse("MemTotal: 1000 kB\nMemFree: 100 kB\nBuffers: 20 kB\n");
        assert_eq!(memory.used, 880 * KB);
        // More is available than exists, or the text makes no sense.
        let memory = Memory::parse("MemTotal: 10 kB\nMemAvailable: 11 kB\nSwapFree: 9 kB\n");
        assert_eq!((memory.used, memory.swap_used), (0, 0));
        for text in ["", "MemTotal", "MemTotal:\n", "MemTotal: x kB\n:\n::\n"] {
            assert_eq!(Memory::parse(text), Memory::default(), "{text:?}");
        }
        let memory = Memory::parse("MemTotal: 18446744073709551615 kB\n");
        assert_eq!(memory.total, u64::MAX);
    }
}
