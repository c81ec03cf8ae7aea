//! Writes the first 200 training images as one PNG, 20 a row: `contact_sheet OUT.png [NAME] [ROOT]`.

use frugan_data::{DataConfig, DataName, open};
use std::error::Error;

const COLUMNS: usize = 20;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let out = arguments.next().ok_or("usage: contact_sheet OUT.png [synthetic|cifar10|cifar100|folder|zip] [ROOT]")?;
    let name = match arguments.next().as_deref() {
        None | Some("synthetic") => DataName::Synthetic,
        Some("cifar10") => DataName::Cifar10,
        Some("cifar100") => DataName::Cifar100,
        Some("folder") => DataName::Folder,
        Some("zip") => DataName::Zip,
        Some(other) => return Err(format!("{other} is no data set").into()),
    };
    let config = DataConfig { name, root: arguments.next().map(Into::into), ..DataConfig::default() };
    let train = open(&config)?.train;
    let [channels, height, width] = train.shape;
    let shown = train.len().min(200);
    let rows = shown.div_ceil(COLUMNS);
    let sheet = image::RgbImage::from_fn((COLUMNS * width) as u32, (rows * height) as u32, |x, y| {
        let (x, y) = (x as usize, y as usize);
        let index = y / height * COLUMNS + x / width;
        if index >= shown {
            return image::Rgb([255; 3]);
        }
        let place = y % height * width + x % width;
        image::Rgb(std::array::from_fn(|c| train.image(index)[c.min(channels - 1) * height * width + place]))
    });
    sheet.save(out)?;
    Ok(())
}
