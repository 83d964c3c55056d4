//! An image archive: a tar file of an OCI image layout, or what `docker save` has always written.

mod docker;

use std::{borrow::Cow, collections::BTreeMap, io::Cursor, sync::Arc};

use serde::{Deserialize, de::DeserializeOwned};
use tar::Archive;
use vm_container_protocol::{CONCURRENCY_VARIABLE, ISOLATION_VARIABLE, SOCKET_VARIABLE};
use vm_core::CodeError;

use super::{
    ARCHITECTURE, Image, Layer, Program, digest, executable,
    files::{EFFORT, Files as Contents, Found},
    layer::Room,
};

/// Most layers that an image may have.
const LAYER_LIMIT: usize = 64;

/// Most bytes of one argument or variable: what Linux accepts, with the zero at its end.
const TEXT_LIMIT: usize = (128 << 10) - 1;

/// Most bytes of all of them: 1 MiB.
const TEXTS_LIMIT: usize = 1 << 20;

/// Media types of configurations that say what to execute.
const CONFIG_TYPES: [&str; 2] =
    ["application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json"];

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
    if files.0.contains_key(INDEX) { files.image() } else { docker::read(&files) }
}

/// The image that a manifest or an index describes, out of blobs by their digests.
pub(super) fn assemble(top: Descriptor, blobs: BTreeMap<String, Vec<u8>>) -> Result<Image, CodeError> {
    let path = |digest: String| digest.replace("sha256:", "blobs/sha256/");
    let files = Files(blobs.into_iter().map(|(digest, blob)| (path(digest), Cow::Owned(blob))).collect());
    files.image_of(Index { manifests: vec![top] })
}

/// An image of these layers, each with its media type, digest and content.
fn image(layers: &[(String, String, &[u8])], config: Config) -> Result<Image, CodeError> {
    if !config.fits() {
        let message = format!("the image is not for linux/{ARCHITECTURE}; build it for that");
        return Err(CodeError::new("wrong-architecture", message));
    }
    let diff_ids = &config.rootfs.diff_ids;
    if layers.len() != diff_ids.len() || layers.len() > LAYER_LIMIT {
        return Err(bad(format!(
            "it has {} layers and {} layer hashes; the same number is expected, at most {LAYER_LIMIT}",
            layers.len(),
            diff_ids.len()
        )));
    }
    let (mut left, mut files) = (Room::default(), Contents::default());
    let mut layers = layers
        .iter()
        .zip(diff_ids)
        .map(|((media_type, digest, bytes), diff_id)| {
            Layer::from_image(media_type, digest, diff_id, bytes, &mut left, &mut files)
        })
        .collect::<Result<Vec<_>, _>>()?;
    let program = config.config.program()?;
    find(&program, &files)?;
    layers.push(executable::mount_points().map_err(|error| bad(error.to_string()))?);
    Ok(Image { layers, program: Arc::new(program) })
}

/// Refuses an image whose entry point is not among its files.
fn find(program: &Program, files: &Contents) -> Result<(), CodeError> {
    let Some(name) = program.args.first() else { return Ok(()) };
    let mut effort = EFFORT;
    let mut at = |path: &str| files.find(&program.folder, path, &mut effort);
    let found = match (name.contains('/'), program.env.iter().rev().find_map(|entry| entry.strip_prefix("PATH="))) {
        (true, _) => at(name),
        (false, Some(path)) => {
            let mut found = path.split(':').map(|folder| at(&format!("{folder}/{name}")));
            found.find(|found| matches!(found, Found::Program | Found::Unknown)).unwrap_or(Found::Nothing)
        }
        // Where it is looked for is up to what starts it.
        (false, None) => return Ok(()),
    };
    let why = match found {
        Found::Program | Found::Unknown => return Ok(()),
        Found::Nothing if name.contains('/') => "is in none of its layers",
        Found::Nothing => "is in no folder of its PATH",
        Found::Folder => "is a folder",
        Found::NotExecutable => "may not be executed by everybody; chmod a+rx it",
        Found::Circle => "is a link that leads in a circle",
    };
    Err(CodeError::new("no-entrypoint", format!("the image's entry point {name:?} {why}")))
}

/// The file of a layout that names the image.
const INDEX: &str = "index.json";

/// The files of an archive, by path.
struct Files<'a>(BTreeMap<String, Cow<'a, [u8]>>);

impl<'a> Files<'a> {
    fn read(code: &'a [u8]) -> Result<Self, CodeError> {
        let unreadable = |error: std::io::Error| bad(format!("it is no readable tar file: {error}"));
        let mut files = BTreeMap::new();
        let mut links = Vec::new();
        let mut archive = Archive::new(Cursor::new(code));
        for entry in archive.entries().map_err(unreadable)? {
            let entry = entry.map_err(unreadable)?;
            let path = entry.path().map_err(unreadable)?;
            let path = path.to_string_lossy();
            if let Some(target) = entry.link_name().map_err(unreadable)? {
                links.push((path.trim_start_matches("./").to_owned(), target.to_string_lossy().into_owned()));
            }
            if !entry.header().entry_type().is_file() {
                continue;
            }
            let range = usize::try_from(entry.raw_file_position())
                .ok()
                .zip(usize::try_from(entry.size()).ok())
                .and_then(|(start, size)| Some(start..start.checked_add(size)?));
            let content = range.and_then(|range| code.get(range));
            let content = content.ok_or_else(|| bad(format!("it is cut off inside '{path}'")))?;
            files.insert(path.trim_start_matches("./").to_owned(), Cow::Borrowed(content));
        }
        // `docker save` links layers that it has written already, relative to the folder of the link.
        for (path, target) in links {
            if let Some(content) = files.get(target.trim_start_matches("../")).cloned() {
                files.insert(path, content);
            }
        }
        Ok(Self(files))
    }

    /// The image of a layout.
    fn image(&self) -> Result<Image, CodeError> {
        self.image_of(parse(INDEX, self.get(INDEX)?)?)
    }

    fn image_of(&self, index: Index) -> Result<Image, CodeError> {
        let manifest = self.manifest(index, INDEX_DEPTH)?;
        if !CONFIG_TYPES.contains(&&*manifest.config.media_type) {
            let told = &manifest.config.media_type;
            return Err(bad(format!(
                "its configuration is of type '{told}'; an image to run has one of {CONFIG_TYPES:?}"
            )));
        }
        let config: Config = parse(&manifest.config.digest, self.blob(&manifest.config)?)?;
        let layers = manifest.layers.into_iter().map(|layer| {
            let blob = self.blob(&layer)?;
            Ok((layer.media_type, layer.digest, blob))
        });
        image(&layers.collect::<Result<Vec<_>, CodeError>>()?, config)
    }

    fn get(&self, path: &str) -> Result<&[u8], CodeError> {
        self.0.get(path).map(Cow::as_ref).ok_or_else(|| {
            bad(format!(
                "it has no file '{path}'; export the image as an OCI archive (docker buildx build --output type=oci, or \
                 skopeo copy ... oci-archive:FILE), or with docker save"
            ))
        })
    }

    /// A blob whose content is what its descriptor says.
    fn blob(&self, told: &Descriptor) -> Result<&[u8], CodeError> {
        let name = &*told.digest;
        let hash = name
            .strip_prefix("sha256:")
            .ok_or_else(|| CodeError::new("bad-digest", format!("'{name}' is no sha256 hash")))?;
        let content = self.get(&format!("blobs/sha256/{hash}"))?;
        let found = digest(content);
        if found != name {
            return Err(CodeError::new("bad-digest", format!("the file named {name} has the hash {found}")));
        }
        match told.size {
            Some(size) if size != content.len() as u64 => {
                Err(bad(format!("the file named {name} has {} bytes; its descriptor says {size}", content.len())))
            }
            _ => Ok(content),
        }
    }

    fn manifest(&self, index: Index, depth: usize) -> Result<Manifest, CodeError> {
        let found = index.manifests.into_iter().find(Descriptor::fits).ok_or_else(|| {
            let message = format!("the archive has no image for linux/{ARCHITECTURE}");
            CodeError::new("wrong-architecture", message)
        })?;
        let content = self.blob(&found)?;
        if !found.is_index() {
            return parse(&found.digest, content);
        }
        let depth = depth.checked_sub(1).ok_or_else(|| bad("its index is nested too deep".into()))?;
        self.manifest(parse(&found.digest, content)?, depth)
    }
}

#[derive(Deserialize)]
pub(super) struct Index {
    pub(super) manifests: Vec<Descriptor>,
}

/// What a blob is.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Descriptor {
    pub(super) media_type: String,
    pub(super) digest: String,
    /// In bytes, where it is told.
    size: Option<u64>,
    platform: Option<Platform>,
}

impl Descriptor {
    /// A blob of any platform.
    pub(super) fn new(media_type: String, digest: String) -> Self {
        Self { media_type, digest, size: None, platform: None }
    }

    /// True for what this machine can run.
    pub(super) fn fits(&self) -> bool {
        self.platform.as_ref().is_none_or(Platform::fits)
    }

    /// True for a list of manifests.
    pub(super) fn is_index(&self) -> bool {
        self.media_type.ends_with("image.index.v1+json") || self.media_type.ends_with("manifest.list.v2+json")
    }
}

#[derive(Clone, Deserialize)]
struct Platform {
    os: String,
    architecture: String,
}

impl Platform {
    fn fits(&self) -> bool {
        self.os == "linux" && self.architecture == ARCHITECTURE
    }
}

#[derive(Deserialize)]
pub(super) struct Manifest {
    pub(super) config: Descriptor,
    pub(super) layers: Vec<Descriptor>,
}

#[derive(Deserialize)]
struct Config {
    /// What the image is for; images that do not say it are taken for this machine's.
    os: Option<String>,
    architecture: Option<String>,
    #[serde(default)]
    config: Execution,
    rootfs: RootFs,
}

impl Config {
    fn fits(&self) -> bool {
        self.os.as_deref().is_none_or(|os| os == "linux")
            && self.architecture.as_deref().is_none_or(|architecture| architecture == ARCHITECTURE)
    }
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
        // The host alone says these.
        let names = [SOCKET_VARIABLE, ISOLATION_VARIABLE, CONCURRENCY_VARIABLE];
        let of_host = |entry: &String| entry.split('=').next().is_some_and(|name| names.contains(&name));
        let mut env = self.env.unwrap_or_default();
        env.retain(|entry| !of_host(entry));
        let texts = || args.iter().chain(&env).chain([&folder]);
        if let Some(text) = texts().find(|text| text.len() > TEXT_LIMIT || text.contains('\0')) {
            let start: String = text.chars().take(40).collect();
            let message = format!(
                "an argument, a variable or the working directory has more than {TEXT_LIMIT} bytes, or a zero byte: \
                 {start:?}"
            );
            return Err(bad(message));
        }
        if texts().map(String::len).sum::<usize>() > TEXTS_LIMIT {
            return Err(bad(format!("its arguments and variables have more than {TEXTS_LIMIT} bytes together")));
        }
        Ok(Program { args, env, folder })
    }
}

pub(super) fn parse<T: DeserializeOwned>(name: &str, content: &[u8]) -> Result<T, CodeError> {
    serde_json::from_slice(content).map_err(|error| bad(format!("'{name}' is not as OCI defines it: {error}")))
}

pub(super) fn bad(message: String) -> CodeError {
    CodeError::new("bad-image", message)
}

#[cfg(test)]
mod tests;
