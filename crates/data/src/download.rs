//! Verified, resumable, atomic downloads.

use crate::checksum::check_file;
use crate::error::{Error, Result};
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

#[cfg(test)]
pub(crate) mod test_server;
#[cfg(test)]
mod tests;

/// How often a connection may break without a byte of progress before the download gives up.
const TRIES: u32 = 4;

/// How far a download is: `(bytes there, bytes in all, if known)`.
///
/// ```
/// let mut percent = 0;
/// let progress: &mut frugan_data::Progress = &mut |there, all| percent = 100 * there / all.unwrap_or(there).max(1);
/// progress(50, Some(200));
/// assert_eq!(percent, 25);
/// ```
pub type Progress<'a> = dyn FnMut(u64, Option<u64>) + 'a;

/// One file to fetch.
///
/// The bytes go to `TO.part`, which a later call continues with an HTTP range; when all are there and the checksum
/// is right, the file is synced and renamed. So `to` exists whole or not at all. A lock on the `.part` lets two
/// processes ask for the same file: the second waits and finds it there.
///
/// ```no_run
/// use frugan_data::Download;
/// let to = std::path::Path::new("cifar-10-binary.tar.gz");
/// let archive = frugan_data::cifar::CIFAR10.archive;
/// Download { url: archive.url, to, bytes: Some(archive.bytes), sha256: Some(archive.sha256) }.fetch(&mut |_, _| {})?;
/// # Ok::<(), frugan_data::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Download<'a> {
    /// `http://` or `https://`; the usual proxy variables of the environment are heeded.
    pub url: &'a str,
    /// Where the file shall be; its folder is created.
    pub to: &'a Path,
    /// Its size, when known.
    pub bytes: Option<u64>,
    /// SHA-256 of its content in hex, when known.
    pub sha256: Option<&'a str>,
}

/// Why a single request ended early: a later one may do better, or none will.
enum Broken {
    Retry(String),
    Refused(String),
    Disk(Error),
}

impl Download<'_> {
    /// Fetches what is missing of the file.
    ///
    /// # Errors
    /// When the server refuses, the connection keeps breaking, the content is not the expected one, or the disk
    /// cannot take it. What is wrong is deleted; what is merely incomplete stays for the next call.
    ///
    /// ```
    /// use frugan_data::Download;
    /// let folder = tempfile::tempdir().unwrap();
    /// let to = folder.path().join("file");
    /// let unreachable = Download { url: "http://127.0.0.1:1/file", to: &to, bytes: None, sha256: None };
    /// assert!(unreachable.fetch(&mut |_, _| {}).unwrap_err().to_string().starts_with("cannot download"));
    /// assert!(!to.exists());
    /// ```
    pub fn fetch(&self, progress: &mut Progress) -> Result<()> {
        if self.to.exists() {
            return self.verify(self.to);
        }
        let folder = self.to.parent().unwrap_or(Path::new("."));
        std::fs::create_dir_all(folder).map_err(Error::write(folder))?;
        let path = self.part();
        let mut options = OpenOptions::new();
        let mut part = options.create(true).read(true).append(true).open(&path).map_err(Error::write(&path))?;
        part.lock().map_err(Error::write(&path))?;
        if self.to.exists() {
            return self.verify(self.to);
        }
        self.fill(&mut part, progress)?;
        part.sync_all().map_err(Error::write(&path))?;
        self.verify(&path).inspect_err(|_| drop(std::fs::remove_file(&path)))?;
        std::fs::rename(&path, self.to).map_err(Error::write(self.to))?;
        sync_folder(folder);
        Ok(())
    }

    fn part(&self) -> PathBuf {
        let mut name = self.to.as_os_str().to_owned();
        name.push(".part");
        name.into()
    }

    fn verify(&self, path: &Path) -> Result<()> {
        let got = std::fs::metadata(path).map_err(Error::read(path))?.len();
        if let Some(expected) = self.bytes.filter(|bytes| *bytes != got) {
            return Err(Error::DownloadSize { url: self.url.to_owned(), got, expected });
        }
        self.sha256.map_or(Ok(()), |expected| check_file(path, expected))
    }

    /// Requests until all bytes are there.
    fn fill(&self, part: &mut File, progress: &mut Progress) -> Result<()> {
        let refused = |reason: String| Error::Download { url: self.url.to_owned(), reason };
        let mut failures = 0;
        loop {
            let before = self.length(part)?;
            let reason = match self.request(part, progress) {
                Ok(()) => return Ok(()),
                Err(Broken::Disk(error)) => return Err(error),
                Err(Broken::Refused(reason)) => return Err(refused(reason)),
                Err(Broken::Retry(reason)) => reason,
            };
            failures = if self.length(part)? > before { 0 } else { failures + 1 };
            if failures == TRIES {
                return Err(refused(reason));
            }
            std::thread::sleep(Duration::from_millis(100 << failures));
        }
    }

    fn length(&self, part: &File) -> Result<u64> {
        Ok(part.metadata().map_err(Error::write(&self.part()))?.len())
    }

    /// One request for the bytes that are missing.
    fn request(&self, part: &mut File, progress: &mut Progress) -> Result<(), Broken> {
        let there = self.length(part).map_err(Broken::Disk)?;
        if self.bytes.is_some_and(|bytes| there >= bytes) {
            return Ok(());
        }
        let mut request = agent(self.url).get(self.url);
        if there > 0 {
            request = request.header("Range", format!("bytes={there}-"));
        }
        let response = request.call().map_err(|error| Broken::Retry(error.to_string()))?;
        let header = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
        let start = match response.status().as_u16() {
            200 => 0,
            206 if range_start(header("content-range")) == Some(there) => there,
            // The server's file is no longer than ours, or it gave another range: start again.
            206 | 416 if there > 0 => {
                self.truncate(part).map_err(Broken::Disk)?;
                return Err(Broken::Retry("the server's file does not continue what is there".to_owned()));
            }
            status @ 500.. => return Err(Broken::Retry(format!("the server answered {status}"))),
            status => return Err(Broken::Refused(format!("the server answered {status}"))),
        };
        let rest = header("content-length").and_then(|length| length.parse::<u64>().ok());
        let all = rest.map(|rest| start + rest);
        if start < there {
            self.truncate(part).map_err(Broken::Disk)?;
        }
        let end = self.receive(response.into_body().into_reader(), part, start, all, progress)?;
        match all.filter(|all| end < *all) {
            Some(all) => Err(broken_off(end, Some(all), "it was closed")),
            None => Ok(()),
        }
    }

    fn receive(
        &self,
        mut body: impl Read,
        part: &mut File,
        start: u64,
        all: Option<u64>,
        progress: &mut Progress,
    ) -> Result<u64, Broken> {
        let (mut there, mut piece) = (start, vec![0; 1 << 16]);
        progress(there, all);
        loop {
            match body.read(&mut piece).map_err(|error| broken_off(there, all, &error.to_string()))? {
                0 => return Ok(there),
                n => {
                    let written = part.write_all(&piece[..n]).map_err(Error::write(&self.part()));
                    written.map_err(Broken::Disk)?;
                    there += n as u64;
                    progress(there, all);
                }
            }
        }
    }

    fn truncate(&self, part: &mut File) -> Result<()> {
        let emptied = part.set_len(0).and_then(|()| part.seek(SeekFrom::Start(0)));
        emptied.map(drop).map_err(Error::write(&self.part()))
    }
}

fn agent(url: &str) -> ureq::Agent {
    let minute = Some(Duration::from_secs(60));
    let mut config = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_resolve(minute)
        .timeout_connect(minute)
        .timeout_recv_response(minute)
        .timeout_per_read(minute);
    // A proxy cannot reach this machine's own addresses.
    if ["http://127.0.0.1", "http://localhost"].iter().any(|own| url.starts_with(own)) {
        config = config.proxy(None);
    }
    config.build().into()
}

fn broken_off(there: u64, all: Option<u64>, reason: &str) -> Broken {
    let all = all.map_or_else(String::new, |all| format!(" of {all}"));
    Broken::Retry(format!("the connection broke after {there}{all} bytes ({reason})"))
}

/// The first byte of `bytes 100-199/200`.
fn range_start(header: Option<&str>) -> Option<u64> {
    header?.strip_prefix("bytes ")?.split('-').next()?.trim().parse().ok()
}

/// Makes a rename durable.
pub(crate) fn sync_folder(folder: &Path) {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    // Some file systems and platforms refuse to sync a folder; the rename itself has happened.
    if let Ok(handle) = File::open(folder) {
        drop(handle.sync_all());
    }
}
