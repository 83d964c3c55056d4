//! The host's own folder, which shows by a lock whether the host lives.

use std::{
    fs::{self, File, TryLockError},
    io::{self, Read},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use crate::DockerError;

/// Name of the file in a host's folder that is locked while the host lives.
const LOCK: &str = "lock";

/// Bytes of a host folder's name, which is written in hexadecimal digits.
const NAME_BYTES: usize = 6;

/// Folders can be entered by all, so that containers' users reach their sockets, but not listed.
const ENTER_ONLY: u32 = 0o711;

/// A folder for the sockets of one host's containers. It is removed with its content when this is dropped.
#[derive(Debug)]
pub(crate) struct HostFolder {
    path: PathBuf,
    /// A name that no other host has.
    name: String,
    _lock: File,
}

impl HostFolder {
    /// Makes a folder inside `base`.
    pub(crate) fn create(base: &Path) -> Result<Self, DockerError> {
        make_folder(base)?;
        loop {
            let name = random_name().map_err(|source| file_error(Path::new("/dev/urandom"), source))?;
            let path = base.join(&name);
            make_folder(&path)?;
            let lock = path.join(LOCK);
            let file = File::create(&lock).map_err(|source| file_error(&lock, source))?;
            // Another host may take the folder for a dead one's before it is locked.
            if file.try_lock().is_ok() && lock.exists() {
                return Ok(Self { path, name, _lock: file });
            }
        }
    }

    /// Removes it now.
    pub(crate) fn remove(&self) {
        // Nobody is there to be told; the next host's start tries again.
        let _ = fs::remove_dir_all(&self.path);
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Makes a folder in it, for one container.
    pub(crate) fn subfolder(&self, name: &str) -> Result<PathBuf, DockerError> {
        let path = self.path.join(name);
        make_folder(&path)?;
        Ok(path)
    }
}

impl Drop for HostFolder {
    fn drop(&mut self) {
        self.remove();
    }
}

/// True if a folder is one that a host makes in `base`, by its path.
pub(crate) fn is_host_folder(base: &Path, folder: &Path) -> bool {
    let name = folder.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let own = name.len() == 2 * NAME_BYTES && name.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    // Compared as it is written: `..` in it would lead elsewhere.
    own && folder.as_os_str() == base.join(name).as_os_str()
}

/// The lock of a folder whose host is dead, or `None` if it lives. A folder that is gone has no host.
pub(crate) fn lock_of_dead(folder: &Path) -> Option<DeadFolder> {
    match File::open(folder.join(LOCK)) {
        Ok(file) => match file.try_lock() {
            Ok(()) => Some(DeadFolder { path: folder.into(), _lock: Some(file) }),
            Err(TryLockError::WouldBlock | TryLockError::Error(_)) => None,
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Some(DeadFolder { path: folder.into(), _lock: None }),
        Err(_) => None,
    }
}

/// The folder of a host that is dead.
#[derive(Debug)]
pub(crate) struct DeadFolder {
    path: PathBuf,
    _lock: Option<File>,
}

impl DeadFolder {
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Removes it.
    pub(crate) fn remove(self) {
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// The folders of dead hosts in `base`.
pub(crate) fn dead_folders(base: &Path) -> Vec<DeadFolder> {
    let Ok(entries) = fs::read_dir(base) else { return Vec::new() };
    entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| is_host_folder(base, path) && path.join(LOCK).exists())
        .filter_map(|path| lock_of_dead(&path))
        .collect()
}

/// Makes a folder that can be entered but not listed.
pub(crate) fn make_folder(path: &Path) -> Result<(), DockerError> {
    if path.is_dir() {
        return Ok(());
    }
    fs::create_dir_all(path)
        .and_then(|()| fs::set_permissions(path, fs::Permissions::from_mode(ENTER_ONLY)))
        .map_err(|source| file_error(path, source))
}

pub(crate) fn file_error(path: &Path, source: io::Error) -> DockerError {
    DockerError::File { path: path.into(), source }
}

fn random_name() -> io::Result<String> {
    let mut bytes = [0; NAME_BYTES];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(hex::encode(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_a_hosts_only_in_the_own_folder() {
        let base = Path::new("/run/vm");
        assert!(is_host_folder(base, Path::new("/run/vm/0123456789ab")));
        for other in [
            "/",
            "/run/vm",
            "/run/vm/..",
            "/home",
            "/run/vm/0123456789ab/..",
            "/run/vm/0123456789AB",
            "/tmp/0123456789ab",
        ] {
            assert!(!is_host_folder(base, Path::new(other)), "{other}");
        }
        assert!(!is_host_folder(base, Path::new("/run/vm/x/../0123456789ab")));
    }

    #[test]
    fn a_living_host_keeps_its_folder_and_a_dead_one_loses_it() {
        let base = tempfile::tempdir().unwrap();
        let living = HostFolder::create(base.path()).unwrap();
        assert!(lock_of_dead(living.path()).is_none());

        let (dead, strange) = (base.path().join("0123456789ab"), base.path().join("else"));
        for folder in [&dead, &strange] {
            fs::create_dir(folder).unwrap();
            File::create(folder.join(LOCK)).unwrap();
        }
        for folder in dead_folders(base.path()) {
            folder.remove();
        }
        assert!(!dead.exists() && living.path().exists());
        assert!(strange.exists(), "it is no host's, whatever is in it");

        let path = living.path().to_owned();
        drop(living);
        assert!(!path.exists());
        assert!(lock_of_dead(&path).is_some(), "a folder that is gone has no host");
    }
}
