//! One protected resource: what it accepts, and what it answers when it does not.

use oauth_types::metadata::ProtectedResourceMetadata;
use oauth_types::{AccessClaims, Link, ResourceUri, Scope};

use crate::needs::{Hierarchy, Needs};
use crate::verify::{AccessTokenVerifier, TokenRefused, VerificationError, VerifierUnavailable};

/// A protected resource.
#[derive(Debug, Clone)]
pub struct ProtectedResource {
    uri: ResourceUri,
    authorization_servers: Vec<String>,
    required: Scope,
    name: Option<String>,
    hierarchy: Hierarchy,
    documentation: Option<Link>,
    policy: Option<Link>,
    terms: Option<Link>,
    /// The challenge for a request without a token, which is every client's first.
    bare_challenge: String,
}

/// Why a request is not let through.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// It brings no token.
    #[error("an access token is required")]
    NoToken,
    /// Its authorization is malformed.
    #[error("the Authorization header is malformed")]
    Malformed,
    /// Its token is unknown, expired, revoked, or for another resource. Why it is, is for the log.
    #[error("the access token is not valid here")]
    InvalidToken(TokenRefused),
    /// Its token does not carry what this operation needs.
    #[error("the access token does not carry the scope this needs")]
    InsufficientScope,
    /// The question could not be answered.
    #[error(transparent)]
    Unavailable(#[from] VerifierUnavailable),
}

impl From<VerificationError> for Refusal {
    fn from(error: VerificationError) -> Self {
        match error {
            VerificationError::Refused(why) => Self::InvalidToken(why),
            VerificationError::Unavailable(outage) => Self::Unavailable(outage),
        }
    }
}

impl ProtectedResource {
    /// A resource whose tokens come from `authorization_server` (an issuer, exactly as it calls
    /// itself) and need `required` for any request at all.
    pub fn new(uri: ResourceUri, authorization_server: impl Into<String>, required: Scope) -> Self {
        let mut resource = Self {
            uri,
            authorization_servers: vec![authorization_server.into()],
            required,
            name: None,
            hierarchy: Hierarchy::default(),
            documentation: None,
            policy: None,
            terms: None,
            bare_challenge: String::new(),
        };
        resource.bare_challenge = resource.render("", &resource.required);
        resource
    }

    /// Names it for people.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Tokens may come from this issuer as well. Clients try the issuers in the order in which
    /// they were named; the verifier has to know each of them.
    #[must_use]
    pub fn trusting(mut self, authorization_server: impl Into<String>) -> Self {
        self.authorization_servers.push(authorization_server.into());
        self
    }

    /// Says that holding `broader` amounts to holding `includes` as well, so that whoever has the
    /// broader scope is let through, and a challenge still names the narrower one.
    #[must_use]
    pub fn including(mut self, broader: impl Into<String>, includes: Scope) -> Self {
        self.hierarchy.add(broader.into(), includes);
        self
    }

    /// Everything that holding `scope` amounts to here.
    pub fn expand(&self, scope: &Scope) -> Scope {
        self.hierarchy.expand(scope)
    }

    /// Publishes where developers of clients read about it.
    #[must_use]
    pub fn documented_at(mut self, link: Link) -> Self {
        self.documentation = Some(link);
        self
    }

    /// Publishes what a client may do with its data.
    #[must_use]
    pub fn with_policy(mut self, link: Link) -> Self {
        self.policy = Some(link);
        self
    }

    /// Publishes its terms of service.
    #[must_use]
    pub fn with_terms(mut self, link: Link) -> Self {
        self.terms = Some(link);
        self
    }

    /// Its identifier.
    pub const fn uri(&self) -> &ResourceUri {
        &self.uri
    }

    /// The scope any request needs.
    pub const fn required(&self) -> &Scope {
        &self.required
    }

    /// Its metadata document. `scopes_supported` is what any request needs and no more, because
    /// clients without a better idea ask for all of it. Spec: RFC 9728 §2, MCP, Refresh Tokens.
    pub fn metadata(&self) -> ProtectedResourceMetadata {
        ProtectedResourceMetadata {
            resource: self.uri.as_str().to_owned(),
            authorization_servers: self.authorization_servers.clone(),
            scopes_supported: published(&self.required).map(str::to_owned).collect(),
            bearer_methods_supported: vec!["header"],
            resource_name: self.name.clone(),
            resource_documentation: self.documentation.clone(),
            resource_policy_uri: self.policy.clone(),
            resource_tos_uri: self.terms.clone(),
        }
    }

    /// Lets a token through: live, for this resource, and with at least `needed`.
    ///
    /// # Errors
    /// See [`Refusal`]. Spec: OAuth 2.1 §5.2, RFC 8707 §2.
    pub async fn admit(
        &self,
        verifier: &dyn AccessTokenVerifier,
        token: &str,
        needed: &Needs,
    ) -> Result<AccessClaims, Refusal> {
        let claims = verifier.verify(token).await?;
        if !claims.audience.includes(&self.uri) {
            return Err(Refusal::InvalidToken(TokenRefused::Audience));
        }
        if self.is_met(needed, &claims.scope) {
            Ok(claims)
        } else {
            Err(Refusal::InsufficientScope)
        }
    }

    /// Whether holding `held` is enough for what needs `needed`, here where some scopes include
    /// others.
    pub fn is_met(&self, needed: &Needs, held: &Scope) -> bool {
        // The broader scopes are looked at only where the plain answer is no.
        needed.are_met_by(held)
            || (!self.hierarchy.is_empty() && needed.are_met_by(&self.expand(held)))
    }

    /// The value of `WWW-Authenticate` for a refusal of an operation that needs `needed`; `None`
    /// where none belongs. A request without a token gets no `error` (RFC 6750 §3.1), and every
    /// challenge names the metadata (RFC 9728 §5.1) and the scope of this very operation.
    pub fn challenge(&self, refusal: &Refusal, needed: &Scope) -> Option<String> {
        let code = match refusal {
            Refusal::NoToken if *needed == self.required => {
                return Some(self.bare_challenge.clone());
            }
            Refusal::NoToken => return Some(self.render("", needed)),
            Refusal::Malformed => "invalid_request",
            Refusal::InvalidToken(_) => "invalid_token",
            Refusal::InsufficientScope => "insufficient_scope",
            Refusal::Unavailable(_) => return None,
        };
        let error = format!("error=\"{code}\", error_description=\"{refusal}\", ");
        Some(self.render(&error, needed))
    }

    fn render(&self, error: &str, scope: &Scope) -> String {
        let scope: Scope = published(scope).collect();
        format!(
            "Bearer {error}resource_metadata=\"{}\", scope=\"{scope}\"",
            self.uri.metadata_url()
        )
    }
}

/// What a client should ask for: `offline_access` is between it and its authorization server.
fn published(scope: &Scope) -> impl Iterator<Item = &str> {
    scope.iter().filter(|token| *token != "offline_access")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn resource() -> ProtectedResource {
        let uri = ResourceUri::parse("https://mcp.example/mcp").unwrap();
        ProtectedResource::new(
            uri,
            "https://auth.example/",
            Scope::parse("mcp:tools").unwrap(),
        )
    }

    /// RS-ERR-1, RS-ERR-2, RS-ERR-3, RS-ERR-5: shapes of the challenges.
    #[test]
    fn challenges_say_what_the_standards_want() {
        let prm =
            "resource_metadata=\"https://mcp.example/.well-known/oauth-protected-resource/mcp\"";
        let tools = Scope::parse("mcp:tools").unwrap();
        let write = Scope::parse("mcp:write").unwrap();
        for (refusal, needed, expected) in [
            (
                Refusal::NoToken,
                &tools,
                format!("Bearer {prm}, scope=\"mcp:tools\""),
            ),
            (
                Refusal::InvalidToken(TokenRefused::Expired),
                &tools,
                format!(
                    "Bearer error=\"invalid_token\", error_description=\"the access token is not valid here\", {prm}, scope=\"mcp:tools\""
                ),
            ),
            (
                Refusal::InsufficientScope,
                &write,
                format!(
                    "Bearer error=\"insufficient_scope\", error_description=\"the access token does not carry the scope this needs\", {prm}, scope=\"mcp:write\""
                ),
            ),
        ] {
            assert_eq!(resource().challenge(&refusal, needed), Some(expected));
        }
        let outage = Refusal::Unavailable(VerifierUnavailable::new("database on fire"));
        assert_eq!(resource().challenge(&outage, &tools), None);
        assert!(!outage.to_string().contains("fire"));
    }

    /// RS-PRM-1.
    #[test]
    fn the_issuer_is_published_as_it_calls_itself() {
        assert_eq!(
            resource().metadata().authorization_servers,
            ["https://auth.example/"]
        );
    }

    /// RS-PRM-7, RS-ERR-7: refresh tokens are between client and authorization server.
    #[test]
    fn nobody_is_told_to_ask_for_offline_access() {
        let uri = ResourceUri::parse("https://mcp.example/mcp").unwrap();
        let scope = |text| Scope::parse(text).unwrap();
        let tools = scope("mcp:tools offline_access");
        let resource = ProtectedResource::new(uri, "https://auth.example", tools.clone());
        assert_eq!(resource.metadata().scopes_supported, ["mcp:tools"]);
        for (needed, asked) in [(tools, "mcp:tools"), (scope("a offline_access z"), "a z")] {
            for refusal in [Refusal::NoToken, Refusal::InsufficientScope] {
                let challenge = resource.challenge(&refusal, &needed).unwrap();
                let expected = format!("scope=\"{asked}\"");
                assert!(challenge.ends_with(&expected), "{challenge}");
            }
        }
    }

    proptest! {
        /// RS-ERR-9: whatever the resource and the scope are called, a reader of challenges finds the
        /// same attributes, each once, and nothing that would end one early.
        #[test]
        fn challenges_keep_to_their_grammar(
            path in "[ -~é]{0,20}",
            query in "[ -~]{0,10}",
            scope in "[!#-\\[\\]-~]{1,9}( [!#-\\[\\]-~]{1,9}){0,3}",
        ) {
            let uri = ResourceUri::parse(&format!("https://mcp.example/{path}?{query}"));
            prop_assume!(uri.is_ok());
            let scope = Scope::parse(&scope).unwrap();
            let resource = ProtectedResource::new(uri.unwrap(), "https://auth.example", scope.clone());
            for refusal in [
                Refusal::NoToken,
                Refusal::Malformed,
                Refusal::InvalidToken(TokenRefused::Expired),
                Refusal::InsufficientScope,
            ] {
                let challenge = resource.challenge(&refusal, &scope).unwrap();
                let attributes = challenge.strip_prefix("Bearer ").unwrap();
                let mut names = Vec::new();
                let mut rest = attributes;
                while !rest.is_empty() {
                    let (name, after) = rest.split_once("=\"").unwrap();
                    let (value, after) = after.split_once('"').unwrap();
                    prop_assert!(
                        value.bytes().all(|byte| matches!(byte, b' '..=b'~') && byte != b'\\'),
                        "{challenge}"
                    );
                    names.push(name);
                    rest = after.strip_prefix(", ").unwrap_or(after);
                }
                let erroneous = !matches!(refusal, Refusal::NoToken);
                let error = ["error", "error_description"].iter().filter(|_| erroneous);
                let expected: Vec<&str> =
                    error.copied().chain(["resource_metadata", "scope"]).collect();
                prop_assert_eq!(names, expected);
            }
        }
    }
}
