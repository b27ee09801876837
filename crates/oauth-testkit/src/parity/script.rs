//! The conversation.

use super::asking::{FORM, encode, form, request};
use super::{Answer, Request, Transcript};
use crate::flows::{challenge, parameter};

const VERIFIER: &str = "parity-verifier-parity-verifier-parity-veri";
const METHODS: [&str; 8] = [
    "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "QUERY",
];

/// Holds the whole conversation. `send` answers one request, in order.
///
/// # Panics
/// When the server under test is not the one that [`super`] describes, so that no token is had.
pub fn transcript(send: impl FnMut(&Request) -> Answer) -> Transcript {
    let mut script = Script {
        send,
        said: Transcript::default(),
    };
    script.documents();
    script.every_method_everywhere();
    script.registrations();
    script.malformed_token_requests();
    let tokens = script.sign_in();
    script.guarded_routes(&tokens);
    script.hosts_and_origins(&tokens);
    script.operations(&tokens);
    script.introspection_and_revocation(&tokens);
    script.said
}

/// Sends, and remembers. The pages of the server under test show the sealed request as the text of
/// the first `<i>`, sign `alice` in with the password `wonderland`, and take `decision=approve`.
pub struct Script<F> {
    send: F,
    said: Transcript,
}

impl<F> std::fmt::Debug for Script<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Script").finish_non_exhaustive()
    }
}

/// What a sign-in gave.
pub(super) struct Tokens {
    client: String,
    pub(super) access: String,
    refresh: String,
}

fn member(answer: &Answer, name: &str) -> String {
    let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    body[name].as_str().unwrap_or_default().to_owned()
}

impl<F: FnMut(&Request) -> Answer> Script<F> {
    pub(super) fn say(&mut self, request: Request) -> Answer {
        let answer = (self.send)(&request);
        self.said.0.push((request, answer.clone()));
        answer
    }

    fn documents(&mut self) {
        for path in [
            "/.well-known/oauth-authorization-server",
            "/.well-known/openid-configuration",
            "/.well-known/oauth-protected-resource",
            "/.well-known/oauth-protected-resource/mcp",
            "/jwks",
        ] {
            let plain = self.say(request("a document", "GET", path));
            let etag = plain.header("etag").unwrap_or_default().to_owned();
            self.say(request("a document known", "GET", path).with("If-None-Match", &etag));
            let weak = format!("\"other\", W/{etag}");
            self.say(request("one of several tags", "GET", path).with("If-None-Match", weak));
            self.say(request("another tag", "GET", path).with("If-None-Match", "\"other\""));
            let head = request("a document's head", "HEAD", path);
            self.say(head.with("Origin", "https://app.example"));
            self.say(request("a bare question mark", "GET", &format!("{path}?")));
            self.say(request("a query", "GET", &format!("{path}?a=1&a=%2F")));
            self.say(
                request("a preflight", "OPTIONS", path)
                    .with("Origin", "https://app.example")
                    .with("Access-Control-Request-Method", "GET")
                    .with("Access-Control-Request-Headers", "mcp-protocol-version"),
            );
        }
    }

    fn every_method_everywhere(&mut self) {
        for path in [
            "/token",
            "/authorize",
            "/authorize/interact",
            "/register",
            "/register/c_nobody",
            "/register/a%2Fb",
            "/revoke",
            "/introspect",
            "/jwks",
            "/.well-known/oauth-authorization-server",
            "/.well-known/oauth-protected-resource/mcp",
            "/mcp",
            "/mcp/anybody",
        ] {
            for method in METHODS {
                self.say(request("nothing but a method", method, path));
            }
        }
    }

    fn registrations(&mut self) {
        let register = |about: &str, body: &str| {
            let request = request(about, "POST", "/register");
            request
                .with("Content-Type", "application/json")
                .holding(body)
        };
        let sound = r#"{"redirect_uris":["http://127.0.0.1/callback"],"client_name":"Parity","token_endpoint_auth_method":"none"}"#;
        self.say(register("a registration", sound));
        self.say(register("in chunks", sound).with("Accept", "*/*"));
        let mut chunked = register("in chunks, without a length", sound);
        chunked.chunked = true;
        self.say(chunked);
        self.say(register("not JSON", "{"));
        self.say(register("no object", "[]"));
        self.say(register("nothing", ""));
        self.say(register("no address", "{}"));
        self.say(register(
            "a cleartext address",
            r#"{"redirect_uris":["http://example.com/"]}"#,
        ));
        self.say(register(
            "too large",
            &format!("{{\"x\":\"{}\"}}", "y".repeat(70_000)),
        ));
        self.say(
            request("as a form", "POST", "/register")
                .with("Content-Type", FORM)
                .holding("a=b"),
        );
        self.say(request("without a type", "POST", "/register").holding(sound));
        self.say(
            register("with a token nobody asked for", sound).with("Authorization", "Bearer x"),
        );
    }

    fn malformed_token_requests(&mut self) {
        let sound = "grant_type=refresh_token&client_id=x&refresh_token=y";
        for (about, body) in [
            ("empty", ""),
            ("no grant type", "client_id=x"),
            ("an unknown grant type", "grant_type=password&client_id=x"),
            (
                "a parameter twice",
                "grant_type=refresh_token&grant_type=refresh_token&client_id=x",
            ),
            ("a broken escape", "grant_type=%zz"),
            ("no UTF-8", "grant_type=%ff"),
            ("an empty value", "grant_type=&client_id=x"),
            ("spaces", "grant_type=refresh+token&client_id=x"),
            ("only separators", "&&&"),
            ("an unknown client", sound),
        ] {
            self.say(form(about, "/token", body));
        }
        for content_type in [
            "application/x-www-form-urlencoded; charset=UTF-8",
            "application/x-www-form-urlencoded;charset=\"utf-8\"",
            "application/x-www-form-urlencoded; charset=latin1",
            "APPLICATION/X-WWW-FORM-URLENCODED",
            "application/json",
            "text/plain",
            "",
            "multipart/form-data; boundary=x",
        ] {
            let post = request("a content type", "POST", "/token");
            self.say(post.with("Content-Type", content_type).holding(sound));
        }
        self.say(
            request("two content types", "POST", "/token")
                .with("Content-Type", FORM)
                .with("Content-Type", "application/json")
                .holding(sound),
        );
        self.say(request("no content type", "POST", "/token").holding(sound));
        self.say(form(
            "parameters in the query",
            "/token?grant_type=refresh_token",
            "client_id=x",
        ));
        self.say(form("a bare question mark", "/token?", sound));
        self.say(form(
            "a long address",
            &format!("/token?{}", "x".repeat(17_000)),
            sound,
        ));
        self.say(form("a large body", "/token", "a".repeat(65_537)));
        self.say(form(
            "a body as large as may be",
            "/token",
            "a".repeat(65_536),
        ));
        let mut chunked = form("a large body in chunks", "/token", "a".repeat(70_000));
        chunked.chunked = true;
        self.say(chunked);
        let mut chunked = form("a form in chunks", "/token", sound);
        chunked.chunked = true;
        self.say(chunked);
        for authorization in [
            &b"Basic eDp5"[..],
            b"basic eDp5",
            b"Basic !!!",
            b"Basic",
            b"Basic eA==",
            b"Bearer token",
            b"Basic \xff\xfe",
        ] {
            self.say(
                form("an Authorization header", "/token", sound)
                    .with("Authorization", authorization),
            );
        }
        self.say(
            form("two Authorization headers", "/token", sound)
                .with("Authorization", "Basic eDp5")
                .with("Authorization", "Basic eDp5"),
        );
        for origin in ["https://app.example", "null", "\u{fc}"] {
            self.say(form("an origin", "/token", sound).with("Origin", origin));
        }
        for path in [
            "/token",
            "/register",
            "/revoke",
            "/introspect",
            "/authorize",
        ] {
            self.say(
                request("a preflight", "OPTIONS", path)
                    .with("Origin", "https://app.example")
                    .with("Access-Control-Request-Method", "POST")
                    .with(
                        "Access-Control-Request-Headers",
                        "authorization, content-type",
                    ),
            );
        }
    }

    fn sign_in(&mut self) -> Tokens {
        let body = r#"{"redirect_uris":["http://127.0.0.1/callback?keep=1"],"client_name":"Parity \u00e9","token_endpoint_auth_method":"none","grant_types":["authorization_code","refresh_token"]}"#;
        let registration = request("a client", "POST", "/register");
        let registered = self.say(
            registration
                .with("Content-Type", "application/json")
                .holding(body),
        );
        let client = member(&registered, "client_id");
        let challenge = challenge(VERIFIER);
        let sound = [
            ("response_type", "code"),
            ("client_id", &*client),
            ("redirect_uri", "http://127.0.0.1:49152/callback?keep=1"),
            ("code_challenge", &*challenge),
            ("code_challenge_method", "S256"),
            ("state", "a b&c=\u{e9}"),
            ("scope", "mcp:tools"),
            ("resource", "https://mcp.example/mcp"),
        ];
        for left_out in [
            "response_type",
            "client_id",
            "redirect_uri",
            "code_challenge",
            "code_challenge_method",
            "state",
            "scope",
        ] {
            let rest: Vec<(&str, &str)> = sound
                .iter()
                .copied()
                .filter(|(name, _)| *name != left_out)
                .collect();
            let target = format!("/authorize?{}", encode(&rest));
            self.say(request(&format!("no {left_out}"), "GET", &target));
        }
        let query = encode(&sound);
        for (about, more) in [
            ("a parameter twice", "&state=x"),
            ("a foreign resource", "&resource=https%3A%2F%2Fevil.example"),
            ("asked silently", "&prompt=none"),
            ("a request object", "&request=x"),
            ("a broken escape", "&x=%zz"),
        ] {
            self.say(request(about, "GET", &format!("/authorize?{query}{more}")));
        }
        self.say(request(
            "only the head",
            "HEAD",
            &format!("/authorize?{query}"),
        ));
        self.say(form("as a form", "/authorize", query.clone()));
        let page = self.say(request(
            "the sign-in page",
            "GET",
            &format!("/authorize?{query}"),
        ));
        let cookies = cookies(&page);
        let interact = |about: &str, cookies: &str, pairs: &[(&str, &str)]| {
            form(about, "/authorize/interact", encode(pairs))
                .with("Cookie", cookies)
                .with("Sec-Fetch-Site", "same-origin")
        };
        let handle = handle(&page);
        let login = [
            ("transaction", &*handle),
            ("username", "alice"),
            ("password", "wonderland"),
        ];
        self.say(interact("another browser", "", &login));
        self.say(
            form("another site", "/authorize/interact", encode(&login))
                .with("Cookie", &cookies)
                .with("Sec-Fetch-Site", "cross-site"),
        );
        self.say(interact("nothing in the form", &cookies, &[]));
        let consent = self.say(interact("a sign-in", &cookies, &login));
        let cookies = format!("{cookies}; {}", self::cookies(&consent));
        let handle = self::handle(&consent);
        let yes = [("transaction", &*handle), ("decision", "approve")];
        let answered = self.say(interact("a yes", &cookies, &yes));
        self.say(interact("the same yes again", &cookies, &yes));
        let two = request("cookies in two headers", "POST", "/authorize/interact")
            .with("Content-Type", FORM)
            .with("Cookie", "other=1")
            .with("Cookie", &cookies)
            .holding(encode(&yes));
        self.say(two);
        let location = answered.header("location").unwrap_or_default();
        let code = parameter(location, "code").expect("the sign-in gives a code");
        let redeem = |verifier: &str| {
            encode(&[
                ("grant_type", "authorization_code"),
                ("client_id", &client),
                ("code", &code),
                ("redirect_uri", "http://127.0.0.1:49152/callback?keep=1"),
                ("code_verifier", verifier),
            ])
        };
        self.say(form("a wrong verifier", "/token", redeem(&"w".repeat(43))));
        let first = self.say(form("a code", "/token", redeem(VERIFIER)));
        let refresh = |token: &str| {
            encode(&[
                ("grant_type", "refresh_token"),
                ("client_id", &client),
                ("refresh_token", token),
            ])
        };
        let token = member(&first, "refresh_token");
        let second = self.say(form("a refresh", "/token", refresh(&token)));
        self.say(form("the same refresh again", "/token", refresh(&token)));
        let tokens = Tokens {
            access: member(&second, "access_token"),
            refresh: member(&second, "refresh_token"),
            client,
        };
        assert!(
            !tokens.access.is_empty() && !tokens.refresh.is_empty(),
            "no tokens were given"
        );
        tokens
    }

    fn introspection_and_revocation(&mut self, tokens: &Tokens) {
        let about = |token: &str| encode(&[("token", token), ("client_id", &tokens.client)]);
        self.say(form(
            "asked by a public client",
            "/introspect",
            about(&tokens.access),
        ));
        self.say(form(
            "no token named",
            "/revoke",
            encode(&[("client_id", &tokens.client)]),
        ));
        self.say(form("a token nobody gave", "/revoke", about("x")));
        self.say(form("an access token", "/revoke", about(&tokens.access)));
        self.say(form("a refresh token", "/revoke", about(&tokens.refresh)));
        let bearer = format!("Bearer {}", tokens.access);
        self.say(request("a revoked token", "GET", "/mcp").with("Authorization", bearer));
        let refresh = [
            ("grant_type", "refresh_token"),
            ("client_id", &*tokens.client),
            ("refresh_token", &*tokens.refresh),
        ];
        self.say(form("a revoked refresh token", "/token", encode(&refresh)));
    }
}

fn cookies(answer: &Answer) -> String {
    let set = answer
        .headers
        .iter()
        .filter(|(name, _)| name == "set-cookie");
    let pairs: Vec<String> = set
        .map(|(_, line)| {
            let line = String::from_utf8_lossy(line);
            line.split(';').next().unwrap_or_default().to_owned()
        })
        .collect();
    pairs.join("; ")
}

fn handle(answer: &Answer) -> String {
    let page = answer.text();
    let (_, rest) = page.split_once("<i>").unwrap_or_default();
    rest.split("</i>").next().unwrap_or_default().to_owned()
}
