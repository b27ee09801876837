//! What the operator decides about registrations.

use oauth_types::redirect_uri::{InvalidRedirectUri, WELL_KNOWN_SCHEMES};
use oauth_types::{Lifetime, RedirectUri, Scope, SecretHash};

use crate::software_statement::SoftwareStatementIssuer;

/// Who may register a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum RegistrationMode {
    /// Nobody: clients are pre-registered, or bring a metadata document. Registrations made
    /// before stay, and can still be managed.
    Off,
    /// Anybody, within limits.
    #[default]
    Open,
    /// Whoever brings an initial access token (RFC 7591 §3).
    InitialAccessToken,
}

/// Limits and choices for clients that register themselves.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct RegistrationRules {
    /// Who may register. Default: anybody.
    pub mode: RegistrationMode,
    /// Digests of the initial access tokens, see [`SecretHash::from_configured`]. Who brings one
    /// gets a client of its own that it can manage, whatever the mode. Default none.
    pub initial_access_tokens: Vec<SecretHash>,
    /// Whose software statements count. Who brings one gets a client of its own that it can
    /// manage, but no place outside the limits: programs carry their statement to everybody.
    /// Default nobody's, and then each is refused.
    pub software_statements: Vec<SoftwareStatementIssuer>,
    /// Whether public clients of open registration, too, each get an identifier of their own and
    /// can be managed. Then nothing is shared. Default no.
    pub manage_public_registrations: bool,
    /// How many clients of open registration there may be that never had a grant. At least 1,
    /// rounded up to a whole number for each page of the ledger, and at most 10,000 by default.
    pub unused_clients: usize,
    /// How long such a client is kept until its first grant. Default 7 days: the number is
    /// bounded anyway, and a sign-in put off over a weekend still finds its client.
    pub unused_client_lifetime: Lifetime,
    /// Which private-use schemes without a dot a redirect URI may have, in lower case; those with
    /// a dot are accepted. `None` refuses all private-use schemes. Default [`WELL_KNOWN_SCHEMES`].
    pub private_use_schemes: Option<Vec<String>>,
    /// The most that self-registered clients may ever ask for. Default: everything on offer.
    pub scope: Option<Scope>,
    /// How long a client secret is good for. `None`, the default, and zero are for ever.
    pub secret_lifetime: Option<Lifetime>,
    /// How long the old secret still works after a rotation. Default 1 day; 0 is not at all.
    pub secret_overlap: Lifetime,
}

impl Default for RegistrationRules {
    fn default() -> Self {
        Self {
            mode: RegistrationMode::Open,
            initial_access_tokens: Vec::new(),
            software_statements: Vec::new(),
            manage_public_registrations: false,
            unused_clients: 10_000,
            unused_client_lifetime: Lifetime::days(7),
            private_use_schemes: Some(WELL_KNOWN_SCHEMES.iter().map(ToString::to_string).collect()),
            scope: None,
            secret_lifetime: None,
            secret_overlap: Lifetime::days(1),
        }
    }
}

impl RegistrationRules {
    /// Reads a redirect URI that somebody wants to register.
    ///
    /// # Errors
    /// See [`InvalidRedirectUri`].
    pub fn redirect_uri(&self, text: &str) -> Result<RedirectUri, InvalidRedirectUri> {
        RedirectUri::parse_if(text, |scheme| match &self.private_use_schemes {
            None => false,
            Some(allowed) => scheme.contains('.') || allowed.iter().any(|held| held == scheme),
        })
    }

    /// Whether this is one of the initial access tokens. Every one is compared.
    pub(crate) fn knows(&self, token: &str) -> bool {
        let hash = SecretHash::of(token.as_bytes());
        self.initial_access_tokens
            .iter()
            .fold(false, |known, held| known | held.matches(&hash))
    }
}
