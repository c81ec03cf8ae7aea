//! One rank's place among the others: numbers go through files in memory, frames through sockets.
//!
//! In an exchange each rank writes its numbers to a file of its own and says so to rank 0, which answers all once the
//! last has come; then each reads all files in the order of ranks. Two files a rank take turns: whoever writes the next
//! exchange's numbers has seen that nobody reads those of the one before the last any more.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use frugan_autograd::Communicator;
use frugan_autograd::cuda::Joined;

use super::link::{Frame, Link, Silence};
use crate::error::{Error, Result};

/// How long a follower waits beyond the time that rank 0 gives the others: rank 0 knows who is missing. So long do all wait beyond
/// that for devices whose ranks are all there.
const GRACE: Duration = Duration::from_secs(10);

/// After which part of that time who is waited for is asked whether it is there.
const ASK: u32 = 10;

/// One rank of a run.
pub struct Member {
    rank: usize,
    size: usize,
    timeout: Duration,
    /// Two files a rank.
    slots: Vec<[File; 2]>,
    inner: Mutex<Inner>,
}

struct Inner {
    side: Side,
    exchanges: u64,
    /// How many times this rank has come to a sum on the devices.
    came: u64,
    step: u64,
    bytes: Vec<u8>,
    /// Who was lost, in words.
    failure: Option<String>,
}

enum Side {
    Hub { links: Vec<Link>, processes: Vec<u64> },
    Spoke(Link),
}

impl Member {
    /// Rank 0's place, with the others in the order of their numbers.
    pub(super) fn lead(dir: &Path, links: Vec<Link>, processes: Vec<u64>, timeout: Duration) -> Result<Self> {
        Self::new(dir, 0, 1 + links.len(), Side::Hub { links, processes }, timeout)
    }

    /// A follower's place in the room at `dir`; `ended` says in words whether rank 0 cannot come any more.
    ///
    /// # Errors
    /// If rank 0 does not come in time.
    pub fn join(
        dir: &Path,
        rank: usize,
        size: usize,
        timeout: Duration,
        mut ended: impl FnMut() -> Option<String>,
    ) -> Result<Self> {
        let path = dir.join("hub");
        let started = Instant::now();
        let stream = loop {
            if let Some(why) = ended() {
                return Err(Error::Ranks(why));
            }
            match UnixStream::connect(&path) {
                Ok(stream) => break stream,
                Err(error) if started.elapsed() > timeout => return Err(Error::file("open", &path)(error)),
                Err(_) => std::thread::sleep(Duration::from_millis(5)),
            }
        };
        let mut link = Link::new(stream, timeout).map_err(Error::file("open", &path))?;
        let hello = Frame::Hello { rank: rank as u64, process: u64::from(std::process::id()) };
        link.send(hello).map_err(|_| Error::Ranks("rank 0 ended before the run began".into()))?;
        let member = Self::new(dir, rank, size, Side::Spoke(link), timeout)?;
        member.exchange(&mut [])?;
        Ok(member)
    }

    fn new(dir: &Path, rank: usize, size: usize, side: Side, timeout: Duration) -> Result<Self> {
        let open = |path: PathBuf| {
            let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
            file.map_err(Error::file("create", path))
        };
        let of = |rank: usize| Ok([open(dir.join(format!("{rank}-even")))?, open(dir.join(format!("{rank}-odd")))?]);
        let slots = (0..size).map(of).collect::<Result<_>>()?;
        let inner = Inner { side, exchanges: 0, came: 0, step: 0, bytes: Vec::new(), failure: None };
        Ok(Self { rank, size, timeout, slots, inner: Mutex::new(inner) })
    }

    /// This rank's number.
    pub fn rank(&self) -> usize {
        self.rank
    }

    /// How many ranks there are.
    pub(super) fn size(&self) -> usize {
        self.size
    }

    /// Rank 0 tells the others where to begin.
    ///
    /// # Errors
    /// If one is gone.
    pub fn begin(&self, step: u64, resumes: bool) -> Result<()> {
        self.tell(Frame::Begin { step, resumes })
    }

    /// Rank 0 tells the others to take the step after `step`.
    ///
    /// # Errors
    /// If one is gone.
    pub fn step(&self, step: u64) -> Result<()> {
        self.tell(Frame::Step { step })
    }

    fn tell(&self, frame: Frame) -> Result<()> {
        let mut inner = self.lock();
        if let Frame::Step { step } | Frame::Begin { step, .. } = frame {
            inner.step = step;
        }
        let Inner { side: Side::Hub { links, .. }, .. } = &mut *inner else {
            return Err(Error::Ranks(format!("rank {} gives no orders", self.rank)));
        };
        let lost = send_all(links, frame);
        lost.map_or(Ok(()), |(rank, why)| Err(self.lose(&mut inner, rank, why)))
    }

    /// What rank 0 wants next: waits for it without end, for rank 0 may evaluate for hours, but not beyond its death.
    pub(super) fn order(&self) -> Result<Frame> {
        let mut inner = self.lock();
        let Side::Spoke(link) = &mut inner.side else { return Err(Error::Ranks("rank 0 takes no orders".into())) };
        match link.receive(None) {
            Ok(Frame::Lost { rank, step, how }) => Err(self.was_told(&mut inner, rank, step, how)),
            Ok(frame) => {
                if let Frame::Step { step } | Frame::Begin { step, .. } = frame {
                    inner.step = step;
                }
                Ok(frame)
            }
            Err(why) => Err(self.lose(&mut inner, 0, why)),
        }
    }

    /// Who was lost, if someone was.
    pub fn failure(&self) -> Option<String> {
        self.lock().failure.clone()
    }

    pub(super) fn exchange(&self, numbers: &mut [f64]) -> Result<()> {
        let mut inner = self.lock();
        let turn = (inner.exchanges % 2) as usize;
        let mut bytes = std::mem::take(&mut inner.bytes);
        bytes.clear();
        bytes.extend(numbers.iter().flat_map(|number| number.to_ne_bytes()));
        let memory = |error| Error::file("write", "the ranks' memory")(error);
        self.slots[self.rank][turn].write_all_at(&bytes, 0).map_err(memory)?;
        self.meet(&mut inner, numbers.len() as u64)?;
        numbers.fill(0.0);
        for slot in &self.slots {
            slot[turn].read_exact_at(&mut bytes, 0).map_err(memory)?;
            let read = bytes.as_chunks::<8>().0.iter().map(|bytes| f64::from_ne_bytes(*bytes));
            numbers.iter_mut().zip(read).for_each(|(sum, number)| *sum += number);
        }
        inner.bytes = bytes;
        Ok(())
    }

    /// Waits for all ranks' votes, in their order.
    pub(super) fn votes(&self, own: [u64; 2]) -> Result<Vec<[u64; 2]>> {
        let mut all = vec![0.0; 2 * self.size];
        all[2 * self.rank..2 * self.rank + 2].copy_from_slice(&own.map(|number| number as f64));
        // The others add zeros.
        self.exchange(&mut all)?;
        Ok(all.as_chunks().0.iter().map(|vote: &[f64; 2]| vote.map(|number| number as u64)).collect())
    }

    /// Waits until all ranks are in this exchange.
    fn meet(&self, inner: &mut Inner, count: u64) -> Result<()> {
        let exchange = inner.exchanges;
        inner.exchanges += 1;
        let arrived = Frame::Arrived { exchange, count };
        let lost = match &mut inner.side {
            Side::Hub { links, .. } => {
                // One time for all: the others give rank 0 little more.
                let end = Instant::now() + self.timeout;
                let left = || end.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
                let answers: Vec<_> = links.iter_mut().map(|link| link.receive(Some(left()))).collect();
                match answers.iter().position(|answer| *answer != Ok(arrived)) {
                    None => send_all(links, Frame::Go { exchange }),
                    Some(i) => Some((i + 1, answers[i].err().unwrap_or(Silence::Strays))),
                }
            }
            Side::Spoke(link) => {
                let sent = link.send(arrived);
                match sent.and_then(|()| link.receive(Some(self.timeout + GRACE))) {
                    Ok(Frame::Go { exchange: of }) if of == exchange => None,
                    Ok(Frame::Lost { rank, step, how }) => return Err(self.was_told(inner, rank, step, how)),
                    Ok(Frame::End) => return Err(Error::Ranks("rank 0 has ended the run".into())),
                    Ok(_) => Some((0, Silence::Strays)),
                    Err(why) => Some((0, why)),
                }
            }
        };
        lost.map_or(Ok(()), |(rank, why)| Err(self.lose(inner, rank, why)))
    }

    /// Tells the others that this rank has come to its next sum on the devices.
    fn come(&self) -> Result<()> {
        let mut inner = self.lock();
        inner.came += 1;
        // What they have said makes room for what they are told.
        self.look(&mut inner)?;
        let lost = match &mut inner.side {
            Side::Hub { links, .. } => send_all(links, Frame::Came),
            Side::Spoke(link) => match link.send(Frame::Came) {
                // Rank 0 may have the last step behind it, and tells so ahead of its end.
                Err(why) if link.look() != Ok(Some(Frame::End)) => Some((0, why)),
                _ => None,
            },
        };
        lost.map_or(Ok(()), |(rank, why)| Err(self.lose(&mut inner, rank, why)))
    }

    /// Whether all are there, asked while this rank has been waiting for its device for so long. A rank that has come to fewer sums
    /// than this one, or does not say that it is there, has that long at most.
    pub(super) fn watch(&self, waited: Duration) -> Result<()> {
        let mut inner = self.lock();
        let is_over = self.look(&mut inner)?;
        let (came, asks) = (inner.came, waited >= self.timeout / ASK);
        let is_lost = |link: &Link| link.came() < came || link.is_asked();
        let mut patience = self.timeout;
        let lost = match &mut inner.side {
            Side::Hub { links, .. } if waited >= patience => {
                links.iter().position(is_lost).map(|i| (i + 1, Silence::Hangs))
            }
            Side::Hub { links, .. } if asks => {
                links.iter_mut().enumerate().find_map(|(i, link)| link.ask().err().map(|how| (i + 1, how)))
            }
            Side::Hub { .. } => None,
            // It did not wait for what this rank waits for.
            Side::Spoke(_) if is_over => (waited >= GRACE).then_some((0, Silence::Gone)),
            Side::Spoke(link) => {
                patience += GRACE;
                if waited >= patience {
                    is_lost(link).then_some((0, Silence::Hangs))
                } else if asks {
                    link.ask().err().map(|how| (0, how))
                } else {
                    None
                }
            }
        };
        match lost {
            Some((rank, how)) => Err(self.lose(&mut inner, rank, how)),
            None if waited >= patience + GRACE => Err(self.give_up(&mut inner, waited)),
            None => Ok(()),
        }
    }

    /// All ranks are there and have come to this sum, which their devices do not end.
    fn give_up(&self, inner: &mut Inner, waited: Duration) -> Error {
        inner.failure = Some(format!(
            "the devices have not ended a sum over ranks at step {} for {} s, though every rank has come to it: \
             NCCL_DEBUG=INFO says what NCCL makes of this machine, ranks.through = \"host\" goes without it",
            inner.step,
            waited.as_secs()
        ));
        Error::Ranks(inner.failure.clone().unwrap_or_default())
    }

    /// Whether rank 0 has ended the run; an error if any other is gone or was lost. Does not wait.
    fn look(&self, inner: &mut Inner) -> Result<bool> {
        let lost = match &mut inner.side {
            Side::Hub { links, .. } => {
                let looks = links.iter_mut().enumerate();
                looks.filter_map(|(i, link)| link.look().err().map(|why| (i + 1, why))).next()
            }
            Side::Spoke(link) => match link.look() {
                Ok(Some(Frame::Lost { rank, step, how })) => return Err(self.was_told(inner, rank, step, how)),
                Ok(frame) => return Ok(frame == Some(Frame::End)),
                Err(why) => Some((0, why)),
            },
        };
        lost.map_or(Ok(false), |(rank, why)| Err(self.lose(inner, rank, why)))
    }

    /// Notes who is lost, and tells the others.
    fn lose(&self, inner: &mut Inner, rank: usize, how: Silence) -> Error {
        let step = inner.step;
        let mut name = format!("rank {rank}");
        if let Side::Hub { links, processes } = &mut inner.side {
            let frame = Frame::Lost { rank: rank as u64, step, how };
            for (_, link) in links.iter_mut().enumerate().filter(|(i, _)| i + 1 != rank) {
                // Another that is gone too is no further news.
                let _ = link.send(frame);
            }
            name.push_str(&format!(" (process {})", processes[rank - 1]));
        }
        self.note(inner, &name, step, how)
    }

    /// Rank 0 has told of a loss.
    fn was_told(&self, inner: &mut Inner, rank: u64, step: u64, how: Silence) -> Error {
        self.note(inner, &format!("rank {rank}"), step, how)
    }

    fn note(&self, inner: &mut Inner, name: &str, step: u64, how: Silence) -> Error {
        let what = match how {
            Silence::Gone => "ended".to_owned(),
            Silence::Hangs => format!("has not answered for {} s", self.timeout.as_secs_f64()),
            Silence::Strays => "is not in the exchange of the others".to_owned(),
        };
        let text = format!("{name} {what} at step {step}; the same command goes on from the last state");
        inner.failure = Some(text.clone());
        Error::Ranks(text)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The first rank to whom the frame could not be sent, and why.
fn send_all(links: &mut [Link], frame: Frame) -> Option<(usize, Silence)> {
    links.iter_mut().enumerate().find_map(|(i, link)| link.send(frame).err().map(|why| (i + 1, why)))
}

impl Drop for Member {
    fn drop(&mut self) {
        if let Side::Hub { links, .. } = &mut self.lock().side {
            for link in links {
                // Who is gone needs no end.
                let _ = link.send(Frame::End);
            }
        }
    }
}

/// A member as the tape knows it.
pub(super) struct Sums {
    pub(super) member: Arc<Member>,
    /// This rank's device among the others', if sums stay there.
    pub(super) _joined: Option<Joined>,
}

/// As the tape's errors are.
pub(super) fn tensor_error(error: Error) -> frugan_autograd::Error {
    frugan_autograd::Error::Msg(error.to_string())
}

impl Communicator for Sums {
    fn rank(&self) -> usize {
        self.member.rank
    }

    fn size(&self) -> usize {
        self.member.size
    }

    fn sum(&self, numbers: &mut [f64]) -> frugan_autograd::Result<()> {
        self.member.exchange(numbers).map_err(tensor_error)
    }

    fn announce(&self) -> frugan_autograd::Result<()> {
        self.member.come().map_err(tensor_error)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::ranks::Room;

    const TIMEOUT: Duration = Duration::from_secs(20);

    /// Three members in one process; files and sockets as between processes.
    fn three() -> [Member; 3] {
        let room = Room::new().unwrap();
        let dir = room.path().to_path_buf();
        std::thread::scope(|scope| {
            let [one, two] = [1, 2].map(|rank| {
                let dir = &dir;
                scope.spawn(move || Member::join(dir, rank, 3, TIMEOUT, || None).unwrap())
            });
            let zero = room.lead(3, TIMEOUT, || None).unwrap();
            [zero, one.join().unwrap(), two.join().unwrap()]
        })
    }

    fn words(result: Result<()>) -> String {
        result.unwrap_err().to_string()
    }

    #[test]
    fn who_waits_for_a_device_asks_and_names_who_does_not_answer() {
        let [zero, one, two] = three();
        for member in [&zero, &one, &two] {
            member.come().unwrap();
        }
        zero.watch(TIMEOUT / 5).unwrap();
        one.watch(Duration::ZERO).unwrap();
        let named = words(zero.watch(TIMEOUT));
        assert!(
            named.starts_with("rank 2 (process ") && named.contains(" has not answered for 20 s at step 0"),
            "{named}"
        );
    }

    #[test]
    fn who_comes_to_fewer_sums_is_named_to_all_though_it_is_there() {
        let [zero, one, two] = three();
        zero.come().unwrap();
        two.come().unwrap();
        zero.watch(TIMEOUT / 5).unwrap();
        one.watch(Duration::ZERO).unwrap();
        two.watch(Duration::ZERO).unwrap();
        zero.watch(TIMEOUT - Duration::from_millis(1)).unwrap();
        let named = words(zero.watch(TIMEOUT));
        assert!(named.starts_with("rank 1 (process ") && named.contains(" has not answered for 20 s"), "{named}");
        let told = words(two.watch(Duration::ZERO));
        assert!(told.starts_with("rank 1 has not answered for 20 s at step 0; "), "{told}");
        assert_eq!(two.failure(), Some(told));
    }

    #[test]
    fn a_follower_waits_for_rank_0_a_little_longer() {
        let [zero, one, _two] = three();
        one.come().unwrap();
        one.watch(TIMEOUT + GRACE - Duration::from_millis(1)).unwrap();
        assert_eq!(words(one.watch(TIMEOUT + GRACE)).split(" at ").next(), Some("rank 0 has not answered for 20 s"));
        drop(zero);
    }

    #[test]
    fn votes_come_in_the_ranks_order() {
        let members = three();
        let votes = std::thread::scope(|scope| {
            let vote = |member: &'_ Member| member.votes([7, 10 + member.rank() as u64]).unwrap();
            let others = members[1..].iter().map(|member| scope.spawn(move || vote(member))).collect::<Vec<_>>();
            let own = vote(&members[0]);
            others.into_iter().for_each(|other| assert_eq!(other.join().unwrap(), own));
            own
        });
        assert_eq!(votes, [[7, 10], [7, 11], [7, 12]]);
    }

    #[test]
    fn devices_that_do_not_end_what_all_have_come_to_are_given_up() {
        let [zero, one, two] = three();
        for member in [&zero, &one, &two] {
            member.come().unwrap();
        }
        zero.watch(TIMEOUT / 5).unwrap();
        for member in [&one, &two] {
            member.watch(Duration::ZERO).unwrap();
        }
        zero.watch(TIMEOUT + GRACE - Duration::from_millis(1)).unwrap();
        let words = words(zero.watch(TIMEOUT + GRACE));
        assert!(words.starts_with("the devices have not ended a sum over ranks at step 0 for 30 s, though"), "{words}");
        assert!(one.watch(GRACE - Duration::from_millis(1)).is_ok());
        drop(zero);
        assert!(one.watch(Duration::ZERO).is_ok(), "it ended the run");
        assert!(one.watch(GRACE).is_err());
    }
}
