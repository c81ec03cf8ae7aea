//! What ranks say to each other beside their numbers: short frames over sockets of the same machine.

use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{RecvFlags, recv};

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
    /// It has come to its next sum on the devices.
    Came,
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
pub(super) struct Link {
    stream: UnixStream,
    /// How many times the other has come to a sum on the devices, as far as is known here.
    came: u64,
}

/// Bytes of a frame.
const BYTES: usize = 24;

impl Link {
    /// Frames that nobody takes for so long are not sent.
    pub(super) fn new(stream: UnixStream, timeout: Duration) -> std::io::Result<Self> {
        stream.set_write_timeout(Some(timeout))?;
        Ok(Self { stream, came: 0 })
    }

    /// How many times the other has come to a sum on the devices, as far as was heard.
    pub(super) fn came(&self) -> u64 {
        self.came
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
            Frame::Came => (7, 0, 0),
        };
        let bytes: Vec<u8> = [kind, a, b].iter().flat_map(|word: &u64| word.to_ne_bytes()).collect();
        self.stream.write_all(&bytes).map_err(|error| silence(error.kind()))
    }

    /// The next frame but for [`Frame::Came`]; waits without end where no time is given.
    pub(super) fn receive(&mut self, most: Option<Duration>) -> Result<Frame, Silence> {
        loop {
            match self.take(most)? {
                Frame::Came => self.came += 1,
                frame => return Ok(frame),
            }
        }
    }

    fn take(&mut self, most: Option<Duration>) -> Result<Frame, Silence> {
        self.stream.set_read_timeout(most).map_err(|_| Silence::Gone)?;
        let mut bytes = [0; BYTES];
        self.stream.read_exact(&mut bytes).map_err(|error| silence(error.kind()))?;
        read(&bytes)
    }

    /// What is there to be received next, without waiting and without taking it; counts [`Frame::Came`] on the way.
    pub(super) fn look(&mut self) -> Result<Option<Frame>, Silence> {
        loop {
            let mut bytes = [0; BYTES];
            match recv(&self.stream, &mut bytes, RecvFlags::PEEK | RecvFlags::DONTWAIT) {
                Ok((_, 0)) => return Err(Silence::Gone),
                Ok((_, BYTES)) => match read(&bytes)? {
                    Frame::Came => {
                        self.take(None)?;
                        self.came += 1;
                    }
                    frame => return Ok(Some(frame)),
                },
                Ok(_) | Err(Errno::AGAIN | Errno::INTR) => return Ok(None),
                Err(_) => return Err(Silence::Gone),
            }
        }
    }
}

fn silence(kind: ErrorKind) -> Silence {
    match kind {
        ErrorKind::WouldBlock | ErrorKind::TimedOut => Silence::Hangs,
        _ => Silence::Gone,
    }
}

fn read(bytes: &[u8; BYTES]) -> Result<Frame, Silence> {
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
        7 => Ok(Frame::Came),
        _ => Err(Silence::Strays),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn frames_arrive_as_sent_and_silence_has_a_reason() {
        let (a, b) = UnixStream::pair().unwrap();
        let [mut a, mut b] = [a, b].map(|stream| Link::new(stream, Duration::from_millis(20)).unwrap());
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
        assert_eq!(b.look(), Ok(None));
        for frame in [Frame::Came, Frame::Came, Frame::Step { step: 252 }, Frame::Came] {
            a.send(frame).unwrap();
        }
        for _ in 0..2 {
            assert_eq!((b.look(), b.came()), (Ok(Some(Frame::Step { step: 252 })), 2));
        }
        assert_eq!((b.receive(None), b.came()), (Ok(Frame::Step { step: 252 }), 2));
        assert_eq!((b.look(), b.came()), (Ok(None), 3));
        let full = (0..1_000_000).find_map(|_| a.send(Frame::Came).err());
        assert_eq!(full, Some(Silence::Hangs), "nobody takes them");
        drop(a);
        assert_eq!((0..1_000_000).find_map(|_| b.receive(None).err()), Some(Silence::Gone));
        assert_eq!(b.look(), Err(Silence::Gone));
    }
}
