//! `cargo xtask dist`: one archive with the program and all it is run with, for machines without Rust, and, for one's own
//! machines without a network, a second one with data and weights.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, ensure};
use flate2::Compression;
use flate2::write::GzEncoder;
use tar::{Builder, EntryType, Header};

use crate::{binary, carried, glibc, python, workspace};

/// What the archive may weigh: it is to be carried to machines by hand.
const MAX_BYTES: u64 = 30 << 20;

/// The oldest C library that the archive's binary shall run with.
const GLIBC: glibc::Version = glibc::Version(2, 34);

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The folder that the archive is written to [default: target/dist]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Write a second archive with a subset of CIFAR's training images, and its test images: `cifar10:0.1,test`
    #[arg(long, value_name = "SET:FRACTION", value_parser = carried::Wanted::parse)]
    with_data: Option<carried::Wanted>,
    /// Put the Inception network of FID into the second archive
    #[arg(long)]
    with_weights: bool,
    /// Leave out the GPU's compiled kernels, for which NVRTC is fetched by pip; machines then need NVRTC themselves
    #[arg(long)]
    without_kernels: bool,
}

/// A file of the archive.
pub(crate) struct Entry {
    /// Below the archive's only folder, with slashes.
    pub(crate) name: String,
    pub(crate) source: PathBuf,
    pub(crate) executable: bool,
}

/// Builds the release binary and packs it.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let program = binary::build()?;
    if let Some(needed) = glibc::needed_by(&std::fs::read(&program).with_context(|| program.display().to_string())?) {
        ensure!(
            needed <= GLIBC,
            "the binary built here asks for glibc {needed}, and the archive is to run from {GLIBC} on: build it on a system \
             with an older C library, such as Debian 12"
        );
    }
    let out = match &args.out {
        Some(out) => out.clone(),
        None => workspace::target_dir()?.join("dist"),
    };
    std::fs::create_dir_all(&out).with_context(|| out.display().to_string())?;
    let folder = format!("frugan-{}-{}-{}", env!("CARGO_PKG_VERSION"), std::env::consts::ARCH, std::env::consts::OS);
    let path = out.join(format!("{folder}.tar.gz"));
    let mut entries = entries(workspace::root(), &program)?;
    // Lives as long as the archive is written.
    let made = tempfile::tempdir()?;
    if !args.without_kernels {
        entries.extend(kernels(&program, made.path())?);
    }
    write(&path, &folder, &entries, commit_time())?;
    let bytes = std::fs::metadata(&path)?.len();
    if bytes > MAX_BYTES {
        std::fs::remove_file(&path)?;
        anyhow::bail!("the archive has {bytes} bytes, more than {MAX_BYTES}: something large came into it");
    }
    println!("{} ({:.1} MiB, {} files)", path.display(), bytes as f64 / f64::from(1 << 20), entries.len());
    if args.with_data.is_some() || args.with_weights {
        carry(args, &program, &out)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// NVRTC, as the workspace's tests use it.
const NVRTC: &str = "nvidia-cuda-nvrtc==13.0.88";

/// The GPU's kernels in machine code, which the program finds beside itself.
fn kernels(program: &Path, folder: &Path) -> Result<Vec<Entry>> {
    let python = python::environment("nvrtc", &[NVRTC], &["--no-deps"])?;
    let environment = python.parent().and_then(Path::parent).context("a Python environment has a folder")?;
    let output = Command::new(program).arg("kernels").arg(folder).env("VIRTUAL_ENV", environment).output()?;
    let words = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "frugan kernels failed: {}", words.trim());
    let entry = |source: PathBuf| {
        let name = source.file_name().map(|name| format!("kernels/{}", name.to_string_lossy()));
        Ok(Entry { name: name.context("a file has a name")?, source, executable: false })
    };
    let mut files = files(folder, "cubin")?;
    files.sort();
    files.into_iter().map(entry).collect()
}

/// Writes the second archive.
fn carry(args: &Args, program: &Path, out: &Path) -> Result<()> {
    let path = out.join("frugan-carried.tar.gz");
    // The files that are made for the archive live as long as it is written.
    let (entries, _made) = carried::entries(program, args.with_data.as_ref(), args.with_weights)?;
    write(&path, "carried", &entries, commit_time())?;
    let mib = std::fs::metadata(&path)?.len() as f64 / f64::from(1 << 20);
    println!(
        "{} ({mib:.1} MiB, {} files): FRUGAN_DATA=carried FRUGAN_WEIGHTS=carried/weights",
        path.display(),
        entries.len()
    );
    println!("It holds others' data and weights: for your own machines, not to be published.");
    Ok(())
}

/// The program, configs, tables, the PyTorch sides of the ratios, licences, and a README of its own.
fn entries(root: &Path, program: &Path) -> Result<Vec<Entry>> {
    let mut entries = vec![
        Entry { name: "frugan".into(), source: program.into(), executable: true },
        Entry { name: "README.txt".into(), source: root.join("xtask/dist-readme.txt"), executable: false },
    ];
    for name in ["LICENSE-APACHE", "LICENSE-MIT", "NOTICE"] {
        entries.push(Entry { name: name.into(), source: root.join(name), executable: false });
    }
    for (folder, extension) in [("configs", "toml"), ("experiments", "toml"), ("benches", "py")] {
        for source in files(&root.join(folder), extension)? {
            let below = source.strip_prefix(root).context("a file outside the workspace")?;
            let name = below.components().map(|part| part.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/");
            entries.push(Entry { name, source, executable: false });
        }
    }
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(entries)
}

/// All files of this extension below `folder`.
pub(crate) fn files(folder: &Path, extension: &str) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        match path.is_dir() {
            true => found.extend(files(&path, extension)?),
            false if path.extension().is_some_and(|e| e == extension) => found.push(path),
            false => {}
        }
    }
    Ok(found)
}

/// Writes the archive under its name when it is whole. The same files give the same bytes.
fn write(path: &Path, folder: &str, entries: &[Entry], time: u64) -> Result<()> {
    let part = path.with_extension("part");
    let file = BufWriter::new(File::create(&part).with_context(|| part.display().to_string())?);
    let mut archive = Builder::new(GzEncoder::new(file, Compression::best()));
    for entry in entries {
        let content = std::fs::read(&entry.source).with_context(|| entry.source.display().to_string())?;
        let mut header = Header::new_gnu();
        header.set_entry_type(EntryType::Regular);
        header.set_size(content.len() as u64);
        header.set_mode(if entry.executable { 0o755 } else { 0o644 });
        header.set_mtime(time);
        archive.append_data(&mut header, format!("{folder}/{}", entry.name), content.as_slice())?;
    }
    let mut file = archive.into_inner()?.finish()?;
    file.flush()?;
    file.into_inner().map_err(|e| e.into_error())?.sync_all()?;
    std::fs::rename(&part, path).with_context(|| path.display().to_string())
}

/// When the commit was made, in seconds since 1970; 0 outside a repository.
fn commit_time() -> u64 {
    let output = Command::new("git").args(["log", "-1", "--format=%ct"]).current_dir(workspace::root()).output();
    let text = output.ok().filter(|output| output.status.success()).map(|output| output.stdout).unwrap_or_default();
    String::from_utf8_lossy(&text).trim().parse().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::io::Read;

    use flate2::read::GzDecoder;

    use super::*;

    #[test]
    fn the_archive_holds_what_a_bare_machine_needs() -> Result<()> {
        let dir = tempfile::tempdir()?;
        let program = dir.path().join("program");
        std::fs::write(&program, b"\x7fELF")?;
        let entries = entries(workspace::root(), &program)?;
        let (a, b) = (dir.path().join("a.tar.gz"), dir.path().join("b.tar.gz"));
        write(&a, "frugan-1", &entries, 1_700_000_000)?;
        write(&b, "frugan-1", &entries, 1_700_000_000)?;
        assert!(std::fs::read(&a)? == std::fs::read(&b)?, "the same files give the same bytes");
        let mut archive = tar::Archive::new(GzDecoder::new(File::open(&a)?));
        let mut modes = BTreeMap::new();
        for entry in archive.entries()? {
            let mut entry = entry?;
            let mut content = Vec::new();
            entry.read_to_end(&mut content)?;
            modes.insert(entry.path()?.display().to_string(), (entry.header().mode()?, content));
        }
        assert_eq!(modes["frugan-1/frugan"], (0o755, b"\x7fELF".to_vec()));
        for name in [
            "README.txt",
            "NOTICE",
            "experiments/diffaugment/table1.toml",
            "configs/train.toml",
            "benches/torch_biggan.py",
        ] {
            let (mode, content) = &modes[&format!("frugan-1/{name}")];
            assert!(*mode == 0o644 && !content.is_empty(), "{name}");
        }
        Ok(())
    }

    #[test]
    fn a_failed_archive_leaves_no_file_of_its_name() -> Result<()> {
        let dir = tempfile::tempdir()?;
        let missing = Entry { name: "x".into(), source: dir.path().join("none"), executable: false };
        let path = dir.path().join("a.tar.gz");
        let error = write(&path, "f", &[missing], 0).expect_err("a file is missing");
        assert!(error.to_string().contains("none") && !path.exists(), "{error}");
        Ok(())
    }
}
