//! BigGAN's tables of widths by resolution (Brock et al. 2019, appendix B; the 32-pixel one from the CIFAR code).

use crate::error::ModelError;

/// One residual block of a generator; each doubles the resolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct GeneratorBlockArch {
    /// Channels of the input.
    pub(crate) inputs: usize,
    /// Channels of the output.
    pub(crate) outputs: usize,
    /// Side of the output, in pixels.
    pub(crate) resolution: usize,
}

/// One residual block of a discriminator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DiscriminatorBlockArch {
    /// Channels of the input.
    pub(crate) inputs: usize,
    /// Channels of the output.
    pub(crate) outputs: usize,
    /// Whether it halves the resolution.
    pub(crate) halves: bool,
    /// The side by which attention finds the block.
    pub(crate) resolution: usize,
}

/// Multiples of the base width, from the first layer's output to the last block's.
const GENERATOR: [(usize, &[usize]); 4] =
    [(32, &[4, 4, 4, 4]), (64, &[16, 16, 8, 4, 2]), (128, &[16, 16, 8, 4, 2, 1]), (256, &[16, 16, 8, 8, 4, 2, 1])];

/// Multiples of the base width at the blocks' outputs, and how many of the first blocks halve.
const DISCRIMINATOR: [(usize, &[usize], usize); 4] = [
    (32, &[4, 4, 4, 4], 2),
    (64, &[1, 2, 4, 8, 16], 4),
    (128, &[1, 2, 4, 8, 16, 16], 5),
    (256, &[1, 2, 4, 8, 8, 16, 16], 6),
];

/// The row of the tables for a resolution: 4 pixels at the bottom are the published size, and a wider bottom scales all.
fn row(resolution: usize, bottom_width: usize) -> Result<usize, ModelError> {
    let place = GENERATOR.iter().position(|(side, _)| side * bottom_width == resolution * 4);
    place.ok_or_else(|| {
        let supported: Vec<String> = GENERATOR.iter().map(|(side, _)| (side * bottom_width / 4).to_string()).collect();
        ModelError::Resolution {
            model: "biggan",
            resolution,
            at: format!(" at bottom_width = {bottom_width}"),
            supported: supported.join(", "),
        }
    })
}

/// The generator's blocks, from the bottom up.
pub(crate) fn generator(
    resolution: usize,
    bottom_width: usize,
    ch: usize,
) -> Result<Vec<GeneratorBlockArch>, ModelError> {
    let widths = GENERATOR[row(resolution, bottom_width)?].1;
    let block = |(i, pair): (usize, &[usize])| GeneratorBlockArch {
        inputs: pair[0] * ch,
        outputs: pair[1] * ch,
        resolution: bottom_width << (i + 1),
    };
    Ok(widths.windows(2).enumerate().map(block).collect())
}

/// The discriminator's blocks, from the image on.
pub(crate) fn discriminator(
    resolution: usize,
    bottom_width: usize,
    ch: usize,
    image_channels: usize,
) -> Result<Vec<DiscriminatorBlockArch>, ModelError> {
    let (_, widths, halvings) = DISCRIMINATOR[row(resolution, bottom_width)?];
    let mut inputs = image_channels;
    let mut blocks = Vec::with_capacity(widths.len());
    for (i, width) in widths.iter().enumerate() {
        let halved = resolution >> (i + 1).min(halvings);
        // The published 32-pixel table calls every block's output 16 wide; the others name the real sides.
        let nominal = if halvings == 2 { resolution / 2 } else { halved };
        blocks.push(DiscriminatorBlockArch { inputs, outputs: width * ch, halves: i < halvings, resolution: nominal });
        inputs = width * ch;
    }
    Ok(blocks)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_tables_chain_and_end_where_they_should() {
        for (side, bottom_width) in [(32, 4), (64, 4), (128, 4), (256, 4), (48, 6), (64, 8)] {
            let g = generator(side, bottom_width, 8).unwrap();
            assert_eq!(g.last().unwrap().resolution, side);
            assert!(g.windows(2).all(|pair| pair[0].outputs == pair[1].inputs));
            let d = discriminator(side, bottom_width, 8, 3).unwrap();
            assert_eq!(d[0].inputs, 3);
            assert!(d.windows(2).all(|pair| pair[0].outputs == pair[1].inputs));
            assert!(d.iter().any(|block| !block.halves));
        }
    }

    #[test]
    fn other_resolutions_are_named_with_what_is_supported() {
        let error = generator(40, 4, 64).unwrap_err().to_string();
        assert!(error.contains("40x40") && error.contains("32, 64, 128, 256"), "{error}");
    }
}
