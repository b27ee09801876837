//! What is different on Redis: limits that processes share, and a server that goes away.

mod common;

use common::house::{House, Place};
use common::{Client, Folder, LIMITED, Quickstart, free_port, post};
use oauth_testkit::servers::{Durability, Kind, Redis};

/// AS-SEC-8: whoever guesses at both processes in turn gets as far as at one.
#[test]
fn two_processes_on_one_redis_share_their_limits() {
    let Some(place) = Place::on(Kind::Redis) else {
        return;
    };
    let house = House::new("redis-limits", place);
    let servers = house.all(&[LIMITED]);
    let guess = |number: usize| {
        let secret = number.to_string();
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", "service"),
            ("client_secret", &secret),
        ];
        let address = servers[number % 2].address;
        post(address, "/token", &form).unwrap().status
    };
    let answers: Vec<u16> = (0..24).map(guess).collect();
    assert_eq!(answers[..20], [401; 20]);
    assert_eq!(answers[20..], [429; 4]);
}

/// A Redis that is gone is a clean refusal, and nothing but that: it comes back, and so does all
/// that was acknowledged.
#[test]
fn a_redis_that_is_gone_is_a_503_until_it_is_back() {
    let Some(redis) = Redis::start(Durability::Durable) else {
        return;
    };
    let folder = Folder::new("redis-gone");
    let flags = ["--danger-auto-approve", "--data", redis.url()];
    let server = Quickstart::start(&folder.0, free_port(), &flags);
    let client = Client::register(server.address);
    let tokens = client.redeem(&client.code().unwrap()).unwrap();
    redis.instance().kill();
    let refused = client.refresh(&tokens.member("refresh_token")).unwrap();
    assert_eq!(refused.status, 503, "{refused:?}");
    assert!(!refused.header("retry-after").is_empty());
    redis.instance().restart();
    let mut answer = refused;
    for _ in 0..100 {
        answer = client.refresh(&tokens.member("refresh_token")).unwrap();
        if answer.status != 503 {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    assert_eq!(answer.status, 200, "{answer:?}");
}
