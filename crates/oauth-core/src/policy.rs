//! What the operator decides.

use oauth_storage::ClientLifetimes;
use oauth_types::{Issuer, Lifetime, Link, ResourceUri, Scope, SecretHash};

use crate::client_metadata::MetadataDocumentRules;
use crate::registration::RegistrationRules;

/// Everything an authorization server is configured with. Start from [`ServerConfig::new`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ServerConfig {
    /// The issuer, exactly as clients will see it.
    pub issuer: Issuer,
    /// What tokens can be issued for; never empty. The first is the default.
    pub resources: Vec<ResourcePolicy>,
    /// Digests of the secrets that prove an operator, see [`SecretHash::from_configured`]: several
    /// while one replaces another. Not a client's. Without one, nobody elsewhere decides in a
    /// person's name, and the addresses for it are not there. Default none.
    pub operator_credentials: Vec<SecretHash>,
    /// Lifetimes and limits.
    pub policy: ServerPolicy,
    /// What the metadata tells people.
    pub about: AboutServer,
}

/// Links and languages that the metadata document publishes, each left out unless set.
/// Spec: RFC 8414 §2.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct AboutServer {
    /// `service_documentation`: for developers of clients.
    pub documentation: Option<Link>,
    /// `op_policy_uri`: what may be done with data.
    pub policy: Option<Link>,
    /// `op_tos_uri`: terms of service.
    pub terms: Option<Link>,
    /// `ui_locales_supported`: languages of the pages, as language tags (RFC 5646).
    pub ui_locales: Vec<String>,
}

impl ServerConfig {
    /// A server for one resource, with the default policy.
    pub fn new(issuer: Issuer, resource: ResourcePolicy) -> Self {
        Self {
            issuer,
            resources: vec![resource],
            operator_credentials: Vec::new(),
            policy: ServerPolicy::default(),
            about: AboutServer::default(),
        }
    }

    /// All scopes of all resources.
    pub fn scopes(&self) -> Scope {
        self.resources
            .iter()
            .flat_map(|resource| resource.scopes.iter().map(|s| &*s.name))
            .collect()
    }

    /// The resources of a request.
    pub fn resources_of<'a>(
        &'a self,
        asked: &'a [ResourceUri],
    ) -> impl Iterator<Item = &'a ResourcePolicy> {
        let meant = |resource: &&ResourcePolicy| asked.contains(&resource.uri);
        self.resources.iter().filter(meant)
    }

    /// The scopes of a request, each with words for people; its name where there are none.
    pub fn scopes_of<'a>(
        &'a self,
        asked: &'a [ResourceUri],
        scope: &'a Scope,
    ) -> impl Iterator<Item = (&'a str, &'a str)> {
        scope.iter().map(|name| {
            let mut known = self.resources_of(asked).flat_map(|known| &known.scopes);
            let described = known.find(|scope| scope.name == name);
            (name, described.map_or(name, |scope| &*scope.description))
        })
    }

    /// The resource that `text` names, forgiving what the standards forgive, and in
    /// [`ResourceMode::Compatible`] a little more.
    pub fn resource_named(&self, text: &str) -> Option<&ResourcePolicy> {
        let named = |resource: &&ResourcePolicy| resource.uri.is_named_by(text);
        self.resources.iter().find(named).or_else(|| {
            let above = |resource: &&ResourcePolicy| resource.uri.is_below(text);
            let mut meant = self.resources.iter().filter(above);
            match (self.policy.resource_mode, meant.next(), meant.next()) {
                (ResourceMode::Compatible, Some(only), None) => Some(only),
                _ => None,
            }
        })
    }
}

/// How much an authorization request has to say about the resource it is for (RFC 8707 §2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum ResourceMode {
    /// It names one, or is refused with `invalid_target`.
    Strict,
    /// One that names none means the first resource configured: clients of before 2025-06-18
    /// know no `resource`.
    #[default]
    Lenient,
    /// As [`Self::Lenient`], and an identifier further up the path of exactly one resource means
    /// that one: some clients send the server's origin. The token's audience is the resource's
    /// own identifier all the same.
    Compatible,
}

/// One protected resource and the scopes that mean something there.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ResourcePolicy {
    /// Its identifier: the audience of its tokens.
    pub uri: ResourceUri,
    /// A name for people.
    pub name: Option<String>,
    /// The scopes it knows, each with words for people.
    pub scopes: Vec<ScopePolicy>,
}

/// One scope.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ScopePolicy {
    /// The scope token.
    pub name: String,
    /// What it allows, in words a person can judge.
    pub description: String,
    /// Whether a request that names no scope gets it.
    pub default: bool,
}

impl ResourcePolicy {
    /// A resource that knows no scope yet.
    pub fn new(uri: ResourceUri) -> Self {
        Self {
            uri,
            name: None,
            scopes: Vec::new(),
        }
    }

    /// Names it for people.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Adds a scope that a request without `scope` gets.
    #[must_use]
    pub fn scope(self, name: impl Into<String>, description: impl Into<String>) -> Self {
        self.push(name.into(), description.into(), true)
    }

    /// Adds a scope that has to be asked for.
    #[must_use]
    pub fn extra_scope(self, name: impl Into<String>, description: impl Into<String>) -> Self {
        self.push(name.into(), description.into(), false)
    }

    fn push(mut self, name: String, description: String, default: bool) -> Self {
        self.scopes.push(ScopePolicy {
            name,
            description,
            default,
        });
        self
    }

    /// The scopes this resource knows.
    pub fn known(&self) -> Scope {
        self.scopes.iter().map(|scope| &*scope.name).collect()
    }

    /// The scopes a request without `scope` gets.
    pub fn defaults(&self) -> Scope {
        self.scopes
            .iter()
            .filter(|scope| scope.default)
            .map(|scope| &*scope.name)
            .collect()
    }
}

/// Lifetimes and limits.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ServerPolicy {
    /// How long an access token is good for. Default 15 minutes.
    pub access_token_lifetime: Lifetime,
    /// How long a code is good for. Default 60 seconds.
    pub code_lifetime: Lifetime,
    /// How long a refresh token stays good unused. Default 30 days.
    pub refresh_idle_lifetime: Lifetime,
    /// How long a grant lasts at the most. Default 90 days.
    pub grant_lifetime: Lifetime,
    /// How long an identical refresh gets the identical answer. Default 30 seconds; 0 is strict.
    pub retry_window: Lifetime,
    /// How long a person may take to sign in and decide. Default 10 minutes.
    pub transaction_lifetime: Lifetime,
    /// How long a sign-in lasts. Default 12 hours.
    pub session_lifetime: Lifetime,
    /// How long a client that registered itself is kept without any live grant, once it had one
    /// or brought an initial access token. Default 30 days.
    pub unused_client_lifetime: Lifetime,
    /// How long a yes is remembered, for clients for which it is. Default 90 days; 0 is not at all.
    pub consent_lifetime: Lifetime,
    /// By how much the clocks of replicas may differ. Default 5 seconds.
    pub clock_skew: Lifetime,
    /// How long a client's assertion may last at the most, from now; an older one is refused too.
    /// Default 10 minutes.
    pub client_assertion_lifetime: Lifetime,
    /// By how much the clock of a client that signs assertions may differ. Default 30 seconds.
    pub client_assertion_skew: Lifetime,
    /// Whether the token endpoint's address is accepted as an assertion's audience beside the
    /// issuer. Old clients send it, and a server that one of them also talks to can then have
    /// assertions made for this one (RFC 7523bis). Default no.
    pub danger_accept_token_endpoint_audience: bool,
    /// Live access tokens of one grant; the oldest is retired beyond it. Default 16.
    pub access_tokens_per_grant: usize,
    /// How much a request has to say about its resource. Default [`ResourceMode::Lenient`].
    pub resource_mode: ResourceMode,
    /// Whether an https address may be a client id (a client ID metadata document), and which.
    /// `None`, the default, accepts none. Needs [`Ports::outbound`](crate::Ports::outbound).
    pub metadata_documents: Option<MetadataDocumentRules>,
    /// Who may register a client, and how.
    pub registration: RegistrationRules,
}

/// What lasts how long for one client.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lifetimes {
    pub(crate) access_token: Lifetime,
    pub(crate) refresh_idle: Lifetime,
    pub(crate) grant: Lifetime,
}

impl ServerPolicy {
    /// The lifetimes for a client, its own before those of everybody.
    pub(crate) fn lifetimes(&self, own: ClientLifetimes) -> Lifetimes {
        Lifetimes {
            access_token: own.access_token.unwrap_or(self.access_token_lifetime),
            refresh_idle: own.refresh_idle.unwrap_or(self.refresh_idle_lifetime),
            grant: own.grant.unwrap_or(self.grant_lifetime),
        }
    }
}

impl Default for ServerPolicy {
    fn default() -> Self {
        Self {
            access_token_lifetime: Lifetime::minutes(15),
            code_lifetime: Lifetime::seconds(60),
            refresh_idle_lifetime: Lifetime::days(30),
            grant_lifetime: Lifetime::days(90),
            retry_window: Lifetime::seconds(30),
            transaction_lifetime: Lifetime::minutes(10),
            session_lifetime: Lifetime::minutes(12 * 60),
            unused_client_lifetime: Lifetime::days(30),
            consent_lifetime: Lifetime::days(90),
            clock_skew: Lifetime::seconds(5),
            client_assertion_lifetime: Lifetime::minutes(10),
            client_assertion_skew: Lifetime::seconds(30),
            danger_accept_token_endpoint_audience: false,
            access_tokens_per_grant: 16,
            resource_mode: ResourceMode::default(),
            metadata_documents: None,
            registration: RegistrationRules::default(),
        }
    }
}
