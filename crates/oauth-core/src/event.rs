//! What happened, for whoever watches. No event can hold a secret.

use oauth_storage::{ClosedReason, Kind};
use oauth_types::{ClientId, GrantId, Lifetime, Subject};

use crate::client_metadata::DocumentError;

/// Receives events as they happen. Called on the request's path, so it must not block.
pub trait EventSink: Send + Sync {
    /// Takes note of one event.
    fn record(&self, event: &Event<'_>);
}

/// Takes note of nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoEvents;

impl EventSink for NoEvents {
    fn record(&self, _: &Event<'_>) {}
}

/// Something that an operator may want to know.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A client registered itself.
    ClientRegistered {
        /// The new client.
        client: &'a ClientId,
    },
    /// A client changed its registration.
    ClientUpdated {
        /// The client.
        client: &'a ClientId,
    },
    /// A client was removed, with all it was granted.
    ClientRemoved {
        /// The client.
        client: &'a ClientId,
    },
    /// A client got a new secret beside the one it had.
    ClientSecretRotated {
        /// The client.
        client: &'a ClientId,
    },
    /// A client of open registration that never had a grant made room for another.
    UnusedClientForgotten {
        /// The client.
        client: &'a ClientId,
    },
    /// A person said yes to a client of a metadata document, or its document changed since.
    MetadataDocumentAccepted {
        /// The client.
        client: &'a ClientId,
    },
    /// A metadata document made no client.
    MetadataDocumentRefused {
        /// The client it was asked for.
        client: &'a ClientId,
        /// Why not.
        reason: DocumentError,
    },
    /// A new key was announced.
    KeysRotated,
    /// Everything of this issuer was ended.
    Fenced,
    /// A person signed in.
    SignedIn {
        /// Who.
        subject: &'a Subject,
    },
    /// A person gave a grant.
    GrantApproved {
        /// The grant.
        grant: GrantId,
        /// To whom.
        client: &'a ClientId,
        /// By whom.
        subject: &'a Subject,
    },
    /// A person took everything back from a client.
    ClientWithdrawn {
        /// From whom.
        client: &'a ClientId,
        /// Who.
        subject: &'a Subject,
    },
    /// Everything a client was ever granted was ended.
    ClientRevoked {
        /// The client.
        client: &'a ClientId,
    },
    /// Everything of a person was ended.
    SubjectSignedOut {
        /// Who.
        subject: &'a Subject,
    },
    /// A person was forgotten; who, is nobody's business any more.
    SubjectErased,
    /// A client did not prove itself.
    ClientAuthenticationFailed {
        /// Whom it named; perhaps nobody.
        client: &'a ClientId,
    },
    /// Too much of something was asked for.
    Limited {
        /// Which limit.
        limit: &'static str,
    },
    /// A person refused one.
    GrantDenied {
        /// To whom.
        client: &'a ClientId,
    },
    /// A code became tokens.
    CodeRedeemed {
        /// The grant.
        grant: GrantId,
    },
    /// A refresh token became its successor.
    TokenRefreshed {
        /// The grant.
        grant: GrantId,
        /// Generation of the successor.
        generation: u32,
    },
    /// A refresh was repeated inside the retry window and answered as before. The same grant
    /// doing so at every rotation is how a thief in step looks.
    RefreshRetried {
        /// The grant.
        grant: GrantId,
        /// Generation of the successor.
        generation: u32,
        /// Time since the rotation.
        elapsed: Lifetime,
    },
    /// A grant ended before its time.
    GrantClosed {
        /// The grant.
        grant: GrantId,
        /// Why.
        reason: ClosedReason,
    },
    /// An access token was revoked by its client.
    AccessTokenRevoked {
        /// The grant.
        grant: GrantId,
    },
    /// The oldest access token of a grant made room for a new one.
    AccessTokenRetired {
        /// The grant.
        grant: GrantId,
    },
    /// A code came with a well-formed verifier that was not its own. It costs the owner nothing.
    VerifierMismatch {
        /// The grant.
        grant: GrantId,
    },
    /// A token of ours is newer than its record: the store has lost acknowledged writes.
    StoreWentBack {
        /// The grant.
        grant: GrantId,
    },
    /// Records that nothing could present any more were forgotten.
    Swept {
        /// Of which kind.
        kind: Kind,
        /// How many.
        forgotten: usize,
    },
    /// A transaction or session came back in another browser than it began in.
    BrowserMismatch,
}
