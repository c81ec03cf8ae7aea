//! What ranks say to each other beside their numbers: short frames over sockets of the same machine.

use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// One message of a rank.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Frame {
    /// A rank's first: who it is, and its process.
    Hello { rank: u64, process: u64 },
    /// Its numbers of this exchange are there for all to read; so many.
    Arrived { exchange: u64, count: u64 },
    /// Everyone's numbers of this exchange are there.
    Go { exchange: u64 },
    /// Begin at this step; from a state of it where `resumes`.
    Begin { step: u64, resumes: bool },
    /// Take a step.
    Step { step: u64 },
    /// The run is over.
    End,
    /// A rank is gone: its number, and the step that it was in.
    Lost { rank: u64, step: u64 },
}

/// Why a frame did not come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Silence {
    /// The other process ended.
    Gone,
    /// It lives, and said nothing for the time given.
    Hangs,
    /// It said what does not belong here: a bug of ours.
    Strays,
}

/// The other end of a socket.
#[derive(Debug)]
pub(super) struct Link(UnixStream);

impl Link {
    pub(super) fn new(stream: UnixStream) -> Self {
        Self(stream)
    }

    pub(super) fn send(&mut self, frame: Frame) -> Result<(), Silence> {
        let (kind, a, b) = match frame {
            Frame::Hello { rank, process } => (0, rank, process),
            Frame::Arrived { exchange, count } => (1, exchange, count),
            Frame::Go { exchange } => (2, exchange, 0),
            Frame::Begin { step, resumes } => (3, step, u64::from(resumes)),
            Frame::Step { step } => (4, step, 0),
            Frame::End => (5, 0, 0),
            Frame::Lost { rank, step } => (6, rank, step),
        };
        let bytes: Vec<u8> = [kind, a, b].iter().flat_map(|word: &u64| word.to_ne_bytes()).collect();
        self.0.write_all(&bytes).map_err(|_| Silence::Gone)
    }

    /// The next frame; waits without end where no time is given.
    pub(super) fn receive(&mut self, most: Option<Duration>) -> Result<Frame, Silence> {
        self.0.set_read_timeout(most).map_err(|_| Silence::Gone)?;
        let mut bytes = [0; 24];
        self.0.read_exact(&mut bytes).map_err(|error| match error.kind() {
            ErrorKind::WouldBlock | ErrorKind::TimedOut => Silence::Hangs,
            _ => Silence::Gone,
        })?;
        let word = |i: usize| u64::from_ne_bytes(std::array::from_fn(|byte| bytes[8 * i + byte]));
        let (a, b) = (word(1), word(2));
        match word(0) {
            0 => Ok(Frame::Hello { rank: a, process: b }),
            1 => Ok(Frame::Arrived { exchange: a, count: b }),
            2 => Ok(Frame::Go { exchange: a }),
            3 => Ok(Frame::Begin { step: a, resumes: b == 1 }),
            4 => Ok(Frame::Step { step: a }),
            5 => Ok(Frame::End),
            6 => Ok(Frame::Lost { rank: a, step: b }),
            _ => Err(Silence::Strays),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn frames_arrive_as_sent_and_silence_has_a_reason() {
        let (a, b) = UnixStream::pair().unwrap();
        let (mut a, mut b) = (Link::new(a), Link::new(b));
        let frames = [
            Frame::Hello { rank: 1, process: 77 },
            Frame::Arrived { exchange: 3, count: 9 },
            Frame::Go { exchange: 3 },
            Frame::Begin { step: 250, resumes: true },
            Frame::Step { step: 251 },
            Frame::Lost { rank: 1, step: 251 },
            Frame::End,
        ];
        for frame in frames {
            a.send(frame).unwrap();
            assert_eq!(b.receive(None), Ok(frame));
        }
        assert_eq!(b.receive(Some(Duration::from_millis(20))), Err(Silence::Hangs));
        drop(a);
        assert_eq!(b.receive(None), Err(Silence::Gone));
    }
}
