// SPDX-License-Identifier: GPL-2.0-only

//! The live process list: its state, its keys, and its view on a screen or in a file.

mod act;
pub mod actor;
mod arguments;
mod ascii;
pub mod batch;
mod control;
mod event;
mod folds;
mod groups;
mod input;
pub mod keys;
pub mod live;
pub mod look;
mod marks;
mod menu;
mod menus;
mod mouse;
mod paste;
mod pattern;
mod picker;
mod prompt;
mod rows;
mod screen;
mod selection;
mod signals;
mod sorting;
pub mod state;
pub mod system;
#[cfg(test)]
pub mod tests;
pub mod theme;
mod turnover;
mod typing;
mod usage;
mod view;
pub mod worker;
