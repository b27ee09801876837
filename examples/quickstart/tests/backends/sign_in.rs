//! A sign-in from its beginning to its end, through the pages.

use crate::common::house::House;
use crate::common::pages::Visit;
use crate::common::{Answer, Client, as_service, free_port};
use crate::proxy;

pub(crate) fn a_person_signs_in_and_what_was_issued_outlives_a_restart(house: &House) {
    let mut server = Some(house.start(0, house.port, &[]));
    let client = Client::register(server.as_ref().unwrap().address);
    live(&client, || {
        if house.lasts() {
            assert_eq!(server.take().unwrap().stop(), Some(0));
            server = Some(house.start(0, house.port, &[]));
        }
    });
    assert_eq!(server.unwrap().stop(), Some(0));
}

/// A proxy leads each request to the other process than the one before.
pub(crate) fn two_processes_behind_one_name_share_every_step(house: &House) {
    let servers = [0, 1].map(|number| house.start(number, free_port(), &[]));
    let addresses = [0, 1].map(|number: usize| servers[number].address);
    let client = Client::register(proxy::alternate(house.port, addresses));
    // One request more, so that what one process redeemed is refreshed and revoked at the other.
    live(&client, || {
        assert_eq!(client.whoami("unknown").unwrap().status, 401);
    });

    let told = [0, 1].map(|number| house.events(number));
    let first: &[&str] = &["client_registered", "signed_in", "code_redeemed"];
    let second: &[&str] = &[
        "grant_approved",
        "token_refreshed",
        "client_token_issued",
        "grant_closed",
    ];
    assert_eq!(told, [first, second]);
    for server in servers {
        assert_eq!(server.stop(), Some(0));
    }
}

/// All that a client does in its life, with something in the middle that it must not notice.
fn live(client: &Client, meanwhile: impl FnOnce()) {
    let mut visit = Visit::open(client);
    visit.sign_in("alice", "wonderland");
    let code = visit.approve();
    let tokens = client.redeem(&code).unwrap();
    assert_eq!(tokens.status, 200, "{tokens:?}");
    let access = tokens.member("access_token");
    assert_eq!(subject(client, &access), "alice");

    meanwhile();

    assert_eq!(subject(client, &access), "alice");
    let claims = introspect(client, &access);
    assert_eq!(claims["active"], true, "{claims}");
    assert_eq!(claims["sub"], "alice", "{claims}");
    let refreshed = client.refresh(&tokens.member("refresh_token")).unwrap();
    assert_eq!(refreshed.status, 200, "{refreshed:?}");
    let successor = refreshed.member("refresh_token");
    assert_ne!(successor, tokens.member("refresh_token"));
    let newer = refreshed.member("access_token");
    assert_ne!(newer, access);
    assert_eq!(subject(client, &newer), "alice");

    let form = [("grant_type", "client_credentials"), ("scope", "mcp:tools")];
    let own = as_service(client.address, "/token", &form).unwrap();
    assert_eq!(own.status, 200, "{own:?}");
    assert_eq!(own.member("refresh_token"), "");
    assert_eq!(subject(client, &own.member("access_token")), "service");

    assert_eq!(client.revoke(&successor).unwrap().status, 200);
    for token in [&access, &newer] {
        assert_eq!(client.whoami(token).unwrap().status, 401);
        assert_eq!(introspect(client, token)["active"], false);
    }
    let refused = client.refresh(&successor).unwrap();
    assert_eq!(refused.member("error"), "invalid_grant");
}

fn subject(client: &Client, access_token: &str) -> String {
    let answer: Answer = client.whoami(access_token).unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.member("subject")
}

/// What the service client is told about a token.
fn introspect(client: &Client, token: &str) -> serde_json::Value {
    let asked = as_service(client.address, "/introspect", &[("token", token)]).unwrap();
    serde_json::from_str(&asked.body).unwrap()
}
