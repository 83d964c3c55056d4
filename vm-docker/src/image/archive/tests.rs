use std::io::Write as _;

use flate2::{Compression, write::GzEncoder};
use serde_json::{Value, json};

use super::*;

/// An image of one layer, whose parts a test can change before it is packed.
struct Layout {
    layer: Vec<u8>,
    media_type: &'static str,
    config_type: &'static str,
    /// Bytes that the layer has more than its descriptor says.
    excess: usize,
    diff_id: String,
    platform: Value,
    execution: Value,
}

impl Default for Layout {
    fn default() -> Self {
        let layer = layer_with("bin/contract", 0o755);
        Self {
            diff_id: digest(&layer),
            layer,
            media_type: "application/vnd.oci.image.layer.v1.tar",
            config_type: "application/vnd.oci.image.config.v1+json",
            excess: 0,
            platform: json!({ "os": "linux", "architecture": ARCHITECTURE }),
            execution: json!({ "Entrypoint": ["/bin/contract"], "Cmd": ["serve"], "Env": ["A=1", "VM_SOCKET=/x", "VM_CONCURRENCY=9"] }),
        }
    }
}

impl Layout {
    fn pack(&self) -> Vec<u8> {
        let config = json!({ "config": self.execution, "rootfs": { "diff_ids": [self.diff_id] } }).to_string();
        let manifest = json!({
            "config": { "mediaType": self.config_type, "digest": digest(config.as_bytes()), "size": config.len() },
            "layers": [{
                "mediaType": self.media_type, "digest": digest(&self.layer), "size": self.layer.len() - self.excess,
            }],
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

    /// The same image as `docker save` writes it, with a layer that is a link to the first.
    fn pack_docker(&self, config: &str) -> Vec<u8> {
        let name = digest(config.as_bytes()).replace("sha256:", "");
        let manifest = json!([{
            "Config": format!("{name}.json"), "RepoTags": ["a:b"], "Layers": ["1/layer.tar", "2/layer.tar"],
        }])
        .to_string();
        let mut archive = tar::Builder::new(Vec::new());
        let mut add = |path: &str, content: &[u8]| {
            let mut header = tar::Header::new_gnu();
            header.set_size(content.len() as u64);
            archive.append_data(&mut header, path, content).unwrap();
        };
        add("manifest.json", manifest.as_bytes());
        add(&format!("{name}.json"), config.as_bytes());
        add("1/layer.tar", &self.layer);
        let mut link = tar::Header::new_gnu();
        link.set_entry_type(tar::EntryType::Symlink);
        link.set_size(0);
        archive.append_link(&mut link, "2/layer.tar", "../1/layer.tar").unwrap();
        archive.into_inner().unwrap()
    }

    fn docker_config(&self) -> String {
        json!({
            "config": self.execution, "rootfs": { "diff_ids": [self.diff_id, self.diff_id] },
            "os": "linux", "architecture": ARCHITECTURE,
        })
        .to_string()
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
    assert_eq!(with(|layout| layout.excess = 1), "bad-image");
    assert_eq!(with(|layout| layout.config_type = "application/vnd.cncf.helm.config.v1+json"), "bad-image");
    assert_eq!(with(|layout| layout.media_type = "application/zstd"), "layer-type");
    assert_eq!(with(|layout| layout.media_type = "application/vnd.oci.image.layer.v1.tar+gzip"), "bad-layer");
    assert_eq!(
        with(|layout| layout.platform = json!({ "os": "plan9", "architecture": "amd64" })),
        "wrong-architecture"
    );
}

/// A layer of one file, and a link that leads in a circle.
fn layer_with(path: &str, mode: u32) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_mode(mode);
    header.set_size(0);
    archive.append_data(&mut header, path, &b""[..]).unwrap();
    header.set_entry_type(tar::EntryType::Symlink);
    archive.append_link(&mut header, "circle", "/circle").unwrap();
    archive.into_inner().unwrap()
}

#[test]
fn an_entry_point_that_cannot_be_executed_is_named() {
    let refusal = |layer: Vec<u8>, execution: Value| {
        let layout = Layout { diff_id: digest(&layer), layer, execution, ..Layout::default() };
        let error = Image::read(&layout.pack()).err()?;
        assert_eq!(error.rule(), "no-entrypoint");
        Some(error.to_string())
    };
    let program = || layer_with("bin/contract", 0o755);
    let path =
        |name: &str, path: &str| json!({ "Entrypoint": [name], "Env": [format!("PATH={path}")], "WorkingDir": "/bin" });
    for execution in [path("contract", "/usr/bin:/bin"), path("./contract", ""), json!({ "Entrypoint": ["contract"] })]
    {
        assert_eq!(refusal(program(), execution), None);
    }
    for (layer, execution, told) in [
        (program(), path("/bin/contrct", ""), "\"/bin/contrct\" is in none of its layers"),
        (program(), path("contract", "/usr/bin"), "\"contract\" is in no folder of its PATH"),
        (program(), path("/circle", ""), "\"/circle\" is a link that leads in a circle"),
        (layer_with("bin/contract/file", 0o755), path("/bin/..", ""), "\"/bin/..\" is a folder"),
        (
            layer_with("bin/contract", 0o644),
            path("/bin/contract", ""),
            "may not be executed by everybody; chmod a+rx it",
        ),
        (layer_with("bin/contract", 0o700), path("/bin/contract", ""), "may not be executed"),
    ] {
        let refused = refusal(layer, execution).unwrap();
        assert!(refused.contains(told), "{refused}");
    }
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

/// What comes of a layer with this content.
fn of_layer(bytes: &[u8], left: &mut Room) -> Result<Layer, CodeError> {
    let (name, files) = (digest(bytes), &mut Contents::default());
    Layer::from_image("application/vnd.oci.image.layer.v1.tar", &name, &name, bytes, left, files)
}

/// A layer with `count` entries of a kind, and perhaps a PAX record before the first.
fn layer_of(kind: tar::EntryType, count: usize, record: Option<(&str, &str)>) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    archive.append_pax_extensions(record.map(|(key, value)| (key, value.as_bytes()))).unwrap();
    for number in 0..count {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_size(0);
        archive.append_data(&mut header, number.to_string(), &b""[..]).unwrap();
    }
    archive.into_inner().unwrap()
}

#[test]
fn a_bomb_is_refused() {
    let bytes = layer_of(tar::EntryType::Regular, 3, None);
    let size = bytes.len() as u64;
    let refused = |left: Room| of_layer(&bytes, &mut { left }).unwrap_err().rule();
    assert_eq!(refused(Room { bytes: size - 1, entries: 3 }), "image-too-large");
    assert_eq!(refused(Room { bytes: size, entries: 2 }), "image-too-large");
    let mut left = Room { bytes: size, entries: 3 };
    of_layer(&bytes, &mut left).unwrap();
    assert_eq!((left.bytes, left.entries), (0, 0));
}

/// What is written without a limit: holes of sparse files, which take no place in the archive.
#[test]
fn layers_hold_files_folders_and_links_only() {
    use tar::EntryType;
    for kind in [EntryType::Regular, EntryType::Directory] {
        of_layer(&layer_of(kind, 1, Some(("mtime", "1"))), &mut Room::default()).unwrap();
    }
    for kind in [EntryType::Char, EntryType::Block, EntryType::Fifo, EntryType::GNUSparse, EntryType::new(b'V')] {
        assert_eq!(
            of_layer(&layer_of(kind, 1, None), &mut Room::default()).unwrap_err().rule(),
            "bad-layer",
            "{kind:?}"
        );
    }
    for key in ["GNU.sparse.major", "GNU.sparse.size", "GNU.sparse.map"] {
        let layer = layer_of(EntryType::Regular, 1, Some((key, "1")));
        let error = of_layer(&layer, &mut Room::default()).unwrap_err();
        assert!(error.rule() == "bad-layer" && error.to_string().contains("sparse"), "{error}");
    }
}

#[test]
fn what_docker_saves_is_read_and_checked() {
    let layout = Layout::default();
    let config = layout.docker_config();
    let image = Image::read(&layout.pack_docker(&config)).unwrap();
    assert_eq!(image.program.args, ["/bin/contract", "serve"]);
    assert_eq!(image.chain().len(), 3, "two layers and the mount points");

    let rule = |layout: &Layout, config: &str| Image::read(&layout.pack_docker(config)).unwrap_err().rule();
    assert_eq!(rule(&layout, &config.replace(ARCHITECTURE, "mips")), "wrong-architecture");
    assert_eq!(rule(&layout, &config.replace("Entrypoint", "entrypoint").replace("Cmd", "cmd")), "no-entrypoint");
    let other = Layout { layer: b"other".to_vec(), ..Layout::default() };
    assert_eq!(rule(&other, &config), "bad-digest", "a layer is not what the configuration says");

    // The configuration is not what its name says.
    let packed = layout.pack_docker(&config);
    let at = packed.windows(8).position(|window| window == b"/bin/con").unwrap();
    let mut changed = packed;
    changed[at + 1] = b'B';
    assert_eq!(Image::read(&changed).unwrap_err().rule(), "bad-digest");
}
