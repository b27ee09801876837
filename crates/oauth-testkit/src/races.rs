//! Sixty-four requests at once, on real threads, over any store: what the server promises of
//! races, counted in answers and in writes.
//!
//! ```
//! use std::sync::Arc;
//! use oauth_storage_memory::MemoryStorage;
//! use oauth_testkit::{block_on, races};
//!
//! races::all(|| Arc::new(MemoryStorage::new()), |future| block_on(future));
//! ```

use std::borrow::Cow;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Barrier};

use oauth_core::types::{ClientId, Lifetime, TokenErrorCode, TokenRequest, TokenResponse};
use oauth_core::{ClientAssertion, PreregisteredClient, PresentedClient, TokenError};
use oauth_storage::{GrantType, Storage, TokenEndpointAuthMethod};

use crate::faults::FaultyStorage;
use crate::flows::{App, World};
use crate::signer::{Signer, assertion};

const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// Requests at once.
pub const RACERS: usize = 64;

/// A future that one thread runs to its end.
pub type Task<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// Runs every race, each over a fresh store.
///
/// # Panics
/// When a promise is broken.
pub fn all<S: Storage + 'static>(fresh: impl Fn() -> Arc<S>, run: impl Fn(Task<'_>) + Send + Sync) {
    redemptions_of_one_code(fresh(), &run);
    identical_refreshes(fresh(), &run);
    strict_refreshes(fresh(), &run);
    an_old_token_after_the_race(fresh(), &run);
    presentations_of_one_assertion(fresh(), &run);
}

struct Race {
    world: World,
    storage: FaultyStorage,
    app: App,
}

fn begin(
    storage: Arc<dyn Storage>,
    window: u64,
    run: &(impl Fn(Task<'_>) + Send + Sync),
) -> (Race, TokenResponse, crate::flows::Code) {
    let storage = FaultyStorage::immediate(storage);
    let mut made = None;
    run(Box::pin(async {
        let world = World::builder(31)
            .storage(Arc::new(storage.clone()))
            .configure(|config| config.policy.retry_window = Lifetime::seconds(window))
            .build_async()
            .await;
        let app = world.register_async().await;
        let alice = world.browser_async("alice").await;
        let first = world.approve_async(&app, &alice).await;
        let tokens = world.redeem_async(&app, &first).await.expect("a good code");
        let code = world.approve_async(&app, &alice).await;
        storage.take_counts();
        made = Some((
            Race {
                world,
                storage: storage.clone(),
                app,
            },
            tokens,
            code,
        ));
    }));
    made.expect("the executor ran")
}

type Answers = Vec<Result<TokenResponse, TokenError>>;

/// The same request from all racers at once.
fn race<'a, F>(
    run: &(impl Fn(Task<'_>) + Send + Sync),
    ask: impl Fn() -> F + Send + Sync + 'a,
) -> Answers
where
    F: Future<Output = Result<TokenResponse, TokenError>> + Send,
{
    let barrier = Barrier::new(RACERS);
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..RACERS)
            .map(|_| {
                scope.spawn(|| {
                    barrier.wait();
                    let mut answer = None;
                    run(Box::pin(async { answer = Some(ask().await) }));
                    answer.expect("the executor ran")
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().expect("no panic"))
            .collect()
    })
}

fn winners(answers: &Answers) -> Vec<&TokenResponse> {
    for refused in answers.iter().filter_map(|answer| answer.as_ref().err()) {
        assert_eq!(
            refused.code(),
            Some(TokenErrorCode::InvalidGrant),
            "{refused}"
        );
    }
    answers
        .iter()
        .filter_map(|answer| answer.as_ref().ok())
        .collect()
}

fn is_live(race: &Race, token: &str, run: &(impl Fn(Task<'_>) + Send + Sync)) -> bool {
    let mut live = false;
    run(Box::pin(async {
        let checked = race.world.server.check_access_token(token).await;
        live = checked.expect("the store works").is_some();
    }));
    live
}

/// One success; and since all others were right in everything, the grant is closed: two writes.
fn redemptions_of_one_code(storage: Arc<dyn Storage>, run: &(impl Fn(Task<'_>) + Send + Sync)) {
    let (it, _, code) = begin(storage, 30, run);
    let answers = race(run, || it.world.redeem_async(&it.app, &code));
    let won = winners(&answers);
    assert_eq!(won.len(), 1, "a code was redeemed {} times", won.len());
    assert!(
        !is_live(&it, &won[0].access_token, run),
        "the grant was not closed"
    );
    assert_eq!(it.storage.take_counts().replaced, 2, "redeem, close");
}

/// Sixty-four identical answers from one write, and one live family.
fn identical_refreshes(storage: Arc<dyn Storage>, run: &(impl Fn(Task<'_>) + Send + Sync)) {
    let (it, first, _) = begin(storage, 30, run);
    let token = first.refresh_token.as_deref().expect("a refresh token");
    let answers = race(run, || it.world.refresh_async(&it.app, token));
    let won = winners(&answers);
    assert_eq!(won.len(), RACERS);
    for answer in &won {
        assert_eq!(answer.access_token, won[0].access_token);
        assert_eq!(answer.refresh_token, won[0].refresh_token);
        assert_eq!(answer.expires_in, won[0].expires_in);
    }
    assert_eq!(it.storage.take_counts().replaced, 1);
    assert!(is_live(&it, &won[0].access_token, run));
}

/// Without a window: one success, and the grant closed.
fn strict_refreshes(storage: Arc<dyn Storage>, run: &(impl Fn(Task<'_>) + Send + Sync)) {
    let (it, first, _) = begin(storage, 0, run);
    let token = first.refresh_token.as_deref().expect("a refresh token");
    let answers = race(run, || it.world.refresh_async(&it.app, token));
    let won = winners(&answers);
    assert_eq!(won.len(), 1);
    assert!(
        !is_live(&it, &won[0].access_token, run),
        "the grant was not closed"
    );
    assert_eq!(it.storage.take_counts().replaced, 2, "rotate, close");
}

/// One success, and not a second one later. Whoever lost the race was no client at all.
fn presentations_of_one_assertion(
    storage: Arc<dyn Storage>,
    run: &(impl Fn(Task<'_>) + Send + Sync),
) {
    let (it, ..) = begin(storage, 30, run);
    let signer = Signer::new("EdDSA", "1");
    let mut client = PreregisteredClient::new(ClientId::new("signing"));
    client.token_endpoint_auth_method = TokenEndpointAuthMethod::PrivateKeyJwt;
    client.grant_types = vec![GrantType::ClientCredentials];
    client.jwks = Some(signer.jwks());
    run(Box::pin(async {
        let entered = it.world.server.preregister(&client).await;
        entered.expect("a sound client");
    }));
    let now = it.world.server.now().as_unix();
    let claims = assertion("signing", "https://mcp.example", "only once", now);
    let token = signer.sign(&claims.into());
    let present = || async {
        let pairs = [("grant_type", "client_credentials")];
        let pairs = pairs.map(|(name, value)| (Cow::Borrowed(name), Cow::Borrowed(value)));
        let request = TokenRequest::from_pairs(pairs);
        let assertion = ClientAssertion::of(Some(JWT_BEARER), Some(&token));
        let presented = PresentedClient::new(None, None, None, assertion);
        let server = &it.world.server;
        server.token(presented, &request).await
    };
    for expected in [1, 0] {
        let answers = race(run, present);
        let (won, lost): (Vec<_>, Vec<_>) = answers.into_iter().partition(Result::is_ok);
        assert_eq!(won.len(), expected, "an assertion was accepted again");
        for refused in lost.into_iter().filter_map(Result::err) {
            let code = refused.code();
            assert_eq!(code, Some(TokenErrorCode::InvalidClient), "{refused}");
        }
    }
}

/// The same token after its successor was used closes the grant; so does one two generations old.
fn an_old_token_after_the_race(storage: Arc<dyn Storage>, run: &(impl Fn(Task<'_>) + Send + Sync)) {
    let (it, first, _) = begin(storage, 30, run);
    let token = first.refresh_token.as_deref().expect("a refresh token");
    let won = race(run, || it.world.refresh_async(&it.app, token));
    let second = winners(&won)[0].clone();
    let successor = second.refresh_token.as_deref().expect("a refresh token");
    let third = race(run, || it.world.refresh_async(&it.app, successor));
    let third = winners(&third)[0].clone();
    it.storage.take_counts();
    let late = race(run, || it.world.refresh_async(&it.app, token));
    assert!(winners(&late).is_empty(), "an old token was honoured");
    assert_eq!(it.storage.take_counts().replaced, 1, "closed once");
    assert!(!is_live(&it, &third.access_token, run));
}
