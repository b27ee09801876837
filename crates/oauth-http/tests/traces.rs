//! What somebody who traces a server sees of a request, and what a person who is stuck can quote.

mod common;

use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

use common::{Server, cookies, handle, text};
use http::{Request, header};
use oauth_testkit::faults::Fault;
use oauth_testkit::flows::parameter;
use tracing::Level;
use tracing_subscriber::fmt::format::FmtSpan;

/// What was written to the log.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Whether a span is watched is remembered for the whole process, so one test must not be the first
/// to open a span, unwatched, while the other begins to watch.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// Runs a story at this level; gives the lines of the log.
fn traced(level: Level, story: impl FnOnce()) -> Vec<String> {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_span_events(FmtSpan::CLOSE)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    tracing::subscriber::with_default(subscriber, story);
    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    // The scene itself notes every event.
    let lines = text
        .lines()
        .filter(|line| !line.contains(" oauth_testkit::"));
    lines.map(str::to_owned).collect()
}

fn has(line: &str, fields: &[&str]) -> bool {
    fields.iter().all(|field| line.contains(field))
}

/// AS-SEC-5: one span for a request, with its route as a template, its status, client, grant and
/// error; one below it for every verb of the store; and nothing of what the request carried.
#[test]
fn a_request_is_one_span_and_the_store_is_below_it() {
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let server = Server::new();
    let verifier = "v".repeat(43);
    let to = server.sign_in(&server.public, &verifier);
    let form = server.redemption(&server.public, &to, &verifier);
    let form: Vec<(&str, &str)> = form.iter().map(|(n, v)| (&**n, &**v)).collect();
    let client = format!("oauth.client=\"{}\"", server.public.client_id);

    let lines = traced(Level::INFO, || drop(server.post("/token", &form)));
    let [line] = &*lines else { panic!("{lines:?}") };
    let fields = [
        "http.request.method=\"POST\"",
        "http.route=\"/token\"",
        "http.response.status_code=200",
        "request=",
        &client,
        "oauth.grant=",
    ];
    assert!(
        has(line, &fields) && !line.contains("oauth.error"),
        "{line}"
    );

    let lines = traced(Level::DEBUG, || drop(server.post("/token", &form)));
    let verb = |kind: &str, verb: &str, outcome: &str| {
        let fields = [
            &*format!("kind=\"{kind}\""),
            &*format!("verb=\"{verb}\""),
            &*format!("outcome=\"{outcome}\""),
        ];
        lines
            .iter()
            .any(|line| has(line, &fields) && line.contains("request{"))
    };
    assert!(verb("clients", "find", "found"), "{lines:?}");
    assert!(verb("grants", "find", "found"), "{lines:?}");
    assert!(
        verb("grants", "replace", "replaced"),
        "the replay closes it: {lines:?}"
    );
    assert!(has(
        lines.last().unwrap(),
        &["oauth.error=\"invalid_grant\"", "status_code=400"]
    ));
    let code = parameter(&to, "code").unwrap();
    for secret in [&*code, &*verifier] {
        assert!(lines.iter().all(|line| !line.contains(secret)));
    }

    // What a requester makes up appears nowhere: neither a path nor a method nor a query.
    let lines = traced(Level::TRACE, || {
        for target in [
            "/made-up?q=made-up",
            "/register/made-up?q=made-up",
            "/jwks?q=made-up",
        ] {
            let request = Request::builder().method("MADE-UP").uri(target);
            server.send(
                request
                    .header(header::COOKIE, "made-up")
                    .body("made-up")
                    .unwrap(),
            );
        }
    });
    assert_eq!(lines.len(), 3, "{lines:?}");
    assert!(
        lines
            .iter()
            .all(|line| !line.to_lowercase().contains("made-up")),
        "{lines:?}"
    );
    assert!(lines[1].contains("http.route=\"/register/{client_id}\""));
}

/// AS-SEC-5: a page about a failure names the request and never the cause; the log has both.
#[test]
fn a_failure_can_be_found_by_what_its_page_says() {
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let server = Server::new();
    let verifier = "v".repeat(43);
    let page = server.authorize(&server.query(&server.public, &verifier), "");
    let login = [
        ("transaction", &*handle(&page)),
        ("username", "alice"),
        ("password", "wonderland"),
    ];
    let consent = server.interact(&cookies(&page), &login);
    let all = format!("{}; {}", cookies(&page), cookies(&consent));
    let yes = [("transaction", &*handle(&consent)), ("decision", "approve")];
    server.storage.line_up([Fault::Refused]);
    let mut failed = None;
    let lines = traced(Level::INFO, || failed = Some(server.interact(&all, &yes)));
    let failed = failed.unwrap();
    assert_eq!(failed.status(), 503);
    assert_eq!(text(&failed, header::RETRY_AFTER), "1");
    let body = std::str::from_utf8(failed.body()).unwrap();
    let (_, rest) = body.split_once("request: Some(").expect("a name");
    let (name, _) = rest.split_once(')').unwrap();
    assert_eq!(name.len(), 32, "{body}");
    assert!(
        !body.contains("storage") && !body.contains("backend"),
        "{body}"
    );
    let cause = lines.iter().find(|line| line.contains("WARN")).unwrap();
    assert!(has(cause, &[name, "nothing was written"]), "{cause}");
    assert!(
        has(lines.last().unwrap(), &[name, "status_code=503"]),
        "{lines:?}"
    );
    // Nothing was lost.
    assert_eq!(server.interact(&all, &yes).status(), 303);
}
