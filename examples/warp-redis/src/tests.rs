//! Two of them on one Redis, over sockets.

use std::net::SocketAddr;

use oauth_testkit::canary;
use oauth_testkit::servers::{Durability, Redis};
use oauth_testkit::socket::{Answer, get, send, sign_in};
use tokio::runtime::Runtime;

use super::*;

const ROOT: &str = "an example's secret of 32 bytes or more";

/// Starts one process' worth at a socket.
fn start(runtime: &Runtime, listener: TcpListener, origin: &str, redis: &str) -> SocketAddr {
    let here = listener.local_addr().unwrap();
    let root = RootSecret::from_text(ROOT).unwrap();
    let routes = runtime.block_on(routes(origin, redis, &root)).unwrap();
    runtime.spawn(warp::serve(routes).incoming(listener).run());
    here
}

/// As a proxy would pass it on, which speaks for another name.
fn hello(to: SocketAddr, name: SocketAddr, token: &str) -> Answer {
    let request = format!(
        "GET /hello HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\
         Authorization: Bearer {token}\r\n\r\n"
    );
    send(to, &request).unwrap()
}

#[test]
fn whoever_signs_in_at_one_process_is_known_to_the_other_until_redis_is_away() {
    canary::watch();
    let Some(redis) = Redis::start(Durability::Durable) else {
        return;
    };
    let runtime = Runtime::new().unwrap();
    let listen = || runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let listener = listen();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let one = start(&runtime, listener, &origin, redis.url());
    let two = start(&runtime, listen(), &origin, redis.url());

    let refused = get(one, "/hello", "").unwrap();
    assert_eq!(refused.status, 401);
    assert!(
        refused
            .header("www-authenticate")
            .starts_with("Bearer resource_metadata=")
    );

    let tokens = sign_in(one, ("alice", "wonderland"), "hello");
    let access = tokens.member("access_token");
    for process in [one, two] {
        let answer = hello(process, one, &access);
        assert_eq!((answer.status, &*answer.body), (200, "hello alice"));
        assert_eq!(hello(process, one, &format!("{access}x")).status, 401);
    }

    redis.instance().kill();
    for process in [one, two] {
        let answer = hello(process, one, &access);
        assert_eq!(answer.status, 503, "our fault is no 401");
        assert!(!answer.header("retry-after").is_empty());
    }
}
