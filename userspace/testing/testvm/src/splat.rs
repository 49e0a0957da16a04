// SPDX-License-Identifier: GPL-2.0-only

//! Judging kernel logs: splats, the messages that must never appear in one.

use std::fmt;
use std::sync::LazyLock;

use regex::bytes::{RegexSet, RegexSetBuilder};

/// A kind of message by which the kernel reports an error of its own.
struct Rule {
    /// The meaning of the message.
    meaning: &'static str,
    /// The text to look for. `^` is the start of the message, after time stamp and the like.
    pattern: &'static str,
    /// Such a message, in the words of Linux 7.3.
    #[cfg_attr(not(test), expect(dead_code))]
    example: &'static str,
}

/// The rules. The first one that matches a line names it, so particular ones come before general
/// ones.
const RULES: &[Rule] = &[
    Rule {
        meaning: "memory error found by a sanitizer",
        pattern: r"(KASAN|KMSAN|KFENCE): ",
        example: "BUG: KASAN: slab-out-of-bounds in procmon_write+0x4a/0x90 [procmon]",
    },
    Rule {
        meaning: "data race found by KCSAN",
        pattern: r"KCSAN: ",
        example: "BUG: KCSAN: data-race in procmon_read / procmon_write",
    },
    Rule {
        meaning: "undefined behaviour",
        pattern: r"^UBSAN: ",
        example: "UBSAN: array-index-out-of-bounds in mm/slub.c:10:20",
    },
    Rule {
        meaning: "possible deadlock",
        pattern: r"possible (circular|recursive) locking|lock inversion|unsafe lock order",
        example: "WARNING: possible circular locking dependency detected",
    },
    Rule {
        meaning: "lock used in a wrong context",
        pattern: r"inconsistent lock state|Invalid wait context",
        example: "[ BUG: Invalid wait context ]",
    },
    Rule {
        meaning: "lock not balanced",
        pattern: r"bad unlock balance|held lock freed|still has locks|lock held when returning",
        example: "WARNING: held lock freed!",
    },
    Rule {
        meaning: "lock without an initializer or a class",
        pattern: r"INFO: trying to register non-static key",
        example: "INFO: trying to register non-static key.",
    },
    Rule {
        meaning: "locks no longer checked, which lockdep does after a first problem",
        pattern: r"INFO: lockdep is turned off|DEBUG_LOCKS_WARN_ON",
        example: "INFO: lockdep is turned off.",
    },
    Rule {
        meaning: "RCU used without its rules",
        pattern: r"suspicious RCU usage",
        example: "WARNING: suspicious RCU usage",
    },
    Rule {
        meaning: "sleep where sleeping is forbidden",
        pattern: r"sleeping function called|scheduling while atomic|scheduling in a non-blocking",
        example: "BUG: sleeping function called from invalid context at mm/slab.h:321",
    },
    Rule {
        meaning: "per-CPU data used where the task may move to another CPU",
        pattern: r"using \S+ in preemptible",
        example: "BUG: using smp_processor_id() in preemptible [00000000] code: sh/77",
    },
    Rule {
        meaning: "CPU that stopped scheduling or taking interrupts",
        pattern: r"soft lockup|hard LOCKUP",
        example: "watchdog: BUG: soft lockup - CPU#0 stuck for 26s! [sh:77]",
    },
    Rule {
        meaning: "RCU stall",
        pattern: r"INFO: \S+ (self-)?detected (expedited )?stalls?\b|kthread starved for",
        example: "rcu: INFO: rcu_preempt self-detected stall on CPU",
    },
    Rule {
        meaning: "task that hangs in the kernel",
        pattern: r"INFO: task .* blocked (for|in I/O wait for) more than",
        example: "INFO: task sh:77 blocked for more than 120 seconds.",
    },
    Rule {
        meaning: "allocation that the kernel could not serve",
        pattern: r"page allocation failure|vmalloc error",
        example: "sh: page allocation failure: order:10, mode:0x40cc0(GFP_KERNEL|__GFP_COMP)",
    },
    Rule {
        meaning: "slab memory overwritten or freed twice",
        pattern: r"^BUG \S+ \(",
        example: "BUG kmalloc-64 (Tainted: G           O       ): Poison overwritten",
    },
    Rule {
        meaning: "memory leak",
        pattern: r"unreferenced object|kmemleak: \d+ new suspected",
        example: "kmemleak: 3 new suspected memory leaks (see /sys/kernel/debug/kmemleak)",
    },
    Rule {
        meaning: "wrong life of an object",
        pattern: r"ODEBUG: ",
        example: "ODEBUG: free active (active state 0) object: ffff888003a5c0a8 object type: work",
    },
    Rule {
        meaning: "reference count out of step",
        pattern: r"refcount_t: ",
        example: "refcount_t: underflow; use-after-free.",
    },
    Rule {
        meaning: "linked list overwritten",
        pattern: r"list_(add|del) corruption",
        example: "list_del corruption, ffff888003a5c000->next is LIST_POISON1 (dead000000000100)",
    },
    Rule {
        meaning: "panic in Rust code",
        pattern: r"rust_kernel: panicked at",
        example: "rust_kernel: panicked at driver/mod.rs:10:5:",
    },
    Rule {
        // A process gets one as well, as "sh[77] general protection fault ip:...": its own fault.
        meaning: "general protection fault in the kernel",
        pattern: r"general protection fault[,:]",
        example: "Oops: general protection fault, maybe for address 0x0: 0000 [#1] SMP NOPTI",
    },
    Rule {
        meaning: "BUG()",
        pattern: r"kernel BUG at",
        example: "kernel BUG at lib/list_debug.c:32!",
    },
    Rule {
        meaning: "oops",
        pattern: r"^Oops: ",
        example: "Oops: Oops: 0002 [#1] SMP NOPTI",
    },
    Rule {
        meaning: "panic",
        pattern: r"Kernel panic - not syncing",
        example: "Kernel panic - not syncing: Fatal exception",
    },
    Rule {
        meaning: "warning",
        pattern: r"^WARNING: ",
        example: "WARNING: kernel/softirq.c:387 at __local_bh_enable_ip+0x84/0xf0, CPU#1: sh/77",
    },
    Rule {
        meaning: "bug",
        pattern: r"^BUG: |\[ BUG: ",
        example: "BUG: Bad page state in process sh  pfn:03a5c",
    },
    Rule {
        meaning: "report of any kind",
        pattern: r"-+\[ cut here \]-+",
        example: "------------[ cut here ]------------",
    },
];

/// The first line of each report of WARN() and BUG(), in front of the line that says more.
const OPENING: &str = "[ cut here ]";

/// The number of lines that are shown of a report.
const SHOWN_LINES: usize = 4;

/// Time stamp, caller (CONFIG_PRINTK_CALLER) and subsystem, in front of the message.
const PREFIX: &str = r"^(\[[^\]]*\] *)*((watchdog|rcu|kmemleak|usercopy|traps): )?";

static PATTERNS: LazyLock<RegexSet> = LazyLock::new(|| {
    RegexSetBuilder::new(RULES.iter().map(|rule| rule.pattern.replace('^', PREFIX)))
        .unicode(false)
        .build()
        .expect("the patterns are valid")
});

/// A message in a kernel log that must not be there.
#[derive(Debug, PartialEq)]
pub struct Splat {
    meaning: &'static str,
    /// The number of the line, from 1.
    line: usize,
    /// The message and the lines after it.
    excerpt: String,
}

impl fmt::Display for Splat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}, in line {}:\n{}",
            self.meaning, self.line, self.excerpt
        )
    }
}

/// Finds the first splat in a kernel log, which need not be valid UTF-8.
pub fn find(log: &[u8]) -> Option<Splat> {
    let lines: Vec<&[u8]> = log.split(|&byte| byte == b'\n').collect();
    let rule_of = |line: &[u8]| PATTERNS.matches(line).iter().next();
    let (mut at, mut rule) = lines
        .iter()
        .enumerate()
        .find_map(|(at, line)| Some((at, rule_of(line)?)))?;
    if String::from_utf8_lossy(lines[at]).contains(OPENING) {
        let next = lines.iter().enumerate().skip(at + 1).take(SHOWN_LINES);
        if let Some(better) = next
            .into_iter()
            .find_map(|(at, line)| Some((at, rule_of(line)?)))
        {
            (at, rule) = better;
        }
    }
    let shown = &lines[at..lines.len().min(at + SHOWN_LINES)];
    let excerpt = String::from_utf8_lossy(&shown.join(&b'\n')).replace('\r', "");
    Some(Splat {
        meaning: RULES[rule].meaning,
        line: at + 1,
        excerpt,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_knows_its_example_with_any_prefix() {
        for (index, rule) in RULES.iter().enumerate() {
            for prefix in [
                "",
                "[    3.141592] ",
                "[    3.141592] [    T77] ",
                "[3.1][  C0] ",
            ] {
                let line = format!("{prefix}{}", rule.example);
                assert_eq!(
                    PATTERNS.matches(line.as_bytes()).iter().next(),
                    Some(index),
                    "the first rule for {line:?} is not {:?}",
                    rule.meaning
                );
            }
        }
    }

    #[test]
    fn points_at_the_line_that_says_most() {
        let log = b"[    1.0] fine\r\n[    2.0] ------------[ cut here ]------------\r\n\
            [    2.1] refcount_t: underflow; use-after-free.\r\n[    2.2] WARNING: x\r\n";
        let splat = find(log).unwrap();
        assert_eq!(
            (splat.meaning, splat.line),
            ("reference count out of step", 3)
        );
        assert!(
            splat
                .excerpt
                .starts_with("[    2.1] refcount_t: underflow; use-after-free.\n")
        );

        let splat = find(b"[    2.0] ------------[ cut here ]------------\n").unwrap();
        assert_eq!((splat.meaning, splat.line), ("report of any kind", 1));
    }

    #[test]
    fn takes_no_offence_at_harmless_lines() {
        for line in [
            "",
            "[    9.1] procmon: loading out-of-tree module taints kernel.",
            "[    9.1] procmon: module verification failed: signature and/or required key missing \
             - tainting kernel",
            "[    9.1] procmon: `0' invalid for parameter `buffer_size'",
            "[    0.0] Kernel command line: panic_on_warn=0 oops=panic WARNING: BUG: Oops: none",
            "[    9.1] traps: sh[77] general protection fault ip:401000 sp:7ffc0 error:0 in sh",
            "[    9.1] a.out[78]: segfault at 0 ip 0000000000401136 sp 00007ffd error 6 in a.out",
            "[    0.1] kasan: KernelAddressSanitizer initialized (generic)",
            "[    0.1] kfence: initialized - using 2097152 bytes for 255 objects",
            "[    0.1] Running RCU self tests",
            "[    0.1] kmemleak: Kernel memory leak detector initialized (mem pool available: 1)",
        ] {
            assert_eq!(find(line.as_bytes()), None);
        }
    }

    #[test]
    fn survives_bytes_that_are_not_text() {
        assert_eq!(find(b"\xff\xfe\n\x00"), None);
        assert!(find(b"\xff\n[    1.0] BUG: Bad page state in process \xff").is_some());
    }
}
