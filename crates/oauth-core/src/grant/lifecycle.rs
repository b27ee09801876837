//! The life of a grant: every arrow is a function from a record and a request to the next record
//! and an answer. No clock, no randomness, no store: `now` and whatever was drawn come in as
//! values, so that every table and every interleaving can be tested.

mod redeem;
mod refresh;
mod revoke;

use std::sync::Arc;

use oauth_storage::record::Shape;
use oauth_storage::{
    AccessTokenRecord, ClientLifetimes, Closed, ClosedReason, CodeRecord, Epochs, GrantRecord,
    RefreshTokenRecord,
};
use oauth_types::registration::UnknownMembers;
use oauth_types::{
    AuthenticationContext, ClientId, CodeChallenge, GrantId, Lifetime, RedirectUri, ResourceUri,
    Scope, Secret, SecretHash, Subject, Timestamp,
};

use crate::policy::{ServerConfig, ServerPolicy};

pub(crate) use redeem::{FreshTokens, Redeem, Redemption, redeem};
pub(crate) use refresh::{Refresh, Refreshing, refresh};
pub(crate) use revoke::{Revoke, revoke_access, revoke_refresh};

/// How long after its expiry a code's replay is still recognised.
const REPLAY_MEMORY: Lifetime = Lifetime::minutes(10);

/// Tokens about to be issued: secrets not yet written as text.
#[derive(Debug, Clone)]
pub(crate) struct Issued {
    pub(crate) grant: GrantId,
    pub(crate) generation: u32,
    pub(crate) access: Secret,
    pub(crate) access_hash: SecretHash,
    pub(crate) refresh: Option<Secret>,
    pub(crate) scope: Scope,
    pub(crate) expires_in: u64,
}

/// What the outside world says about a grant's right to live, read beside it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Standing {
    pub(crate) current: Epochs,
    pub(crate) disabled: bool,
    /// What lasts otherwise for the client.
    pub(crate) lifetimes: ClientLifetimes,
}

impl Standing {
    /// Whether no barrier raised since covers the grant.
    pub(crate) fn covers(&self, grant: &GrantRecord) -> bool {
        let (held, now) = (&grant.epochs, &self.current);
        !self.disabled
            && held.client >= now.client
            && held.subject >= now.subject
            && held.subject_client >= now.subject_client
            && held.ring >= now.ring
    }
}

/// What a person approved.
#[derive(Debug)]
pub(crate) struct Approved {
    pub(crate) id: GrantId,
    pub(crate) client_id: ClientId,
    pub(crate) subject: Subject,
    pub(crate) scope: Scope,
    pub(crate) resources: Vec<ResourceUri>,
    pub(crate) epochs: Epochs,
    pub(crate) auth_time: Timestamp,
    pub(crate) authentication: Option<Arc<AuthenticationContext>>,
    pub(crate) lifetimes: ClientLifetimes,
    pub(crate) code: SecretHash,
    pub(crate) challenge: CodeChallenge,
    pub(crate) redirect_uri: RedirectUri,
    /// When the sealed transaction that named the grant ends. Until then the grant's record
    /// stays, so that the same form cannot make it anew.
    pub(crate) transaction_expires_at: Timestamp,
}

/// A grant begins, with a code.
pub(crate) fn approve(approved: Approved, config: &ServerConfig, now: Timestamp) -> GrantRecord {
    let policy = &config.policy;
    let code_expires_at = now.plus(policy.code_lifetime);
    let retain = approved
        .transaction_expires_at
        .max(code_expires_at.plus(REPLAY_MEMORY));
    GrantRecord {
        shape: Shape::default(),
        id: approved.id,
        client_id: approved.client_id,
        subject: approved.subject,
        scope: approved.scope,
        resources: approved.resources,
        epochs: approved.epochs,
        auth_time: Some(approved.auth_time),
        authentication: approved.authentication,
        created_at: now,
        expires_at: now.plus(policy.lifetimes(approved.lifetimes).grant),
        retain_until: retain.plus(policy.clock_skew),
        code: Some(CodeRecord {
            hash: approved.code,
            challenge: approved.challenge,
            redirect_uri: approved.redirect_uri,
            expires_at: code_expires_at,
            redeemed_as: None,
        }),
        refresh: None,
        access: Vec::new(),
        closed: None,
        unknown: UnknownMembers::new(),
    }
}

/// A grant ends. Its record stays until it may be forgotten, so that nothing makes it anew.
pub(crate) fn close(grant: &GrantRecord, reason: ClosedReason, now: Timestamp) -> GrantRecord {
    let mut next = grant.clone();
    next.code = None;
    next.refresh = None;
    next.access.clear();
    next.closed = Some(Closed { at: now, reason });
    next
}

/// Whether anything under the grant can still be presented. An open grant whose code nobody
/// redeemed, or whose last token ran out, allows nothing any more.
pub(crate) fn is_alive(grant: &GrantRecord, now: Timestamp) -> bool {
    let is_code = |code: &CodeRecord| code.redeemed_as.is_none() && now < code.expires_at;
    let is_refresh = |refresh: &RefreshTokenRecord| now < refresh.expires_at;
    grant.closed.is_none()
        && now < grant.expires_at
        && (grant.code.as_ref().is_some_and(is_code)
            || grant.refresh.as_ref().is_some_and(is_refresh)
            || grant.access.iter().any(|token| now < token.expires_at))
}

/// The live access token of this digest. Spec: RFC 7662 §2.2.
pub(crate) fn live_access<'a>(
    grant: &'a GrantRecord,
    hash: &SecretHash,
    ring_epoch: u64,
    now: Timestamp,
) -> Option<&'a AccessTokenRecord> {
    if grant.closed.is_some() || grant.epochs.ring < ring_epoch {
        return None;
    }
    grant
        .access
        .iter()
        .find(|token| token.hash.matches(hash) && now < token.expires_at)
}

/// When the grant was last used, as far as its record can tell: approved, redeemed or refreshed.
pub(crate) fn last_used(grant: &GrantRecord) -> Timestamp {
    let issued = grant.access.iter().map(|token| token.issued_at);
    let refresh = grant.refresh.as_ref();
    let rotated = refresh.and_then(|refresh| refresh.predecessor.as_ref());
    let rotated = rotated.map(|predecessor| predecessor.rotated_at);
    issued.chain(rotated).fold(grant.created_at, Timestamp::max)
}

/// A grant ends for another one of the same person and client. There may be many of these, so the
/// record stays only until the sealed request and the code that could bring it back are over.
pub(crate) fn make_room(grant: &GrantRecord, policy: &ServerPolicy, now: Timestamp) -> GrantRecord {
    let mut next = close(grant, ClosedReason::MadeRoom, now);
    let code = now.plus(policy.code_lifetime).plus(REPLAY_MEMORY);
    let last = code.max(now.plus(policy.transaction_lifetime));
    next.retain_until = next.retain_until.min(last.plus(policy.clock_skew));
    next
}

/// A record is kept as long as anything under it can still be presented, never less than before.
fn retain(next: &mut GrantRecord, skew: Lifetime) {
    if let Some(last) = last_token(next) {
        next.retain_until = next.retain_until.max(last.plus(skew));
    }
}

/// The same after a refresh. Where the date must move, it moves a sixteenth of the time further,
/// but not beyond the end of the grant, so that most refreshes leave it alone: stores keep an index
/// by it, and writing there costs some of them as much as the record itself.
fn retain_ahead(next: &mut GrantRecord, skew: Lifetime, now: Timestamp) {
    let Some(last) = last_token(next) else {
        return;
    };
    if next.retain_until < last.plus(skew) {
        let ahead = Lifetime::seconds(last.since(now).as_seconds() / 16);
        let until = last.plus(ahead).min(next.expires_at.max(last));
        next.retain_until = until.plus(skew);
    }
}

/// When the last token under the grant stops being good.
fn last_token(grant: &GrantRecord) -> Option<Timestamp> {
    let refresh = grant.refresh.as_ref().map(|refresh| refresh.expires_at);
    let access = grant.access.iter().map(|token| token.expires_at);
    access.chain(refresh).max()
}

/// After a token of a generation is gone, a retry must not bring it back under the same bytes.
fn end_retry_of(next: &mut GrantRecord, generation: u32) {
    if let Some(refresh) = &mut next.refresh
        && refresh.generation == generation
        && let Some(predecessor) = &mut refresh.predecessor
    {
        predecessor.retry_ended = true;
    }
}

#[cfg(test)]
mod tests;
