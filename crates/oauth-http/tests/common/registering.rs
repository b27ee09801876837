//! Registrations over HTTP.

use http::{Request, Response, header};
use oauth_core::RegistrationRules;
use oauth_testkit::flows::World;
use serde_json::{Value, json};

use super::{Server, json};

pub fn server(change: impl Fn(&mut RegistrationRules) + 'static) -> Server {
    let world = World::builder(22);
    Server::bare(world.configure(|config| change(&mut config.policy.registration)))
}

pub fn register(server: &Server, body: &Value) -> Response<bytes::Bytes> {
    register_with(server, body, &[])
}

pub fn register_with(
    server: &Server,
    body: &Value,
    authorization: &[&str],
) -> Response<bytes::Bytes> {
    let mut request = Request::post("/register").header(header::CONTENT_TYPE, "application/json");
    for value in authorization {
        request = request.header(header::AUTHORIZATION, *value);
    }
    server.send(request.body(body.to_string()).unwrap())
}

pub fn public(uri: &str) -> Value {
    json!({"redirect_uris": [uri], "token_endpoint_auth_method": "none", "client_name": "Editor"})
}

pub fn id(response: &Response<bytes::Bytes>) -> String {
    assert_eq!(response.status(), 201, "{:?}", response.body());
    json(response)["client_id"].as_str().unwrap().to_owned()
}
