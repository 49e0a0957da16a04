// SPDX-License-Identifier: GPL-2.0-only

//! The order of rows.

use super::columns::{COLUMNS, Column};
use super::row::{Context, Row};

/// A column to sort by, and the direction.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Order {
    pub column: &'static Column,
    /// Whether the largest value comes first.
    pub descending: bool,
}

impl Order {
    /// Parses the key of a column, with `-` before it for the largest value first.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (descending, key) = match text.strip_prefix('-') {
            Some(key) => (true, key),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let column = Column::by_key(key).ok_or_else(|| {
            let keys: Vec<_> = COLUMNS.iter().map(|column| column.key).collect();
            format!("there is no column {key:?}; there are {}", keys.join(", "))
        })?;
        Ok(Self { column, descending })
    }

    /// Sorts rows. Those with equal values are in the order of their IDs.
    pub fn sort<'a>(&self, rows: &mut Vec<Row<'a>>, context: &Context) {
        let values: Vec<_> = rows
            .iter()
            .map(|row| (self.column.value(row, context), row.record.pid()))
            .collect();
        let mut places: Vec<_> = (0..rows.len()).collect();
        // Most rows stand in the order of their IDs with equal values, which this sort is fast for.
        places.sort_by(|&a, &b| {
            let ((a, a_pid), (b, b_pid)) = (&values[a], &values[b]);
            let order = a.compare(b);
            let order = if self.descending {
                order.reverse()
            } else {
                order
            };
            order.then(a_pid.cmp(b_pid))
        });
        *rows = places.iter().map(|&place| rows[place]).collect();
    }
}

#[cfg(test)]
mod tests {
    use procmon::snapshot::{Groups, Record};
    use procmon::uapi;

    use super::*;

    fn record(pid: i32, comm: u8) -> Record {
        let mut raw = uapi::procmon_record {
            pid,
            groups: Groups::all().bits(),
            rss_anon: 100 - pid as u64,
            ..Default::default()
        };
        raw.comm[0] = comm as std::ffi::c_char;
        raw.into()
    }

    #[test]
    fn rows_are_sorted_by_a_column_and_then_by_their_ids() {
        let records = [record(30, b'b'), record(10, b'a'), record(20, b'a')];
        let mut rows: Vec<_> = records.iter().map(Row::of).collect();
        let mut sorted = |order: &str| -> Vec<i32> {
            let order = Order::parse(order).unwrap();
            order.sort(&mut rows, &Context::default());
            rows.iter().map(|row| row.record.pid()).collect()
        };
        assert_eq!(sorted("comm"), [10, 20, 30]);
        assert_eq!(sorted("-comm"), [30, 10, 20]);
        assert_eq!(sorted("+rss"), [30, 20, 10]);
        assert_eq!(sorted("-pid"), [30, 20, 10]);
        assert!(Order::parse("cpu%").is_err());
    }
}
