//! The noise inputs of the synthesis network (Karras et al. 2019, section 2).

use frugan_autograd::{Device, Result, Tensor, Var};
use frugan_nn::{Purpose, Stream};

/// Where each layer's noise comes from.
#[derive(Clone, Copy, Debug)]
pub enum Noise<'a> {
    /// There is none.
    None,
    /// The fixed patterns that the generator keeps as buffers `noise_const`.
    Const,
    /// Standard normal draws, one `[n, 1, r, r]` a layer of side r (or `[1, 1, r, r]`, shared by the batch), from the
    /// bottom up.
    Given(&'a [Var]),
}

/// Draws for a batch of `n`, one `[n, 1, r, r]` a layer, taken from the stream layer by layer.
pub(super) fn draw(sides: &[usize], n: usize, stream: &mut Stream, device: &Device) -> Result<Vec<Var>> {
    sides.iter().map(|side| stream.normals_on(&[n, 1, *side, *side], device)).collect()
}

/// Draws that are a function of z: each sample's stream is seeded by its own z, so an image depends neither on the batch
/// it is made in nor on what was made before.
pub(super) fn of_latents(sides: &[usize], z: &Var) -> Result<Vec<Var>> {
    const NOISE: Purpose = Purpose::new("style.noise");
    let [n, latent_dim] = *z.dims() else { candle_core::bail!("noise: z is {:?}, expected [n, latent_dim]", z.dims()) };
    let z = z.to_tensor()?.to_dtype(candle_core::DType::F32)?.flatten_all()?.to_vec1::<f32>()?;
    let mut layers: Vec<Vec<f32>> = sides.iter().map(|side| Vec::with_capacity(n * side * side)).collect();
    for row in z.chunks_exact(latent_dim.max(1)) {
        let mut stream = Stream::new(fingerprint(row), NOISE, 0);
        for (layer, side) in layers.iter_mut().zip(sides) {
            layer.extend(stream.normals(side * side));
        }
    }
    let layers = layers.into_iter().zip(sides);
    layers
        .map(|(values, side)| {
            Ok(Var::constant(Tensor::from_vec(values, (n, 1, *side, *side), &candle_core::Device::Cpu)?))
        })
        .collect()
}

/// FNV-1a, 64 bits.
fn fingerprint(row: &[f32]) -> u64 {
    let bytes = row.iter().flat_map(|value| value.to_bits().to_le_bytes());
    bytes.fold(0xCBF2_9CE4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3))
}
