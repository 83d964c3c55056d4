//! What the kernel counts for a container: control groups of version 1, 2, and both at a time (hybrid, where version 1
//! limits and counts).

use std::{
    collections::BTreeSet,
    fs,
    io::ErrorKind,
    iter,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::Duration,
};

use crate::{DockerError, container::Process, folder::file_error};

/// Where control groups are mounted.
const ROOT: &str = "/sys/fs/cgroup";

/// How long a process in a group may take to end that was killed.
const PATIENCE: Duration = Duration::from_secs(5);

/// The control group of one container, which lies at the root of each hierarchy.
#[derive(Debug, Clone)]
pub(crate) struct ControlGroup {
    root: PathBuf,
    id: String,
}

impl ControlGroup {
    pub(crate) fn of(id: &str) -> Self {
        Self::under(Path::new(ROOT), id)
    }

    fn under(root: &Path, id: &str) -> Self {
        Self { root: root.into(), id: id.into() }
    }

    /// Its path inside a hierarchy.
    pub(crate) fn path(&self) -> String {
        format!("/{}", self.id)
    }

    /// The groups at the root of each hierarchy, of whomever.
    pub(crate) fn all() -> Vec<Self> {
        Self::all_under(Path::new(ROOT))
    }

    fn all_under(root: &Path) -> Vec<Self> {
        let folders = hierarchies(root).into_iter().filter_map(|path| fs::read_dir(path).ok()).flatten().flatten();
        let names = folders.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
        let names: BTreeSet<_> = names.filter_map(|entry| entry.file_name().into_string().ok()).collect();
        names.iter().map(|id| Self::under(root, id)).collect()
    }

    /// The name of the container.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// Ends what is in it and removes it: a runc or a shim that was killed leaves both.
    pub(crate) fn remove(&self) -> Result<(), DockerError> {
        let groups = hierarchies(&self.root).into_iter().map(|hierarchy| hierarchy.join(&self.id));
        for path in groups.filter(|path| path.is_dir()) {
            while let Err(source) = fs::remove_dir(&path) {
                match source.kind() {
                    // Something else may be removing it, too.
                    ErrorKind::NotFound => break,
                    ErrorKind::ResourceBusy if self.end(&path) => {}
                    _ => return Err(file_error(&path, source)),
                }
            }
        }
        Ok(())
    }

    /// Ends all processes that are seen in it. False if there are none, or one does not end.
    fn end(&self, path: &Path) -> bool {
        let listed = fs::read_to_string(path.join("cgroup.procs")).unwrap_or_default();
        let processes: Vec<_> =
            listed.lines().filter_map(|line| line.parse().ok()).map(|number| Process::open(number, self)).collect();
        !processes.is_empty() && processes.iter().all(|process| process.end(PATIENCE))
    }

    /// True for a process that can be seen in it.
    pub(crate) fn holds(&self, process: i32) -> bool {
        let groups = fs::read_to_string(format!("/proc/{process}/cgroup")).unwrap_or_default();
        groups.lines().any(|line| line.split(['/', ':']).any(|part| part == self.id))
    }

    /// True if the kernel killed a process of it for its memory.
    pub(crate) fn was_out_of_memory(&self) -> bool {
        let events = self.read("memory", "memory.oom_control", "memory.events");
        events.is_some_and(|events| named(&events, "oom_kill").is_some_and(|kills| kills > 0))
    }

    /// The memory that it occupies, in bytes.
    pub(crate) fn memory(&self) -> Option<u64> {
        self.read("memory", "memory.usage_in_bytes", "memory.current")?.trim().parse().ok()
    }

    /// The processor time that it has used, in microseconds.
    pub(crate) fn cpu(&self) -> Option<u64> {
        if let Some(nanoseconds) = self.read_old("cpuacct", "cpuacct.usage") {
            return nanoseconds.trim().parse::<u64>().ok().map(|nanoseconds| nanoseconds / 1000);
        }
        named(&self.read_new("cpu.stat")?, "usage_usec")
    }

    /// A file of the first version, or its equivalent of the second.
    fn read(&self, controller: &str, old: &str, new: &str) -> Option<String> {
        self.read_old(controller, old).or_else(|| self.read_new(new))
    }

    fn read_old(&self, controller: &str, file: &str) -> Option<String> {
        fs::read_to_string(self.root.join(controller).join(&self.id).join(file)).ok()
    }

    fn read_new(&self, file: &str) -> Option<String> {
        fs::read_to_string(self.root.join(&self.id).join(file)).ok()
    }
}

/// Where the hierarchies are mounted: at the root, or below it.
fn hierarchies(root: &Path) -> Vec<PathBuf> {
    let device = |path: &Path| fs::symlink_metadata(path).map(|data| data.dev()).ok();
    let own = device(root);
    let below = fs::read_dir(root).into_iter().flatten().flatten().map(|entry| entry.path());
    iter::once(root.to_owned()).chain(below.filter(|path| device(path) != own)).collect()
}

/// The number on the line that begins with `name`.
fn named(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.trim().parse().ok())
}

#[cfg(test)]
pub(crate) mod tests {
    use std::process::{Child, Command};

    use super::*;

    /// A tree of version 2 of this kernel, mounted for a test.
    pub(crate) struct Mounted(tempfile::TempDir);

    impl Mounted {
        pub(crate) fn path(&self) -> &Path {
            self.0.path()
        }
    }

    impl Drop for Mounted {
        fn drop(&mut self) {
            assert!(Command::new("umount").arg(self.path()).status().unwrap().success());
        }
    }

    /// `None`, with a printed reason, where it cannot be mounted. Most machines have it, but where version 1 limits and counts memory,
    /// processors and processes, these controllers are not in it, so that no container can run on it there. What every group
    /// has (its processes, the processor time that they use) is real.
    pub(crate) fn mounted() -> Option<Mounted> {
        let folder = tempfile::tempdir().unwrap();
        let done = Command::new("mount").args(["-t", "cgroup2", "none"]).arg(folder.path()).output().unwrap();
        if done.status.success() {
            return Some(Mounted(folder));
        }
        println!("skipped: no cgroup2 can be mounted: {}", String::from_utf8_lossy(&done.stderr).trim());
        None
    }

    /// A group of its own with a process in it that uses the processor.
    struct Busy {
        path: PathBuf,
        process: Child,
    }

    impl Busy {
        fn start(root: &Path, name: &str) -> Self {
            let path = root.join(name);
            fs::create_dir(&path).unwrap();
            let process = Command::new("sh").args(["-c", "while :; do :; done"]).spawn().unwrap();
            fs::write(path.join("cgroup.procs"), process.id().to_string()).unwrap();
            Self { path, process }
        }
    }

    impl Drop for Busy {
        fn drop(&mut self) {
            self.process.kill().unwrap();
            self.process.wait().unwrap();
            fs::remove_dir(&self.path).unwrap();
        }
    }

    #[test]
    fn the_second_version_of_this_kernel_is_read() {
        let Some(tree) = mounted() else { return };
        let name = format!("vm-docker-test-{}", std::process::id());
        let busy = Busy::start(tree.path(), &name);
        let group = ControlGroup::under(tree.path(), &name);
        assert!(group.holds(i32::try_from(busy.process.id()).unwrap()) && !group.holds(1));
        while group.cpu().unwrap() < 10_000 {
            std::thread::yield_now();
        }
        assert!(!group.was_out_of_memory());
        assert_eq!(group.memory().is_some(), busy.path.join("memory.current").exists());
    }

    fn tree(files: &[(&str, &str)]) -> (tempfile::TempDir, ControlGroup) {
        let root = tempfile::tempdir().unwrap();
        for (path, content) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        let group = ControlGroup::under(root.path(), "c");
        (root, group)
    }

    #[test]
    fn both_versions_are_read() {
        let old: [(&str, &str); 3] = [
            ("memory/c/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 1\n"),
            ("memory/c/memory.usage_in_bytes", "4096\n"),
            ("cpuacct/c/cpuacct.usage", "7000999\n"),
        ];
        let new = [
            ("c/memory.events", "low 0\noom 2\noom_kill 1\noom_group_kill 0\n"),
            ("c/memory.current", "4096\n"),
            ("c/cpu.stat", "usage_usec 7000\nuser_usec 1\n"),
        ];
        // In a hybrid machine the second version counts nothing.
        let hybrid = [&old[..], &[("unified/c/cgroup.events", "populated 1\n")]].concat();
        for files in [&old[..], &hybrid, &new] {
            let (_root, group) = tree(files);
            assert!(group.was_out_of_memory());
            assert_eq!((group.memory(), group.cpu()), (Some(4096), Some(7000)));
        }
    }

    #[test]
    fn a_group_is_removed_with_what_is_in_it() {
        let Some(tree) = mounted() else { return };
        let name = format!("vm-docker-empty-{}", std::process::id());
        let mut busy = Busy::start(tree.path(), &name);
        let listed = || ControlGroup::all_under(tree.path()).into_iter().find(|group| group.id() == name);
        let group = listed().unwrap();
        group.remove().unwrap();
        assert!(busy.process.try_wait().unwrap().is_some());
        assert!(listed().is_none());
        group.remove().unwrap();
        fs::create_dir(&busy.path).unwrap();
    }

    #[test]
    fn groups_lie_at_the_root_of_each_hierarchy_and_nowhere_else() {
        let Some(tree) = mounted() else { return };
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("vm-here/vm-below")).unwrap();
        let names: Vec<_> = ControlGroup::all_under(root.path()).iter().map(|group| group.id().to_owned()).collect();
        assert_eq!(names, ["vm-here"]);
        let above = tree.path().parent().unwrap();
        assert!(hierarchies(above).contains(&tree.path().to_owned()));
    }

    #[test]
    fn what_is_not_there_is_not_known() {
        let (_root, group) = tree(&[("c/memory.events", "oom 3\noom_kill 0\n")]);
        assert!(!group.was_out_of_memory());
        let own = i32::try_from(std::process::id()).unwrap();
        assert!(!group.holds(own) && !group.holds(0) && !group.holds(i32::MAX));
        assert_eq!((group.memory(), group.cpu(), group.path().as_str()), (None, None, "/c"));
    }
}
