//! Authorizes rmcp's HTTP client with [`oauth_client`].
//!
//! **Promise.** [`Authorized`] wraps whatever carries rmcp's messages and shows the right token with
//! each of them. Refused, it renews, signs in, or asks for more scope, and sends the message again. The
//! credentials are those of the [`Client`], in its store, renewed once among all who share it.
//!
//! **Absences.** rmcp's own `auth` feature is not needed and not used. A message that brings a token of
//! its own (`auth_header` of the transport's configuration) goes through untouched. rmcp passes on the
//! first `WWW-Authenticate` header of an answer and no other, and does not say who answered: give it a
//! `reqwest::Client` that follows redirects within the origin alone, or what another origin says passes
//! for the server's.
//!
//! ```
//! use oauth_client::{Client, ClientConfig, Ports};
//! use oauth_rmcp::Authorized;
//! use rmcp::ServiceExt;
//! use rmcp::transport::StreamableHttpClientTransport;
//! use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
//! # use rmcp::transport::streamable_http_client::StreamableHttpClient;
//! # async fn program(http: impl StreamableHttpClient + Sync, ports: Ports) -> Result<(), Box<dyn std::error::Error>> {
//! let server = "https://mcp.example/mcp";
//! let client = Client::new(ClientConfig::new(server, "Example")?, ports);
//! let transport = StreamableHttpClientTransport::with_client(
//!     Authorized::new(http, client), // `http` is a `reqwest::Client`, say
//!     StreamableHttpClientTransportConfig::with_uri(server),
//! );
//! let service = ().serve(transport).await?; // signs in at the first 401
//! println!("{} tools", service.list_all_tools().await?.len());
//! # Ok(()) }
//! ```

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;

use futures_util::stream::BoxStream;
use http::header::WWW_AUTHENTICATE;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use oauth_client::{AccessToken, BearerChallenge, Client, ClientError, Rejection};
use rmcp::model::{ClientJsonRpcMessage, ClientRequest, JsonRpcMessage};
use rmcp::transport::streamable_http_client::{
    SseError, StreamableHttpClient, StreamableHttpError, StreamableHttpPostResponse,
};
use sse_stream::Sse;

type Headers = HashMap<HeaderName, HeaderValue>;
type Events = BoxStream<'static, Result<Sse, SseError>>;

/// Carries rmcp's messages with tokens of a [`Client`]. Clones share both.
///
/// When there is no token, that is a [`StreamableHttpError::Io`] which [`client_error`] reads.
#[derive(Clone, Debug)]
pub struct Authorized<C> {
    inner: C,
    client: Client,
}

impl<C> Authorized<C> {
    /// Sends with `inner`, authorized by `client`.
    pub const fn new(inner: C, client: Client) -> Self {
        Self { inner, client }
    }

    /// The client that authorizes.
    pub const fn client(&self) -> &Client {
        &self.client
    }
}

/// Why there was no token, if that is what an error says: the error itself, or any that caused it.
pub fn client_error<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a ClientError> {
    let mut next = Some(error);
    while let Some(error) = next {
        let held = error.downcast_ref::<std::io::Error>();
        let inside = held.and_then(|held| held.get_ref());
        if let Some(found) = inside.and_then(|inside| inside.downcast_ref::<ClientError>()) {
            return Some(found);
        }
        if let Some(found) = error.downcast_ref::<ClientError>() {
            return Some(found);
        }
        next = error.source();
    }
    None
}

fn no_token<E: std::error::Error + Send + Sync + 'static>(
    error: ClientError,
) -> StreamableHttpError<E> {
    StreamableHttpError::Io(std::io::Error::other(error))
}

/// How an error says that the server refused for want of authorization.
fn refusal<E: std::error::Error + Send + Sync + 'static>(
    error: &StreamableHttpError<E>,
) -> Option<(StatusCode, BearerChallenge)> {
    let read = |header: &str| {
        let mut headers = HeaderMap::new();
        if let Ok(value) = HeaderValue::from_str(header) {
            headers.insert(WWW_AUTHENTICATE, value);
        }
        BearerChallenge::read(&headers)
    };
    match error {
        StreamableHttpError::AuthRequired(error) => Some((
            StatusCode::UNAUTHORIZED,
            read(&error.www_authenticate_header),
        )),
        StreamableHttpError::InsufficientScope(error) => {
            Some((StatusCode::FORBIDDEN, read(&error.www_authenticate_header)))
        }
        // All that rmcp tells of a 401 without a challenge.
        StreamableHttpError::UnexpectedServerResponse(text) if text.starts_with("HTTP 401") => {
            Some((StatusCode::UNAUTHORIZED, BearerChallenge::default()))
        }
        _ => None,
    }
}

/// What a message wants to do, for the count of step-ups: the tool it calls.
fn operation(message: &ClientJsonRpcMessage) -> String {
    match message {
        JsonRpcMessage::Request(request) => match &request.request {
            ClientRequest::CallToolRequest(call) => format!("tool {}", call.params.name),
            _ => "message".to_owned(),
        },
        _ => "message".to_owned(),
    }
}

impl<C: StreamableHttpClient + Sync> Authorized<C> {
    /// Sends with the token that there is, and again with another as long as that may help.
    async fn send<T, F: Future<Output = Result<T, StreamableHttpError<C::Error>>>>(
        &self,
        uri: &str,
        own: Option<String>,
        operation: &str,
        send: impl Fn(Option<String>) -> F,
    ) -> Result<T, StreamableHttpError<C::Error>> {
        if own.is_some() || !self.client.may_show_to(uri) {
            return send(own).await;
        }
        let mut token = self.client.access_token().await.map_err(no_token)?;
        let mut before = 0;
        loop {
            let shown = token
                .as_ref()
                .map(|token| token.secret().expose().to_owned());
            let error = match send(shown).await {
                Ok(answer) => {
                    if token.is_some() {
                        self.client.accepted(operation);
                    }
                    return Ok(answer);
                }
                Err(error) => error,
            };
            let Some((status, challenge)) = refusal(&error) else {
                return Err(error);
            };
            match self
                .next(status, challenge, token.as_ref(), operation, before)
                .await?
            {
                Some(next) => token = Some(next),
                None => return Err(error),
            }
            before += 1;
        }
    }

    async fn next(
        &self,
        status: StatusCode,
        challenge: BearerChallenge,
        presented: Option<&AccessToken>,
        operation: &str,
        before: u8,
    ) -> Result<Option<AccessToken>, StreamableHttpError<C::Error>> {
        let rejection = Rejection::new(status, challenge, presented, operation).after(before);
        self.client.rejected(&rejection).await.map_err(no_token)
    }
}

impl<C: StreamableHttpClient + Sync> StreamableHttpClient for Authorized<C> {
    type Error = C::Error;

    async fn post_message(
        &self,
        uri: Arc<str>,
        message: ClientJsonRpcMessage,
        session_id: Option<Arc<str>>,
        auth_header: Option<String>,
        custom_headers: Headers,
    ) -> Result<StreamableHttpPostResponse, StreamableHttpError<C::Error>> {
        self.send(&uri, auth_header, &operation(&message), |token| {
            let (uri, message) = (Arc::clone(&uri), message.clone());
            let (session, headers) = (session_id.clone(), custom_headers.clone());
            self.inner
                .post_message(uri, message, session, token, headers)
        })
        .await
    }

    async fn post_message_with_max_sse_event_size(
        &self,
        uri: Arc<str>,
        message: ClientJsonRpcMessage,
        session_id: Option<Arc<str>>,
        auth_header: Option<String>,
        custom_headers: Headers,
        most: usize,
    ) -> Result<StreamableHttpPostResponse, StreamableHttpError<C::Error>> {
        self.send(&uri, auth_header, &operation(&message), |token| {
            let (uri, message) = (Arc::clone(&uri), message.clone());
            let (session, headers) = (session_id.clone(), custom_headers.clone());
            self.inner
                .post_message_with_max_sse_event_size(uri, message, session, token, headers, most)
        })
        .await
    }

    async fn delete_session(
        &self,
        uri: Arc<str>,
        session_id: Arc<str>,
        auth_header: Option<String>,
        custom_headers: Headers,
    ) -> Result<(), StreamableHttpError<C::Error>> {
        self.send(&uri, auth_header, "end of session", |token| {
            let (uri, session) = (Arc::clone(&uri), Arc::clone(&session_id));
            self.inner
                .delete_session(uri, session, token, custom_headers.clone())
        })
        .await
    }

    async fn get_stream(
        &self,
        uri: Arc<str>,
        session_id: Option<Arc<str>>,
        last_event_id: Option<String>,
        auth_header: Option<String>,
        custom_headers: Headers,
    ) -> Result<Events, StreamableHttpError<C::Error>> {
        self.send(&uri, auth_header, "stream", |token| {
            let (session, last) = (session_id.clone(), last_event_id.clone());
            self.inner.get_stream(
                Arc::clone(&uri),
                session,
                last,
                token,
                custom_headers.clone(),
            )
        })
        .await
    }

    async fn get_stream_with_max_sse_event_size(
        &self,
        uri: Arc<str>,
        session_id: Option<Arc<str>>,
        last_event_id: Option<String>,
        auth_header: Option<String>,
        custom_headers: Headers,
        most: usize,
    ) -> Result<Events, StreamableHttpError<C::Error>> {
        self.send(&uri, auth_header, "stream", |token| {
            let (uri, session) = (Arc::clone(&uri), session_id.clone());
            let (last, headers) = (last_event_id.clone(), custom_headers.clone());
            self.inner
                .get_stream_with_max_sse_event_size(uri, session, last, token, headers, most)
        })
        .await
    }
}
