//! A server, a web of documents, and a client that is described in one.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use oauth_core::storage::Storage;
use oauth_core::types::outbound::{Fetch, Fetched, Outbound, OutboundError, Validators};
use oauth_core::types::{AuthorizationRequest, ClientId};
use oauth_core::{
    AuthorizationServer, AuthorizeFailure, DocumentError, Event, EventSink, MetadataDocumentRules,
    Noted,
};
use oauth_storage_memory::MemoryStorage;
use oauth_testkit::block_on;
use oauth_testkit::flows::{App, World, challenge};
use serde_json::{Value, json};

pub(crate) const ID: &str = "https://app.example/client.json";

/// A web of documents. Each fetch lets others run first.
#[derive(Clone, Default)]
pub(crate) struct Web(Arc<Mutex<Served>>);

/// What is there, and what was fetched.
type Served = (HashMap<String, Fetched>, Vec<(String, Option<Validators>)>);

impl Web {
    pub(crate) fn put(&self, url: &str, document: &Value, cache_control: Option<&str>) {
        self.put_with(url, document, |answer| {
            answer.cache_control = cache_control.map(str::to_owned);
        });
    }

    /// Puts a document there under any headers. One with an `ETag` is not sent again to whoever
    /// names that.
    pub(crate) fn put_with(&self, url: &str, document: &Value, headers: impl FnOnce(&mut Fetched)) {
        let mut answer = Fetched {
            status: 200,
            content_type: Some("application/json".to_owned()),
            body: document.to_string().into_bytes(),
            ..Fetched::default()
        };
        headers(&mut answer);
        self.0.lock().unwrap().0.insert(url.to_owned(), answer);
    }

    pub(crate) fn take_down(&self, url: &str) {
        self.0.lock().unwrap().0.remove(url);
    }

    /// The addresses fetched since the last call.
    pub(crate) fn fetched(&self) -> Vec<String> {
        self.asked().into_iter().map(|(url, _)| url).collect()
    }

    /// The same, each with how an earlier answer was named.
    pub(crate) fn asked(&self) -> Vec<(String, Option<Validators>)> {
        std::mem::take(&mut self.0.lock().unwrap().1)
    }
}

#[async_trait]
impl Outbound for Web {
    async fn fetch(&self, fetch: &Fetch<'_>) -> Result<Fetched, OutboundError> {
        let mut polled = false;
        std::future::poll_fn(|context| match std::mem::replace(&mut polled, true) {
            true => std::task::Poll::Ready(()),
            false => {
                context.waker().wake_by_ref();
                std::task::Poll::Pending
            }
        })
        .await;
        let mut web = self.0.lock().unwrap();
        web.1
            .push((fetch.url.to_owned(), fetch.validators.cloned()));
        let Some(mut answer) = web.0.get(fetch.url).cloned() else {
            return Err(OutboundError::Failed("connection refused".into()));
        };
        let named = fetch.validators.and_then(|held| held.etag.as_deref());
        if named.is_some() && named == answer.validators.etag.as_deref() {
            answer.status = 304;
            answer.body.clear();
        }
        Ok(answer)
    }
}

#[derive(Clone, Default)]
pub(crate) struct Refusals(pub(crate) Arc<Mutex<Vec<DocumentError>>>);

impl EventSink for Refusals {
    fn record(&self, noted: &Noted<'_>) {
        if let Event::MetadataDocumentRefused { reason, .. } = noted.event() {
            self.0.lock().unwrap().push(*reason);
        }
    }
}

pub(crate) struct Scene {
    pub(crate) world: World,
    pub(crate) storage: Arc<dyn Storage>,
    pub(crate) web: Web,
    pub(crate) refusals: Refusals,
    pub(crate) app: App,
}

pub(crate) fn document() -> Value {
    json!({
        "client_id": ID,
        "client_name": "App",
        "redirect_uris": ["http://127.0.0.1/callback"],
        "grant_types": ["authorization_code", "refresh_token"],
    })
}

impl Scene {
    pub(crate) fn new(seed: u64) -> Self {
        let storage: Arc<dyn Storage> = Arc::new(MemoryStorage::new());
        let (web, refusals) = (Web::default(), Refusals::default());
        web.put(ID, &document(), None);
        let world = World::builder(seed)
            .storage(Arc::clone(&storage))
            .ports({
                let web = web.clone();
                |ports| ports.outbound(web)
            })
            .events(refusals.clone())
            .configure(|config| {
                config.policy.metadata_documents = Some(MetadataDocumentRules::default());
            })
            .build();
        let app = App {
            client_id: ID.to_owned(),
            client_secret: None,
            redirect_uri: "http://127.0.0.1:51004/callback".to_owned(),
        };
        Self {
            world,
            storage,
            web,
            refusals,
            app,
        }
    }

    pub(crate) fn stored(&self) -> bool {
        let id = ClientId::new(ID);
        block_on(self.storage.clients().find(&id))
            .unwrap()
            .is_some()
    }

    /// Whether an authorization request of this client is taken up.
    pub(crate) fn is_asked(&self, id: &str) -> bool {
        block_on(ask(&self.world.server, id)).is_ok()
    }
}

pub(crate) async fn ask(server: &AuthorizationServer, id: &str) -> Result<(), AuthorizeFailure> {
    let challenge = challenge(&"v".repeat(43));
    let pairs = [
        ("client_id", id),
        ("redirect_uri", "http://127.0.0.1:51004/callback"),
        ("response_type", "code"),
        ("code_challenge", &challenge),
        ("code_challenge_method", "S256"),
    ];
    let pairs = pairs.map(|(name, value)| (Cow::Borrowed(name), Cow::Borrowed(value)));
    let request = AuthorizationRequest::from_pairs(pairs);
    server.authorize(&request).await.map(drop)
}
