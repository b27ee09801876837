//! What happens, for whoever shows or logs it.

use oauth_types::{ClientId, Issuer, Lifetime, ResourceUri, Scope};

use crate::authentication::{AuthMethod, Provenance};
use crate::config::Grant;
use crate::discovery::Attempt;

/// Is told each step as it happens. A port; it must not block.
pub trait Observer: Send + Sync {
    /// Takes note of `step`, which holds no secret.
    fn observe(&self, step: &Step<'_>);
}

/// Tells nobody.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoObserver;

impl Observer for NoObserver {
    fn observe(&self, _: &Step<'_>) {}
}

impl<F: Fn(&Step<'_>) + Send + Sync> Observer for F {
    fn observe(&self, step: &Step<'_>) {
        self(step);
    }
}

/// A step. Nothing in it is secret.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Step<'a> {
    /// A place was looked at where metadata may be.
    Looked(&'a Attempt),
    /// Resource and authorization server are known.
    Discovered {
        /// The resource.
        resource: &'a ResourceUri,
        /// Its authorization server.
        issuer: &'a Issuer,
    },
    /// The protected server has another authorization server than before.
    IssuerChanged {
        /// The one before, whose tokens are dropped.
        from: &'a Issuer,
        /// The new one.
        to: &'a Issuer,
    },
    /// It is settled as which client to go on.
    Client {
        /// Its identifier.
        client_id: &'a ClientId,
        /// Where it comes from.
        provenance: Provenance,
        /// How it authenticates.
        method: AuthMethod,
    },
    /// The authorization server does not know the client any more: what it had registered is
    /// dropped.
    RegistrationDropped(&'a Issuer),
    /// A person is sent to sign in, or the client asks for itself.
    Authorizing {
        /// By which grant.
        grant: &'a Grant,
        /// For what.
        scope: Option<&'a Scope>,
    },
    /// There are new tokens.
    Issued {
        /// What they may be used for, if that was said.
        scope: Option<&'a Scope>,
        /// How long the access token is good, if that was said.
        expires_in: Option<Lifetime>,
        /// Whether it can be renewed.
        refreshable: bool,
    },
    /// Tokens were renewed.
    Refreshed {
        /// How long the access token is good, if that was said.
        expires_in: Option<Lifetime>,
    },
    /// Somebody else who shares the store had renewed them already.
    Adopted,
    /// Renewing failed; what was held stays if that may pass.
    RefreshFailed(&'a crate::hop::HopError),
    /// The protected server asked for more than the token allows.
    StepUp {
        /// All that is asked for now.
        scope: &'a Scope,
    },
    /// Tokens were dropped here; whether the server was told, too.
    SignedOut {
        /// Whether every token was revoked.
        revoked: bool,
    },
}
