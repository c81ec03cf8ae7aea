//! Weights by formula, for networks that are too large to store in a golden file.

const GOLDEN_RATIO: u64 = 0x9E37_79B9_7F4A_7C15;

/// `len` numbers on [0, 1): splitmix64 started at the FNV-1a hash (64 bits) of the name.
pub(super) fn uniforms(name: &str, len: usize) -> impl Iterator<Item = f64> + use<> {
    let start = name
        .bytes()
        .fold(0xCBF2_9CE4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3));
    (1..=len as u64).map(move |i| {
        let word = mix(start.wrapping_add(i.wrapping_mul(GOLDEN_RATIO)));
        (word >> 11) as f64 * (-53_f64).exp2()
    })
}

/// `len` numbers on [-1, 1).
pub(super) fn signed(name: &str, len: usize) -> impl Iterator<Item = f64> + use<> {
    uniforms(name, len).map(|u| 2.0 * u - 1.0)
}

fn mix(mut word: u64) -> u64 {
    word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    word ^ (word >> 31)
}
