//! The least a client can do: prepared bytes over kept connections, one request at a time each.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::Fallible;

/// Connections that send at the same time.
pub(crate) const CONNECTIONS: usize = 32;

/// What the next request of a connection is, given the answer to the last.
pub(crate) type Next = Box<dyn FnMut(Option<&Answer>) -> Option<Vec<u8>> + Send>;

/// Requests to send, a source for each connection.
pub(crate) struct Load {
    address: SocketAddr,
    sources: Vec<Next>,
}

/// An answer.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Load {
    pub(crate) fn new(address: SocketAddr, sources: Vec<Next>) -> Self {
        Self { address, sources }
    }

    /// The same request over and over.
    pub(crate) fn same(address: SocketAddr, request: Vec<u8>, requests: usize) -> Self {
        let each = requests / CONNECTIONS;
        let sources = (0..CONNECTIONS)
            .map(|_| {
                let (request, mut left) = (request.clone(), each);
                let next: Next = Box::new(move |_| {
                    left = left.checked_sub(1)?;
                    Some(request.clone())
                });
                next
            })
            .collect();
        Self { address, sources }
    }

    pub(crate) fn get(address: SocketAddr, path: &str, requests: usize) -> Self {
        Self::same(address, get(address, path, ""), requests)
    }

    pub(crate) fn post_form(address: SocketAddr, path: &str, body: &str, requests: usize) -> Self {
        Self::same(
            address,
            post(address, path, "application/x-www-form-urlencoded", body),
            requests,
        )
    }

    /// Sends everything; says how many answers came. Any answer that is not a success is an error.
    pub(crate) async fn run(self) -> Fallible<usize> {
        let mut running = Vec::new();
        for mut next in self.sources {
            let address = self.address;
            running.push(tokio::spawn(async move {
                let mut connection = Connection::open(address).await?;
                let mut answers = 0;
                let mut last = None;
                while let Some(request) = next(last.as_ref()) {
                    let answer = connection.send(&request).await?;
                    if !(200..400).contains(&answer.status) {
                        let body = String::from_utf8_lossy(&answer.body).into_owned();
                        return Err(format!("status {}: {body}", answer.status).into());
                    }
                    answers += 1;
                    last = Some(answer);
                }
                Fallible::Ok(answers)
            }));
        }
        let mut total = 0;
        for task in running {
            total += task.await??;
        }
        Ok(total)
    }
}

/// A kept connection.
pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> Fallible<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            buffer: Vec::new(),
        })
    }

    /// Sends one request and reads its whole answer. Understands `Content-Length` only, which is
    /// all that the servers measured here use.
    pub(crate) async fn send(&mut self, request: &[u8]) -> Fallible<Answer> {
        self.stream.write_all(request).await?;
        self.buffer.clear();
        loop {
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err("the connection broke off".into());
            }
            let Some(end) = find(&self.buffer, b"\r\n\r\n") else {
                continue;
            };
            let head = std::str::from_utf8(&self.buffer[..end])?.to_owned();
            let length = header(&head, "content-length")
                .and_then(|n| n.parse().ok())
                .unwrap_or(0);
            while self.buffer.len() < end + 4 + length {
                if self.stream.read_buf(&mut self.buffer).await? == 0 {
                    return Err("the connection broke off".into());
                }
            }
            let status = head
                .get(9..12)
                .and_then(|code| code.parse().ok())
                .unwrap_or(0);
            let body = self.buffer[end + 4..end + 4 + length].to_vec();
            return Ok(Answer { status, head, body });
        }
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack
        .windows(needle.len())
        .position(|window| window == needle)
}

/// The value of a header, by its lower-case name.
pub(crate) fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| {
        let (held, value) = line.split_once(':')?;
        held.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

pub(crate) fn get(address: SocketAddr, path: &str, headers: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n{headers}\r\n").into_bytes()
}

pub(crate) fn post(address: SocketAddr, path: &str, media_type: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "POST {path} HTTP/1.1\r\nHost: {address}\r\nContent-Type: {media_type}\r\n\
         Content-Length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}
