// SPDX-License-Identifier: GPL-2.0

//! Processes as rows of a table: which ones, in what order, and what of them.

pub mod columns;
pub mod select;
pub mod style;
pub mod table;
pub mod tree;
pub mod users;
