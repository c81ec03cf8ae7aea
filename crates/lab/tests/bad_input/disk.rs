//! A disk that is full.

use std::fs;
use std::path::Path;

use crate::support::{Scratch, contents, tiny};

/// Needs the right to mount; elsewhere it says that it did not run.
#[test]
fn a_full_disk_ends_in_a_sentence_and_leaves_whole_files() {
    let scratch = Scratch::new();
    let disk = scratch.path("disk");
    fs::create_dir(&disk).unwrap();
    let Some(_mount) = Mount::tmpfs(&disk, "size=200k") else {
        println!("skipped: mounting a tmpfs is not permitted here");
        return;
    };
    let ran = scratch.run(&tiny("train", &["--out", "disk/run"]));
    assert_eq!(ran.code, Some(2), "{}", ran.err);
    let errors: Vec<&str> = ran.err.lines().filter(|line| line.starts_with("error: ")).collect();
    assert!(errors.len() == 1 && errors[0].contains("No space left"), "{}", ran.err);
    let files = contents(&disk);
    assert!(!files.keys().any(|name| name.contains(".part") || name.contains(".tmp")), "{:?}", files.keys());
    assert!(files.iter().all(|(name, bytes)| !name.ends_with(".safetensors") || !bytes.is_empty()));
}

struct Mount<'a>(&'a Path);

impl<'a> Mount<'a> {
    fn tmpfs(dir: &'a Path, options: &str) -> Option<Self> {
        let mounted = std::process::Command::new("mount")
            .args(["-t", "tmpfs", "-o", options, "tmpfs"])
            .arg(dir)
            .output()
            .is_ok_and(|out| out.status.success());
        mounted.then_some(Self(dir))
    }
}

impl Drop for Mount<'_> {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg(self.0).output();
    }
}
