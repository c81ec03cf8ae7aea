//! DiffAugment in a GAN that is otherwise candle's: its tensors, layers, optimisers and `backward`.
//!
//! `cargo run --release -p frugan-augment --example candle_loop` learns to paint discs from 64 images, in seconds.
#![allow(clippy::print_stdout, reason = "an example speaks")]

use candle_core::{DType, Device, Result, Tensor};
use candle_nn::{AdamW, Module, Optimizer, ParamsAdamW, Sequential, VarBuilder, VarMap, linear, ops, seq};
use frugan_augment::Policy;
use frugan_nn::{Purpose, Stream};

const SIDE: usize = 16;
const PIXELS: usize = 3 * SIDE * SIDE;
const LATENT_DIM: usize = 16;
const IMAGES: usize = 64;
const BATCH: usize = 16;
const STEPS: u64 = 600;

fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let policy = Policy::parse("color,translation,cutout")?;
    // T: new draws for every batch, named by what they are for and by the step.
    let augment = |images: &Tensor, purpose: &str, step: u64| {
        let draws = policy.draw(images.dims()[0], SIDE, SIDE, &mut stream(purpose, step));
        policy.apply_tensor(images, &draws)
    };

    let (g, mut g_optimizer) = network(LATENT_DIM, PIXELS)?;
    let (d, mut d_optimizer) = network(PIXELS, 1)?;
    let generate = |purpose: &str, step: u64| {
        let z = stream(purpose, step).normals(BATCH * LATENT_DIM);
        let z = Tensor::from_vec(z, (BATCH, LATENT_DIM), &Device::Cpu)?;
        g.forward(&z)?.tanh()?.reshape((BATCH, 3, SIDE, SIDE))
    };
    let logits = |images: &Tensor| d.forward(&images.flatten_from(1)?);

    let reals = discs()?;
    for step in 0..STEPS {
        // Eq. 2 of DiffAugment: D sees T of reals and T of fakes.
        let picks = stream("data", step).integers(BATCH, IMAGES as u32);
        let real = reals.index_select(&Tensor::new(picks, &Device::Cpu)?, 0)?;
        let fake = generate("d.latent", step)?.detach();
        let on_real = (1.0 - logits(&augment(&real, "d.real", step)?)?)?.relu()?.mean_all()?;
        let on_fake = (1.0 + logits(&augment(&fake, "d.fake", step)?)?)?.relu()?.mean_all()?;
        let d_loss = (on_real + on_fake)?;
        d_optimizer.backward_step(&d_loss)?;

        // Eq. 3: G's gradient passes through T.
        let fake = generate("g.latent", step)?;
        let g_loss = logits(&augment(&fake, "g.fake", step)?)?.neg()?.mean_all()?;
        g_optimizer.backward_step(&g_loss)?;

        if step % 100 == 0 {
            println!("step {step:3}  D {:.3}  G {:+.3}", d_loss.to_scalar::<f32>()?, g_loss.to_scalar::<f32>()?);
        }
    }
    show(&generate("show", 0)?)?;
    Ok(())
}

fn stream(purpose: &str, step: u64) -> Stream {
    Stream::new(0, Purpose::new(purpose), step)
}

/// Two layers and their optimiser.
fn network(inputs: usize, outputs: usize) -> Result<(Sequential, AdamW)> {
    let variables = VarMap::new();
    let vb = VarBuilder::from_varmap(&variables, DType::F32, &Device::Cpu);
    let layers = seq().add(linear(inputs, 128, vb.pp("hidden"))?).add_fn(|x| ops::leaky_relu(x, 0.2)).add(linear(
        128,
        outputs,
        vb.pp("out"),
    )?);
    let settings = ParamsAdamW { lr: 5e-4, beta1: 0.0, beta2: 0.99, weight_decay: 0.0, ..Default::default() };
    Ok((layers, AdamW::new(variables.all_vars(), settings)?))
}

/// Bright discs of many colours on black, in [-1, 1].
fn discs() -> Result<Tensor> {
    let inside = |pixel: usize| {
        let [y, x] = [pixel / SIDE, pixel % SIDE].map(|v| v as f32 - (SIDE as f32 - 1.0) / 2.0);
        y * y + x * x < 25.0
    };
    let colors = stream("colors", 0).uniforms(3 * IMAGES);
    let plane = |color: &f32| (0..SIDE * SIDE).map(|p| if inside(p) { *color } else { -1.0 }).collect::<Vec<f32>>();
    let values: Vec<f32> = colors.iter().flat_map(plane).collect();
    Tensor::from_vec(values, (IMAGES, 3, SIDE, SIDE), &Device::Cpu)
}

/// The brightness of four images, in characters.
fn show(images: &Tensor) -> Result<()> {
    let shade = |v: &f32| [' ', '.', ':', 'o', '#', '@'][((v + 1.0) * 3.0).clamp(0.0, 5.0) as usize];
    let grey = images.narrow(0, 0, 4)?.mean(1)?.to_vec3::<f32>()?;
    for y in 0..SIDE {
        let rows: Vec<String> = grey.iter().map(|image| image[y].iter().map(shade).collect()).collect();
        println!("{}", rows.join("   "));
    }
    Ok(())
}
