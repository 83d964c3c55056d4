//! What a layer's archive consists of. Only what every reader of tar files understands in the same way is accepted, so that
//! containerd unpacks what was looked at here, and it takes no more room than the archive has bytes.

use std::{
    collections::BTreeSet,
    io::{self, Read},
    mem,
};

use sha2::{Digest as _, Sha256};
use tar::{Archive, Entry, EntryType};

use super::files::Files;

/// Most bytes of the names and attributes that stand before an entry.
const EXTENSION_LIMIT: u64 = 1 << 20;

/// Longest path, in bytes, as in Linux.
const PATH_LIMIT: usize = 4096;

/// What the last part of a path begins with that removes something of the layers below.
const WHITEOUT: &[u8] = b".wh.";

/// The number of entries, which is at most one more than `most`; or what is wrong with one. `image` is told of each.
pub(super) fn count(archive: impl Read, most: u64, image: &mut Files) -> Result<u64, String> {
    image.begin_layer();
    let mut checked = Checked { files: BTreeSet::new(), image };
    let mut before = Extensions::default();
    let mut count: u64 = 0;
    for entry in Archive::new(archive).entries().map_err(text_of)?.raw(true) {
        let mut entry = entry.map_err(text_of)?;
        match entry.header().entry_type() {
            // It is about the archive, and not used.
            EntryType::XGlobalHeader => {}
            EntryType::XHeader => before.read_attributes(&content(&mut entry)?)?,
            EntryType::GNULongName => before.path = Some(until_zero(content(&mut entry)?)),
            EntryType::GNULongLink => before.target = Some(until_zero(content(&mut entry)?)),
            _ => checked.entry(&entry, mem::take(&mut before))?,
        }
        count = count.saturating_add(1);
        if count > most {
            break;
        }
    }
    Ok(count)
}

/// What was found so far.
struct Checked<'a> {
    /// The hashes of the paths of files.
    files: BTreeSet<[u8; 32]>,
    image: &'a mut Files,
}

impl Checked<'_> {
    fn entry(&mut self, entry: &Entry<'_, impl Read>, before: Extensions) -> Result<(), String> {
        let header = entry.header();
        let path = before.path.unwrap_or_else(|| header.path_bytes().into_owned());
        let shown = String::from_utf8_lossy(path.get(..200).unwrap_or(&path)).into_owned();
        let refuse = |what: &str| Err(format!("'{shown}' {what}"));
        let Some(name) = normal(&path) else {
            return refuse("has a path that leads out of the image, or one of more than 4096 bytes");
        };
        if before.size.is_some_and(|size| size != entry.size()) {
            return refuse("has two different sizes");
        }
        let last = name.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
        if matches!(last.strip_prefix(WHITEOUT), Some(b"" | b"." | b"..")) {
            return refuse("removes nothing that has a name");
        }
        let target = before.target.or_else(|| header.link_name_bytes().map(|target| target.into_owned()));
        match header.entry_type() {
            EntryType::Regular => {
                self.image.add(&name, header, None);
                self.files.insert(Sha256::digest(&name).into());
                Ok(())
            }
            EntryType::Directory | EntryType::Symlink | EntryType::Link if entry.size() > 0 => {
                refuse("is a folder or a link that has content")
            }
            EntryType::Directory | EntryType::Symlink => {
                self.image.add(&name, header, target);
                Ok(())
            }
            EntryType::Link => {
                self.image.add(&name, header, target.clone());
                let target = target.and_then(|target| normal(&target));
                // A link to a file of another layer would copy it.
                match target.is_some_and(|target| self.files.contains(&<[u8; 32]>::from(Sha256::digest(target)))) {
                    true => {
                        self.files.insert(Sha256::digest(&name).into());
                        Ok(())
                    }
                    false => refuse("is a hard link to a file that does not stand before it in the same layer"),
                }
            }
            EntryType::GNUSparse => refuse("is a sparse file; write it without holes (tar without --sparse)"),
            EntryType::Char | EntryType::Block | EntryType::Fifo => {
                refuse("is a device or a pipe, which contracts cannot use; build the image without")
            }
            _ => refuse("is neither a file, a folder nor a link"),
        }
    }
}

/// What stands before an entry and counts more than its header.
#[derive(Default)]
struct Extensions {
    path: Option<Vec<u8>>,
    target: Option<Vec<u8>>,
    size: Option<u64>,
}

impl Extensions {
    /// Reads PAX records: `LENGTH KEY=VALUE` and a line feed each; the length counts all of that.
    fn read_attributes(&mut self, mut records: &[u8]) -> Result<(), String> {
        while !records.is_empty() {
            let (key, value, rest) = record(records).ok_or("its extended headers are malformed")?;
            records = rest;
            match key {
                b"path" => self.path = Some(value.into()),
                b"linkpath" => self.target = Some(value.into()),
                b"size" => {
                    let size = std::str::from_utf8(value).ok().and_then(|size| size.parse().ok());
                    let size = size.ok_or("its extended headers have a size that is no number")?;
                    if self.size.replace(size).is_some_and(|before| before != size) {
                        return Err("its extended headers have two different sizes".into());
                    }
                }
                _ if key.starts_with(b"GNU.sparse.") => {
                    return Err("it has a sparse file; write it without holes (tar without --sparse)".into());
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// The first record: its key, its value, and what follows it.
fn record(records: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let space = records.iter().position(|byte| *byte == b' ')?;
    let length: usize = std::str::from_utf8(records.get(..space)?).ok()?.parse().ok()?;
    let (record, rest) = records.split_at_checked(length)?;
    let pair = record.get(space.checked_add(1)?..)?.strip_suffix(b"\n")?;
    let equals = pair.iter().position(|byte| *byte == b'=')?;
    Some((pair.get(..equals)?, pair.get(equals.checked_add(1)?..)?, rest))
}

/// The content of an entry that is about the next one.
fn content(entry: &mut Entry<'_, impl Read>) -> Result<Vec<u8>, String> {
    if entry.size() > EXTENSION_LIMIT {
        return Err(format!("its extended headers have more than {EXTENSION_LIMIT} bytes"));
    }
    let mut content = Vec::new();
    entry.read_to_end(&mut content).map_err(text_of)?;
    Ok(content)
}

/// What stands before the first zero.
fn until_zero(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.truncate(bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len()));
    bytes
}

/// A path without what does not count; `None` if it leads upwards or is too long.
pub(super) fn normal(path: &[u8]) -> Option<Vec<u8>> {
    if path.len() > PATH_LIMIT {
        return None;
    }
    let parts: Vec<_> = path.split(|byte| *byte == b'/').filter(|part| !part.is_empty() && *part != b".").collect();
    (!parts.contains(&&b".."[..])).then(|| parts.join(&b'/'))
}

fn text_of(error: io::Error) -> String {
    error.to_string()
}

#[cfg(test)]
mod tests {
    use tar::{Builder, Header};

    use super::*;

    /// An archive of one entry after the other: kind, path, target of a link, content.
    fn archive(entries: &[(EntryType, &str, &str, &[u8])]) -> Vec<u8> {
        let mut builder = Builder::new(Vec::new());
        for (kind, path, target, content) in entries {
            let mut header = Header::new_ustar();
            header.set_entry_type(*kind);
            header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
            header.as_old_mut().linkname[..target.len()].copy_from_slice(target.as_bytes());
            header.set_size(content.len() as u64);
            header.set_mode(0o644);
            header.set_cksum();
            builder.append(&header, *content).unwrap();
        }
        builder.into_inner().unwrap()
    }

    fn refusal(entries: &[(EntryType, &str, &str, &[u8])]) -> String {
        count(&*archive(entries), 100, &mut Files::default()).unwrap_err()
    }

    #[test]
    fn files_folders_and_links_are_accepted() {
        let entries: &[(EntryType, &str, &str, &[u8])] = &[
            (EntryType::XGlobalHeader, "pax_global_header", "", b"19 comment=0123456\n"),
            (EntryType::Directory, "./bin/", "", b""),
            (EntryType::XHeader, "PaxHeaders/tool", "", b"18 path=/bin/tool\n10 size=3\n"),
            (EntryType::Regular, "short", "", b"abc"),
            (EntryType::Link, "bin/other", "bin/tool", b""),
            (EntryType::Link, "bin/third", "/bin/other", b""),
            (EntryType::Symlink, "sh", "../../anywhere", b""),
            (EntryType::Regular, "bin/.wh.removed", "", b""),
            (EntryType::Regular, "bin/.wh..wh..opq", "", b""),
            (EntryType::GNULongName, "././@LongLink", "", b"long/name\0"),
            (EntryType::Regular, "cut", "", b""),
            (EntryType::GNULongLink, "././@LongLink", "", b"long/name\0"),
            (EntryType::Link, "link", "cut", b""),
        ];
        assert_eq!(count(&*archive(entries), 100, &mut Files::default()), Ok(entries.len() as u64));
        assert_eq!(
            record(b"10 a=b=\nc\nmore"),
            Some((&b"a"[..], &b"b=\nc"[..], &b"more"[..])),
            "values have line feeds"
        );
    }

    #[test]
    fn what_takes_more_room_than_its_archive_is_refused() {
        assert!(refusal(&[(EntryType::GNUSparse, "hole", "", b"")]).contains("sparse"));
        for key in ["22 GNU.sparse.major=1\n", "29 GNU.sparse.realsize=99999\n"] {
            let entries = [(EntryType::XHeader, "p", "", key.as_bytes()), (EntryType::Regular, "f", "", &b""[..])];
            assert!(refusal(&entries).contains("sparse"), "{key}");
        }
        let other_layer = refusal(&[(EntryType::Link, "copy", "usr/lib/large", b"")]);
        assert!(other_layer.contains("'copy' is a hard link to a file that does not stand before it"), "{other_layer}");
    }

    #[test]
    fn what_readers_understand_differently_is_refused() {
        let folder = refusal(&[(EntryType::Directory, "d/", "", b"hidden entries")]);
        assert!(folder.contains("has content"), "{folder}");
        let record = (EntryType::XHeader, "p", "", &b"10 size=9\n"[..]);
        assert!(refusal(&[record, (EntryType::Regular, "f", "", b"")]).contains("two different sizes"));
        for malformed in ["99 path=a\n", "x path=a\n", "10 path=aa", "9 nothing\n", " "] {
            let record = (EntryType::XHeader, "p", "", malformed.as_bytes());
            assert!(refusal(&[record]).contains("malformed"), "{malformed}");
        }
    }

    #[test]
    fn devices_and_what_leads_out_of_the_image_are_refused() {
        for kind in [EntryType::Char, EntryType::Block, EntryType::Fifo] {
            assert!(refusal(&[(kind, "dev/sda", "", b"")]).contains("device or a pipe"));
        }
        assert!(refusal(&[(EntryType::Regular, "a/../../etc/passwd", "", b"")]).contains("leads out"));
        for path in [".wh.", "a/.wh..", "a/.wh..."] {
            assert!(refusal(&[(EntryType::Regular, path, "", b"")]).contains("removes nothing"), "{path}");
        }
        assert!(refusal(&[(EntryType::new(b'V'), "label", "", b"")]).contains("neither a file"));
    }
}
