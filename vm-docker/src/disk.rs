//! How much the unpacked images of a host take on disk together.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use crate::image::Image;

/// The layers that are unpacked, by the names of their snapshots. What several images have in common counts once.
#[derive(Debug)]
pub(crate) struct Disk {
    most: u64,
    layers: Arc<Layers>,
    /// How many images wait for room.
    waiting: AtomicUsize,
}

/// An image counts as waiting for room as long as this exists.
#[derive(Debug)]
pub(crate) struct Wait<'a>(&'a AtomicUsize);

#[derive(Debug, Default)]
struct Layers(Mutex<BTreeMap<String, Unpacked>>);

#[derive(Debug, Clone, Copy)]
struct Unpacked {
    bytes: u64,
    /// Images that have it on disk, and those of them that are used.
    claims: usize,
    uses: usize,
}

/// As long as it exists, an image may be on disk.
#[derive(Debug)]
pub(crate) struct Claim {
    layers: Arc<Layers>,
    snapshots: Vec<String>,
}

/// As long as it exists, an image is used; after that it is about to leave the disk.
#[derive(Debug)]
pub(crate) struct Use {
    layers: Arc<Layers>,
    snapshots: Vec<String>,
}

impl Disk {
    /// A disk for so many bytes.
    pub(crate) fn new(most: u64) -> Self {
        Self { most, layers: Arc::default(), waiting: AtomicUsize::new(0) }
    }

    /// How many bytes there may be.
    pub(crate) fn most(&self) -> u64 {
        self.most
    }

    /// How many bytes there are.
    pub(crate) fn taken(&self) -> u64 {
        self.layers.lock().values().map(|layer| layer.bytes).fold(0, u64::saturating_add)
    }

    /// Room for an image that is to be unpacked, if there is.
    pub(crate) fn claim(&self, image: &Image) -> Option<(Claim, Use)> {
        let mut layers = self.layers.lock();
        if excess(&layers, image, self.most, |layer| layer.claims) > 0 {
            return None;
        }
        let snapshots = image.chain();
        for (snapshot, layer) in snapshots.iter().zip(&image.layers) {
            let new = Unpacked { bytes: layer.on_disk, claims: 0, uses: 0 };
            let layer = layers.entry(snapshot.clone()).or_insert(new);
            layer.claims = layer.claims.saturating_add(1);
            layer.uses = layer.uses.saturating_add(1);
        }
        drop(layers);
        let claim = Claim { layers: self.layers.clone(), snapshots: snapshots.clone() };
        Some((claim, Use { layers: self.layers.clone(), snapshots }))
    }

    /// How many of the images that are `unused`, the first before the others, have to leave for there to be room for another one
    /// when all are gone that leave. `None` if there is too little even when none of them is left.
    pub(crate) fn in_the_way<'a>(&self, image: &Image, unused: impl IntoIterator<Item = &'a Image>) -> Option<usize> {
        let mut layers = self.layers.lock().clone();
        let mut unused = unused.into_iter();
        let mut leaving = 0;
        while excess(&layers, image, self.most, |layer| layer.uses) > 0 {
            for snapshot in unused.next()?.chain() {
                if let Some(layer) = layers.get_mut(&snapshot) {
                    layer.uses = layer.uses.saturating_sub(1);
                }
            }
            leaving += 1;
        }
        Some(leaving)
    }

    /// An image begins to wait for room.
    pub(crate) fn wait(&self) -> Wait<'_> {
        self.waiting.fetch_add(1, Ordering::SeqCst);
        Wait(&self.waiting)
    }

    /// How many images wait for room.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::SeqCst)
    }
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// The bytes that are too many when an image joins those that count.
fn excess(layers: &BTreeMap<String, Unpacked>, image: &Image, most: u64, counts: impl Fn(&Unpacked) -> usize) -> u64 {
    let there = layers.values().filter(|layer| counts(layer) > 0).map(|layer| layer.bytes);
    let is_new = |snapshot: &String| layers.get(snapshot).is_none_or(|layer| counts(layer) == 0);
    let chain = image.chain();
    let joins =
        chain.iter().zip(&image.layers).filter(|(snapshot, _)| is_new(snapshot)).map(|(_, layer)| layer.on_disk);
    there.chain(joins).fold(0, u64::saturating_add).saturating_sub(most)
}

impl Layers {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Unpacked>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let mut layers = self.layers.lock();
        for snapshot in &self.snapshots {
            if let Some(layer) = layers.get_mut(snapshot) {
                layer.claims = layer.claims.saturating_sub(1);
                if layer.claims == 0 {
                    layers.remove(snapshot);
                }
            }
        }
    }
}

impl Drop for Use {
    fn drop(&mut self) {
        let mut layers = self.layers.lock();
        for snapshot in &self.snapshots {
            if let Some(layer) = layers.get_mut(snapshot) {
                layer.uses = layer.uses.saturating_sub(1);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::{Layer, Program};

    /// An image of layers with these numbers, each of 100 bytes.
    fn image(layers: &[u8]) -> Image {
        let layer = |number: &u8| Layer { on_disk: 100, ..Layer::from_tar(vec![*number]) };
        let program = Program { args: Vec::new(), env: Vec::new(), folder: "/".into() };
        Image { layers: layers.iter().map(layer).collect(), program: Arc::new(program) }
    }

    #[test]
    fn layers_count_once_and_as_long_as_an_image_has_them() {
        let disk = Disk::new(300);
        let (first, _used) = disk.claim(&image(&[1, 2])).unwrap();
        assert_eq!(disk.taken(), 200);
        let second = disk.claim(&image(&[1, 3])).unwrap();
        assert_eq!(disk.taken(), 300, "the lowest layer is the same");
        assert!(disk.claim(&image(&[4])).is_none() && disk.in_the_way(&image(&[4]), []).is_none());
        assert!(disk.claim(&image(&[3])).is_none(), "it lies over nothing here");
        drop(first);
        assert_eq!(disk.taken(), 200);
        drop(second);
        assert_eq!(disk.taken(), 0);
        assert!(disk.claim(&image(&[1, 2, 3, 4])).is_none() && disk.in_the_way(&image(&[1, 2, 3, 4]), []).is_none());
    }

    #[test]
    fn no_more_images_are_in_the_way_than_another_one_needs_to_fit() {
        let disk = Disk::new(400);
        let images = [image(&[1, 2]), image(&[1, 3]), image(&[4])];
        let _there: Vec<_> = images.iter().map(|image| disk.claim(image).unwrap()).collect();
        let in_the_way =
            |new: &[u8], unused: &[usize]| disk.in_the_way(&image(new), unused.iter().map(|number| &images[*number]));
        assert_eq!(in_the_way(&[1, 2], &[0, 1, 2]), Some(0), "it is there");
        assert_eq!(in_the_way(&[5], &[0, 1, 2]), Some(1));
        assert_eq!(in_the_way(&[5, 6], &[2, 0, 1]), Some(2));
        assert_eq!(in_the_way(&[5, 6], &[0, 1, 2]), Some(2), "the lowest layer leaves with the second");
        assert_eq!(in_the_way(&[5, 6, 7], &[0, 1]), Some(2));
        assert_eq!(in_the_way(&[5, 6, 7, 8], &[0, 1]), None, "the third is used");
        assert_eq!(in_the_way(&[5], &[]), None);
    }

    #[test]
    fn what_leaves_is_there_until_it_is_gone() {
        let disk = Disk::new(200);
        let (claim, used) = disk.claim(&image(&[1, 2])).unwrap();
        let will_hold = |image| disk.in_the_way(&image, []) == Some(0);
        assert!(!will_hold(image(&[3])));
        drop(used);
        assert!(will_hold(image(&[3])) && disk.claim(&image(&[3])).is_none());
        // One that is used again before it is gone stays.
        let (again, used) = disk.claim(&image(&[1, 2])).unwrap();
        drop(claim);
        assert!(disk.taken() == 200 && !will_hold(image(&[3])));
        drop((again, used));
        assert!(disk.claim(&image(&[3])).is_some());
    }
}
