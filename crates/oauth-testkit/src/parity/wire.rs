//! The least client that can send anything: one connection for each request.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use super::{Answer, Request};

/// Sends a request over a new connection of HTTP/1.1 and reads its answer.
///
/// # Panics
/// When the server does not answer in HTTP within ten seconds.
pub fn over(server: SocketAddr, request: &Request) -> Answer {
    let mut stream = TcpStream::connect(server).expect("the server listens");
    stream
        .set_read_timeout(Some(Duration::from_secs(10)))
        .expect("a timeout can be set");
    let mut head = format!("{} {} HTTP/1.1\r\n", request.method, request.target).into_bytes();
    if !request.names_its_host() {
        head.extend_from_slice(b"Host: mcp.example\r\n");
    }
    head.extend_from_slice(b"Connection: close\r\n");
    for (name, value) in &request.headers {
        head.extend_from_slice(name.as_bytes());
        head.extend_from_slice(b": ");
        head.extend_from_slice(value);
        head.extend_from_slice(b"\r\n");
    }
    if request.chunked {
        head.extend_from_slice(b"Transfer-Encoding: chunked\r\n\r\n");
        for chunk in request.body.chunks(1000) {
            head.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
            head.extend_from_slice(chunk);
            head.extend_from_slice(b"\r\n");
        }
        head.extend_from_slice(b"0\r\n\r\n");
    } else {
        if !request.body.is_empty() {
            head.extend_from_slice(
                format!("Content-Length: {}\r\n", request.body.len()).as_bytes(),
            );
        }
        head.extend_from_slice(b"\r\n");
        head.extend_from_slice(&request.body);
    }
    // A server may answer before it has read everything, and hang up on the rest.
    let _ = stream.write_all(&head);
    let _ = stream.flush();
    answer(&mut BufReader::new(stream), request.method == "HEAD")
}

fn answer(from: &mut impl BufRead, is_head: bool) -> Answer {
    let line = line(from);
    let status = line
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok());
    let status = status.unwrap_or_else(|| panic!("no status in {line:?}"));
    let mut headers = Vec::new();
    loop {
        let line = self::line(from);
        let Some((name, value)) = line.split_once(':') else {
            break;
        };
        headers.push((name.to_ascii_lowercase(), value.trim().as_bytes().to_vec()));
    }
    let told = |name: &str| {
        let found = headers.iter().find(|(held, _)| held == name);
        found.map(|(_, value)| String::from_utf8_lossy(value).into_owned())
    };
    let mut body = Vec::new();
    if is_head || status == 204 || status == 304 {
        // Nothing follows.
    } else if told("transfer-encoding").is_some() {
        loop {
            let size = usize::from_str_radix(self::line(from).trim(), 16).expect("a chunk's size");
            let mut chunk = vec![0; size];
            from.read_exact(&mut chunk).expect("a whole chunk");
            self::line(from);
            if size == 0 {
                break;
            }
            body.append(&mut chunk);
        }
    } else if let Some(length) = told("content-length") {
        body = vec![0; length.parse().expect("a length")];
        from.read_exact(&mut body).expect("a whole body");
    } else {
        from.read_to_end(&mut body).expect("a body up to the end");
    }
    Answer::new(status, headers, body)
}

fn line(from: &mut impl BufRead) -> String {
    let mut line = Vec::new();
    from.read_until(b'\n', &mut line)
        .expect("a line of an answer");
    String::from_utf8_lossy(&line).trim_end().to_owned()
}
