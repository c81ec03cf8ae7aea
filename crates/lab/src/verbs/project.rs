//! `frugan project`: the w of an image, found by descent through a StyleGAN2's snapshot.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;
use candle_core::Tensor;
use frugan_autograd::{Device, Result as TensorResult, Var, no_grad};
use frugan_metrics::{Error as MetricError, Lpips, LpipsNet};
use frugan_models::ModelConfig;
use frugan_nn::{Metadata, TensorMap, to_safetensors};
use frugan_train::{Projection, ProjectionConfig, project};
use image::imageops::{FilterType, crop_imm, resize};
use serde_json::json;

use super::generate::picture::write_png;
use super::place::refuse_inputs;
use super::snapshot;
use crate::failure::{InputContext, input};
use crate::report::number;
use crate::runs::{lift, prepare_out, tell_choice};

/// The folder gets projection.png (the target, the image of the mean style, the projection), w.safetensors and
/// distance.jsonl. The same seed gives the same bytes.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A snapshot file of a run of StyleGAN2: snapshot-STEP.safetensors
    snapshot: PathBuf,
    /// The image, a PNG or JPEG; its middle square is brought to the snapshot's size
    image: PathBuf,
    /// The folder to write to
    #[arg(long, default_value = "projection")]
    out: PathBuf,
    /// Steps of the descent
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    steps: u64,
    /// What the projection is near by [default: lpips where its weights are, else pixels, and the output says which]
    #[arg(long, value_enum)]
    distance: Option<Distance>,
    /// The class to begin at [default: the mean style of all classes]
    #[arg(long)]
    class: Option<usize>,
    /// Of the latents that are averaged and of the noise
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// auto, cpu, cuda or cuda:N
    #[arg(long, default_value = "auto")]
    device: String,
}

/// By what two images are near.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Distance {
    /// LPIPS on VGG16, as in the paper
    Lpips,
    /// Mean squared difference, averaged over the image and its halvings down to 8 pixels
    Pixels,
}

/// Larger images are averaged down to about this side for LPIPS.
const LPIPS_SIDE: usize = 256;
/// The side below which pixels are not halved further.
const SMALLEST_SIDE: usize = 8;

/// Loads, checks, descends, writes.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    tell_choice(&args.device);
    let device: Device = args.device.parse().input(format!("--device {}", args.device))?;
    let snapshot = snapshot::load(&args.snapshot, &device)?;
    let (model, classes) = (snapshot.config.model.name(), snapshot.about.num_classes);
    let Some(generator) = snapshot.generator.as_style() else {
        return Err(input(format!("project: {model} has no styles w; give a snapshot of StyleGAN2")));
    };
    if let (Some(class), false) = (args.class, is_conditional(&snapshot.config.model, classes)) {
        return Err(input(format!("--class {class} has no effect, for the snapshot is unconditional; leave it out")));
    }
    if let Some(class) = args.class.filter(|class| *class >= classes) {
        return Err(input(format!("--class {class}: the snapshot has the classes 0 to {}", classes - 1)));
    }
    let files = ["projection.png", "w.safetensors", "distance.jsonl"].map(|file| args.out.join(file));
    files.iter().try_for_each(|file| refuse_inputs("--out ", file, &[&args.snapshot, &args.image]))?;
    let shape = generator.image_shape();
    let (bytes, seen) = read_target(&args.image, shape)?;
    let (name, lpips) = settle(args.distance, &device)?;
    prepare_out(&args.out)?;
    eprintln!(
        "{model} of {} at step {}, trained on {}; {seen}; {name}; {} steps, seed {}",
        args.snapshot.display(),
        snapshot.about.step,
        snapshot.about.data,
        args.steps,
        args.seed
    );
    let target = to_var(&bytes, shape)?.to_device(&device)?;
    let distance = distance_to(&target, lpips.as_ref())?;
    let class = args.class.map(|class| class as i32);
    let config = ProjectionConfig { steps: args.steps, class, seed: args.seed, ..Default::default() };
    let tell = (args.steps / 10).max(1);
    let each = |step: u64, apart: f64| {
        if step.is_multiple_of(tell) {
            eprintln!("step {step} of {}: {}", args.steps, number(apart));
        }
    };
    let found = project(generator, &config, &device, &*distance, each).map_err(lift)?;
    let rule = snapshot.config.eval.uint8;
    let bytes_of = |image: &Var| Ok::<_, anyhow::Error>(rule.to_bytes(&image.to_vec::<f32>()?));
    let tiles = [bytes, bytes_of(&found.first_image)?, bytes_of(&found.image)?].concat();
    write_png(&files[0], &tiles, shape, 1, 3)?;
    write_w(&files[1], &found, args, &name)?;
    let lines = (0_u64..).zip(&found.distances).map(|(step, apart)| json!({"step": step, "distance": apart}));
    let lines: String = lines.map(|line| line.to_string() + "\n").collect();
    frugan_train::write_atomic(&files[2], lines.as_bytes()).map_err(lift)?;
    println!("distance {}, from {} at the mean style", number(found.distance), number(found.distances[0]));
    println!("{}", files.each_ref().map(|file| file.display().to_string()).join(" "));
    Ok(ExitCode::SUCCESS)
}

/// Whether the generator's images depend on their class.
fn is_conditional(model: &ModelConfig, classes: usize) -> bool {
    classes > 1 && matches!(model, ModelConfig::StyleGan2(config) if config.conditional)
}

/// The image's middle square as bytes `[3, side, side]`, and what was done to it in words.
fn read_target(path: &Path, [channels, side, _]: [usize; 3]) -> Result<(Vec<u8>, String)> {
    let place = path.display();
    let image = std::fs::read(path).input(place.to_string())?;
    let image = image::load_from_memory(&image).input(format!("{place}: cannot be read as a PNG or JPEG"))?.to_rgb8();
    let (width, height) = image.dimensions();
    let square = width.min(height);
    let middle = crop_imm(&image, (width - square) / 2, (height - square) / 2, square, square).to_image();
    let target =
        if square as usize == side { middle } else { resize(&middle, side as u32, side as u32, FilterType::Lanczos3) };
    let planes = (0..channels).flat_map(|c| target.pixels().map(move |pixel| pixel.0[c]).collect::<Vec<_>>());
    let seen = match (width, height) {
        (w, h) if w == h && w as usize == side => format!("{place}"),
        _ => format!("{place}, {width}x{height}, its middle square brought to {side}x{side}"),
    };
    Ok((planes.collect(), seen))
}

/// The distance in words, with LPIPS's network where it is that.
fn settle(wanted: Option<Distance>, device: &Device) -> Result<(String, Option<Lpips>)> {
    let pixels = "distance in pixels";
    match (wanted, Lpips::open(LpipsNet::Vgg16, None)) {
        (Some(Distance::Pixels), _) => Ok((pixels.into(), None)),
        (None, Err(MetricError::NoLpipsWeights(reason))) => {
            Ok((format!("{pixels}, for there are no weights of LPIPS ({reason})"), None))
        }
        (_, lpips) => {
            let lpips = lpips.or_input()?;
            Ok((format!("distance by LPIPS on vgg16 ({})", lpips.source()), Some(lpips.to_device(device).or_input()?)))
        }
    }
}

type DistanceTo<'a> = Box<dyn Fn(&Var) -> TensorResult<Var> + 'a>;

fn distance_to<'a>(target: &Var, lpips: Option<&'a Lpips>) -> Result<DistanceTo<'a>> {
    let Some(lpips) = lpips else {
        let target = scales(target)?;
        return Ok(Box::new(move |image| {
            let mut sum = image.mean()?.scale(0.0)?;
            for (image, target) in scales(image)?.iter().zip(&target) {
                sum = sum.add(&image.sub(target)?.square()?.mean()?)?;
            }
            sum.scale(1.0 / target.len() as f64)
        }));
    };
    let factor = (target.dims()[3] / LPIPS_SIDE).max(1);
    let embed = move |image: &Var| {
        let image = if factor > 1 { image.avg_pool2d(factor, factor, 0)? } else { image.clone() };
        lpips.embed(&image).map_err(|error| frugan_autograd::Error::Msg(error.to_string()))
    };
    // The target's features are the same at every step.
    let wanted = no_grad(|| embed(target))?;
    Ok(Box::new(move |image| embed(image)?.sub(&wanted)?.square()?.sum()))
}

/// The image and its halvings.
fn scales(image: &Var) -> TensorResult<Vec<Var>> {
    let mut scales = vec![image.clone()];
    while scales[scales.len() - 1].dims()[3] >= 2 * SMALLEST_SIDE {
        scales.push(scales[scales.len() - 1].avg_pool2()?);
    }
    Ok(scales)
}

/// Bytes as an image `[1, C, H, W]` in [-1, 1].
fn to_var(bytes: &[u8], [channels, height, width]: [usize; 3]) -> Result<Var> {
    let values: Vec<f32> = bytes.iter().map(|byte| f32::from(*byte) / 127.5 - 1.0).collect();
    let tensor = Tensor::from_vec(values, (1, channels, height, width), &candle_core::Device::Cpu)?;
    Ok(Var::constant(tensor))
}

/// `w` `[w_dim]` and `noise0` .. `[1, 1, r, r]`, with what they are of.
fn write_w(path: &Path, found: &Projection, args: &Args, distance: &str) -> Result<()> {
    let mut tensors = TensorMap::from([("w".to_string(), found.w.to_tensor()?)]);
    for (layer, noise) in found.noise.iter().enumerate() {
        tensors.insert(format!("noise{layer}"), noise.to_tensor()?);
    }
    let about = [
        ("snapshot", args.snapshot.display().to_string()),
        ("image", args.image.display().to_string()),
        ("steps", args.steps.to_string()),
        ("seed", args.seed.to_string()),
        ("measure", distance.to_string()),
        ("distance", found.distance.to_string()),
    ];
    let about: Metadata = about.map(|(key, value)| (key.to_string(), value)).into();
    let bytes = to_safetensors(&tensors, &about)?;
    frugan_train::write_atomic(path, &bytes).map_err(lift)
}
