//! What the check of a signed access token costs beside a bare handler of the same framework and
//! beside its signature alone.

use std::hint::black_box;
use std::sync::Arc;

use axum::Router;
use axum::http::header;
use axum::routing::get;
use oauth_axum::{BearerLayer, ProtectedResource};
use oauth_resource::jwt::TrustedIssuer;
use oauth_resource::{AccessTokenVerifier, JwtVerifier, VerificationCache};
use oauth_testkit::Signer;
use oauth_types::env::{Clock, SystemClock};
use oauth_types::{Issuer, ResourceUri, Scope};
use serde_json::json;

use crate::Fallible;
use crate::limits::FIXED;
use crate::load::{self, CONNECTIONS, Connection, Load, Next};
use crate::process::Server;

const ISSUER: &str = "https://issuer.example";
const RESOURCE: &str = "https://mcp.example/mcp";
/// Signatures in a row, to know what one takes.
const SIGNATURES: u32 = 5_000;
const ALGORITHMS: [&str; 3] = ["EdDSA", "ES256", "RS256"];

/// Serves a bare handler, and the same one behind the check of each kind of signature, with and
/// without a memory of tokens seen before, until it is ended.
pub(crate) async fn serve() -> Fallible<()> {
    let answer = || async { ([(header::CONTENT_TYPE, "application/json")], FIXED) };
    let resource = ProtectedResource::new(
        ResourceUri::parse(RESOURCE)?,
        ISSUER,
        Scope::parse("mcp:tools")?,
    );
    let mut app = Router::new().route("/", get(answer));
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
        app = app.route(
            &format!("/{alg}/bare/{{times}}"),
            get(
                |axum::extract::Path(times): axum::extract::Path<u32>| async move {
                    bare(&signer, times);
                },
            ),
        );
    }
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    println!("http://{}/", listener.local_addr()?);
    axum::serve(listener, app).await?;
    Ok(())
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

/// Verifies one signature of the kind over and over, by the library alone.
fn bare(signer: &Signer, times: u32) {
    use aws_lc_rs::signature as sig;
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let text = token(signer, 0);
    let jwk = signer.jwk();
    let decode = |text: &str| URL_SAFE_NO_PAD.decode(text).unwrap_or_default();
    let part = |name: &str| decode(jwk[name].as_str().unwrap_or_default());
    let (message, signature) = text.rsplit_once('.').unwrap_or_default();
    let (message, signature) = (message.as_bytes(), decode(signature));
    let parsed = |algorithm, key| sig::ParsedPublicKey::new(algorithm, key);
    let (key, rsa) = match signer.alg {
        "EdDSA" => (parsed(&sig::ED25519, part("x")).ok(), None),
        "ES256" => {
            let point = [vec![4], part("x"), part("y")].concat();
            (parsed(&sig::ECDSA_P256_SHA256_FIXED, point).ok(), None)
        }
        _ => (None, Some((part("n"), part("e")))),
    };
    for _ in 0..times {
        let verified = match (&key, &rsa) {
            (Some(key), _) => key.verify_sig(message, &signature).is_ok(),
            (None, Some((n, e))) => sig::RsaPublicKeyComponents { n, e }
                .verify(&sig::RSA_PKCS1_2048_8192_SHA256, message, &signature)
                .is_ok(),
            (None, None) => false,
        };
        assert!(black_box(verified), "the library verifies what it signed");
    }
}

/// Prints the table of signed tokens.
pub(crate) async fn measure(rounds: usize, requests: usize) -> Fallible<()> {
    let own = std::env::current_exe()?.display().to_string();
    let server = Server::start(&own, &["bearer"]).await?;
    println!(
        "| token | CPU µs | L1 | signature alone | L1 ÷ ours | (ours − L1) ÷ signature | must |"
    );
    println!("|---|---|---|---|---|---|---|");
    for alg in ALGORITHMS {
        let mut rows: [Vec<[f64; 3]>; 2] = Default::default();
        for round in 0..rounds {
            let bare = server.cpu_per_request(signatures(&server, alg)).await?;
            let bare = bare / f64::from(SIGNATURES);
            for (row, again) in [false, true].into_iter().enumerate() {
                let tokens = match again {
                    false => tokens(&server, alg, round * requests, requests).await?,
                    true => vec![text(&server, &format!("/{alg}/token/0")).await?; requests],
                };
                let path = format!("/{alg}{}", if again { "/again" } else { "" });
                let ours = server
                    .cpu_per_request(presenting(&server, &path, tokens))
                    .await?;
                let limit = Load::get(server.address, "/", requests);
                let limit = server.cpu_per_request(limit).await?;
                rows[row].push([ours, limit, bare]);
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
                |pick: fn(&[f64; 3]) -> f64| crate::median(rows[row].iter().map(pick).collect());
            println!(
                "| {alg}, {what} | {:.2} | {:.2} | {:.2} | {:.2} | {:.2} | {must} |",
                of(|r| r[0]),
                of(|r| r[1]),
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
    let request = load::get(server.address, &format!("/{alg}/bare/{SIGNATURES}"), "");
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
