//! The part of the conversation that is about what bearer layers guard.

use super::asking::request;
use super::script::{Script, Tokens};
use super::{Answer, Request};

impl<F: FnMut(&Request) -> Answer> Script<F> {
    pub(super) fn guarded_routes(&mut self, tokens: &Tokens) {
        let bearer = format!("Bearer {}", tokens.access);
        for path in ["/mcp", "/mcp/write", "/mcp/further", "/mcp/anybody"] {
            for method in ["GET", "HEAD", "POST", "DELETE", "OPTIONS"] {
                self.say(request("a good token", method, path).with("Authorization", &bearer));
            }
            self.say(request("no token", "GET", path));
            for (about, value) in [
                ("a token nobody gave", "Bearer oa_nothing"),
                ("another scheme", "Basic eDp5"),
                ("no token after the scheme", "Bearer"),
                ("a comma", "Bearer a,b"),
            ] {
                self.say(request(about, "POST", path).with("Authorization", value));
            }
            self.say(
                request("a scheme in capitals", "POST", path)
                    .with("Authorization", bearer.replace("Bearer", "BEARER  ")),
            );
            self.say(
                request("two tokens", "POST", path)
                    .with("Authorization", &bearer)
                    .with("Authorization", &bearer),
            );
            let in_query = format!("{path}?a=1&access_token={}", tokens.access);
            self.say(request("a token in the query", "GET", &in_query));
            self.say(
                request("a token in two places", "GET", &in_query).with("Authorization", &bearer),
            );
            self.say(
                request("a preflight", "OPTIONS", path)
                    .with("Origin", "https://app.example")
                    .with("Access-Control-Request-Method", "POST")
                    .with("Access-Control-Request-Headers", "authorization"),
            );
            self.say(
                request("a good token and a body", "POST", path)
                    .with("Authorization", &bearer)
                    .with("Origin", "https://app.example")
                    .with("Content-Type", "application/json")
                    .holding("{}"),
            );
        }
    }

    pub(super) fn hosts_and_origins(&mut self, tokens: &Tokens) {
        let bearer = format!("Bearer {}", tokens.access);
        for path in ["/mcp/own", "/mcp/rpc"] {
            let ping = |about: &str| {
                request(about, "POST", path)
                    .with("Authorization", &bearer)
                    .holding(r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#)
            };
            for host in [
                "mcp.example:443",
                "MCP.example",
                "evil.example",
                "127.0.0.1:3000",
                "",
            ] {
                self.say(ping("a host").with("Host", host));
            }
            let twice = ping("two hosts").with("Host", "mcp.example");
            self.say(twice.with("Host", "mcp.example"));
            for origin in [
                "https://mcp.example",
                "https://evil.example",
                "null",
                "\u{fc}",
            ] {
                self.say(ping("a page").with("Origin", origin));
                self.say(request("a page without a token", "GET", path).with("Origin", origin));
                self.say(
                    request("a page's preflight", "OPTIONS", path)
                        .with("Origin", origin)
                        .with("Access-Control-Request-Method", "POST")
                        .with("Access-Control-Request-Headers", "authorization"),
                );
            }
            let twice = ping("two origins").with("Origin", "https://mcp.example");
            self.say(twice.with("Origin", "https://mcp.example"));
        }
    }

    pub(super) fn operations(&mut self, tokens: &Tokens) {
        let bearer = format!("Bearer {}", tokens.access);
        let list = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
        let write = r#"{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"write"}}"#;
        let cached = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}"#;
        for accept in ["application/json", "text/event-stream"] {
            for (about, body) in [
                ("a list of tools", list.to_owned()),
                ("a list that may be cached", cached.to_owned()),
                ("a batch", format!("[{list},{{\"method\":\"ping\"}}]")),
                ("something else", r#"{"method":"ping"}"#.to_owned()),
                ("a call that needs more", write.to_owned()),
                ("a batch that needs more", format!("[{list},{write}]")),
                ("no message", "{".to_owned()),
            ] {
                let post = request(about, "POST", "/mcp/rpc").with("Accept", accept);
                self.say(post.clone().holding(&*body));
                let mut with = post.with("Authorization", &bearer).holding(body);
                self.say(with.clone());
                with.chunked = true;
                self.say(with.with("Mcp-Method", "tools/list"));
            }
            let get = request("a stream", "GET", "/mcp/rpc").with("Accept", accept);
            self.say(get.with("Authorization", &bearer));
        }
    }
}
