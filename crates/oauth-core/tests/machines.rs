//! Clients without a person: client credentials, and resource servers that ask about tokens.

use std::borrow::Cow;
use std::sync::Arc;

use oauth_core::storage::{ClientRecord, Filter, GrantType, Page, Storage};
use oauth_core::types::registration::ClientMetadata;
use oauth_core::types::{
    ClientId, ResourceUri, Subject, TokenErrorCode, TokenRequest, TokenResponse,
};
use oauth_core::{PresentedClient, TokenError};
use oauth_storage_memory::MemoryStorage;
use oauth_testkit::block_on;
use oauth_testkit::flows::{App, World};

struct Machines {
    world: World,
    storage: Arc<dyn Storage>,
}

impl Machines {
    fn new(seed: u64) -> Self {
        let storage: Arc<dyn Storage> = Arc::new(MemoryStorage::new());
        let world = World::builder(seed).storage(Arc::clone(&storage)).build();
        Self { world, storage }
    }

    /// A client as an administrator would enter it.
    fn client(&self, method: &str, change: impl Fn(&mut ClientRecord)) -> App {
        let mut metadata = ClientMetadata::default();
        metadata.redirect_uris = vec!["https://app.example/callback".to_owned()];
        metadata.token_endpoint_auth_method = Some(method.to_owned());
        let app = self.world.register_as(metadata);
        let id = ClientId::new(app.client_id.as_str());
        let found = block_on(self.storage.clients().find(&id)).unwrap().unwrap();
        let mut record = (*found.record).clone();
        change(&mut record);
        block_on(self.storage.clients().replace(found.revision, record)).unwrap();
        app
    }

    fn credentials(&self, app: &App) -> Result<TokenResponse, TokenError> {
        let form = [("grant_type", "client_credentials")];
        block_on(self.world.token_async(app, &form))
    }

    fn introspect(&self, app: &App, token: &str) -> Result<bool, TokenError> {
        let presented = PresentedClient::new(
            None,
            Some(&app.client_id),
            app.client_secret.as_deref(),
            None,
        );
        let pairs = [(Cow::Borrowed("token"), Cow::Borrowed(token))];
        let request = TokenRequest::from_pairs(pairs);
        let answer = self.world.server.introspect(presented, &request);
        block_on(answer).map(|claims| claims.is_some())
    }
}

fn by_credentials(record: &mut ClientRecord) {
    record.grant_types = vec![GrantType::ClientCredentials];
    record.epoch = 3;
}

/// AS-AT-5, AS-REG-1: only a client that proves itself, and only one that was entered for it.
#[test]
fn client_credentials_are_for_confidential_clients_that_were_given_them() {
    let machines = Machines::new(31);
    let service = machines.client("client_secret_post", by_credentials);
    let tokens = machines.credentials(&service).unwrap();
    let claims = machines.world.check(&tokens.access_token).unwrap();
    assert_eq!(claims.subject.as_str(), service.client_id);
    assert!(tokens.refresh_token.is_none());

    // The grant stands under the client's barrier of now.
    let subject = Filter::Subject(Subject::new(service.client_id.as_str()));
    let listed = block_on(machines.storage.grants().list(&subject, &Page::first(9))).unwrap();
    assert_eq!(listed.items.len(), 1);
    assert_eq!(listed.items[0].record.epochs.client, 3);

    let not_given = machines.client("client_secret_post", |_| ());
    let public = machines.client("none", by_credentials);
    for refused in [not_given, public] {
        let word = machines.credentials(&refused).unwrap_err().code();
        assert_eq!(word, Some(TokenErrorCode::UnauthorizedClient));
    }
}

/// AS-INT-1, AS-INT-2: a resource server learns about tokens meant for it, a public client nothing.
#[test]
fn only_the_resource_server_a_token_is_for_learns_about_it() {
    let machines = Machines::new(32);
    let at = |text: &str| vec![ResourceUri::parse(text).unwrap()];
    let own = machines.client("client_secret_post", |record| {
        record.introspects = at("https://mcp.example/mcp");
    });
    let other = machines.client("client_secret_post", |record| {
        record.introspects = at("https://other.example/mcp");
    });
    let public = machines.client("none", |record| {
        record.introspects = at("https://mcp.example/mcp");
    });
    let service = machines.client("client_secret_post", by_credentials);
    let token = machines.credentials(&service).unwrap().access_token;
    assert!(machines.introspect(&own, &token).unwrap());
    assert!(!machines.introspect(&own, "garbage").unwrap());
    assert!(!machines.introspect(&other, &token).unwrap());
    let word = machines.introspect(&public, &token).unwrap_err().code();
    assert_eq!(word, Some(TokenErrorCode::InvalidClient));
}
