//! Where things are in the source tree.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use anyhow::{Context, Result, ensure};

/// The root of the workspace: that of the checkout that `cargo xtask` was called in, even if checkouts share a target
/// directory and with it this executable.
pub(crate) fn root() -> &'static Path {
    static ROOT: LazyLock<PathBuf> = LazyLock::new(|| {
        let called = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from).filter(|dir| dir.ends_with("xtask"));
        let mut manifest = called.unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
        manifest.pop();
        manifest
    });
    &ROOT
}

/// Cargo's target directory.
pub(crate) fn target() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(dir) => root().join(dir),
        None => root().join("target"),
    }
}

/// All files that are or may be committed, relative to the root, sorted.
pub(crate) fn files() -> Result<Vec<PathBuf>> {
    let listing = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard", "--deduplicate", "-z"])
        .current_dir(root())
        .stdin(Stdio::null())
        .output()
        .context("cannot run git, which lists the files to check")?;
    ensure!(listing.status.success(), "git ls-files failed: {}", String::from_utf8_lossy(&listing.stderr).trim());
    let mut files = parse_listing(&listing.stdout);
    // A file deleted in the work tree is still listed until the deletion is staged.
    files.retain(|file| root().join(file).is_file());
    Ok(files)
}

fn parse_listing(listing: &[u8]) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = listing
        .split(|byte| *byte == 0)
        .filter(|name| !name.is_empty())
        .map(|name| PathBuf::from(String::from_utf8_lossy(name).into_owned()))
        .collect();
    files.sort();
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listing_is_split_at_zero_bytes_and_sorted() {
        let files = parse_listing(b"b.rs\0a dir/x y.md\0");
        assert_eq!(files, [PathBuf::from("a dir/x y.md"), PathBuf::from("b.rs")]);
        assert!(parse_listing(b"").is_empty());
    }

    #[test]
    fn the_root_holds_the_workspace() {
        assert!(root().join("Cargo.toml").is_file());
    }
}
