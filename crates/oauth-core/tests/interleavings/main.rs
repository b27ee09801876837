//! The grant's life under every order of events that ten thousand random stories reach: racing
//! requests, lost replies, refused writes, clocks that step, stores that go back to an earlier
//! state, stolen tokens.

mod story;

use oauth_core::TokenError;
use oauth_testkit::faults::Fault;
use proptest::prelude::*;

use crate::story::{Ask, Round, Story, spin};

fn ask() -> impl Strategy<Value = Ask> {
    let pick = || prop_oneof![4 => Just(0usize), 2 => Just(1), 1 => 2usize..6];
    prop_oneof![
        3 => Just(Ask::Redeem),
        1 => Just(Ask::RedeemWrongVerifier),
        1 => Just(Ask::RedeemWrongClient),
        1 => Just(Ask::RedeemWrongRedirect),
        1 => Just(Ask::RedeemTooWide),
        8 => pick().prop_map(Ask::Refresh),
        2 => pick().prop_map(Ask::RefreshNarrow),
        1 => pick().prop_map(Ask::RefreshTooWide),
        1 => pick().prop_map(Ask::RefreshWrongClient),
        1 => pick().prop_map(Ask::RefreshAccessToken),
        1 => pick().prop_map(Ask::RevokeAccess),
        1 => pick().prop_map(Ask::RevokeRefresh),
        1 => pick().prop_map(Ask::RevokeWrongClient),
    ]
}

fn fault() -> impl Strategy<Value = Fault> {
    prop_oneof![
        6 => Just(Fault::None),
        1 => Just(Fault::ReplyLost),
        1 => Just(Fault::RequestLost),
        1 => Just(Fault::Refused),
    ]
}

fn round(asks: usize) -> impl Strategy<Value = Round> {
    (
        proptest::collection::vec(ask(), 1..=asks),
        proptest::collection::vec(fault(), 0..4),
        proptest::collection::vec(0usize..8, 24),
        prop_oneof![4 => Just(0i64), 2 => 1i64..6, 1 => -5i64..0, 1 => 25i64..40, 1 => 800i64..1000],
        prop_oneof![9 => Just(None), 1 => (0usize..8).prop_map(Some)],
    )
        .prop_map(|(asks, faults, order, seconds, restore)| Round { asks, faults, order, seconds, restore })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10_000, max_shrink_iters: 2_000, ..ProptestConfig::default() })]

    /// AS-CODE-4, AS-RT-6, AS-RT-7, AS-RT-2: whatever happens, in whatever order.
    #[test]
    fn no_order_of_events_breaks_a_promise(
        window in prop_oneof![Just(0u64), Just(30)],
        rounds in proptest::collection::vec(round(4), 1..9),
    ) {
        let mut story = Story::begin(window);
        for round in &rounds {
            story.play(round)?;
            story.pass(round.seconds);
            story.back_up();
            if let Some(pick) = round.restore {
                story.restore(pick);
                story.check_tokens()?;
            }
        }
    }

    /// A client that holds a token newer than the restored store is refused, and that costs
    /// nobody anything: the grant as restored goes on.
    #[test]
    fn a_restored_store_signs_nobody_out(
        refreshes in 1usize..5,
        back in 0usize..5,
        pauses in proptest::collection::vec(0i64..29, 5),
    ) {
        let mut story = Story::begin(30);
        let first = spin(story.world.redeem_async(&story.app, &story.code)).unwrap();
        let mut held = vec![first.refresh_token.unwrap()];
        story.back_up();
        for pause in &pauses[..refreshes] {
            story.pass(*pause);
            let next = spin(story.world.refresh_async(&story.app, &held[held.len() - 1])).unwrap();
            held.push(next.refresh_token.unwrap());
            story.back_up();
        }
        // The backup after the redemption is the second.
        let back = back.min(refreshes);
        story.restore(1 + back);
        for ahead in &held[back + 1..] {
            let refused = spin(story.world.refresh_async(&story.app, ahead)).unwrap_err();
            prop_assert_eq!(refused.code().map(|code| code.as_str()), Some("invalid_grant"));
        }
        prop_assert_eq!(story.seen.closed(), None);
        let mut gone_on = spin(story.world.refresh_async(&story.app, &held[back]));
        prop_assert!(gone_on.is_ok(), "{:?}", gone_on);
        // A lost token of the new one's generation is still not it, nor is it its predecessor.
        let lost = held.get(back + 1);
        for _ in 0..2 {
            if let Some(lost) = lost {
                let refused = spin(story.world.refresh_async(&story.app, lost)).unwrap_err();
                prop_assert_eq!(refused.code().map(|code| code.as_str()), Some("invalid_grant"));
            }
            prop_assert_eq!(story.seen.closed(), None);
            let newest = gone_on.as_ref().unwrap().refresh_token.clone().unwrap();
            gone_on = spin(story.world.refresh_async(&story.app, &newest));
        }
    }

    /// B2 and AS-RT-5: one client that asks one thing at a time, presenting what it received last
    /// and asking again when a reply was lost, is never mistaken for a thief.
    #[test]
    fn an_honest_client_is_never_signed_out(
        faults in proptest::collection::vec(proptest::collection::vec(fault(), 0..4), 1..9),
        pauses in proptest::collection::vec(0i64..29, 8),
    ) {
        let mut story = Story::begin(30);
        let mut refresh: Option<String> = None;
        for (faults, pause) in faults.iter().zip(pauses) {
            story.store.line_up(faults.iter().copied());
            for _ in 0..faults.len() + 2 {
                let outcome = match &refresh {
                    None => spin(story.world.redeem_async(&story.app, &story.code)),
                    Some(token) => spin(story.world.refresh_async(&story.app, token)),
                };
                match outcome {
                    Ok(response) => {
                        refresh = response.refresh_token;
                        break;
                    }
                    Err(TokenError::Storage(_)) => {
                        // A code whose answer was lost for good is spent: the person signs in again.
                        if refresh.is_none() && story.store.take_counts().replaced > 0 {
                            return Ok(());
                        }
                    }
                    Err(error) => prop_assert!(false, "refused: {error}"),
                }
            }
            story.store.clear_faults();
            story.pass(pause);
            prop_assert_eq!(story.seen.closed(), None);
        }
    }
}
