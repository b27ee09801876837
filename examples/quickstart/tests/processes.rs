//! What outlives a process, and what is done to records from the command line.

mod common;

use std::io::{BufRead, BufReader};

use common::{Client, Folder, Quickstart, free_port, get, post};
use oauth_testkit::servers::Postgres;

const AUTO: &str = "--danger-auto-approve";

/// AS-DCM-1, AS-DCM-2, AS-DCM-4: the client's own address is served, parameter and all.
#[test]
fn a_client_manages_its_registration() {
    let folder = Folder::new("manage");
    let server = Quickstart::start(&folder.0, free_port(), &[AUTO, "--data", "memory"]);
    let send = |head: &str, body: &str| {
        let request = format!(
            "{head}Host: x\r\nConnection: close\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        common::send(server.address, &request).unwrap()
    };
    let registered = send(
        "POST /register HTTP/1.1\r\n",
        r#"{"redirect_uris":["https://app.example/cb"]}"#,
    );
    assert_eq!(registered.status, 201, "{registered:?}");
    let token = registered.member("registration_access_token");
    let uri = registered.member("registration_client_uri");
    let (_, path) = uri.split_once("/register/").unwrap();
    let manage = |method: &str| {
        let head =
            format!("{method} /register/{path} HTTP/1.1\r\nAuthorization: Bearer {token}\r\n");
        send(&head, "").status
    };
    assert_eq!(manage("GET"), 200);
    assert_eq!(manage("DELETE"), 204);
    assert_eq!(manage("GET"), 401);
}

#[test]
fn well_known_credentials_stay_on_this_machine() {
    for flags in [
        vec!["--listen", "0.0.0.0:0"],
        vec![
            "--listen",
            "127.0.0.1:0",
            "--public-url",
            "https://mcp.example",
        ],
        vec![
            "--listen",
            "127.0.0.1:0",
            "--data",
            "postgres://127.0.0.1:1/x",
        ],
        vec!["--listen", "127.0.0.1:0", "--issuer-path", "auth"],
    ] {
        let folder = Folder::new("refused");
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_quickstart"));
        let output = command
            .current_dir(&folder.0)
            .args(&flags)
            .output()
            .unwrap();
        assert!(!output.status.success(), "{flags:?}");
        assert!(output.stderr.starts_with(b"error: "), "{flags:?}");
    }
}

#[test]
fn a_weak_setting_of_postgres_is_named_at_the_start() {
    let Some(server) = Postgres::shared() else {
        return;
    };
    let (folder, database) = (Folder::new("weak"), server.database());
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_quickstart"))
        .current_dir(&folder.0)
        .args(["--listen", "127.0.0.1:0"])
        .env("OAUTH_DATA", database.url())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let said = BufReader::new(child.stdout.take().unwrap()).lines();
    let said: Vec<_> = said
        .map_while(Result::ok)
        .take_while(|line| !line.starts_with("Sign in"))
        .collect();
    child.kill().unwrap();
    child.wait().unwrap();
    let starts = |start: &str| said.iter().any(|line| line.starts_with(start));
    assert!(starts("WEAK            fsync is off: "), "{said:?}");
    assert!(starts("Records         PostgreSQL, 127.0.0.1:"), "{said:?}");
}

#[test]
fn a_login_page_answers_to_its_own_name_only() {
    let folder = Folder::new("host");
    let server = Quickstart::start(&folder.0, free_port(), &["--data", "memory"]);
    let client = Client::register(server.address);
    let path = format!("/authorize?response_type=code&client_id={}", client.id);
    let request =
        format!("GET {path} HTTP/1.1\r\nHost: rebound.example\r\nConnection: close\r\n\r\n");
    assert_eq!(common::send(server.address, &request).unwrap().status, 421);
    // And the tools answer to no strange page.
    let strange = get(
        server.address,
        "/whoami",
        "Origin: https://evil.example\r\n",
    )
    .unwrap();
    assert_eq!(strange.status, 403);
    let _ = post(server.address, "/token", &[]).unwrap();
}

/// AS-META-29: keys are changed beside a running server, which goes on; a fence ends everything
/// that was issued before.
#[test]
fn keys_are_changed_and_everything_is_ended_from_the_command_line() {
    let folder = Folder::new("keys");
    let port = free_port();
    let server = Quickstart::start(&folder.0, port, &[AUTO]);
    let client = Client::register(server.address);
    let tokens = client.redeem(&client.code().unwrap()).unwrap();
    assert!(Quickstart::command(&folder.0, port, "rotate-keys").contains("ten minutes"));
    let access = tokens.member("access_token");
    assert_eq!(client.whoami(&access).unwrap().status, 200);
    assert_eq!(server.stop(), Some(0));

    let server = Quickstart::start(&folder.0, port, &[AUTO]);
    let keys = get(server.address, "/jwks", "").unwrap();
    assert_eq!(keys.body.matches("\"kid\"").count(), 2, "{}", keys.body);
    assert_eq!(client.whoami(&access).unwrap().status, 200);
    let refreshed = client.refresh(&tokens.member("refresh_token")).unwrap();
    assert_eq!(refreshed.status, 200, "{refreshed:?}");
    assert_eq!(server.stop(), Some(0));

    assert!(Quickstart::command(&folder.0, port, "fence").contains("has ended"));
    let server = Quickstart::start(&folder.0, port, &[AUTO]);
    assert_eq!(client.whoami(&access).unwrap().status, 401);
    let refused = client.refresh(&refreshed.member("refresh_token")).unwrap();
    assert_eq!(refused.status, 400);
    let again = client.redeem(&client.code().unwrap()).unwrap();
    assert_eq!(again.status, 200);
    assert_eq!(server.stop(), Some(0));
}

/// The root secret is exchanged under two processes: both serve on, and afterwards the new one
/// alone opens the keys.
#[test]
fn the_root_secret_is_exchanged_from_the_command_line() {
    let folder = Folder::new("rewrap");
    for (name, letter) in [("old", "o"), ("new", "n")] {
        std::fs::write(folder.0.join(name), letter.repeat(40)).unwrap();
    }
    let (port, second) = (free_port(), free_port());
    let url = format!("http://127.0.0.1:{port}");
    let both = [
        "--root-secret-file",
        "old",
        "--also-root-secret-file",
        "new",
    ];
    let of_both = |more: &[&'static str]| [&[AUTO], &both[..], more].concat();
    let one = Quickstart::start(&folder.0, port, &of_both(&[]));
    let mut flags = of_both(&[]);
    flags.extend(["--public-url", &url]);
    let other = Quickstart::start(&folder.0, second, &flags);
    let client = Client::register(one.address);
    let tokens = client.redeem(&client.code().unwrap()).unwrap();
    let rewrap = [
        "rewrap",
        "--root-secret-file",
        "old",
        "--new-root-secret-file",
        "new",
    ];
    let told = Quickstart::command_with(&folder.0, port, &rewrap);
    assert!(told.contains("new root secret"), "{told}");
    for address in [one.address, other.address] {
        let code = client.code().unwrap();
        let there = Client {
            address,
            ..client.clone()
        };
        let answer = there.redeem(&code).unwrap();
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    assert_eq!((one.stop(), other.stop()), (Some(0), Some(0)));

    let mut refused = std::process::Command::new(env!("CARGO_BIN_EXE_quickstart"));
    refused.current_dir(&folder.0).args(&both[..2]);
    let refused = refused
        .args(["--listen", &format!("127.0.0.1:{port}")])
        .output()
        .unwrap();
    assert!(!refused.status.success());
    let why = String::from_utf8(refused.stderr).unwrap();
    assert!(why.contains("another root secret"), "{why}");
    let one = Quickstart::start(&folder.0, port, &[AUTO, "--root-secret-file", "new"]);
    let answer = client.refresh(&tokens.member("refresh_token")).unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(one.stop(), Some(0));
}

/// AS-RT-11: what became known is ended from the command line, under a server that runs.
#[test]
fn clients_and_people_are_ended_from_the_command_line() {
    let folder = Folder::new("ended");
    let port = free_port();
    let server = Quickstart::start(&folder.0, port, &[AUTO]);
    let client = Client::register(server.address);
    let sign_in = || {
        client
            .redeem(&client.code().unwrap())
            .unwrap()
            .member("access_token")
    };
    let run = |arguments: &[&str]| Quickstart::command_with(&folder.0, port, arguments);
    let status = |token: &str| client.whoami(token).unwrap().status;

    let token = sign_in();
    assert_eq!(status(&token), 200);
    run(&["revoke-client", &client.id]);
    assert_eq!(status(&token), 401);
    let token = sign_in();
    run(&["sign-out", "alice"]);
    assert_eq!(status(&token), 401);
    let token = sign_in();
    run(&["remove-client", &client.id]);
    assert_eq!(status(&token), 401);
    assert!(client.code().is_err(), "there is no such client");

    let body = r#"{"redirect_uris":["https://app.example/cb"],
        "token_endpoint_auth_method":"client_secret_post"}"#;
    let request = format!(
        "POST /register HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {}\r\n\
         Content-Type: application/json\r\n\r\n{body}",
        body.len()
    );
    let registered = common::send(server.address, &request).unwrap();
    let id = registered.member("client_id");
    let leaked = registered.member("client_secret");
    let proves = |secret: &str| {
        let form = [
            ("client_id", &*id),
            ("client_secret", secret),
            ("token", "x"),
        ];
        post(server.address, "/revoke", &form).unwrap().status == 200
    };
    let rotate = || {
        let told = run(&["rotate-client-secret", &id]);
        let line = told.lines().next().unwrap();
        line.rsplit(' ').next().unwrap().to_owned()
    };
    let first = rotate();
    assert!(proves(&first) && proves(&leaked), "for a day");
    let second = rotate();
    assert!(proves(&second) && proves(&first) && !proves(&leaked));
    assert_eq!(server.stop(), Some(0));
}
