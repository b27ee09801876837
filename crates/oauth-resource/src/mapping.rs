//! What an issuer's words mean here. Issuers agree on little: this reads what a signed token says
//! and what the answer about an opaque one says, in whatever spelling.

use std::sync::Arc;

use oauth_jose::{Claims, InvalidClaims};
use oauth_types::{
    AccessClaims, Audience, AuthenticationContext, ClientId, Issuer, ResourceUri, Scope, Subject,
    Timestamp,
};
use serde_json::{Map, Value};

use crate::verify::TokenRefused;

/// Where the client's name may be: RFC 9068, OpenID Connect, Microsoft Entra, Okta.
const CLIENT: [&str; 4] = ["client_id", "azp", "appid", "cid"];
/// Where scopes may be; the first that is there counts.
const SCOPE: [&str; 2] = ["scope", "scp"];

/// How one issuer writes what an access token says.
///
/// Without any setting this understands `scope` and `scp`, each as a text or an array; `client_id`,
/// `azp`, `appid` and `cid`; and an audience of resource identifiers.
///
/// ```
/// use oauth_resource::ClaimMapping;
/// use oauth_types::ResourceUri;
///
/// let mcp = ResourceUri::parse("https://mcp.example/mcp")?;
/// let entra = ClaimMapping::default()
///     .audience("api://0c0a1b1e-7f0c-4f0c-9b60-1f1a3d0d8f4e", mcp)
///     .scopes_in("roles");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct ClaimMapping {
    audiences: Vec<(String, ResourceUri)>,
    clients: Vec<(ClientId, ResourceUri)>,
    scope_claims: Vec<String>,
    client_as_subject: bool,
}

impl ClaimMapping {
    /// A token whose audience names `text`, exactly, is for `resource`: for issuers whose audiences
    /// are an `api://` name or a client's identifier.
    #[must_use]
    pub fn audience(mut self, text: impl Into<String>, resource: ResourceUri) -> Self {
        self.audiences.push((text.into(), resource));
        self
    }

    /// A token that names no audience at all is for `resource` if this client holds it: for Amazon
    /// Cognito, whose access tokens say who their client is and no more, unless that client asked for
    /// a `resource`. Then a token that the client got for some other server of the same issuer is good
    /// here as well: the scopes alone tell them apart. Spec: RFC 9068 §4 asks for an audience.
    #[must_use]
    pub fn danger_client_as_audience(
        mut self,
        client: impl Into<String>,
        resource: ResourceUri,
    ) -> Self {
        self.clients.push((ClientId::new(client.into()), resource));
        self
    }

    /// What is in the claim `name`, a text or an array, are scopes as well: `permissions`, `roles`.
    #[must_use]
    pub fn scopes_in(mut self, name: impl Into<String>) -> Self {
        self.scope_claims.push(name.into());
        self
    }

    /// A token without a subject speaks for its client. Only for an issuer that leaves the subject
    /// out of no person's token: else all people who use one client would be one. Spec: RFC 9068
    /// §2.2.
    #[must_use]
    pub const fn client_as_subject(mut self) -> Self {
        self.client_as_subject = true;
        self
    }

    /// What claims mean that come from `issuer`; whoever calls this has verified that they do, and
    /// judged their times. `unless_said` is the end of a token that says nothing of it, for those
    /// who ask again before then. A scope that is not there is an empty one, and a word among the
    /// scopes that is no scope token counts for nothing.
    ///
    /// # Errors
    /// [`TokenRefused::Issuer`] when the claims name another, [`TokenRefused::Bound`] when they bind
    /// the token to a key, [`TokenRefused::Audience`] when no resource is among their audience,
    /// [`TokenRefused::Subject`], [`TokenRefused::Endless`], and [`TokenRefused::Malformed`] for a
    /// scope or client that is no text.
    pub fn read(
        &self,
        issuer: &Issuer,
        claims: Claims,
        unless_said: Option<Timestamp>,
    ) -> Result<AccessClaims, TokenRefused> {
        let named = claims.issuer();
        if named.is_some_and(|named| named != issuer.as_str()) {
            return Err(TokenRefused::Issuer);
        }
        // RFC 9449 §7.2: a bound token is nothing without the proof that belongs to it.
        if claims.all.get("cnf").is_some_and(|bound| !bound.is_null()) {
            return Err(TokenRefused::Bound);
        }
        let said = &claims.all;
        let client = client(said)?;
        let mut named = claims.audience().peekable();
        let for_nobody = named.peek().is_none();
        let audience = named.flat_map(|text| self.resources(text));
        let of_client = self.resources_of(client.as_ref().filter(|_| for_nobody));
        let audience = Audience::of(audience.chain(of_client)).ok_or(TokenRefused::Audience)?;
        let own_subject = claims.subject().filter(|text| !text.is_empty());
        let instead = client.as_ref().filter(|_| self.client_as_subject);
        let subject = own_subject
            .or(instead.map(ClientId::as_str))
            .ok_or(TokenRefused::Subject)?;
        let end = claims.expires_at.or(unless_said);
        let mut read = AccessClaims::new(
            issuer.clone(),
            Subject::new(subject),
            client,
            self.scope(said)?,
            audience,
            (claims.issued_at, end.ok_or(TokenRefused::Endless)?),
        );
        let seconds = said.get("auth_time").and_then(Value::as_u64);
        read.auth_time = seconds.map(Timestamp::from_unix);
        read.authentication = authentication(said).map(Arc::new);
        read.said = Some(Arc::new(claims.all));
        Ok(read)
    }

    /// Whether claims speak of scopes, were it to say that there are none.
    pub(crate) fn names_scope(&self, said: &Map<String, Value>) -> bool {
        let named = |name: &str| said.get(name).is_some_and(|value| !value.is_null());
        SCOPE.iter().any(|name| named(name)) || self.scope_claims.iter().any(|name| named(name))
    }

    fn resources<'a>(&'a self, text: &'a str) -> impl Iterator<Item = ResourceUri> {
        let aliases = self.audiences.iter().filter(move |(name, _)| name == text);
        let means = aliases.map(|(_, resource)| resource.clone());
        means.chain(ResourceUri::parse(text))
    }

    fn resources_of(&self, client: Option<&ClientId>) -> impl Iterator<Item = ResourceUri> {
        let held = self.clients.iter();
        let means = held.filter(move |(held, _)| client == Some(held));
        means.map(|(_, resource)| resource.clone())
    }

    fn scope(&self, said: &Map<String, Value>) -> Result<Scope, TokenRefused> {
        let first = SCOPE.iter().find_map(|name| said.get(*name));
        let others = self.scope_claims.iter().filter_map(|name| said.get(name));
        // What most issuers say: one text, as it is kept.
        if let Some(Value::String(text)) = first
            && self.scope_claims.is_empty()
            && let Ok(scope) = Scope::parse(text)
        {
            return Ok(scope);
        }
        let mut tokens: Vec<&str> = Vec::new();
        for value in first.into_iter().chain(others) {
            match value {
                Value::Null => {}
                Value::String(text) => tokens.extend(text.split(' ')),
                // A word of an array is one word: a space in it separates nothing.
                Value::Array(words) => {
                    for word in words {
                        tokens.push(word.as_str().ok_or(TokenRefused::Malformed)?);
                    }
                }
                _ => return Err(TokenRefused::Malformed),
            }
        }
        tokens.retain(|token| Scope::is_token(token));
        Ok(tokens.into_iter().collect())
    }
}

/// Claims whose members have not their types belong to a malformed token.
impl From<InvalidClaims> for TokenRefused {
    fn from(_: InvalidClaims) -> Self {
        Self::Malformed
    }
}

fn client(said: &Map<String, Value>) -> Result<Option<ClientId>, TokenRefused> {
    let named = CLIENT.iter().find_map(|name| said.get(*name));
    match named {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.is_empty() => Ok(None),
        Some(Value::String(text)) => Ok(Some(ClientId::new(text.as_str()))),
        Some(_) => Err(TokenRefused::Malformed),
    }
}

/// How the person signed in, where that can be said in words that are understood here.
fn authentication(said: &Map<String, Value>) -> Option<AuthenticationContext> {
    let acr = said.get("acr").and_then(Value::as_str);
    let methods = said.get("amr").and_then(Value::as_array);
    let amr = methods.into_iter().flatten().filter_map(Value::as_str);
    let context = AuthenticationContext::new(acr, amr).ok()?;
    (context != AuthenticationContext::default()).then_some(context)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn issuer() -> Issuer {
        Issuer::parse("https://auth.example").unwrap()
    }

    fn mcp() -> ResourceUri {
        ResourceUri::parse("https://mcp.example/mcp").unwrap()
    }

    /// Reads the claims of a sound token with some of them changed; null takes one away.
    fn read(mapping: &ClaimMapping, changes: &Value) -> Result<AccessClaims, TokenRefused> {
        let mut said = json!({
            "iss": "https://auth.example", "sub": "alice", "client_id": "app",
            "aud": "https://mcp.example/mcp", "exp": 2_000, "iat": 1_000,
        });
        for (name, value) in changes.as_object().unwrap() {
            said[name] = value.clone();
        }
        let Value::Object(mut said) = said else {
            unreachable!("an object")
        };
        said.retain(|_, value| !value.is_null());
        mapping.read(&issuer(), Claims::of(said)?, None)
    }

    fn scope(mapping: &ClaimMapping, changes: &Value) -> String {
        read(mapping, changes).unwrap().scope.to_string()
    }

    /// RS-TOK-5: scopes are found in whatever spelling, and a missing scope is an empty one.
    #[test]
    fn scopes_are_read_from_texts_and_arrays() {
        let plain = ClaimMapping::default();
        for (said, expected) in [
            (json!({}), ""),
            (json!({"scope": ""}), ""),
            (json!({"scope": "b a"}), "a b"),
            (json!({"scope": "a  b "}), "a b"),
            (json!({"scope": ["a", "b"]}), "a b"),
            (json!({"scp": "User.Read a"}), "User.Read a"),
            (json!({"scp": ["a", "b"]}), "a b"),
            (json!({"scope": "a", "scp": "b"}), "a"),
            (json!({"permissions": ["a"], "roles": ["b"]}), ""),
            // One word with a space is not two, and none of them.
            (json!({"scope": ["a b", "c", ""]}), "c"),
            (json!({"scope": "a \"b\""}), "a"),
        ] {
            assert_eq!(scope(&plain, &said), expected, "{said}");
        }
        for said in [
            json!({"scope": 1}),
            json!({"scope": {}}),
            json!({"scp": ["a", 1]}),
        ] {
            assert_eq!(read(&plain, &said).err(), Some(TokenRefused::Malformed));
        }
        let more = plain.scopes_in("permissions").scopes_in("roles");
        let said = json!({"scope": "a", "permissions": ["b"], "roles": "c"});
        assert_eq!(scope(&more, &said), "a b c");
    }

    /// RS-TOK-6, RS-TOK-7: an audience is a resource's identifier, or a name that the operator said
    /// means one; nothing else is taken for it.
    #[test]
    fn audiences_are_resources_or_names_that_mean_one() {
        let plain = ClaimMapping::default();
        let several = json!({"aud": ["https://mcp.example/mcp", "https://auth.example/userinfo"]});
        let claims = read(&plain, &several).unwrap();
        assert!(claims.audience.includes(&mcp()));
        assert_eq!(claims.audience.iter().count(), 2);
        for aud in [
            json!(null),
            json!([]),
            json!(""),
            json!("api://a"),
            json!(["app"]),
        ] {
            let refused = read(&plain, &json!({"aud": aud})).err();
            assert_eq!(refused, Some(TokenRefused::Audience), "{aud}");
        }
        let named = plain.audience("api://a", mcp());
        let claims = read(&named, &json!({"aud": ["x", "api://a"]})).unwrap();
        assert_eq!(claims.audience, mcp().into());
        for aud in ["api://a/", "API://a", "api://ab", "api://"] {
            let refused = read(&named, &json!({"aud": aud})).err();
            assert_eq!(refused, Some(TokenRefused::Audience), "{aud}");
        }
    }

    /// RS-TOK-6: a client stands for an audience only where there is none, and where somebody said so.
    #[test]
    fn a_client_is_an_audience_where_the_operator_says_so() {
        let mapping = ClaimMapping::default().danger_client_as_audience("app", mcp());
        let claims = read(&mapping, &json!({"aud": null})).unwrap();
        assert_eq!(claims.audience, mcp().into());
        for said in [
            json!({"aud": null, "client_id": "other"}),
            json!({"aud": null, "client_id": null}),
            json!({"aud": "api://a"}),
            json!({"aud": "app"}),
        ] {
            let refused = read(&mapping, &said).err();
            assert_eq!(refused, Some(TokenRefused::Audience), "{said}");
        }
        let elsewhere = json!({"aud": "https://other.example/mcp"});
        assert!(
            !read(&mapping, &elsewhere)
                .unwrap()
                .audience
                .includes(&mcp())
        );
    }

    /// RS-TOK-14: whom a token speaks for is never guessed.
    #[test]
    fn a_token_says_for_whom_it_speaks_and_who_holds_it() {
        let plain = ClaimMapping::default();
        for (said, client) in [
            (json!({}), Some("app")),
            (json!({"azp": "other"}), Some("app")),
            (json!({"client_id": null, "azp": "b"}), Some("b")),
            (json!({"client_id": null, "appid": "c"}), Some("c")),
            (json!({"client_id": null, "cid": "d"}), Some("d")),
            (json!({"client_id": null}), None),
            (json!({"client_id": ""}), None),
        ] {
            let claims = read(&plain, &said).unwrap();
            assert_eq!(claims.client_id.as_ref().map(ClientId::as_str), client);
            assert_eq!(claims.subject.as_str(), "alice");
        }
        let odd = read(&plain, &json!({"client_id": 7})).err();
        assert_eq!(odd, Some(TokenRefused::Malformed));
        for sub in [json!(null), json!("")] {
            let refused = read(&plain, &json!({"sub": sub})).err();
            assert_eq!(refused, Some(TokenRefused::Subject));
        }
        let machine = plain.client_as_subject();
        let claims = read(&machine, &json!({"sub": null})).unwrap();
        assert_eq!(claims.subject.as_str(), "app");
        let nobody = read(&machine, &json!({"sub": null, "client_id": null})).err();
        assert_eq!(nobody, Some(TokenRefused::Subject));
    }

    #[test]
    fn the_rest_is_read_where_it_is_there() {
        let plain = ClaimMapping::default();
        let said = json!({"auth_time": 900, "acr": "mfa", "amr": ["pwd", "otp"], "tid": "t"});
        let claims = read(&plain, &said).unwrap();
        assert_eq!(claims.auth_time, Some(Timestamp::from_unix(900)));
        let how = claims.authentication.as_ref().unwrap();
        assert_eq!((how.acr(), how.amr().len()), (Some("mfa"), 2));
        assert_eq!(claims.said.as_ref().unwrap()["tid"], "t");
        assert!(!format!("{claims:?}").contains("tid"));
        let less = read(
            &plain,
            &json!({"iat": null, "iss": null, "acr": "two words"}),
        )
        .unwrap();
        assert_eq!(less.issued_at, None);
        assert_eq!(less.authentication, None);
        let other = read(&plain, &json!({"iss": "https://auth.example/"})).err();
        assert_eq!(other, Some(TokenRefused::Issuer));
        let jkt = json!({"cnf": {"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}});
        assert_eq!(read(&plain, &jkt).err(), Some(TokenRefused::Bound));
        let endless = read(&plain, &json!({"exp": null})).err();
        assert_eq!(endless, Some(TokenRefused::Endless));
        let end = Timestamp::from_unix(5);
        let claims = Claims::of(Map::from_iter([
            ("sub".to_owned(), json!("a")),
            ("aud".to_owned(), json!("https://mcp.example/mcp")),
        ]));
        let said = plain.read(&issuer(), claims.unwrap(), Some(end)).unwrap();
        assert_eq!(said.expires_at, end);
    }

    fn said() -> impl Strategy<Value = Value> {
        let word = "[a-c :\"\\u{e4}]{0,6}";
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            word.prop_map(Value::from),
        ];
        leaf.prop_recursive(2, 8, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                proptest::collection::hash_map("[a-c]", inner, 0..3)
                    .prop_map(|members| members.into_iter().collect()),
            ]
        })
    }

    proptest! {
        /// RS-TOK-5: whatever an issuer says where scopes are, nobody gets a scope that is not there
        /// as a word, and what is said elsewhere gives none.
        #[test]
        fn no_claim_gives_a_scope_that_it_does_not_name(scope in said(), scp in said(), roles in said()) {
            let claims = json!({"scope": scope, "scp": scp, "roles": roles});
            let first = if scope.is_null() { &scp } else { &scope };
            if let Ok(read) = read(&ClaimMapping::default(), &claims) {
                let words: Vec<&str> = match first {
                    Value::String(text) => text.split(' ').collect(),
                    Value::Array(words) => words.iter().filter_map(Value::as_str).collect(),
                    _ => Vec::new(),
                };
                prop_assert!(read.scope.iter().all(|token| words.contains(&token)));
            }
        }
    }
}
