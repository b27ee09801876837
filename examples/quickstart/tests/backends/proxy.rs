//! A proxy without memory, as in front of replicas.

use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};

/// Listens on this port, and leads every connection to the other of two servers than the one
/// before. Whoever makes a connection for each request meets them in turn, the first one first.
pub(crate) fn alternate(port: u16, servers: [SocketAddr; 2]) -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for (client, server) in listener.incoming().zip(servers.iter().cycle()) {
            let (client, server) = (client.unwrap(), TcpStream::connect(server).unwrap());
            std::thread::spawn(move || lead(&client, &server));
        }
    });
    address
}

/// Carries bytes in both directions until both are through.
fn lead(client: &TcpStream, server: &TcpStream) {
    let carry = |mut from: &TcpStream, mut to: &TcpStream| {
        let _ = io::copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Write);
    };
    std::thread::scope(|scope| {
        scope.spawn(|| carry(client, server));
        carry(server, client);
    });
}
