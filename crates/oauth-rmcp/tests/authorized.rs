//! What becomes of a message that rmcp sends, with a server that takes one token and a client that asks
//! for itself.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::BoxStream;
use http::{HeaderName, HeaderValue, Request, Response};
use oauth_client::types::SecretText;
use oauth_client::{
    Bounds, Client, ClientConfig, Grant, HttpClient, Ports, Preregistered, TransportError,
};
use oauth_rmcp::{Authorized, client_error};
use oauth_testkit::{FixedClock, SeededEntropy, block_on};
use rmcp::model::ClientJsonRpcMessage;
use rmcp::transport::streamable_http_client::{
    AuthRequiredError, InsufficientScopeError, SseError, StreamableHttpClient, StreamableHttpError,
    StreamableHttpPostResponse,
};
use serde_json::json;
use sse_stream::Sse;

const SERVER: &str = "https://mcp.example/mcp";

type Error = StreamableHttpError<std::io::Error>;

/// Says how it refuses whoever does not show the token `good`, and keeps what it was shown.
#[derive(Clone)]
struct Inner {
    refuses: Arc<dyn Fn() -> Error + Send + Sync>,
    shown: Arc<Mutex<Vec<Option<String>>>>,
}

impl Inner {
    fn answer(&self, token: Option<String>) -> Result<(), Error> {
        self.shown.lock().unwrap().push(token.clone());
        match token.as_deref() {
            Some("good") => Ok(()),
            _ => Err((self.refuses)()),
        }
    }
}

impl StreamableHttpClient for Inner {
    type Error = std::io::Error;

    async fn post_message(
        &self,
        _: Arc<str>,
        _: ClientJsonRpcMessage,
        _: Option<Arc<str>>,
        token: Option<String>,
        _: HashMap<HeaderName, HeaderValue>,
    ) -> Result<StreamableHttpPostResponse, Error> {
        self.answer(token)
            .map(|()| StreamableHttpPostResponse::Accepted)
    }

    async fn delete_session(
        &self,
        _: Arc<str>,
        _: Arc<str>,
        token: Option<String>,
        _: HashMap<HeaderName, HeaderValue>,
    ) -> Result<(), Error> {
        self.answer(token)
    }

    async fn get_stream(
        &self,
        _: Arc<str>,
        _: Option<Arc<str>>,
        _: Option<String>,
        token: Option<String>,
        _: HashMap<HeaderName, HeaderValue>,
    ) -> Result<BoxStream<'static, Result<Sse, SseError>>, Error> {
        self.answer(token)
            .map(|()| Box::pin(futures_util::stream::empty()) as _)
    }
}

/// The metadata, and a token endpoint that gives what it is made with.
struct Web(&'static str);

#[async_trait]
impl HttpClient for Web {
    async fn send(
        &self,
        request: Request<Bytes>,
        _: Bounds,
    ) -> Result<Response<Bytes>, TransportError> {
        let said = match request.uri().path() {
            "/.well-known/oauth-protected-resource/mcp" => {
                json!({"resource": SERVER, "authorization_servers": ["https://as.example"]})
            }
            "/.well-known/oauth-authorization-server" => json!({
                "issuer": "https://as.example",
                "authorization_endpoint": "https://as.example/authorize",
                "token_endpoint": "https://as.example/token",
                "response_types_supported": ["code"],
                "grant_types_supported": ["client_credentials"],
            }),
            "/token" if self.0.is_empty() => return Err(TransportError::TimedOut),
            "/token" => json!({"access_token": self.0, "token_type": "Bearer", "expires_in": 600}),
            other => unreachable!("{other}"),
        };
        let mut response = Response::new(Bytes::from(said.to_string()));
        let kind = HeaderValue::from_static("application/json");
        response.headers_mut().insert("content-type", kind);
        Ok(response)
    }
}

fn posted(
    issued: &'static str,
    refuses: impl Fn() -> Error + Send + Sync + 'static,
    uri: &str,
    own: Option<&str>,
) -> (Result<(), Error>, Vec<Option<String>>) {
    let config = ClientConfig::new(SERVER, "Test").unwrap();
    let secret = SecretText::new("a-secret-of-the-client");
    let config = config
        .grant(Grant::ClientCredentials)
        .preregistered(Preregistered::new("test").secret(secret));
    let clock = FixedClock::at(1_800_000_000);
    let ports = Ports::new(Web(issued), clock, SeededEntropy::new(1));
    let inner = Inner {
        refuses: Arc::new(refuses),
        shown: Arc::default(),
    };
    let authorized = Authorized::new(inner.clone(), Client::new(config, ports));
    let message = json!({"jsonrpc": "2.0", "id": 1, "method": "ping"});
    let message = serde_json::from_value(message).unwrap();
    let own = own.map(str::to_owned);
    let answer = block_on(authorized.post_message(uri.into(), message, None, own, HashMap::new()));
    let shown = inner.shown.lock().unwrap().clone();
    (answer.map(drop), shown)
}

fn challenged() -> Error {
    StreamableHttpError::AuthRequired(AuthRequiredError::new("Bearer".to_owned()))
}

/// A refusal leads to a token and the message is sent again, in each of the ways in which rmcp tells of
/// one; also when the server says 401 and nothing else.
#[test]
fn a_refused_message_is_sent_again() {
    let bare = || StreamableHttpError::UnexpectedServerResponse("HTTP 401 Unauthorized: ".into());
    for (answer, shown) in [
        posted("good", challenged, SERVER, None),
        posted("good", bare, SERVER, None),
    ] {
        answer.unwrap();
        assert_eq!(shown, [None, Some("good".to_owned())]);
    }
}

/// What is no refusal is given on, and so is one that no token helps against; there is an end to it.
#[test]
fn what_no_token_helps_against_is_given_on() {
    let broken = || StreamableHttpError::UnexpectedServerResponse("HTTP 500: HTTP 401".into());
    let (answer, shown) = posted("good", broken, SERVER, None);
    assert!(matches!(answer, Err(Error::UnexpectedServerResponse(_))));
    assert_eq!(shown.len(), 1);
    let forbidden = || {
        let error = InsufficientScopeError::new("Bearer".to_owned(), None);
        StreamableHttpError::InsufficientScope(error)
    };
    let (answer, shown) = posted("good", forbidden, SERVER, None);
    assert!(matches!(answer, Err(Error::InsufficientScope(_))));
    assert_eq!(shown.len(), 1);
    let (answer, shown) = posted("not-good", challenged, SERVER, None);
    assert!(matches!(answer, Err(Error::AuthRequired(_))), "{answer:?}");
    assert!((2..=5).contains(&shown.len()), "{shown:?}");
}

/// CL-TOK-2: a token goes nowhere else, and what a program shows by itself is not touched.
#[test]
fn others_are_shown_nothing() {
    let (answer, shown) = posted("good", challenged, "https://other.example/mcp", None);
    assert!(answer.is_err());
    assert_eq!(shown, [None]);
    let (answer, shown) = posted("good", challenged, SERVER, Some("own"));
    assert!(answer.is_err());
    assert_eq!(shown, [Some("own".to_owned())]);
}

/// Why there is no token can be read from rmcp's error.
#[test]
fn the_reason_is_not_lost() {
    let (answer, _) = posted("", challenged, SERVER, None);
    let error = answer.unwrap_err();
    let found = client_error(&error).expect("a client's error");
    assert!(found.is_temporary(), "{found}");
    assert!(client_error(&challenged()).is_none());
}
