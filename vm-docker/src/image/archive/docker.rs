//! What `docker save` writes: `manifest.json`, a configuration, and layers in files of their own.

use serde::Deserialize;
use vm_core::CodeError;

use super::{Config, Files, bad, image, parse};
use crate::image::{Image, Layer, digest};

const MANIFEST: &str = "manifest.json";

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Saved {
    config: String,
    layers: Vec<String>,
}

/// Finds the first image. Its configuration is checked by its name, which is its hash, and its layers by the
/// configuration's hashes of them.
pub(super) fn read(files: &Files<'_>) -> Result<Image, CodeError> {
    let saved: Vec<Saved> = parse(MANIFEST, files.get(MANIFEST)?)?;
    let saved = saved.into_iter().next().ok_or_else(|| bad(format!("'{MANIFEST}' names no image")))?;
    let content = files.get(&saved.config)?;
    let (name, found) = (saved.config.rsplit('/').next().unwrap_or_default(), digest(content));
    let name = name.strip_suffix(".json").unwrap_or(name);
    if found.strip_prefix("sha256:") != Some(name) {
        let message = format!("the configuration named {name} has the hash {found}");
        return Err(CodeError::new("bad-digest", message));
    }
    let config: Config = parse(&saved.config, content)?;
    let layers = saved.layers.iter().map(|path| {
        let bytes = files.get(path)?;
        Ok((Layer::media_type(bytes).to_owned(), digest(bytes), bytes))
    });
    image(&layers.collect::<Result<Vec<_>, CodeError>>()?, config)
}
