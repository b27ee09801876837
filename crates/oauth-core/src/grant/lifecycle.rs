//! The life of a grant: every arrow is a function from a record and a request to the next record
//! and an answer. No clock, no randomness, no store: `now` and whatever was drawn come in as
//! values, so that every table and every interleaving can be tested.

use oauth_storage::record::Shape;
use oauth_storage::{
    AccessTokenRecord, Closed, ClosedReason, CodeRecord, Epochs, GrantRecord, Predecessor,
    RefreshTokenRecord,
};
use oauth_types::registration::UnknownMembers;
use oauth_types::{
    ClientId, CodeChallenge, CodeVerifier, GrantId, Lifetime, RedirectUri, ResourceUri, Scope,
    Secret, SecretHash, Subject, Timestamp,
};

use crate::grant::target::RequestedTarget;
use crate::keys::KeyRing;
use crate::policy::ServerConfig;
use crate::token::TokenError;
use oauth_storage::grant::Salt;

/// How long after its expiry a code's replay is still recognised.
const REPLAY_MEMORY: Lifetime = Lifetime::minutes(10);
/// Access tokens that differing retries of one refresh may add to its generation.
const RETRY_VARIANTS: usize = 4;

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
    let retain = approved.transaction_expires_at.max(code_expires_at.plus(REPLAY_MEMORY));
    GrantRecord {
        shape: Shape::default(),
        id: approved.id,
        client_id: approved.client_id,
        subject: approved.subject,
        scope: approved.scope,
        resources: approved.resources,
        epochs: approved.epochs,
        created_at: now,
        expires_at: now.plus(policy.grant_lifetime),
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

/// A code presented for tokens.
#[derive(Debug)]
pub(crate) struct Redemption<'a> {
    pub(crate) client_id: &'a ClientId,
    pub(crate) code: &'a SecretHash,
    pub(crate) verifier: CodeVerifier<'a>,
    pub(crate) redirect_uri: Option<&'a str>,
    pub(crate) target: &'a RequestedTarget<'a>,
    pub(crate) wants_refresh: bool,
    pub(crate) standing: Standing,
}

/// What only this redemption drew.
#[derive(Debug)]
pub(crate) struct FreshTokens {
    pub(crate) access: Secret,
    pub(crate) access_hash: SecretHash,
    pub(crate) refresh: Secret,
    pub(crate) refresh_hash: SecretHash,
}

/// What becomes of a presented code.
#[derive(Debug)]
pub(crate) enum Redeem {
    Issue { next: Box<GrantRecord>, issued: Issued },
    /// What this redemption would write already stands in the record.
    AlreadyDone,
    Replay { closed: Box<GrantRecord> },
    Refuse(TokenError),
}

/// A code becomes tokens, once. Spec: OAuth 2.1 §4.1.3.
pub(crate) fn redeem(
    grant: &GrantRecord,
    request: &Redemption<'_>,
    fresh: &FreshTokens,
    config: &ServerConfig,
    now: Timestamp,
) -> Redeem {
    use Redeem::Refuse;
    if grant.closed.is_some_and(|closed| closed.reason == ClosedReason::CodeReplayed) {
        return Redeem::AlreadyDone;
    }
    let Some(code) = grant.code.as_ref().filter(|_| grant.closed.is_none()) else {
        return Refuse(TokenError::CodeRejected);
    };
    if grant.client_id != *request.client_id || !code.hash.matches(request.code) {
        return Refuse(TokenError::CodeRejected);
    }
    if !code.challenge.is_met_by(request.verifier) {
        return Refuse(TokenError::VerifierMismatch);
    }
    if request.redirect_uri.is_some_and(|uri| uri != code.redirect_uri.as_str()) {
        return Refuse(TokenError::CodeRejected);
    }
    let (audience, scope) = match request.target.decide(grant, config) {
        Ok(target) => target,
        Err(error) => return Refuse(error),
    };
    if let Some(redeemed_as) = &code.redeemed_as {
        if redeemed_as.matches(&fresh.access_hash) {
            return Redeem::AlreadyDone;
        }
        // Only a request that is valid in everything else closes the grant, so a stranger who
        // came by the code alone cannot sign anybody out.
        return Redeem::Replay { closed: Box::new(close(grant, ClosedReason::CodeReplayed, now)) };
    }
    if now >= code.expires_at || !request.standing.covers(grant) {
        return Refuse(TokenError::CodeRejected);
    }
    let policy = &config.policy;
    let expires_at = now.plus(policy.access_token_lifetime).min(grant.expires_at);
    let issued = Issued {
        grant: grant.id,
        generation: 0,
        access: fresh.access.clone(),
        access_hash: fresh.access_hash,
        refresh: request.wants_refresh.then(|| fresh.refresh.clone()),
        scope: scope.clone(),
        expires_in: expires_at.since(now).as_seconds(),
    };
    let mut next = grant.clone();
    if let Some(code) = &mut next.code {
        code.redeemed_as = Some(fresh.access_hash);
    }
    next.access.push(AccessTokenRecord {
        hash: fresh.access_hash,
        generation: 0,
        scope,
        audience,
        issued_at: now,
        expires_at,
    });
    if request.wants_refresh {
        next.refresh = Some(RefreshTokenRecord {
            hash: fresh.refresh_hash,
            generation: 0,
            expires_at: now.plus(policy.refresh_idle_lifetime).min(grant.expires_at),
            predecessor: None,
        });
    }
    retain(&mut next, policy.clock_skew);
    Redeem::Issue { next: Box::new(next), issued }
}

/// A refresh token presented for its successor.
#[derive(Debug)]
pub(crate) struct Refreshing<'a> {
    pub(crate) client_id: &'a ClientId,
    pub(crate) secret: &'a Secret,
    pub(crate) hash: &'a SecretHash,
    pub(crate) generation: u32,
    pub(crate) target: &'a RequestedTarget<'a>,
    pub(crate) standing: Standing,
}

/// What becomes of a presented refresh token.
#[derive(Debug)]
pub(crate) enum Refresh {
    Rotate { next: Box<GrantRecord>, issued: Issued, retired: bool },
    /// What this refresh would write already stands in the record.
    AlreadyDone,
    /// The rotation already happened and the identical answer still stands.
    Retry { issued: Issued, elapsed: Lifetime },
    /// The rotation already happened, but this request wants another access token beside the
    /// same successor.
    RetryVariant { next: Box<GrantRecord>, issued: Issued, elapsed: Lifetime, retired: bool },
    Reuse { closed: Box<GrantRecord> },
    /// The token is ours, but newer than the record.
    StoreWentBack,
    Refuse(TokenError),
}

/// A refresh token becomes its successor. Spec: OAuth 2.1 §4.3, RFC 9700 §4.14.
pub(crate) fn refresh(
    grant: &GrantRecord,
    request: &Refreshing<'_>,
    salt: Salt,
    ring: &KeyRing,
    config: &ServerConfig,
    now: Timestamp,
) -> Refresh {
    use Refresh::Refuse;
    if grant.closed.is_some_and(|closed| closed.reason == ClosedReason::RefreshTokenReused) {
        return Refresh::AlreadyDone;
    }
    let Some(current) = grant.refresh.as_ref().filter(|_| grant.closed.is_none()) else {
        return Refuse(TokenError::RefreshRejected);
    };
    if grant.client_id != *request.client_id
        || now >= grant.expires_at
        || !request.standing.covers(grant)
    {
        return Refuse(TokenError::RefreshRejected);
    }
    let (audience, scope) = match request.target.decide(grant, config) {
        Ok(target) => target,
        Err(error) => return Refuse(error),
    };
    let target = Target { audience, scope };
    if request.generation == current.generation {
        if !current.hash.matches(request.hash) {
            return Refresh::StoreWentBack;
        }
        if now >= current.expires_at {
            return Refuse(TokenError::RefreshRejected);
        }
        return rotate(grant, current, request, salt, ring, target, config, now);
    }
    if request.generation > current.generation {
        return Refresh::StoreWentBack;
    }
    let reuse =
        || Refresh::Reuse { closed: Box::new(close(grant, ClosedReason::RefreshTokenReused, now)) };
    let Some(predecessor) =
        current.predecessor.as_ref().filter(|_| request.generation + 1 == current.generation)
    else {
        return reuse();
    };
    if !predecessor.hash.matches(request.hash) {
        return Refresh::StoreWentBack;
    }
    // Only this very request drew this salt, so it was its rotation that the store was not sure
    // of, and the window plays no part.
    if predecessor.salt == salt {
        return Refresh::AlreadyDone;
    }
    if predecessor.retry_ended {
        return Refuse(TokenError::RefreshRejected);
    }
    if now >= predecessor.retry_until {
        return reuse();
    }
    retry(grant, current, predecessor, request, ring, target, config, now)
}

struct Target {
    audience: ResourceUri,
    scope: Scope,
}

#[expect(clippy::too_many_arguments, reason = "private; every one is a fact of the decision")]
fn rotate(
    grant: &GrantRecord,
    current: &RefreshTokenRecord,
    request: &Refreshing<'_>,
    salt: Salt,
    ring: &KeyRing,
    target: Target,
    config: &ServerConfig,
    now: Timestamp,
) -> Refresh {
    let policy = &config.policy;
    let Some(generation) = current.generation.checked_add(1) else {
        return Refresh::Refuse(TokenError::RefreshRejected);
    };
    let key = ring.active();
    let successor = derive_refresh(key, grant, generation, salt, request.secret);
    let access = derive_access(key, grant, generation, salt, request.secret, &target);
    let expires_at = now.plus(policy.access_token_lifetime).min(grant.expires_at);
    let access_hash = access.hash();
    let mut next = grant.clone();
    next.refresh = Some(RefreshTokenRecord {
        hash: successor.hash(),
        generation,
        expires_at: now.plus(policy.refresh_idle_lifetime).min(grant.expires_at),
        predecessor: Some(Predecessor {
            hash: current.hash,
            salt,
            key: key.id,
            rotated_at: now,
            retry_until: now.plus(policy.retry_window).min(expires_at),
            retry_ended: false,
        }),
    });
    // A code's replay is remembered only so long.
    if next.code.as_ref().is_some_and(|code| now >= code.expires_at.plus(REPLAY_MEMORY)) {
        next.code = None;
    }
    let issued = Issued {
        grant: grant.id,
        generation,
        access,
        access_hash,
        refresh: Some(successor),
        scope: target.scope.clone(),
        expires_in: expires_at.since(now).as_seconds(),
    };
    let retired = keep_access(&mut next, access_hash, generation, target, expires_at, config, now);
    retain(&mut next, policy.clock_skew);
    Refresh::Rotate { next: Box::new(next), issued, retired }
}

#[expect(clippy::too_many_arguments, reason = "private; every one is a fact of the decision")]
fn retry(
    grant: &GrantRecord,
    current: &RefreshTokenRecord,
    predecessor: &Predecessor,
    request: &Refreshing<'_>,
    ring: &KeyRing,
    target: Target,
    config: &ServerConfig,
    now: Timestamp,
) -> Refresh {
    let Some(key) = ring.find(predecessor.key) else {
        return Refresh::Refuse(TokenError::RefreshRejected);
    };
    let (generation, salt) = (current.generation, predecessor.salt);
    let successor = derive_refresh(key, grant, generation, salt, request.secret);
    let access = derive_access(key, grant, generation, salt, request.secret, &target);
    let access_hash = access.hash();
    let elapsed = now.since(predecessor.rotated_at);
    let issued = |expires_at: Timestamp| Issued {
        grant: grant.id,
        generation,
        access: access.clone(),
        access_hash,
        refresh: Some(successor.clone()),
        scope: target.scope.clone(),
        expires_in: expires_at.since(now).as_seconds(),
    };
    if let Some(live) =
        grant.access.iter().find(|token| token.hash.matches(&access_hash) && now < token.expires_at)
    {
        return Refresh::Retry { issued: issued(live.expires_at), elapsed };
    }
    let of_generation = grant.access.iter().filter(|token| token.generation == generation).count();
    if of_generation > RETRY_VARIANTS {
        return Refresh::Refuse(TokenError::RefreshRejected);
    }
    let expires_at =
        now.plus(config.policy.access_token_lifetime).min(grant.expires_at);
    let issued = issued(expires_at);
    let mut next = grant.clone();
    let retired = keep_access(&mut next, access_hash, generation, target, expires_at, config, now);
    retain(&mut next, config.policy.clock_skew);
    Refresh::RetryVariant { next: Box::new(next), issued, elapsed, retired }
}

/// Puts an access token among the live ones, the expired making room first, then the oldest of
/// the same audience, then the oldest. Says whether a live one was retired.
fn keep_access(
    next: &mut GrantRecord,
    hash: SecretHash,
    generation: u32,
    target: Target,
    expires_at: Timestamp,
    config: &ServerConfig,
    now: Timestamp,
) -> bool {
    // Another replica's clock may be behind: a token is not dropped before it has ended there too.
    let skew = config.policy.clock_skew;
    next.access.retain(|token| now < token.expires_at.plus(skew));
    let mut retired = false;
    while next.access.len() >= config.policy.access_tokens_per_grant.max(1) {
        let same = next.access.iter().position(|token| token.audience == target.audience);
        let gone = next.access.remove(same.unwrap_or(0));
        end_retry_of(next, gone.generation);
        retired = true;
    }
    next.access.push(AccessTokenRecord {
        hash,
        generation,
        scope: target.scope,
        audience: target.audience,
        issued_at: now,
        expires_at,
    });
    retired
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

fn derive_refresh(
    key: &crate::keys::RingKey,
    grant: &GrantRecord,
    generation: u32,
    salt: Salt,
    presented: &Secret,
) -> Secret {
    Secret::from_bytes(key.derive.mac(
        "rt",
        &[grant.id.as_bytes(), &generation.to_be_bytes(), &salt.0, presented.expose()],
    ))
}

fn derive_access(
    key: &crate::keys::RingKey,
    grant: &GrantRecord,
    generation: u32,
    salt: Salt,
    presented: &Secret,
    target: &Target,
) -> Secret {
    Secret::from_bytes(key.derive.mac(
        "at",
        &[
            grant.id.as_bytes(),
            &generation.to_be_bytes(),
            &salt.0,
            presented.expose(),
            target.scope.as_str().as_bytes(),
            target.audience.as_str().as_bytes(),
        ],
    ))
}

/// What becomes of a token its client gives back.
#[derive(Debug)]
pub(crate) enum Revoke {
    /// One access token ends, and with it its generation's retry window.
    AccessToken(Box<GrantRecord>),
    /// The grant ends.
    Grant(Box<GrantRecord>),
    /// Nothing to do.
    Nothing,
}

/// A client gives a token back. Spec: RFC 7009 §2.1.
pub(crate) fn revoke_access(grant: &GrantRecord, hash: &SecretHash) -> Revoke {
    let Some(at) = grant.access.iter().position(|token| token.hash.matches(hash)) else {
        return Revoke::Nothing;
    };
    let mut next = grant.clone();
    let gone = next.access.remove(at);
    end_retry_of(&mut next, gone.generation);
    Revoke::AccessToken(Box::new(next))
}

/// A client gives its refresh token back, the current one or the one before. Spec: RFC 7009 §2.1.
pub(crate) fn revoke_refresh(grant: &GrantRecord, hash: &SecretHash, now: Timestamp) -> Revoke {
    let held = grant.refresh.as_ref().is_some_and(|refresh| {
        refresh.hash.matches(hash)
            || refresh.predecessor.as_ref().is_some_and(|before| before.hash.matches(hash))
    });
    if !held || grant.closed.is_some() {
        return Revoke::Nothing;
    }
    Revoke::Grant(Box::new(close(grant, ClosedReason::Revoked, now)))
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
    grant.access.iter().find(|token| token.hash.matches(hash) && now < token.expires_at)
}

/// A record is kept as long as anything under it can still be presented, never less than before.
fn retain(next: &mut GrantRecord, skew: Lifetime) {
    let refresh = next.refresh.as_ref().map(|refresh| refresh.expires_at);
    let last = next.access.iter().map(|token| token.expires_at).chain(refresh).max();
    if let Some(last) = last {
        next.retain_until = next.retain_until.max(last.plus(skew));
    }
}
