//! A stream's numbers made on a device against those of the host.
#![allow(clippy::unwrap_used, clippy::explicit_write, missing_docs)]

use std::io::Write;

use frugan_autograd::Device;
use frugan_nn::{Purpose, Stream};

const DEVICE: Device = Device::Emulated;

/// The distance in units in the last place.
fn ulps(a: f32, b: f32) -> u32 {
    let ordered =
        |v: f32| if v.to_bits() >> 31 == 1 { -((v.to_bits() & 0x7fff_ffff) as i64) } else { v.to_bits() as i64 };
    (ordered(a) - ordered(b)).unsigned_abs() as u32
}

#[test]
fn words_uniforms_and_integers_are_the_same_bits_and_normals_are_near() {
    if let Err(error) = DEVICE.open() {
        // Past the test harness, which would swallow it.
        return writeln!(std::io::stderr(), "skipped: {error}").unwrap();
    }
    for (seed, step, skipped) in [(0, 0, 0), (7, 3, 5), (u64::MAX - 1, 1 << 40, 1022)] {
        let stream = || {
            let mut stream = Stream::new(seed, Purpose::new("test"), step);
            stream.words(skipped);
            stream
        };
        let n = 1001;
        let words = stream().place().words(n, DEVICE).unwrap().to_vec().unwrap();
        assert_eq!(words, stream().words(n).iter().map(|word| *word as i32).collect::<Vec<_>>());
        let integers = stream().place().integers(n, 1000, DEVICE).unwrap().to_vec().unwrap();
        assert_eq!(integers, stream().integers(n, 1000).iter().map(|v| *v as i32).collect::<Vec<_>>());
        let uniforms = stream().place().uniforms(&[n], DEVICE).unwrap().to_vec::<f32>().unwrap();
        assert_eq!(uniforms, stream().uniforms(n));
        let (mut device, mut host) = (stream(), stream());
        let normals = device.normals_on(&[7, 143], &DEVICE).unwrap().to_vec::<f32>().unwrap();
        let worst = normals.iter().zip(host.normals(n)).map(|(a, b)| ulps(*a, b)).max().unwrap();
        assert!(worst <= 4, "{worst} units in the last place");
        assert_eq!(device.words(9), host.words(9), "both streams go on at the same place");
    }
}
