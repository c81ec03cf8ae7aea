//! The synthesis network: from styles and noise to an image.

use frugan_autograd::{DType, Fir, Result, Var};
use frugan_nn::{Builder, EqualizedConv2d, EqualizedConv2dOptions, Init, binomial_fir};

use super::config::{BOTTOM, StyleGan2Architecture, StyleGan2Config};
use super::layers::{SynthesisLayer, SynthesisLayerShape, ToRgb};
use super::noise::Noise;

/// Two layers of one resolution (one at the bottom), and a step to the image where the architecture has one.
struct Block {
    /// Doubles the resolution; the bottom has none.
    conv0: Option<SynthesisLayer>,
    conv1: SynthesisLayer,
    /// The residual form's way around both layers.
    skip: Option<EqualizedConv2d>,
    torgb: Option<ToRgb>,
    /// What it computes in.
    dtype: DType,
}

/// Widths of a block, and where it stands.
#[derive(Clone, Copy)]
struct BlockShape {
    /// Channels from below; `None` at the bottom.
    inputs: Option<usize>,
    outputs: usize,
    resolution: usize,
    full: usize,
}

impl Block {
    fn new(b: &Builder, shape: BlockShape, config: &StyleGan2Config) -> Result<Self> {
        let BlockShape { inputs, outputs, resolution, full } = shape;
        let is_last = resolution == full;
        let (w_dim, clamp) = (config.w_dim, config.clamp());
        let has_skip = config.g_architecture == StyleGan2Architecture::Resnet;
        let half = if has_skip && inputs.is_some() { 0.5f64.sqrt() } else { 1.0 };
        let layer = |name: &str, inputs, doubles, gain| {
            let shape = SynthesisLayerShape { inputs, outputs, resolution, doubles, gain };
            SynthesisLayer::new(&b.at(name), w_dim, shape, clamp)
        };
        let skip = |inputs| {
            let options = EqualizedConv2dOptions { bias: false, up: 2, gain: half, ..Default::default() };
            EqualizedConv2d::new(&b.at("skip"), (inputs, outputs, 1), &options)
        };
        let wants_rgb = is_last || config.g_architecture == StyleGan2Architecture::Skip;
        Ok(Self {
            conv0: inputs.map(|inputs| layer("conv0", inputs, true, 1.0)).transpose()?,
            conv1: layer("conv1", outputs, false, half)?,
            skip: inputs.filter(|_| has_skip).map(skip).transpose()?,
            dtype: config.type_at(resolution, full, [b.compute(), b.dtype()]),
            torgb: wants_rgb.then(|| ToRgb::new(&b.at("torgb"), w_dim, outputs, clamp)).transpose()?,
        })
    }

    fn layers(&self) -> impl Iterator<Item = &SynthesisLayer> {
        self.conv0.iter().chain([&self.conv1])
    }

    /// The block on `[n, inputs, r / 2, r / 2]`; `start` is the number of layers below.
    fn forward(&self, x: &Var, start: usize, pass: &Pass<'_>) -> Result<Var> {
        let mut h = x.clone();
        for (i, layer) in self.layers().enumerate() {
            h = layer.forward(&h, &pass.style(start + i)?, pass.noise(layer, start + i)?.as_ref())?;
        }
        self.skip.as_ref().map_or_else(|| Ok(h.clone()), |skip| skip.forward(x)?.add(&h))
    }
}

/// What the layers read beside their input, by the number of layers below them.
struct Pass<'a> {
    /// `[n, num_ws, w_dim]`.
    ws: &'a Var,
    noise: Noise<'a>,
}

impl Pass<'_> {
    fn style(&self, layer: usize) -> Result<Var> {
        let (n, w_dim) = (self.ws.dims()[0], self.ws.dims()[2]);
        self.ws.narrow(1, layer, 1)?.reshape(&[n, w_dim])
    }

    fn noise(&self, layer: &SynthesisLayer, index: usize) -> Result<Option<Var>> {
        match self.noise {
            Noise::None => Ok(None),
            Noise::Const => layer.const_noise().map(Some),
            Noise::Given(draws) => Ok(Some(draws[index].clone())),
        }
    }
}

/// From styles to an image: a learned 4x4 array, then blocks that double, each layer with a style and noise of its own.
/// The image is not bounded: there is no tanh.
pub struct SynthesisNetwork {
    bottom: Var,
    blocks: Vec<Block>,
    fir: Fir,
    /// The layers' sides, from the bottom up.
    sides: Vec<usize>,
    w_dim: usize,
}

impl SynthesisNetwork {
    /// Weights and buffers below `b4`, `b8`, ..; `resolution` is a power of two from 8 on.
    ///
    /// # Errors
    /// If the tensors cannot be made.
    pub fn new(builder: &Builder, config: &StyleGan2Config, resolution: usize) -> Result<Self> {
        let widths = config.widths(resolution);
        let channels = widths[0].1;
        let at = |side: usize| builder.at(format!("b{side}"));
        let bottom = at(BOTTOM).weight("const", &[channels, BOTTOM, BOTTOM], Init::Normal(1.0))?;
        let mut inputs = None;
        let (mut blocks, mut sides) = (Vec::with_capacity(widths.len()), Vec::new());
        for (side, outputs) in widths {
            let shape = BlockShape { inputs, outputs, resolution: side, full: resolution };
            let block = Block::new(&at(side), shape, config)?;
            sides.extend(block.layers().map(|_| side));
            blocks.push(block);
            inputs = Some(outputs);
        }
        Ok(Self { bottom, blocks, fir: binomial_fir(), sides, w_dim: config.w_dim })
    }

    /// Styles of an image: one a layer, and one more for the last step to the image. The step to the image of any other
    /// block shares the style of the layer above it.
    pub fn num_ws(&self) -> usize {
        self.sides.len() + 1
    }

    /// The sides of the layers and so of their noise, in pixels, from the bottom up.
    pub fn noise_sides(&self) -> &[usize] {
        &self.sides
    }

    /// Images `[n, 3, resolution, resolution]` of styles `[n, num_ws, w_dim]`.
    ///
    /// # Errors
    /// If the styles or the noise do not fit.
    pub fn forward(&self, ws: &Var, noise: Noise<'_>) -> Result<Var> {
        let n = self.check(ws, noise)?;
        let pass = Pass { ws, noise };
        let dims = self.bottom.dims();
        let mut x = self.bottom.reshape(&[1, dims[0], BOTTOM, BOTTOM])?.broadcast_to(&[n, dims[0], BOTTOM, BOTTOM])?;
        let mut image: Option<Var> = None;
        let mut layers = 0;
        for block in &self.blocks {
            x = block.forward(&x.to_dtype(block.dtype)?, layers, &pass)?;
            layers += block.layers().count();
            image = image.map(|image| image.upsample2d(&self.fir, 2, false, 1.0)).transpose()?;
            if let Some(torgb) = &block.torgb {
                let rgb = torgb.forward(&x, &pass.style(layers)?)?.to_dtype(ws.dtype())?;
                image = Some(image.map_or_else(|| Ok(rgb.clone()), |image| image.add(&rgb))?);
            }
        }
        Ok(image.expect("the last block has a step to the image"))
    }

    /// The batch, if everything fits.
    fn check(&self, ws: &Var, noise: Noise<'_>) -> Result<usize> {
        let (num_ws, w_dim) = (self.num_ws(), self.w_dim);
        let n = match *ws.dims() {
            [n, layers, dim] if layers == num_ws && dim == w_dim => n,
            ref dims => candle_core::bail!("synthesis: styles {dims:?}, expected [n, {num_ws}, {w_dim}]"),
        };
        let Noise::Given(draws) = noise else { return Ok(n) };
        if draws.len() != self.sides.len() {
            candle_core::bail!("synthesis: noise for {} layers, expected {}", draws.len(), self.sides.len())
        }
        for (i, (draw, side)) in draws.iter().zip(&self.sides).enumerate() {
            let fits = |batch| draw.dims() == [batch, 1, *side, *side];
            if !fits(n) && !fits(1) {
                candle_core::bail!("synthesis: noise {i} is {:?}, expected [{n}, 1, {side}, {side}]", draw.dims())
            }
        }
        Ok(n)
    }
}
