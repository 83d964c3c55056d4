//! The host's own folder, which shows by a lock whether the host lives.

use std::{
    fmt,
    fs::{self, File},
    io::{self, Read, Write},
    os::unix::{ffi::OsStrExt, fs::PermissionsExt},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use crate::{DockerConfig, DockerError};

/// Name of the file in a host's folder that is locked while the host lives. It tells the [`Scope`] of the host.
const LOCK: &str = "lock";

/// Name of the file in a dead host's folder by which hosts that start note when they last found things of it.
const LOOKED: &str = "looked";

/// Ends what a lock file tells.
const END: u8 = 0;

/// Bytes of a host folder's name, which is written in hexadecimal digits.
const NAME_BYTES: usize = 6;

/// Folders can be entered by all, so that containers' users reach their sockets, but not listed.
const ENTER_ONLY: u32 = 0o711;

/// Where a host makes things: a containerd, and a name space in it. Hosts of several may have their folders side by side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Scope {
    address: PathBuf,
    namespace: String,
}

impl Scope {
    pub(crate) fn of(config: &DockerConfig) -> Self {
        Self::new(&config.address, &config.namespace)
    }

    pub(crate) fn new(address: &Path, namespace: &str) -> Self {
        // Whoever names it by another path means the same one.
        let address = address.canonicalize().unwrap_or_else(|_| address.into());
        Self { address, namespace: namespace.into() }
    }

    /// True for what the lock file of a host of this scope tells, or of one that died before it told, when it had made nothing.
    fn covers(&self, told: &[u8]) -> bool {
        told.last() != Some(&END) || told == self.told()
    }

    /// Name spaces have no line feeds.
    fn told(&self) -> Vec<u8> {
        [self.namespace.as_bytes(), b"\n", self.address.as_os_str().as_bytes(), &[END]].concat()
    }
}

/// A folder for the sockets of one host's containers. It is removed with its content when this is dropped.
#[derive(Debug)]
pub(crate) struct HostFolder {
    path: PathBuf,
    /// A name that no other host has.
    name: String,
    /// `None` once it was left.
    lock: Mutex<Option<File>>,
}

impl HostFolder {
    /// Makes a folder inside `base`, for a host that makes things in `scope`.
    pub(crate) fn create(base: &Path, scope: &Scope) -> Result<Self, DockerError> {
        make_folder(base)?;
        loop {
            let name = random_name().map_err(|source| file_error(Path::new("/dev/urandom"), source))?;
            let path = base.join(&name);
            make_folder(&path)?;
            let lock = path.join(LOCK);
            let mut file = File::create(&lock).map_err(|source| file_error(&lock, source))?;
            // Another host may take the folder for a dead one's before it is locked.
            if file.try_lock().is_ok() && lock.exists() {
                file.write_all(&scope.told()).map_err(|source| file_error(&lock, source))?;
                return Ok(Self { path, name, lock: Mutex::new(Some(file)) });
            }
        }
    }

    /// Removes it now.
    pub(crate) fn remove(&self) {
        // Nobody is there to be told; the next host's start tries again.
        let _ = fs::remove_dir_all(&self.path);
    }

    /// Leaves it as that of a dead host: the next start removes what it names.
    pub(crate) fn leave(&self) {
        *self.lock.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// What tells whose a thing in containerd is.
    pub(crate) fn owner(&self) -> Owner {
        Owner { boot: boot(), folder: self.path.clone() }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The name as a number.
    pub(crate) fn number(&self) -> u64 {
        u64::from_str_radix(&self.name, 16).unwrap_or(0)
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
        if self.lock.get_mut().unwrap_or_else(PoisonError::into_inner).is_some() {
            self.remove();
        }
    }
}

/// Who made something in containerd, as its label says: a host's folder, and since when the machine ran.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Owner {
    boot: String,
    folder: PathBuf,
}

/// What is known about an owner.
#[derive(Debug)]
pub(crate) enum Fate {
    /// It lives, or did when the dead were looked for.
    Lives,
    /// Nobody can use what it made any more.
    Dead,
    /// Its folder is not as hosts leave it: another folder for sockets, another view of the file system, a lost lock.
    Unknown,
}

impl Owner {
    /// The owner that a label names; `None` if no host wrote it.
    pub(crate) fn read(label: &str) -> Option<Self> {
        let (boot, folder) = label.split_once(' ')?;
        let folder = PathBuf::from(folder);
        (!boot.is_empty() && folder.is_absolute()).then(|| Self { boot: boot.into(), folder })
    }

    /// Whether the owner lives, for a host whose own folder is in `base`, where these were the dead before it was looked for what
    /// they had made. A label is no proof: only a folder in `base` that looks as hosts make them, with its lock, is taken for one.
    pub(crate) fn fate(&self, base: &Path, dead: &[DeadFolder]) -> Fate {
        match lives(&self.folder, dead) {
            _ if dead.iter().any(|dead| dead.path == self.folder) => Fate::Dead,
            true if is_host_folder(base, &self.folder) => Fate::Lives,
            // What was made before the machine started has no process, whoever made it.
            _ if self.boot != boot() => Fate::Dead,
            _ => Fate::Unknown,
        }
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.boot, self.folder.display())
    }
}

/// The folder of a host that is dead.
#[derive(Debug)]
pub(crate) struct DeadFolder {
    path: PathBuf,
    /// What its lock file tells.
    told: Vec<u8>,
    /// Shared with other hosts that look for the dead at the same time.
    _lock: File,
}

impl DeadFolder {
    /// True unless its host made things in another scope: then it tells those who start there whose these are.
    pub(crate) fn is_of(&self, scope: &Scope) -> bool {
        scope.covers(&self.told)
    }

    /// Notes that a host of `scope` has just found things of the dead one, or is the first that looks for them.
    pub(crate) fn note(&self, scope: &Scope) {
        // Without a note the next look is the first one.
        let _ = fs::write(self.path.join(LOOKED), scope.told());
    }

    /// How long ago a host of `scope` has noted that; `None` if none has.
    pub(crate) fn noted(&self, scope: &Scope) -> Option<Duration> {
        let note = self.path.join(LOOKED);
        let by = fs::read(&note).ok()?;
        let since = fs::metadata(&note).and_then(|data| data.modified()).ok()?;
        (by == scope.told()).then(|| since.elapsed().unwrap_or_default())
    }

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
        .filter(|path| is_host_folder(base, path))
        .filter_map(dead_folder)
        .collect()
}

/// A folder whose lock file nobody holds.
fn dead_folder(path: PathBuf) -> Option<DeadFolder> {
    let mut lock = File::open(path.join(LOCK)).ok()?;
    lock.try_lock_shared().ok()?;
    let mut told = Vec::new();
    lock.read_to_end(&mut told).ok()?;
    Some(DeadFolder { path, told, _lock: lock })
}

/// True for the folder of a host that lives, or did when these were the dead.
pub(crate) fn lives(folder: &Path, dead: &[DeadFolder]) -> bool {
    folder.join(LOCK).exists() && !dead.iter().any(|dead| dead.path == folder)
}

/// The folder in `base` of the host that has made a container of this name, if one did.
pub(crate) fn host_of(base: &Path, container: &str) -> Option<PathBuf> {
    let (name, number) = container.strip_prefix("vm-")?.split_once('-')?;
    let folder = base.join(name);
    (number.parse::<u64>().is_ok() && is_host_folder(base, &folder)).then_some(folder)
}

/// True if a folder is one that a host makes in `base`, by its path.
fn is_host_folder(base: &Path, folder: &Path) -> bool {
    let name = folder.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let own = name.len() == 2 * NAME_BYTES && name.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    // Compared as it is written: `..` in it would lead elsewhere.
    own && folder.as_os_str() == base.join(name).as_os_str()
}

/// A name that the machine has until it is started again.
fn boot() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    if name.trim().is_empty() { "unknown".into() } else { name.trim().into() }
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

    fn owner(folder: &Path) -> Owner {
        Owner { boot: boot(), folder: folder.into() }
    }

    fn scope(namespace: &str) -> Scope {
        Scope { address: "/run/containerd.sock".into(), namespace: namespace.into() }
    }

    fn fate(owner: &Owner, base: &Path) -> Fate {
        owner.fate(base, &dead_folders(base))
    }

    /// A folder as a host leaves it that was killed before it had made anything.
    fn dead_host(base: &Path) -> PathBuf {
        let folder = base.join("0123456789ab");
        fs::create_dir(&folder).unwrap();
        File::create(folder.join(LOCK)).unwrap();
        folder
    }

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
        let living = HostFolder::create(base.path(), &scope("vm")).unwrap();
        assert!(matches!(fate(&living.owner(), base.path()), Fate::Lives));
        assert_eq!(Owner::read(&living.owner().to_string()), Some(living.owner()));

        let dead = dead_host(base.path());
        assert!(matches!(fate(&owner(&dead), base.path()), Fate::Dead));
        for folder in dead_folders(base.path()) {
            assert!(folder.is_of(&scope("vm")) && folder.is_of(&scope("other")), "it has made nothing");
            folder.remove();
        }
        assert!(!dead.exists() && living.path().exists());

        let path = living.path().to_owned();
        drop(living);
        assert!(!path.exists());
        assert!(matches!(fate(&owner(&path), base.path()), Fate::Unknown), "it may be out of sight");
        let earlier = Owner { boot: "earlier".into(), folder: path };
        assert!(matches!(fate(&earlier, base.path()), Fate::Dead), "the machine was started again");
    }

    #[test]
    fn a_folder_that_was_left_stays_for_the_next_start() {
        let base = tempfile::tempdir().unwrap();
        let folder = HostFolder::create(base.path(), &scope("vm")).unwrap();
        let owner = folder.owner();
        folder.leave();
        drop(folder);
        assert!(matches!(fate(&owner, base.path()), Fate::Dead));
        let dead = dead_folders(base.path());
        assert!(dead[0].is_of(&scope("vm")) && !dead[0].is_of(&scope("other")));
        let elsewhere = Scope { address: "/run/another.sock".into(), ..scope("vm") };
        assert!(!dead[0].is_of(&elsewhere));
    }

    #[test]
    fn a_containerd_is_the_same_by_whatever_path() {
        let base = tempfile::tempdir().unwrap();
        let (real, link) = (base.path().join("run"), base.path().join("var-run"));
        fs::create_dir(&real).unwrap();
        fs::write(real.join("c.sock"), "").unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        let scope =
            |folder: &Path, name| Scope::of(&DockerConfig { address: folder.join(name), ..DockerConfig::default() });
        assert_eq!(scope(&real, "c.sock"), scope(&link, "c.sock"));
        assert_ne!(scope(&real, "c.sock"), scope(&real, "d.sock"));
    }

    #[test]
    fn what_is_noted_of_a_dead_host_counts_for_its_scope() {
        let base = tempfile::tempdir().unwrap();
        let path = dead_host(base.path());
        let dead = dead_folders(base.path());
        assert_eq!(dead[0].noted(&scope("vm")), None);
        dead[0].note(&scope("vm"));
        assert!(dead[0].noted(&scope("vm")).unwrap() < Duration::from_secs(60));
        assert_eq!(dead[0].noted(&scope("other")), None);
        let note = File::options().append(true).open(path.join(LOOKED)).unwrap();
        note.set_modified(note.metadata().unwrap().modified().unwrap() - Duration::from_secs(60)).unwrap();
        assert!(dead[0].noted(&scope("vm")).unwrap() >= Duration::from_secs(60));
    }

    /// What it has made since is not in the list: its folder has to stay until it was listed anew.
    #[test]
    fn who_dies_after_the_dead_were_looked_for_is_taken_for_living() {
        let base = tempfile::tempdir().unwrap();
        let folder = HostFolder::create(base.path(), &scope("vm")).unwrap();
        let dead = dead_folders(base.path());
        folder.leave();
        assert!(matches!(folder.owner().fate(base.path(), &dead), Fate::Lives));
    }

    #[test]
    fn the_name_of_a_container_tells_its_host() {
        let base = Path::new("/run/vm");
        assert_eq!(host_of(base, "vm-0123456789ab-7"), Some(base.join("0123456789ab")));
        for other in ["redis", "vm-", "vm-7", "vm-0123456789ab", "vm-0123456789ab-x", "vm-..-7", "vm-0123456789AB-7"] {
            assert_eq!(host_of(base, other), None, "{other}");
        }
    }

    #[test]
    fn what_no_host_made_is_not_removed() {
        let base = tempfile::tempdir().unwrap();
        let elsewhere = tempfile::tempdir().unwrap();
        for (folder, earlier) in [(base.path().join("other"), false), (elsewhere.path().join("0123456789ab"), true)] {
            fs::create_dir(&folder).unwrap();
            File::create(folder.join(LOCK)).unwrap();
            let boot = if earlier { "earlier".into() } else { boot() };
            match fate(&Owner { boot, folder: folder.clone() }, base.path()) {
                Fate::Dead => assert!(earlier),
                fate => assert!(!earlier && matches!(fate, Fate::Unknown)),
            }
            assert!(folder.exists());
        }
        assert!(dead_folders(base.path()).is_empty());
        for label in ["", "/home", " /home", "boot home", "boot"] {
            assert_eq!(Owner::read(label), None, "{label}");
        }
    }
}
