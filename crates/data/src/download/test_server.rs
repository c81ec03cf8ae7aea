//! A small HTTP server on this machine that breaks connections on demand.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// What the server does.
#[derive(Clone, Default)]
pub(crate) struct Behaviour {
    pub(crate) content: Vec<u8>,
    /// Whether it understands `Range`.
    pub(crate) ranges: bool,
    /// Request i is cut after that many bytes of its body; later requests are not.
    pub(crate) cuts: Vec<usize>,
    /// Answers every request with this status and nothing else.
    pub(crate) status: Option<u16>,
}

pub(crate) struct Server {
    pub(crate) url: String,
    /// The range asked for by each request.
    requests: Arc<Mutex<Vec<Option<usize>>>>,
}

impl Server {
    pub(crate) fn start(behaviour: Behaviour) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("http://{}/archive.tar.gz", listener.local_addr().expect("bound"));
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                // A client that goes away is part of the tests.
                drop(answer(&behaviour, &stream, &seen));
            }
        });
        Self { url, requests }
    }

    pub(crate) fn requests(&self) -> Vec<Option<usize>> {
        self.requests.lock().expect("no panic in the server").clone()
    }
}

fn answer(behaviour: &Behaviour, mut stream: &TcpStream, seen: &Mutex<Vec<Option<usize>>>) -> std::io::Result<()> {
    let mut range = None;
    for line in BufReader::new(stream).lines().map_while(Result::ok).take_while(|line| !line.is_empty()) {
        if let Some(start) = line.to_lowercase().strip_prefix("range: bytes=") {
            range = start.trim_end_matches('-').parse::<usize>().ok();
        }
    }
    let number = {
        let mut seen = seen.lock().expect("no panic in the server");
        seen.push(range);
        seen.len() - 1
    };
    let head = |status, more: &str| format!("HTTP/1.1 {status} x\r\nConnection: close\r\n{more}\r\n");
    if let Some(status) = behaviour.status {
        return stream.write_all(head(status, "Content-Length: 0\r\n").as_bytes());
    }
    let size = behaviour.content.len();
    let start = range.filter(|_| behaviour.ranges).unwrap_or(0);
    if start >= size {
        return stream.write_all(head(416, "Content-Length: 0\r\n").as_bytes());
    }
    let length = format!("Content-Length: {}\r\n", size - start);
    let answer = match start {
        0 => head(200, &length),
        _ => head(206, &format!("{length}Content-Range: bytes {start}-{}/{size}\r\n", size - 1)),
    };
    let body = &behaviour.content[start..];
    let sent = behaviour.cuts.get(number).map_or(body.len(), |cut| (*cut).min(body.len()));
    stream.write_all(answer.as_bytes())?;
    stream.write_all(&body[..sent])
}
