//! A client that signs, and what it sends.

use bytes::Bytes;
use http::Response;
use oauth_core::PreregisteredClient;
use oauth_core::storage::{GrantType, TokenEndpointAuthMethod};
use oauth_core::types::ClientId;
use oauth_testkit::flows::WorldBuilder;
use oauth_testkit::signer::assertion;
use oauth_testkit::{Documents, Signer, block_on};
use serde_json::Value;

use super::{Server, error};

pub const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
pub const ISSUER: &str = "https://mcp.example";
pub const NOW: u64 = 1_800_000_000;
pub const JWKS_URI: &str = "https://service.example/jwks";

/// A server and a client that signs, with tokens by client credentials.
pub struct Signing {
    pub server: Server,
    pub documents: Documents,
    pub signer: Signer,
}

impl Signing {
    pub fn new() -> Self {
        Self::build(|builder| builder)
    }

    pub fn build(change: impl FnOnce(WorldBuilder) -> WorldBuilder) -> Self {
        let documents = Documents::default();
        let server = Server::build(|builder| {
            change({
                let documents = documents.clone();
                builder.ports(|ports| ports.outbound(documents))
            })
        });
        let signer = Signer::new("ES256", "service-1");
        preregister(&server, "service", |client| {
            client.jwks = Some(signer.jwks())
        });
        Self {
            server,
            documents,
            signer,
        }
    }

    /// The claims of a sound assertion, changed member by member; `null` takes one away.
    pub fn claims(&self, jti: &str, changes: Value) -> Value {
        let mut claims = assertion("service", ISSUER, jti, NOW);
        for (name, value) in changes.as_object().unwrap() {
            if value.is_null() {
                claims.remove(name);
            } else {
                claims.insert(name.clone(), value.clone());
            }
        }
        Value::Object(claims)
    }

    pub fn present(&self, token: &str) -> (u16, String) {
        error(&present(&self.server, token, &[]))
    }
}

pub fn preregister(server: &Server, id: &str, change: impl FnOnce(&mut PreregisteredClient)) {
    let mut client = PreregisteredClient::new(ClientId::new(id));
    client.token_endpoint_auth_method = TokenEndpointAuthMethod::PrivateKeyJwt;
    client.grant_types = vec![GrantType::ClientCredentials];
    change(&mut client);
    block_on(server.service.authorization_server().preregister(&client)).unwrap();
}

pub fn present(server: &Server, token: &str, more: &[(&str, &str)]) -> Response<Bytes> {
    oauth_testkit::canary::secret(token);
    let mut form = vec![
        ("grant_type", "client_credentials"),
        ("client_assertion_type", JWT_BEARER),
        ("client_assertion", token),
    ];
    form.extend_from_slice(more);
    server.post("/token", &form)
}

pub fn accepted() -> (u16, String) {
    (200, String::new())
}

pub fn rejected() -> (u16, String) {
    (401, "invalid_client".to_owned())
}

pub fn invalid_request() -> (u16, String) {
    (400, "invalid_request".to_owned())
}
