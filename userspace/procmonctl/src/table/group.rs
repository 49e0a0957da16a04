// SPDX-License-Identifier: GPL-2.0-only

//! Groups of processes, with the sums of their values.

use std::collections::BTreeMap;

use clap::ValueEnum;
use clap::builder::PossibleValue;

use super::columns::Column;
use super::order::Order;
use super::row::{Context, Row, Values};
use super::value::Value;
use crate::text::printable;

/// The thing that the processes of a group have in common.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum GroupBy {
    Name,
    User,
    Unit,
    Container,
    Cgroup,
}

impl GroupBy {
    /// All of them, in the order in which a key takes them.
    pub const ALL: [Self; 5] = [
        Self::Name,
        Self::User,
        Self::Unit,
        Self::Container,
        Self::Cgroup,
    ];

    /// Returns the name on the command line and in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::User => "user",
            Self::Unit => "unit",
            Self::Container => "container",
            Self::Cgroup => "cgroup",
        }
    }

    /// Returns the key of the column with the thing.
    fn key(self) -> &'static str {
        match self {
            Self::Name => "comm",
            Self::User => "user",
            Self::Unit => "unit",
            Self::Container => "container",
            Self::Cgroup => "cgroup-path",
        }
    }

    /// Returns whether this is the column with the thing.
    pub fn is_in(self, column: &Column) -> bool {
        column.key == self.key()
    }

    /// Returns the function that names the group of a process.
    pub fn namer(self, context: &Context) -> impl Fn(&Row) -> GroupName {
        let column = Column::by_key(self.key());
        move |row| match column.map(|column| column.value(row, context)) {
            Some(Value::Name(name)) => GroupName::new(name),
            _ => GroupName(None),
        }
    }

    /// Returns the columns of groups: their size, those of `columns` that add up, and the name.
    pub fn columns(self, columns: &[&'static Column]) -> Vec<&'static Column> {
        let size = Column::by_key("procs");
        let sums = columns.iter().copied().filter(|column| column.adds_up);
        let sums = sums.filter(|column| Some(*column) != size);
        let name = Column::by_key(self.key());
        size.into_iter().chain(sums).chain(name).collect()
    }

    /// Returns an order that groups have: by name if the values of the column do not add up.
    pub fn order(self, order: Order) -> Order {
        if order.column.adds_up || self.is_in(order.column) {
            return order;
        }
        Order {
            column: Column::by_key(self.key()).unwrap_or(order.column),
            descending: false,
        }
    }
}

/// The value of an option: a thing to group by, or none.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Grouping(pub Option<GroupBy>);

impl ValueEnum for Grouping {
    fn value_variants<'a>() -> &'a [Self] {
        const ALL: [Grouping; GroupBy::ALL.len() + 1] = {
            let mut all = [Grouping(None); GroupBy::ALL.len() + 1];
            let mut place = 0;
            while place < GroupBy::ALL.len() {
                all[place + 1] = Grouping(Some(GroupBy::ALL[place]));
                place += 1;
            }
            all
        };
        &ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.0.map_or("none", GroupBy::name)))
    }
}

/// The name of a group, of processes that have one in common. Those that have none are a group too.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct GroupName(Option<Vec<u8>>);

impl GroupName {
    pub fn new(name: impl Into<Vec<u8>>) -> Self {
        Self(Some(name.into()))
    }

    /// Returns the name as a value of its column.
    fn value(&self) -> Value {
        self.0.clone().map_or(Value::Absent, Value::Name)
    }

    /// Formats the name for people.
    pub fn text(&self) -> String {
        self.0.as_deref().map_or_else(|| "-".to_owned(), printable)
    }
}

/// A group of processes.
#[derive(Clone, Debug)]
pub struct Group {
    pub by: GroupBy,
    pub name: GroupName,
    /// The IDs of its processes.
    pub pids: Vec<i32>,
    sums: Vec<(&'static Column, Value)>,
}

/// The columns are those of [`GroupBy::columns`].
impl Values for Group {
    fn value(&self, column: &Column, _context: &Context) -> Value {
        if self.by.is_in(column) {
            return self.name.value();
        }
        let mut sums = self.sums.iter();
        let sum = sums.find(|(of, _)| *of == column);
        sum.map_or(Value::Absent, |(_, value)| value.clone())
    }
}

impl Group {
    fn add(&mut self, row: &Row, context: &Context) {
        self.pids.push(row.record.pid());
        for (column, sum) in &mut self.sums {
            let value = column.value(row, context);
            *sum = std::mem::replace(sum, Value::Absent).plus(value);
        }
    }
}

/// Groups processes, with sums in these columns, and sorts the groups.
pub fn group(
    rows: &[Row],
    by: GroupBy,
    columns: &[&'static Column],
    order: Order,
    context: &Context,
) -> Vec<Group> {
    let order = by.order(order);
    let mut sums = by.columns(columns);
    if !sums.contains(&order.column) {
        sums.push(order.column);
    }
    sums.retain(|column| column.adds_up);
    let name_of = by.namer(context);
    let mut groups = BTreeMap::new();
    for row in rows {
        let name = name_of(row);
        let group = groups.entry(name.clone()).or_insert_with(|| Group {
            by,
            name,
            pids: Vec::new(),
            sums: sums.iter().map(|column| (*column, Value::Absent)).collect(),
        });
        group.add(row, context);
    }
    let mut groups: Vec<_> = groups.into_values().collect();
    // The sort is stable, so that groups with equal values are in the order of their names.
    groups.sort_by(|a, b| {
        let value = |group: &Group| group.value(order.column, context);
        let comparison = value(a).compare(&value(b));
        if order.descending {
            comparison.reverse()
        } else {
            comparison
        }
    });
    groups
}

#[cfg(test)]
mod tests {
    use procmon::snapshot::{Groups, Record};
    use procmon::uapi;

    use super::*;
    use crate::table::columns::COLUMNS;

    fn record(pid: i32, comm: &str, mib: u64) -> Record {
        let mut raw = uapi::procmon_record {
            pid,
            tgid: pid,
            threads: 2,
            groups: Groups::all().bits(),
            rss_anon: mib << 20,
            ..Default::default()
        };
        for (to, from) in raw.comm.iter_mut().zip(comm.bytes()) {
            *to = std::ffi::c_char::from_ne_bytes([from]);
        }
        raw.into()
    }

    fn columns(keys: &[&str]) -> Vec<&'static Column> {
        keys.iter().filter_map(|key| Column::by_key(key)).collect()
    }

    fn texts(order: &str) -> Vec<String> {
        let records = [
            record(1, "init", 5),
            record(2, "sh", 1),
            record(3, "make", 9),
            record(4, "sh", 3),
        ];
        let rows: Vec<_> = records.iter().map(Row::of).collect();
        let order = Order::parse(order).unwrap();
        let chosen = columns(&["pid", "state", "rss", "comm"]);
        let context = Context::default();
        let groups = group(&rows, GroupBy::Name, &chosen, order, &context);
        let shown = GroupBy::Name.columns(&chosen);
        let text = |group: &Group| {
            let cells = shown
                .iter()
                .map(|column| group.value(column, &context).text());
            cells.collect::<Vec<_>>().join(" ")
        };
        groups.iter().map(text).collect()
    }

    #[test]
    fn values_add_up_in_groups() {
        assert_eq!(texts("-rss"), ["1 9.0M make", "1 5.0M init", "2 4.0M sh"]);
        // The column to sort by need not be shown.
        assert_eq!(texts("-threads")[0], "2 4.0M sh");
        assert_eq!(
            texts("-procs")[1..],
            texts("procs")[..2],
            "equal ones by name"
        );
        assert_eq!(texts("-comm")[0], "2 4.0M sh");
        // Groups have no PID.
        assert_eq!(texts("-pid"), texts("comm"));
    }

    #[test]
    fn processes_without_a_name_are_a_group() {
        let records = [record(1, "", 5), record(2, "", 1)];
        let rows: Vec<_> = records.iter().map(Row::of).collect();
        let order = Order::parse("unit").unwrap();
        let groups = group(&rows, GroupBy::Unit, &[], order, &Context::default());
        assert_eq!(groups.len(), 1);
        assert_eq!(
            (groups[0].name.text(), &groups[0].pids[..]),
            ("-".to_owned(), &[1, 2][..])
        );
    }

    #[test]
    fn all_that_adds_up_stands_on_the_right() {
        for column in COLUMNS.iter().filter(|column| column.adds_up) {
            assert_eq!(
                column.side(),
                crate::table::render::Side::Right,
                "{}",
                column.key
            );
        }
        for by in GroupBy::ALL {
            assert!(Column::by_key(by.key()).is_some(), "{by:?}");
        }
    }
}
