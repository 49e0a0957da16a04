// SPDX-License-Identifier: GPL-2.0-only

//! Writes the bindings of `procmon_uapi.h`, the one definition of the interface, into the crate
//! `procmon`, which so needs neither the header nor libclang to be built.
//!
//! ```sh
//! scripts/cargo run -p uapi-bindings
//! ```

use std::path::PathBuf;
use std::{env, fs, io};

/// The bindings that the build script has generated.
const BINDINGS: &str = include_str!(concat!(env!("OUT_DIR"), "/bindings.rs"));

/// The file in the crate, of the checkout that cargo runs in: it may have been another one that
/// this program was built in.
fn path() -> PathBuf {
    let directory = env::var_os("CARGO_MANIFEST_DIR").expect("cargo runs this");
    PathBuf::from(directory).join("../procmon/src/uapi/bindings.rs")
}

fn main() -> io::Result<()> {
    fs::write(path(), BINDINGS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bindings_are_those_of_the_header() {
        assert!(
            fs::read_to_string(path()).unwrap() == BINDINGS,
            "the header has changed: please run \"scripts/cargo run -p uapi-bindings\""
        );
    }
}
