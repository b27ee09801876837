//! The same stories on every backend: a sign-in from its beginning to its end, races, and two
//! processes that are one server.

#[path = "../common/mod.rs"]
mod common;
mod proxy;
mod races;
mod sign_in;

use common::house::{House, Place};
use oauth_testkit::servers::Kind;

/// Tells a story, unless the backend is missing here.
fn tell(story: fn(&House), name: &str, place: Option<Place>) {
    if let Some(place) = place {
        story(&House::new(name, place));
    }
}

/// What a backend has to manage; one that processes share, two processes at a time.
macro_rules! stories {
    ($backend:ident: $place:expr; $($story:ident::$name:ident)*) => {
        mod $backend {
            $(
                #[test]
                fn $name() {
                    let name = concat!(stringify!($backend), "-", stringify!($name));
                    crate::tell(crate::$story::$name, name, $place);
                }
            )*
        }
    };
    ($($backend:ident: $place:expr;)*) => {$(
        stories! { $backend: $place;
            sign_in::a_person_signs_in_and_what_was_issued_outlives_a_restart
            sign_in::two_processes_behind_one_name_share_every_step
            races::a_code_has_one_winner_and_a_refresh_one_successor
            races::a_strict_refresh_has_one_winner
        }
    )*};
}

stories! { memory: Some(crate::Place::Memory);
    sign_in::a_person_signs_in_and_what_was_issued_outlives_a_restart
    races::a_code_has_one_winner_and_a_refresh_one_successor
    races::a_strict_refresh_has_one_winner
}

stories! {
    sqlite: Some(crate::Place::Sqlite);
    postgres: crate::Place::on(crate::Kind::Postgres);
    mariadb: crate::Place::on(crate::Kind::MariaDb);
    redis: crate::Place::on(crate::Kind::Redis);
    redis_cluster: crate::Place::on(crate::Kind::RedisCluster);
}
