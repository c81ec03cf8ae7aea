//! How a discriminator meets the class of an image.

use frugan_autograd::{Ints, Result, Var, concat};
use frugan_nn::{Builder, Conv2d, Conv2dShape, Embedding, LayerOptions, Mode};
use serde::{Deserialize, Serialize};

/// How D meets the class of an image: it is told in one of three ways, or names the class itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DLabels {
    /// The class embedding, times D's features, is added to the logit (Miyato and Koyama 2018, section 3).
    #[default]
    Projection,
    /// The class embedding stands beside the features at every pixel of D's last map, and a 1x1 convolution joins them
    /// (Reed et al. 2016, "Generative Adversarial Text to Image Synthesis", section 4.1). Without that layer the class would
    /// shift the logit and never meet the image.
    Concat,
    /// The class embedding, a small map that is enlarged to the image's size, is a further channel of the image.
    Channel,
    /// D is not told: it names the class by logits of its own (AC-GAN, Odena et al. 2017, section 3). Wants `loss.acgan`.
    Classifier,
}

impl DLabels {
    pub(crate) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// A class as a further channel of the image.
pub(crate) struct LabelChannel {
    embed: Embedding,
    /// Of the embedding's map.
    side: usize,
}

impl LabelChannel {
    /// A map of `side`^2 numbers a class.
    pub(crate) fn new(b: &Builder, num_classes: usize, side: usize, layer: &LayerOptions) -> Result<Self> {
        Ok(Self { embed: Embedding::new(&b.at("embed"), num_classes, side * side, layer)?, side })
    }

    /// `[n, c, h, w]` to `[n, c + 1, h, w]`; h and w are `side` times a power of two.
    pub(crate) fn beside(&self, images: &Var, labels: &Ints, mode: Mode) -> Result<Var> {
        let (n, _, height, _) = images.dims4()?;
        let mut map = self.embed.forward(labels, mode)?.reshape(&[n, 1, self.side, self.side])?;
        while map.dims()[2] < height {
            map = map.upsample2()?;
        }
        concat(&[images, &map], 1)
    }
}

/// A class beside the features of a map, and the convolution that joins the two.
pub(crate) struct LabelJoint {
    embed: Embedding,
    conv: Conv2d,
}

impl LabelJoint {
    /// For maps of `channels`, with embeddings of length `embed_dim`.
    pub(crate) fn new(
        b: &Builder,
        num_classes: usize,
        (channels, embed_dim): (usize, usize),
        layer: &LayerOptions,
    ) -> Result<Self> {
        Ok(Self {
            embed: Embedding::new(&b.at("embed"), num_classes, embed_dim, layer)?,
            conv: Conv2d::new(&b.at("joint"), Conv2dShape::same(channels + embed_dim, channels, 1), layer)?,
        })
    }

    /// `[n, channels, h, w]`, ahead of an activation.
    pub(crate) fn forward(&self, map: &Var, labels: &Ints, mode: Mode) -> Result<Var> {
        let (n, _, height, width) = map.dims4()?;
        let embedded = self.embed.forward(labels, mode)?;
        let length = embedded.dims()[1];
        let everywhere = embedded.reshape(&[n, length, 1, 1])?.broadcast_to(&[n, length, height, width])?;
        self.conv.forward(&concat(&[map, &everywhere], 1)?, mode)
    }
}
