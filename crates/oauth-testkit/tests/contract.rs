//! The contract itself is tested: each rule is failed by some store that breaks it, and each
//! broken store fails exactly the rules that are named for it.

mod broken;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use broken::{BrokenBackend, Fault, Fold, Slip, SlippedBackend, Verb};
use oauth_testkit::contract::{Backend, BlockOn, Trial, rules};

const BLOCK_ON: BlockOn = |future| oauth_testkit::block_on(future);

/// Each fault, with the rules that fail because of it.
const CAUGHT: &[(Fault, &[&str])] = &[
    (Fault::None, &[]),
    (
        Fault::FindsByPrefix,
        &[
            "a_missing_record_is_not_found",
            "keys_are_compared_byte_for_byte",
            "long_keys_are_kept_apart",
        ],
    ),
    (Fault::ForgetsAMember, &["what_was_inserted_is_read"]),
    (Fault::DropsUnknownMembers, &["unknown_members_survive"]),
    (Fault::CutsLongText, &["large_records_are_kept_whole"]),
    (
        Fault::RefusesLargeDocuments,
        &["large_records_are_kept_whole"],
    ),
    (
        Fault::FoldsKeys(Fold::Case),
        &["keys_are_compared_byte_for_byte"],
    ),
    (
        Fault::FoldsKeys(Fold::TrailingSpace),
        &["keys_are_compared_byte_for_byte"],
    ),
    (
        Fault::FoldsKeys(Fold::Normal),
        &["keys_are_compared_byte_for_byte"],
    ),
    (
        Fault::FoldsKeys(Fold::Length),
        &["long_keys_are_kept_apart"],
    ),
    (
        Fault::FoldsListings(Fold::Case),
        &["listings_compare_byte_for_byte"],
    ),
    (
        Fault::FoldsListings(Fold::TrailingSpace),
        &["listings_compare_byte_for_byte"],
    ),
    (
        Fault::FoldsListings(Fold::Normal),
        &["listings_compare_byte_for_byte"],
    ),
    (
        Fault::FoldsListings(Fold::Length),
        &["listings_compare_byte_for_byte"],
    ),
    (
        Fault::OneTableForAll,
        &[
            "keys_are_compared_byte_for_byte",
            "kinds_have_keys_of_their_own",
            "long_keys_are_kept_apart",
        ],
    ),
    (Fault::CachesPerView, &["every_view_sees_the_newest_write"]),
    (
        Fault::InsertOverwrites,
        &[
            "insert_never_overwrites",
            "one_claim_wins",
            "one_insert_wins",
        ],
    ),
    (
        Fault::InsertLooksFirst,
        &["one_claim_wins", "one_insert_wins"],
    ),
    (Fault::ClaimsLookFirst, &["one_claim_wins"]),
    (
        Fault::LastWriteWins,
        &[
            "a_conflict_changes_nothing",
            "a_revision_never_returns",
            "delete_and_replace_exclude_each_other",
            "no_answer_is_untrue",
            "one_of_64_replacers_wins",
        ],
    ),
    (
        Fault::ReplaceLooksFirst,
        &[
            "delete_and_replace_exclude_each_other",
            "no_answer_is_untrue",
            "one_of_64_replacers_wins",
        ],
    ),
    (
        Fault::ReplaceUpserts,
        &[
            "a_deleted_record_is_gone",
            "delete_and_replace_exclude_each_other",
            "replacing_nothing_creates_nothing",
        ],
    ),
    (
        Fault::ConflictTouchesTheRecord,
        &[
            "a_conflict_changes_nothing",
            "a_revision_never_returns",
            "one_of_64_replacers_wins",
        ],
    ),
    (
        Fault::GuessesTheRevision,
        &["one_of_64_replacers_wins", "replace_gives_a_new_revision"],
    ),
    (Fault::RevisionRestarts, &["a_revision_never_returns"]),
    (
        Fault::WritesThenErrs(Verb::Replace),
        &["no_answer_is_untrue"],
    ),
    (Fault::SendsTwice(Verb::Replace), &["no_answer_is_untrue"]),
    (
        Fault::WritesThenErrs(Verb::Insert),
        &["no_answer_to_an_insert_is_untrue"],
    ),
    (
        Fault::SendsTwice(Verb::Insert),
        &["no_answer_to_an_insert_is_untrue"],
    ),
    (
        Fault::WritesThenErrs(Verb::Delete),
        &["no_answer_to_a_deletion_is_untrue"],
    ),
    (
        Fault::SendsTwice(Verb::Delete),
        &["no_answer_to_a_deletion_is_untrue"],
    ),
    (
        Fault::LeavesReplies,
        &["a_dropped_read_answers_nobody_else"],
    ),
    (
        Fault::DeletesBlindly,
        &[
            "a_revision_never_returns",
            "delete_and_replace_exclude_each_other",
            "delete_needs_the_revision",
        ],
    ),
    (
        Fault::DeleteLooksFirst,
        &["delete_and_replace_exclude_each_other", "one_delete_wins"],
    ),
    (
        Fault::ListsWhatIsDeleted,
        &[
            "a_deleted_record_is_gone",
            "a_dropped_delete_is_all_or_nothing",
            "a_key_used_again_starts_afresh",
            "pages_bear_changes_in_between",
            "tenants_keep_what_others_forget",
        ],
    ),
    (
        Fault::ListsBySubjectOnly,
        &[
            "a_deleted_record_is_gone",
            "a_key_used_again_starts_afresh",
            "a_listing_follows_the_record",
            "a_listing_is_never_behind",
            "a_listing_shows_what_was_acknowledged",
            "every_kind_with_an_owner_is_listed",
            "listings_compare_byte_for_byte",
            "pages_neither_repeat_nor_skip",
            "sweep_forgets_what_may_go",
            "tenants_keep_what_others_forget",
            "tenants_see_only_their_own",
        ],
    ),
    (
        Fault::OneIndexForAll,
        &[
            "a_listing_shows_what_was_acknowledged",
            "listings_compare_byte_for_byte",
        ],
    ),
    (
        Fault::ListLags,
        &[
            "a_listing_is_never_behind",
            "a_listing_keeps_what_is_being_replaced",
        ],
    ),
    (
        Fault::ListsByTheFirstOwner,
        &[
            "a_dropped_replace_is_all_or_nothing",
            "a_listing_follows_the_record",
        ],
    ),
    (Fault::PagesSkip, PAGES),
    (Fault::PagesRepeat, PAGES),
    (
        Fault::PagesIgnoreTheLimit,
        &[
            "a_listing_keeps_what_is_being_replaced",
            "a_listing_stands_while_others_write",
            "pages_neither_repeat_nor_skip",
        ],
    ),
    (
        Fault::PagesByOffset,
        &[
            "a_listing_stands_while_others_write",
            "pages_bear_changes_in_between",
            "pages_bear_replacements_in_between",
        ],
    ),
    (
        Fault::HidesWhileReplacing,
        &["a_listing_keeps_what_is_being_replaced"],
    ),
    (
        Fault::ListsGrantsOnly,
        &["every_kind_with_an_owner_is_listed"],
    ),
    (
        Fault::NeverSweeps,
        &[
            "a_clock_that_went_back_is_believed",
            "a_dropped_sweep_is_all_or_nothing",
            "sweep_forgets_what_may_go",
            "sweep_judges_the_newest_record",
            "sweepers_share_the_work",
            "tenants_keep_what_others_forget",
            "tenants_sweep_only_their_own",
        ],
    ),
    (
        Fault::SweepsTheLastSecond,
        &[
            "sweep_judges_the_newest_record",
            "sweep_spares_what_is_retained",
        ],
    ),
    (
        Fault::SweepsWhatHasNoDate,
        &["sweep_spares_what_has_no_date"],
    ),
    (
        Fault::SweepsWithoutBound,
        &["sweep_is_bounded", "sweepers_share_the_work"],
    ),
    (
        Fault::SweepsByTheFirstDate,
        &[
            "sweep_judges_the_newest_record",
            "sweep_never_takes_an_extended_record",
        ],
    ),
    (
        Fault::SweepLooksFirst,
        &["sweep_never_takes_an_extended_record"],
    ),
    (Fault::SweepCountsForOthers, &["sweepers_share_the_work"]),
    (
        Fault::SweepsByTheLatestClock,
        &["a_clock_that_went_back_is_believed"],
    ),
    (
        Fault::DatesOutliveRecords,
        &["a_key_used_again_starts_afresh"],
    ),
    (
        Fault::Tears(Verb::Insert),
        &["a_dropped_insert_is_all_or_nothing"],
    ),
    (
        Fault::Tears(Verb::Replace),
        &[
            "a_dropped_replace_is_all_or_nothing",
            "a_listing_keeps_what_is_being_replaced",
        ],
    ),
    (
        Fault::Tears(Verb::Delete),
        &["a_dropped_delete_is_all_or_nothing"],
    ),
    (
        Fault::Tears(Verb::Sweep),
        &["a_dropped_sweep_is_all_or_nothing"],
    ),
    (
        Fault::ListsAllTenants,
        &[
            "tenants_keep_what_others_forget",
            "tenants_see_only_their_own",
        ],
    ),
    (
        Fault::OneKeySpaceForAllTenants,
        &[
            "tenant_and_key_are_not_run_together",
            "tenants_have_keys_of_their_own",
            "tenants_keep_what_others_forget",
        ],
    ),
    (Fault::SweepsAllTenants, &["tenants_sweep_only_their_own"]),
    (
        Fault::OneIndexForAllTenants,
        &["tenants_keep_what_others_forget"],
    ),
    (
        Fault::RunsTenantAndKeyTogether,
        &["tenant_and_key_are_not_run_together"],
    ),
];

/// What depends on pages that follow one another.
const PAGES: &[&str] = &[
    "a_listing_keeps_what_is_being_replaced",
    "a_listing_stands_while_others_write",
    "pages_bear_changes_in_between",
    "pages_bear_replacements_in_between",
    "pages_neither_repeat_nor_skip",
];

/// Each slip, with the one rule that notices.
const NOTICED: &[(Slip, &str)] = &[
    (
        Slip::FindsSomethingUnderNothing,
        "a_missing_record_is_not_found",
    ),
    (Slip::ExistsTouchesTheRevision, "insert_never_overwrites"),
    (Slip::LooksBeforeInserting, "one_insert_wins"),
    (Slip::RingAmongClients, "kinds_have_keys_of_their_own"),
    (Slip::GuessesTheRevision, "replace_gives_a_new_revision"),
    (Slip::UpsertsTheUnknown, "replacing_nothing_creates_nothing"),
    (Slip::ConflictTouchesTheRecord, "a_conflict_changes_nothing"),
    (Slip::LooksFirstUnderLoad, "one_of_64_replacers_wins"),
    (Slip::DeletesAgain, "a_deleted_record_is_gone"),
    (Slip::DeletesWhatWasOlder, "delete_needs_the_revision"),
    (Slip::DeletesAgainUnderLoad, "one_delete_wins"),
    (
        Slip::ReplaceBringsBack,
        "delete_and_replace_exclude_each_other",
    ),
    (
        Slip::RelistsInTwoSteps,
        "a_dropped_replace_is_all_or_nothing",
    ),
    (
        Slip::ListsTheFirstDocument,
        "a_listing_shows_what_was_acknowledged",
    ),
    (Slip::LargePagesEndEarly, "pages_neither_repeat_nor_skip"),
    (Slip::CursorMustExist, "pages_bear_changes_in_between"),
    (Slip::PagesByRevision, "pages_bear_replacements_in_between"),
    (Slip::KeepsTheFirstClient, "a_listing_follows_the_record"),
    (Slip::InsertsAreListedLater, "a_listing_is_never_behind"),
    (
        Slip::HidesWhileDeleting,
        "a_listing_stands_while_others_write",
    ),
    (Slip::CountsNoClients, "sweep_forgets_what_may_go"),
    (Slip::ZeroIsNoLimit, "sweep_is_bounded"),
    (Slip::DatesClientsOnce, "sweep_judges_the_newest_record"),
    (Slip::FarDatesWrap, "sweep_spares_what_is_retained"),
    (Slip::DeletesForAllTenants, "tenants_have_keys_of_their_own"),
    (Slip::FindsForAllTenants, "tenants_see_only_their_own"),
];

/// The rules that a store fails, and how.
fn failed<B: Backend>(fresh: impl Fn() -> B) -> BTreeMap<&'static str, String> {
    let tried = rules::all::<B>().into_iter().filter_map(|(name, rule)| {
        let trial = Trial::new(fresh(), BLOCK_ON);
        rule(&trial).err().map(|why| (name, why.to_string()))
    });
    tried.collect()
}

/// Tries several at once: most faults sleep most of the time, to let others get in between.
fn each<T: Sync>(table: &[T], wrong: impl Fn(&T) -> Option<String> + Sync) {
    let (next, found) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while let Some(one) = table.get(next.fetch_add(1, Ordering::SeqCst)) {
                    found.lock().unwrap().extend(wrong(one));
                }
            });
        }
    });
    let found = found.into_inner().unwrap();
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn each_broken_store_fails_exactly_the_rules_that_are_named_for_it() {
    each(CAUGHT, |(fault, named)| {
        let failed = failed(|| BrokenBackend::new(*fault));
        let as_named = failed.keys().copied().eq(named.iter().copied());
        (!as_named).then(|| format!("{fault:?} should fail {named:#?}, fails {failed:#?}"))
    });
}

#[test]
fn each_slip_is_noticed_by_one_rule() {
    each(NOTICED, |(slip, named)| {
        let failed = failed(|| SlippedBackend::new(*slip));
        let as_named = failed.keys().eq([named]);
        (!as_named).then(|| format!("{slip:?} should fail {named}, fails {failed:#?}"))
    });
}

/// No rule is there twice: of each there is a store that it alone finds fault with.
#[test]
fn each_rule_is_the_only_one_to_catch_some_store() {
    let alone = CAUGHT.iter().filter_map(|(_, rules)| match rules {
        [rule] => Some(*rule),
        _ => None,
    });
    let alone: BTreeSet<_> = alone.chain(NOTICED.iter().map(|(_, rule)| *rule)).collect();
    let rules = rules::all::<BrokenBackend>();
    let rules: BTreeSet<_> = rules.iter().map(|(name, _)| *name).collect();
    assert_eq!(alone, rules);
}
