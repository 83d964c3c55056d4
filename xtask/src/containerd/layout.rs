//! The files of one private containerd.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result};
use toml::{Table, Value};

use crate::workspace;

/// The longest path that a unix socket can have, without the final zero.
const SOCKET_PATH: usize = 107;
/// The longest name that containerd appends to its socket's path.
const TTRPC_SUFFIX: &str = ".ttrpc";
/// Name of the folder for many runs: under `target`, or under the temporary folder with this as prefix.
const NAME: &str = "vm-containerd";
/// What of containerd is not needed: it would cost start-up time, or write outside of the folder.
const UNUSED_PLUGINS: [&str; 8] = [
    "io.containerd.grpc.v1.cri",
    "io.containerd.internal.v1.opt",
    "io.containerd.internal.v1.tracing",
    "io.containerd.tracing.processor.v1.otlp",
    "io.containerd.snapshotter.v1.aufs",
    "io.containerd.snapshotter.v1.btrfs",
    "io.containerd.snapshotter.v1.devmapper",
    "io.containerd.snapshotter.v1.zfs",
];

/// One folder that holds everything of one containerd.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Layout {
    dir: PathBuf,
}

impl Layout {
    /// A new folder, with the lock that keeps other runs from removing it: under `target`, or under
    /// the temporary folder where the path would be too long for a socket, or closed to the
    /// unprivileged users that containers run as.
    pub(super) fn create() -> Result<(Self, File)> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("{}-{count}", std::process::id());
        let target = workspace::target();
        let mut layout = Self::in_target(&target, &name);
        if !layout.fits_a_socket() || !open_to_all(&target) {
            layout = Self::in_temp(&std::env::temp_dir(), &name);
        }
        let lock = layout.create_locked().with_context(|| format!("cannot create {}", layout.dir.display()))?;
        Ok((layout, lock))
    }

    /// The folder gets its name once it is locked: whoever finds it finds it locked.
    fn create_locked(&self) -> io::Result<File> {
        let hidden = Self { dir: self.dir.with_extension("new") };
        fs::create_dir_all(&hidden.dir)?;
        let lock = File::create(hidden.lock())?;
        lock.lock()?;
        fs::rename(hidden.dir, &self.dir)?;
        Ok(lock)
    }

    /// The folders of all runs that did not clean up, or are still running.
    pub(super) fn existing() -> Vec<Self> {
        let in_target = subfolders(&workspace::target().join(NAME), "");
        let in_temp = subfolders(&std::env::temp_dir(), &format!("{NAME}-"));
        in_target.into_iter().chain(in_temp).map(|dir| Self { dir }).collect()
    }

    fn in_target(target: &Path, name: &str) -> Self {
        Self { dir: target.join(NAME).join(name) }
    }

    fn in_temp(temp: &Path, name: &str) -> Self {
        Self { dir: temp.join(format!("{NAME}-{name}")) }
    }

    fn fits_a_socket(&self) -> bool {
        self.socket().as_os_str().len() + TTRPC_SUFFIX.len() <= SOCKET_PATH
    }

    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(super) fn socket(&self) -> PathBuf {
        self.dir.join("containerd.sock")
    }

    pub(super) fn state(&self) -> PathBuf {
        self.dir.join("state")
    }

    pub(super) fn config(&self) -> PathBuf {
        self.dir.join("config.toml")
    }

    pub(super) fn log(&self) -> PathBuf {
        self.dir.join("containerd.log")
    }

    /// Held locked by the process that runs this containerd.
    pub(super) fn lock(&self) -> PathBuf {
        self.dir.join("lock")
    }

    /// containerd's configuration file.
    pub(super) fn configuration(&self) -> String {
        let mut ttrpc = self.socket().into_os_string();
        ttrpc.push(TTRPC_SUFFIX);
        let table = |entries: Vec<(&str, Value)>| -> Table {
            entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
        };
        let disabled = UNUSED_PLUGINS.map(Value::from).to_vec();
        table(vec![
            ("version", 2.into()),
            ("root", text(&self.dir.join("root"))),
            ("state", text(&self.state())),
            ("disabled_plugins", disabled.into()),
            ("grpc", table(vec![("address", text(&self.socket()))]).into()),
            ("ttrpc", table(vec![("address", text(Path::new(&ttrpc)))]).into()),
            ("debug", table(vec![("level", "warn".into())]).into()),
        ])
        .to_string()
    }

    /// The last lines that containerd wrote.
    pub(super) fn log_tail(&self) -> String {
        let log = fs::read_to_string(self.log()).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines.iter().skip(lines.len().saturating_sub(8)).copied().collect::<Vec<_>>().join("\n")
    }

    /// Removes the folder; keeps the log as `target/vm-containerd.log`.
    pub(super) fn remove(&self) -> io::Result<()> {
        let _no_log = fs::copy(self.log(), workspace::target().join(NAME).with_extension("log"));
        match fs::remove_dir_all(&self.dir) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

fn text(path: &Path) -> Value {
    path.to_string_lossy().into_owned().into()
}

/// Whether everyone may pass through a folder and all folders above it.
fn open_to_all(dir: &Path) -> bool {
    let passable = |dir: &Path| fs::metadata(dir).is_ok_and(|dir| dir.permissions().mode() & 1 == 1);
    dir.ancestors().all(passable)
}

fn subfolders(dir: &Path, prefix: &str) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(dir) else {
        return Vec::new();
    };
    entries
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(prefix))
        .map(|entry| entry.path())
        .filter(|path| path.is_dir() && path.extension().is_none())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_target_holds_the_socket_and_a_long_one_cannot() {
        let layout = Layout::in_target(Path::new("/src/vm/target"), "42-0");
        assert_eq!(layout.socket(), Path::new("/src/vm/target/vm-containerd/42-0/containerd.sock"));
        assert!(layout.fits_a_socket());
        assert!(!Layout::in_target(Path::new(&"/long".repeat(20)), "42-0").fits_a_socket());
        assert!(Layout::in_temp(Path::new("/tmp"), "4294967295-0").fits_a_socket());
    }

    #[test]
    fn a_private_folder_closes_all_folders_below() {
        let private = tempfile::tempdir().unwrap();
        fs::set_permissions(private.path(), fs::Permissions::from_mode(0o700)).unwrap();
        fs::create_dir(private.path().join("inner")).unwrap();
        assert!(!open_to_all(&private.path().join("inner")));
        assert!(open_to_all(Path::new("/")));
    }

    #[test]
    fn the_configuration_keeps_to_the_folder() {
        let layout = Layout::in_target(Path::new("/t \"x\""), "7-0");
        let config: Table = layout.configuration().parse().unwrap();
        let inside = |value: &Value| value.as_str().unwrap().starts_with("/t \"x\"/vm-containerd/7-0/");
        assert!(inside(&config["root"]) && inside(&config["state"]));
        assert!(inside(&config["grpc"]["address"]) && inside(&config["ttrpc"]["address"]));
        assert_eq!(config["grpc"]["address"].as_str().unwrap(), layout.socket().to_str().unwrap());
    }
}
