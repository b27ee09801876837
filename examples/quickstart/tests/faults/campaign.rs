//! One fault under load: what was asked, what was answered, and whether every promise held.

use std::collections::BTreeSet;
use std::fs::File;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::client::{Journal, Living, Sample};
use crate::common::{Client, Folder, Quickstart, free_port, log_of};
use crate::now;

const CLIENTS: usize = 16;
/// Sign-ins, with all that follows them, before the fault and after it.
const SIGN_INS: usize = 32;
/// What is promised is multiplied by so much before a slow machine fails a test, which nothing
/// shorter than [`NOTICEABLE`] does either. That is less than one wait for a server that hangs.
const NOISE: u32 = 10;
const NOTICEABLE: Duration = Duration::from_millis(1500);

/// What a fault does to whoever asks meanwhile.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Nobody notices more than that it takes longer.
    Slower,
    /// Some are refused, once in a while.
    Disturbed,
    /// What needs the backend is refused at once.
    Refused,
    /// What needs the backend waits for so long at the most, and is refused.
    Hanging(Duration),
}

/// A fault that begins, lasts and ends.
pub(crate) struct Fault<'a> {
    pub(crate) backend: &'static str,
    pub(crate) name: &'static str,
    pub(crate) effect: Effect,
    /// Told, as what follows, who is a client of the server.
    pub(crate) begin: Box<dyn FnOnce(&Client) + 'a>,
    pub(crate) meanwhile: Box<dyn FnOnce(&Client) + 'a>,
    pub(crate) end: Box<dyn FnOnce() + 'a>,
}

/// What one fault came to.
struct Figures {
    sent: usize,
    acknowledged: usize,
    refused: usize,
    doubtful: usize,
    twice: usize,
    lost: usize,
    /// The longest that any client waited for its first refusal.
    first_refusal: Duration,
    /// 99 of 100 refusals took no longer, but for each client's first, and but for those asked for
    /// while a server that hangs was not known to.
    later_refusals: Duration,
    /// From the end of the fault to the first success, and to the last refusal.
    first_success: Duration,
    last_refusal: Duration,
}

/// Runs the server on this store, with a load before, during and after the fault, and checks
/// everything that was acknowledged.
pub(crate) fn survives(data: &str, fault: Fault<'_>) {
    let title = format!("{}: {}", fault.backend, fault.name);
    let folder = Folder::new(&format!(
        "fault-{}",
        title.replace(|c: char| !c.is_ascii_alphanumeric(), "-")
    ));
    // Two processes that are one server, and are never restarted.
    let ports = [free_port(), free_port()];
    let public = format!("http://127.0.0.1:{}", ports[0]);
    let shared = ["--data", data, "--public-url", &public];
    let flags = [&["--danger-auto-approve"][..], &shared].concat();
    let servers = ports.map(|port| Quickstart::start(&folder.0, port, &flags));
    let client = Client::register(servers[0].address);
    let at = servers.each_ref().map(|server| Client {
        address: server.address,
        ..client.clone()
    });
    let (done, over) = (AtomicUsize::new(0), AtomicBool::new(false));
    let (effect, backend, name) = (fault.effect, fault.backend, fault.name);

    let (journals, began, ended) = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|number| {
                let file = File::create(folder.0.join(format!("journal-{number}"))).unwrap();
                let (at, done, over) = (&at, &done, &over);
                scope.spawn(move || live(at, Journal::new(file), done, over))
            })
            .collect();
        let wait_for = |more: usize| {
            let goal = done.load(Ordering::SeqCst) + more;
            // Clients end only by failing.
            while done.load(Ordering::SeqCst) < goal && !clients.iter().any(|it| it.is_finished()) {
                std::thread::sleep(Duration::from_millis(5));
            }
        };
        wait_for(SIGN_INS);
        let began = now();
        (fault.begin)(&client);
        (fault.meanwhile)(&client);
        (fault.end)();
        let ended = now();
        wait_for(SIGN_INS + CLIENTS);
        over.store(true, Ordering::SeqCst);
        let journals: Vec<_> = clients.into_iter().map(|it| it.join().unwrap()).collect();
        (journals, began, ended)
    });

    let wrong: Vec<&String> = journals.iter().flat_map(|it| &it.wrong).collect();
    let log = std::fs::read_to_string(log_of(&folder.0)).unwrap();
    assert!(
        wrong.is_empty(),
        "{title}: {} wrong answers: {:#?}\n{}",
        wrong.len(),
        &wrong[..wrong.len().min(5)],
        log.lines().rev().take(20).collect::<Vec<_>>().join("\n")
    );
    let figures = Figures::of(&client, &journals, &log, began, ended, effect);
    println!("{}", figures.row(backend, name));
    assert_eq!((figures.twice, figures.lost), (0, 0), "{title}");
    judge(&title, effect, &figures);
    // And a code that was answered once is answered no more.
    for code in journals.iter().filter_map(|it| it.codes.keys().next()) {
        assert_eq!(client.redeem(code).unwrap().status, 400, "{title}");
    }
}

fn live(at: &[Client], journal: Journal, done: &AtomicUsize, over: &AtomicBool) -> Journal {
    let living = Living {
        at,
        journal: journal.into(),
    };
    for number in 0.. {
        if over.load(Ordering::SeqCst) || living.one_sign_in(number % 3 == 2).is_err() {
            break;
        }
        done.fetch_add(1, Ordering::SeqCst);
    }
    living.journal.into_inner()
}

/// Counts are exact. Times are told to whoever reads the table, and judged with room for noise.
fn judge(title: &str, effect: Effect, figures: &Figures) {
    let slowest = match effect {
        Effect::Slower => {
            assert_eq!(figures.refused, 0, "{title}: somebody was refused");
            return;
        }
        Effect::Disturbed => Duration::from_secs(2),
        Effect::Refused => {
            assert!(figures.refused > 0, "{title}: there was no fault");
            Duration::from_secs(1)
        }
        Effect::Hanging(patience) => {
            assert!(figures.refused > 0, "{title}: there was no fault");
            patience
        }
    };
    let most = |what: &str, is: Duration, promised: Duration| {
        let allowed = (promised * NOISE).max(NOTICEABLE);
        assert!(
            is < allowed,
            "{title}: {what}: {is:?}, more than {allowed:?}"
        );
    };
    most("first refusal", figures.first_refusal, slowest);
    let promised = match effect {
        Effect::Disturbed => slowest,
        Effect::Hanging(_) => Duration::from_millis(50),
        _ => Duration::from_millis(100),
    };
    most("later refusals", figures.later_refusals, promised);
    most(
        "first success",
        figures.first_success,
        Duration::from_secs(5),
    );
}

impl Figures {
    fn of(
        client: &Client,
        journals: &[Journal],
        log: &str,
        began: Instant,
        ended: Instant,
        effect: Effect,
    ) -> Self {
        let all = || journals.iter().flat_map(|it| &it.samples);
        let early = all().filter(|it| it.is_refused && it.answered < began);
        assert_eq!(early.count(), 0, "refused before the fault");
        let refusals = |journal: &Journal| -> Vec<Sample> {
            let refused = journal.samples.iter().filter(|it| it.is_refused);
            refused.copied().collect()
        };
        let first = journals
            .iter()
            .filter_map(|it| refusals(it).first().map(Sample::took));
        // After the first wait the server is asked once more, for three quarters of a second.
        let known = match effect {
            Effect::Hanging(patience) => began + patience + Duration::from_secs(1),
            _ => began,
        };
        let mut later: Vec<Duration> = journals
            .iter()
            .flat_map(|it| refusals(it).into_iter().skip(1))
            .filter(|it| it.sent > known)
            .map(|it| it.took())
            .collect();
        later.sort();
        let after = |it: &&Sample| it.answered > ended;
        let success = all().filter(after).filter(|it| !it.is_refused);
        let refusal = all().filter(after).filter(|it| it.is_refused);
        let (mut twice, mut lost) = (0, 0);
        let closed: BTreeSet<&str> = log
            .lines()
            .filter(|line| line.contains("\"grant_closed\""))
            .filter_map(|line| line.split_once("\"grant\":\"")?.1.split('"').next())
            .collect();
        let is_good = |token: &str| client.whoami(token).unwrap().status == 200;
        for journal in journals {
            twice += journal.codes.values().filter(|it| **it > 1).count();
            twice += journal
                .successors
                .values()
                .filter(|it| it.len() > 1)
                .count();
            // Prefix and key number come before the grant's name.
            let gone = |token: &&String| !is_good(token) && !closed.contains(&token[7..29]);
            lost += journal.access.iter().filter(gone).count();
            for (access, refresh) in &journal.ended {
                lost += access.iter().filter(|it| is_good(it)).count();
                lost += usize::from(client.refresh(refresh).unwrap().status != 400);
            }
        }
        Self {
            sent: all().count(),
            acknowledged: all().filter(|it| !it.is_refused).count(),
            refused: all().filter(|it| it.is_refused).count(),
            doubtful: journals.iter().map(|it| it.doubtful).sum(),
            twice,
            lost,
            first_refusal: first.max().unwrap_or_default(),
            later_refusals: later
                .get(later.len().saturating_sub(1) * 99 / 100)
                .copied()
                .unwrap_or_default(),
            first_success: success
                .map(|it| it.answered - ended)
                .min()
                .unwrap_or(Duration::MAX),
            last_refusal: refusal
                .map(|it| it.answered - ended)
                .max()
                .unwrap_or_default(),
        }
    }

    /// A line of the table in `docs/faults.md`.
    fn row(&self, backend: &str, fault: &str) -> String {
        let ms = |time: Duration| format!("{} ms", time.as_millis());
        let refusal = |time: Duration| match self.refused {
            0 => "–".to_owned(),
            _ => ms(time),
        };
        format!(
            "| {backend} | {fault} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} |",
            self.sent,
            self.acknowledged,
            self.refused,
            self.doubtful,
            self.twice,
            self.lost,
            refusal(self.first_refusal),
            refusal(self.later_refusals),
            ms(self.first_success),
            ms(self.last_refusal),
        )
    }
}
