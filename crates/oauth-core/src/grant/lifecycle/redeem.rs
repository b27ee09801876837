//! A code becomes tokens, once.

use oauth_storage::{AccessTokenRecord, ClosedReason, GrantRecord, RefreshTokenRecord};
use oauth_types::{ClientId, CodeVerifier, Secret, SecretHash, Timestamp};

use super::{Issued, Standing, close, retain};
use crate::grant::target::RequestedTarget;
use crate::policy::ServerConfig;
use crate::token::TokenError;

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
    Issue {
        next: Box<GrantRecord>,
        issued: Issued,
    },
    /// What this redemption would write already stands in the record.
    AlreadyDone,
    Replay {
        closed: Box<GrantRecord>,
    },
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
    if grant
        .closed
        .is_some_and(|closed| closed.reason == ClosedReason::CodeReplayed)
    {
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
    if request
        .redirect_uri
        .is_some_and(|uri| uri != code.redirect_uri.as_str())
    {
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
        return Redeem::Replay {
            closed: Box::new(close(grant, ClosedReason::CodeReplayed, now)),
        };
    }
    if now >= code.expires_at || !request.standing.covers(grant) {
        return Refuse(TokenError::CodeRejected);
    }
    let policy = &config.policy;
    let lifetimes = policy.lifetimes(request.standing.lifetimes);
    let expires_at = now.plus(lifetimes.access_token).min(grant.expires_at);
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
        // Many clients sign in anew rather than refresh, and leave a grant behind each time.
        let unrefreshed = lifetimes.refresh_idle.min(policy.unrefreshed_lifetime);
        next.refresh = Some(RefreshTokenRecord {
            hash: fresh.refresh_hash,
            generation: 0,
            expires_at: now.plus(unrefreshed).min(grant.expires_at),
            predecessor: None,
        });
    }
    retain(&mut next, policy.clock_skew);
    Redeem::Issue {
        next: Box::new(next),
        issued,
    }
}
