//! Why there is no token.

use oauth_types::env::EntropyError;
use oauth_types::{ClientId, Issuer, Scope};

use crate::agent::UserAgentError;
use crate::authentication::NoAuthMethod;
use crate::config::AssertionError;
use crate::discovery::DiscoveryError;
use crate::hop::{Address, HopError, OAuthError};
use crate::store::StoreError;

/// There is no token. Every variant says what a program can do about it; none holds a secret.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// Nobody could say which authorization server, or none of those named could be used. The
    /// report says what was tried.
    #[error(transparent)]
    Discovery(#[from] DiscoveryError),
    /// There is no way to be known to the authorization server.
    #[error(transparent)]
    Registration(#[from] RegistrationError),
    /// Somebody has to sign in, and nobody can be sent to (there is no [`crate::UserAgent`], or no
    /// [`crate::DeviceAgent`]).
    #[error("somebody has to sign in to {issuer} first")]
    SignInNeeded {
        /// Where.
        issuer: Issuer,
    },
    /// The person did not come back.
    #[error(transparent)]
    UserAgent(#[from] UserAgentError),
    /// They came back with something else than a code of this sign-in.
    #[error(transparent)]
    Authorization(#[from] AuthorizationError),
    /// A hop did not give what it should have.
    #[error(transparent)]
    Hop(#[from] HopError),
    /// The client cannot authenticate as the server wants.
    #[error(transparent)]
    Authentication(#[from] NoAuthMethod),
    /// There is no assertion to present.
    #[error(transparent)]
    Assertion(#[from] AssertionError),
    /// More scope was asked for and given, or refused, as often as is tried (CL-TOK-10).
    #[error("the server keeps asking for scope {scope}, and that has been tried {times} times")]
    StepUpLimit {
        /// What it asks for.
        scope: Scope,
        /// How often it was tried.
        times: u8,
    },
    /// The code to type in ended before anybody did.
    #[error("nobody signed in before the code ended")]
    DeviceCodeExpired,
    /// What is kept cannot be had.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Nothing could be drawn or signed.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
}

impl ClientError {
    /// Whether it may well work later, with nothing changed here.
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::Hop(error) | Self::Registration(RegistrationError::Refused(error)) => {
                error.is_temporary()
            }
            Self::Assertion(AssertionError::Hop(error)) => error.is_temporary(),
            Self::Discovery(error) => error.is_temporary(),
            Self::Store(_) => true,
            _ => false,
        }
    }
}

/// There is no way to be known to an authorization server.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RegistrationError {
    /// It registers nobody by itself and reads no client's own document; somebody has to register
    /// the client by hand and configure its identifier (CL-REG-1).
    #[error(
        "{issuer} registers no clients by itself: register one there by hand and configure its identifier"
    )]
    NotOffered {
        /// The server.
        issuer: Issuer,
    },
    /// The configured client belongs to another authorization server than the one that was found
    /// (CL-REG-7).
    #[error("client {client_id} belongs to {belongs_to}, but the server now uses {found}")]
    BelongsElsewhere {
        /// The client.
        client_id: ClientId,
        /// Whose it is.
        belongs_to: Issuer,
        /// Who was found.
        found: Issuer,
    },
    /// The configured client is not accepted any more; nothing else is tried in its place.
    #[error("{issuer} does not accept the configured client {client_id}: {error}")]
    NotAccepted {
        /// The server.
        issuer: Issuer,
        /// The client.
        client_id: ClientId,
        /// In its own words.
        error: OAuthError,
    },
    /// The registration endpoint refused, or did not answer.
    #[error(transparent)]
    Refused(HopError),
}

/// What came back from the authorization endpoint is no code of this sign-in.
///
/// Spec: OAuth 2.1 §4.1.2, RFC 9207 §2.4.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuthorizationError {
    /// The person, or the server for them, said no.
    #[error("authorization at {url} was refused: {error}")]
    Refused {
        /// The authorization endpoint.
        url: Address,
        /// In the server's words.
        error: OAuthError,
    },
    /// `state` is missing or is not the one that was sent: the answer belongs to another sign-in.
    /// Nothing else of it was looked at.
    #[error("the answer does not belong to this sign-in at {url}: `state` differs")]
    State {
        /// The authorization endpoint.
        url: Address,
    },
    /// `iss` is not the server that was asked, or is missing though it is promised. Nothing else of
    /// the answer was looked at (CL-AUTHZ-9).
    #[error("the answer does not come from {expected}: `iss` is {}", .got.as_ref().map_or("missing".to_owned(), Address::to_string))]
    Issuer {
        /// The server that was asked.
        expected: Issuer,
        /// The one that the answer names, as far as it can be printed.
        got: Option<Address>,
    },
    /// A parameter came twice (CL-AUTHZ-14).
    #[error("the answer of {url} has `{parameter}` twice")]
    Repeated {
        /// The authorization endpoint.
        url: Address,
        /// Which.
        parameter: &'static str,
    },
    /// Neither a code nor an error.
    #[error("the answer of {url} has neither a code nor an error")]
    Empty {
        /// The authorization endpoint.
        url: Address,
    },
    /// It was begun for another server, or another owner, than the client that was to finish it is
    /// for (CL-AUTHZ-16). Its code goes nowhere.
    #[error("this sign-in began for another server or another owner, at {url}")]
    Elsewhere {
        /// The authorization endpoint.
        url: Address,
    },
    /// The redirect URI is not one that may be used.
    #[error("{0} is neither https nor http on this computer")]
    RedirectUri(Address),
}
