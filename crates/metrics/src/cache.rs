//! Reference features on disk, so that a test set passes through the network once.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use sha2::{Digest, Sha256};

use crate::{Error, FeatureNetwork, Features, Images, Result};

/// Changes when the same network and images would give other features.
const FORMAT: &str = "frugan features 1";

/// Images in a file: what a killed extraction loses at most.
const PART: usize = 2000;

/// Features of sets of images, one file for every 2000 of them, named by what they depend on: images, weights, format.
///
/// ```
/// use frugan_metrics::{FeatureCache, FeatureNetwork, Images};
/// let folder = tempfile::tempdir().unwrap();
/// let (cache, network) = (FeatureCache::new(folder.path()), FeatureNetwork::random()?);
/// let images = Images::new(&[7; 5 * 3 * 8 * 8], [3, 8, 8])?;
/// let first = cache.features(&network, images)?;
/// assert_eq!(first, cache.features(&network, images)?); // read back
/// # Ok::<(), frugan_metrics::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct FeatureCache {
    folder: PathBuf,
}

impl FeatureCache {
    /// A cache in this folder, which is made when it is first written to.
    ///
    /// ```
    /// # use frugan_metrics::FeatureCache;
    /// let cache = FeatureCache::new("target/features".as_ref());
    /// ```
    pub fn new(folder: &Path) -> Self {
        Self { folder: folder.to_path_buf() }
    }

    /// The user's: `frugan/features` in the cache folder of the system; `None` where there is none.
    ///
    /// ```
    /// # use frugan_metrics::FeatureCache;
    /// let cache = FeatureCache::of_user();
    /// ```
    pub fn of_user() -> Option<Self> {
        crate::locate::cache_folder("features").map(|folder| Self { folder })
    }

    /// The features (without logits) of `images`: read, or extracted and stored. A file that cannot be read or does not
    /// match its own checksum is replaced; a cache that cannot be written is no error.
    ///
    /// # Errors
    /// If extraction fails.
    ///
    /// ```
    /// # use frugan_metrics::{FeatureCache, FeatureNetwork, Images};
    /// # let folder = tempfile::tempdir().unwrap();
    /// let cache = FeatureCache::new(folder.path());
    /// let features = cache.features(&FeatureNetwork::random()?, Images::new(&[0; 12], [3, 2, 2])?)?;
    /// assert_eq!(features.len(), 1);
    /// # Ok::<(), frugan_metrics::Error>(())
    /// ```
    pub fn features(&self, network: &FeatureNetwork, images: Images<'_>) -> Result<Features> {
        let mut all = Features::new(network.tap().dims(), Vec::new())?;
        for start in (0..images.len()).step_by(PART) {
            all.append(self.part(network, images.slice(start, PART))?)?;
        }
        Ok(all)
    }

    fn part(&self, network: &FeatureNetwork, images: Images<'_>) -> Result<Features> {
        let file = self.file(network, images);
        if let Some(features) = read(&file).filter(|f| f.dims == network.tap().dims() && f.len() == images.len()) {
            return Ok(features);
        }
        let mut features = network.extract(images)?;
        features.logits = None;
        // Without the file the next run only takes longer.
        let _ = write(&file, &features);
        Ok(features)
    }

    fn file(&self, network: &FeatureNetwork, images: Images<'_>) -> PathBuf {
        let mut hash = Sha256::new();
        let rounded = if network.precision().is_default() { String::new() } else { network.precision().to_string() };
        for part in [FORMAT, network.sha256(), &format!("{:?}{rounded}", network.tap()), &images.sha256()] {
            hash.update(part.as_bytes());
            hash.update([0]);
        }
        self.folder.join(format!("{:x}.safetensors", hash.finalize()))
    }
}

fn bytes_of(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

fn read(file: &Path) -> Option<Features> {
    let content = std::fs::read(file).ok()?;
    let (_, header) = SafeTensors::read_metadata(&content).ok()?;
    let tensors = SafeTensors::deserialize(&content).ok()?;
    let pool = tensors.tensor("pool").ok().filter(|pool| pool.dtype() == Dtype::F32 && pool.shape().len() == 2)?;
    let written = header.metadata().as_ref()?.get("sha256")?;
    if *written != format!("{:x}", Sha256::digest(pool.data())) {
        return None;
    }
    let values = pool.data().chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
    Features::new(pool.shape()[1], values).ok()
}

fn write(file: &Path, features: &Features) -> Result<()> {
    let folder = file.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).map_err(|e| Error::io(folder, e))?;
    let bytes = bytes_of(&features.pool);
    let metadata = HashMap::from([("sha256".to_string(), format!("{:x}", Sha256::digest(&bytes)))]);
    let failed = |error: safetensors::SafeTensorError| Error::io(file, std::io::Error::other(error.to_string()));
    let view = TensorView::new(Dtype::F32, vec![features.len(), features.dims], &bytes).map_err(failed)?;
    let content = safetensors::serialize([("pool", view)], Some(metadata)).map_err(failed)?;
    let mut part = tempfile::NamedTempFile::new_in(folder).map_err(|e| Error::io(folder, e))?;
    std::io::Write::write_all(&mut part, &content).map_err(|e| Error::io(part.path(), e))?;
    part.as_file().sync_all().map_err(|e| Error::io(part.path(), e))?;
    part.persist(file).map_err(|e| Error::io(file, e.error))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_damaged_file_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let (cache, network) = (FeatureCache::new(folder.path()), FeatureNetwork::random().unwrap());
        let bytes: Vec<u8> = (0..3 * 3 * 8 * 8).map(|i| (i * 7 % 256) as u8).collect();
        let images = Images::new(&bytes, [3, 8, 8]).unwrap();
        let features = cache.features(&network, images).unwrap();
        let file = cache.file(&network, images);
        let whole = std::fs::read(&file).unwrap();
        let mut flipped = whole.clone();
        *flipped.last_mut().unwrap() ^= 1;
        for damaged in [&whole[..whole.len() - 9], &flipped, b"", b"nonsense"] {
            std::fs::write(&file, damaged).unwrap();
            assert!(read(&file).is_none());
            assert_eq!(cache.features(&network, images).unwrap(), features);
            assert_eq!(std::fs::read(&file).unwrap(), whole);
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn other_images_have_another_file() {
        let (cache, network) = (FeatureCache::new(Path::new("c")), FeatureNetwork::random().unwrap());
        let file = |value: u8| cache.file(&network, Images::new(&[value; 12], [3, 2, 2]).unwrap());
        assert_ne!(file(0), file(1));
    }
}
