//! A server that hands people to a consent page elsewhere, and that page's back end.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use oauth_core::types::SecretHash;
use oauth_core::{ConsentPage, Event, EventSink};
use oauth_http::server::{
    Interaction, InteractionError, Notice, OAuthService, Outcome, Page, Visit,
};
use oauth_testkit::flows::{App, WorldBuilder, parameter};
use serde_json::{Value, json};

use super::{Server, cookies, json, location};

pub const PAGE: &str = "https://accounts.example/consent?lang=en";
pub const CREDENTIAL: &str = "a-generated-secret-of-the-operator";
pub const NEXT_CREDENTIAL: &str = "the-one-that-replaces-it";

struct Elsewhere(ConsentPage);

#[async_trait]
impl Interaction for Elsewhere {
    async fn visit(&self, _: Visit<'_>) -> Result<Outcome, InteractionError> {
        Ok(Outcome::HandOff(self.0.clone()))
    }

    fn notice(&self, notice: &Notice<'_>) -> Page {
        Page::new(format!("<p>notice {notice:?}</p>"), String::new())
    }
}

#[derive(Clone, Default)]
pub struct Book(Arc<Mutex<Vec<String>>>);

impl EventSink for Book {
    fn record(&self, event: &Event<'_>) {
        self.0.lock().unwrap().push(format!("{event:?}"));
    }
}

impl Book {
    /// How often this was noted since the last look.
    pub fn take(&self, name: &str) -> usize {
        let noted = std::mem::take(&mut *self.0.lock().unwrap());
        noted.iter().filter(|event| event.starts_with(name)).count()
    }
}

pub struct Scene {
    pub server: Server,
    pub book: Book,
}

/// A browser that was sent to the page.
pub struct Begun {
    pub cookies: String,
    pub handle: String,
}

impl Scene {
    pub fn new() -> Self {
        Self::build(|builder| builder)
    }

    pub fn build(change: impl FnOnce(WorldBuilder) -> WorldBuilder) -> Self {
        let book = Book::default();
        let mut server = Server::build(|builder| {
            let builder = builder.events(book.clone()).configure(|config| {
                let digest = |secret: &str| SecretHash::of(secret.as_bytes());
                config.operator_credentials = vec![digest(CREDENTIAL), digest(NEXT_CREDENTIAL)];
            });
            change(builder)
        });
        let authorization = Arc::clone(server.service.authorization_server());
        let page = ConsentPage::parse(PAGE, &authorization.config().issuer).unwrap();
        let service = OAuthService::new(authorization, Arc::new(Elsewhere(page)));
        server.service = Arc::new(service);
        Self { server, book }
    }

    /// A client sends a browser here, and it goes on to the page.
    pub fn begin(&self, app: &App, changes: &[(&str, &str)], held: &str) -> Begun {
        let answer = self.ask(app, changes, held);
        assert_eq!(answer.status(), StatusCode::SEE_OTHER);
        let to = location(&answer);
        assert!(to.starts_with(&format!("{PAGE}&transaction=")), "{to}");
        let cookies = match held {
            "" => cookies(&answer),
            held => held.to_owned(),
        };
        Begun {
            cookies,
            handle: parameter(&to, "transaction").unwrap(),
        }
    }

    pub fn ask(&self, app: &App, changes: &[(&str, &str)], held: &str) -> Response<Bytes> {
        let mut query = self.server.query(app, &"v".repeat(43));
        for (name, value) in changes {
            query.retain(|(held, _)| held != name);
            query.push(((*name).to_owned(), (*value).to_owned()));
        }
        self.server.authorize(&query, held)
    }

    pub fn post(&self, path: &str, authorization: Option<&str>, body: &str) -> Response<Bytes> {
        let mut request = Request::post(path).header(header::CONTENT_TYPE, "application/json");
        if let Some(authorization) = authorization {
            request = request.header(header::AUTHORIZATION, authorization);
        }
        self.server.send(request.body(body.to_owned()).unwrap())
    }

    pub fn operator(&self, path: &str, body: &Value) -> Response<Bytes> {
        let bearer = format!("Bearer {CREDENTIAL}");
        self.post(path, Some(&bearer), &body.to_string())
    }

    pub fn describe(&self, handle: &str) -> Value {
        let answer = self.operator("/authorize/transaction", &json!({ "transaction": handle }));
        assert_eq!(answer.status(), StatusCode::OK);
        json(&answer)
    }

    pub fn decide(&self, handle: &str, more: &Value) -> Response<Bytes> {
        let mut body = json!({
            "transaction": handle,
            "decision": "approve",
            "subject": "alice",
            "scope": "mcp:tools",
        });
        let more = more.as_object().unwrap().clone();
        body.as_object_mut().unwrap().extend(more);
        self.operator("/authorize/decision", &body)
    }

    /// The path and query that the page sends the browser to after a yes.
    pub fn yes(&self, handle: &str) -> String {
        resume(&self.decide(handle, &json!({})))
    }

    pub fn open(&self, resume: &str, cookies: &str) -> Response<Bytes> {
        let request = Request::get(resume).header(header::COOKIE, cookies);
        self.server.send(request.body("").unwrap())
    }

    /// A page, and not a way to any client.
    pub fn assert_page(&self, answer: &Response<Bytes>, why: &str) {
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{why}");
        assert_eq!(location(answer), "", "{why}");
        assert!(answer.body().starts_with(b"<p>notice"), "{why}");
    }
}

pub fn resume(answer: &Response<Bytes>) -> String {
    assert_eq!(answer.status(), StatusCode::OK, "{:?}", answer.body());
    let body = json(answer);
    let uri = body["resume_uri"].as_str().unwrap();
    let path = uri.strip_prefix("https://mcp.example").unwrap().to_owned();
    assert!(path.starts_with("/authorize/resume?decision="), "{path}");
    path
}
