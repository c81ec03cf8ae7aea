#![allow(clippy::unwrap_used)]

use super::test_server::{Behaviour, Server};
use super::*;
use crate::checksum::sha256;
use tempfile::TempDir;

fn content() -> Vec<u8> {
    (0..100_000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

struct Case {
    folder: TempDir,
    server: Server,
    sha256: String,
    bytes: Option<u64>,
}

impl Case {
    fn new(behaviour: Behaviour) -> Self {
        let (sha256, bytes) = (sha256(&content()), Some(content().len() as u64));
        Self { folder: tempfile::tempdir().unwrap(), server: Server::start(behaviour), sha256, bytes }
    }

    fn to(&self) -> PathBuf {
        self.folder.path().join("sub/file")
    }

    fn part(&self) -> PathBuf {
        self.folder.path().join("sub/file.part")
    }

    fn begin(&self, bytes: &[u8]) {
        std::fs::create_dir_all(self.folder.path().join("sub")).unwrap();
        std::fs::write(self.part(), bytes).unwrap();
    }

    fn fetch(&self) -> Result<()> {
        self.fetch_with(&mut |_, _| {})
    }

    fn fetch_with(&self, progress: &mut Progress) -> Result<()> {
        let to = self.to();
        let (url, sha256) = (&*self.server.url, Some(&*self.sha256));
        Download { url, to: &to, bytes: self.bytes, sha256 }.fetch(progress)
    }

    fn error(&self) -> String {
        let error = self.fetch().unwrap_err().to_string();
        assert!(!self.to().exists(), "nothing half right may be left");
        error
    }

    fn assert_whole(&self) {
        assert_eq!(std::fs::read(self.to()).unwrap(), content());
        assert!(!self.part().exists());
    }
}

fn serving(cuts: &[usize]) -> Behaviour {
    Behaviour { content: content(), ranges: true, cuts: cuts.to_vec(), ..Behaviour::default() }
}

#[test]
fn a_file_comes_whole_and_progress_ends_at_its_size() {
    let case = Case::new(serving(&[]));
    let mut last = (0, None);
    case.fetch_with(&mut |there, all| last = (there, all)).unwrap();
    case.assert_whole();
    assert_eq!(last, (100_000, Some(100_000)));
}

#[test]
fn a_broken_connection_goes_on_where_it_stopped() {
    let case = Case::new(serving(&[30_000, 50_000]));
    case.fetch().unwrap();
    case.assert_whole();
    assert_eq!(case.server.requests(), [None, Some(30_000), Some(80_000)]);
}

#[test]
fn a_later_run_goes_on_where_an_earlier_one_stopped() {
    let case = Case::new(serving(&[]));
    case.begin(&content()[..70_000]);
    case.fetch().unwrap();
    case.assert_whole();
    assert_eq!(case.server.requests(), [Some(70_000)]);
}

#[test]
fn a_server_without_ranges_starts_again() {
    let case = Case::new(Behaviour { ranges: false, ..serving(&[]) });
    case.begin(&content()[..70_000]);
    case.fetch().unwrap();
    case.assert_whole();
}

#[test]
fn a_part_that_is_longer_than_the_file_starts_again() {
    let mut case = Case::new(serving(&[]));
    case.bytes = None;
    case.begin(&[7; 200_000]);
    case.fetch().unwrap();
    case.assert_whole();
    assert_eq!(case.server.requests(), [Some(200_000), None]);
}

#[test]
fn a_connection_that_keeps_breaking_gives_up_and_keeps_the_part() {
    let case = Case::new(serving(&[10_000, 0, 0, 0, 0, 0]));
    let error = case.error();
    assert!(error.contains("the connection broke after 10000 of 100000 bytes"), "{error}");
    assert!(error.contains("run again to go on where it stopped"), "{error}");
    assert_eq!(std::fs::read(case.part()).unwrap(), content()[..10_000]);
}

#[test]
fn other_content_is_refused_and_deleted() {
    let mut case = Case::new(serving(&[]));
    case.sha256 = sha256(b"another file");
    let error = case.error();
    assert!(error.contains("file.part has sha256") && error.contains(&case.sha256), "{error}");
    assert!(!case.part().exists());
}

#[test]
fn another_size_is_refused() {
    let mut case = Case::new(serving(&[]));
    case.bytes = Some(100_001);
    let error = case.error();
    assert!(error.contains("has 100000 bytes, expected 100001"), "{error}");
}

#[test]
fn a_refusal_is_not_repeated() {
    let case = Case::new(Behaviour { status: Some(404), ..Behaviour::default() });
    let error = case.error();
    assert!(error.starts_with(&format!("cannot download {}: the server answered 404;", case.server.url)), "{error}");
    assert_eq!(case.server.requests().len(), 1);
}

#[test]
fn a_file_that_is_there_is_checked_and_not_fetched() {
    let case = Case::new(serving(&[]));
    case.fetch().unwrap();
    case.fetch().unwrap();
    assert_eq!(case.server.requests().len(), 1);
    std::fs::write(case.to(), vec![0; 100_000]).unwrap();
    assert!(matches!(case.fetch(), Err(Error::Checksum { .. })));
}

#[test]
fn two_at_once_fetch_once() {
    let case = Case::new(serving(&[]));
    std::thread::scope(|scope| {
        let fetches = [0, 1, 2].map(|_| scope.spawn(|| case.fetch()));
        fetches.into_iter().for_each(|fetch| fetch.join().unwrap().unwrap());
    });
    case.assert_whole();
    assert_eq!(case.server.requests().len(), 1);
}

#[test]
fn a_folder_that_cannot_be_written_is_named() {
    let case = Case::new(serving(&[]));
    std::fs::write(case.folder.path().join("sub"), b"a file in the way").unwrap();
    assert!(case.error().starts_with("cannot write "));
}

/// Writing to /dev/full fails as a full disk does.
#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_is_named_and_leaves_no_file() {
    let case = Case::new(serving(&[]));
    std::fs::create_dir_all(case.folder.path().join("sub")).unwrap();
    std::os::unix::fs::symlink("/dev/full", case.part()).unwrap();
    let error = case.error();
    assert!(error.starts_with("cannot write ") && error.contains("file.part: No space left on device"), "{error}");
}
