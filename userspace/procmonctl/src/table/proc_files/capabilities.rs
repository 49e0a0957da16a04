// SPDX-License-Identifier: GPL-2.0-only

//! Sets of capabilities, as `/proc/PID/status` has them.

use rustix::thread::CapabilitySet;

/// Parses a set, which is a hexadecimal number.
pub fn parse(text: &str) -> Option<CapabilitySet> {
    let bits = u64::from_str_radix(text.trim(), 16).ok()?;
    Some(CapabilitySet::from_bits_retain(bits))
}

/// Formats a set: `none`, or the names; of one that has most of the kernel's capabilities, of which
/// `last` is the last one, `full`, or the missing names after "~", as in systemd.exec(5).
pub fn text(set: CapabilitySet, last: Option<u32>) -> String {
    let all = last.and_then(|last| u64::MAX.checked_shr(63_u32.checked_sub(last)?));
    let missing = all.map(|all| CapabilitySet::from_bits_retain(all & !set.bits()));
    match missing {
        _ if set.is_empty() => "none".to_owned(),
        Some(missing) if missing.is_empty() => "full".to_owned(),
        Some(missing) if count(missing) < count(set) => format!("~{}", names(missing)),
        _ => names(set),
    }
}

fn count(set: CapabilitySet) -> u32 {
    set.bits().count_ones()
}

/// Returns the names as in capabilities(7), without "CAP_", and the numbers of those without names.
fn names(set: CapabilitySet) -> String {
    let mut names = set.iter_names();
    let mut words: Vec<_> = names.by_ref().map(|(name, _)| name.to_owned()).collect();
    let unknown = names.remaining().bits();
    let numbers = (0..u64::BITS).filter(|number| unknown >> number & 1 == 1);
    words.extend(numbers.map(|number| number.to_string()));
    words.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_are_names() {
        for (number, last, expected) in [
            ("0000000000000000", Some(40), "none"),
            ("000001ffffffffff", Some(40), "full"),
            ("000003ffffffffff", Some(41), "full"),
            ("ffffffffffffffff", Some(63), "full"),
            ("0000000000003000\n", Some(40), "NET_ADMIN,NET_RAW"),
            (
                "\t0000010000200001",
                Some(40),
                "CHOWN,SYS_ADMIN,CHECKPOINT_RESTORE",
            ),
            ("8000020000000020", Some(41), "KILL,41,63"),
            ("0000000000000001", Some(64), "CHOWN"),
            ("0000000000000001", None, "CHOWN"),
            // Names in the order of their numbers.
            ("00000000000000ff", Some(8), "~SETPCAP"),
            ("000001fffeffefff", Some(40), "~NET_ADMIN,SYS_RESOURCE"),
            (
                "00000000000000fc",
                Some(11),
                "DAC_READ_SEARCH,FOWNER,FSETID,KILL,SETGID,SETUID",
            ),
        ] {
            assert_eq!(text(parse(number).unwrap(), last), expected, "{number}");
        }
        for bad in ["", "x", "10000000000000000"] {
            assert!(parse(bad).is_none(), "{bad:?}");
        }
    }
}
