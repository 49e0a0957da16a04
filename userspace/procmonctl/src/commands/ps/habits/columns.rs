// SPDX-License-Identifier: GPL-2.0-only

//! Columns of the `ps` of procps, by their names.

/// Names of columns in procps alone, each with the nearest one here.
const COLUMNS: &[(&str, &str)] = &[
    ("%cpu", "cpu"),
    ("%mem", "mem"),
    ("cls", "policy"),
    ("cmd", "args"),
    ("command", "args"),
    ("cputime", "time"),
    ("etime", "age"),
    ("f", "flags"),
    ("fname", "comm"),
    ("lsession", "session"),
    ("lstart", "started"),
    ("lwp", "pid"),
    ("maj_flt", "majflt"),
    ("min_flt", "minflt"),
    ("ni", "nice"),
    ("nlwp", "threads"),
    ("oom", "oom-score"),
    ("pcpu", "cpu"),
    ("pgrp", "pgid"),
    ("pmem", "mem"),
    ("psr", "last-cpu"),
    ("rsz", "rss"),
    ("ruser", "user"),
    ("s", "state"),
    ("sess", "sid"),
    ("stat", "state"),
    ("thcount", "threads"),
    ("tid", "pid"),
    ("tname", "tty"),
    ("tt", "tty"),
    ("ucmd", "comm"),
    ("uunit", "user-unit"),
    ("vsz", "vsize"),
];

/// Names of columns in procps that other columns have here, each with the nearest one.
const AMBIGUOUS: &[(&str, &str)] = &[
    ("cgroup", "cgroup-path"),
    ("session", "sid"),
    ("start", "started"),
    ("stime", "started"),
];

/// Returns the key of the column for a name that only procps has.
pub fn of_procps(name: &str) -> Option<&'static str> {
    find(COLUMNS, name)
}

/// Returns the key of the column for a name that has another meaning in procps than here.
pub fn of_both(name: &str) -> Option<&'static str> {
    find(AMBIGUOUS, name)
}

fn find(columns: &[(&str, &'static str)], name: &str) -> Option<&'static str> {
    let mut columns = columns.iter();
    columns.find_map(|&(other, key)| (other == name).then_some(key))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::columns::Column;

    #[test]
    fn names_of_procps_lead_to_columns() {
        for (name, key) in COLUMNS {
            assert!(Column::by_key(name).is_none(), "{name}");
            assert!(Column::by_key(key).is_some(), "{key}");
        }
        for (name, key) in AMBIGUOUS {
            assert!(Column::by_key(name).is_some(), "{name}");
            assert!(Column::by_key(key).is_some(), "{key}");
        }
    }
}
