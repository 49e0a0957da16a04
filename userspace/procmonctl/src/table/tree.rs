// SPDX-License-Identifier: GPL-2.0-only

//! Processes below their parents.

use std::collections::HashMap;

use super::row::Row;

/// The number of generations that are indented. Deeper rows begin with their depth instead, as the
/// output would otherwise grow with its square.
const DEEPEST: usize = 32;

/// The place of a row in the tree.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Branch {
    /// Prefix of the name. It has the number of rows that folding hides.
    pub prefix: String,
    /// Number of rows above it, up to one at the top.
    pub depth: usize,
    /// Whether rows are, or would be, below it.
    pub has_children: bool,
}

/// Moves rows below those of their parents, and returns the place of each row. Those below folded
/// ones are removed.
///
/// Siblings keep their order. Rows without their parent stand at the top. Threads stand below the
/// main thread of their process. Time and output are linear in the number of rows.
pub fn arrange(rows: &mut Vec<Row>, is_folded: impl Fn(&Row) -> bool) -> Vec<Branch> {
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
    let mut branches = Vec::with_capacity(rows.len());
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
        let below_it = &children[index];
        let mut branch = Branch {
            prefix,
            depth,
            has_children: !below_it.is_empty(),
        };
        if branch.has_children && is_folded(&rows[index]) {
            let hidden = hide(below_it, &children, &mut is_placed);
            branch.prefix.push_str(&format!("[+{hidden}] "));
        } else {
            for (place, &child) in below_it.iter().enumerate().rev() {
                let is_last = place + 1 == below_it.len();
                let (prefix, below) = indent(&below, depth + 1, is_last);
                stack.push((child, depth + 1, prefix, below));
            }
        }
        order.push(rows[index]);
        branches.push(branch);
    }
    *rows = order;
    branches
}

/// Returns the prefix of a row at this depth, and the beginning of those of its children.
fn indent(above: &str, depth: usize, is_last: bool) -> (String, String) {
    let (branch, line) = if is_last {
        ("└─ ", "   ")
    } else {
        ("├─ ", "│  ")
    };
    if depth <= DEEPEST {
        (format!("{above}{branch}"), format!("{above}{line}"))
    } else {
        (format!("… {depth} {branch}"), String::new())
    }
}

/// Marks rows and all below them as placed. Returns the number of those that were not.
fn hide(rows: &[usize], children: &[Vec<usize>], is_placed: &mut [bool]) -> usize {
    let mut stack = rows.to_vec();
    let mut hidden = 0;
    while let Some(index) = stack.pop() {
        if !std::mem::replace(&mut is_placed[index], true) {
            hidden += 1;
            stack.extend(&children[index]);
        }
    }
    hidden
}

#[cfg(test)]
mod tests {
    use procmon::snapshot::Record;
    use procmon::uapi;

    use super::*;

    fn arranged(processes: &[(i32, i32, i32)]) -> Vec<String> {
        folded(processes, &[])
    }

    fn folded(processes: &[(i32, i32, i32)], pids: &[i32]) -> Vec<String> {
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
        let branches = arrange(&mut rows, |row| pids.contains(&row.record.pid()));
        assert_eq!(rows.len(), branches.len());
        let lines = rows.iter().zip(branches);
        lines
            .map(|(row, branch)| format!("{}{}", branch.prefix, row.record.pid()))
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
    fn folding_hides_all_that_is_below() {
        let processes = [
            (1, 1, 0),
            (2, 2, 0),
            (3, 3, 1),
            (4, 4, 1),
            (5, 5, 3),
            (6, 5, 3),
            (7, 7, 4),
        ];
        let expected = ["1", "├─ [+2] 3", "└─ 4", "   └─ 7", "2"];
        // One without children is not folded.
        assert_eq!(folded(&processes, &[3, 2]), expected);
        assert_eq!(folded(&processes, &[1, 3]), ["[+5] 1", "2"]);
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
        assert_eq!(folded(&processes, &[1, 2, 3]), ["3", "[+1] 1"]);
    }
}
