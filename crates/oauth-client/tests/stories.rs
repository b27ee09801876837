//! Whole stories against our own authorization server, without sockets.

mod common;

use common::{Scene, get};
use oauth_client::types::Scope;
use oauth_client::{AuthorizeError, BearerChallenge, ClientError, SignedOut};
use oauth_testkit::block_on;

fn body(response: &http::Response<bytes::Bytes>) -> String {
    String::from_utf8(response.body().to_vec()).unwrap()
}

/// CL-DISC-1, CL-DISC-2, CL-REG-4, CL-AUTHZ-2, CL-AUTHZ-3, CL-TOK-1: the first 401 is answered by
/// discovery, registration and a sign-in, and the request goes through.
#[test]
fn a_first_request_signs_alice_in() {
    let scene = Scene::new();
    let answer = scene.get("/mcp").unwrap();
    assert_eq!(
        (answer.status().as_u16(), &*body(&answer)),
        (200, "mcp:tools")
    );
    assert_eq!(scene.alice.last_query("resource").unwrap(), common::MCP);
    assert_eq!(scene.alice.last_query("scope").unwrap(), "mcp:tools");
    assert_eq!(scene.net.take("POST /register"), 1);
    // The next one needs nothing but the token.
    scene.net.take("");
    assert_eq!(scene.get("/mcp").unwrap().status(), 200);
    assert_eq!(scene.net.heard(), ["GET /mcp"]);
    assert_eq!(scene.alice.visits.lock().unwrap().len(), 1);
}

/// CL-TOK-8: a token is renewed before it ends, and nobody notices.
#[test]
fn a_token_that_ends_soon_is_renewed_first() {
    let scene = Scene::new();
    scene.get("/mcp").unwrap();
    scene.advance(15 * 60 - 30);
    scene.net.take("");
    assert_eq!(scene.get("/mcp").unwrap().status(), 200);
    assert_eq!(scene.net.heard(), ["POST /token", "GET /mcp"]);
    assert_eq!(scene.stepped("Refreshed"), 1);
    assert_eq!(scene.alice.visits.lock().unwrap().len(), 1);
}

/// CL-TOK-12: while the authorization server is down, a token that is still good is used, and
/// nothing is thrown away.
#[test]
fn an_outage_takes_nothing_away() {
    let scene = Scene::new();
    scene.get("/mcp").unwrap();
    scene.advance(15 * 60 - 30);
    scene.net.break_path("/token", 503);
    assert_eq!(scene.get("/mcp").unwrap().status(), 200);
    scene.advance(60);
    let error = scene.get("/mcp").unwrap_err();
    let AuthorizeError::Client(error) = error else {
        panic!("{error}")
    };
    assert!(error.is_temporary(), "{error}");
    let said = error.to_string();
    assert!(
        said.contains("refresh at https://mcp.example/token"),
        "{said}"
    );
    scene.net.mend();
    assert_eq!(scene.get("/mcp").unwrap().status(), 200);
    assert_eq!(scene.alice.visits.lock().unwrap().len(), 1);
}

/// CL-TOK-7: twenty requests at once of one process, and two more processes with the same store:
/// one refresh, nobody signed out.
#[test]
fn those_who_share_a_store_refresh_once() {
    let scene = Scene::new();
    scene.get("/mcp").unwrap();
    let others = [scene.another(), scene.another()];
    for other in &others {
        assert!(block_on(other.access_token()).unwrap().is_some());
    }
    // Once one after another, so that all know by heart whom to ask.
    scene.advance(15 * 60);
    for client in [&scene.client, &others[0], &others[1]] {
        assert!(block_on(client.access_token()).unwrap().is_some());
    }
    assert_eq!(scene.net.take("POST /token"), 2);
    scene.advance(15 * 60);
    scene.net.take("");
    let clients = (0..20).map(|at| match at % 3 {
        0 => &scene.client,
        other => &others[other - 1],
    });
    let requests: Vec<_> = clients
        .map(|client| get(client, &scene.net, "/mcp"))
        .collect();
    for answer in together(requests) {
        assert_eq!(answer.unwrap().status(), 200);
    }
    assert_eq!(scene.net.take("POST /token"), 1);
    assert_eq!(scene.alice.visits.lock().unwrap().len(), 1);
}

/// CL-TOK-7: of many first requests at once, in two processes, one bothers Alice.
#[test]
fn one_sign_in_serves_all_who_wait() {
    let scene = Scene::new();
    let other = scene.another();
    let requests: Vec<_> = (0..10)
        .map(|at| {
            get(
                if at % 2 == 0 { &scene.client } else { &other },
                &scene.net,
                "/mcp",
            )
        })
        .collect();
    for answer in together(requests) {
        assert_eq!(answer.unwrap().status(), 200);
    }
    assert_eq!(scene.alice.visits.lock().unwrap().len(), 1);
    assert_eq!(scene.net.take("POST /register"), 1);
}

/// CL-TOK-9: more scope is asked for together with what there is, by a new sign-in, and the request
/// is sent again.
#[test]
fn a_step_up_keeps_what_there_is() {
    let scene = Scene::new();
    scene.get("/mcp").unwrap();
    let answer = scene.get("/mcp/write").unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(
        scene.alice.last_query("scope").unwrap(),
        "mcp:tools mcp:write"
    );
    assert_eq!(body(&scene.get("/mcp").unwrap()), "mcp:tools mcp:write");
    assert_eq!(scene.alice.visits.lock().unwrap().len(), 2);
    // What was asked for once is asked for at the next sign-in, too: it is one grant to Alice.
    assert_eq!(scene.stepped("StepUp"), 1);
}

/// CL-TOK-10: many who lack the same scope at once bother Alice once, and none of them is told that it
/// was tried too often.
#[test]
fn one_step_up_serves_all_who_wait() {
    let scene = Scene::new();
    scene.get("/mcp").unwrap();
    let requests: Vec<_> = (0..6)
        .map(|_| get(&scene.client, &scene.net, "/mcp/write"))
        .collect();
    for answer in together(requests) {
        assert_eq!(answer.unwrap().status(), 200);
    }
    assert_eq!(scene.alice.visits.lock().unwrap().len(), 2);
}

/// CL-TOK-8: the token was revoked elsewhere: one try to renew it, then Alice signs in again.
#[test]
fn a_revoked_grant_ends_in_a_new_sign_in() {
    let scene = Scene::new();
    scene.get("/mcp").unwrap();
    let server = scene.net.service.authorization_server();
    let client = scene.registration().unwrap().client_id;
    block_on(server.revoke_client(&client)).unwrap();
    scene.net.take("");
    assert_eq!(scene.get("/mcp").unwrap().status(), 200);
    assert_eq!(scene.net.take("POST /token"), 2);
    assert_eq!(scene.net.take("POST /register"), 0);
    assert_eq!(scene.alice.visits.lock().unwrap().len(), 2);
    // CL-DISC-10: the server's metadata were read again first.
    assert_eq!(
        scene.net.take("GET /.well-known/oauth-protected-resource"),
        2
    );
}

/// CL-TOK-12: the server lost the client: its registration is dropped and made again, once.
#[test]
fn a_lost_registration_is_made_again_once() {
    let scene = Scene::new();
    scene.get("/mcp").unwrap();
    let first = scene.registration().unwrap().client_id;
    let server = scene.net.service.authorization_server();
    block_on(server.remove_client(&first)).unwrap();
    scene.advance(15 * 60);
    scene.net.take("");
    assert_eq!(scene.get("/mcp").unwrap().status(), 200);
    assert_eq!(scene.net.take("POST /register"), 1);
    assert_ne!(scene.registration().unwrap().client_id, first);
    // Nobody was sent anywhere with the lost one.
    assert_eq!(scene.alice.visits.lock().unwrap().len(), 2);
    assert_eq!(scene.stepped("RegistrationDropped"), 1);
}

/// CL-TOK-12: it was lost before anybody signed in: the error page that a browser would have shown
/// leads to a new registration, too, once.
#[test]
fn a_registration_lost_before_a_sign_in_is_made_again() {
    let scene = Scene::new();
    scene.get("/mcp").unwrap();
    let first = scene.registration().unwrap().client_id;
    block_on(scene.client.sign_out()).unwrap();
    let server = scene.net.service.authorization_server();
    block_on(server.remove_client(&first)).unwrap();
    assert_eq!(scene.get("/mcp").unwrap().status(), 200);
    assert_eq!(scene.alice.visits.lock().unwrap().len(), 3);
}

/// CL-TOK-14: signing out revokes, and forgets here and in the store; the registration stays.
#[test]
fn signing_out_revokes() {
    let scene = Scene::new();
    scene.get("/mcp").unwrap();
    let token = block_on(scene.client.access_token()).unwrap().unwrap();
    assert!(matches!(
        block_on(scene.client.sign_out()).unwrap(),
        SignedOut::Revoked
    ));
    assert!(block_on(scene.client.access_token()).unwrap().is_none());
    assert!(block_on(scene.another().access_token()).unwrap().is_none());
    let server = scene.net.service.authorization_server();
    let checked = block_on(server.check_access_token(token.secret().expose())).unwrap();
    assert!(checked.is_none());
    assert!(matches!(
        block_on(scene.client.sign_out()).unwrap(),
        SignedOut::Nothing
    ));
    scene.get("/mcp").unwrap();
    assert_eq!(scene.net.take("POST /register"), 1);
}

/// Alice says no: the error says so, in the server's word, and where.
#[test]
fn a_refusal_is_told() {
    let mut scene = Scene::new();
    scene.alice.says_no = true;
    let client = scene.another();
    let error = block_on(client.sign_in(&BearerChallenge::default())).unwrap_err();
    let said = error.to_string();
    assert!(matches!(error, ClientError::Authorization(_)), "{said}");
    assert!(said.contains("https://mcp.example/authorize"), "{said}");
    assert!(said.contains("access_denied"), "{said}");
}

/// A program that sends people off in one request and receives them in another keeps what it needs
/// meanwhile, and another process can go on with it.
#[test]
fn a_web_application_takes_two_steps() {
    use oauth_client::{Record as _, agent::UserAgent as _};
    let scene = Scene::new();
    let visit = block_on(scene.alice.begin()).unwrap();
    let redirect_uri = visit.redirect_uri().to_owned();
    let challenge = BearerChallenge::default();
    let begun = block_on(scene.client.begin(&challenge, &redirect_uri)).unwrap();
    let kept = begun.pending.to_text();
    let query = block_on(visit.visit(&begun.url)).unwrap();
    let pending = oauth_client::PendingAuthorization::from_text(&kept).unwrap();
    let token = block_on(scene.another().finish(pending, query.expose())).unwrap();
    assert_eq!(token.scope(), Some(&Scope::parse("mcp:tools").unwrap()));
    assert_eq!(scene.get("/mcp").unwrap().status(), 200);
    assert_eq!(scene.alice.visits.lock().unwrap().len(), 1);
}

/// CL-TOK-2: what goes elsewhere goes without a token, and so does what looks like the server.
#[test]
fn a_token_goes_to_its_resource_alone() {
    let scene = Scene::new();
    for (url, shown) in [
        ("https://mcp.example/mcp", true),
        ("https://mcp.example/mcp?x=1", true),
        ("https://MCP.example:443/mcp/tools", true),
        ("https://mcp.example/other", false),
        ("https://mcp.example/mcpx", false),
        ("https://mcp.example/mcp/../other", false),
        ("https://mcp.example/mcp/%2e%2e/other", false),
        ("https://mcp.example:8443/mcp", false),
        ("http://mcp.example/mcp", false),
        ("https://mcp.example.evil/mcp", false),
        ("https://mcp.example@evil.example/mcp", false),
        ("/mcp", false),
    ] {
        assert_eq!(scene.client.may_show_to(url), shown, "{url}");
    }
}

/// Polls all of them in turn until each has ended.
fn together<F: Future>(futures: Vec<F>) -> Vec<F::Output> {
    let mut running: Vec<_> = futures.into_iter().map(|f| Some(Box::pin(f))).collect();
    let mut done: Vec<Option<F::Output>> = running.iter().map(|_| None).collect();
    block_on(std::future::poll_fn(|context| {
        for (future, done) in running.iter_mut().zip(&mut done) {
            if let Some(polled) = future
                && let std::task::Poll::Ready(output) = polled.as_mut().poll(context)
            {
                (*done, *future) = (Some(output), None);
            }
        }
        match running.iter().all(Option::is_none) {
            true => std::task::Poll::Ready(()),
            false => std::task::Poll::Pending,
        }
    }));
    done.into_iter().map(|output| output.unwrap()).collect()
}
