//! The time and the memory of one run of one side.

use anyhow::{Context, Result, ensure};

use super::output::Output;

/// The median iteration of a run without its first, and the run's peak of memory: of a GPU's what the run reserved of it, where
/// it says so, else resident.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Sample {
    pub(super) seconds: f64,
    pub(super) peak_mib: f64,
}

impl Sample {
    /// Of a program that prints `iteration_s X` for each iteration and `peak_rss_mib X` at its end, with a line
    /// `peak_device_mib X` if it ran on a GPU.
    pub(super) fn of(output: &Output) -> Result<Sample> {
        let mut iterations = output.values("iteration_s")?;
        ensure!(iterations.len() >= 2, "{} lines `iteration_s`, at least 2 are needed", iterations.len());
        iterations.remove(0);
        let peak = |key: &str| Ok::<_, anyhow::Error>(output.values(key)?.last().copied());
        let peak_mib = match peak("peak_device_mib")? {
            Some(peak) => peak,
            None => peak("peak_rss_mib")?.context("no line `peak_rss_mib`")?,
        };
        Ok(Sample { seconds: median(iterations), peak_mib })
    }
}

/// The middle value; of an even count the mean of the middle two.
pub(super) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 { values[middle] } else { (values[middle - 1] + values[middle]) / 2.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Sample> {
        Sample::of(&Output::from(text))
    }

    #[test]
    fn the_first_iteration_is_warm_up() -> Result<()> {
        let text =
            "device cpu\niteration_s 9.0\niteration_s 5.0\niteration_s 6.0\niteration_s 4.0\npeak_rss_mib 1462.5\n";
        assert_eq!(parse(text)?, Sample { seconds: 5.0, peak_mib: 1462.5 });
        let on_gpu = format!("{text}peak_device_mib 812.0\npeak_allocated_mib 700.0\n");
        assert_eq!(parse(&on_gpu)?, Sample { seconds: 5.0, peak_mib: 812.0 });
        Ok(())
    }

    #[test]
    fn a_run_that_says_too_little_is_an_error() {
        for text in ["", "iteration_s 1\npeak_rss_mib 1", "iteration_s 1\niteration_s x\npeak_rss_mib 1"] {
            assert!(parse(text).is_err(), "{text:?}");
        }
        assert!(parse("iteration_s 1\niteration_s 1\n").is_err());
    }

    #[test]
    fn median_of_even_and_odd_counts() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), 2.5);
    }
}
