//! Cargo as a child process.

use std::path::Path;
use std::process::Command;

use crate::{setup, workspace};

/// A cargo command that runs in the root of the workspace and finds protoc.
///
/// `cargo run` tells this process about the package xtask in variables; build scripts that watch them would run again.
pub(crate) fn cargo(subcommand: &str) -> anyhow::Result<Command> {
    cargo_at(Path::new(&std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())), subcommand)
}

/// The same with a certain cargo.
pub(crate) fn cargo_at(program: &Path, subcommand: &str) -> anyhow::Result<Command> {
    let mut cargo = Command::new(program);
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(describes_this_package) {
            cargo.env_remove(name);
        }
    }
    cargo.current_dir(workspace::root()).env("PROTOC", setup::protoc()?).env("PATH", setup::path()?).arg(subcommand);
    Ok(cargo)
}

fn describes_this_package(variable: &str) -> bool {
    variable.starts_with("CARGO_PKG_")
        || ["CARGO_MANIFEST_DIR", "CARGO_MANIFEST_PATH", "CARGO_BIN_NAME"].contains(&variable)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_variables_of_this_package_are_removed() {
        assert!(describes_this_package("CARGO_PKG_VERSION"));
        assert!(describes_this_package("CARGO_MANIFEST_DIR"));
        assert!(!describes_this_package("CARGO_TERM_COLOR"));
        assert!(!describes_this_package("CARGO_TARGET_DIR"));
    }
}
