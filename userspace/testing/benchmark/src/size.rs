// SPDX-License-Identifier: GPL-2.0-only

//! The memory that a module takes in the kernel.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use object::elf::{FileHeader64, SHF_ALLOC};
use object::read::elf::ElfFile;
use object::{Endianness, Object, ObjectSection, SectionFlags};

/// Returns the size of all sections that are loaded: text, data and bss, as size(1) adds them up.
pub fn of(module: &Path) -> Result<u64> {
    let data = fs::read(module).with_context(|| format!("cannot read {}", module.display()))?;
    let file = ElfFile::<FileHeader64<Endianness>>::parse(&*data)
        .with_context(|| format!("{} is no module", module.display()))?;
    let size = file
        .sections()
        .filter(|section| match section.flags() {
            SectionFlags::Elf { sh_flags, .. } => sh_flags.contains(SHF_ALLOC),
            _ => false,
        })
        .map(|section| section.size())
        .sum();
    ensure!(size > 0, "{} is empty", module.display());
    Ok(size)
}

#[cfg(test)]
mod tests {
    use std::env;

    use super::*;

    #[test]
    fn only_loaded_sections_count() {
        let program = env::current_exe().unwrap();
        let size = of(&program).unwrap();
        assert!(size > 0);
        // The other sections are for debuggers.
        assert!(size < fs::metadata(program).unwrap().len());
        assert!(of(Path::new("/dev/null")).is_err());
    }
}
