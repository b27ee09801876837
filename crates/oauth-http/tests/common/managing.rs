//! Clients that manage their registrations over HTTP.

use bytes::Bytes;
use http::{Request, Response, header};
use oauth_testkit::flows::App;
use serde_json::{Value, json};

use super::{Server, json};

/// A registration that can be managed.
pub struct Managed {
    pub uri: String,
    pub token: String,
    pub app: App,
}

pub fn confidential() -> Value {
    json!({
        "redirect_uris": ["https://app.example/cb"],
        "token_endpoint_auth_method": "client_secret_post",
        "grant_types": ["authorization_code", "refresh_token"],
        "client_name": "An app",
        "client_name#de": "Ein Programm",
        "logo_uri": "https://app.example/logo.png",
    })
}

pub fn register(server: &Server, body: &Value) -> Managed {
    let request = Request::post("/register").header(header::CONTENT_TYPE, "application/json");
    let answer = server.send(request.body(body.to_string()).unwrap());
    assert_eq!(answer.status(), 201, "{:?}", answer.body());
    let answer = json(&answer);
    let word = |member: &str| answer[member].as_str().map(str::to_owned);
    Managed {
        uri: word("registration_client_uri").unwrap(),
        token: word("registration_access_token").unwrap(),
        app: App {
            client_id: word("client_id").unwrap(),
            client_secret: word("client_secret"),
            redirect_uri: body["redirect_uris"][0].as_str().unwrap().to_owned(),
        },
    }
}

pub fn send(
    server: &Server,
    method: &str,
    uri: &str,
    token: &str,
    body: &Value,
) -> Response<Bytes> {
    let path = uri.strip_prefix("https://mcp.example").unwrap();
    let mut request = Request::builder().method(method).uri(path);
    if !token.is_empty() {
        request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
    }
    if method != "PUT" {
        return server.send(request.body("").unwrap());
    }
    let request = request.header(header::CONTENT_TYPE, "application/json");
    server.send(request.body(body.to_string()).unwrap())
}

impl Managed {
    pub fn get(&self, server: &Server) -> Response<Bytes> {
        send(server, "GET", &self.uri, &self.token, &Value::Null)
    }

    pub fn put(&self, server: &Server, body: &Value) -> Response<Bytes> {
        send(server, "PUT", &self.uri, &self.token, body)
    }

    pub fn delete(&self, server: &Server) -> Response<Bytes> {
        send(server, "DELETE", &self.uri, &self.token, &Value::Null)
    }

    /// Whether the client proves itself with this secret.
    pub fn proves(&self, server: &Server, secret: &str) -> bool {
        let form = [
            ("client_id", self.app.client_id.as_str()),
            ("client_secret", secret),
            ("token", "unknown"),
        ];
        server.post("/revoke", &form).status() == 200
    }
}
