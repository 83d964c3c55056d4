//! The files of an image's layers on top of each other, as far as it takes to find its entry point.
//!
//! Paths are kept as hashes and the targets of links up to a bound, so that a large image takes little memory. What cannot be told is
//! not refused: the container's start shows it.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest as _, Sha256};
use tar::{EntryType, Header};

/// Most bytes that the targets of symbolic links have together.
const TARGETS_LIMIT: usize = 4 << 20;

/// Most symbolic links on the way to a file, as in Linux.
const LINKS_LIMIT: usize = 40;

/// Longest path or target of a link, and longest part of one, in bytes, as in Linux.
const PATH_LIMIT: usize = 4095;
const PART_LIMIT: usize = 255;

/// Most bytes of paths that are hashed to see whether an entry lies below a link.
const LOOK_LIMIT: usize = 64 << 20;

/// Most folders that are looked at to find a program: what is found further away is not judged.
pub(super) const EFFORT: usize = 20_000;

/// The user of contracts, in their name space.
const USER: u64 = 65_532;

type Name = [u8; 32];

/// What a layer puts at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Node {
    /// A file, and whether contracts may execute it.
    File(bool),
    Folder,
    Link(Vec<u8>),
    /// A link whose target is not kept.
    Unknown,
}

/// What the layers say, from the lowest to the highest.
#[derive(Debug, Default)]
pub(super) struct Files {
    layers: Vec<Layer>,
    /// Bytes of the targets of links.
    targets: usize,
    /// The paths of all links, of whichever layer.
    links: BTreeSet<Name>,
    below_links: BelowLinks,
}

/// Whether entries lie below links. Who unpacks them follows the links, so that they come to lie where no layer says.
#[derive(Debug, Default)]
struct BelowLinks {
    /// True if one does, or it was too much to look.
    some: bool,
    /// The folder that was looked at last, and how many links there were.
    last: (Vec<u8>, usize),
    /// Bytes of paths that were hashed.
    looked: usize,
}

#[derive(Debug, Default)]
struct Layer {
    nodes: BTreeMap<Name, Node>,
    /// What it removes of the layers below: paths, and the contents of folders.
    removed: BTreeSet<Name>,
    emptied: BTreeSet<Name>,
}

/// What became of the search for a program.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    Program,
    /// Whether it is one cannot be told.
    Unknown,
    Nothing,
    Folder,
    /// A file that contracts may not execute.
    NotExecutable,
    Circle,
}

impl Files {
    /// What follows belongs to another layer, over the others.
    pub(super) fn begin_layer(&mut self) {
        self.layers.push(Layer::default());
    }

    /// An entry of the layer, with its path without what does not count, and the target that a link has.
    pub(super) fn add(&mut self, path: &[u8], header: &Header, target: Option<Vec<u8>>) {
        let (folder, last) = split(path);
        self.look_below_links(folder);
        let Some(layer) = self.layers.last_mut() else { return };
        if let Some(removed) = last.strip_prefix(b".wh.") {
            match removed {
                b".wh..opq" => layer.emptied.insert(name(folder)),
                _ => layer.removed.insert(name(&join(folder, removed))),
            };
            return;
        }
        let node = match header.entry_type() {
            EntryType::Directory => Node::Folder,
            EntryType::Symlink => match target.filter(|target| target.len() <= PATH_LIMIT) {
                Some(target) if self.targets.saturating_add(target.len()) <= TARGETS_LIMIT => {
                    self.targets = self.targets.saturating_add(target.len());
                    Node::Link(target)
                }
                _ => Node::Unknown,
            },
            EntryType::Link => {
                let target = target.as_deref().and_then(super::entries::normal);
                target.and_then(|target| layer.nodes.get(&name(&target)).cloned()).unwrap_or(Node::Unknown)
            }
            _ => Node::File(executable(header)),
        };
        if matches!(node, Node::Link(_) | Node::Unknown) {
            self.links.insert(name(path));
        }
        layer.nodes.insert(name(path), node);
    }

    /// Notes whether a folder that has an entry is a link, or lies below one.
    fn look_below_links(&mut self, folder: &[u8]) {
        let BelowLinks { some, last, looked } = &mut self.below_links;
        if *some || self.links.is_empty() || (last.0 == folder && last.1 == self.links.len()) {
            return;
        }
        let mut above = folder;
        while !above.is_empty() && !*some {
            *looked = looked.saturating_add(above.len());
            *some = *looked > LOOK_LIMIT || self.links.contains(&name(above));
            above = split(above).0;
        }
        *last = (folder.to_vec(), self.links.len());
    }

    /// Looks for the file at a path, relative to `folder` unless it is absolute. The effort that is left becomes less.
    pub(super) fn find(&self, folder: &str, path: &str, effort: &mut usize) -> Found {
        match self.find_as_told(folder, path, effort) {
            Found::Program => Found::Program,
            _ if self.below_links.some => Found::Unknown,
            found => found,
        }
    }

    /// The same by what the layers say, which is not where entries below links lie.
    fn find_as_told(&self, folder: &str, path: &str, effort: &mut usize) -> Found {
        if folder.len().saturating_add(path.len()) > PATH_LIMIT {
            return Found::Unknown;
        }
        let start = if path.starts_with('/') { String::new() } else { format!("{folder}/") };
        let mut rest: Vec<Vec<u8>> = parts(format!("{start}{path}").as_bytes());
        rest.reverse();
        let (mut at, mut links) = (Vec::new(), 0);
        while let Some(part) = rest.pop() {
            if part == b".." {
                at = split(&at).0.to_vec();
                continue;
            }
            let next = join(&at, &part);
            if part.len() > PART_LIMIT || next.len() > PATH_LIMIT {
                return Found::Unknown;
            }
            let depth = next.iter().filter(|byte| **byte == b'/').count().saturating_add(1);
            match effort.checked_sub(depth) {
                Some(left) => *effort = left,
                None => return Found::Unknown,
            }
            match self.node(&next) {
                Some(Node::Link(target)) => {
                    links += 1;
                    if links > LINKS_LIMIT {
                        return Found::Circle;
                    }
                    if target.first() == Some(&b'/') {
                        at.clear();
                    }
                    rest.extend(parts(target).into_iter().rev());
                    // A link to the root ends the path at a folder.
                    continue;
                }
                Some(Node::Unknown) => return Found::Unknown,
                Some(Node::File(_)) if !rest.is_empty() => return Found::Nothing,
                Some(Node::File(executable)) => {
                    return if *executable { Found::Program } else { Found::NotExecutable };
                }
                Some(Node::Folder) => {}
                // Folders need no entry of their own.
                None if !rest.is_empty() => {}
                None => return Found::Nothing,
            }
            at = next;
        }
        Found::Folder
    }

    /// What is at a path of which no part is a link.
    fn node(&self, path: &[u8]) -> Option<&Node> {
        let own = name(path);
        let mut above = Vec::new();
        let mut folder = path;
        while !folder.is_empty() {
            folder = split(folder).0;
            above.push(name(folder));
        }
        for layer in self.layers.iter().rev() {
            if let Some(node) = layer.nodes.get(&own) {
                return Some(node);
            }
            let hides = |folder: &Name| {
                layer.emptied.contains(folder)
                    || layer.removed.contains(folder)
                    || layer.nodes.get(folder).is_some_and(|node| *node != Node::Folder)
            };
            if layer.removed.contains(&own) || above.iter().any(hides) {
                return None;
            }
        }
        None
    }
}

/// Whether the user that contracts are may execute a file.
fn executable(header: &Header) -> bool {
    let Ok(mode) = header.mode() else { return true };
    let is = |id: std::io::Result<u64>| id.is_ok_and(|id| id == USER);
    mode & 0o001 != 0 || (mode & 0o010 != 0 && is(header.gid())) || (mode & 0o100 != 0 && is(header.uid()))
}

fn name(path: &[u8]) -> Name {
    Sha256::digest(path).into()
}

/// The folder of a path, and its last part.
fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|byte| *byte == b'/') {
        Some(at) => (path.get(..at).unwrap_or_default(), path.get(at.saturating_add(1)..).unwrap_or_default()),
        None => (&[], path),
    }
}

fn join(folder: &[u8], part: &[u8]) -> Vec<u8> {
    if folder.is_empty() { part.to_vec() } else { [folder, b"/", part].concat() }
}

/// The parts of a path that lead somewhere.
fn parts(path: &[u8]) -> Vec<Vec<u8>> {
    let leads = |part: &&[u8]| !part.is_empty() && *part != b".";
    path.split(|byte| *byte == b'/').filter(leads).map(<[u8]>::to_vec).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One layer over the other; each entry is a kind (`x` file to execute, `f` another file, `d`, `l`, `h`), a path and a target.
    fn files(layers: &[&[(char, &str, &str)]]) -> Files {
        let mut files = Files::default();
        for layer in layers {
            files.begin_layer();
            for (kind, path, target) in *layer {
                let mut header = Header::new_ustar();
                let (kind, mode) = match kind {
                    'x' => (EntryType::Regular, 0o755),
                    'f' => (EntryType::Regular, 0o644),
                    'd' => (EntryType::Directory, 0o755),
                    'l' => (EntryType::Symlink, 0o777),
                    _ => (EntryType::Link, 0o755),
                };
                header.set_entry_type(kind);
                header.set_mode(mode);
                header.set_uid(0);
                header.set_gid(0);
                files.add(path.as_bytes(), &header, Some(target.as_bytes().to_vec()));
            }
        }
        files
    }

    #[test]
    fn programs_are_found_through_links_and_layers() {
        let image = files(&[
            &[
                ('x', "usr/bin/python3.11", ""),
                ('l', "usr/bin/python3", "python3.11"),
                ('h', "usr/bin/py", "./usr/bin/python3.11"),
                ('l', "bin", "usr/bin"),
                ('f', "etc/passwd", ""),
                ('x', "opt/old", ""),
                ('x', "srv/a/b", ""),
                ('x', "var/tool", ""),
            ],
            &[
                ('f', "opt/.wh.old", ""),
                ('d', "srv", ""),
                ('f', "srv/.wh..wh..opq", ""),
                ('x', "srv/c", ""),
                ('f', "var", ""),
            ],
            &[('l', "loop", "/loop"), ('l', "up", "../../bin/python3"), ('l', "root", "/")],
        ]);
        for path in
            ["/usr/bin/python3.11", "/bin/python3", "/bin/py", "/up", "/root/bin/py", "//usr/./bin/../bin/py", "/srv/c"]
        {
            assert_eq!(image.find("/", path, &mut { EFFORT }), Found::Program, "{path}");
        }
        assert_eq!(image.find("/usr", "bin/py", &mut { EFFORT }), Found::Program);
        for path in ["/opt/old", "/srv/a/b", "/var/tool", "/nothing", "/etc/passwd/x", "/bin/ruby"] {
            assert_eq!(image.find("/", path, &mut { EFFORT }), Found::Nothing, "{path}");
        }
        assert_eq!(image.find("/", "/etc/passwd", &mut { EFFORT }), Found::NotExecutable);
        assert_eq!(image.find("/", "/srv", &mut { EFFORT }), Found::Folder);
        assert_eq!(image.find("/", "/root", &mut { EFFORT }), Found::Folder);
        assert_eq!(image.find("/", "/loop", &mut { EFFORT }), Found::Circle);
    }

    /// containerd follows the link, which is of the same layer or of one below.
    #[test]
    fn what_lies_below_a_link_is_not_refused() {
        let link = ('l', "bin", "usr/bin");
        let tool = ('x', "bin/tool", "");
        for image in [files(&[&[link, tool]]), files(&[&[link], &[('f', "usr/bin/tool", ""), tool]])] {
            assert_eq!(image.find("/", "/bin/tool", &mut { EFFORT }), Found::Unknown);
            assert_eq!(image.find("/", "/usr/bin/tool", &mut { EFFORT }), Found::Unknown);
        }
        // What stands before the link, or beside it, lies where its path says.
        let image = files(&[&[tool, link, ('x', "binary/tool", "")]]);
        assert_eq!(image.find("/", "/bin/tool", &mut { EFFORT }), Found::Nothing);
        assert_eq!(image.find("/", "/binary/tool", &mut { EFFORT }), Found::Program);
    }

    #[test]
    fn looking_below_links_has_an_end() {
        let mut image = files(&[&[('l', "link", "a")]]);
        let header = Header::new_ustar();
        let deep = "x/".repeat(2_000);
        let mut entries = 0;
        while !image.below_links.some {
            image.add(format!("{entries}/{deep}y").as_bytes(), &header, None);
            entries += 1;
        }
        assert!(entries < 20, "{entries} paths of 2,000 parts");
        assert_eq!(image.find("/", "/nothing", &mut { EFFORT }), Found::Unknown);
    }

    #[test]
    fn links_beyond_the_bounds_are_not_judged() {
        let link = format!("{}c", "x/../".repeat(800));
        assert_eq!(files(&[&[('l', "a", &link), ('x', "c", "")]]).find("/", "/a", &mut { EFFORT }), Found::Program);
        for long in ["x".repeat(256), "x/".repeat(2048), format!("{}c", "x/../".repeat(820))] {
            let image = files(&[&[('l', "a", &long)]]);
            assert_eq!(image.find("/", "/a", &mut { EFFORT }), Found::Unknown);
        }
        let many = "x/".repeat(2000);
        let links: Vec<_> = (0..TARGETS_LIMIT / many.len()).map(|number| format!("l{number}")).collect();
        let mut entries: Vec<_> = links.iter().map(|link| ('l', link.as_str(), many.as_str())).collect();
        entries.extend([('l', "b", "/c"), ('l', "d", &many), ('x', "c", "")]);
        let image = files(&[&entries]);
        assert_eq!(image.find("/", "/b", &mut { EFFORT }), Found::Program);
        assert_eq!(image.find("/", "/d", &mut { EFFORT }), Found::Unknown);
        assert_eq!(image.find("/", &"x/".repeat(60_000), &mut { EFFORT }), Found::Unknown);
    }

    #[test]
    fn whoever_owns_a_file_contracts_need_the_right_to_execute_it() {
        let mut header = Header::new_ustar();
        header.set_mode(0o710);
        header.set_uid(0);
        header.set_gid(0);
        assert!(!executable(&header));
        header.set_gid(USER);
        assert!(executable(&header));
    }
}
