// SPDX-License-Identifier: GPL-2.0-only

//! Timelines: the processes of a [`Run`](crate::Run) over time, as pictures and for other tools.
//!
//! | function       | result                                                              |
//! |----------------|---------------------------------------------------------------------|
//! | [`svg()`]      | a picture in which short processes are merged by name               |
//! | [`html()`]     | a page with all processes, to zoom and to search, without a network |
//! | [`perfetto()`] | a trace for <https://ui.perfetto.dev> and `chrome://tracing`        |
//! | [`folded()`]   | stacks of program names for flame graph tools                       |
//!
//! Each takes O(n log n) time and O(n) memory for n processes. Names and arguments are of other
//! people's choice, with any bytes: none of the results lets them be more than text.

mod colour;
mod curves;
mod folded;
mod forest;
mod groups;
mod html;
mod layout;
mod perfetto;
mod rows;
mod segments;
mod summary;
mod svg;
mod text;
mod ticks;

#[cfg(test)]
mod fixture;

pub use folded::folded;
pub use html::html;
pub use perfetto::perfetto;
pub use svg::svg;
