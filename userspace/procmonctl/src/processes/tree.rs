// SPDX-License-Identifier: GPL-2.0

//! Processes below their parents.

use std::collections::HashMap;

use super::columns::Row;

/// Puts rows below those of their parents, among siblings in the order in which they are given.
/// Returns what is to stand before the name in each row.
///
/// Those whose parent is not among the rows stand at the top. With threads, those of a process
/// stand below its main thread.
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
            // A snapshot is not of one moment, so that IDs might go in a circle: parents were
            // started before, but for those that a subreaper got.
            Some(&parent) if parent != index => children[parent].push(index),
            _ => top.push(index),
        }
    }

    let mut order = Vec::with_capacity(rows.len());
    let mut prefixes = Vec::with_capacity(rows.len());
    let mut is_placed = vec![false; rows.len()];
    // What is still to be placed, last one first, and what stands before its children.
    let mut stack: Vec<(usize, String, String)> = Vec::new();
    for &index in top.iter().rev() {
        stack.push((index, String::new(), String::new()));
    }
    let mut rest = 0..rows.len();
    loop {
        let Some((index, prefix, below)) = stack.pop() else {
            // What is in a circle is not below anything at the top.
            match rest.find(|&index| !is_placed[index]) {
                Some(index) => {
                    stack.push((index, String::new(), String::new()));
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
            stack.push((child, format!("{below}{branch}"), format!("{below}{line}")));
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
        let mut rows = records
            .iter()
            .map(|record| Row { record, cpu: None })
            .collect();
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
    fn what_is_in_a_circle_is_shown_once() {
        let processes = [(1, 1, 2), (2, 2, 1), (3, 3, 3)];
        assert_eq!(arranged(&processes), ["3", "1", "└─ 2"]);
    }
}
