//! Who can write to what is executed.

use std::fs::{DirBuilder, File, Metadata, OpenOptions};
use std::io::{self, Error, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

/// Write permission of group and others.
const OTHERS: u32 = 0o022;

/// Makes a directory that only this user can use, unless it is there.
pub(super) fn make(directory: &Path) -> io::Result<()> {
    if let Some(parent) = directory.parent() {
        std::fs::create_dir_all(parent)?;
    }
    match DirBuilder::new().mode(0o700).create(directory) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        result => result,
    }
}

/// Opens what may be a file, without waiting for what is none, such as a pipe that nobody writes to.
pub(super) fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed()).open(path)
}

/// Fails when somebody else could have written this.
pub(super) fn check(found: &Metadata) -> io::Result<()> {
    let (owner, mode) = (found.uid(), found.mode());
    let user = rustix::process::geteuid().as_raw();
    let why = if owner != user && owner != 0 {
        format!("it belongs to user {owner}, and this process runs as {user}")
    } else if mode & OTHERS != 0 {
        format!("its mode is {:o}, so others can write to it; make it {:o}", mode & 0o7777, mode & 0o7777 & !OTHERS)
    } else {
        return Ok(());
    };
    Err(Error::new(ErrorKind::PermissionDenied, why))
}

/// When a file was last used, in nanoseconds.
pub(super) fn used(found: &Metadata) -> i128 {
    i128::from(found.mtime()) * 1_000_000_000 + i128::from(found.mtime_nsec())
}

/// Notes that a file is used now.
pub(super) fn touch(file: &File) -> io::Result<()> {
    let now = rustix::fs::Timespec { tv_sec: 0, tv_nsec: rustix::fs::UTIME_NOW };
    rustix::fs::futimens(file, &rustix::fs::Timestamps { last_access: now, last_modification: now })?;
    Ok(())
}
