//! Starting on a server: fresh, at once with others, on newer tables, on weak settings, and where
//! it must not be.

use std::fs;
use std::sync::Barrier;

use crate::common::block_on;
use crate::common::both::{Server, on_both};
use oauth_storage::{Insert, Storage};
use oauth_storage_sql::{ConnectError, ServerSettings};
use oauth_testkit::contract::samples::{Sample, grant};
use oauth_testkit::servers::{Durability, MariaDb, Postgres};
use oauth_types::TenantId;

on_both! {
    many_start_on_an_empty_database_at_once
    what_was_acknowledged_is_there_after_a_restart
    a_newer_schema_is_refused_unless_it_only_adds
    weak_settings_are_named_and_good_ones_are_not
    no_error_says_the_password
}

fn many_start_on_an_empty_database_at_once<S: Server>() {
    let Some(server) = S::shared() else { return };
    for _ in 0..3 {
        let database = server.database();
        let start = Barrier::new(8);
        let inserted: usize = std::thread::scope(|scope| {
            let starting: Vec<_> = (0..8)
                .map(|_| {
                    scope.spawn(|| {
                        start.wait();
                        let settings = ServerSettings::new().connections(2);
                        let store = block_on(S::connect(S::url(&database), settings)).unwrap();
                        let answer = block_on(store.grants().insert(grant(1))).unwrap();
                        block_on(S::close(&store));
                        usize::from(answer == Insert::Inserted)
                    })
                })
                .collect();
            starting.into_iter().map(|it| it.join().unwrap()).sum()
        });
        assert_eq!(inserted, 1);
    }
}

fn what_was_acknowledged_is_there_after_a_restart<S: Server>() {
    let Some(server) = S::start(Durability::Durable) else {
        return;
    };
    let database = server.database();
    let connect = || block_on(S::connect(S::url(&database), ServerSettings::new())).unwrap();
    let store = connect();
    for number in 0..20 {
        block_on(store.grants().insert(grant(number))).unwrap();
    }
    server.instance().restart();
    let again = connect();
    for number in 0..20 {
        let found = block_on(again.grants().find(&grant(number).id)).unwrap();
        assert!(found.is_some(), "grant {number}");
    }
}

fn a_newer_schema_is_refused_unless_it_only_adds<S: Server>() {
    let Some(server) = S::shared() else { return };
    let database = server.database();
    let connect = || block_on(S::connect(S::url(&database), ServerSettings::new()));
    let store = connect().unwrap();
    block_on(store.grants().insert(grant(1))).unwrap();
    let later = |number: i64, name: &str| {
        server.run(
            &database,
            &format!(
                "INSERT INTO _sqlx_migrations (version, description, success, checksum, \
                 execution_time) VALUES ({number}, '{name}', TRUE, 'x', 0)"
            ),
        );
    };
    later(90, "a column that is additive");
    let store = connect().unwrap();
    assert!(
        block_on(store.grants().find(&grant(1).id))
            .unwrap()
            .is_some()
    );
    later(91, "another meaning");
    let error = connect().unwrap_err();
    assert!(
        matches!(error, ConnectError::SchemaTooNew { found: 91, .. }),
        "{error}"
    );
}

fn weak_settings_are_named_and_good_ones_are_not<S: Server>() {
    let Some(relaxed) = S::start(Durability::Relaxed) else {
        return;
    };
    let database = relaxed.database();
    let store = block_on(S::connect(S::url(&database), ServerSettings::new())).unwrap();
    let named: Vec<_> = S::weaknesses(&store).iter().map(|it| it.setting).collect();
    let weak = ["synchronous_commit", "innodb_flush_log_at_trx_commit"];
    assert!(named.iter().any(|name| weak.contains(name)), "{named:?}");
    let text = S::weaknesses(&store)[0].to_string();
    assert!(
        text.contains(named[0]) && text.contains("acknowledged"),
        "{text}"
    );

    let Some(durable) = S::start(Durability::Durable) else {
        return;
    };
    let database = durable.database();
    let store = block_on(S::connect(S::url(&database), ServerSettings::new())).unwrap();
    assert_eq!(S::weaknesses(&store), []);
}

fn no_error_says_the_password<S: Server>() {
    let Some(server) = S::shared() else { return };
    let database = server.database();
    let url = S::url(&database);
    let scheme = url.split(':').next().unwrap();
    let address = url.rsplit('@').next().unwrap();
    for url in [
        format!("{scheme}://somebody:hunter2@{address}"),
        format!("{scheme}://somebody:hunter2@127.0.0.1:1/app"),
        format!("{scheme}://somebody:hunter2@127.0.0.1:notaport/app"),
        "redis://somebody:hunter2@127.0.0.1/app".to_owned(),
    ] {
        let error = block_on(S::connect(&url, ServerSettings::new())).unwrap_err();
        let text = format!("{error} {error:?}");
        assert!(!text.contains("hunter2"), "{text}");
    }
    let store = block_on(S::connect(url, ServerSettings::new())).unwrap();
    let text = format!("{store:?} {:?}", ServerSettings::new());
    assert!(!text.contains("secret") && !text.contains("test"), "{text}");
}

#[test]
fn a_postgres_replica_is_refused() {
    let Some(server) = Postgres::start(Durability::Durable) else {
        return;
    };
    let url = server.database().url().to_owned();
    let url = url.replace(url.rsplit('/').next().unwrap(), "postgres");
    server.instance().kill();
    let signal = server.instance().folder().join("data/standby.signal");
    fs::write(signal, "").unwrap();
    server.instance().restart();
    let error = block_on(<Postgres as Server>::connect(&url, ServerSettings::new())).unwrap_err();
    assert!(matches!(error, ConnectError::NotPrimary { .. }), "{error}");
}

#[test]
fn a_mariadb_replica_is_refused() {
    let Some(server) = MariaDb::start(Durability::Durable) else {
        return;
    };
    let database = server.database();
    server.run("SET GLOBAL read_only = 1");
    let connecting = <MariaDb as Server>::connect(database.url(), ServerSettings::new());
    let error = block_on(connecting).unwrap_err();
    assert!(matches!(error, ConnectError::NotPrimary { .. }), "{error}");
}

#[test]
fn an_interrupted_mariadb_migration_is_begun_again() {
    let Some(server) = MariaDb::shared() else {
        return;
    };
    let database = server.database();
    let connect = || {
        block_on(<MariaDb as Server>::connect(
            database.url(),
            ServerSettings::new(),
        ))
    };
    block_on(connect().unwrap().close());
    // As it looks when the server dies between the table and the note that it is there.
    Server::run(
        server,
        &database,
        "UPDATE _sqlx_migrations SET success = FALSE WHERE version = 7",
    );
    let store = connect().unwrap();
    block_on(store.grants().insert(grant(1))).unwrap();
}

#[test]
fn a_postgres_database_that_is_not_utf8_is_refused() {
    let Some(server) = Postgres::shared() else {
        return;
    };
    let database = server.database();
    let latin = format!("{}_latin", database.url().rsplit('/').next().unwrap());
    let make = format!("CREATE DATABASE {latin} ENCODING 'LATIN1' TEMPLATE template0 LOCALE 'C'");
    server.run(database.url(), &make);
    let url = format!("{}_latin", database.url());
    let error = block_on(<Postgres as Server>::connect(&url, ServerSettings::new())).unwrap_err();
    server.run(database.url(), &format!("DROP DATABASE {latin}"));
    assert!(matches!(error, ConnectError::Encoding { .. }), "{error}");
}

#[test]
fn tenants_of_one_postgres_database_have_one_row_each_under_one_key() {
    let Some(server) = Postgres::shared() else {
        return;
    };
    let database = server.database();
    let connecting = <Postgres as Server>::connect(database.url(), ServerSettings::new());
    let store = block_on(connecting).unwrap();
    for tenant in ["a", "b", "A", "a "] {
        let view = store.tenant(&TenantId::new(tenant));
        block_on(view.grants().insert(grant(1).marked(1))).unwrap();
    }
    let check = "DO $$ BEGIN ASSERT (SELECT count(DISTINCT tenant) FROM grants) = 4; END $$";
    server.run(database.url(), check);
}
