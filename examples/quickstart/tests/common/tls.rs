//! Web servers of others, on this computer.

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::PrivatePkcs8KeyDer;

/// How a server for these hosts shows itself, and the certificate to trust, in PEM.
pub fn for_hosts(hosts: Vec<String>) -> (Arc<ServerConfig>, String) {
    let made = rcgen::generate_simple_self_signed(hosts).unwrap();
    let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key.into())
        .unwrap();
    (Arc::new(config), made.cert.pem())
}
