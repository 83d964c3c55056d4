//! Whether memory that is swapped out counts as a container's.

use std::{fs, path::Path};

/// What a machine does about swap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Swap {
    /// A limit of memory can include it.
    Counted,
    /// It is not counted, and there is none. runc starts no container that is given a limit of it.
    Absent,
    /// There is some that no limit includes.
    Uncounted,
}

impl Swap {
    /// What this machine does.
    pub(crate) fn here() -> Self {
        Self::read(Path::new("/sys/fs/cgroup"), Path::new("/proc/swaps"))
    }

    /// From the control groups, and the kernel's list of swap areas under its heading.
    pub(crate) fn read(groups: &Path, areas: &Path) -> Self {
        let counted = match groups.join("cgroup.controllers").exists() {
            // The root has no limits itself.
            true => {
                let below = fs::read_dir(groups).into_iter().flatten().flatten().map(|entry| entry.path());
                let mut limited = below.filter(|group| group.join("memory.max").exists());
                limited.next().is_none_or(|group| group.join("memory.swap.max").exists())
            }
            false => groups.join("memory/memory.memsw.limit_in_bytes").exists(),
        };
        match counted {
            true => Self::Counted,
            false if fs::read_to_string(areas).is_ok_and(|areas| areas.lines().count() <= 1) => Self::Absent,
            false => Self::Uncounted,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn swap_is_looked_for_where_each_version_of_control_groups_has_it() {
        let tree = tempfile::tempdir().unwrap();
        let (groups, areas) = (tree.path().join("cgroup"), tree.path().join("swaps"));
        fs::create_dir_all(groups.join("memory")).unwrap();
        fs::write(&areas, "Filename Type Size Used Priority\n").unwrap();
        let found = || Swap::read(&groups, &areas);
        assert_eq!(found(), Swap::Absent);
        fs::write(groups.join("memory/memory.memsw.limit_in_bytes"), "").unwrap();
        assert_eq!(found(), Swap::Counted);

        // Version 2: no group below tells, then one does.
        fs::write(groups.join("cgroup.controllers"), "memory\n").unwrap();
        assert_eq!(found(), Swap::Counted);
        let group = groups.join("system.slice");
        fs::create_dir(&group).unwrap();
        fs::write(group.join("memory.max"), "max\n").unwrap();
        assert_eq!(found(), Swap::Absent);
        fs::write(&areas, "Filename Type Size Used Priority\n/dev/sda2 partition 1 0 -2\n").unwrap();
        assert_eq!(found(), Swap::Uncounted);
        fs::write(group.join("memory.swap.max"), "max\n").unwrap();
        assert_eq!(found(), Swap::Counted);
    }
}
