//! What the check of an access token costs beside a bare handler of the same framework; of a signed
//! one, beside its signature alone as well.

use std::hint::black_box;
use std::sync::Arc;

use aws_lc_rs::signature::{self as sig, ParsedPublicKey};
use axum::Router;
use axum::http::header;
use axum::routing::get;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use oauth_axum::{BearerLayer, OAuthService, ProtectedResource};
use oauth_core::{AuthorizationServer, Ports, ResourcePolicy, RootSecret, ServerConfig};
use oauth_resource::jwt::TrustedIssuer;
use oauth_resource::{AccessTokenVerifier, JwtVerifier, VerificationCache};
use oauth_storage_memory::MemoryStorage;
use oauth_testkit::Signer;
use oauth_types::env::{Clock, OsEntropy, SystemClock};
use oauth_types::{Issuer, ResourceUri, Scope, SecretText};
use oauth_ui::DangerAutoApprove;
use serde_json::json;

use crate::Fallible;
use crate::limits::FIXED;
use crate::load::{self, CONNECTIONS, Connection, Load, Next};
use crate::oauth::Flow;
use crate::process::Server;

const ISSUER: &str = "https://issuer.example";
const RESOURCE: &str = "https://mcp.example/mcp";
/// Signatures in a row, to know what one takes.
const SIGNATURES: u32 = 5_000;
const ALGORITHMS: [&str; 3] = ["EdDSA", "ES256", "RS256"];

/// Serves a bare handler, the same one behind the check of opaque tokens in memory, and behind that
/// of each kind of signature, with and without a memory of tokens seen before, until it is ended.
pub(crate) async fn serve() -> Fallible<()> {
    let answer = || async { ([(header::CONTENT_TYPE, "application/json")], FIXED) };
    let resource = ProtectedResource::new(
        ResourceUri::parse(RESOURCE)?,
        ISSUER,
        Scope::parse("mcp:tools")?,
    );
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let origin = format!("http://{}", listener.local_addr()?);
    let (service, mcp) = issuing(&origin).await?;
    let layer = BearerLayer::new(mcp, service.clone());
    let mut app = Router::new()
        .route("/", get(answer))
        .route("/whoami", get(answer).layer(layer))
        .merge(oauth_axum::authorization_server(service));
    for alg in ALGORITHMS {
        let signer = Arc::new(Signer::new(alg, "bench"));
        let verifier = || {
            let keys = oauth_jose::KeySet::from_value(&signer.jwks())?;
            let issuer = TrustedIssuer::with_keys(Issuer::parse(ISSUER)?, keys);
            Fallible::Ok(JwtVerifier::new(SystemClock).trusting(issuer))
        };
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let checks: [(&str, Arc<dyn AccessTokenVerifier>); 2] = [
            ("", Arc::new(verifier()?)),
            (
                "/again",
                Arc::new(VerificationCache::new(verifier()?, clock)),
            ),
        ];
        for (suffix, verifier) in checks {
            let layer = BearerLayer::new(resource.clone(), verifier);
            app = app.route(&format!("/{alg}{suffix}"), get(answer).layer(layer));
        }
        // What the load is made of: tokens, and the cost of a signature by itself.
        let mint = Arc::clone(&signer);
        app = app.route(
            &format!("/{alg}/token/{{number}}"),
            get(
                |axum::extract::Path(number): axum::extract::Path<u64>| async move {
                    token(&mint, number)
                },
            ),
        );
        let bare = Arc::new(Bare::of(&signer)?);
        let one = Arc::clone(&bare);
        let many = move || async move { (0..SIGNATURES).for_each(|_| bare.verify()) };
        app = app.route(&format!("/{alg}/signatures"), get(many));
        // The least that a first look at a token can do: verify, and nothing else.
        let least = move || async move {
            one.verify();
            answer().await
        };
        app = app.route(&format!("/{alg}/least"), get(least));
    }
    println!("{origin}/");
    axum::serve(listener, app).await?;
    Ok(())
}

/// What issues opaque tokens, and the resource that they are for.
async fn issuing(origin: &str) -> Fallible<(Arc<OAuthService>, ProtectedResource)> {
    let mcp = ResourceUri::parse(&format!("{origin}/mcp"))?;
    let tools = ResourcePolicy::new(mcp.clone())
        .scope("mcp:tools", "Use the tools")
        .scope("mcp:write", "Change things");
    let config = ServerConfig::new(Issuer::parse(origin)?, tools);
    let root = RootSecret::from_text(SecretText::generate(&OsEntropy)?.expose())?;
    let storage = Arc::new(MemoryStorage::new());
    let ports = Ports::new(SystemClock, OsEntropy);
    let server = AuthorizationServer::open(config, storage, &root, ports).await?;
    let person = Arc::new(DangerAutoApprove::new("alice"));
    let service = OAuthService::new(Arc::new(server), person);
    let resource = ProtectedResource::new(mcp, origin, Scope::parse("mcp:tools")?);
    Ok((Arc::new(service), resource))
}

fn token(signer: &Signer, number: u64) -> String {
    let now = SystemClock.now().as_unix();
    let header = json!({ "alg": signer.alg, "typ": "at+jwt", "kid": signer.kid });
    let claims = json!({
        "iss": ISSUER, "aud": RESOURCE, "sub": "alice", "client_id": "c_0000000000000000000000",
        "scope": "mcp:tools mcp:write", "iat": now, "exp": now + 3600, "jti": format!("{number:022}"),
    });
    signer.sign_text(&header.to_string(), &claims.to_string())
}

/// One signature, to be verified by the library alone.
struct Bare {
    key: ParsedPublicKey,
    message: String,
    signature: Vec<u8>,
}

impl Bare {
    fn of(signer: &Signer) -> Fallible<Self> {
        let jwk = signer.jwk();
        let decode = |text: &str| URL_SAFE_NO_PAD.decode(text).unwrap_or_default();
        let part = |name: &str| decode(jwk[name].as_str().unwrap_or_default());
        let key = match signer.alg {
            "EdDSA" => ParsedPublicKey::new(&sig::ED25519, part("x"))?,
            "ES256" => {
                let point = [vec![4], part("x"), part("y")].concat();
                ParsedPublicKey::new(&sig::ECDSA_P256_SHA256_FIXED, point)?
            }
            _ => {
                let (n, e) = (part("n"), part("e"));
                let key = sig::RsaPublicKeyComponents { n, e };
                key.to_parsed_public_key(&sig::RSA_PKCS1_2048_8192_SHA256)?
            }
        };
        let token = token(signer, 0);
        let (message, signature) = token.rsplit_once('.').unwrap_or_default();
        Ok(Self {
            key,
            message: message.to_owned(),
            signature: decode(signature),
        })
    }

    fn verify(&self) {
        let verified = self
            .key
            .verify_sig(self.message.as_bytes(), &self.signature);
        assert!(
            black_box(verified).is_ok(),
            "the library verifies what it signed"
        );
    }
}

/// Prints the table of tokens.
pub(crate) async fn measure(rounds: usize, requests: usize) -> Fallible<()> {
    let own = std::env::current_exe()?.display().to_string();
    let server = Server::start(&own, &["bearer"]).await?;
    println!(
        "| token | CPU µs | L1 | the same request, bare | signature alone | L1 ÷ ours | \
         (ours − L1) ÷ signature | must |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    let flow = Flow::prepare(server.address).await?;
    let mut opaque = Vec::new();
    for _ in 0..rounds {
        let ours = server.cpu_per_request(flow.whoami(requests)).await?;
        let limit = Load::get(server.address, "/", requests);
        let limit = server.cpu_per_request(limit).await?;
        let least = server
            .cpu_per_request(flow.presenting("/", requests))
            .await?;
        opaque.push([ours, limit, least]);
    }
    let of = |pick: fn(&[f64; 3]) -> f64| crate::median(opaque.iter().map(pick).collect());
    println!(
        "| opaque, in memory | {:.2} | {:.2} | {:.2} | | {:.2} | | L1 ÷ ours ≥ 0.88 |",
        of(|r| r[0]),
        of(|r| r[1]),
        of(|r| r[2]),
        of(|r| r[1] / r[0]),
    );
    for alg in ALGORITHMS {
        let mut rows: [Vec<[f64; 4]>; 2] = Default::default();
        for round in 0..rounds {
            let bare = server.cpu_per_request(signatures(&server, alg)).await?;
            let bare = bare / f64::from(SIGNATURES);
            for (row, again) in [false, true].into_iter().enumerate() {
                let tokens = match again {
                    false => tokens(&server, alg, round * requests, requests).await?,
                    true => vec![text(&server, &format!("/{alg}/token/0")).await?; requests],
                };
                let path = format!("/{alg}{}", if again { "/again" } else { "" });
                let same = presenting(&server, &path, tokens.clone());
                let ours = server.cpu_per_request(same).await?;
                let limit = Load::get(server.address, "/", requests);
                let limit = server.cpu_per_request(limit).await?;
                // What the same request costs where nothing is done but, the first time, a signature
                // verified, with whatever of a processor's caches a request leaves for it.
                let path = if again { "/" } else { &format!("/{alg}/least") };
                let least = presenting(&server, path, tokens);
                let least = server.cpu_per_request(least).await?;
                rows[row].push([ours, limit, bare, least]);
            }
        }
        for (row, (what, must)) in [
            ("first time", "ratio to signature ≤ 1.25"),
            ("seen before", "L1 ÷ ours ≥ 0.83"),
        ]
        .into_iter()
        .enumerate()
        {
            let of =
                |pick: fn(&[f64; 4]) -> f64| crate::median(rows[row].iter().map(pick).collect());
            println!(
                "| {alg}, {what} | {:.2} | {:.2} | {:.2} | {:.2} | {:.2} | {:.2} | {must} |",
                of(|r| r[0]),
                of(|r| r[1]),
                of(|r| r[3]),
                of(|r| r[2]),
                of(|r| r[1] / r[0]),
                of(|r| (r[0] - r[1]) / r[2]),
            );
        }
    }
    println!("\n{rounds} rounds in turn, {requests} requests each over {CONNECTIONS} connections.");
    Ok(())
}

/// One request that has the server verify signatures and do nothing else.
fn signatures(server: &Server, alg: &str) -> Load {
    let request = load::get(server.address, &format!("/{alg}/signatures"), "");
    let mut once = Some(request);
    Load::new(server.address, vec![Box::new(move |_| once.take())])
}

/// Tokens that nobody has seen, made beforehand.
async fn tokens(server: &Server, alg: &str, first: usize, count: usize) -> Fallible<Vec<String>> {
    let mut connection = Connection::open(server.address).await?;
    let mut tokens = Vec::with_capacity(count);
    for number in first..first + count {
        let path = format!("/{alg}/token/{number}");
        let answer = connection
            .send(&load::get(server.address, &path, ""))
            .await?;
        tokens.push(String::from_utf8(answer.body)?);
    }
    Ok(tokens)
}

async fn text(server: &Server, path: &str) -> Fallible<String> {
    let mut connection = Connection::open(server.address).await?;
    let answer = connection
        .send(&load::get(server.address, path, ""))
        .await?;
    Ok(String::from_utf8(answer.body)?)
}

/// Each token once, over all connections.
fn presenting(server: &Server, path: &str, mut tokens: Vec<String>) -> Load {
    let each = tokens.len() / CONNECTIONS;
    let sources = (0..CONNECTIONS)
        .map(|_| {
            let mut mine = tokens.split_off(tokens.len() - each);
            let (address, path) = (server.address, path.to_owned());
            let next: Next = Box::new(move |_| {
                let token = mine.pop()?;
                let authorization = format!("Authorization: Bearer {token}\r\n");
                Some(load::get(address, &path, &authorization))
            });
            next
        })
        .collect();
    Load::new(server.address, sources)
}
