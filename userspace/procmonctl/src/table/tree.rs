// SPDX-License-Identifier: GPL-2.0

//! Processes below their parents.

use std::collections::HashMap;

use super::row::Row;

/// The number of generations that are indented. Deeper rows begin with their depth instead, as the
/// output would otherwise grow with its square.
const DEEPEST: usize = 32;

/// Moves rows below those of their parents, and returns the prefix of the name in each row.
///
/// Siblings keep their order. Rows without their parent stand at the top. Threads stand below the
/// main thread of their process. Time and output are linear in the number of rows.
pub fn arrange(rows: &mut Vec<Row>) -> Vec<String> {
    let ids: HashMap<i32, usize> = rows
        .iter()
        .enumerate()
        .map(|(index, row)| (row.record.pid(), index))
        .collect();
    let mut children = vec![Vec::new(); rows.len()];
    let mut top = Vec::new();
    for (index, row) in rows.iter().enumerate() {
        let record = row.record;
        let parent = if record.pid() == record.tgid() {
            record.ppid()
        } else {
            record.tgid()
        };
        match ids.get(&parent) {
            // A snapshot is not atomic, so parents may form a cycle: a subreaper may be younger
            // than the children that it adopts.
            Some(&parent) if parent != index => children[parent].push(index),
            _ => top.push(index),
        }
    }

    let mut order = Vec::with_capacity(rows.len());
    let mut prefixes = Vec::with_capacity(rows.len());
    let mut is_placed = vec![false; rows.len()];
    // The rows to place, the next one last: depth, prefix, and that of their children.
    let mut stack: Vec<(usize, usize, String, String)> = Vec::new();
    for &index in top.iter().rev() {
        stack.push((index, 0, String::new(), String::new()));
    }
    let mut rest = 0..rows.len();
    loop {
        let Some((index, depth, prefix, below)) = stack.pop() else {
            // Rows of a cycle are not below any row at the top.
            match rest.find(|&index| !is_placed[index]) {
                Some(index) => {
                    stack.push((index, 0, String::new(), String::new()));
                    continue;
                }
                None => break,
            }
        };
        if std::mem::replace(&mut is_placed[index], true) {
            continue;
        }
        let siblings = &children[index];
        for (place, &child) in siblings.iter().enumerate().rev() {
            let (branch, line) = if place + 1 == siblings.len() {
                ("└─ ", "   ")
            } else {
                ("├─ ", "│  ")
            };
            let depth = depth + 1;
            let (prefix, below) = if depth <= DEEPEST {
                (format!("{below}{branch}"), format!("{below}{line}"))
            } else {
                (format!("… {depth} {branch}"), String::new())
            };
            stack.push((child, depth, prefix, below));
        }
        order.push(rows[index]);
        prefixes.push(prefix);
    }
    *rows = order;
    prefixes
}

#[cfg(test)]
mod tests {
    use procmon::snapshot::Record;
    use procmon::uapi;

    use super::*;

    fn arranged(processes: &[(i32, i32, i32)]) -> Vec<String> {
        let records: Vec<Record> = processes
            .iter()
            .map(|&(pid, tgid, ppid)| {
                let raw = uapi::procmon_record {
                    pid,
                    tgid,
                    ppid,
                    ..Default::default()
                };
                raw.into()
            })
            .collect();
        let mut rows = records.iter().map(Row::of).collect();
        let prefixes = arrange(&mut rows);
        let lines = rows.iter().zip(prefixes);
        lines
            .map(|(row, prefix)| format!("{prefix}{}", row.record.pid()))
            .collect()
    }

    #[test]
    fn children_stand_below_their_parents() {
        let processes = [
            (1, 1, 0),
            (2, 2, 0),
            (3, 3, 1),
            (4, 4, 1),
            (5, 5, 3),
            (6, 6, 9),
        ];
        let expected = ["1", "├─ 3", "│  └─ 5", "└─ 4", "2", "6"];
        assert_eq!(arranged(&processes), expected);
    }

    #[test]
    fn siblings_stay_in_order() {
        let processes = [(9, 9, 1), (1, 1, 0), (7, 7, 1), (8, 8, 1)];
        assert_eq!(arranged(&processes), ["1", "├─ 9", "├─ 7", "└─ 8"]);
    }

    #[test]
    fn threads_stand_below_their_process() {
        let processes = [(1, 1, 0), (5, 5, 1), (6, 5, 1), (7, 7, 1)];
        assert_eq!(arranged(&processes), ["1", "├─ 5", "│  └─ 6", "└─ 7"]);
    }

    #[test]
    fn deep_trees_grow_with_their_rows_only() {
        let bytes = |depth: i32| -> usize {
            let chain: Vec<_> = (1..=depth).map(|pid| (pid, pid, pid - 1)).collect();
            arranged(&chain).iter().map(String::len).sum()
        };
        let (short, long) = (bytes(2000), bytes(20000));
        assert!(
            long < 11 * short,
            "{short} bytes for 2000 rows, {long} for 20000"
        );
        let chain: Vec<_> = (1..=40).map(|pid| (pid, pid, pid - 1)).collect();
        let lines = arranged(&chain);
        assert_eq!(
            lines[DEEPEST],
            format!("{}└─ 33", "   ".repeat(DEEPEST - 1))
        );
        assert_eq!(lines[DEEPEST + 1], "… 33 └─ 34");
    }

    #[test]
    fn rows_of_a_cycle_are_shown_once() {
        let processes = [(1, 1, 2), (2, 2, 1), (3, 3, 3)];
        assert_eq!(arranged(&processes), ["3", "1", "└─ 2"]);
    }
}
