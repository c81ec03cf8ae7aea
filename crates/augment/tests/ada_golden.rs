//! Every golden file of ADA's pipe, in f64 and in f32, and its controllers and filters.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

#[path = "../../losses/tests/golden_file/mod.rs"]
mod golden_file;

use frugan_augment::ada::{
    AdaConfig, Controller, ControllerKind, Draw, Draws, PMax, Pipe, Source, Step, Tally, filter_bank, low_pass,
};
use frugan_autograd::{DType, GraphMode, Result, Tensor, Var, grad};
use golden_file::{Golden, golden};

const CASES: [&str; 35] = [
    "aniso",
    "bgc_32_n4",
    "bgc_p03",
    "bgcfnc_gray",
    "bgcfnc_p0",
    "brightness",
    "contrast",
    "cutout",
    "debug10_bgc",
    "debug50_bgc",
    "debug70_bgcfnc",
    "debug80_cutout",
    "debug80_imgfilter",
    "debug80_rotate90",
    "debug80_xint",
    "debug90_bgc",
    "hue",
    "imgfilter",
    "lumaflip",
    "noise",
    "rotate",
    "rotate90",
    "saturation",
    "scale",
    "spec_bg",
    "spec_bgc",
    "spec_bgcf",
    "spec_bgcfn",
    "spec_bgcfnc",
    "spec_blit",
    "spec_color",
    "spec_geom",
    "xflip",
    "xfrac",
    "xint",
];

#[test]
fn every_transform_and_set() -> Result<()> {
    for case in CASES {
        let Some(file) = golden(&format!("ada_{case}")) else { return Ok(()) };
        check(&file, DType::F64)?;
        check(&file, DType::F32)?;
    }
    Ok(())
}

fn check(file: &Golden, dtype: DType) -> Result<()> {
    let on: Vec<String> = serde_json::from_value(file.config["on"].clone()).unwrap();
    let pipe = Pipe::parse(&on.join(",")).unwrap();
    let pipe = match file.config["debug_percentile"].as_f64() {
        Some(percentile) => pipe.at_percentile(percentile).unwrap(),
        None => pipe,
    };
    let of_type = |name: &str| Ok::<_, candle_core::Error>(Var::leaf(file.leaf(name)?.to_tensor()?.to_dtype(dtype)?));
    let (x, cotangent) = (of_type("in.x")?, of_type("in.cotangent")?);
    let (_, channels, height, width) = x.dims4()?;
    let (draws, p) = (draws(file, &pipe, channels), file.config["p"].as_f64().unwrap());
    let y = pipe.apply(&x, &draws, p)?;
    assert_eq!(y.dtype(), dtype);
    file.compare("out.y", &y)?;
    let gradient = grad(&[&y], &[&cotangent], &[&x], GraphMode::Free)?;
    file.compare("grad.x", &gradient[0])?;
    let geometry = pipe.geometry(&draws, p, [height, width]).unwrap();
    assert_eq!(geometry.is_some(), file.has("out.margin"));
    if let Some(geometry) = geometry {
        let integers = |values: Vec<usize>| vector(values.into_iter().map(|v| v as f64).collect(), &[4]);
        let ([left, right, top, bottom], [rows, columns]) = (geometry.margin(), geometry.grid());
        file.compare("out.margin", &integers(vec![left, top, right, bottom])?)?;
        file.compare("out.grid_size", &integers(vec![x.dims()[0], channels, rows, columns])?)?;
        let theta = geometry.theta();
        let want = file.values("out.theta");
        let same = file.values("out.margin") == [left, top, right, bottom].map(|v| v as f64);
        for (got, want) in theta.iter().flatten().flatten().zip(&want) {
            assert!(!same || (got - want).abs() < 1e-5, "theta: {got}, want {want}");
        }
        file.compare("out.theta", &vector(theta.concat().concat(), &[draws.len(), 2, 3])?)?;
    }
    file.assert_complete();
    Ok(())
}

fn vector(values: Vec<f64>, dims: &[usize]) -> Result<Var> {
    Ok(Var::from(Tensor::from_vec(values, dims, &candle_core::Device::Cpu)?))
}

/// The draws of a file: `draw.NN.<step>.<list>`, in the order in which the reference made them.
fn draws(file: &Golden, pipe: &Pipe, channels: usize) -> Draws {
    let draws = pipe.steps(channels).map(|step| {
        let list = |name: &str| -> Vec<f32> {
            let wanted = format!(".{}.{name}", step.name());
            let of_list = file.names("draw.").into_iter().find(|full| full.ends_with(&wanted));
            file.values(of_list.unwrap_or_else(|| panic!("no {wanted}"))).iter().map(|v| *v as f32).collect()
        };
        let values = match step {
            Step::Noise => "sigma",
            Step::Cutout => "center",
            _ if file.names("draw.").iter().any(|full| full.ends_with(&format!(".{}.u", step.name()))) => "u",
            _ => "n",
        };
        let pixels = if step == Step::Noise { list("pixels") } else { Vec::new() };
        Draw { step, values: list(values), gates: list("gate"), pixels }
    });
    Draws::new(draws.collect()).unwrap()
}

#[test]
fn the_filters() -> Result<()> {
    let Some(file) = golden("ada_filters") else { return Ok(()) };
    file.compare("out.Hz_geom", &vector(low_pass().to_vec(), &[12])?)?;
    file.compare("out.Hz_fbank", &vector(filter_bank().concat(), &[4, 43])?)?;
    file.assert_complete();
    Ok(())
}

#[test]
fn the_controllers() -> Result<()> {
    for (case, controller) in [
        ("controller_batch64", ControllerKind::Rt),
        ("controller_small_kimg", ControllerKind::Rt),
        ("controller_rv", ControllerKind::Rv),
    ] {
        let Some(file) = golden(&format!("ada_{case}")) else { return Ok(()) };
        let number = |key: &str| file.config[key].as_f64().unwrap();
        let config = AdaConfig {
            controller,
            p: number("p0"),
            target: Some(number("target")),
            kimg: number("ada_kimg"),
            interval: number("interval") as u64,
            p_max: PMax::None,
            ..AdaConfig::default()
        };
        let mut controller = Controller::new(&config).unwrap();
        let inputs = [
            (Source::Real, "in.r_t"),
            (Source::Real, "in.score_real"),
            (Source::Fake, "in.score_fake"),
            (Source::HeldOut, "in.score_valid"),
        ];
        let windows = file.values("out.p").len();
        let (mut p, mut statistics) = (Vec::new(), Vec::new());
        for window in 0..windows {
            for (source, name) in inputs.into_iter().filter(|(_, name)| file.has(name)) {
                controller.add(source, Tally { sum: file.values(name)[window], count: 1 });
            }
            let updates = (0..config.interval).filter_map(|_| controller.end_iteration(number("batch") as usize));
            for update in updates.collect::<Vec<_>>() {
                p.push(update.p);
                statistics.push(update.statistic.unwrap());
            }
        }
        file.compare("out.p", &vector(p, &[windows])?)?;
        if file.has("out.r_v") {
            file.compare("out.r_v", &vector(statistics, &[windows])?)?;
        }
        file.assert_complete();
    }
    Ok(())
}
