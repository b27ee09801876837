//! The tools, with less and with enough, over a socket.

use oauth_testkit::canary;
use oauth_testkit::socket::{Answer, post_json_with, sign_in};
use tokio::runtime::Runtime;

use super::*;

/// An MCP client that has a token, and a session.
struct Client {
    here: SocketAddr,
    token: String,
    session: String,
}

impl Client {
    fn sign_in(here: SocketAddr, scope: &str) -> Self {
        let tokens = sign_in(here, ("alice", "wonderland"), scope);
        let mut client = Self {
            here,
            token: tokens.member("access_token"),
            session: String::new(),
        };
        let hello = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"test","version":"1"}}}"#;
        let session = client.say(hello).header("mcp-session-id");
        client.session = format!("Mcp-Session-Id: {session}\r\n");
        client.say(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#);
        client
    }

    fn say(&self, message: &str) -> Answer {
        let headers = format!(
            "Authorization: Bearer {}\r\nAccept: application/json, text/event-stream\r\n{}",
            self.token, self.session
        );
        post_json_with(self.here, "/mcp", &headers, message).unwrap()
    }

    fn call(&self, tool: &str, arguments: &str) -> Answer {
        self.say(&format!(
            r#"{{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{{"name":"{tool}","arguments":{arguments}}}}}"#
        ))
    }
}

/// RS-ERR-5: who lacks a tool's scope is told exactly what to ask for, and the tool does not run.
#[test]
fn a_tool_that_needs_more_says_so_and_runs_for_who_has_it() {
    canary::watch();
    let runtime = Runtime::new().unwrap();
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let here = listener.local_addr().unwrap();
    runtime.spawn(async move { serve(listener).await.unwrap() });

    let reader = Client::sign_in(here, "mcp:tools");
    let read = reader.call("read_note", "{}");
    assert_eq!(read.status, 200, "{read:?}");
    let refused = reader.call("write_note", r#"{"text":"for the reader"}"#);
    assert_eq!(refused.status, 403, "{refused:?}");
    let challenge = refused.header("www-authenticate");
    assert!(
        challenge.starts_with("Bearer error=\"insufficient_scope\""),
        "{challenge}"
    );
    assert!(
        challenge.contains("scope=\"mcp:tools mcp:write\""),
        "{challenge}"
    );
    let read = reader.call("read_note", "{}");
    assert!(!read.body.contains("for the reader"), "it did not run");

    // What a client does that steps up.
    let writer = Client::sign_in(here, "mcp:tools mcp:write");
    let kept = writer.call("write_note", r#"{"text":"for the writer"}"#);
    assert!(kept.status == 200 && kept.body.contains("kept"), "{kept:?}");
    let read = reader.call("read_note", "{}");
    assert!(read.body.contains("for the writer"), "{read:?}");
}
