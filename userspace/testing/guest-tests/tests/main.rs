// SPDX-License-Identifier: GPL-2.0-only

//! All tests in the guest, as one program: guests start sooner the less has to be sent to them, and
//! one program is linked sooner than twenty.

mod accounting;
mod client;
mod columns;
mod events;
mod exec;
mod export;
mod fault;
mod filter;
mod hidepid;
mod history;
mod ioctl;
mod leak;
mod load;
mod monitor;
mod names;
mod namespaces;
mod open;
mod passes;
mod places;
mod processes;
mod query;
mod read;
mod record;
mod snapshot;
mod source;
mod stress;
mod sysfs;
mod targets;
mod top;
mod write;
