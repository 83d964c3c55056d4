//! One static executable becomes an image of one layer.

use std::{io, sync::Arc};

use tar::{Builder, EntryType, Header};
use vm_core::CodeError;

use super::{ARCHITECTURE, Image, Layer, Program};

/// Where the executable lies in the image.
const PATH: &str = "contract";

/// Folders that the container's mounts need. With a user namespace the container cannot make them itself.
/// `/tmp` is for everybody: runc gives what it mounts there the same mode.
const MOUNT_POINTS: &[(&str, u32)] =
    &[("dev/", 0o755), ("proc/", 0o755), ("run/", 0o755), ("run/vm/", 0o755), ("tmp/", 0o1777)];

const MAGIC: &[u8] = b"\x7fELF";

pub(super) fn recognise(code: &[u8]) -> bool {
    code.starts_with(MAGIC)
}

/// An image that holds the executable and nothing else.
pub(super) fn wrap(code: &[u8]) -> Result<Image, CodeError> {
    check(code)?;
    let bytes = archive(Some(code)).map_err(|error| CodeError::new("bad-layer", error.to_string()))?;
    Ok(Image {
        layers: vec![Layer::from_tar(bytes)],
        program: Arc::new(Program { args: vec![format!("/{PATH}")], env: Vec::new(), folder: "/".into() }),
    })
}

/// A layer of the mount points alone, to lie on top of a foreign image.
pub(super) fn mount_points() -> io::Result<Layer> {
    archive(None).map(Layer::from_tar)
}

/// The same bytes for the same executable, always.
fn archive(executable: Option<&[u8]>) -> io::Result<Vec<u8>> {
    let mut builder = Builder::new(Vec::new());
    for (folder, mode) in MOUNT_POINTS {
        builder.append_data(&mut header(EntryType::Directory, 0, *mode), folder, io::empty())?;
    }
    if let Some(code) = executable {
        builder.append_data(&mut header(EntryType::Regular, code.len() as u64, 0o755), PATH, code)?;
    }
    builder.into_inner()
}

fn header(kind: EntryType, size: u64, mode: u32) -> Header {
    let mut header = Header::new_ustar();
    header.set_entry_type(kind);
    header.set_size(size);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header
}

/// Refuses what could not start in an empty file system on this machine.
fn check(code: &[u8]) -> Result<(), CodeError> {
    const CLASS_64: u8 = 2;
    const LITTLE_ENDIAN: u8 = 1;
    const EXECUTABLE: u16 = 2;
    const SHARED: u16 = 3;
    const INTERPRETER: u32 = 3;
    let machine = match ARCHITECTURE {
        "amd64" => 62,
        "arm64" => 183,
        _ => 0,
    };

    let cut = || CodeError::new("bad-executable", "the ELF file is cut off inside its headers");
    let byte = |at: usize| code.get(at).copied().ok_or_else(cut);
    let half = |at: usize| number::<2>(code, at).map(u16::from_le_bytes).ok_or_else(cut);
    let word = |at: usize| number::<4>(code, at).map(u32::from_le_bytes).ok_or_else(cut);
    let long = |at: usize| number::<8>(code, at).map(u64::from_le_bytes).ok_or_else(cut);

    let kind = half(16)?;
    if byte(4)? != CLASS_64 || byte(5)? != LITTLE_ENDIAN || half(18)? != machine {
        return Err(CodeError::new(
            "wrong-architecture",
            format!("the ELF file is not for this machine's architecture, {ARCHITECTURE}; build it for that"),
        ));
    }
    if kind != EXECUTABLE && kind != SHARED {
        let message = format!("the ELF file is of type {kind}; an executable is expected");
        return Err(CodeError::new("bad-executable", message));
    }
    let (table, entry_size, entries) = (long(32)?, half(54)?, half(56)?);
    for entry in 0..u64::from(entries) {
        let at = entry
            .checked_mul(entry_size.into())
            .and_then(|offset| table.checked_add(offset))
            .and_then(|at| usize::try_from(at).ok())
            .filter(|at| at.checked_add(4).is_some())
            .ok_or_else(cut)?;
        if word(at)? == INTERPRETER {
            return Err(CodeError::new(
                "not-static",
                "the executable needs a dynamic linker; link it statically (Rust: -C target-feature=+crt-static)",
            ));
        }
    }
    Ok(())
}

fn number<const N: usize>(code: &[u8], at: usize) -> Option<[u8; N]> {
    code.get(at..at.checked_add(N)?)?.try_into().ok()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// The header of a static executable for this machine, and one program header.
    pub(in crate::image) fn minimal_elf() -> Vec<u8> {
        let mut elf = vec![0; 120];
        elf[..7].copy_from_slice(b"\x7fELF\x02\x01\x01");
        elf[16] = 2;
        elf[18] = if ARCHITECTURE == "amd64" { 62 } else { 183 };
        elf[32] = 64;
        elf[54] = 56;
        elf[56] = 1;
        elf[64] = 1;
        elf
    }

    fn rule(code: &[u8]) -> &'static str {
        Image::read(code).unwrap_err().rule()
    }

    #[test]
    fn the_same_executable_makes_the_same_image() {
        let image = Image::read(&minimal_elf()).unwrap();
        assert_eq!(image.chain(), Image::read(&minimal_elf()).unwrap().chain());
        assert_eq!(image.program.args, ["/contract"]);
    }

    #[test]
    fn the_layer_holds_the_executable_and_the_mount_points() {
        let image = Image::read(&minimal_elf()).unwrap();
        let mut archive = tar::Archive::new(&image.layers[0].bytes[..]);
        let names: Vec<_> =
            archive.entries().unwrap().map(|entry| entry.unwrap().path().unwrap().display().to_string()).collect();
        assert_eq!(names, ["dev/", "proc/", "run/", "run/vm/", "tmp/", "contract"]);
    }

    #[test]
    fn what_cannot_start_is_refused_with_its_rule() {
        let changed = |at: usize, value: u8| {
            let mut elf = minimal_elf();
            elf[at] = value;
            rule(&elf)
        };
        assert_eq!(changed(4, 1), "wrong-architecture");
        assert_eq!(changed(18, 3), "wrong-architecture");
        assert_eq!(changed(16, 1), "bad-executable");
        assert_eq!(changed(64, 3), "not-static");
        assert_eq!(changed(39, 0xff), "bad-executable");
        assert_eq!(rule(&minimal_elf()[..60]), "bad-executable");
        assert_eq!(rule(b"#!/bin/sh\n"), "unknown-format");
        assert_eq!(rule(b""), "unknown-format");
    }
}
