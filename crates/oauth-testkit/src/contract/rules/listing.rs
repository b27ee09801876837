//! Listing is how everything of a person or a client is revoked: what it does not show, survives.

use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use oauth_storage::{ConsentRecord, Filter, GrantRecord, Page, Record, Storage};
use oauth_types::GrantId;

use crate::contract::samples::{Sample, grant, grant_of};
use crate::contract::steps::{
    by_client, by_subject, change, each_kind, list, listed_ids, put, read, remove, same,
};
use crate::contract::{Backend, Trial, Verdict, Violation, ensure};

fn ids(numbers: impl IntoIterator<Item = u64>) -> Vec<GrantId> {
    let mut ids: Vec<_> = numbers.into_iter().map(|number| grant(number).id).collect();
    ids.sort_unstable();
    ids
}

/// A listing shows every record of that person or client that was acknowledged, in the state in
/// which it is found, and nobody else's.
pub fn a_listing_shows_what_was_acknowledged<B: Backend>(trial: &Trial<B>) -> Verdict {
    trial.run(async {
        let store = trial.store();
        let (people, apps) = (["alice", "bob", "carol"], ["app", "other"]);
        let of = |n: u64| grant_of(n, people[n as usize % 3], apps[n as usize % 2]);
        for by in [by_subject("alice"), by_client("app")] {
            ensure!(
                list(&store, &by, 10).await?.is_empty(),
                "an empty store lists something"
            );
        }
        for number in 0..24 {
            let revision = put(&store, of(number)).await?;
            if number % 5 == 0 {
                change(&store, revision, of(number).marked(number)).await?;
            }
        }
        for (at, person) in (0..).zip(people) {
            let listed = listed_ids(&store, &by_subject(person), 100).await?;
            let expected = ids((0..24).filter(|n| n % 3 == at));
            ensure!(
                listed == expected,
                "{person} has {expected:?}, listed {listed:?}"
            );
        }
        for (at, app) in (0..).zip(apps) {
            let listed = listed_ids(&store, &by_client(app), 100).await?;
            let expected = ids((0..24).filter(|n| n % 2 == at));
            ensure!(
                listed == expected,
                "{app} has {expected:?}, listed {listed:?}"
            );
        }
        for item in list(&store, &by_client("app"), 100).await? {
            let found = read::<GrantRecord>(&store, &item.record.id).await?;
            ensure!(
                found.revision == item.revision && same(&*found.record, &*item.record)?,
                "a record is listed in another state than it is found in"
            );
        }
        for nobody in [by_subject("dave"), by_client("alice"), by_subject("app")] {
            ensure!(
                list(&store, &nobody, 10).await?.is_empty(),
                "{nobody:?} lists something"
            );
        }
        Ok(())
    })
}

/// A run of pages shows each record once, whatever the size of the pages, and no page is larger
/// than asked for: revoking a client with a million grants goes page by page.
pub fn pages_neither_repeat_nor_skip<B: Backend>(trial: &Trial<B>) -> Verdict {
    trial.run(async {
        let store = trial.store();
        for number in 0..23 {
            put(&store, grant(number)).await?;
        }
        let expected = ids(0..23);
        for limit in [1, 2, 3, 22, 23, 24, 1000] {
            for by in [by_subject("alice"), by_client("app")] {
                // The step itself watches for repetitions and for pages that are too large.
                let listed = listed_ids(&store, &by, limit).await?;
                ensure!(
                    listed == expected,
                    "pages of {limit} show {} of 23",
                    listed.len()
                );
            }
        }
        Ok(())
    })
}

/// A run of pages bears the deletion of what it has shown: whoever revokes by listing and erasing
/// must not skip a record for every record erased.
pub fn pages_bear_changes_in_between<B: Backend>(trial: &Trial<B>) -> Verdict {
    trial.run(async {
        let store = trial.store();
        for number in 0..20 {
            put(&store, grant(number)).await?;
        }
        let (mut page, mut seen) = (Page::first(3), Vec::new());
        for _ in 0..100 {
            let listed = store.grants().list(&by_subject("alice"), &page).await?;
            for item in listed.items {
                seen.push(item.record.id);
                remove::<GrantRecord>(&store, &item.record.id, item.revision).await?;
            }
            match listed.next {
                Some(next) => page.after = Some(next),
                None => break,
            }
        }
        seen.sort_unstable();
        ensure!(
            seen == ids(0..20),
            "{} of 20 were shown while all were deleted",
            seen.len()
        );
        ensure!(
            list(&store, &by_subject("alice"), 10).await?.is_empty(),
            "something is left"
        );
        Ok(())
    })
}

/// A run of pages bears that records are replaced and inserted meanwhile: each that was there
/// before is shown once. Whoever closes grant after grant, page by page, replaces what was shown
/// while others approve.
pub fn pages_bear_replacements_in_between<B: Backend>(trial: &Trial<B>) -> Verdict {
    trial.run(async {
        let store = trial.store();
        for number in 0..15 {
            put(&store, grant(number)).await?;
        }
        let (mut page, mut seen) = (Page::first(3), Vec::new());
        for round in 0..100 {
            let listed = store.grants().list(&by_subject("alice"), &page).await?;
            for item in listed.items {
                let closed = (*item.record).clone().marked(1);
                change(&store, item.revision, closed).await?;
                seen.push(item.record.id);
            }
            if round < 5 {
                put(&store, grant(1000 + round)).await?;
            }
            match listed.next {
                Some(next) => page.after = Some(next),
                None => break,
            }
        }
        for id in ids(0..15) {
            let times = seen.iter().filter(|shown| **shown == id).count();
            ensure!(
                times == 1,
                "{id} was shown {times} times while all were replaced"
            );
        }
        Ok(())
    })
}

/// A replacement that changes whom a record belongs to is listed there and no longer where it
/// was: otherwise it survives the revocation of its new owner, or dies with its old one.
pub fn a_listing_follows_the_record<B: Backend>(trial: &Trial<B>) -> Verdict {
    trial.run(async {
        let store = trial.store();
        put(&store, grant_of(2, "alice", "app")).await?;
        put(&store, grant_of(3, "bob", "other")).await?;
        let mut revision = put(&store, grant_of(1, "alice", "app")).await?;
        for (person, app) in [
            ("bob", "app"),
            ("bob", "other"),
            ("alice", "app"),
            ("alice", "app"),
            ("bob", "other"),
        ] {
            revision = change(&store, revision, grant_of(1, person, app)).await?;
            for (by, other) in [
                (by_subject("alice"), (person == "alice", 2)),
                (by_client("app"), (app == "app", 2)),
                (by_subject("bob"), (person == "bob", 3)),
                (by_client("other"), (app == "other", 3)),
            ] {
                let expected = if other.0 {
                    ids([1, other.1])
                } else {
                    ids([other.1])
                };
                let listed = listed_ids(&store, &by, 10).await?;
                ensure!(
                    listed == expected,
                    "the record is {person}'s and {app}'s; {by:?}: {listed:?}"
                );
            }
        }
        Ok(())
    })
}

/// What was acknowledged before a listing began is in it, however many write at once: a listing
/// that lags lets a grant live on that was made just before everything was revoked.
pub fn a_listing_is_never_behind<B: Backend>(trial: &Trial<B>) -> Verdict {
    trial.race(6, |racer, store| async move {
        for number in 0..6 {
            let mine = grant(racer as u64 * 100 + number);
            let first = put(&store, mine.clone()).await?;
            let shown = |items: Vec<oauth_storage::Versioned<GrantRecord>>| {
                items.into_iter().find(|item| item.record.id == mine.id)
            };
            let listed = shown(list(&store, &by_subject("alice"), 100).await?);
            ensure!(
                listed.is_some_and(|item| item.revision == first),
                "an acknowledged insert is not listed"
            );
            let second = change(&store, first, mine.clone().marked(1)).await?;
            let listed = shown(list(&store, &by_client("app"), 100).await?);
            ensure!(
                listed.is_some_and(|item| item.revision == second),
                "an acknowledged replacement is not listed"
            );
        }
        Ok(())
    })?;
    Ok(())
}

/// While others write, a listing still shows every record that stands still, and none twice.
pub fn a_listing_stands_while_others_write<B: Backend>(trial: &Trial<B>) -> Verdict {
    listed_throughout(trial, 15, 3, |store, writer, round| async move {
        let number = writer as u64 * 10_000 + round;
        let other = grant(number);
        let first = put(&store, other.clone()).await?;
        let second = change(&store, first, grant_of(number, "bob", "other")).await?;
        let third = change(&store, second, other.clone().marked(1)).await?;
        remove::<GrantRecord>(&store, &other.id, third).await
    })
}

/// A record that is being replaced stays in the listings of its owner throughout, once: a
/// revocation that lists in that moment must not pass over it.
pub fn a_listing_keeps_what_is_being_replaced<B: Backend>(trial: &Trial<B>) -> Verdict {
    // Each writer replaces its own half, round and round.
    listed_throughout(trial, 12, 2, |store, writer, round| async move {
        let id = grant(round % 6 * 2 + writer as u64 % 2).id;
        let found = read::<GrantRecord>(&store, &id).await?;
        let next = (*found.record).clone().marked(round);
        change(&store, found.revision, next).await?;
        // Whoever lists is not on a machine of its own.
        std::thread::sleep(Duration::from_micros(50));
        Ok(())
    })
}

/// Lists so many records, ten times over, while writers go on and on, and demands that all are
/// shown, none twice.
fn listed_throughout<B: Backend, F: Future<Output = Verdict>>(
    trial: &Trial<B>,
    records: u64,
    writers: usize,
    write: impl Fn(B::Store, usize, u64) -> F + Sync,
) -> Verdict {
    trial.run(async {
        let store = trial.store();
        for number in 0..records {
            put(&store, grant(number)).await?;
        }
        Ok::<(), Violation>(())
    })?;
    let steady = ids(0..records);
    let (steady, write) = (&steady, &write);
    let (written, done) = (&AtomicU64::new(0), &AtomicBool::new(false));
    trial.race(1 + writers, |racer, store| async move {
        if racer == 0 {
            let listings = listings(&store, steady, written).await;
            done.store(true, Ordering::SeqCst);
            return listings;
        }
        for round in 0..2000 {
            if done.load(Ordering::SeqCst) {
                break;
            }
            write(store.clone(), racer, round).await?;
            written.fetch_add(1, Ordering::SeqCst);
        }
        Ok(())
    })?;
    Ok(())
}

/// Lists ten times over, and on until something was written meanwhile, and demands what stays.
async fn listings(store: &dyn Storage, steady: &[GrantId], written: &AtomicU64) -> Verdict {
    for round in 0..1000 {
        if round >= 10 && written.load(Ordering::SeqCst) >= 20 {
            break;
        }
        let listed = listed_ids(store, &by_subject("alice"), 2).await?;
        let missing = steady.iter().filter(|id| !listed.contains(id)).count();
        ensure!(
            missing == 0,
            "{missing} of {} records that stayed were not listed",
            steady.len()
        );
    }
    Ok(())
}

/// Consents are listed like grants, and apart from them, and what belongs to nobody is listed
/// nowhere: who wants to be forgotten is forgotten as far as listings reach.
pub fn every_kind_with_an_owner_is_listed<B: Backend>(trial: &Trial<B>) -> Verdict {
    async fn is_listed<R: Sample>(store: &dyn Storage, number: u64) -> Verdict {
        let record = R::sample(number);
        put(store, record.clone()).await?;
        let subject = record.subject().map(|subject| subject.as_str().to_owned());
        let client = record.client().map(|client| client.as_str().to_owned());
        for by in [
            by_subject(subject.as_deref().unwrap_or("alice")),
            by_client(client.as_deref().unwrap_or("app")),
        ] {
            let listed = R::table(store).list(&by, &Page::first(10)).await?;
            let ids: Vec<_> = listed.items.iter().map(|item| item.record.id()).collect();
            let owned = match by {
                Filter::Subject(_) => subject.is_some(),
                _ => client.is_some(),
            };
            let expected = if owned { vec![record.id()] } else { Vec::new() };
            ensure!(
                ids == expected && listed.next.is_none(),
                "of {} {by:?} lists {ids:?}",
                R::KIND.as_str()
            );
        }
        Ok(())
    }
    trial.run(async {
        let store = trial.store();
        each_kind!(is_listed(&store, 1));
        let found = read::<ConsentRecord>(&store, ConsentRecord::sample(1).id()).await?;
        remove::<ConsentRecord>(&store, found.record.id(), found.revision).await?;
        let listed = store
            .consents()
            .list(&by_subject("alice"), &Page::first(10))
            .await?;
        ensure!(listed.items.is_empty(), "a deleted consent is listed");
        Ok(())
    })
}

/// What records are listed under is compared byte for byte, too: `Alice` must neither see nor
/// revoke what belongs to `alice`.
pub fn listings_compare_byte_for_byte<B: Backend>(trial: &Trial<B>) -> Verdict {
    let long = |end: &str| format!("https://app.example/{}{end}", "p".repeat(1000));
    let mut names: Vec<String> = [
        "alice",
        "Alice",
        "alice ",
        "ali%",
        "ali_e",
        "%",
        "é",
        "e\u{301}",
        "ß",
        "ss",
        "a'b",
        "a\\b",
        "1",
        "01",
        "1.0",
        "a:b",
        "a",
        "b",
        "\u{1F980}",
        "#sha256:alice",
        "*",
        "a*",
        "[a]",
    ]
    .map(str::to_owned)
    .into();
    names.extend([long("a"), long("b"), long("")]);
    trial.run(async {
        let store = trial.store();
        for (name, number) in names.iter().zip(0..) {
            put(&store, grant_of(number, name, "app")).await?;
            put(&store, grant_of(1000 + number, "nobody", name)).await?;
        }
        for (name, number) in names.iter().zip(0..) {
            let listed = listed_ids(&store, &by_subject(name), 10).await?;
            ensure!(
                listed == ids([number]),
                "the person {name:?} is listed {}",
                listed.len()
            );
            let listed = listed_ids(&store, &by_client(name), 10).await?;
            ensure!(
                listed == ids([1000 + number]),
                "the client {name:?} is listed {}",
                listed.len()
            );
        }
        Ok(())
    })
}
