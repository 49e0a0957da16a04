// SPDX-License-Identifier: GPL-2.0

//! Processes as rows of a table: their selection, order and columns.

pub mod columns;
pub mod kernel_threads;
pub mod select;
pub mod style;
pub mod table;
pub mod tree;
pub mod users;
