//! A refresh token becomes its successor; and what a token that comes back means.

use oauth_storage::grant::Salt;
use oauth_storage::{
    AccessTokenRecord, ClosedReason, GrantRecord, Predecessor, RefreshTokenRecord,
};
use oauth_types::{ClientId, Lifetime, ResourceUri, Scope, Secret, SecretHash, Timestamp};

use super::{Issued, REPLAY_MEMORY, Standing, close, end_retry_of, retain_ahead};
use crate::grant::target::RequestedTarget;
use crate::keys::{KeyRing, RingKey};
use crate::policy::ServerConfig;
use crate::token::TokenError;

/// Access tokens that differing retries of one refresh may add to its generation.
const RETRY_VARIANTS: usize = 4;

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
    Rotate {
        next: Box<GrantRecord>,
        issued: Issued,
        retired: bool,
    },
    /// What this refresh would write already stands in the record.
    AlreadyDone,
    /// The rotation already happened and the identical answer still stands.
    Retry {
        issued: Issued,
        elapsed: Lifetime,
    },
    /// The rotation already happened, but this request wants another access token beside the
    /// same successor.
    RetryVariant {
        next: Box<GrantRecord>,
        issued: Issued,
        elapsed: Lifetime,
        retired: bool,
    },
    Reuse {
        closed: Box<GrantRecord>,
    },
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
    if grant
        .closed
        .is_some_and(|closed| closed.reason == ClosedReason::RefreshTokenReused)
    {
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
    let reuse = || Refresh::Reuse {
        closed: Box::new(close(grant, ClosedReason::RefreshTokenReused, now)),
    };
    let Some(predecessor) = current
        .predecessor
        .as_ref()
        .filter(|_| request.generation + 1 == current.generation)
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
    retry(
        grant,
        current,
        predecessor,
        request,
        ring,
        target,
        config,
        now,
    )
}

struct Target {
    audience: ResourceUri,
    scope: Scope,
}

#[expect(
    clippy::too_many_arguments,
    reason = "private; every one is a fact of the decision"
)]
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
    let lifetimes = policy.lifetimes(request.standing.lifetimes);
    let expires_at = now.plus(lifetimes.access_token).min(grant.expires_at);
    let access_hash = access.hash();
    let mut next = grant.clone();
    next.refresh = Some(RefreshTokenRecord {
        hash: successor.hash(),
        generation,
        expires_at: now.plus(lifetimes.refresh_idle).min(grant.expires_at),
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
    if next
        .code
        .as_ref()
        .is_some_and(|code| now >= code.expires_at.plus(REPLAY_MEMORY))
    {
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
    let retired = keep_access(
        &mut next,
        access_hash,
        generation,
        target,
        expires_at,
        config,
        now,
    );
    retain_ahead(&mut next, policy.clock_skew, now);
    Refresh::Rotate {
        next: Box::new(next),
        issued,
        retired,
    }
}

#[expect(
    clippy::too_many_arguments,
    reason = "private; every one is a fact of the decision"
)]
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
    if let Some(live) = grant
        .access
        .iter()
        .find(|token| token.hash.matches(&access_hash) && now < token.expires_at)
    {
        return Refresh::Retry {
            issued: issued(live.expires_at),
            elapsed,
        };
    }
    let of_generation = grant
        .access
        .iter()
        .filter(|token| token.generation == generation)
        .count();
    if of_generation > RETRY_VARIANTS {
        return Refresh::Refuse(TokenError::RefreshRejected);
    }
    let lifetimes = config.policy.lifetimes(request.standing.lifetimes);
    let expires_at = now.plus(lifetimes.access_token).min(grant.expires_at);
    let issued = issued(expires_at);
    let mut next = grant.clone();
    let retired = keep_access(
        &mut next,
        access_hash,
        generation,
        target,
        expires_at,
        config,
        now,
    );
    retain_ahead(&mut next, config.policy.clock_skew, now);
    Refresh::RetryVariant {
        next: Box::new(next),
        issued,
        elapsed,
        retired,
    }
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
    next.access
        .retain(|token| now < token.expires_at.plus(skew));
    let mut retired = false;
    while next.access.len() >= config.policy.access_tokens_per_grant.max(1) {
        let same = next
            .access
            .iter()
            .position(|token| token.audience == target.audience);
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

fn derive_refresh(
    key: &RingKey,
    grant: &GrantRecord,
    generation: u32,
    salt: Salt,
    presented: &Secret,
) -> Secret {
    Secret::from_bytes(key.derive.mac(
        "rt",
        &[
            grant.id.as_bytes(),
            &generation.to_be_bytes(),
            &salt.0,
            presented.expose(),
        ],
    ))
}

fn derive_access(
    key: &RingKey,
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
