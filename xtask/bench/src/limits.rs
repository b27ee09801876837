//! The limits: what bare axum takes for a fixed answer (L1), and for the least that a token
//! endpoint can do (L2).

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rand::TryRng;
use sha2::{Digest, Sha256};

use crate::Fallible;

pub(crate) const FIXED: &str = r#"{"subject":"alice","client_id":"c_0000000000000000000000","scope":"mcp:tools mcp:write","audience":"http://127.0.0.1:3000/mcp","issuer":"http://127.0.0.1:3000","expires_at":1800000000,"padding":"xxxxx"}"#;

const SHARDS: usize = 64;
type Shards = Arc<Vec<Mutex<HashMap<[u8; 32], u64>>>>;

/// Serves both limits until it is ended.
pub(crate) async fn serve() -> Fallible<()> {
    let shards: Shards = Arc::new((0..SHARDS).map(|_| Mutex::default()).collect());
    let app = Router::new()
        .route("/", get(|| async { json(FIXED.to_owned()) }))
        .route(
            "/token",
            post(move |body: Bytes| token(shards.clone(), body)),
        );
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    println!("http://{}/", listener.local_addr()?);
    axum::serve(listener, app).await?;
    Ok(())
}

async fn token(shards: Shards, body: Bytes) -> Response {
    let pairs: Vec<_> = form_urlencoded::parse(&body).collect();
    let mut secret = [0u8; 32];
    if rand::rngs::SysRng.try_fill_bytes(&mut secret).is_err() {
        return axum::http::StatusCode::INTERNAL_SERVER_ERROR.into_response();
    }
    let hash: [u8; 32] = Sha256::digest(secret).into();
    if let Ok(mut shard) = shards[usize::from(hash[0]) % SHARDS].lock() {
        shard.insert(hash, pairs.len() as u64);
    }
    json(format!(
        r#"{{"access_token":"{}","token_type":"Bearer","expires_in":900}}"#,
        URL_SAFE_NO_PAD.encode(secret)
    ))
}

fn json(body: String) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], body).into_response()
}
