//! What happened, for whoever watches. No event can hold a secret.

mod noted;

use oauth_storage::{ClosedReason, Kind};
use oauth_types::{ClientId, GrantId, Lifetime, Scope, Subject};

use crate::client_metadata::DocumentError;

pub use noted::{Noted, Personal};
pub(crate) use noted::{pseudonym, short};

/// Receives events as they happen. Called on the request's path, so it must not block.
pub trait EventSink: Send + Sync {
    /// Takes note of one event.
    fn record(&self, noted: &Noted<'_>);
}

/// Takes note of nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoEvents;

impl EventSink for NoEvents {
    fn record(&self, _: &Noted<'_>) {}
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
    /// An operator entered a client, or changed what configuration says of it.
    ClientPreregistered {
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
    /// The keys were sealed under another root secret.
    KeysRewrapped,
    /// The keys could not be read again; those in use stay in use.
    KeysUnreadable {
        /// Why not.
        reason: &'static str,
    },
    /// Everything of this issuer was ended.
    Fenced,
    /// A person signed in.
    SignedIn {
        /// Who.
        subject: &'a Subject,
    },
    /// Somebody did not prove to be whom they named. Whom is not told: people type passwords into
    /// the wrong field.
    SignInFailed,
    /// A person signed out in one browser.
    SignedOut {
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
        /// How much.
        scope: &'a Scope,
    },
    /// A person's yes is remembered: the same is not asked again.
    ConsentRemembered {
        /// To whom.
        client: &'a ClientId,
        /// Whose.
        subject: &'a Subject,
        /// To how much.
        scope: &'a Scope,
    },
    /// A grant was given without asking, since the person had said yes before.
    ConsentUsed {
        /// The grant.
        grant: GrantId,
        /// To whom.
        client: &'a ClientId,
        /// Whose.
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
    /// A person was shut out.
    SubjectDisabled {
        /// Who.
        subject: &'a Subject,
    },
    /// A person who was shut out may sign in again.
    SubjectEnabled {
        /// Who.
        subject: &'a Subject,
    },
    /// A person was forgotten; who, is nobody's business any more.
    SubjectErased,
    /// A client did not prove itself.
    ClientAuthenticationFailed {
        /// Whom it named, if there is such a client.
        client: Option<&'a ClientId>,
    },
    /// Somebody presented an operator credential that is none.
    OperatorRejected,
    /// Too much of something was asked for.
    Limited {
        /// Which limit.
        limit: &'static str,
    },
    /// The limiter failed, so an attempt was counted in this process alone.
    NotCounted {
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
    /// A client got a token in its own name.
    ClientTokenIssued {
        /// The grant.
        grant: GrantId,
        /// The client.
        client: &'a ClientId,
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

/// One member of an event.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Value<'a> {
    /// A client's identifier: public, and perhaps anybody's words.
    Client(&'a ClientId),
    /// A person: personal data.
    Subject(&'a Subject),
    /// A grant's name: public, opens nothing.
    Grant(GrantId),
    /// Scope tokens.
    Scope(&'a Scope),
    /// One of this program's own words.
    Word(&'static str),
    /// A count, or whole seconds.
    Number(u64),
}

impl Event<'_> {
    /// What happened, in a word of `[a-z_]` that does not change between versions.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::ClientRegistered { .. } => "client_registered",
            Self::ClientUpdated { .. } => "client_updated",
            Self::ClientRemoved { .. } => "client_removed",
            Self::ClientPreregistered { .. } => "client_preregistered",
            Self::ClientSecretRotated { .. } => "client_secret_rotated",
            Self::UnusedClientForgotten { .. } => "unused_client_forgotten",
            Self::MetadataDocumentAccepted { .. } => "metadata_document_accepted",
            Self::MetadataDocumentRefused { .. } => "metadata_document_refused",
            Self::KeysRotated => "keys_rotated",
            Self::KeysRewrapped => "keys_rewrapped",
            Self::KeysUnreadable { .. } => "keys_unreadable",
            Self::Fenced => "fenced",
            Self::SignedIn { .. } => "signed_in",
            Self::SignInFailed => "sign_in_failed",
            Self::SignedOut { .. } => "signed_out",
            Self::GrantApproved { .. } => "grant_approved",
            Self::ConsentRemembered { .. } => "consent_remembered",
            Self::ConsentUsed { .. } => "consent_used",
            Self::ClientWithdrawn { .. } => "client_withdrawn",
            Self::ClientRevoked { .. } => "client_revoked",
            Self::SubjectSignedOut { .. } => "subject_signed_out",
            Self::SubjectDisabled { .. } => "subject_disabled",
            Self::SubjectEnabled { .. } => "subject_enabled",
            Self::SubjectErased => "subject_erased",
            Self::ClientAuthenticationFailed { .. } => "client_authentication_failed",
            Self::OperatorRejected => "operator_rejected",
            Self::Limited { .. } => "limited",
            Self::NotCounted { .. } => "not_counted",
            Self::GrantDenied { .. } => "grant_denied",
            Self::CodeRedeemed { .. } => "code_redeemed",
            Self::ClientTokenIssued { .. } => "client_token_issued",
            Self::TokenRefreshed { .. } => "token_refreshed",
            Self::RefreshRetried { .. } => "refresh_retried",
            Self::GrantClosed { .. } => "grant_closed",
            Self::AccessTokenRevoked { .. } => "access_token_revoked",
            Self::AccessTokenRetired { .. } => "access_token_retired",
            Self::VerifierMismatch { .. } => "verifier_mismatch",
            Self::StoreWentBack { .. } => "store_went_back",
            Self::Swept { .. } => "swept",
            Self::BrowserMismatch => "browser_mismatch",
        }
    }

    /// Shows every member of the event, with its name. There is nothing else in it, so whatever
    /// is built on this is a list of what may be written down.
    pub fn visit(&self, show: &mut dyn FnMut(&'static str, Value<'_>)) {
        match *self {
            Self::ClientRegistered { client }
            | Self::ClientUpdated { client }
            | Self::ClientRemoved { client }
            | Self::ClientPreregistered { client }
            | Self::ClientSecretRotated { client }
            | Self::UnusedClientForgotten { client }
            | Self::MetadataDocumentAccepted { client }
            | Self::ClientRevoked { client }
            | Self::ClientAuthenticationFailed {
                client: Some(client),
            }
            | Self::GrantDenied { client } => show("client", Value::Client(client)),
            Self::MetadataDocumentRefused { client, reason } => {
                show("client", Value::Client(client));
                show("reason", Value::Word(reason.as_str()));
            }
            Self::KeysRotated
            | Self::KeysRewrapped
            | Self::Fenced
            | Self::SignInFailed
            | Self::SubjectErased
            | Self::ClientAuthenticationFailed { client: None }
            | Self::OperatorRejected
            | Self::BrowserMismatch => {}
            Self::KeysUnreadable { reason } => show("reason", Value::Word(reason)),
            Self::SignedIn { subject }
            | Self::SignedOut { subject }
            | Self::SubjectSignedOut { subject }
            | Self::SubjectDisabled { subject }
            | Self::SubjectEnabled { subject } => show("subject", Value::Subject(subject)),
            Self::GrantApproved {
                grant,
                client,
                subject,
                scope,
            } => {
                show("grant", Value::Grant(grant));
                show("client", Value::Client(client));
                show("subject", Value::Subject(subject));
                show("scope", Value::Scope(scope));
            }
            Self::ConsentRemembered {
                client,
                subject,
                scope,
            } => {
                show("client", Value::Client(client));
                show("subject", Value::Subject(subject));
                show("scope", Value::Scope(scope));
            }
            Self::ConsentUsed {
                grant,
                client,
                subject,
            } => {
                show("grant", Value::Grant(grant));
                show("client", Value::Client(client));
                show("subject", Value::Subject(subject));
            }
            Self::ClientWithdrawn { client, subject } => {
                show("client", Value::Client(client));
                show("subject", Value::Subject(subject));
            }
            Self::Swept { kind, forgotten } => {
                show("kind", Value::Word(kind.as_str()));
                show("forgotten", Value::Number(forgotten as u64));
            }
            Self::Limited { limit } | Self::NotCounted { limit } => {
                show("limit", Value::Word(limit))
            }
            Self::ClientTokenIssued { grant, client } => {
                show("grant", Value::Grant(grant));
                show("client", Value::Client(client));
            }
            Self::CodeRedeemed { grant }
            | Self::AccessTokenRevoked { grant }
            | Self::AccessTokenRetired { grant }
            | Self::VerifierMismatch { grant }
            | Self::StoreWentBack { grant } => show("grant", Value::Grant(grant)),
            Self::TokenRefreshed { grant, generation } => {
                show("grant", Value::Grant(grant));
                show("generation", Value::Number(generation.into()));
            }
            Self::RefreshRetried {
                grant,
                generation,
                elapsed,
            } => {
                show("grant", Value::Grant(grant));
                show("generation", Value::Number(generation.into()));
                show("elapsed", Value::Number(elapsed.as_seconds()));
            }
            Self::GrantClosed { grant, reason } => {
                show("grant", Value::Grant(grant));
                show("reason", Value::Word(reason.as_str()));
            }
        }
    }
}
