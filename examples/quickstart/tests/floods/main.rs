//! Floods against the running server, and somebody who asks for tokens meanwhile.
//!
//! Whoever floods has computers of their own. Here they share one with the server, so they get
//! what it leaves over: where a thread can have a priority, theirs is the lowest.

#[path = "../common/mod.rs"]
mod common;
mod hostile;
mod line;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use common::pages::{INTERACT, Visit};
use common::{Client, Folder, LIMITED, Quickstart, as_service, authorize, free_port};
use oauth_core::Limit;
use oauth_testkit::canary;

use crate::line::Line;

/// Unoptimised, each takes five times as long, and `oauth-core` has the whole flood besides.
const REGISTRATIONS: usize = if cfg!(debug_assertions) {
    20_000
} else {
    100_000
};
const DOCUMENTS: usize = 1_000;
const SIGN_INS: usize = 10_000;
const ATTACKERS: usize = 4;
/// Nobody's password.
const GUESS: &str = "guessed-and-wrong";

/// What somebody else met before a flood and during it, and what the server took for it.
struct Figures {
    quiet: Duration,
    meanwhile: Duration,
    grown: u64,
    took: Duration,
}

impl std::fmt::Display for Figures {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "memory grew by {} MiB at the most; p99 of a token: {:?} quiet, {:?} meanwhile, ratio {:.2}; it took {:.1?}",
            self.grown,
            self.quiet,
            self.meanwhile,
            self.meanwhile.as_secs_f64() / self.quiet.as_secs_f64(),
            self.took
        )
    }
}

/// An attacker's part in a flood, which ends with it however that ends.
struct Attacking<'a>(&'a AtomicUsize);

impl Drop for Attacking<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Lets all others go first.
pub(crate) fn stand_back() {
    #[cfg(target_os = "linux")]
    rustix::process::setpriority_process(None, 19).unwrap();
}

/// Asks for tokens, first in quiet and then while every attacker, told its number, does its part.
#[expect(
    clippy::disallowed_methods,
    reason = "told to a reader, no part of the judgement"
)]
fn during(server: &Quickstart, attack: impl Fn(usize) + Sync) -> Figures {
    let ask = || {
        std::thread::sleep(Duration::from_millis(5));
        let began = Instant::now();
        let form = [("grant_type", "client_credentials")];
        let answer = as_service(server.address, "/token", &form).unwrap();
        assert_eq!(answer.status, 200, "{answer:?}");
        began.elapsed()
    };
    let percentile = |mut times: Vec<Duration>| {
        times.sort();
        times[times.len() * 99 / 100]
    };
    let quiet = percentile((0..400).map(|_| ask()).collect());
    let (before, began) = (server.resident(), Instant::now());
    let attacking = AtomicUsize::new(ATTACKERS);
    let (mut times, mut most) = (Vec::new(), before);
    std::thread::scope(|scope| {
        for number in 0..ATTACKERS {
            let (attacking, attack) = (Attacking(&attacking), &attack);
            scope.spawn(move || {
                let _attacking = attacking;
                stand_back();
                attack(number);
            });
        }
        while attacking.load(Ordering::SeqCst) > 0 {
            times.push(ask());
            most = most.max(server.resident());
        }
    });
    Figures {
        quiet,
        meanwhile: percentile(times),
        grown: most - before,
        took: began.elapsed(),
    }
}

/// Floods do not disturb one another.
fn one_at_a_time() -> impl Drop {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One attempt to sign in.
fn knock(visit: &Visit, line: &mut Line, name: &str, password: &str) -> common::Answer {
    canary::secret(password);
    let transaction = &visit.transaction;
    let body = format!("transaction={transaction}&username={name}&password={password}");
    let headers = format!(
        "{}Content-Type: application/x-www-form-urlencoded\r\n",
        visit.cookie()
    );
    line.post(INTERACT, &headers, &body)
}

/// AS-SEC-8: bounded memory, nobody signed in, a person and a client served all the while.
#[test]
fn ten_thousand_failed_sign_ins_cost_little_and_hurt_nobody_else() {
    let _turn = one_at_a_time();
    let folder = Folder::new("floods-sign-ins");
    let server = Quickstart::start(&folder.0, free_port(), &[LIMITED, "--data", "memory"]);
    let client = Client::register(server.address);
    let refused = AtomicUsize::new(0);
    let figures = during(&server, |attacker| {
        let (visit, mut line) = (Visit::open(&client), Line::open(server.address));
        for attempt in 0..SIGN_INS / ATTACKERS {
            let name = format!("person-{attacker}-{}", attempt % 5);
            let page = knock(&visit, &mut line, &name, GUESS);
            assert!([200, 503].contains(&page.status), "{page:?}");
            let limited = page.body.contains("Too many attempts");
            refused.fetch_add(usize::from(limited), Ordering::Relaxed);
        }
    });
    let refused = refused.into_inner();
    println!("{SIGN_INS} failed sign-ins, {refused} of them not tried; {figures}");
    assert!(figures.grown <= 64, "{figures}");
    assert!(refused >= SIGN_INS - 20 * 10 - 64, "{refused}");

    // alice signs in as if nothing had happened.
    let mut line = Line::open(server.address);
    let page = knock(&Visit::open(&client), &mut line, "alice", "wonderland");
    assert!(page.body.contains("value=\"approve\""), "{}", page.body);
    assert_eq!(server.stop(), Some(0));
}

/// AS-DCR-15, AS-SEC-8: one source gets its quota of clients and no more, however often it asks.
#[test]
fn a_flood_of_registrations_fills_nothing_and_hurts_nobody_else() {
    let _turn = one_at_a_time();
    let folder = Folder::new("floods-registrations");
    let server = Quickstart::start(&folder.0, free_port(), &[LIMITED, "--data", "memory"]);
    let client = Client::register(server.address);
    let registered = AtomicUsize::new(1);
    let figures = during(&server, |attacker| {
        let mut line = Line::open(server.address);
        for number in 0..REGISTRATIONS / ATTACKERS {
            let metadata = format!(
                r#"{{"redirect_uris":["http://127.0.0.1/{attacker}/{number}"],"token_endpoint_auth_method":"none"}}"#
            );
            let answer = line.post("/register", "Content-Type: application/json\r\n", &metadata);
            assert!([201, 429].contains(&answer.status), "{answer:?}");
            registered.fetch_add(usize::from(answer.status == 201), Ordering::Relaxed);
        }
    });
    let registered = registered.into_inner();
    println!("{REGISTRATIONS} registrations from one source, {registered} clients; {figures}");
    assert!(figures.grown <= 64, "{figures}");
    // An hour's quota; while it lasts, a little of it comes back.
    let quota = Limit::REGISTRATION.attempts as usize;
    assert!(registered <= quota + 2, "{registered}");

    // What is registered already is neither counted nor refused.
    assert_eq!(Client::register(server.address).id, client.id);
    Visit::open(&client);
    assert_eq!(server.stop(), Some(0));
}

/// CIMD-13, CIMD-18, CIMD-20, CIMD-21: documents that are too large, too deep, about somebody
/// else, elsewhere, or never end make no client and no trouble.
#[cfg(target_os = "linux")]
#[test]
fn a_thousand_hostile_documents_make_no_client_and_hurt_nobody_else() {
    let _turn = one_at_a_time();
    let folder = Folder::new("floods-documents");
    let web = hostile::Web::start();
    let trusted = folder.0.join("trusted.pem");
    std::fs::write(&trusted, &web.certificate).unwrap();
    let server = Quickstart::start_with(
        &folder.0,
        free_port(),
        &[
            LIMITED,
            "--data",
            "memory",
            "--danger-allow-loopback-metadata",
        ],
        &[("SSL_CERT_FILE", trusted.to_str().unwrap())],
    );
    let client = Client::register(server.address);
    let figures = during(&server, |attacker| {
        let mut line = Line::open(server.address);
        for number in (attacker..DOCUMENTS).step_by(ATTACKERS) {
            let page = line.get(&authorize(&web.id(number)));
            assert_eq!(page.status, 400, "{number}: {page:?}");
        }
    });
    let served = web.served();
    println!("{DOCUMENTS} hostile documents, {served} of them fetched; {figures}");
    assert!(figures.grown <= 64, "{figures}");
    assert!(served > DOCUMENTS * 9 / 10, "{served}");
    Visit::open(&client);
    let unknown = Client {
        address: server.address,
        id: web.id(0),
    };
    assert_eq!(unknown.refresh("x").unwrap().status, 401);
    assert_eq!(server.stop(), Some(0));
}
