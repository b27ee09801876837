//! The rules, one function each. Each says what it is for: what goes wrong in production when a
//! store breaks it.

use crate::contract::{Backend, Rule};

mod answering;
mod deleting;
mod dropping;
mod keys;
mod listing;
mod replacing;
mod sweeping;
mod tenants;

pub use answering::*;
pub use deleting::*;
pub use dropping::*;
pub use keys::*;
pub use listing::*;
pub use replacing::*;
pub use sweeping::*;
pub use tenants::*;

/// The one list of rules; hands it to another macro.
#[doc(hidden)]
#[macro_export]
macro_rules! __storage_rules {
    ($then:ident $($extra:tt)*) => {
        $crate::$then! { { $($extra)* }
            a_missing_record_is_not_found
            what_was_inserted_is_read
            unknown_members_survive
            large_records_are_kept_whole
            insert_never_overwrites
            one_insert_wins
            one_claim_wins
            keys_are_compared_byte_for_byte
            long_keys_are_kept_apart
            kinds_have_keys_of_their_own
            every_view_sees_the_newest_write

            replace_gives_a_new_revision
            replacing_nothing_creates_nothing
            a_conflict_changes_nothing
            one_of_64_replacers_wins
            no_answer_is_untrue
            no_answer_to_an_insert_is_untrue
            no_answer_to_a_deletion_is_untrue
            a_revision_never_returns

            delete_needs_the_revision
            a_deleted_record_is_gone
            one_delete_wins
            delete_and_replace_exclude_each_other

            a_listing_shows_what_was_acknowledged
            pages_neither_repeat_nor_skip
            pages_bear_changes_in_between
            pages_bear_replacements_in_between
            a_listing_follows_the_record
            a_listing_is_never_behind
            a_listing_stands_while_others_write
            a_listing_keeps_what_is_being_replaced
            every_kind_with_an_owner_is_listed
            listings_compare_byte_for_byte

            sweep_forgets_what_may_go
            sweep_spares_what_is_retained
            sweep_spares_what_has_no_date
            sweep_is_bounded
            sweep_judges_the_newest_record
            sweep_never_takes_an_extended_record
            sweepers_share_the_work
            a_clock_that_went_back_is_believed
            a_key_used_again_starts_afresh

            a_dropped_insert_is_all_or_nothing
            a_dropped_replace_is_all_or_nothing
            a_dropped_delete_is_all_or_nothing
            a_dropped_sweep_is_all_or_nothing
            a_dropped_read_answers_nobody_else

            tenants_see_only_their_own
            tenants_have_keys_of_their_own
            tenants_sweep_only_their_own
            tenants_keep_what_others_forget
            tenant_and_key_are_not_run_together
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __storage_rule_list {
    ({} $($rule:ident)*) => {
        vec![$((stringify!($rule), $rule::<B> as fn(&$crate::contract::Trial<B>) -> _)),*]
    };
}

/// All rules, by name, for a runner of your own.
pub fn all<B: Backend>() -> Vec<Rule<B>> {
    crate::__storage_rules! { __storage_rule_list }
}
