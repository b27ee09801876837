//! A web of hosts that mean no good, all on this computer: every loopback address is one.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// A host's documents are asked for at most sixty times a minute, so there are many.
const HOSTS: usize = 40;

pub(crate) struct Web {
    pub(crate) certificate: String,
    port: u16,
    served: Arc<AtomicUsize>,
}

fn host(number: usize) -> String {
    format!("127.0.0.{}", 2 + number % HOSTS)
}

impl Web {
    pub(crate) fn start() -> Self {
        let hosts: Vec<String> = (0..HOSTS).map(host).collect();
        let (config, certificate) = crate::common::tls::for_hosts(hosts.clone());
        let port = crate::common::free_port();
        let served = Arc::new(AtomicUsize::new(0));
        for host in hosts {
            let listener = TcpListener::bind((host.as_str(), port)).unwrap();
            let (config, served) = (Arc::clone(&config), Arc::clone(&served));
            std::thread::spawn(move || {
                crate::stand_back();
                for stream in listener.incoming() {
                    let (config, served) = (Arc::clone(&config), Arc::clone(&served));
                    // Threads have the priority of who starts them.
                    std::thread::spawn(move || serve(stream.unwrap(), config, &served));
                }
            });
        }
        Self {
            certificate,
            port,
            served,
        }
    }

    /// The address of one document. Its host answers by the number in it.
    pub(crate) fn id(&self, number: usize) -> String {
        format!(
            "https://{}:{}/{number}/client.json",
            host(number),
            self.port
        )
    }

    /// How many were asked for.
    pub(crate) fn served(&self) -> usize {
        self.served.load(Ordering::SeqCst)
    }
}

fn serve(stream: TcpStream, config: Arc<rustls::ServerConfig>, served: &AtomicUsize) {
    let session = rustls::ServerConnection::new(config).unwrap();
    let mut stream = rustls::StreamOwned::new(session, stream);
    let mut request = [0; 2048];
    let Ok(length) = stream.read(&mut request) else {
        return;
    };
    served.fetch_add(1, Ordering::SeqCst);
    let request = String::from_utf8_lossy(&request[..length]).into_owned();
    let number: usize = request.split('/').nth(1).unwrap().parse().unwrap();
    let host = request
        .lines()
        .find_map(|line| line.strip_prefix("host: "))
        .unwrap();
    let id = format!("https://{host}/{number}/client.json");
    let document = |id: &str, more: &str| {
        format!(
            r#"{{"client_id":"{id}","client_name":"Hostile","redirect_uris":["http://127.0.0.1/cb"]{more}}}"#
        )
    };
    let answer = |head: &str, body: &str| {
        let length = body.len();
        format!("HTTP/1.1 {head}\r\nContent-Length: {length}\r\n\r\n{body}")
    };
    let json = "200 OK\r\nContent-Type: application/json\r\nCache-Control: max-age=86400";
    let nested = format!(",\"x\":{}{}", "[".repeat(2000), "]".repeat(2000));
    let text = match number % 8 {
        _ if number % 250 == 249 => {
            // Drips until nobody listens any more.
            let head = format!("HTTP/1.1 {json}\r\nContent-Length: 5000\r\n\r\n");
            let mut alive = stream.write_all(head.as_bytes()).is_ok();
            while alive {
                std::thread::sleep(Duration::from_millis(200));
                alive = stream.write_all(b" ").and_then(|()| stream.flush()).is_ok();
            }
            return;
        }
        0 => answer(json, &document("https://somebody.example/", "")),
        1 => answer(json, &document(&id, ",\"client_secret\":\"known to all\"")),
        2 => answer(json, &document(&id, &nested)),
        3 => answer(
            json,
            &document(&id, &format!(",\"x\":\"{}\"", "x".repeat(1 << 20))),
        ),
        4 => answer("200 OK\r\nContent-Type: text/html", &document(&id, "")),
        5 => answer("302 Found\r\nLocation: https://127.0.0.1/client.json", ""),
        6 => answer(
            json,
            &document(&id, ",\"jwks_uri\":\"http://127.0.0.1/keys\""),
        ),
        _ => answer(json, "{"),
    };
    let _ = stream.write_all(text.as_bytes());
    stream.conn.send_close_notify();
    let _ = stream.flush();
}
