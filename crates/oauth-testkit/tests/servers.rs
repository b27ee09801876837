//! Servers that tests start end with them, however they end.
#![cfg(all(feature = "servers", unix))]

use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use oauth_testkit::servers::{Durability, Instance, MariaDb, Postgres};

/// Set in the process that is going to be killed.
const VICTIM: &str = "OAUTH_TESTKIT_VICTIM";

fn goes_with_its_process(test: &str, is_there: bool, start: fn() -> Option<&'static Instance>) {
    if std::env::var_os(VICTIM).is_some() {
        let instance = start().unwrap();
        println!(
            "\nstarted {} {}",
            instance.port(),
            instance.folder().display()
        );
        std::thread::sleep(Duration::from_secs(600));
        return;
    }
    if !is_there {
        return;
    }
    let mut victim = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(VICTIM, "1")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(victim.stdout.take().unwrap()).lines();
    let started = said.find_map(|line| line.unwrap().strip_prefix("started ").map(str::to_owned));
    let started = started.unwrap();
    let (port, folder) = started.split_once(' ').unwrap();
    let is_there = || TcpStream::connect(format!("127.0.0.1:{port}")).is_ok();
    assert!(is_there());
    victim.kill().unwrap();
    victim.wait().unwrap();
    for _ in 0..100 {
        if !is_there() && !Path::new(folder).exists() {
            return;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!("the server on port {port} or its folder {folder} outlived its process");
}

#[test]
fn a_postgres_server_goes_with_a_process_that_is_killed() {
    let test = "a_postgres_server_goes_with_a_process_that_is_killed";
    goes_with_its_process(test, Postgres::shared().is_some(), || {
        let server = Postgres::start(Durability::Relaxed)?;
        Some(Box::leak(Box::new(server)).instance())
    });
}

#[test]
fn a_mariadb_server_goes_with_a_process_that_is_killed() {
    let test = "a_mariadb_server_goes_with_a_process_that_is_killed";
    goes_with_its_process(test, MariaDb::shared().is_some(), || {
        let server = MariaDb::start(Durability::Relaxed)?;
        Some(Box::leak(Box::new(server)).instance())
    });
}

/// What is committed is there after `kill -9` and a restart, on the same port.
#[test]
fn a_postgres_server_keeps_its_port_and_data_when_it_is_restarted() {
    let Some(server) = Postgres::start(Durability::Durable) else {
        return;
    };
    let (database, port) = (server.database(), server.instance().port());
    server.run(
        database.url(),
        "CREATE TABLE kept (n int); INSERT INTO kept VALUES (7)",
    );
    server.instance().restart();
    assert_eq!(server.instance().port(), port);
    server.run(
        database.url(),
        "DO $$ BEGIN ASSERT (SELECT n FROM kept) = 7; END $$",
    );
}
