//! A client gives a token back.

use oauth_storage::{ClosedReason, GrantRecord};
use oauth_types::{SecretHash, Timestamp};

use super::{close, end_retry_of};

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
    let Some(at) = grant
        .access
        .iter()
        .position(|token| token.hash.matches(hash))
    else {
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
            || refresh
                .predecessor
                .as_ref()
                .is_some_and(|before| before.hash.matches(hash))
    });
    if !held || grant.closed.is_some() {
        return Revoke::Nothing;
    }
    Revoke::Grant(Box::new(close(grant, ClosedReason::Revoked, now)))
}
