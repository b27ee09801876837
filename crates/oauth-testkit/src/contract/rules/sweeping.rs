//! Sweeping forgets what nothing can present any more, and not one record else.

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use oauth_storage::{ClientRecord, GrantRecord, Record, Replace, Storage, SubjectRecord};
use oauth_types::{Subject, Timestamp};

use crate::contract::samples::{Sample, at, client, grant, grant_of, retained};
use crate::contract::steps::{
    by_client, by_subject, change, listed_ids, put, read, remove, sweep_all,
};
use crate::contract::{Backend, Trial, Verdict, Violation, ensure};

async fn is_there<R: Sample>(store: &dyn Storage, id: &R::Id) -> Result<bool, Violation> {
    Ok(R::table(store).find(id).await?.is_some())
}

/// Sweeping until it answers 0 forgets every record whose date is past, from its key and from the
/// listings, and frees the key: otherwise the store grows for ever.
pub fn sweep_forgets_what_may_go<B: Backend>(trial: &Trial<B>) -> Verdict {
    trial.run(async {
        let store = trial.store();
        for number in 0..30 {
            let seconds = if number % 3 == 0 {
                60
            } else {
                -1 - number as i64
            };
            put(&store, retained(grant(number), seconds)).await?;
        }
        let mut old = client("old");
        old.retain_until = Some(at(-1));
        put(&store, old).await?;
        let swept = sweep_all::<GrantRecord>(&store, at(0)).await?;
        ensure!(swept == 20, "20 grants may go, the sweep counts {swept}");
        let swept = sweep_all::<ClientRecord>(&store, at(0)).await?;
        ensure!(swept == 1, "one client may go, the sweep counts {swept}");
        let mut kept = Vec::new();
        for number in 0..30 {
            let id = grant(number).id;
            let stays = number % 3 == 0;
            ensure!(
                is_there::<GrantRecord>(&store, &id).await? == stays,
                "grant {number}: not {stays}"
            );
            if stays {
                kept.push(id);
            }
        }
        kept.sort_unstable();
        for by in [by_subject("alice"), by_client("app")] {
            let listed = listed_ids(&store, &by, 100).await?;
            ensure!(
                listed == kept,
                "after a sweep {} are listed, {} kept",
                listed.len(),
                kept.len()
            );
        }
        put(&store, grant(1).marked(5)).await?;
        ensure!(
            !is_there::<ClientRecord>(&store, client("old").id()).await?,
            "an old client stays"
        );
        Ok(())
    })
}

/// A record stays until its date is past, the last second included: a code that is presented in
/// its last second must find its grant, and a replay within the retention must be noticed.
pub fn sweep_spares_what_is_retained<B: Backend>(trial: &Trial<B>) -> Verdict {
    trial.run(async {
        let store = trial.store();
        let far = Timestamp::from_unix(u64::MAX);
        put(&store, retained(grant(1), 0)).await?;
        put(&store, retained(grant(2), 1)).await?;
        put(
            &store,
            GrantRecord {
                retain_until: far,
                ..grant(3)
            },
        )
        .await?;
        let mut app = client("app");
        app.retain_until = Some(at(0));
        put(&store, app).await?;
        let swept = sweep_all::<GrantRecord>(&store, at(0)).await?
            + sweep_all::<ClientRecord>(&store, at(0)).await?;
        let mut there = is_there::<ClientRecord>(&store, client("app").id()).await?;
        for number in 1..=3 {
            there &= is_there::<GrantRecord>(&store, &grant(number).id).await?;
        }
        ensure!(
            swept == 0 && there,
            "a record went that had to be kept until now or longer"
        );
        sweep_all::<GrantRecord>(&store, at(1_000_000_000)).await?;
        ensure!(
            is_there::<GrantRecord>(&store, &grant(3).id).await?,
            "the end of time came early"
        );
        Ok(())
    })
}

/// A record without a date is never swept: an operator's client, a person's password and the key
/// ring are kept until somebody deletes them.
pub fn sweep_spares_what_has_no_date<B: Backend>(trial: &Trial<B>) -> Verdict {
    async fn kind<R: Sample>(store: &dyn Storage, record: R) -> Verdict {
        let id = record.id().clone();
        put(store, record).await?;
        for now in [
            at(0),
            Timestamp::from_unix(u64::MAX >> 1),
            Timestamp::from_unix(u64::MAX),
        ] {
            let swept = sweep_all::<R>(store, now).await?;
            ensure!(
                swept == 0 && is_there::<R>(store, &id).await?,
                "a record of {} without a date was swept",
                R::KIND.as_str()
            );
        }
        Ok(())
    }
    trial.run(async {
        let store = trial.store();
        kind(&store, client("app")).await?;
        kind(&store, SubjectRecord::new(Subject::new("alice"))).await?;
        kind(&store, oauth_storage::KeyRingRecord::sample(0)).await
    })
}

/// One sweep forgets no more than it is allowed, and counts what it forgot: a sweep of everything
/// at once would hold up the requests behind it.
pub fn sweep_is_bounded<B: Backend>(trial: &Trial<B>) -> Verdict {
    trial.run(async {
        let store = trial.store();
        for number in 0..12 {
            put(&store, retained(grant(number), -1)).await?;
        }
        let mut left = 12;
        for limit in [0, 1, 3, 5, 100, 100] {
            let swept = store.grants().sweep(at(0), limit).await?;
            ensure!(swept <= limit, "a sweep of at most {limit} counts {swept}");
            let mut there = 0;
            for number in 0..12 {
                there += usize::from(is_there::<GrantRecord>(&store, &grant(number).id).await?);
            }
            ensure!(
                there + swept == left,
                "a sweep counts {swept}, but {} went",
                left - there
            );
            left = there;
        }
        Ok(())
    })
}

/// A sweep goes by what the record says now, whatever it said when it was inserted.
pub fn sweep_judges_the_newest_record<B: Backend>(trial: &Trial<B>) -> Verdict {
    trial.run(async {
        let store = trial.store();
        let (extended, shortened) = (
            put(&store, retained(grant(1), -5)).await?,
            put(&store, grant(2)).await?,
        );
        change(&store, extended, grant(1)).await?;
        change(&store, shortened, retained(grant(2), -5)).await?;
        let dated = |id: &str, date| ClientRecord {
            retain_until: date,
            ..client(id)
        };
        let kept = put(&store, dated("kept", Some(at(-5)))).await?;
        let expiring = put(&store, dated("expiring", None)).await?;
        change(&store, kept, dated("kept", None)).await?;
        change(&store, expiring, dated("expiring", Some(at(-5)))).await?;
        sweep_all::<GrantRecord>(&store, at(0)).await?;
        sweep_all::<ClientRecord>(&store, at(0)).await?;
        ensure!(
            is_there::<GrantRecord>(&store, &grant(1).id).await?,
            "an extended grant went"
        );
        ensure!(
            !is_there::<GrantRecord>(&store, &grant(2).id).await?,
            "a shortened grant stays"
        );
        ensure!(
            is_there::<ClientRecord>(&store, client("kept").id()).await?,
            "a client went that has no date any more"
        );
        ensure!(
            !is_there::<ClientRecord>(&store, client("expiring").id()).await?,
            "a client stays that was given a date"
        );
        // Shortened and extended in turn, it still goes when its time has come, and only then.
        let mut revision = put(&store, retained(grant(3), 50)).await?;
        for seconds in [10, 60, 20, 70] {
            revision = change(&store, revision, retained(grant(3), seconds)).await?;
        }
        sweep_all::<GrantRecord>(&store, at(70)).await?;
        ensure!(
            is_there::<GrantRecord>(&store, &grant(3).id).await?,
            "an extended grant went"
        );
        sweep_all::<GrantRecord>(&store, at(71)).await?;
        ensure!(
            !is_there::<GrantRecord>(&store, &grant(3).id).await?,
            "an expired grant stays"
        );
        Ok(())
    })
}

/// A record that is extended while a sweep runs stays: whoever is told that a client was kept for
/// the grant just approved must find it afterwards.
pub fn sweep_never_takes_an_extended_record<B: Backend>(trial: &Trial<B>) -> Verdict {
    for round in 0..4 {
        let numbers = round * 100..round * 100 + 12;
        trial.run(async {
            for number in numbers.clone() {
                put(&trial.store(), retained(grant(number), -5)).await?;
            }
            Ok::<(), Violation>(())
        })?;
        let (numbers, extending) = (&numbers, &AtomicUsize::new(2));
        let extended = trial.race(4, |racer, store| async move {
            if racer % 2 == 0 {
                while extending.load(Ordering::SeqCst) > 0 {
                    sweep_all::<GrantRecord>(&store, at(0)).await?;
                }
                return Ok(Vec::new());
            }
            let extended = extend(&store, numbers.clone()).await;
            extending.fetch_sub(1, Ordering::SeqCst);
            extended
        })?;
        for number in extended.into_iter().flatten() {
            let found = trial.run(read::<GrantRecord>(&trial.store(), &grant(number).id));
            ensure!(
                found.is_ok(),
                "a sweep took a record that had been extended"
            );
        }
    }
    Ok(())
}

/// Several that sweep at once forget each record once, together all that may go, and nothing that
/// arrives meanwhile: every replica sweeps, and their counts are what an operator watches.
pub fn sweepers_share_the_work<B: Backend>(trial: &Trial<B>) -> Verdict {
    const DUE: u64 = 40;
    trial.run(async {
        for number in 0..DUE {
            put(&trial.store(), retained(grant(number), -1)).await?;
        }
        Ok::<(), Violation>(())
    })?;
    let swept = trial.race(5, |racer, store| async move {
        let mut swept = 0;
        for turn in 0..12 {
            if racer == 4 {
                put(&store, grant(1000 + turn)).await?;
                continue;
            }
            let now = store.grants().sweep(at(0), 5).await?;
            ensure!(now <= 5, "a sweep of at most 5 counts {now}");
            swept += now;
        }
        Ok(swept)
    })?;
    trial.run(async {
        let store = trial.store();
        let swept = swept.iter().sum::<usize>() + sweep_all::<GrantRecord>(&store, at(0)).await?;
        ensure!(
            swept == DUE as usize,
            "{DUE} grants could go, the sweeps count {swept}"
        );
        for number in 0..DUE {
            ensure!(
                !is_there::<GrantRecord>(&store, &grant(number).id).await?,
                "after all sweeps a grant stays that could go"
            );
        }
        for turn in 0..12 {
            ensure!(
                is_there::<GrantRecord>(&store, &grant(1000 + turn).id).await?,
                "a sweep took a grant that had just arrived"
            );
        }
        Ok(())
    })
}

/// Each sweep goes by the moment it is given, also when that is before an earlier sweep's, and
/// finds what was written since with a date before that: clocks are set back, and differ between
/// replicas. A code must not go early because some clock was wrong once.
pub fn a_clock_that_went_back_is_believed<B: Backend>(trial: &Trial<B>) -> Verdict {
    trial.run(async {
        let store = trial.store();
        let dates = [(1, 50), (2, 150), (3, 250)];
        for (number, seconds) in dates {
            put(&store, retained(grant(number), seconds)).await?;
        }
        let sweep = |seconds| sweep_all::<GrantRecord>(&store, at(seconds));
        ensure!(sweep(100).await? == 1, "one grant may go");
        // The clock is set back, and a grant is given by it.
        let revision = put(&store, retained(grant(4), 10)).await?;
        for earlier in [-1000, 0, 5] {
            let swept = sweep(earlier).await?;
            ensure!(
                swept == 0 && is_there::<GrantRecord>(&store, &grant(4).id).await?,
                "a sweep went by a clock that was ahead once"
            );
        }
        let revision = change(&store, revision, retained(grant(4), 12)).await?;
        change(&store, revision, retained(grant(4), 11)).await?;
        ensure!(
            sweep(20).await? == 1 && !is_there::<GrantRecord>(&store, &grant(4).id).await?,
            "a grant stays whose date was past before it was written"
        );
        for number in [2, 3] {
            ensure!(
                is_there::<GrantRecord>(&store, &grant(number).id).await?,
                "a grant went before its time"
            );
        }
        Ok(())
    })
}

/// A key that is inserted again after its deletion has nothing of its first life: neither the
/// date nor the owner. A client that comes back by its document's address must not be swept, nor
/// revoked, for what it was.
pub fn a_key_used_again_starts_afresh<B: Backend>(trial: &Trial<B>) -> Verdict {
    trial.run(async {
        let store = trial.store();
        for life in 0..3 {
            let revision = put(&store, retained(grant(1), -5 - life)).await?;
            remove::<GrantRecord>(&store, &grant(1).id, revision).await?;
        }
        put(&store, grant_of(1, "bob", "other")).await?;
        let swept = sweep_all::<GrantRecord>(&store, at(0)).await?;
        ensure!(
            swept == 0 && is_there::<GrantRecord>(&store, &grant(1).id).await?,
            "a grant was swept by the date of one that had its key before"
        );
        for (by, expected) in [
            (by_subject("alice"), 0),
            (by_client("app"), 0),
            (by_subject("bob"), 1),
            (by_client("other"), 1),
        ] {
            let listed = listed_ids(&store, &by, 10).await?.len();
            ensure!(
                listed == expected,
                "a key was used again by bob for other; {by:?} lists {listed}"
            );
        }
        Ok(())
    })
}

/// Extends one record after the other, as far as they are still there, and says which.
async fn extend(store: &dyn Storage, numbers: Range<u64>) -> Result<Vec<u64>, Violation> {
    let mut extended = Vec::new();
    for number in numbers {
        std::thread::sleep(Duration::from_micros(50));
        let Some(found) = store.grants().find(&grant(number).id).await? else {
            continue;
        };
        let answer = store
            .grants()
            .replace(found.revision, grant(number))
            .await?;
        if matches!(answer, Replace::Replaced(_)) {
            extended.push(number);
        }
    }
    Ok(extended)
}
