//! `cargo xtask python`: an image of a contract in Python, out of Debian's packages and `sdk/python`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::setup::{self, Need};
use crate::terminal::{self, Step};
use crate::{process, workspace};

/// Options of `cargo xtask python`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The contract, a program that calls `vm_sdk.serve`
    contract: PathBuf,
    /// The image archive to write
    image: PathBuf,
}

/// The contract that tests run on every runtime.
const PROBE: &str = "sdk/python/examples/probe.py";

/// What of the packages no contract needs: texts for people, tables of character sets.
const LEFT_OUT: [&str; 4] = ["usr/share", "usr/lib/locale", "etc", "usr/lib/x86_64-linux-gnu/gconv"];

/// The first bytes of what this machine's packages call themselves.
const ARCHITECTURE: &str = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };

/// Builds an image.
pub(crate) fn run(args: &Args) -> Result<()> {
    let step = Step::new(format!("building an image of {}", args.contract.display()));
    build(&args.contract, &args.image)?;
    step.done();
    let size = fs::metadata(&args.image)?.len();
    println!("{}: {} kB", args.image.display(), size / 1000);
    Ok(())
}

/// The probe's image, for tests: built unless it is there. As root on a Debian-like system it has to be; elsewhere there may be none, and
/// the tests say so.
pub(crate) fn provide() -> Result<Option<PathBuf>> {
    let (image, stamp) = (folder().join("probe.tar"), folder().join("inputs"));
    let inputs = inputs()?;
    if image.is_file() && fs::read_to_string(&stamp).is_ok_and(|done| done == inputs) {
        return Ok(Some(image));
    }
    let step = Step::new("building an image of the probe in Python");
    let build = || build(&workspace::root().join(PROBE), &image);
    let built = build().or_else(|error| match setup::can_install() {
        // apt may know nothing yet, or packages that are there no more.
        true => setup::refresh().and_then(|()| build()).with_context(|| format!("at first: {error:#}")),
        false => Err(error),
    });
    match built {
        Ok(()) => {
            fs::write(&stamp, inputs)?;
            step.done();
            Ok(Some(image))
        }
        Err(error) => {
            let need = if setup::can_install() { Need::Required } else { Need::Wished };
            need.weigh(error, "there is no image for tests with contracts in Python")?;
            Ok(None)
        }
    }
}

fn build(contract: &Path, image: &Path) -> Result<()> {
    let work = folder().join("work");
    let _absent = fs::remove_dir_all(&work);
    let root = work.join("root");
    fs::create_dir_all(root.join("app"))?;
    let python = unpack(&root)?;
    for path in LEFT_OUT {
        let _absent = fs::remove_dir_all(root.join(path));
    }
    let sdk = workspace::root().join("sdk/python/vm_sdk");
    fs::create_dir_all(root.join("app/vm_sdk"))?;
    for file in sources(&sdk)? {
        let name = file.file_name().context("a file without a name")?;
        fs::copy(&file, root.join("app/vm_sdk").join(name))?;
    }
    let copied = fs::copy(contract, root.join("app/contract.py"));
    copied.with_context(|| format!("cannot read {}", contract.display()))?;

    let layer = work.join("layer.tar");
    tar(&root, &layer)?;
    let layout = work.join("layout");
    write_layout(&layout, &fs::read(&layer)?, &python)?;
    tar(&layout, image)?;
    Ok(fs::remove_dir_all(work)?)
}

/// Unpacks Python and the libraries that it needs; the name of its program.
fn unpack(root: &Path) -> Result<String> {
    let depends = process::output(Command::new("apt-cache").args(["depends", "python3-minimal"]));
    let depends = depends.context("cannot ask apt for Python; images need a Debian-like system")?;
    let python = depends.lines().find_map(|line| line.split_once("Depends: ")?.1.strip_suffix("-minimal"));
    let python = python.filter(|name| name.starts_with("python3.")).context("apt knows no python3-minimal")?.to_owned();
    let packages = [
        format!("{python}-minimal"),
        format!("lib{python}-minimal"),
        "libc6".into(),
        "libexpat1".into(),
        "zlib1g".into(),
    ];
    let kept = folder().join("packages");
    fs::create_dir_all(&kept)?;
    for package in &packages {
        let deb = match find_package(&kept, package)? {
            Some(deb) => deb,
            None => {
                let mut download = Command::new("apt-get");
                download.args(["-o", "APT::Sandbox::User=root", "download", package]).current_dir(&kept);
                process::output(&mut download)?;
                find_package(&kept, package)?.with_context(|| format!("apt-get downloaded no {package}"))?
            }
        };
        process::succeed(Command::new("dpkg-deb").arg("-x").arg(deb).arg(root))?;
    }
    // Where all libraries lie below /usr, the path of the loader is a link that belongs to no package.
    for folder in ["lib", "lib64"] {
        if !root.join(folder).exists() && root.join("usr").join(folder).exists() {
            std::os::unix::fs::symlink(format!("usr/{folder}"), root.join(folder))?;
        }
    }
    Ok(python)
}

fn find_package(folder: &Path, package: &str) -> Result<Option<PathBuf>> {
    let start = format!("{package}_");
    let found = fs::read_dir(folder)?.flatten().find(|entry| entry.file_name().to_string_lossy().starts_with(&start));
    Ok(found.map(|entry| entry.path()))
}

/// An archive that depends on the files alone, not on when and by whom they were made.
fn tar(folder: &Path, archive: &Path) -> Result<()> {
    let mut tar = Command::new("tar");
    tar.args([
        "--format=ustar",
        "--sort=name",
        "--mtime=@0",
        "--owner=0",
        "--group=0",
        "--numeric-owner",
        "--mode=go=rX,u+w",
    ]);
    process::succeed(tar.arg("-C").arg(folder).arg("-cf").arg(std::path::absolute(archive)?).arg("."))
}

/// An OCI image layout of one layer.
fn write_layout(layout: &Path, layer: &[u8], python: &str) -> Result<()> {
    let blobs = layout.join("blobs/sha256");
    fs::create_dir_all(&blobs)?;
    let blob = |media_type: &str, content: &[u8]| -> Result<Value> {
        let hash = hex::encode(Sha256::digest(content));
        fs::write(blobs.join(&hash), content)?;
        let media_type = format!("application/vnd.oci.image.{media_type}");
        Ok(json!({ "mediaType": media_type, "digest": format!("sha256:{hash}"), "size": content.len() }))
    };
    let layer = blob("layer.v1.tar", layer)?;
    let diff_id = layer.get("digest");
    let config = json!({
        "architecture": ARCHITECTURE,
        "os": "linux",
        "config": {
            "Entrypoint": [format!("/usr/bin/{python}"), "/app/contract.py"],
            // The order of sets of texts is the same in every process.
            "Env": ["PYTHONHASHSEED=0", "PYTHONUTF8=1", "PYTHONDONTWRITEBYTECODE=1"],
        },
        "rootfs": { "type": "layers", "diff_ids": [diff_id] },
    });
    let config = blob("config.v1+json", config.to_string().as_bytes())?;
    let manifest = json!({ "schemaVersion": 2, "config": config, "layers": [layer] });
    let manifest = blob("manifest.v1+json", manifest.to_string().as_bytes())?;
    fs::write(layout.join("index.json"), json!({ "schemaVersion": 2, "manifests": [manifest] }).to_string())?;
    fs::write(layout.join("oci-layout"), json!({ "imageLayoutVersion": "1.0.0" }).to_string())?;
    Ok(())
}

/// A hash over all that the probe's image is made of, but for the packages, which stay until the folder is removed.
fn inputs() -> Result<String> {
    let mut files = sources(&workspace::root().join("sdk/python/vm_sdk"))?;
    files.extend([workspace::root().join(PROBE), workspace::root().join("xtask/src/python.rs")]);
    let mut hash = Sha256::new();
    for file in files {
        hash.update(Sha256::digest(fs::read(file)?));
    }
    Ok(hex::encode(hash.finalize()))
}

fn sources(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut files: Vec<_> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "py"))
        .collect();
    files.sort();
    ensure!(!files.is_empty(), "{} has no Python", folder.display());
    Ok(files)
}

fn folder() -> PathBuf {
    workspace::target().join("python")
}

/// Runs the SDK's own tests, where there is a Python.
pub(crate) fn test() -> Result<()> {
    if process::output(Command::new("python3").arg("--version")).is_err() {
        terminal::warn("the tests of sdk/python are skipped: python3 is not installed");
        return Ok(());
    }
    let step = Step::new("testing sdk/python");
    let mut tests = Command::new("python3");
    tests.args(["-m", "unittest", "discover", "-s", "sdk/python/tests"]).current_dir(workspace::root());
    process::succeed(tests.env("PYTHONDONTWRITEBYTECODE", "1"))?;
    step.done();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layout_names_its_blobs_by_their_hashes() {
        let folder = tempfile::tempdir().unwrap();
        write_layout(folder.path(), b"layer", "python3.11").unwrap();
        let read = |path: &str| fs::read(folder.path().join(path)).unwrap();
        let index: Value = serde_json::from_slice(&read("index.json")).unwrap();
        let mut descriptors = vec![index["manifests"][0].clone()];
        let path = |entry: &Value| entry["digest"].as_str().unwrap().replace("sha256:", "blobs/sha256/");
        let manifest: Value = serde_json::from_slice(&read(&path(&descriptors[0]))).unwrap();
        descriptors.extend([manifest["config"].clone(), manifest["layers"][0].clone()]);
        for entry in &descriptors {
            let content = read(&path(entry));
            assert_eq!(path(entry), format!("blobs/sha256/{}", hex::encode(Sha256::digest(&content))));
            assert_eq!(entry["size"], content.len());
        }
        let config: Value = serde_json::from_slice(&read(&path(&descriptors[1]))).unwrap();
        assert_eq!(config["rootfs"]["diff_ids"][0], descriptors[2]["digest"]);
    }

    #[test]
    fn the_sdk_is_found() {
        assert!(inputs().unwrap().len() == 64);
    }
}
