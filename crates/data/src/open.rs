//! From a configuration to images in memory.

use crate::archive;
use crate::cifar::{CIFAR10, CIFAR100, Format};
use crate::config::{DataConfig, DataName, Labels};
use crate::dataset::{Dataset, Splits};
use crate::error::Result;
use crate::fetch::fetch;
use crate::folder;
use crate::kept;
use crate::subset::subset_indices;
use crate::synthetic;

/// Finds, checks and reads the data that `config` names, and draws the training subset.
///
/// # Errors
/// One sentence on the first thing that is wrong; a folder or zip of images is scanned whole and reported at once.
///
/// ```
/// use frugan_data::{DataConfig, open};
/// let config = DataConfig { fraction: Some(0.1), ..DataConfig::default() };
/// let splits = open(&config)?;
/// assert_eq!((splits.train.len(), splits.test.len()), (500, 1000));
/// # Ok::<(), frugan_data::Error>(())
/// ```
pub fn open(config: &DataConfig) -> Result<Splits> {
    config.check()?;
    let whole = match config.name {
        DataName::Synthetic => {
            let resolution = config.resolution.unwrap_or(synthetic::RESOLUTION);
            Splits { train: synthetic::train(resolution), test: synthetic::test(resolution) }
        }
        DataName::Cifar10 => cifar(&CIFAR10, config)?,
        DataName::Cifar100 => cifar(&CIFAR100, config)?,
        DataName::Folder => folder::read(config)?,
        DataName::Zip => archive::read(config)?,
    };
    let whole = match config.labels {
        Labels::None => Splits { train: whole.train.without_labels(), test: whole.test.without_labels() },
        Labels::Folders => whole,
    };
    Ok(Splits { train: subset(whole.train, config)?, test: whole.test })
}

fn cifar(format: &Format, config: &DataConfig) -> Result<Splits> {
    let folder = fetch(config, &mut |_, _| {})?;
    // The official files stand before a part of them.
    if format.files().any(|file| folder.join(file.name).is_file()) {
        return format.read(&folder, config.verify);
    }
    let kept = kept::read(format, &folder)?;
    let total = kept.splits.train.len();
    let size = config.subset_size(total)?;
    let wanted = size.map(|size| subset_indices(total as u32, size, config.subset_seed, config.subset_order));
    kept.check(&folder, wanted.as_deref())?;
    Ok(kept.splits)
}

fn subset(train: Dataset, config: &DataConfig) -> Result<Dataset> {
    let total = train.len();
    let Some(num_images) = config.subset_size(total)? else { return Ok(train) };
    let indices = subset_indices(total as u32, num_images, config.subset_seed, config.subset_order);
    let name = format!("{}, {num_images} of {total} images (seed {})", train.name, config.subset_seed);
    Ok(train.select(name, &indices))
}
