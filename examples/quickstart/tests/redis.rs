//! Two quickstarts on one Redis, or on one cluster, are one server.

mod common;

use std::sync::Barrier;

use common::{Answer, Client, Folder, LIMITED, Quickstart, free_port, send};
use oauth_testkit::servers::{Durability, Redis, RedisCluster};

/// Two processes under one name, with one root secret.
fn two(folder: &Folder, url: &str, flags: &[&str]) -> [Quickstart; 2] {
    let ports = [free_port(), free_port()];
    let public = format!("http://127.0.0.1:{}", ports[0]);
    let shared = ["--data", url, "--public-url", &public];
    ports.map(|port| Quickstart::start(&folder.0, port, &[flags, &shared].concat()))
}

fn share_sign_ins(url: &str, name: &str) {
    let folder = Folder::new(name);
    let servers = two(&folder, url, &["--danger-auto-approve"]);
    let client = Client::register(servers[0].address);
    let at = |racer: usize| Client {
        address: servers[racer % 2].address,
        ..client.clone()
    };
    let race = |ask: &(dyn Fn(usize) -> Answer + Sync)| -> Vec<Answer> {
        let start = Barrier::new(64);
        std::thread::scope(|scope| {
            let start = &start;
            let racers: Vec<_> = (0..64)
                .map(|racer| {
                    scope.spawn(move || {
                        start.wait();
                        ask(racer)
                    })
                })
                .collect();
            let join = |racer: std::thread::ScopedJoinHandle<'_, _>| racer.join().unwrap();
            racers.into_iter().map(join).collect()
        })
    };

    // Approved at one, redeemed at the other, checked and refreshed at either.
    let tokens = at(1).redeem(&at(0).code().unwrap()).unwrap();
    assert_eq!(tokens.status, 200, "{tokens:?}");
    let access = tokens.member("access_token");
    for racer in [0, 1] {
        assert_eq!(at(racer).whoami(&access).unwrap().status, 200);
    }
    let refresh = tokens.member("refresh_token");
    let answers = race(&|racer| at(racer).refresh(&refresh).unwrap());
    for answer in &answers {
        assert_eq!(answer.status, 200, "{answer:?}");
        let successor = answer.member("refresh_token");
        assert_eq!(successor, answers[0].member("refresh_token"));
    }

    let code = client.code().unwrap();
    let answers = race(&|racer| at(racer).redeem(&code).unwrap());
    let won: Vec<_> = answers.iter().filter(|it| it.status == 200).collect();
    assert_eq!(won.len(), 1, "a code was redeemed {} times", won.len());
    let closed = at(1).whoami(&won[0].member("access_token")).unwrap();
    assert_eq!(closed.status, 401);
}

#[test]
fn two_processes_on_one_redis_are_one_server() {
    if let Some(redis) = Redis::start(Durability::Durable) {
        share_sign_ins(redis.url(), "redis");
    }
}

#[test]
fn two_processes_on_a_redis_cluster_are_one_server() {
    if let Some(cluster) = RedisCluster::start() {
        share_sign_ins(&cluster.url(), "redis-cluster");
    }
}

/// AS-SEC-8: whoever guesses at both processes in turn gets as far as at one.
#[test]
fn two_processes_on_one_redis_share_their_limits() {
    let Some(redis) = Redis::start(Durability::Relaxed) else {
        return;
    };
    let folder = Folder::new("redis-limits");
    let servers = two(&folder, redis.url(), &[LIMITED]);
    let guess = |number: usize| {
        let body =
            format!("grant_type=client_credentials&client_id=service&client_secret={number}");
        let address = servers[number % 2].address;
        let request = format!(
            "POST /token HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Length: {}\r\n\
             Content-Type: application/x-www-form-urlencoded\r\n\r\n{body}",
            body.len()
        );
        send(address, &request).unwrap().status
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
