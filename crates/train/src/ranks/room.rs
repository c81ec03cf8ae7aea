//! Where the ranks of a run find each other.

use std::os::unix::net::UnixListener;
use std::path::Path;
use std::time::{Duration, Instant};

use super::link::{Frame, Link};
use super::member::Member;
use crate::error::{Error, Result};

/// What a place in memory should have free: two files a rank with 8 bytes for each weight of a network.
const ROOM_BYTES: u64 = 2 << 30;

/// The folder in which the ranks of one run find each other, in memory where the machine has such a place.
#[derive(Debug)]
pub struct Room {
    dir: tempfile::TempDir,
}

impl Room {
    /// A new one, which goes when this is dropped.
    ///
    /// # Errors
    /// If no folder can be made.
    pub fn new() -> Result<Self> {
        let memory = Path::new("/dev/shm");
        // Containers often have 64 MiB there.
        let is_roomy = rustix::fs::statvfs(memory).is_ok_and(|disk| disk.f_bavail * disk.f_frsize >= ROOM_BYTES);
        let place = if is_roomy { memory.to_path_buf() } else { std::env::temp_dir() };
        let made = tempfile::Builder::new().prefix("frugan-").tempdir_in(&place);
        Ok(Self { dir: made.map_err(Error::file("create", place))? })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Rank 0's place, once the others have come; `ended` says in words whether one of them cannot come any more.
    ///
    /// # Errors
    /// If one does not come in time.
    pub fn lead(self, size: usize, timeout: Duration, mut ended: impl FnMut() -> Option<String>) -> Result<Member> {
        let lost = |text: String| Error::Ranks(text);
        let path = self.path().join("hub");
        let listener = UnixListener::bind(&path).map_err(Error::file("create", &path))?;
        listener.set_nonblocking(true).map_err(Error::file("open", &path))?;
        let started = Instant::now();
        let mut links: Vec<Option<(Link, u64)>> = (1..size).map(|_| None).collect();
        while links.iter().any(Option::is_none) {
            if let Some(why) = ended() {
                return Err(lost(why));
            }
            match listener.accept() {
                Ok((stream, _)) => {
                    stream.set_nonblocking(false).map_err(Error::file("open", &path))?;
                    let mut link = Link::new(stream, timeout).map_err(Error::file("open", &path))?;
                    if let Ok(Frame::Hello { rank, process }) = link.receive(Some(timeout))
                        && let Some(place) = (rank as usize).checked_sub(1).and_then(|i| links.get_mut(i))
                    {
                        *place = Some((link, process));
                    }
                }
                Err(_) if started.elapsed() > timeout => {
                    let missing = links.iter().position(Option::is_none).unwrap_or_default() + 1;
                    return Err(lost(format!("rank {missing} did not come within {} s", timeout.as_secs_f64())));
                }
                Err(_) => std::thread::sleep(Duration::from_millis(5)),
            }
        }
        let (links, processes) = links.into_iter().flatten().unzip();
        let member = Member::lead(self.path(), links, processes, timeout)?;
        // All have opened all files when the first exchange ends: from here on nothing is left behind by a kill.
        member.exchange(&mut [])?;
        Ok(member)
    }
}
