//! The doctor's lines, or its JSON.

use std::fmt;
use std::process::ExitCode;

use anyhow::Result;
use frugan_autograd::cuda::{self, Parity, Part};
use serde::Serialize;

use crate::failure::sentence;

/// A library that was found, or why not.
#[derive(Debug, Serialize)]
pub(super) struct LibraryReport {
    name: &'static str,
    version: Option<String>,
    path: Option<String>,
    missing: Option<String>,
}

impl LibraryReport {
    pub(super) fn of(part: Part) -> Self {
        let name = part.label();
        match cuda::find(part) {
            Ok(found) => {
                Self { name, version: Some(found.version), path: Some(found.path.display().to_string()), missing: None }
            }
            Err(missing) => Self { name, version: None, path: None, missing: Some(missing.to_string()) },
        }
    }
}

#[derive(Debug, Serialize)]
pub(super) struct DeviceReport {
    pub(super) device: String,
    pub(super) name: String,
    pub(super) memory_bytes: Option<u64>,
    pub(super) free_bytes: Option<u64>,
}

/// One comparison.
#[derive(Debug, Serialize)]
pub(super) struct Check {
    pub(super) name: String,
    pub(super) passed: bool,
    /// Relative: of an op's value, gradients and second gradients; of a step's moved weights.
    pub(super) errors: Vec<f64>,
    pub(super) tolerance: f64,
}

impl Check {
    /// What did not come to a comparison.
    pub(super) fn failed(name: impl fmt::Display, error: &anyhow::Error) -> Self {
        Self { name: format!("{name}: {}", sentence(error)), passed: false, errors: Vec::new(), tolerance: 0.0 }
    }

    pub(super) fn of_op(parity: &Parity) -> Self {
        let name = format!("{} {:?} {:?}", parity.name, parity.dtype, parity.shapes);
        if let Some(failure) = &parity.failure {
            return Self::failed(name, &anyhow::Error::msg(failure.clone()));
        }
        Self { name, passed: parity.passes(), errors: parity.errors.to_vec(), tolerance: parity.tolerance }
    }
}

/// What a device can do at most.
#[derive(Debug, Serialize)]
pub(super) struct Ceilings {
    /// Products of F32 matrices: by cuBLASLt where it is found.
    pub(super) matrix_tflops_f32: f64,
    /// The same where TF32 is allowed.
    pub(super) matrix_tflops_tf32: f64,
    /// The same of BF16 matrices.
    pub(super) matrix_tflops_bf16: f64,
    /// Bytes read and written by a copy within the device.
    pub(super) copy_gb_per_s: f64,
    /// From a launch that does nothing to speak of.
    pub(super) launch_us: f64,
}

/// How fast a model trains.
#[derive(Debug, Serialize)]
pub(super) struct Rate {
    pub(super) model: &'static str,
    pub(super) precision: &'static str,
    /// Real images shown to D.
    pub(super) images_per_s: f64,
    /// Of products and convolutions, by the direct algorithm.
    pub(super) tflops: f64,
    /// That over the rate of products of large matrices.
    pub(super) share_of_products: f64,
}

/// What was seen so far. Lines are printed as they come; JSON at the end.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    #[serde(skip)]
    json: bool,
    libraries: Vec<LibraryReport>,
    /// For which kernels lie beside the program.
    kernels: Vec<&'static str>,
    device: Option<DeviceReport>,
    choice: Option<String>,
    checks: Vec<Check>,
    arena_peak_bytes: Option<u64>,
    ceilings: Option<Ceilings>,
    rates: Vec<Rate>,
    slower: Slower,
}

/// What the device does in a slower way than it might, and why.
#[derive(Debug, Default, Serialize)]
struct Slower {
    in_comparisons: Vec<String>,
    in_models: Vec<String>,
}

impl Report {
    pub(super) fn new(json: bool) -> Self {
        Self {
            json,
            libraries: Vec::new(),
            kernels: Vec::new(),
            device: None,
            choice: None,
            checks: Vec::new(),
            arena_peak_bytes: None,
            ceilings: None,
            rates: Vec::new(),
            slower: Slower::default(),
        }
    }

    fn line(&self, text: &str) {
        if !self.json {
            println!("{text}");
        }
    }

    pub(super) fn note(&self, text: &str) {
        self.line(text);
    }

    pub(super) fn library(&mut self, library: LibraryReport) {
        let LibraryReport { name, version, path, missing } = &library;
        match missing {
            Some(missing) => self.line(&format!("missing  {missing}")),
            None => {
                let (version, path) = (version.as_deref().unwrap_or("?"), path.as_deref().unwrap_or("?"));
                self.line(&format!("found    {name} {version} at {path}"));
            }
        }
        self.libraries.push(library);
    }

    pub(super) fn kernels(&mut self, architectures: Vec<&'static str>) {
        if !architectures.is_empty() {
            self.line(&format!(
                "found    kernels for {} beside the program: NVRTC is not needed",
                architectures.join(", ")
            ));
        }
        self.kernels = architectures;
    }

    pub(super) fn device(&mut self, device: DeviceReport) {
        let memory = match (device.memory_bytes, device.free_bytes) {
            (Some(total), Some(free)) => format!(", {} of {} MiB free", free >> 20, total >> 20),
            _ => String::new(),
        };
        self.line(&format!("device   {}: {}{memory}", device.device, device.name));
        self.device = Some(device);
    }

    pub(super) fn choice(&mut self, choice: &str) {
        self.line(&format!("device   {choice}"));
        self.choice = Some(choice.to_string());
    }

    pub(super) fn check(&mut self, check: Check) {
        let verdict = if check.passed { "PASS" } else { "FAIL" };
        let errors: Vec<String> = check.errors.iter().map(|error| format!("{error:.1e}")).collect();
        let errors = match check.errors.is_empty() {
            true => String::new(),
            false => format!(": {}, at most {:.0e}", errors.join(" "), check.tolerance),
        };
        self.line(&format!("{verdict}     {}{errors}", check.name));
        self.checks.push(check);
    }

    pub(super) fn arena(&mut self, peak: u64, reserved: u64) {
        self.line(&format!("memory   {} MiB at most in use, {} MiB reserved", peak >> 20, reserved >> 20));
        self.arena_peak_bytes = Some(peak);
    }

    pub(super) fn ceilings(&mut self, ceilings: Ceilings) {
        let Ceilings { matrix_tflops_f32, matrix_tflops_tf32, matrix_tflops_bf16, copy_gb_per_s, launch_us } =
            &ceilings;
        self.line(&format!(
            "ceiling  {matrix_tflops_f32:.1} TFLOP/s in products of F32 matrices, {matrix_tflops_tf32:.1} with TF32, {matrix_tflops_bf16:.1} of BF16, \
             {copy_gb_per_s:.0} GB/s in copies, {launch_us:.1} us a launch"
        ));
        self.ceilings = Some(ceilings);
    }

    pub(super) fn rate(&mut self, rate: Rate) {
        let Rate { model, precision, images_per_s, tflops, share_of_products } = &rate;
        self.line(&format!(
            "rate     {model} in {precision}: {images_per_s:.0} images/s, {tflops:.1} TFLOP/s, {:.0} % of the products'",
            100.0 * share_of_products
        ));
        self.rates.push(rate);
    }

    /// What libraries did not do: the first `compared` of the notes in the comparisons' odd shapes, of which only the number is told, the
    /// others where published models trained.
    pub(super) fn slower(&mut self, mut notes: Vec<String>, compared: usize) {
        let in_models = notes.split_off(compared.min(notes.len()));
        if !notes.is_empty() {
            self.line(&format!("slower   {} calls of the comparisons, of which the first: {}", notes.len(), notes[0]));
        }
        for note in &in_models {
            self.line(&format!("slower   {note}"));
        }
        self.slower = Slower { in_comparisons: notes, in_models };
    }

    /// The sum of it, and the exit code: 1 if a check failed.
    pub(super) fn finish(self) -> Result<ExitCode> {
        let failed = self.checks.iter().filter(|check| !check.passed).count();
        if self.json {
            println!("{}", serde_json::to_string_pretty(&self)?);
        } else if !self.checks.is_empty() {
            println!("{} checks passed, {failed} failed", self.checks.len() - failed);
        }
        Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::from(1) })
    }
}
