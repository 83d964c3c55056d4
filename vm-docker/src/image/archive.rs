//! An OCI image archive: a tar file of an image layout.

use std::{collections::BTreeMap, io::Cursor, sync::Arc};

use serde::{Deserialize, de::DeserializeOwned};
use tar::Archive;
use vm_container_protocol::SOCKET_VARIABLE;
use vm_core::CodeError;

use super::{ARCHITECTURE, Image, Layer, Program, digest, executable, layer::UNPACKED_LIMIT};

/// Most layers that an image may have.
const LAYER_LIMIT: usize = 64;

/// How deep an index may lie in an index.
const INDEX_DEPTH: usize = 3;

/// "ustar" stands here in the first header of a tar file.
const MAGIC: std::ops::Range<usize> = 257..262;

pub(super) fn recognise(code: &[u8]) -> bool {
    code.get(MAGIC) == Some(b"ustar")
}

/// Finds the image for this machine and checks every part of it.
pub(super) fn read(code: &[u8]) -> Result<Image, CodeError> {
    let files = Files::read(code)?;
    let index: Index = parse("index.json", files.get("index.json")?)?;
    let manifest = files.manifest(index, INDEX_DEPTH)?;
    let config: Config = parse(&manifest.config.digest, files.blob(&manifest.config.digest)?)?;

    let (layers, diff_ids) = (&manifest.layers, &config.rootfs.diff_ids);
    if layers.len() != diff_ids.len() || layers.len() > LAYER_LIMIT {
        return Err(bad(format!(
            "it has {} layers and {} layer hashes; the same number is expected, at most {LAYER_LIMIT}",
            layers.len(),
            diff_ids.len()
        )));
    }
    let mut left = UNPACKED_LIMIT;
    let mut layers = layers
        .iter()
        .zip(diff_ids)
        .map(|(layer, diff_id)| {
            let bytes = files.blob(&layer.digest)?;
            Layer::from_image(&layer.media_type, &layer.digest, diff_id, bytes, &mut left)
        })
        .collect::<Result<Vec<_>, _>>()?;
    layers.push(executable::mount_points().map_err(|error| bad(error.to_string()))?);
    Ok(Image { layers, program: Arc::new(config.config.program()?) })
}

/// The files of an archive, by path.
struct Files<'a>(BTreeMap<String, &'a [u8]>);

impl<'a> Files<'a> {
    fn read(code: &'a [u8]) -> Result<Self, CodeError> {
        let unreadable = |error: std::io::Error| bad(format!("it is no readable tar file: {error}"));
        let mut files = BTreeMap::new();
        let mut archive = Archive::new(Cursor::new(code));
        for entry in archive.entries().map_err(unreadable)? {
            let entry = entry.map_err(unreadable)?;
            if !entry.header().entry_type().is_file() {
                continue;
            }
            let path = entry.path().map_err(unreadable)?;
            let path = path.to_string_lossy();
            let range = usize::try_from(entry.raw_file_position())
                .ok()
                .zip(usize::try_from(entry.size()).ok())
                .and_then(|(start, size)| Some(start..start.checked_add(size)?));
            let content = range.and_then(|range| code.get(range));
            let content = content.ok_or_else(|| bad(format!("it is cut off inside '{path}'")))?;
            files.insert(path.trim_start_matches("./").to_owned(), content);
        }
        Ok(Self(files))
    }

    fn get(&self, path: &str) -> Result<&'a [u8], CodeError> {
        self.0.get(path).copied().ok_or_else(|| {
            bad(format!(
                "it has no file '{path}'; export the image as an OCI archive \
                 (docker buildx build --output type=oci, or skopeo copy ... oci-archive:FILE)"
            ))
        })
    }

    /// A blob whose content is what its name says.
    fn blob(&self, name: &str) -> Result<&'a [u8], CodeError> {
        let hash = name
            .strip_prefix("sha256:")
            .ok_or_else(|| CodeError::new("bad-digest", format!("'{name}' is no sha256 hash")))?;
        let content = self.get(&format!("blobs/sha256/{hash}"))?;
        let found = digest(content);
        if found == name {
            Ok(content)
        } else {
            Err(CodeError::new("bad-digest", format!("the file named {name} has the hash {found}")))
        }
    }

    fn manifest(&self, index: Index, depth: usize) -> Result<Manifest, CodeError> {
        let fits = |entry: &Descriptor| {
            entry
                .platform
                .as_ref()
                .is_none_or(|platform| platform.os == "linux" && platform.architecture == ARCHITECTURE)
        };
        let found = index.manifests.into_iter().find(fits).ok_or_else(|| {
            let message = format!("the archive has no image for linux/{ARCHITECTURE}");
            CodeError::new("wrong-architecture", message)
        })?;
        let content = self.blob(&found.digest)?;
        let is_index =
            found.media_type.ends_with("image.index.v1+json") || found.media_type.ends_with("manifest.list.v2+json");
        if !is_index {
            return parse(&found.digest, content);
        }
        let depth = depth.checked_sub(1).ok_or_else(|| bad("its index is nested too deep".into()))?;
        self.manifest(parse(&found.digest, content)?, depth)
    }
}

#[derive(Deserialize)]
struct Index {
    manifests: Vec<Descriptor>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    media_type: String,
    digest: String,
    platform: Option<Platform>,
}

#[derive(Deserialize)]
struct Platform {
    os: String,
    architecture: String,
}

#[derive(Deserialize)]
struct Manifest {
    config: Descriptor,
    layers: Vec<Descriptor>,
}

#[derive(Deserialize)]
struct Config {
    #[serde(default)]
    config: Execution,
    rootfs: RootFs,
}

#[derive(Deserialize)]
struct RootFs {
    diff_ids: Vec<String>,
}

/// What to execute. An image's user is ignored: every contract runs as the same unprivileged one.
#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Execution {
    entrypoint: Option<Vec<String>>,
    cmd: Option<Vec<String>>,
    env: Option<Vec<String>>,
    working_dir: Option<String>,
}

impl Execution {
    fn program(self) -> Result<Program, CodeError> {
        let mut args = self.entrypoint.unwrap_or_default();
        args.extend(self.cmd.unwrap_or_default());
        if args.is_empty() {
            let message = "the image says nothing to execute; give it an ENTRYPOINT";
            return Err(CodeError::new("no-entrypoint", message));
        }
        let folder = self.working_dir.filter(|folder| !folder.is_empty()).unwrap_or_else(|| "/".into());
        if !folder.starts_with('/') {
            return Err(bad(format!("its working directory '{folder}' is no absolute path")));
        }
        // Where the socket is, the host alone says.
        let of_socket = |entry: &String| entry.split('=').next() == Some(SOCKET_VARIABLE);
        let mut env = self.env.unwrap_or_default();
        env.retain(|entry| !of_socket(entry));
        Ok(Program { args, env, folder })
    }
}

fn parse<T: DeserializeOwned>(name: &str, content: &[u8]) -> Result<T, CodeError> {
    serde_json::from_slice(content).map_err(|error| bad(format!("'{name}' is not as OCI defines it: {error}")))
}

fn bad(message: String) -> CodeError {
    CodeError::new("bad-image", message)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::{Compression, write::GzEncoder};
    use serde_json::{Value, json};

    use super::*;

    /// An image of one layer, whose parts a test can change before it is packed.
    struct Layout {
        layer: Vec<u8>,
        media_type: &'static str,
        diff_id: String,
        platform: Value,
        execution: Value,
    }

    impl Default for Layout {
        fn default() -> Self {
            let layer = executable::mount_points().unwrap().bytes.to_vec();
            Self {
                diff_id: digest(&layer),
                layer,
                media_type: "application/vnd.oci.image.layer.v1.tar",
                platform: json!({ "os": "linux", "architecture": ARCHITECTURE }),
                execution: json!({ "Entrypoint": ["/bin/contract"], "Cmd": ["serve"], "Env": ["A=1", "VM_SOCKET=/x"] }),
            }
        }
    }

    impl Layout {
        fn pack(&self) -> Vec<u8> {
            let config = json!({ "config": self.execution, "rootfs": { "diff_ids": [self.diff_id] } }).to_string();
            let manifest = json!({
                "config": { "mediaType": "c", "digest": digest(config.as_bytes()) },
                "layers": [{ "mediaType": self.media_type, "digest": digest(&self.layer) }],
            })
            .to_string();
            let index = json!({ "manifests": [{
                "mediaType": "application/vnd.oci.image.manifest.v1+json",
                "digest": digest(manifest.as_bytes()),
                "platform": self.platform,
            }] })
            .to_string();
            let mut archive = tar::Builder::new(Vec::new());
            let mut add = |path: &str, content: &[u8]| {
                let mut header = tar::Header::new_gnu();
                header.set_size(content.len() as u64);
                archive.append_data(&mut header, path, content).unwrap();
            };
            add("index.json", index.as_bytes());
            for blob in [config.as_bytes(), manifest.as_bytes(), &self.layer] {
                add(&digest(blob).replace("sha256:", "blobs/sha256/"), blob);
            }
            archive.into_inner().unwrap()
        }

        fn rule(&self) -> &'static str {
            Image::read(&self.pack()).unwrap_err().rule()
        }
    }

    #[test]
    fn an_image_is_read_with_its_program() {
        let image = Image::read(&Layout::default().pack()).unwrap();
        assert_eq!(image.program.args, ["/bin/contract", "serve"]);
        assert_eq!(image.program.env, ["A=1"]);
        assert_eq!(image.program.folder, "/");
        assert_eq!(image.chain().len(), 2, "its layer and the mount points");
    }

    #[test]
    fn compressed_layers_are_checked_unpacked() {
        let mut layout = Layout::default();
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(&layout.layer).unwrap();
        layout.layer = encoder.finish().unwrap();
        layout.media_type = "application/vnd.oci.image.layer.v1.tar+gzip";
        Image::read(&layout.pack()).unwrap();
        layout.diff_id = digest(b"other");
        assert_eq!(layout.rule(), "bad-digest");
    }

    #[test]
    fn what_is_wrong_with_an_image_is_said_with_its_rule() {
        let with = |change: fn(&mut Layout)| {
            let mut layout = Layout::default();
            change(&mut layout);
            layout.rule()
        };
        assert_eq!(with(|layout| layout.execution = json!({})), "no-entrypoint");
        assert_eq!(with(|layout| layout.execution = json!({ "Cmd": ["a"], "WorkingDir": "b" })), "bad-image");
        assert_eq!(with(|layout| layout.diff_id = digest(b"")), "bad-digest");
        assert_eq!(with(|layout| layout.media_type = "application/zstd"), "layer-type");
        assert_eq!(with(|layout| layout.media_type = "application/vnd.oci.image.layer.v1.tar+gzip"), "bad-layer");
        assert_eq!(
            with(|layout| layout.platform = json!({ "os": "plan9", "architecture": "amd64" })),
            "wrong-architecture"
        );
    }

    #[test]
    fn changed_and_cut_archives_are_refused() {
        let packed = Layout::default().pack();
        let mut changed = packed.clone();
        let at = changed.windows(8).position(|window| window == b"/bin/con").unwrap();
        changed[at + 1] = b'B';
        assert_eq!(Image::read(&changed).unwrap_err().rule(), "bad-digest");
        for length in (512..packed.len() - 1024).step_by(512) {
            assert!(Image::read(&packed[..length]).is_err(), "{length}");
        }
    }

    #[test]
    fn a_bomb_is_refused() {
        let mut left = 1000;
        let bytes = vec![0; 1001];
        let error = Layer::from_image(
            "application/vnd.oci.image.layer.v1.tar",
            &digest(&bytes),
            &digest(&bytes),
            &bytes,
            &mut left,
        );
        assert_eq!(error.unwrap_err().rule(), "image-too-large");
    }
}
