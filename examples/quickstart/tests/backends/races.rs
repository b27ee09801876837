//! Sixty-four requests at once, every other one at the other process where there are two.

use std::sync::Barrier;

use crate::common::house::House;
use crate::common::{Answer, Client, Quickstart};

const RACERS: usize = 64;

/// A client, and what it needs to meet any of the processes.
struct Field {
    servers: Vec<Quickstart>,
    client: Client,
}

impl Field {
    fn open(house: &House, flags: &[&str]) -> Self {
        let servers = house.all(&[flags, &["--danger-auto-approve"]].concat());
        let client = Client::register(servers[0].address);
        Self { servers, client }
    }

    /// The client before one of the processes.
    fn at(&self, racer: usize) -> Client {
        Client {
            address: self.servers[racer % self.servers.len()].address,
            ..self.client.clone()
        }
    }

    fn tokens(&self) -> Answer {
        let tokens = self.at(1).redeem(&self.at(0).code().unwrap()).unwrap();
        assert_eq!(tokens.status, 200, "{tokens:?}");
        tokens
    }

    /// The same request from all racers at once.
    fn race(&self, ask: impl Fn(Client) -> std::io::Result<Answer> + Sync) -> Vec<Answer> {
        let start = Barrier::new(RACERS);
        std::thread::scope(|scope| {
            let racers: Vec<_> = (0..RACERS)
                .map(|racer| {
                    let (start, ask, client) = (&start, &ask, self.at(racer));
                    scope.spawn(move || {
                        start.wait();
                        ask(client).unwrap()
                    })
                })
                .collect();
            let join = |racer: std::thread::ScopedJoinHandle<'_, _>| racer.join().unwrap();
            racers.into_iter().map(join).collect()
        })
    }

    /// One of the answers is a success, all others say why not, and what was won is at an end
    /// everywhere.
    fn assert_one_winner(&self, answers: &[Answer]) {
        let (won, lost): (Vec<_>, Vec<_>) = answers.iter().partition(|it| it.status == 200);
        assert_eq!(won.len(), 1, "{} requests were honoured", won.len());
        for answer in lost {
            assert_eq!(answer.member("error"), "invalid_grant", "{answer:?}");
        }
        for racer in [0, 1] {
            let access = won[0].member("access_token");
            let answer = self.at(racer).whoami(&access).unwrap();
            assert_eq!(answer.status, 401, "the grant was not closed");
        }
    }
}

/// One success and a closed grant; identical answers and one successor.
pub(crate) fn a_code_has_one_winner_and_a_refresh_one_successor(house: &House) {
    let field = Field::open(house, &[]);
    let code = field.client.code().unwrap();
    field.assert_one_winner(&field.race(|client| client.redeem(&code)));

    let token = field.tokens().member("refresh_token");
    let answers = field.race(|client| client.refresh(&token));
    for answer in &answers {
        assert_eq!(answer.status, 200, "{answer:?}");
        for member in ["access_token", "refresh_token"] {
            assert_eq!(answer.member(member), answers[0].member(member));
        }
    }
    let access = answers[0].member("access_token");
    for racer in [0, 1] {
        assert_eq!(field.at(racer).whoami(&access).unwrap().status, 200);
    }
    // The successor is presented, so the token before it has been stolen.
    let successor = answers[0].member("refresh_token");
    let third = field.at(1).refresh(&successor).unwrap();
    assert_eq!(third.status, 200, "{third:?}");
    let reused = field.at(0).refresh(&token).unwrap();
    assert_eq!(reused.member("error"), "invalid_grant");
    let closed = field.at(1).whoami(&third.member("access_token")).unwrap();
    assert_eq!(closed.status, 401);
}

/// Without a window all but one are reuse.
pub(crate) fn a_strict_refresh_has_one_winner(house: &House) {
    let field = Field::open(house, &["--retry-window", "0"]);
    let token = field.tokens().member("refresh_token");
    field.assert_one_winner(&field.race(|client| client.refresh(&token)));
}
