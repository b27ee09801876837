//! The requests of an OAuth client, as prepared bytes.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use crate::Fallible;
use crate::load::{CONNECTIONS, Connection, Load, Next, get, header, post};

const FORM: &str = "application/x-www-form-urlencoded";
const VERIFIER: &str = "0123456789012345678901234567890123456789012345";
const REGISTRATION: &str = r#"{"client_name":"Bench","redirect_uris":["http://127.0.0.1/callback"],"grant_types":["authorization_code","refresh_token"],"response_types":["code"],"token_endpoint_auth_method":"none"}"#;

/// A registered client of a quickstart that approves by itself.
pub(crate) struct Flow {
    address: SocketAddr,
    client_id: String,
    access_token: String,
}

/// A form as long as a code exchange's, for the limit.
pub(crate) fn example_form() -> String {
    let code = "x".repeat(90);
    let client = "c_0000000000000000000000";
    exchange_form(client, &code)
}

fn exchange_form(client_id: &str, code: &str) -> String {
    format!(
        "grant_type=authorization_code&client_id={client_id}&code={code}&code_verifier={VERIFIER}\
         &redirect_uri=http%3A%2F%2F127.0.0.1%2Fcallback"
    )
}

impl Flow {
    /// Registers a client and gets one access token.
    pub(crate) async fn prepare(address: SocketAddr) -> Fallible<Self> {
        let mut connection = Connection::open(address).await?;
        let request = post(address, "/register", "application/json", REGISTRATION);
        let answer = connection.send(&request).await?;
        let client_id = member(&answer.body, "client_id")?;
        let mut flow = Self {
            address,
            client_id,
            access_token: String::new(),
        };
        let code = flow.code(&mut connection).await?;
        let form = exchange_form(&flow.client_id, &code);
        let answer = connection
            .send(&post(address, "/token", FORM, &form))
            .await?;
        flow.access_token = member(&answer.body, "access_token")?;
        Ok(flow)
    }

    async fn code(&self, connection: &mut Connection) -> Fallible<String> {
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(VERIFIER));
        let path = format!(
            "/authorize?response_type=code&client_id={}&redirect_uri=http%3A%2F%2F127.0.0.1%2Fcallback\
             &code_challenge={challenge}&code_challenge_method=S256&scope=mcp:tools+mcp:write",
            self.client_id
        );
        let answer = connection.send(&get(self.address, &path, "")).await?;
        let location = header(&answer.head, "location").unwrap_or_default();
        let (_, rest) = location
            .split_once("code=")
            .ok_or("no code in the redirect")?;
        Ok(rest.split('&').next().unwrap_or_default().to_owned())
    }

    async fn codes(&self, count: usize) -> Fallible<Vec<String>> {
        let mut connection = Connection::open(self.address).await?;
        let mut codes = Vec::with_capacity(count);
        for _ in 0..count {
            codes.push(self.code(&mut connection).await?);
        }
        Ok(codes)
    }

    /// The bearer check.
    pub(crate) fn whoami(&self, requests: usize) -> Load {
        self.presenting("/whoami", requests)
    }

    /// A request with the access token.
    pub(crate) fn presenting(&self, path: &str, requests: usize) -> Load {
        let authorization = format!("Authorization: Bearer {}\r\n", self.access_token);
        Load::same(
            self.address,
            get(self.address, path, &authorization),
            requests,
        )
    }

    /// The discovery document.
    pub(crate) fn metadata(&self, requests: usize) -> Load {
        Load::get(
            self.address,
            "/.well-known/oauth-authorization-server",
            requests,
        )
    }

    /// One registration after another.
    pub(crate) fn registrations(&self, requests: usize) -> Load {
        let request = post(self.address, "/register", "application/json", REGISTRATION);
        Load::same(self.address, request, requests)
    }

    /// Codes made beforehand, redeemed once each.
    pub(crate) async fn redemptions(&self, requests: usize) -> Fallible<Load> {
        let (address, client) = (self.address, self.client_id.clone());
        let request =
            move |code: &String| post(address, "/token", FORM, &exchange_form(&client, code));
        let requests: Vec<Vec<u8>> = self.codes(requests).await?.iter().map(request).collect();
        let each = requests.len().div_ceil(CONNECTIONS);
        let sources = requests
            .chunks(each)
            .map(|chunk| {
                let mut left: VecDeque<_> = chunk.iter().cloned().collect();
                let next: Next = Box::new(move |_| left.pop_front());
                next
            })
            .collect();
        Ok(Load::new(self.address, sources))
    }

    /// One grant for each connection, refreshed over and over.
    pub(crate) async fn refreshes(&self, requests: usize) -> Fallible<Load> {
        let first: Arc<Mutex<Vec<String>>> = Arc::default();
        let codes = self.codes(CONNECTIONS).await?;
        let sources = codes
            .iter()
            .map(|code| {
                let mut form = Some(exchange_form(&self.client_id, code));
                let (address, first) = (self.address, Arc::clone(&first));
                let next: Next = Box::new(move |answer| match answer {
                    None => Some(post(address, "/token", FORM, &form.take()?)),
                    Some(answer) => {
                        let token = member(&answer.body, "refresh_token").ok()?;
                        first.lock().ok()?.push(token);
                        None
                    }
                });
                next
            })
            .collect();
        Load::new(self.address, sources).run().await?;
        let tokens = std::mem::take(&mut *first.lock().map_err(|_| "poisoned")?);
        let each = requests / CONNECTIONS;
        let sources = tokens
            .into_iter()
            .map(|mut token| {
                let (address, client, mut left) = (self.address, self.client_id.clone(), each);
                let next: Next = Box::new(move |answer| {
                    if let Some(answer) = answer {
                        token = member(&answer.body, "refresh_token").ok()?;
                    }
                    left = left.checked_sub(1)?;
                    let form = format!(
                        "grant_type=refresh_token&client_id={client}&refresh_token={token}"
                    );
                    Some(post(address, "/token", FORM, &form))
                });
                next
            })
            .collect();
        Ok(Load::new(self.address, sources))
    }
}

fn member(body: &[u8], name: &str) -> Fallible<String> {
    let value: serde_json::Value = serde_json::from_slice(body)?;
    Ok(value[name]
        .as_str()
        .ok_or_else(|| format!("no {name} in {value}"))?
        .to_owned())
}
