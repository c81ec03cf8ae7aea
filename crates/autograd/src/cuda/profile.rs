//! How long each request to a device takes.

use std::collections::BTreeMap;
use std::fmt;

use super::driver::Kernel;
use super::library::{Call, ConvolutionCall, OverRanks, Pass, ProductCall};
use super::tensor::Order;
use super::texts::Element;

/// Requests of one kind, or library calls of one shape.
#[derive(Clone, Debug, PartialEq)]
pub struct Spent {
    /// What was asked for, for people.
    pub what: String,
    /// How often.
    pub times: u64,
    /// Elements of all of them: for a kernel those that it counts by, which may be blocks; for a copy bytes.
    pub elements: u64,
    /// Multiplications and additions of all of them, by the direct algorithm; 0 if it is no call of a library.
    pub flops: u64,
    /// From when the device came to each to when it was done: nothing else ran meanwhile. A request that is shorter than what the
    /// host takes to make it (some microseconds) may look longer than it is.
    pub seconds: f64,
}

/// One request.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Asked {
    Kernel { kernel: Kernel, n: usize },
    Call(Call),
    Upload(usize),
    Copy(usize),
}

impl Asked {
    fn elements(&self) -> usize {
        match self {
            Self::Kernel { n, .. } | Self::Upload(n) | Self::Copy(n) => *n,
            Self::Call(Call::Product(call)) => call.batch * call.m * call.n,
            Self::Call(Call::Convolution(call)) => match call.pass {
                Pass::Output => call.batch * call.out_channels * call.out_size[0] * call.out_size[1],
                Pass::Input => call.batch * call.in_channels * call.size[0] * call.size[1],
                Pass::Filter => call.in_channels * call.out_channels * call.kernel[0] * call.kernel[1],
            },
            Self::Call(Call::OverRanks(call)) => call.count,
        }
    }

    fn flops(&self) -> usize {
        match self {
            Self::Call(Call::Product(call)) => 2 * call.batch * call.m * call.k * call.n,
            Self::Call(Call::Convolution(call)) => {
                let outputs = call.batch * call.out_channels * call.out_size[0] * call.out_size[1];
                2 * outputs * call.in_channels * call.kernel[0] * call.kernel[1]
            }
            _ => 0,
        }
    }
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kernel { kernel, .. } => write!(f, "{} {:?}", kernel.function, kernel.element),
            Self::Upload(_) => write!(f, "copy from the host"),
            Self::Copy(_) => write!(f, "copy on the device"),
            Self::Call(Call::Product(ProductCall { element, tf32, batch, m, k, n, flip_a, flip_b })) => {
                let [a, b] = [(flip_a, "a"), (flip_b, "b")]
                    .map(|(flip, name)| if *flip { format!("{name}^T") } else { name.into() });
                let element = name(*element, *tf32);
                write!(f, "product {a} {b} of [{m}, {k}] [{k}, {n}], {batch} times, {element}")
            }
            Self::Call(Call::Convolution(call)) => convolution(f, call),
            Self::Call(Call::OverRanks(OverRanks { element, mean, .. })) => {
                write!(f, "{} over ranks {element:?}", if *mean { "mean" } else { "sum" })
            }
        }
    }
}

/// An element type as a library multiplies it.
fn name(element: Element, tf32: bool) -> String {
    if tf32 && element == Element::F32 { "Tf32".to_owned() } else { format!("{element:?}") }
}

fn convolution(f: &mut fmt::Formatter<'_>, call: &ConvolutionCall) -> fmt::Result {
    let pass = match call.pass {
        Pass::Output => "convolution",
        Pass::Input => "convolution's input gradient",
        Pass::Filter => "convolution's filter gradient",
    };
    let element = name(call.element, call.tf32);
    let order = match call.order {
        Order::Planes => "NCHW",
        Order::Pixels => "NHWC",
    };
    let ([h, w], [oh, ow], [kh, kw]) = (call.size, call.out_size, call.kernel);
    let (batch, from, to, stride) = (call.batch, call.in_channels, call.out_channels, call.stride);
    write!(f, "{pass} {kh}x{kw} by {stride}, {batch} of {from}x{h}x{w} to {to}x{oh}x{ow}, {element} {order}")
}

/// Requests of a kind together, the longest first.
pub(crate) fn together(asked: &[Asked], seconds: &[f64]) -> Vec<Spent> {
    let mut kinds = BTreeMap::<String, Spent>::new();
    for (asked, seconds) in asked.iter().zip(seconds) {
        let what = asked.to_string();
        let spent = kinds.entry(what.clone()).or_insert(Spent { what, times: 0, elements: 0, flops: 0, seconds: 0.0 });
        spent.times += 1;
        spent.elements += asked.elements() as u64;
        spent.flops += asked.flops() as u64;
        spent.seconds += seconds;
    }
    let mut kinds: Vec<_> = kinds.into_values().collect();
    kinds.sort_by(|a, b| b.seconds.total_cmp(&a.seconds));
    kinds
}
