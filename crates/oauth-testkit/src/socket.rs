//! A client and a person with a browser, on a real socket: what a server as a whole is tested with.
//!
//! ```no_run
//! use oauth_testkit::socket::{get, sign_in};
//!
//! let server = "127.0.0.1:3000".parse().unwrap();
//! let tokens = sign_in(server, ("alice", "wonderland"), "mcp:tools");
//! let bearer = format!("Authorization: Bearer {}\r\n", tokens.member("access_token"));
//! assert_eq!(get(server, "/mcp", &bearer).unwrap().status, 200);
//! ```

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::canary;
use crate::flows::{challenge, parameter};
use crate::parity::asking::{FORM, encode};

/// An answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// The status line and the headers.
    pub head: String,
    /// The body, as it came: chunks are not joined.
    pub body: String,
}

impl Answer {
    /// What the server handed out must not be in any log.
    fn remember(&self) {
        for (_, value) in self.cookies() {
            canary::secret(&value);
        }
        if let Some(code) = parameter(&self.header("location"), "code") {
            canary::secret(&code);
        }
        self.transaction().map(canary::secret);
        if self.header("content-type").starts_with("application/json") {
            for member in ["access_token", "refresh_token", "client_secret"] {
                canary::secret(&self.member(member));
            }
        }
    }

    /// A member of a JSON body, if it is text; empty otherwise.
    ///
    /// # Panics
    /// When the body is not JSON.
    pub fn member(&self, name: &str) -> String {
        let value: serde_json::Value = serde_json::from_str(&self.body).expect("JSON");
        value[name].as_str().unwrap_or_default().to_owned()
    }

    /// A header's first value; empty without one.
    pub fn header(&self, name: &str) -> String {
        self.headers(name).next().unwrap_or_default().to_owned()
    }

    fn headers(&self, name: &str) -> impl Iterator<Item = &str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(':'));
        let found = lines.filter(move |(held, _)| held.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.trim())
    }

    /// The sealed request that a page's form carries.
    fn transaction(&self) -> Option<&str> {
        let (_, rest) = self.body.split_once("name=\"transaction\" value=\"")?;
        rest.split('"').next()
    }

    /// The cookies that it sets, by name; one that is taken away has an empty value.
    pub fn cookies(&self) -> Vec<(String, String)> {
        let pairs = self.headers("set-cookie").filter_map(|cookie| {
            let (name, value) = cookie.split(';').next()?.split_once('=')?;
            Some((name.to_owned(), value.to_owned()))
        });
        pairs.collect()
    }
}

/// One request, character for character, on a connection of its own. Values that an answer hands
/// out as secrets are remembered by [`canary`].
///
/// # Errors
/// When the connection breaks, or what comes is no whole answer.
pub fn send(address: SocketAddr, request: &str) -> io::Result<Answer> {
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(5))?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    stream.write_all(request.as_bytes())?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    let broken = || io::Error::from(io::ErrorKind::UnexpectedEof);
    let (head, body) = text.split_once("\r\n\r\n").ok_or_else(broken)?;
    let status = head
        .get(9..12)
        .and_then(|code| code.parse().ok())
        .ok_or_else(broken)?;
    let answer = Answer {
        status,
        head: head.to_owned(),
        body: body.to_owned(),
    };
    let length: usize = answer.header("content-length").parse().unwrap_or(0);
    if answer.body.len() < length {
        return Err(broken());
    }
    answer.remember();
    Ok(answer)
}

/// `GET` with headers, each with its end of line.
///
/// # Errors
/// As [`send`].
pub fn get(address: SocketAddr, path: &str, headers: &str) -> io::Result<Answer> {
    send(
        address,
        &format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{headers}\r\n"),
    )
}

/// `POST` of a form.
///
/// # Errors
/// As [`send`].
pub fn post(address: SocketAddr, path: &str, form: &[(&str, &str)]) -> io::Result<Answer> {
    post_with(address, path, "", form)
}

/// The same with headers, each with its end of line.
///
/// # Errors
/// As [`send`].
pub fn post_with(
    address: SocketAddr,
    path: &str,
    headers: &str,
    form: &[(&str, &str)],
) -> io::Result<Answer> {
    let headers = format!("Content-Type: {FORM}\r\n{headers}");
    post_raw(address, path, &headers, &encode(form))
}

fn post_raw(address: SocketAddr, path: &str, headers: &str, body: &str) -> io::Result<Answer> {
    let length = body.len();
    send(
        address,
        &format!(
            "POST {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{headers}\
             Content-Length: {length}\r\n\r\n{body}"
        ),
    )
}

/// `POST` of JSON.
///
/// # Errors
/// As [`send`].
pub fn post_json(address: SocketAddr, path: &str, body: &str) -> io::Result<Answer> {
    post_json_with(address, path, "", body)
}

/// The same with headers, each with its end of line.
///
/// # Errors
/// As [`send`].
pub fn post_json_with(
    address: SocketAddr,
    path: &str,
    headers: &str,
    body: &str,
) -> io::Result<Answer> {
    let headers = format!("Content-Type: application/json\r\n{headers}");
    post_raw(address, path, &headers, body)
}

/// Goes the whole way: registers a client, opens its request for `scope` in a new browser, signs
/// the person in on the built-in pages, allows all that is asked, and redeems the code. Gives the
/// token endpoint's answer, whatever it is. The server's issuer is its own address.
///
/// # Panics
/// When the way ends before the token endpoint.
pub fn sign_in(server: SocketAddr, (name, password): (&str, &str), scope: &str) -> Answer {
    const VERIFIER: &str = "socket-verifier-socket-verifier-socket-veri";
    canary::secret(password);
    let metadata = serde_json::json!({
        "redirect_uris": ["http://127.0.0.1/callback"], "client_name": "Example app",
        "token_endpoint_auth_method": "none",
        "grant_types": ["authorization_code", "refresh_token"],
    });
    let registered = post_json(server, "/register", &metadata.to_string());
    let client = registered.expect("an answer").member("client_id");
    let query = encode(&[
        ("response_type", "code"),
        ("client_id", &client),
        ("code_challenge", &challenge(VERIFIER)),
        ("code_challenge_method", "S256"),
        ("scope", scope),
    ]);
    let mut page = get(server, &format!("/authorize?{query}"), "").expect("an answer");
    let mut cookies: BTreeMap<String, String> = page.cookies().into_iter().collect();
    let mut submit = |page: &Answer, fields: &[(&str, &str)]| {
        let Some(transaction) = page.transaction() else {
            panic!("a page with a form, not {page:?}");
        };
        let pairs: Vec<String> = cookies
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let cookie = format!("Cookie: {}\r\n", pairs.join("; "));
        let form = [&[("transaction", transaction)], fields].concat();
        let answer = post_with(server, "/authorize/interact", &cookie, &form).expect("an answer");
        cookies.extend(answer.cookies());
        answer
    };
    page = submit(&page, &[("username", name), ("password", password)]);
    let mut decision: Vec<(&str, &str)> = scope.split(' ').map(|token| ("scope", token)).collect();
    decision.push(("decision", "approve"));
    let back = submit(&page, &decision);
    let Some(code) = parameter(&back.header("location"), "code") else {
        panic!("no code: {back:?}");
    };
    let form = [
        ("grant_type", "authorization_code"),
        ("client_id", &*client),
        ("code", &*code),
        ("code_verifier", VERIFIER),
    ];
    post(server, "/token", &form).expect("an answer")
}
