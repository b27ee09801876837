//! Ten thousand failed sign-ins against the running server, and somebody who asks for tokens
//! meanwhile.

mod common;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use common::{Client, Folder, LIMITED, Quickstart, free_port, get};

const ATTEMPTS: usize = 10_000;
const THREADS: usize = 4;

/// What the pages of one sign-in need.
struct Door {
    cookie: String,
    transaction: String,
}

fn open(client: &Client) -> Door {
    let path = format!(
        "/authorize?response_type=code&client_id={}&code_challenge={}&code_challenge_method=S256",
        client.id,
        "c".repeat(43)
    );
    let page = get(client.address, &path, "").unwrap();
    assert_eq!(page.status, 200, "{page:?}");
    let (_, rest) = page
        .body
        .split_once("name=\"transaction\" value=\"")
        .unwrap();
    let cookie = page.header("set-cookie");
    Door {
        cookie: cookie.split(';').next().unwrap().to_owned(),
        transaction: rest.split('"').next().unwrap().to_owned(),
    }
}

fn knock(client: &Client, door: &Door, name: &str, password: &str) -> common::Answer {
    let body = format!(
        "transaction={}&username={name}&password={password}",
        door.transaction
    );
    let length = body.len();
    let request = format!(
        "POST /authorize/interact HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nCookie: {}\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {length}\r\n\r\n{body}",
        client.address, door.cookie
    );
    common::send(client.address, &request).unwrap()
}

/// AS-SEC-8: bounded memory, nobody signed in, a person and a client served all the while.
#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "told to a reader, no part of the judgement"
)]
fn ten_thousand_failed_sign_ins_cost_little_and_hurt_nobody_else() {
    let folder = Folder::new("floods");
    let server = Quickstart::start(&folder.0, free_port(), &[LIMITED, "--data", "memory"]);
    let client = Client::register(server.address);
    let basic = "Authorization: Basic c2VydmljZTpzZXJ2aWNlLXNlY3JldA==\r\n";
    let body = "grant_type=client_credentials";
    let request = format!(
        "POST /token HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n{basic}Content-Length: {}\r\n\
         Content-Type: application/x-www-form-urlencoded\r\n\r\n{body}",
        server.address,
        body.len()
    );
    let quiet = |_: usize| {
        let began = Instant::now();
        let answer = common::send(server.address, &request).unwrap();
        assert_eq!(answer.status, 200, "{answer:?}");
        began.elapsed()
    };
    let mut before: Vec<Duration> = (0..200).map(quiet).collect();
    let memory = server.resident();

    let (done, refused) = (AtomicBool::new(false), AtomicUsize::new(0));
    let mut meanwhile = Vec::new();
    std::thread::scope(|scope| {
        let knocking: Vec<_> = (0..THREADS)
            .map(|thread| {
                let (client, refused) = (&client, &refused);
                scope.spawn(move || {
                    let door = open(client);
                    for attempt in 0..ATTEMPTS / THREADS {
                        let name = format!("person-{thread}-{}", attempt % 5);
                        let page = knock(client, &door, &name, "guess");
                        assert!([200, 503].contains(&page.status), "{page:?}");
                        let limited = page.body.contains("Too many attempts");
                        refused.fetch_add(usize::from(limited), Ordering::Relaxed);
                    }
                })
            })
            .collect();
        let watching = scope.spawn(|| {
            let mut times = Vec::new();
            while !done.load(Ordering::Relaxed) {
                times.push(quiet(0));
                std::thread::sleep(Duration::from_millis(5));
            }
            times
        });
        for thread in knocking {
            thread.join().unwrap();
        }
        done.store(true, Ordering::Relaxed);
        meanwhile = watching.join().unwrap();
    });
    let grown = server.resident().saturating_sub(memory);
    let refused = refused.load(Ordering::Relaxed);
    let percentile = |times: &mut Vec<Duration>| {
        times.sort();
        times[times.len() * 99 / 100]
    };
    println!(
        "{ATTEMPTS} failed sign-ins, {refused} of them not tried; memory grew by {grown} MiB; p99 of a token: {:?} quiet, {:?} meanwhile",
        percentile(&mut before),
        percentile(&mut meanwhile)
    );
    assert!(grown <= 64, "{grown} MiB");
    assert!(refused >= ATTEMPTS - 20 * 10 - 64, "{refused}");

    // alice signs in as if nothing had happened.
    let door = open(&client);
    let page = knock(&client, &door, "alice", "wonderland");
    assert!(page.body.contains("value=\"approve\""), "{}", page.body);
    assert_eq!(server.stop(), Some(0));
}
