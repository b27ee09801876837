//! What each verb costs, counted on the wire: everything else is made of these.

use crate::common::both::{Server, on_both};
use crate::common::{block_on, proxy};
use oauth_storage::{Filter, Page, Replace, Revision, Storage};
use oauth_storage_sql::ServerSettings;
use oauth_testkit::contract::samples::{Sample, at, grant, grant_of};
use oauth_testkit::servers::Durability;
use oauth_types::Subject;

on_both! { every_verb_is_one_round_trip }

fn every_verb_is_one_round_trip<S: Server>() {
    let Some(server) = S::start(Durability::Relaxed) else {
        return;
    };
    let database = server.database();
    block_on(async {
        let port = server.instance().port();
        let (url, counts) = proxy::before(S::url(&database), port).await;
        let store = S::connect(&url, ServerSettings::new().connections(1))
            .await
            .unwrap();
        // The first of each prepares its statement.
        for round in 0..2 {
            let mut cost = Vec::new();
            let mut note = |verb| cost.push((verb, counts.take_turns()));
            let (id, by) = (grant(round).id, Filter::Subject(Subject::new("alice")));
            counts.take_turns();
            store.grants().insert(grant(round)).await.unwrap();
            note("insert");
            let found = store.grants().find(&id).await.unwrap().unwrap();
            note("find");
            let next = grant(round).marked(1);
            let Replace::Replaced(second) =
                store.grants().replace(found.revision, next).await.unwrap()
            else {
                panic!("replaced")
            };
            note("replace");
            store.grants().list(&by, &Page::first(10)).await.unwrap();
            note("list");
            store.grants().sweep(at(-1_000_000), 10).await.unwrap();
            note("sweep");
            let stale = Revision::new(7);
            store.grants().replace(stale, grant(round)).await.unwrap();
            note("a replacement that lost");
            let moved = grant_of(round, "bob", "app");
            let Replace::Replaced(third) = store.grants().replace(second, moved).await.unwrap()
            else {
                panic!("replaced")
            };
            note("a replacement that is listed elsewhere");
            store.grants().delete(&id, third).await.unwrap();
            note("delete");
            if round == 1 {
                let expected = [
                    ("insert", 1),
                    ("find", 1),
                    ("replace", 1),
                    ("list", 1),
                    ("sweep", 1),
                    ("a replacement that lost", 2),
                    ("a replacement that is listed elsewhere", 3),
                    ("delete", 1),
                ];
                assert_eq!(cost, expected);
            }
        }
    });
}
