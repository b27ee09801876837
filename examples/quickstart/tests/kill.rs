//! `kill -9` at random moments under load: nothing is honoured twice, nothing received is lost.

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Write;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use common::{Answer, Client, Folder, Quickstart, free_port};

const KILLS: usize = 10;
const ACKNOWLEDGED_BETWEEN: usize = 500;
const CLIENTS: usize = 8;
/// Fewer than the live access tokens a grant may have, so that none is retired.
const REFRESHES_PER_GRANT: usize = 8;

/// What one client received, written down before its next request.
struct Journal {
    file: File,
    /// Code → answers received.
    codes: BTreeMap<String, usize>,
    /// Refresh token → successors received.
    successors: BTreeMap<String, BTreeSet<String>>,
    access: Vec<String>,
    /// Codes whose answer was lost, asked for again.
    doubtful: usize,
}

impl Journal {
    fn note(&mut self, kind: &str, presented: &str, answer: &Answer) {
        let (access, refresh) = (
            answer.member("access_token"),
            answer.member("refresh_token"),
        );
        writeln!(self.file, "{kind} {presented} {access} {refresh}").unwrap();
        self.file.sync_data().unwrap();
        self.access.push(access);
        match kind {
            "code" => *self.codes.entry(presented.to_owned()).or_default() += 1,
            _ => {
                self.successors
                    .entry(presented.to_owned())
                    .or_default()
                    .insert(refresh);
            }
        }
    }
}

#[test]
fn a_killed_server_honours_nothing_twice_and_loses_nothing() {
    let folder = Folder::new("kill");
    let port = free_port();
    let flags = ["--danger-auto-approve"];
    let mut server = Quickstart::start(&folder.0, port, &flags);
    let client = Client::register(server.address);
    let (acknowledged, over) = (AtomicUsize::new(0), AtomicBool::new(false));

    let journals: Vec<Journal> = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|number| {
                let file = File::create(folder.0.join(format!("journal-{number}"))).unwrap();
                let (client, acknowledged, over) = (client.clone(), &acknowledged, &over);
                scope.spawn(move || live(&client, file, acknowledged, over))
            })
            .collect();
        let mut total = 0;
        for round in 0..KILLS {
            while acknowledged.load(Ordering::SeqCst) < ACKNOWLEDGED_BETWEEN {
                std::thread::sleep(Duration::from_millis(5));
                // Clients end only by failing.
                if clients.iter().any(|client| client.is_finished()) {
                    over.store(true, Ordering::SeqCst);
                    break;
                }
            }
            // A moment that nobody chose: the scheduler's jitter and a step of its own each time.
            std::thread::sleep(Duration::from_micros((round as u64 * 7919) % 50_000));
            server.kill();
            total += acknowledged.swap(0, Ordering::SeqCst);
            server = Quickstart::start(&folder.0, port, &flags);
        }
        over.store(true, Ordering::SeqCst);
        let journals = clients
            .into_iter()
            .map(|client| client.join().unwrap())
            .collect();
        println!("{KILLS} kills, {total} acknowledged requests before them");
        journals
    });

    let log = std::fs::read_to_string(common::log_of(&folder.0)).unwrap();
    let closed: BTreeSet<&str> = log
        .lines()
        .filter(|line| line.contains("GrantClosed"))
        .filter_map(|line| line.split_once("GrantId(")?.1.split(')').next())
        .collect();
    let (mut received, mut lost, mut twice, mut split, mut excused, mut doubtful) =
        (0, 0, 0, 0, 0, 0);
    for journal in &journals {
        twice += journal
            .codes
            .values()
            .filter(|answers| **answers > 1)
            .count();
        split += journal
            .successors
            .values()
            .filter(|successors| successors.len() > 1)
            .count();
        doubtful += journal.doubtful;
        for token in &journal.access {
            received += 1;
            if client.whoami(token).unwrap().status != 200 {
                // Prefix and key number come before the grant's name.
                if closed.contains(&token[7..29]) {
                    excused += 1
                } else {
                    lost += 1
                }
            }
        }
    }
    println!(
        "{received} access tokens received; refused without a closing event {lost}, of closed grants \
         {excused}; codes with two answers {twice}, refresh tokens with two successors {split}; \
         codes whose answer was lost {doubtful}"
    );
    assert_eq!((lost, twice, split), (0, 0, 0));
    // And a code that was answered once is answered no more.
    for code in journals
        .iter()
        .filter_map(|journal| journal.codes.keys().next())
    {
        assert_eq!(client.redeem(code).unwrap().status, 400);
    }
}

/// Signs in and refreshes, over and over; what the connection swallowed is asked for again.
fn live(client: &Client, file: File, acknowledged: &AtomicUsize, over: &AtomicBool) -> Journal {
    let mut journal = Journal {
        file,
        codes: BTreeMap::new(),
        successors: BTreeMap::new(),
        access: Vec::new(),
        doubtful: 0,
    };
    while !over.load(Ordering::SeqCst) {
        let Ok(code) = client.code() else {
            std::thread::sleep(Duration::from_millis(5));
            continue;
        };
        let (answer, lost) = until_answered(|| client.redeem(&code));
        if answer.status != 200 {
            // Redeemed, but the answer died with the process: the person signs in again.
            assert!(lost, "a good code was refused: {answer:?}");
            journal.doubtful += 1;
            continue;
        }
        journal.note("code", &code, &answer);
        acknowledged.fetch_add(1, Ordering::SeqCst);
        let mut token = answer.member("refresh_token");
        for _ in 0..REFRESHES_PER_GRANT {
            let (answer, _) = until_answered(|| client.refresh(&token));
            assert_eq!(
                answer.status, 200,
                "an honest client was refused: {answer:?}"
            );
            journal.note("refresh", &token, &answer);
            // Asked again, whatever happened meanwhile, the answer is the same.
            let (again, _) = until_answered(|| client.refresh(&token));
            assert_eq!(again.status, 200, "{again:?}");
            journal.note("refresh", &token, &again);
            acknowledged.fetch_add(2, Ordering::SeqCst);
            token = answer.member("refresh_token");
        }
    }
    journal
}

/// The answer, and whether an earlier one may have been lost on the way.
fn until_answered(ask: impl Fn() -> std::io::Result<Answer>) -> (Answer, bool) {
    let mut lost = false;
    for _ in 0..2000 {
        match ask() {
            Ok(answer) if answer.status < 500 => return (answer, lost),
            // Nobody listened: the request never left.
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => {}
            _ => lost = true,
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("the server never came back");
}
