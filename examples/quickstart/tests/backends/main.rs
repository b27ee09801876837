//! The same stories on every backend and every framework: a sign-in from its beginning to its end, races, and two
//! processes that are one server.

#[path = "../common/mod.rs"]
mod common;
mod proxy;
mod races;
mod sign_in;

use common::house::{House, Place};
use oauth_testkit::servers::Kind;

/// Tells a story, unless the backend is missing here.
fn tell(story: fn(&House), name: &str, place: Option<Place>, adapter: &'static str) {
    if let Some(place) = place {
        story(&House::new(name, place).served_by(adapter));
    }
}

/// What a backend has to manage; one that processes share, two processes at a time.
macro_rules! stories {
    ($backend:ident: $place:expr, $adapter:literal; $($story:ident::$name:ident)*) => {
        mod $backend {
            $(
                #[test]
                fn $name() {
                    let name = concat!(stringify!($backend), "-", stringify!($name));
                    crate::tell(crate::$story::$name, name, $place, $adapter);
                }
            )*
        }
    };
    ($($backend:ident: $place:expr, $adapter:literal;)*) => {$(
        stories! { $backend: $place, $adapter;
            sign_in::a_person_signs_in_and_what_was_issued_outlives_a_restart
            sign_in::two_processes_behind_one_name_share_every_step
            races::a_code_has_one_winner_and_a_refresh_one_successor
            races::a_strict_refresh_has_one_winner
        }
    )*};
}

stories! { memory: Some(crate::Place::Memory), "axum";
    sign_in::a_person_signs_in_and_what_was_issued_outlives_a_restart
    races::a_code_has_one_winner_and_a_refresh_one_successor
    races::a_strict_refresh_has_one_winner
}

stories! {
    sqlite: Some(crate::Place::Sqlite), "axum";
    sqlite_on_warp: Some(crate::Place::Sqlite), "warp";
    sqlite_on_hyper: Some(crate::Place::Sqlite), "hyper";
    postgres: crate::Place::on(crate::Kind::Postgres), "axum";
    mariadb: crate::Place::on(crate::Kind::MariaDb), "axum";
    redis: crate::Place::on(crate::Kind::Redis), "axum";
    redis_cluster: crate::Place::on(crate::Kind::RedisCluster), "axum";
}
