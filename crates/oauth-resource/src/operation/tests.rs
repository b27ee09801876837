use super::*;

fn scope(text: &str) -> Scope {
    Scope::parse(text).unwrap()
}

fn policy() -> OperationPolicy {
    OperationPolicy::new()
        .tool("write", scope("mcp:write"))
        .tool(
            "either",
            Needs::any_of([scope("mcp:write"), scope("mcp:admin")]),
        )
        .method("resources/read", scope("mcp:files"))
        .named("resources/read", "file:///secret", scope("mcp:secrets"))
        .argument_header("write", "Region", ["place", "region"])
}

fn read(body: &str) -> Vec<Message> {
    messages(body.as_bytes()).unwrap()
}

fn missing(body: &str, held: &str) -> Option<String> {
    let held = held.split(' ').filter(|token| !token.is_empty()).collect();
    policy()
        .missing(&read(body), &held)
        .map(|scope| scope.to_string())
}

const WRITE: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"write","arguments":{"place":{"region":"north"}}}}"#;
const READ: &str = r#"{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"read"}}"#;

/// RS-ERR-5, RS-ERR-10, RS-HTTP-3: what is asked for is what this operation needs, in one go.
#[test]
fn each_operation_needs_its_own() {
    for (body, held, expected) in [
        (READ, "", None),
        (WRITE, "mcp:write", None),
        (WRITE, "mcp:tools", Some("mcp:write")),
        (
            r#"{"method":"tools/call","params":{"name":"either"}}"#,
            "mcp:admin",
            None,
        ),
        (
            r#"{"method":"tools/call","params":{"name":"either"}}"#,
            "",
            Some("mcp:write"),
        ),
        (
            r#"{"method":"resources/read","params":{"uri":"file:///a"}}"#,
            "mcp:files",
            None,
        ),
        (
            r#"{"method":"resources/read","params":{"uri":"file:///secret"}}"#,
            "mcp:files",
            Some("mcp:files mcp:secrets"),
        ),
        (r#"{"method":"resources/read"}"#, "", Some("mcp:files")),
        (r#"{"method":"ping"}"#, "", None),
        (r#"{"id":1,"result":{}}"#, "", None),
        // The names of methods and tools are exact.
        (
            r#"{"method":"tools/call","params":{"name":"Write"}}"#,
            "",
            None,
        ),
    ] {
        assert_eq!(
            missing(body, held).as_deref(),
            expected,
            "{body} with {held:?}"
        );
    }
}

#[test]
fn one_forbidden_call_of_a_batch_stops_it_and_all_of_it_is_asked_for() {
    let file = r#"{"method":"resources/read","params":{"uri":"file:///a"}}"#;
    let batch = format!("[{READ},{WRITE},{file}]");
    assert_eq!(
        missing(&batch, "mcp:files").as_deref(),
        Some("mcp:files mcp:write")
    );
    assert_eq!(missing(&batch, "mcp:files mcp:write"), None);
}

#[test]
fn tools_that_are_not_named_can_need_something_too() {
    let strict = policy().other_tools(scope("mcp:admin"));
    let needs = |body: &str, held: &str| strict.missing(&read(body), &scope(held)).is_some();
    assert!(needs(READ, "mcp:write"));
    assert!(!needs(READ, "mcp:admin"));
    assert!(!needs(WRITE, "mcp:write"), "a named tool has its own rule");
    assert!(
        needs(r#"{"method":"tools/call"}"#, "mcp:write"),
        "a tool without a name"
    );
    assert!(needs(
        r#"{"method":"tools/call","params":{"name":["write"]}}"#,
        "mcp:write"
    ));
    assert!(strict.shows_tool("write", &scope("mcp:write")));
    assert!(!strict.shows_tool("read", &scope("mcp:write")));
}

/// Of two readers of a repeated member one checks the first and the other runs the last.
#[test]
fn what_could_be_read_in_two_ways_is_not_read() {
    for (body, expected) in [
        (
            r#"{"method":"ping","method":"tools/call"}"#,
            InvalidMessage::Json,
        ),
        (
            r#"{"method":"tools/call","params":{"name":"read","name":"write"}}"#,
            InvalidMessage::Json,
        ),
        (
            r#"{"method":"tools/call","params":{"name":"read"}} {}"#,
            InvalidMessage::Json,
        ),
        (r#"{"method":"ping""#, InvalidMessage::Json),
        ("", InvalidMessage::Json),
        ("[]", InvalidMessage::Message),
        ("1", InvalidMessage::Message),
        (r#"[{"method":"ping"},1]"#, InvalidMessage::Message),
        (r#"[[{"method":"ping"}]]"#, InvalidMessage::Message),
        (r#"{"method":["tools/call"]}"#, InvalidMessage::Message),
    ] {
        assert_eq!(messages(body.as_bytes()), Err(expected), "{body}");
    }
    assert_eq!(
        messages(b"{\"method\":\"\xff\"}"),
        Err(InvalidMessage::Json)
    );
    let many = format!("[{}]", vec![READ; 101].join(","));
    assert_eq!(messages(many.as_bytes()), Err(InvalidMessage::Message));
    // A name spelt with an escape is the same name.
    assert_eq!(
        missing(
            r#"{"\u006dethod":"tools\/call","params":{"n\u0061me":"\u0077rite"}}"#,
            ""
        )
        .as_deref(),
        Some("mcp:write")
    );
}

/// RS-HTTP-3: whatever a header says that is there, the body says the same.
#[test]
fn headers_repeat_the_body_or_the_request_is_refused() {
    use HeaderMismatch::{Argument, Method, Name, ProtocolVersion};
    let versioned = r#"{"method":"ping","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}"#;
    let compare = |headers: &[(&str, &str)], body: &str| {
        let headers = headers
            .iter()
            .map(|(name, value)| (*name, value.as_bytes()));
        policy().compare(&McpHeaders::of(headers), &read(body))
    };
    for (headers, body, expected) in [
        (&[][..], WRITE, Ok(())),
        (
            &[
                ("Mcp-Method", "tools/call"),
                ("Mcp-Name", "write"),
                ("Mcp-Param-Region", "north"),
            ],
            WRITE,
            Ok(()),
        ),
        (
            &[
                ("MCP-METHOD", "tools/call"),
                ("mcp-name", "=?base64?d3JpdGU=?="),
            ],
            WRITE,
            Ok(()),
        ),
        (&[("Mcp-Method", "tools/list")], WRITE, Err(Method)),
        (
            &[("Mcp-Method", "tools/call")],
            r#"{"id":1,"result":{}}"#,
            Err(Method),
        ),
        (
            &[("Mcp-Method", "tools/call"), ("Mcp-Method", "tools/call")],
            WRITE,
            Err(Method),
        ),
        (&[("Mcp-Name", "read")], WRITE, Err(Name)),
        (&[("Mcp-Name", "write")], r#"{"method":"ping"}"#, Err(Name)),
        (&[("Mcp-Name", "=?base64?!?=")], WRITE, Err(Name)),
        (&[("Mcp-Param-Region", "south")], WRITE, Err(Argument)),
        (&[("Mcp-Param-Other", "south")], WRITE, Ok(())),
        (&[("Mcp-Param-Region", "north")], READ, Ok(())),
        (&[("MCP-Protocol-Version", "2025-11-25")], WRITE, Ok(())),
        (
            &[("MCP-Protocol-Version", "2025-11-25")],
            versioned,
            Err(ProtocolVersion),
        ),
        (&[("MCP-Protocol-Version", "2026-07-28")], versioned, Ok(())),
        (&[("X-Mcp-Name", "read")], WRITE, Ok(())),
    ] {
        assert_eq!(compare(headers, body), expected, "{headers:?} over {body}");
    }
    // A header over a batch would have to be true of all of it.
    let batch = format!("[{READ},{WRITE}]");
    assert_eq!(compare(&[("Mcp-Method", "tools/call")], &batch), Ok(()));
    assert_eq!(compare(&[("Mcp-Name", "read")], &batch), Err(Name));
}
