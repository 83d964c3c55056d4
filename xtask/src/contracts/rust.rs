//! Contracts written in Rust: WASM modules and executables for containers.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::{cargo, process, workspace};

const WASM: &str = "wasm32-unknown-unknown";
const LINUX: &str = "x86_64-unknown-linux-gnu";

/// The one toolchain whose output is committed: another compiler, or another build of the same, makes other modules.
const TOOLCHAIN: &str = "1.95.0";
const COMPILER: &str = "rustc 1.95.0 (59807616e 2026-04-14)";

/// Files of the toolchain that show that its parts are there.
const SOURCE: &str = "lib/rustlib/src/rust/library/std/Cargo.toml";
const LIBRARY: &str = "lib/rustlib/wasm32-unknown-unknown/lib";

/// In all executables and modules. The profile's own `strip` is lost where profiles override packages.
const FLAGS: &[&str] = &["-Cstrip=symbols"];

/// A stack of half a page leaves the other half to data and heap: most contracts need one page.
const WASM_FLAGS: &[&str] = &["-Clink-arg=-zstack-size=32768"];

/// A panic needs no message where nobody reads it.
const BUILD_STD_FLAGS: &[&str] = &["-Zunstable-options", "-Cpanic=immediate-abort"];

/// A container has no libraries, and its address space holds no secrets.
const LINUX_FLAGS: &[&str] = &["-Ctarget-feature=+crt-static", "-Crelocation-model=static"];

/// The module, and the compiler's name.
pub(super) fn wasm(package: &str) -> Result<(Vec<Vec<u8>>, String)> {
    let mut build = Build::new(package, WASM)?;
    build.flags(WASM_FLAGS);
    build.flags(BUILD_STD_FLAGS);
    build.cargo.arg("-Zbuild-std=std,panic_abort");
    // Two options are called unstable: building the library along, and attributes from outside.
    build.cargo.env("RUSTC_BOOTSTRAP", "1");
    // A module has no `main`. The attribute cannot stand in the source, because an executable has one.
    build.finish(&format!("{package}.wasm"), &["-Zcrate-attr=no_main"])
}

/// The executable, and the compiler's name.
pub(super) fn executable(package: &str) -> Result<(Vec<Vec<u8>>, String)> {
    let mut build = Build::new(package, LINUX)?;
    build.flags(LINUX_FLAGS);
    build.finish(package, &[])
}

struct Build<'a> {
    package: &'a str,
    target: &'static str,
    rustc: PathBuf,
    cargo: Command,
    flags: Vec<OsString>,
}

impl<'a> Build<'a> {
    fn new(package: &'a str, target: &'static str) -> Result<Self> {
        let toolchain = toolchain()?;
        // Its own cargo: names of symbols, and with them the order of functions, are up to cargo, too.
        let mut cargo = cargo::cargo_at(&toolchain.join("bin/cargo"), "rustc")?;
        let rustc = toolchain.join("bin/rustc");
        cargo.args(["--quiet", "--locked", "--profile=contract", "--features=container"]);
        cargo.args(["--package", package, "--bin", package, "--target", target]);
        cargo.arg("--target-dir").arg(folder());
        let mut build = Self { package, target, rustc, cargo, flags: Vec::new() };
        build.flags(FLAGS);
        Ok(build)
    }

    fn flags(&mut self, flags: &[&str]) {
        self.flags.extend(flags.iter().map(OsString::from));
    }

    fn finish(mut self, file: &str, last: &[&str]) -> Result<(Vec<Vec<u8>>, String)> {
        self.hide_paths()?;
        self.cargo.env("RUSTC", &self.rustc);
        self.cargo.env("CARGO_ENCODED_RUSTFLAGS", self.flags.join("\u{1f}".as_ref()));
        process::succeed(self.cargo.arg("--").args(last))?;
        let path = folder().join(self.target).join("contract").join(file);
        let bytes = fs::read(&path).with_context(|| format!("cannot read what was built of {}", self.package))?;
        let version = process::output(Command::new(&self.rustc).arg("--version"))?;
        Ok((vec![bytes], version.split_whitespace().take(2).collect::<Vec<_>>().join(" ")))
    }

    /// Gives paths of this machine other names, in messages of panics and in debug information.
    fn hide_paths(&mut self) -> Result<()> {
        let cargo_home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
        let home = std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cargo"));
        let registry = cargo_home.or(home).context("HOME is not set")?.join("registry/src");
        let mut hidden = vec![(workspace::root().to_owned(), "vm"), (sysroot(&self.rustc)?, "rust")];
        if registry.is_dir() {
            for index in fs::read_dir(registry)? {
                hidden.push((index?.path(), "crates"));
            }
        }
        for (path, name) in hidden {
            let mut flag = OsString::from("--remap-path-prefix=");
            flag.push(path);
            flag.push(format!("=/{name}"));
            self.flags.push(flag);
        }
        Ok(())
    }
}

fn folder() -> PathBuf {
    workspace::target().join("contracts")
}

fn sysroot(rustc: &Path) -> Result<PathBuf> {
    let sysroot = process::output(Command::new(rustc).args(["--print", "sysroot"]))?;
    Ok(sysroot.trim().into())
}

/// The folder of the toolchain that the artefacts are made with.
fn toolchain() -> Result<PathBuf> {
    let found = process::output(Command::new("rustup").args(["which", "--toolchain", TOOLCHAIN, "rustc"]));
    let advice = format!(
        "contracts are built with {COMPILER}, as rustup installs it, so that they are the same on every machine; run \
         `rustup toolchain install {TOOLCHAIN} --profile minimal --component rust-src --target {WASM}`"
    );
    let rustc = PathBuf::from(found.with_context(|| advice.clone())?.trim());
    let version = process::output(Command::new(&rustc).arg("--version"))?;
    ensure!(version.trim() == COMPILER, "{} is {}; {advice}", rustc.display(), version.trim());
    let root = sysroot(&rustc)?;
    for (part, file) in [("rust-src", SOURCE), (WASM, LIBRARY)] {
        ensure!(root.join(file).exists(), "the toolchain in {} lacks {part}; {advice}", root.display());
    }
    Ok(root)
}
