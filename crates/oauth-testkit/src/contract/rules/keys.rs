//! A record is kept under its key, whole, and found again.

use std::sync::atomic::{AtomicU64, Ordering};

use oauth_storage::{
    ClientRecord, GrantRecord, Insert, KeyRingRecord, ReplayRecord, Storage, SubjectRecord,
};
use oauth_types::registration::UnknownMembers;
use oauth_types::{ClientId, RedirectUri, Subject};

use crate::contract::samples::{Sample, access_token, client, grant};
use crate::contract::steps::{change, each_kind, put, read, remove, same};
use crate::contract::{Backend, Trial, Verdict, Violation, ensure};

/// A key that was never inserted is not found, whatever else is there: a store that matches by
/// pattern or by prefix would answer for a guessed identifier with somebody's record.
pub fn a_missing_record_is_not_found<B: Backend>(trial: &Trial<B>) -> Verdict {
    async fn kind<R: Sample>(store: &dyn Storage) -> Verdict {
        let found = R::table(store).find(R::sample(1).id()).await?;
        ensure!(
            found.is_none(),
            "an empty store finds something in {}",
            R::KIND.as_str()
        );
        Ok(())
    }
    trial.run(async {
        let store = trial.store();
        each_kind!(kind(&store));
        put(&store, client("a-client")).await?;
        put(&store, grant(1)).await?;
        for absent in [
            "",
            "a",
            "a-",
            "a-c%",
            "%",
            "_-client",
            "a-clien",
            "a-client-",
            "*",
            "null",
        ] {
            let found = store.clients().find(&ClientId::new(absent)).await?;
            ensure!(
                found.is_none(),
                "{absent:?} was never inserted, and is found"
            );
        }
        let found = store.grants().find(&grant(2).id).await?;
        ensure!(found.is_none(), "a grant that was never inserted is found");
        Ok(())
    })
}

/// Every member of every kind of record comes back as it went in, after an insert and after a
/// replacement: what a store forgets of a grant, such as that it is closed, it allows.
pub fn what_was_inserted_is_read<B: Backend>(trial: &Trial<B>) -> Verdict {
    async fn kind<R: Sample>(store: &dyn Storage) -> Verdict {
        let record = R::full();
        let revision = put(store, record.clone()).await?;
        let found = read::<R>(store, record.id()).await?;
        ensure!(
            same(&*found.record, &record)?,
            "inserted {record:?}, found {:?}",
            found.record
        );
        let record = record.marked(77);
        change(store, revision, record.clone()).await?;
        let found = read::<R>(store, record.id()).await?;
        ensure!(
            same(&*found.record, &record)?,
            "wrote {record:?}, found {:?}",
            found.record
        );
        Ok(())
    }
    trial.run(async {
        let store = trial.store();
        each_kind!(kind(&store));
        Ok(())
    })
}

/// Members that this version does not know survive being read and written by it: during a rolling
/// upgrade an old replica would otherwise erase what a new one has stored.
pub fn unknown_members_survive<B: Backend>(trial: &Trial<B>) -> Verdict {
    async fn kind<R: Sample>(store: &dyn Storage) -> Verdict {
        let mut record = R::sample(1);
        let members = r#"{"aaa_later": {"deep": [1, -2.5, null, true, "ü"], "": {}},
            "parent": "g", "zzz": 18446744073709551615}"#;
        *record.unknown() = members_of(members)?;
        let revision = put(store, record.clone()).await?;
        let found = read::<R>(store, record.id()).await?;
        ensure!(
            same(&*found.record, &record)?,
            "inserted {record:?}, found {:?}",
            found.record
        );
        let read_and_changed = (*found.record).clone().marked(5);
        change(store, revision, read_and_changed).await?;
        let found = read::<R>(store, record.id()).await?;
        let expected = record.marked(5);
        ensure!(
            same(&*found.record, &expected)?,
            "wrote {expected:?}, found {:?}",
            found.record
        );
        Ok(())
    }
    trial.run(async {
        let store = trial.store();
        each_kind!(kind(&store));
        Ok(())
    })
}

/// The members of a JSON object, by way of a record that keeps them.
fn members_of(object: &str) -> Result<UnknownMembers, Violation> {
    let begun = r#"{"v":1,"id":"x","#;
    let document = object.replacen('{', begun, 1);
    Ok(oauth_storage::record::decode::<SubjectRecord>(document.as_bytes())?.unknown)
}

/// Records of a quarter of a megabyte are kept whole: a column or value that cuts them off makes
/// them unreadable, and one that refuses them fails a sign-in.
pub fn large_records_are_kept_whole<B: Backend>(trial: &Trial<B>) -> Verdict {
    trial.run(async {
        let store = trial.store();
        let mut app = client("large");
        app.metadata.client_name = Some("n".repeat(128 * 1024));
        let uri =
            |n: usize| RedirectUri::parse(&format!("https://c.example/{n}/{}", "p".repeat(2000)));
        app.redirect_uris = (0..63).map_while(|n| uri(n).ok()).collect();
        put(&store, app.clone()).await?;
        let found = read::<ClientRecord>(&store, &app.id).await?;
        ensure!(
            same(&*found.record, &app)?,
            "a client of 253 KiB is not read as it was written"
        );

        let mut given = grant(1);
        given.access = (0..16).map(access_token).collect();
        given.scope = (0..500)
            .map(|n| format!("scope:{n}"))
            .collect::<Vec<_>>()
            .iter()
            .map(|s| &**s)
            .collect();
        let revision = put(&store, given.clone()).await?;
        given.access.reverse();
        change(&store, revision, given.clone()).await?;
        let found = read::<GrantRecord>(&store, &given.id).await?;
        ensure!(
            same(&*found.record, &given)?,
            "a grant with 16 tokens is not read as it was written"
        );

        let mut person = SubjectRecord::new(Subject::new("busy"));
        let client = |n| {
            (
                ClientId::new(format!("https://client-{n:04}.example/document")),
                n,
            )
        };
        person.clients = (0..5000).map(client).collect();
        put(&store, person.clone()).await?;
        let found = read::<SubjectRecord>(&store, &person.id).await?;
        ensure!(
            same(&*found.record, &person)?,
            "a person with 5000 clients is not read as written"
        );
        Ok(())
    })
}

/// A second insert of a key says so and changes nothing: a double click must not replace a grant
/// that was redeemed in between, nor a second replica the key ring of the first.
pub fn insert_never_overwrites<B: Backend>(trial: &Trial<B>) -> Verdict {
    async fn kind<R: Sample>(store: &dyn Storage) -> Verdict {
        let revision = put(store, R::sample(1).marked(1)).await?;
        let answer = R::table(store).insert(R::sample(1).marked(2)).await?;
        ensure!(
            answer == Insert::Exists,
            "the second insert answers {answer:?}"
        );
        let found = read::<R>(store, R::sample(1).id()).await?;
        ensure!(
            found.record.mark() == 1,
            "the second insert overwrote the first record"
        );
        ensure!(
            found.revision == revision,
            "the second insert changed the revision"
        );
        Ok(())
    }
    trial.run(async {
        let store = trial.store();
        each_kind!(kind(&store));
        Ok(())
    })
}

/// Of many that insert one key at once exactly one is told `Inserted`, and its record is the one
/// that is kept: two replicas that start on an empty store must end up with one key ring.
pub fn one_insert_wins<B: Backend>(trial: &Trial<B>) -> Verdict {
    for round in 0..4 {
        let answers = trial.race(16, |racer, store| async move {
            let record = grant(round).marked(racer as u64 + 1);
            Ok(store.grants().insert(record).await?)
        })?;
        let winners: Vec<_> = (1..)
            .zip(&answers)
            .filter(|(_, a)| **a == Insert::Inserted)
            .collect();
        ensure!(
            winners.len() == 1,
            "{} of 16 inserted one key",
            winners.len()
        );
        let kept = trial.run(read::<GrantRecord>(&trial.store(), &grant(round).id))?;
        ensure!(
            kept.record.mark() == winners[0].0,
            "another record is kept than the one inserted"
        );
    }
    let rings = trial.race(8, |racer, store| async move {
        Ok(store
            .keys()
            .insert(KeyRingRecord::sample(0).marked(racer as u64))
            .await?)
    })?;
    let winners = rings
        .iter()
        .filter(|answer| **answer == Insert::Inserted)
        .count();
    ensure!(winners == 1, "{winners} of 8 inserted the one key ring");
    Ok(())
}

/// Of many that claim one assertion at once exactly one is told `Inserted`, and whoever comes
/// later is told `Exists`: a store that takes claims for a cache lets an assertion be used twice.
pub fn one_claim_wins<B: Backend>(trial: &Trial<B>) -> Verdict {
    for round in 0..4 {
        let claims = trial.race(16, |_, store| async move {
            Ok(store.replays().insert(ReplayRecord::sample(round)).await?)
        })?;
        let winners = claims
            .iter()
            .filter(|answer| **answer == Insert::Inserted)
            .count();
        ensure!(winners == 1, "{winners} of 16 claimed one assertion");
        let claim = ReplayRecord::sample(round);
        let late = trial.run(async { trial.store().replays().insert(claim).await })?;
        ensure!(late == Insert::Exists, "a late claim answers {late:?}");
    }
    Ok(())
}

/// Names that some database takes for one another.
const CONFUSABLE: &[&str] = &[
    "alice",
    "Alice",
    "ALICE",
    "alice ",
    " alice",
    "alice\t",
    "alice\n",
    "ali%",
    "ali_e",
    "%",
    "_",
    "é",
    "e\u{301}",
    "É",
    "ß",
    "ss",
    "ﬁ",
    "fi",
    "ａlice",
    "alice\r",
    "alice\u{a0}",
    "k",
    "\u{212a}",
    "σ",
    "ς",
    "i",
    "İ",
    "ı",
    "I",
    "日本語",
    "\u{1F980}",
    "a'b",
    "a''b",
    "a\"b",
    "a`b",
    "a\\b",
    "a\\\\b",
    "a;--",
    "'; DROP TABLE grants; --",
    "$1",
    "?1",
    ":id",
    "{a}",
    "a:b",
    "a/b",
    "a b",
    "a+b",
    "a%20b",
    "..",
    "*",
    "\u{1}",
    "\u{7f}",
    "\u{feff}",
    "\u{200b}",
    "NULL",
    "null",
    "0",
    "00",
    "1",
    "1.0",
    "01",
    "1e0",
    "0x1",
    "true",
    "#sha256:alice",
    "https://app.example/client.json",
    "https://APP.example/client.json",
];

/// Identifiers are told apart byte for byte: in a database that folds case, accents or trailing
/// spaces, whoever registers `Alice` meets the records of `alice`.
pub fn keys_are_compared_byte_for_byte<B: Backend>(trial: &Trial<B>) -> Verdict {
    trial.run(keep_apart(
        &trial.store(),
        CONFUSABLE.iter().map(|key| (*key).to_owned()),
    ))
}

/// Identifiers as long as an address are told apart to the last byte: a client that names itself
/// by a document's URL chooses its own, and a column that cuts them off would let it choose
/// somebody else's.
pub fn long_keys_are_kept_apart<B: Backend>(trial: &Trial<B>) -> Verdict {
    let lengths = [
        63, 64, 127, 128, 190, 191, 254, 255, 256, 257, 511, 512, 767, 1024, 2048, 4095,
    ];
    let ascii = lengths
        .iter()
        .flat_map(|n| ["a", "b"].map(|end| format!("{}{end}", "x".repeat(*n))));
    let wide = [63, 64, 127, 128, 190, 255, 256].map(|n| "ü".repeat(n));
    trial.run(keep_apart(&trial.store(), ascii.chain(wide)))
}

async fn keep_apart(store: &dyn Storage, keys: impl Iterator<Item = String>) -> Verdict {
    let keys: Vec<String> = keys.collect();
    let (mut clients, mut people) = (Vec::new(), Vec::new());
    for (key, mark) in keys.iter().zip(1..) {
        clients.push(put(store, client(key).marked(mark)).await?);
        people.push(put(store, SubjectRecord::new(Subject::new(&**key)).marked(mark)).await?);
    }
    for (key, mark) in keys.iter().zip(1..) {
        let app = read::<ClientRecord>(store, &ClientId::new(&**key)).await?;
        let person = read::<SubjectRecord>(store, &Subject::new(&**key)).await?;
        ensure!(
            (app.record.mark(), person.record.mark()) == (mark, mark)
                && (app.record.id.as_str(), person.record.id.as_str()) == (key, key),
            "under {key:?} another record is found"
        );
    }
    // Deleting every other one takes no neighbour along.
    for (at, key) in keys.iter().enumerate().filter(|(at, _)| at % 2 == 0) {
        remove::<ClientRecord>(store, &ClientId::new(&**key), clients[at]).await?;
        remove::<SubjectRecord>(store, &Subject::new(&**key), people[at]).await?;
    }
    for (at, key) in keys.iter().enumerate() {
        let app = store.clients().find(&ClientId::new(&**key)).await?;
        let person = store.subjects().find(&Subject::new(&**key)).await?;
        let expected = at % 2 == 1;
        ensure!(
            (app.is_some(), person.is_some()) == (expected, expected),
            "deleting one key took or left {key:?}"
        );
    }
    Ok(())
}

/// A client, a person and the key ring may bear one name: a client-credentials token speaks for a
/// client under the client's own identifier.
pub fn kinds_have_keys_of_their_own<B: Backend>(trial: &Trial<B>) -> Verdict {
    trial.run(async {
        let store = trial.store();
        let person = |id: &str| SubjectRecord::new(Subject::new(id));
        let app = put(&store, client("ring").marked(1)).await?;
        put(&store, person("ring").marked(2)).await?;
        let ring = put(&store, KeyRingRecord::sample(0).marked(3)).await?;
        change(&store, app, client("ring").marked(4)).await?;
        remove::<KeyRingRecord>(&store, &KeyRingRecord::sample(0).id, ring).await?;
        let app = read::<ClientRecord>(&store, &ClientId::new("ring")).await?;
        let named = read::<SubjectRecord>(&store, &Subject::new("ring")).await?;
        let ring = store.keys().find(&KeyRingRecord::sample(0).id).await?;
        ensure!(
            app.record.mark() == 4 && named.record.mark() == 2 && ring.is_none(),
            "records of different kinds under one name are not kept apart"
        );
        Ok(())
    })
}

/// What one view of the store was told is written, every other view reads at once: a revoked
/// grant must not live on in another replica's cache, nor in a database replica that lags.
pub fn every_view_sees_the_newest_write<B: Backend>(trial: &Trial<B>) -> Verdict {
    trial.run(async {
        let (here, there) = (trial.store(), trial.store());
        let record = grant(1);
        ensure!(
            there.grants().find(&record.id).await?.is_none(),
            "a fresh store is not empty"
        );
        let mut revision = put(&here, record.clone()).await?;
        for mark in 1..=5 {
            let seen = read::<GrantRecord>(&there, &record.id).await?;
            ensure!(
                seen.record.mark() + 1 == mark,
                "a view reads what it read before"
            );
            revision = change(&here, revision, record.clone().marked(mark)).await?;
        }
        let seen = read::<GrantRecord>(&there, &record.id).await?;
        ensure!(seen.record.mark() == 5, "a view reads what it read before");
        remove::<GrantRecord>(&here, &record.id, revision).await?;
        ensure!(
            there.grants().find(&record.id).await?.is_none(),
            "a view reads what is deleted"
        );
        put(&here, record.clone().marked(7)).await?;
        let seen = read::<GrantRecord>(&there, &record.id).await?;
        ensure!(seen.record.mark() == 7, "a view reads what it read before");
        Ok::<(), Violation>(())
    })?;
    let id = grant(1).id;
    let acknowledged = AtomicU64::new(7);
    let acknowledged = &acknowledged;
    trial.race(4, |racer, store| async move {
        for mark in 8..48 {
            let known = acknowledged.load(Ordering::SeqCst);
            let found = read::<GrantRecord>(&store, &id).await?;
            let seen = found.record.mark();
            ensure!(
                seen >= known,
                "reads change {seen} after change {known} was acknowledged"
            );
            if racer == 0 {
                change(&store, found.revision, grant(1).marked(mark)).await?;
                acknowledged.store(mark, Ordering::SeqCst);
            }
        }
        Ok(())
    })?;
    Ok(())
}
