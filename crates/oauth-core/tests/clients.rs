//! Clients that an administrator enters, and a deployment's own word on the others.

use std::sync::Arc;

use async_trait::async_trait;
use oauth_core::storage::{
    ClientLifetimes, ClientRecord, GrantType, Storage, TokenEndpointAuthMethod, Versioned,
};
use oauth_core::types::registration::ClientMetadata;
use oauth_core::types::{ClientId, Lifetime, RedirectUri, Scope, SecretHash};
use oauth_core::{
    Approval, ApprovalError, Circumstances, InProcessLimiter, PreregisterError,
    PreregisteredClient, Refused, RegistrationError, RegistrationPolicy, TokenError,
};
use oauth_storage_memory::MemoryStorage;
use oauth_testkit::block_on;
use oauth_testkit::flows::{App, World};

const SECRET: &str = "a-generated-secret-of-many-characters";

/// A confidential client that asks for codes.
fn reports() -> PreregisteredClient {
    let mut client = PreregisteredClient::new(ClientId::new("reports"));
    client.token_endpoint_auth_method = TokenEndpointAuthMethod::ClientSecretPost;
    client.client_secrets = vec![SecretHash::of(SECRET.as_bytes())];
    client.redirect_uris = vec![RedirectUri::parse("https://reports.example/cb").unwrap()];
    client
}

fn app(client: &PreregisteredClient) -> App {
    App {
        client_id: client.client_id.to_string(),
        client_secret: Some(SECRET.to_owned()),
        redirect_uri: client.redirect_uris[0].as_str().to_owned(),
    }
}

fn enter(world: &World, client: &PreregisteredClient) -> Result<(), PreregisterError> {
    block_on(world.server.preregister(client))
}

fn read(world: &World, id: &ClientId) -> Versioned<ClientRecord> {
    let found = block_on(world.server.storage().clients().find(id));
    found.unwrap().expect("the client is there")
}

/// AS-REG-1, AS-REG-2: entered once, brought up to date at later starts, never written in vain;
/// its barrier and its grants outlast a change.
#[test]
fn configuration_is_entered_and_brought_up_to_date() {
    let world = World::new(61);
    let mut client = reports();
    enter(&world, &client).unwrap();
    let first = read(&world, &client.client_id);
    enter(&world, &client).unwrap();
    assert_eq!(read(&world, &client.client_id).revision, first.revision);
    assert_eq!(first.record.retain_until, None);

    let browser = world.browser("alice");
    let code = world.approve(&app(&client), &browser);
    let tokens = world.redeem(&app(&client), &code).unwrap();
    world.clock.advance(Lifetime::seconds(10));
    client.client_name = Some("Reports".to_owned());
    client
        .client_secrets
        .push(SecretHash::of(b"the next secret"));
    enter(&world, &client).unwrap();
    let next = read(&world, &client.client_id).record;
    assert_eq!(next.metadata.client_name.as_deref(), Some("Reports"));
    assert_eq!(next.created_at, first.record.created_at);
    assert_eq!(next.last_used_at, Some(first.record.created_at));
    assert!(
        world
            .refresh(&app(&client), tokens.refresh_token.as_ref().unwrap())
            .is_ok()
    );

    // A removed client proves nothing; entered again, it has none of what it was granted, not
    // even what was approved while it was removed.
    let code = world.approve(&app(&client), &browser);
    let (late, _) = world.ask(&app(&client), &browser, "mcp:tools");
    block_on(world.server.remove_client(&client.client_id)).unwrap();
    let refused = world.refresh(&app(&client), tokens.refresh_token.as_ref().unwrap());
    assert!(matches!(refused, Err(TokenError::Client(_))));
    let approval = Approval::of(late.scope().clone());
    let late = block_on(world.server.approve(&late, &browser.session, approval));
    assert!(matches!(late, Err(ApprovalError::Changed)));
    let epoch = read(&world, &client.client_id).record.epoch;
    enter(&world, &client).unwrap();
    assert_eq!(
        (epoch, read(&world, &client.client_id).record.epoch),
        (1, 1)
    );
    assert!(world.redeem(&app(&client), &code).is_err());
    assert!(world.check(&tokens.access_token).is_none());
}

/// AS-REG-3, AS-REG-4, AS-REG-6, AS-DCR-11: what cannot be is refused at the start, not at the
/// first request.
#[test]
fn clients_that_cannot_be_are_refused_at_the_start() {
    let world = World::new(62);
    type Change = fn(&mut PreregisteredClient);
    let key = |secret: bool| {
        let member = if secret { "d" } else { "x" };
        serde_json::json!({"keys": [{"kty": "OKP", member: "x"}]})
    };
    let (public_key, private_key) = (key(false), key(true));
    let identifier: [Change; 3] = [
        |client| client.client_id = ClientId::new(""),
        |client| client.client_id = ClientId::new("c_0000000000000000000000"),
        |client| client.client_id = ClientId::new("https://reports.example/client.json"),
    ];
    for change in identifier {
        let mut client = reports();
        change(&mut client);
        assert!(matches!(
            enter(&world, &client),
            Err(PreregisterError::Identifier)
        ));
    }
    let grants: [Change; 3] = [
        |client| client.redirect_uris.clear(),
        |client| client.grant_types = vec![GrantType::RefreshToken],
        |client| client.grant_types = vec![GrantType::ClientCredentials],
    ];
    for change in grants {
        let mut client = reports();
        change(&mut client);
        assert!(matches!(
            enter(&world, &client),
            Err(PreregisterError::Grants)
        ));
    }
    let mut unattended = reports();
    unattended.token_endpoint_auth_method = TokenEndpointAuthMethod::None;
    unattended.client_secrets.clear();
    unattended.grant_types.push(GrantType::ClientCredentials);
    assert!(matches!(
        enter(&world, &unattended),
        Err(PreregisterError::Grants)
    ));

    use TokenEndpointAuthMethod::{ClientSecretBasic, None as Public, PrivateKeyJwt};
    for (method, secrets, jwks, jwks_uri, good) in [
        (ClientSecretBasic, 1, None, None, true),
        (ClientSecretBasic, 2, None, None, true),
        (ClientSecretBasic, 0, None, None, false),
        (Public, 0, None, None, true),
        (Public, 1, None, None, false),
        (PrivateKeyJwt, 0, Some(&public_key), None, true),
        (
            PrivateKeyJwt,
            0,
            None,
            Some("https://reports.example/jwks"),
            true,
        ),
        (
            PrivateKeyJwt,
            0,
            None,
            Some("http://reports.example/jwks"),
            false,
        ),
        (PrivateKeyJwt, 0, Some(&private_key), None, false),
        (
            PrivateKeyJwt,
            0,
            Some(&public_key),
            Some("https://reports.example/jwks"),
            false,
        ),
        (PrivateKeyJwt, 0, None, None, false),
        (PrivateKeyJwt, 1, Some(&public_key), None, false),
    ] {
        let mut client = reports();
        client.token_endpoint_auth_method = method;
        client.client_secrets = vec![SecretHash::of(b"x"); secrets];
        client.jwks = jwks.cloned();
        client.jwks_uri = jwks_uri.map(str::to_owned);
        match enter(&world, &client) {
            Ok(()) => assert!(good, "{client:?}"),
            Err(PreregisterError::Credentials) => assert!(!good, "{client:?}"),
            Err(other) => panic!("{other}"),
        }
    }
}

/// AS-REG-3: how a client came to be known is recorded, and one does not become the other.
#[test]
fn a_client_that_registered_itself_is_not_taken_over() {
    let world = World::new(63);
    let mut record =
        ClientRecord::clone(&read(&world, &ClientId::new(world.register().client_id)).record);
    record.id = ClientId::new("reports");
    block_on(world.server.storage().clients().insert(record)).unwrap();
    assert!(matches!(
        enter(&world, &reports()),
        Err(PreregisterError::Taken)
    ));
}

/// The text form: what is misspelt is refused, and so is a secret where its digest belongs.
#[test]
fn configuration_text_is_read_strictly() {
    let read = serde_json::from_str::<PreregisteredClient>;
    let client = read(
        r#"{
            "client_id": "editor",
            "redirect_uris": ["http://127.0.0.1/cb", "own-editor://cb"],
            "scope": "mcp:tools",
            "lifetimes": {"access_token": 300, "refresh_idle": 3600, "grant": 86400}
        }"#,
    );
    let client = client.unwrap();
    assert_eq!(
        client.token_endpoint_auth_method,
        TokenEndpointAuthMethod::None
    );
    assert_eq!(
        client.grant_types,
        [GrantType::AuthorizationCode, GrantType::RefreshToken]
    );
    assert_eq!(client.scope, Some(Scope::parse("mcp:tools").unwrap()));
    assert_eq!(client.lifetimes.access_token, Some(Lifetime::seconds(300)));
    let world = World::new(64);
    enter(&world, &client).unwrap();

    for wrong in [
        r#"{}"#,
        r#"{"client_id": "x", "redirect_uri": "https://x/cb"}"#,
        r#"{"client_id": "x", "redirect_uris": ["javascript:x"]}"#,
        r#"{"client_id": "x", "client_secrets": ["the-secret-itself"]}"#,
        r#"{"client_id": "x", "grant_types": ["implicit"]}"#,
    ] {
        let error = read(wrong).unwrap_err().to_string();
        assert!(!error.contains("the-secret-itself"), "{error}");
    }
}

/// One client's tokens can last otherwise than everybody's.
#[test]
fn lifetimes_can_be_a_clients_own() {
    let world = World::new(65);
    let mut client = reports();
    client.lifetimes = ClientLifetimes {
        access_token: Some(Lifetime::seconds(60)),
        refresh_idle: Some(Lifetime::minutes(60)),
        grant: Some(Lifetime::minutes(100)),
    };
    client.grant_types.push(GrantType::ClientCredentials);
    enter(&world, &client).unwrap();
    let (own, usual) = (app(&client), world.register());
    let browser = world.browser("alice");
    let begin = |app: &App| world.redeem(app, &world.approve(app, &browser)).unwrap();
    let (tokens, others) = (begin(&own), begin(&usual));
    assert_eq!((tokens.expires_in, others.expires_in), (60, 900));
    let form = [("grant_type", "client_credentials")];
    assert_eq!(
        block_on(world.token_async(&own, &form)).unwrap().expires_in,
        60
    );

    world.clock.advance(Lifetime::minutes(59));
    let tokens = world
        .refresh(&own, tokens.refresh_token.as_ref().unwrap())
        .unwrap();
    assert_eq!(tokens.expires_in, 60);
    // The grant ends before the refresh token would.
    world.clock.advance(Lifetime::minutes(42));
    assert!(
        world
            .refresh(&own, tokens.refresh_token.as_ref().unwrap())
            .is_err()
    );
    assert!(
        world
            .refresh(&usual, others.refresh_token.as_ref().unwrap())
            .is_ok()
    );
    let idle = begin(&own);
    world.clock.advance(Lifetime::minutes(60));
    assert!(
        world
            .refresh(&own, idle.refresh_token.as_ref().unwrap())
            .is_err()
    );
}

/// Lets nobody in whose addresses it does not know, and names the others itself.
struct OwnHosts;

#[async_trait]
impl RegistrationPolicy for OwnHosts {
    async fn judge(
        &self,
        metadata: &mut ClientMetadata,
        circumstances: &Circumstances,
    ) -> Result<(), Refused> {
        let own = |uri: &String| uri.starts_with("https://own.example/");
        if !circumstances.authorized && !metadata.redirect_uris.iter().all(own) {
            return Err(Refused("only applications of this company"));
        }
        metadata.client_name = Some("Own application".to_owned());
        metadata.grant_types = None;
        Ok(())
    }
}

/// AS-REG-9, AS-DCR-4: a deployment refuses and amends, and the answer says what was amended;
/// what nobody may register it cannot allow.
#[test]
fn a_deployment_has_its_own_word() {
    let world = World::builder(66)
        .ports(|ports| ports.registrations(OwnHosts))
        .build();
    let register = |uri: &str, grant_type: &str| {
        let mut metadata = ClientMetadata::default();
        metadata.redirect_uris = vec![uri.to_owned()];
        metadata.grant_types = Some(vec![grant_type.to_owned()]);
        block_on(world.server.register(metadata))
    };
    let answer = register("https://own.example/cb", "implicit").unwrap();
    assert_eq!(
        answer.metadata.client_name.as_deref(),
        Some("Own application")
    );
    assert_eq!(
        answer.metadata.grant_types,
        Some(vec!["authorization_code".to_owned()])
    );
    let refused = register("https://other.example/cb", "authorization_code");
    assert!(matches!(refused, Err(RegistrationError::Refused(_))));
    let bad = register("https://own.example/cb#fragment", "authorization_code");
    assert!(matches!(bad, Err(RegistrationError::RedirectUri(_))));
}

/// AS-DCR-18: a home page elsewhere than where the code goes is known to be so.
#[test]
fn a_home_page_elsewhere_is_marked() {
    let world = World::new(67);
    let browser = world.browser("alice");
    for (claimed, redirect_uri, elsewhere) in [
        (None, "https://app.example/cb", false),
        (
            Some("https://app.example/"),
            "https://app.example/cb",
            false,
        ),
        (
            Some("https://App.example:8443/x"),
            "https://app.example:9443/cb",
            false,
        ),
        (
            Some("https://bank.example/"),
            "https://app.example/cb",
            true,
        ),
        (
            Some("https://app.example.evil/"),
            "https://app.example/cb",
            true,
        ),
        (Some("https://bank.example/"), "http://127.0.0.1/cb", true),
        (Some("https://cursor/"), "cursor://cb", true),
    ] {
        let mut metadata = ClientMetadata::default();
        metadata.redirect_uris = vec![redirect_uri.to_owned()];
        metadata.client_uri = claimed.map(str::to_owned);
        let app = world.register_as(metadata);
        let (pending, _) = world.ask(&app, &browser, "mcp:tools");
        assert_eq!(
            pending.is_client_uri_elsewhere(),
            elsewhere,
            "{claimed:?} {redirect_uri}"
        );
    }
}

/// AS-DCR-4: registrations in the same words at the same moment give one client, wherever the
/// store is; and one that was cut off is finished by the next.
#[test]
fn registrations_at_the_same_moment_give_one_client() {
    let storage = Arc::new(MemoryStorage::new());
    let world = World::builder(68)
        .storage(Arc::clone(&storage) as Arc<dyn Storage>)
        .ports(|ports| ports.limiter(InProcessLimiter::default()))
        .build();
    let metadata = || {
        let mut metadata = ClientMetadata::default();
        metadata.redirect_uris = vec!["http://127.0.0.1/cb".to_owned()];
        metadata.token_endpoint_auth_method = Some("none".to_owned());
        metadata
    };
    let ids = std::thread::scope(|scope| {
        let racer = || {
            let answer = world.server.register(metadata());
            block_on(answer).unwrap().client_id
        };
        let racers: Vec<_> = (0..16).map(|_| scope.spawn(racer)).collect();
        let ids = racers.into_iter().map(|racer| racer.join().unwrap());
        ids.collect::<std::collections::HashSet<_>>()
    });
    assert_eq!(ids.len(), 1, "{ids:?}");

    // Cut off after its entry: the client is not there, the entry is.
    let id = ClientId::new(ids.into_iter().next().unwrap());
    let found = read(&world, &id);
    block_on(storage.clients().delete(&id, found.revision)).unwrap();
    let again = block_on(world.server.register(metadata())).unwrap();
    assert_eq!(again.client_id, id.as_str());
    assert_eq!(read(&world, &id).record.redirect_uris.len(), 1);

    // Gone for long: not brought back under its old identifier.
    let found = read(&world, &id);
    block_on(storage.clients().delete(&id, found.revision)).unwrap();
    world.clock.advance(Lifetime::minutes(2));
    let new = block_on(world.server.register(metadata())).unwrap();
    assert_ne!(new.client_id, id.as_str());
}
