//! A client that does everything a client does, over and over, and writes down what it was told.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Write;
use std::time::{Duration, Instant};

use oauth_testkit::flows::parameter;

use crate::common::{Answer, Client};
use crate::now;

/// Fewer than the live access tokens a grant may have, so that none is retired.
const REFRESHES_PER_GRANT: usize = 3;
/// How long one who was refused waits; less than `Retry-After` says, to learn more.
const PAUSE: Duration = Duration::from_millis(25);
/// When to give up on a server.
const PATIENCE: Duration = Duration::from_secs(60);

/// A request and its answer.
#[derive(Clone, Copy)]
pub(crate) struct Sample {
    pub(crate) sent: Instant,
    pub(crate) answered: Instant,
    pub(crate) is_refused: bool,
}

impl Sample {
    pub(crate) fn took(&self) -> Duration {
        self.answered - self.sent
    }
}

/// What one client received, written down before its next request.
pub(crate) struct Journal {
    file: File,
    /// Code → answers received.
    pub(crate) codes: BTreeMap<String, usize>,
    /// Refresh token → successors received.
    pub(crate) successors: BTreeMap<String, BTreeSet<String>>,
    /// Access tokens of grants that nobody ended.
    pub(crate) access: Vec<String>,
    /// Access tokens, and a refresh token, whose end was acknowledged.
    pub(crate) ended: Vec<(Vec<String>, String)>,
    /// Codes whose answer was lost, asked for again.
    pub(crate) doubtful: usize,
    pub(crate) samples: Vec<Sample>,
    /// What should never have happened.
    pub(crate) wrong: Vec<String>,
}

impl Journal {
    pub(crate) fn new(file: File) -> Self {
        Self {
            file,
            codes: BTreeMap::new(),
            successors: BTreeMap::new(),
            access: Vec::new(),
            ended: Vec::new(),
            doubtful: 0,
            samples: Vec::new(),
            wrong: Vec::new(),
        }
    }

    fn write(&mut self, line: &str) {
        writeln!(self.file, "{line}").unwrap();
        self.file.sync_data().unwrap();
    }

    fn received(&mut self, kind: &str, presented: &str, answer: &Answer) {
        let (access, refresh) = (
            answer.member("access_token"),
            answer.member("refresh_token"),
        );
        self.write(&format!("{kind} {presented} {access} {refresh}"));
        match kind {
            "code" => *self.codes.entry(presented.to_owned()).or_default() += 1,
            _ => {
                let successors = self.successors.entry(presented.to_owned()).or_default();
                successors.insert(refresh);
            }
        }
    }

    /// Asks one process after the other until one does not say that it cannot, and gives that answer, and whether an
    /// earlier one was lost.
    fn until_answered(
        &mut self,
        what: &str,
        at: &[Client],
        ask: impl Fn(&Client) -> std::io::Result<Answer>,
    ) -> Result<(Answer, bool), Stuck> {
        let began = now();
        let mut lost = false;
        while began.elapsed() < PATIENCE {
            let sent = now();
            let answer = match ask(&at[self.samples.len() % at.len()]) {
                Ok(answer) => answer,
                Err(error) => {
                    self.wrong.push(format!("{what}: no answer: {error}"));
                    lost = true;
                    std::thread::sleep(PAUSE);
                    continue;
                }
            };
            let is_refused = answer.status >= 500;
            self.samples.push(Sample {
                sent,
                answered: now(),
                is_refused,
            });
            if !is_refused {
                return Ok((answer, lost));
            }
            if answer.status != 503 || answer.header("retry-after").is_empty() {
                self.wrong
                    .push(format!("{what}: not a clean refusal: {answer:?}"));
            }
            lost = true;
            std::thread::sleep(PAUSE);
        }
        self.wrong
            .push(format!("{what}: the server never recovered"));
        Err(Stuck)
    }
}

/// Nothing more can be learned.
pub(crate) struct Stuck;

/// A journal, and the client that keeps it.
pub(crate) struct Living<'a> {
    /// The same client, at each process.
    pub(crate) at: &'a [Client],
    pub(crate) journal: RefCell<Journal>,
}

impl Living<'_> {
    fn ask(
        &self,
        what: &str,
        ask: impl Fn(&Client) -> std::io::Result<Answer>,
    ) -> Result<(Answer, bool), Stuck> {
        let mut journal = self.journal.borrow_mut();
        journal.until_answered(what, self.at, ask)
    }

    /// Notes an answer that is not the one that an honest client is owed.
    fn expect(&self, what: &str, answer: &Answer, status: u16) -> Result<(), Stuck> {
        if answer.status == status {
            return Ok(());
        }
        let wrong = format!("{what}: {status} is due: {answer:?}");
        self.journal.borrow_mut().wrong.push(wrong);
        Err(Stuck)
    }

    /// Signs in, uses what it gets, refreshes, and sometimes ends it.
    pub(crate) fn one_sign_in(&self, ends_it: bool) -> Result<(), Stuck> {
        // People come under the server's own name only, which is the first one's.
        let (answer, _) = self.journal.borrow_mut().until_answered(
            "authorize",
            &self.at[..1],
            Client::authorize,
        )?;
        let Some(code) = parameter(&answer.header("location"), "code") else {
            return self.expect("authorize", &answer, 303);
        };
        let (answer, lost) = self.ask("redeem", |client| client.redeem(&code))?;
        if answer.status != 200 && lost {
            // Redeemed, but the answer was lost: the person signs in again.
            self.journal.borrow_mut().doubtful += 1;
            return Ok(());
        }
        self.expect("redeem", &answer, 200)?;
        self.journal.borrow_mut().received("code", &code, &answer);
        let mut access = vec![answer.member("access_token")];
        let mut refresh = answer.member("refresh_token");
        for round in 0..=REFRESHES_PER_GRANT {
            let token = &access[access.len() - 1];
            let (answer, _) = self.ask("whoami", |client| client.whoami(token))?;
            self.expect("whoami", &answer, 200)?;
            if round == REFRESHES_PER_GRANT {
                break;
            }
            // The second time the answer is the same, whatever happened meanwhile.
            let mut next = String::new();
            for _ in 0..2 {
                let (answer, _) = self.ask("refresh", |client| client.refresh(&refresh))?;
                self.expect("refresh", &answer, 200)?;
                let mut journal = self.journal.borrow_mut();
                journal.received("refresh", &refresh, &answer);
                access.push(answer.member("access_token"));
                next = answer.member("refresh_token");
            }
            refresh = next;
        }
        if !ends_it {
            self.journal.borrow_mut().access.append(&mut access);
            return Ok(());
        }
        let (answer, _) = self.ask("revoke", |client| client.revoke(&refresh))?;
        self.expect("revoke", &answer, 200)?;
        let mut journal = self.journal.borrow_mut();
        journal.write(&format!("ended {refresh}"));
        journal.ended.push((access, refresh));
        Ok(())
    }
}
