//! A client that registered nowhere: its id is the address of a document, served over TLS by a
//! web server of its own.

mod common;

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use common::{Client, Folder, Quickstart, free_port, get};

/// Serves one document to everybody; counts how often.
struct Web {
    id: String,
    certificate: String,
    served: Arc<AtomicUsize>,
}

impl Web {
    fn start() -> Self {
        let (config, certificate) = common::tls::for_hosts(vec!["localhost".to_owned()]);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let id = format!("https://localhost:{port}/client.json");
        let document = format!(
            r#"{{"client_id":"{id}","client_name":"Documented","redirect_uris":["http://127.0.0.1/cb"],"grant_types":["authorization_code","refresh_token"]}}"#
        );
        let served = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&served);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let session = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
                let mut stream = rustls::StreamOwned::new(session, stream.unwrap());
                let mut request = [0; 2048];
                if stream.read(&mut request).is_err() {
                    continue;
                }
                counter.fetch_add(1, Ordering::SeqCst);
                let length = document.len();
                let answer = format!(
                    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{document}"
                );
                let _ = stream.write_all(answer.as_bytes());
                stream.conn.send_close_notify();
                let _ = stream.flush();
            }
        });
        Self {
            id,
            certificate,
            served,
        }
    }
}

/// CIMD-1, CIMD-5, CIMD-16, CIMD-19, CIMD-33, AS-META-13.
#[test]
fn a_document_is_all_a_client_needs() {
    let web = Web::start();
    let folder = Folder::new("document");
    let trusted = folder.0.join("trusted.pem");
    std::fs::write(&trusted, &web.certificate).unwrap();
    let trust = [("SSL_CERT_FILE", trusted.to_str().unwrap())];
    let flags = ["--danger-auto-approve", "--danger-allow-loopback-metadata"];
    let port = free_port();
    let server = Quickstart::start_with(&folder.0, port, &flags, &trust);
    let metadata = get(
        server.address,
        "/.well-known/oauth-authorization-server",
        "",
    )
    .unwrap();
    let metadata: serde_json::Value = serde_json::from_str(&metadata.body).unwrap();
    assert_eq!(metadata["client_id_metadata_document_supported"], true);

    let client = Client {
        address: server.address,
        id: web.id.clone(),
    };
    let tokens = client.redeem(&client.code().unwrap()).unwrap();
    assert_eq!(tokens.status, 200, "{tokens:?}");
    let whoami = client.whoami(&tokens.member("access_token")).unwrap();
    assert_eq!(whoami.member("client_id"), web.id);
    client.code().unwrap();
    assert_eq!(web.served.load(Ordering::SeqCst), 1, "fresh for a while");
    assert_eq!(server.stop(), Some(0));

    // A restart, and from now on no loopback: what was granted goes on, nothing new begins.
    let server = Quickstart::start_with(&folder.0, port, &flags[..1], &trust);
    let refreshed = client.refresh(&tokens.member("refresh_token")).unwrap();
    assert_eq!(refreshed.status, 200, "{refreshed:?}");
    assert!(client.code().is_err());
    assert_eq!(web.served.load(Ordering::SeqCst), 1);
    assert_eq!(server.stop(), Some(0));
}
