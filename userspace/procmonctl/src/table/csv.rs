// SPDX-License-Identifier: GPL-2.0-only

//! Tables as comma-separated values: all digits, in bytes, seconds and percent.

use csv::Writer;

use super::columns::Column;
use super::row::{Context, Values};

/// Returns the line of keys, with further ones before those of the columns.
pub fn keys(before: &[&str], columns: &[&'static Column]) -> anyhow::Result<Vec<u8>> {
    let mut writer = Writer::from_writer(Vec::new());
    let keys = columns.iter().map(|column| column.key);
    writer.write_record(before.iter().copied().chain(keys))?;
    Ok(writer.into_inner()?)
}

/// Returns a line for each row, with the same values at the beginning of each.
pub fn lines(
    before: &[String],
    rows: &[impl Values],
    columns: &[&'static Column],
    context: &Context,
) -> anyhow::Result<Vec<u8>> {
    let mut writer = Writer::from_writer(Vec::new());
    for row in rows {
        let values = columns
            .iter()
            .map(|column| row.value(column, context).plain());
        writer.write_record(before.iter().cloned().chain(values))?;
    }
    Ok(writer.into_inner()?)
}

#[cfg(test)]
mod tests {
    use procmon::uapi;

    use super::*;
    use crate::table::row::Row;

    #[test]
    fn names_stay_in_their_lines_and_cells() {
        let mut raw = uapi::procmon_record {
            pid: 7,
            ..Default::default()
        };
        for (to, from) in raw.comm.iter_mut().zip(b"a,\"b\n\xff") {
            *to = std::ffi::c_char::from_ne_bytes([*from]);
        }
        let record = raw.into();
        let row = Row {
            cpu: None,
            ..Row::of(&record)
        };
        let columns = ["pid", "rss", "comm"].map(|key| Column::by_key(key).unwrap());
        let text = |bytes| String::from_utf8(bytes).unwrap();
        let head = keys(&["refresh"], &columns).unwrap();
        assert_eq!(text(head), "refresh,pid,rss,comm\n");
        let before = ["1".to_owned()];
        let lines = lines(&before, &[row, row], &columns, &Context::default()).unwrap();
        let line = "1,7,,\"a,\"\"b\\n\\xff\"\n";
        assert_eq!(text(lines), [line, line].concat());
    }
}
