//! Identity providers as a resource server meets them: what their discovery documents, access tokens
//! and ID tokens look like, with keys of our own.
//!
//! The shapes are those that the providers document (`docs/guides/identity-providers.md` names where);
//! names, numbers and keys are made up. All of them issue tokens for `alice`, held by the client
//! [`CLIENT`].
//!
//! ```
//! use oauth_testkit::providers::Provider;
//!
//! let okta = Provider::okta();
//! okta.elsewhere(403);
//! let token = okta.access_token(1_800_000_000, &serde_json::json!({ "aud": "api://mine" }));
//! ```

use serde_json::{Value, json};

use crate::documents::Documents;
use crate::signer::Signer;

/// The client that holds every token.
pub const CLIENT: &str = "0oa1client";
/// A directory at Microsoft.
const TENANT: &str = "6b2f1c0e-0d1f-4d0c-8d7e-2f3a4b5c6d7e";

/// A provider, with its web and its key.
#[derive(Debug)]
pub struct Provider {
    /// Its name, for people.
    pub name: &'static str,
    /// What it calls itself.
    pub issuer: String,
    web: Documents,
    signer: Signer,
    /// The `typ` of its access tokens' headers, if they have one.
    typ: Option<&'static str>,
    /// The `typ` of its ID tokens' headers.
    id_typ: Option<&'static str>,
    access: Value,
    id: Value,
}

impl Provider {
    /// Microsoft Entra ID, with tokens of the version that newer registrations have: no list of PKCE
    /// methods, an audience that is the API's identifier, `azp`, `scp` as a text.
    pub fn entra_v2() -> Self {
        let issuer = format!("https://login.microsoftonline.com/{TENANT}/v2.0");
        let at = format!("https://login.microsoftonline.com/{TENANT}");
        let document = json!({
            "issuer": issuer,
            "authorization_endpoint": format!("{at}/oauth2/v2.0/authorize"),
            "token_endpoint": format!("{at}/oauth2/v2.0/token"),
            "jwks_uri": format!("{at}/discovery/v2.0/keys"),
            "response_types_supported": ["code", "id_token", "code id_token"],
            "subject_types_supported": ["pairwise"],
            "id_token_signing_alg_values_supported": ["RS256"],
        });
        let access = json!({
            "aud": "7c1f0a52-aaaa-4bbb-8ccc-000000000001", "azp": CLIENT, "azpacr": "0",
            "scp": "mcp.tools", "ver": "2.0", "tid": TENANT, "oid": "alice-in-directory",
            "uti": "u1", "rh": "0.A",
        });
        let id = json!({ "ver": "2.0", "tid": TENANT, "preferred_username": "alice@example" });
        Self::new("Microsoft Entra ID, v2.0", issuer, document)
            .typed(Some("JWT"), Some("JWT"))
            .saying(access, id)
    }

    /// The same with tokens of the older version, which an API gets that did not ask for the newer: an
    /// issuer on another host than its discovery document, `appid`, an audience that may be an
    /// `api://` name.
    pub fn entra_v1() -> Self {
        let issuer = format!("https://sts.windows.net/{TENANT}/");
        let at = format!("https://login.microsoftonline.com/{TENANT}");
        let document = json!({
            "issuer": issuer,
            "authorization_endpoint": format!("{at}/oauth2/authorize"),
            "token_endpoint": format!("{at}/oauth2/token"),
            "jwks_uri": format!("{at}/discovery/keys"),
            "response_types_supported": ["code", "id_token"],
        });
        let access = json!({
            "aud": "api://7c1f0a52-aaaa-4bbb-8ccc-000000000001", "appid": CLIENT,
            "appidacr": "0", "scp": "mcp.tools", "ver": "1.0", "tid": TENANT,
            "amr": ["pwd"], "acr": "1", "unique_name": "alice@example",
        });
        let id = json!({ "ver": "1.0", "tid": TENANT, "unique_name": "alice@example" });
        let provider = Self::new("Microsoft Entra ID, v1.0", issuer, document.clone());
        // The document is at the other host alone.
        let named = format!("{}.well-known/openid-configuration", provider.issuer);
        provider.web.remove(&named);
        let there = format!("{at}/.well-known/openid-configuration");
        provider.web.put(&there, document.to_string(), None);
        provider.typed(Some("JWT"), Some("JWT")).saying(access, id)
    }

    /// Amazon Cognito: no `typ`, no audience but the client, `token_use`, no list of PKCE methods.
    pub fn cognito() -> Self {
        let issuer = "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_Example".to_owned();
        let at = "https://example.auth.eu-west-1.amazoncognito.com";
        let document = json!({
            "issuer": issuer,
            "authorization_endpoint": format!("{at}/oauth2/authorize"),
            "token_endpoint": format!("{at}/oauth2/token"),
            "jwks_uri": format!("{issuer}/.well-known/jwks.json"),
            "response_types_supported": ["code", "token"],
            "id_token_signing_alg_values_supported": ["RS256"],
        });
        let access = json!({
            "client_id": CLIENT, "token_use": "access", "scope": "https://mcp.example/mcp/tools",
            "username": "alice", "origin_jti": "o1", "event_id": "e1", "version": 2,
            "auth_time": 1_799_999_000,
        });
        let id = json!({ "token_use": "id", "cognito:username": "alice", "at_hash": "x" });
        Self::new("Amazon Cognito", issuer, document)
            .typed(None, None)
            .saying(access, id)
    }

    /// Okta, a custom authorization server: no `typ`, `cid`, `scp` as an array, an audience of
    /// `api://default` unless somebody changed it.
    pub fn okta() -> Self {
        let issuer = "https://example.okta.com/oauth2/default".to_owned();
        let document = json!({
            "issuer": issuer,
            "authorization_endpoint": format!("{issuer}/v1/authorize"),
            "token_endpoint": format!("{issuer}/v1/token"),
            "jwks_uri": format!("{issuer}/v1/keys"),
            "introspection_endpoint": format!("{issuer}/v1/introspect"),
            "response_types_supported": ["code", "token"],
            "code_challenge_methods_supported": ["S256"],
        });
        let access = json!({
            "ver": 1, "jti": "AT.1", "aud": "api://default", "cid": CLIENT, "uid": "00u1alice",
            "scp": ["openid", "mcp:tools"], "auth_time": 1_799_999_000,
        });
        let id = json!({ "ver": 1, "amr": ["pwd"], "idp": "00o1", "at_hash": "x" });
        Self::new("Okta", issuer, document)
            .typed(None, None)
            .saying(access, id)
    }

    /// Auth0, with its own token profile: an issuer that ends in a slash, `JWT`, `azp`, its own
    /// endpoint about people among the audiences.
    pub fn auth0() -> Self {
        let issuer = "https://example.eu.auth0.com/".to_owned();
        let document = json!({
            "issuer": issuer,
            "authorization_endpoint": format!("{issuer}authorize"),
            "token_endpoint": format!("{issuer}oauth/token"),
            "jwks_uri": format!("{issuer}.well-known/jwks.json"),
            "registration_endpoint": format!("{issuer}oidc/register"),
            "response_types_supported": ["code", "token"],
            "code_challenge_methods_supported": ["S256", "plain"],
        });
        let access = json!({
            "aud": ["https://mcp.example/mcp", format!("{issuer}userinfo")], "azp": CLIENT,
            "scope": "openid mcp:tools", "permissions": ["mcp:write"],
        });
        let id = json!({ "sid": "s1", "name": "Alice" });
        Self::new("Auth0", issuer, document)
            .typed(Some("JWT"), Some("JWT"))
            .saying(access, id)
    }

    /// Keycloak: `JWT` in the header and the kind in the claim `typ`, `azp`, an audience that a mapper
    /// adds.
    pub fn keycloak() -> Self {
        let issuer = "https://sso.example/realms/main".to_owned();
        let at = format!("{issuer}/protocol/openid-connect");
        let document = json!({
            "issuer": issuer,
            "authorization_endpoint": format!("{at}/auth"),
            "token_endpoint": format!("{at}/token"),
            "jwks_uri": format!("{at}/certs"),
            "introspection_endpoint": format!("{at}/token/introspect"),
            "registration_endpoint": format!("{issuer}/clients-registrations/openid-connect"),
            "response_types_supported": ["code", "none"],
            "code_challenge_methods_supported": ["plain", "S256"],
        });
        let access = json!({
            "typ": "Bearer", "azp": CLIENT, "aud": ["https://mcp.example/mcp", "account"],
            "scope": "mcp:tools email", "acr": "1", "sid": "s1",
            "realm_access": { "roles": ["offline_access"] },
        });
        let id = json!({ "typ": "ID", "sid": "s1", "acr": "1", "scope": "mcp:tools" });
        Self::new("Keycloak", issuer, document)
            .typed(Some("JWT"), Some("JWT"))
            .saying(access, id)
    }

    /// Google: an opaque access token, for Google's own APIs, and nobody to introspect it.
    pub fn google() -> Self {
        let issuer = "https://accounts.google.com".to_owned();
        let document = json!({
            "issuer": issuer,
            "authorization_endpoint": "https://accounts.google.com/o/oauth2/v2/auth",
            "token_endpoint": "https://oauth2.googleapis.com/token",
            "jwks_uri": "https://www.googleapis.com/oauth2/v3/certs",
            "response_types_supported": ["code", "token"],
            "code_challenge_methods_supported": ["plain", "S256"],
        });
        let id = json!({ "azp": CLIENT, "at_hash": "x", "hd": "example" });
        Self::new("Google", issuer, document)
            .typed(Some("JWT"), Some("JWT"))
            .saying(Value::Null, id)
    }

    /// Logto: `at+jwt` for a resource that was asked for, and an issuer with a path.
    pub fn logto() -> Self {
        let issuer = "https://example.logto.app/oidc".to_owned();
        let document = json!({
            "issuer": issuer,
            "authorization_endpoint": format!("{issuer}/auth"),
            "token_endpoint": format!("{issuer}/token"),
            "jwks_uri": format!("{issuer}/jwks"),
            "introspection_endpoint": format!("{issuer}/token/introspection"),
            "response_types_supported": ["code"],
            "code_challenge_methods_supported": ["S256"],
        });
        let access = json!({
            "aud": "https://mcp.example/mcp", "client_id": CLIENT, "scope": "mcp:tools", "jti": "1",
        });
        let id = json!({ "at_hash": "x", "name": "Alice" });
        Self::new("Logto", issuer, document)
            .typed(Some("at+jwt"), None)
            .saying(access, id)
    }

    /// All of them.
    pub fn all() -> Vec<Self> {
        vec![
            Self::entra_v2(),
            Self::entra_v1(),
            Self::cognito(),
            Self::okta(),
            Self::auth0(),
            Self::keycloak(),
            Self::google(),
            Self::logto(),
        ]
    }

    fn new(name: &'static str, issuer: String, document: Value) -> Self {
        let (web, signer) = (Documents::default(), Signer::new("RS256", "k1"));
        let at = format!(
            "{}/.well-known/openid-configuration",
            issuer.trim_end_matches('/')
        );
        web.put(&at, document.to_string(), None);
        let keys = document["jwks_uri"].as_str().unwrap_or_default();
        let mut key = signer.jwk();
        key["use"] = json!("sig");
        web.put(keys, json!({ "keys": [key] }).to_string(), None);
        web.otherwise(404);
        Self {
            name,
            issuer,
            web,
            signer,
            typ: None,
            id_typ: None,
            access: Value::Null,
            id: Value::Null,
        }
    }

    fn typed(mut self, typ: Option<&'static str>, id_typ: Option<&'static str>) -> Self {
        (self.typ, self.id_typ) = (typ, id_typ);
        self
    }

    fn saying(mut self, access: Value, id: Value) -> Self {
        (self.access, self.id) = (access, id);
        self
    }

    /// Its web. Clones are the same.
    pub fn web(&self) -> Documents {
        self.web.clone()
    }

    /// Answers so at every address that it does not have: providers differ in that.
    pub fn elsewhere(&self, status: u16) {
        self.web.otherwise(status);
    }

    /// An access token from a moment ago, good for an hour, with some claims changed; null takes one
    /// away. Where they are opaque, that is what it is.
    pub fn access_token(&self, now: u64, changes: &Value) -> String {
        if self.access.is_null() {
            return "ya29.a0AfB_byC-opaque-and-nobodys-but-theirs".to_owned();
        }
        self.token(self.typ, &self.access, now, changes)
    }

    /// The ID token that came with it, for the client, with all that the provider puts there.
    pub fn id_token(&self, now: u64) -> String {
        let changes = json!({ "aud": CLIENT, "nonce": "n1" });
        self.token(self.id_typ, &self.id, now, &changes)
    }

    fn token(&self, typ: Option<&str>, own: &Value, now: u64, changes: &Value) -> String {
        let mut claims = json!({
            "iss": self.issuer, "sub": "alice", "iat": now - 10, "exp": now + 3590,
        });
        for more in [own, changes] {
            for (name, value) in more.as_object().into_iter().flatten() {
                claims[name] = value.clone();
            }
        }
        if let Some(members) = claims.as_object_mut() {
            members.retain(|_, value| !value.is_null());
        }
        let mut header = json!({ "alg": self.signer.alg, "kid": self.signer.kid });
        if let Some(typ) = typ {
            header["typ"] = json!(typ);
        }
        self.signer
            .sign_text(&header.to_string(), &claims.to_string())
    }
}
