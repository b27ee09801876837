//! Stands between a store and its server, and counts.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What went through.
#[derive(Default)]
pub(crate) struct Counts {
    connections: AtomicUsize,
    turns: AtomicUsize,
}

impl Counts {
    /// How often a connection was opened since the last call.
    pub(crate) fn take_connections(&self) -> usize {
        self.connections.swap(0, Ordering::SeqCst)
    }

    /// How often the client spoke after the server had, since the last call: round trips.
    pub(crate) fn take_turns(&self) -> usize {
        self.turns.swap(0, Ordering::SeqCst)
    }
}

/// Forwards what arrives at a port of its own to `target`, and answers the URL with that port.
pub(crate) async fn before(url: &str, target: u16) -> (String, Arc<Counts>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let url = url.replace(&format!(":{target}/"), &format!(":{port}/"));
    let counts = Arc::new(Counts::default());
    let counting = Arc::clone(&counts);
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            counting.connections.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(forward(client, target, Arc::clone(&counting)));
        }
    });
    (url, counts)
}

async fn forward(mut client: TcpStream, target: u16, counts: Arc<Counts>) {
    let Ok(mut server) = TcpStream::connect(("127.0.0.1", target)).await else {
        return;
    };
    client.set_nodelay(true).unwrap();
    server.set_nodelay(true).unwrap();
    let (mut asked, mut answered) = ([0; 65536], [0; 65536]);
    let mut servers_turn = false;
    loop {
        tokio::select! {
            Ok(length) = client.read(&mut asked) => {
                if length == 0 || server.write_all(&asked[..length]).await.is_err() {
                    return;
                }
                if !servers_turn {
                    counts.turns.fetch_add(1, Ordering::SeqCst);
                }
                servers_turn = true;
            }
            Ok(length) = server.read(&mut answered) => {
                servers_turn = false;
                if length == 0 || client.write_all(&answered[..length]).await.is_err() {
                    return;
                }
            }
            else => return,
        }
    }
}
