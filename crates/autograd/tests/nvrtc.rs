//! Every kernel text compiles for every architecture that the program serves. Needs NVRTC, and neither GPU nor driver.
#![allow(clippy::unwrap_used, clippy::explicit_write)]
#![cfg(feature = "cuda")]

use std::io::Write;

use frugan_autograd::cuda::{self, Part};

#[test]
fn every_text_compiles_for_every_architecture() {
    if let Err(missing) = cuda::find(Part::Nvrtc) {
        assert!(std::env::var("FRUGAN_NVRTC").as_deref() != Ok("required"), "{missing}");
        // Past the test harness, which would swallow it.
        writeln!(std::io::stderr(), "skipped: {missing}").unwrap();
        return;
    }
    let programs = cuda::compile_all(&cuda::ARCHITECTURES).unwrap();
    assert!(programs > 100, "{programs} programs");
}
