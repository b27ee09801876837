//! What only the pure functions can be shown: records that the server itself would never write,
//! but that a restored store, an operator or a later version might hold.

use super::*;
use crate::grant::target::RequestedTarget;
use crate::policy::ResourcePolicy;
use crate::token::TokenError;
use oauth_types::{CodeVerifier, Issuer};

const NOW: Timestamp = Timestamp::from_unix(1_800_000_000);

fn config() -> ServerConfig {
    let uri = ResourceUri::parse("https://mcp.example/mcp").unwrap();
    let resource = ResourcePolicy::new(uri).scope("mcp:tools", "Use the tools");
    ServerConfig::new(Issuer::parse("https://mcp.example").unwrap(), resource)
}

fn secret(byte: u8) -> Secret {
    Secret::from_bytes([byte; 32])
}

fn verifier_text() -> String {
    "v".repeat(43)
}

/// A grant whose code is `secret(2)`.
fn approved(epochs: Epochs, transaction_expires_at: Timestamp) -> GrantRecord {
    let config = config();
    let text = verifier_text();
    let approved = Approved {
        id: GrantId::from_bytes([1; 16]),
        client_id: ClientId::new("c_app"),
        subject: Subject::new("alice"),
        scope: Scope::parse("mcp:tools").unwrap(),
        resources: vec![config.resources[0].uri.clone()],
        epochs,
        auth_time: NOW,
        authentication: None,
        lifetimes: ClientLifetimes::default(),
        code: secret(2).hash(),
        challenge: CodeChallenge::of(CodeVerifier::parse(&text).unwrap()),
        redirect_uri: RedirectUri::parse("http://127.0.0.1/cb").unwrap(),
        transaction_expires_at,
    };
    approve(approved, &config, NOW)
}

fn standing(current: Epochs) -> Standing {
    Standing {
        current,
        disabled: false,
        lifetimes: ClientLifetimes::default(),
    }
}

fn present(grant: &GrantRecord, code: &Secret, standing: Standing, now: Timestamp) -> Redeem {
    let (text, target) = (verifier_text(), RequestedTarget::parse(&[], None).unwrap());
    let fresh = FreshTokens {
        access: secret(3),
        access_hash: secret(3).hash(),
        refresh: secret(4),
        refresh_hash: secret(4).hash(),
    };
    let redemption = Redemption {
        client_id: &grant.client_id,
        code: &code.hash(),
        verifier: CodeVerifier::parse(&text).unwrap(),
        redirect_uri: None,
        target: &target,
        wants_refresh: true,
        standing,
    };
    redeem(grant, &redemption, &fresh, &config(), now)
}

fn redeemed(epochs: Epochs) -> GrantRecord {
    let grant = approved(epochs, NOW);
    match present(&grant, &secret(2), standing(epochs), NOW) {
        Redeem::Issue { next, .. } => *next,
        other => panic!("{other:?}"),
    }
}

/// The tag of a code already tells forgeries, so this is another code of the same grant: one that
/// a restored store no longer remembers.
#[test]
fn another_code_of_the_same_grant_is_refused() {
    let grant = approved(Epochs::default(), NOW);
    let standing = standing(Epochs::default());
    let other = present(&grant, &secret(9), standing, NOW);
    assert!(matches!(other, Redeem::Refuse(TokenError::CodeRejected)));
    let own = present(&grant, &secret(2), standing, NOW);
    assert!(matches!(own, Redeem::Issue { .. }));
}

/// Each barrier counts by itself, and only when it is above what the grant was approved under.
#[test]
fn every_epoch_is_a_barrier() {
    let at = |client, subject, subject_client, ring| Epochs {
        client,
        subject,
        subject_client,
        ring,
    };
    let held = at(2, 2, 2, 2);
    let grant = approved(held, NOW);
    for below in [held, at(1, 2, 2, 2), at(0, 0, 0, 0)] {
        assert!(standing(below).covers(&grant));
    }
    for above in [
        at(3, 2, 2, 2),
        at(2, 3, 2, 2),
        at(2, 2, 3, 2),
        at(2, 2, 2, 3),
    ] {
        assert!(!standing(above).covers(&grant), "{above:?}");
    }
    let disabled = Standing {
        disabled: true,
        ..standing(held)
    };
    assert!(!disabled.covers(&grant));
}

/// A raised ring ends access tokens at once, and a closed grant has none whatever its record says.
#[test]
fn an_access_token_lives_while_its_grant_is_open_and_its_ring_stands() {
    let ring = |ring| Epochs {
        ring,
        ..Epochs::default()
    };
    let grant = redeemed(ring(1));
    let hash = secret(3).hash();
    let ends = NOW.plus(config().policy.access_token_lifetime);
    assert!(live_access(&grant, &hash, 1, NOW).is_some());
    assert!(live_access(&grant, &hash, 0, NOW).is_some());
    assert!(live_access(&grant, &hash, 2, NOW).is_none());
    assert!(live_access(&grant, &hash, 1, ends).is_none());
    assert!(live_access(&grant, &secret(9).hash(), 1, NOW).is_none());
    let mut closed = grant;
    closed.closed = Some(Closed {
        at: NOW,
        reason: ClosedReason::Withdrawn,
    });
    assert!(live_access(&closed, &hash, 1, NOW).is_none());
}

/// A record is kept as long as anything under it can come back: the form that named it, the
/// replay of its code, its last token, and the clocks' skew.
#[test]
fn a_record_is_kept_until_nothing_can_come_back() {
    let policy = config().policy;
    let replay = NOW.plus(policy.code_lifetime).plus(REPLAY_MEMORY);
    let grant = approved(Epochs::default(), NOW);
    assert_eq!(grant.retain_until, replay.plus(policy.clock_skew));
    let late = replay.plus(Lifetime::minutes(5));
    let grant = approved(Epochs::default(), late);
    assert_eq!(grant.retain_until, late.plus(policy.clock_skew));
    let grant = redeemed(Epochs::default());
    let last = NOW.plus(policy.unrefreshed_lifetime);
    assert_eq!(grant.retain_until, last.plus(policy.clock_skew));
    // Closing keeps the tombstone as long.
    let closed = close(&grant, ClosedReason::Revoked, NOW);
    assert_eq!(closed.retain_until, grant.retain_until);
    assert!(closed.code.is_none() && closed.refresh.is_none() && closed.access.is_empty());
    // Making room keeps it only as long as the form and the code could bring it back.
    let crowded = make_room(&grant, &policy, NOW);
    assert_eq!(crowded.retain_until, replay.plus(policy.clock_skew));
    assert_eq!(crowded.closed.unwrap().reason, ClosedReason::MadeRoom);
}

/// A client that refreshes every hour moves the date of its grant now and then, not every hour; the
/// record is there as long as its tokens are, and no longer than the grant could last.
#[test]
fn a_grant_that_is_refreshed_often_keeps_its_date() {
    let (policy, idle) = (config().policy, Lifetime::days(30));
    let (mut grant, mut moved) = (redeemed(Epochs::default()), 0);
    let end = grant.expires_at;
    let mut now = NOW;
    while now < end {
        now = now.plus(Lifetime::minutes(60));
        let before = grant.retain_until;
        grant.refresh.as_mut().unwrap().expires_at = now.plus(idle).min(end);
        retain_ahead(&mut grant, policy.clock_skew, now);
        moved += u32::from(grant.retain_until != before);
        let last = last_token(&grant).unwrap();
        assert!(grant.retain_until >= last.plus(policy.clock_skew));
        assert!(grant.retain_until <= end.plus(policy.clock_skew));
    }
    let hours = end.since(NOW).as_seconds() / 3600;
    assert!(
        u64::from(moved) < hours / 20,
        "{moved} times in {hours} hours"
    );
}

/// A grant was last used when it was last approved, redeemed or refreshed, whatever has expired
/// since; and it lives while anything under it can be presented.
#[test]
fn a_grant_lives_and_is_used() {
    let policy = config().policy;
    let fresh = approved(Epochs::default(), NOW);
    assert_eq!(last_used(&fresh), NOW);
    assert!(is_alive(&fresh, NOW));
    assert!(!is_alive(&fresh, NOW.plus(policy.code_lifetime)));
    let mut grant = redeemed(Epochs::default());
    assert!(is_alive(&grant, NOW.plus(policy.access_token_lifetime)));
    assert!(!is_alive(&grant, NOW.plus(policy.unrefreshed_lifetime)));
    let later = NOW.plus(Lifetime::minutes(7));
    grant.access[0].issued_at = later;
    assert_eq!(last_used(&grant), later);
    assert!(!is_alive(&make_room(&grant, &policy, later), later));
}
