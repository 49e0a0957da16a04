// SPDX-License-Identifier: GPL-2.0-only

//! The order of the rows, and its changes.

use super::state::App;
use crate::table::columns::Column;
use crate::table::order::Order;
use crate::table::render::Side;

impl App {
    /// Returns the order of the rows.
    pub fn order(&self) -> Order {
        match self.group_by {
            Some(by) => by.order(self.order),
            None => self.order,
        }
    }

    pub(super) fn sort_by(&mut self, column: &'static Column, descending: bool) {
        self.order = Order { column, descending };
        self.arrange();
    }

    /// Sorts by a column, or if that is the order already, inverts it.
    pub(super) fn sort_or_invert(&mut self, column: &'static Column) {
        let order = self.order();
        let descending = if *column == *order.column {
            !order.descending
        } else {
            has_largest_first(column)
        };
        self.sort_by(column, descending);
    }

    pub(super) fn invert(&mut self) {
        let order = self.order();
        self.sort_by(order.column, !order.descending);
    }

    /// Sorts by the next column to the right or left.
    pub(super) fn sort_by_next(&mut self, step: isize) {
        let columns = self.columns();
        let order = self.order();
        let count = columns.len();
        let current = columns.iter().position(|column| *column == order.column);
        let next = match current {
            Some(current) => (current + count).saturating_add_signed(step) % count,
            None => 0,
        };
        self.sort_by(columns[next], has_largest_first(columns[next]));
    }
}

/// Returns whether the largest values of a column are the interesting ones.
pub fn has_largest_first(column: &Column) -> bool {
    let is_id = column.key.ends_with("id") || column.key == "cgroup";
    column.side() == Side::Right && !is_id
}
