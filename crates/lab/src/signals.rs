//! SIGINT and SIGTERM ask a run to write its state first; a second one ends the process at once. Its other ranks do not hear them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use anyhow::Result;
use frugan_train::Interrupt;
use signal_hook::consts::{SIGINT, SIGPIPE, SIGTERM};
use signal_hook::flag;

/// Lets a reader that closes our output, such as `head`, end this process quietly instead of by a panic.
pub(crate) fn end_with_the_reader() -> Result<()> {
    flag::register_conditional_default(SIGPIPE, Arc::new(AtomicBool::new(true)))?;
    Ok(())
}

/// Leaves it to another process when to end.
pub(crate) fn ignore() -> Result<()> {
    for signal in [SIGINT, SIGTERM] {
        flag::register(signal, Arc::new(AtomicBool::new(false)))?;
    }
    Ok(())
}

/// The signals of this process.
#[derive(Clone, Debug)]
pub(crate) struct Signals {
    asked: Arc<AtomicBool>,
    which: Arc<AtomicUsize>,
}

impl Signals {
    /// Takes the signals over.
    pub(crate) fn listen() -> Result<Self> {
        let signals = Self { asked: Arc::new(AtomicBool::new(false)), which: Arc::new(AtomicUsize::new(0)) };
        for signal in [SIGINT, SIGTERM] {
            flag::register_conditional_shutdown(signal, 128 + signal, signals.asked.clone())?;
            flag::register_usize(signal, signals.which.clone(), signal as usize)?;
            flag::register(signal, signals.asked.clone())?;
        }
        Ok(signals)
    }

    /// What a run watches.
    pub(crate) fn interrupt(&self) -> Interrupt {
        Interrupt::from_flag(self.asked.clone())
    }

    /// The shell's code for a process that this signal ended.
    pub(crate) fn exit_code(&self) -> u8 {
        128 + self.which.load(Ordering::Relaxed) as u8
    }
}
