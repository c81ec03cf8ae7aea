//! What ranks say to each other beside their numbers: short frames over sockets of the same machine.

use std::collections::VecDeque;
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
    /// A rank is lost: its number, the step that it was in, and how.
    Lost { rank: u64, step: u64, how: Silence },
    /// It has come to its next sum on the devices.
    Came,
    /// Are you there?
    Ask,
    /// The answer.
    Here,
}

impl Frame {
    /// Whether nothing follows it.
    fn is_last(self) -> bool {
        matches!(self, Self::End | Self::Lost { .. })
    }
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
    /// What was heard of a frame that is not whole yet.
    part: Vec<u8>,
    /// What was heard while something else was waited for.
    pending: VecDeque<Frame>,
    /// How many times the other has come to a sum on the devices, as far as is known here.
    came: u64,
    /// Whether the other owes an answer to [`Frame::Ask`].
    asked: bool,
}

/// Bytes of a frame.
const BYTES: usize = 24;

impl Link {
    /// Frames that nobody takes for so long are not sent.
    pub(super) fn new(stream: UnixStream, timeout: Duration) -> std::io::Result<Self> {
        stream.set_write_timeout(Some(timeout))?;
        Ok(Self { stream, part: Vec::new(), pending: VecDeque::new(), came: 0, asked: false })
    }

    /// How many times the other has come to a sum on the devices, as far as was heard.
    pub(super) fn came(&self) -> u64 {
        self.came
    }

    /// Whether the other has not yet answered what it was asked.
    pub(super) fn is_asked(&self) -> bool {
        self.asked
    }

    /// Asks whether the other is there, unless it was asked and has not answered yet.
    pub(super) fn ask(&mut self) -> Result<(), Silence> {
        if !self.asked {
            self.send(Frame::Ask)?;
            self.asked = true;
        }
        Ok(())
    }

    pub(super) fn send(&mut self, frame: Frame) -> Result<(), Silence> {
        let (kind, a, b) = match frame {
            Frame::Hello { rank, process } => (0, rank, process),
            Frame::Arrived { exchange, count } => (1, exchange, count),
            Frame::Go { exchange } => (2, exchange, 0),
            Frame::Begin { step, resumes } => (3, step, u64::from(resumes)),
            Frame::Step { step } => (4, step, 0),
            Frame::End => (5, 0, 0),
            Frame::Lost { rank, step, how: Silence::Gone } => (6, rank, step),
            Frame::Lost { rank, step, how: Silence::Hangs } => (7, rank, step),
            Frame::Lost { rank, step, how: Silence::Strays } => (8, rank, step),
            Frame::Came => (9, 0, 0),
            Frame::Ask => (10, 0, 0),
            Frame::Here => (11, 0, 0),
        };
        let bytes: Vec<u8> = [kind, a, b].iter().flat_map(|word: &u64| word.to_ne_bytes()).collect();
        self.stream.write_all(&bytes).map_err(|error| silence(error.kind()))
    }

    /// The next frame that says what to do, or where another rank is; waits without end where no time is given.
    pub(super) fn receive(&mut self, most: Option<Duration>) -> Result<Frame, Silence> {
        self.stream.set_read_timeout(most).map_err(|_| Silence::Gone)?;
        loop {
            if let Some(frame) = self.pending.pop_front() {
                return Ok(frame);
            }
            let mut bytes = [0; BYTES];
            let rest = &mut bytes[self.part.len()..];
            match self.stream.read(rest) {
                Ok(0) => return Err(Silence::Gone),
                Ok(read) => self.hear(&bytes[..read])?,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(silence(error.kind())),
            }
        }
    }

    /// Hears what was said meanwhile, without waiting. The frame that ends the run, if it was among that; then it is no loss that the
    /// other is gone.
    pub(super) fn look(&mut self) -> Result<Option<Frame>, Silence> {
        let silence = loop {
            let mut bytes = [0; BYTES];
            let rest = &mut bytes[self.part.len()..];
            match recv(&self.stream, rest, RecvFlags::DONTWAIT) {
                Ok((_, 0)) => break Some(Silence::Gone),
                Ok((_, read)) => self.hear(&bytes[..read])?,
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => break None,
                Err(_) => break Some(Silence::Gone),
            }
        };
        match (self.pending.iter().copied().find(|frame| frame.is_last()), silence) {
            (None, Some(silence)) => Err(silence),
            (last, _) => Ok(last),
        }
    }

    /// Takes the next bytes of the frame in hand, and once it is whole what it says.
    fn hear(&mut self, bytes: &[u8]) -> Result<(), Silence> {
        self.part.extend(bytes);
        let Some(whole) = self.part.first_chunk() else { return Ok(()) };
        let frame = read(whole)?;
        self.part.clear();
        match frame {
            Frame::Came => self.came += 1,
            Frame::Here => self.asked = false,
            // Who does not take it is gone, or hangs: that will be seen where it is waited for.
            Frame::Ask => drop(self.send(Frame::Here)),
            frame => self.pending.push_back(frame),
        }
        Ok(())
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
        6 => Ok(Frame::Lost { rank: a, step: b, how: Silence::Gone }),
        7 => Ok(Frame::Lost { rank: a, step: b, how: Silence::Hangs }),
        8 => Ok(Frame::Lost { rank: a, step: b, how: Silence::Strays }),
        9 => Ok(Frame::Came),
        10 => Ok(Frame::Ask),
        11 => Ok(Frame::Here),
        _ => Err(Silence::Strays),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn pair() -> [Link; 2] {
        let (a, b) = UnixStream::pair().unwrap();
        [a, b].map(|stream| Link::new(stream, Duration::from_millis(20)).unwrap())
    }

    #[test]
    fn frames_arrive_as_sent_and_silence_has_a_reason() {
        let [mut a, mut b] = pair();
        let frames = [
            Frame::Hello { rank: 1, process: 77 },
            Frame::Arrived { exchange: 3, count: 9 },
            Frame::Go { exchange: 3 },
            Frame::Begin { step: 250, resumes: true },
            Frame::Step { step: 251 },
            Frame::Lost { rank: 1, step: 251, how: Silence::Gone },
            Frame::Lost { rank: 2, step: 252, how: Silence::Hangs },
            Frame::Lost { rank: 3, step: 253, how: Silence::Strays },
            Frame::End,
        ];
        for frame in frames {
            a.send(frame).unwrap();
            assert_eq!(b.receive(None), Ok(frame));
        }
        assert_eq!(b.receive(Some(Duration::from_millis(20))), Err(Silence::Hangs));
        let full = (0..1_000_000).find_map(|_| a.send(Frame::Came).err());
        assert_eq!(full, Some(Silence::Hangs), "nobody takes them");
        drop(a);
        assert_eq!(b.receive(None), Err(Silence::Gone));
        assert_eq!(b.look(), Err(Silence::Gone));
    }

    #[test]
    fn what_is_heard_on_the_way_is_counted_and_the_rest_kept_in_its_order() {
        let [mut a, mut b] = pair();
        assert_eq!((b.look(), b.came()), (Ok(None), 0));
        for frame in [Frame::Came, Frame::Step { step: 252 }, Frame::Came, Frame::Go { exchange: 4 }] {
            a.send(frame).unwrap();
        }
        assert_eq!((b.look(), b.came()), (Ok(None), 2), "also behind a frame that nobody waits for yet");
        a.send(Frame::Came).unwrap();
        a.stream.write_all(&[5; 3]).unwrap();
        assert_eq!((b.look(), b.came(), b.part.len()), (Ok(None), 3, 3), "a part of a frame waits for the rest");
        b.part.clear();
        a.send(Frame::End).unwrap();
        drop(a);
        assert_eq!(b.look(), Ok(Some(Frame::End)), "whoever has ended the run may go");
        for frame in [Frame::Step { step: 252 }, Frame::Go { exchange: 4 }, Frame::End] {
            assert_eq!(b.receive(None), Ok(frame));
        }
        assert_eq!(b.look(), Err(Silence::Gone));
    }

    #[test]
    fn who_is_asked_owes_an_answer_until_it_listens() {
        let [mut a, mut b] = pair();
        a.ask().unwrap();
        a.ask().unwrap();
        b.send(Frame::Came).unwrap();
        assert_eq!((a.look(), a.is_asked()), (Ok(None), true), "coming to a sum is no answer");
        assert_eq!(b.look(), Ok(None));
        assert_eq!((a.look(), a.is_asked()), (Ok(None), false));
        assert_eq!(b.look(), Ok(None), "asked once");
        a.ask().unwrap();
        a.send(Frame::Step { step: 1 }).unwrap();
        assert_eq!(b.receive(None), Ok(Frame::Step { step: 1 }));
        assert_eq!((a.look(), a.is_asked()), (Ok(None), false), "whoever waits for a frame answers too");
    }
}
