//! The flags.

use std::path::PathBuf;

use clap::Parser;
use rmcp::model::JsonObject;

/// Signs in to an MCP server and calls its tools.
#[derive(Debug, Parser)]
#[command(version)]
pub(crate) struct Flags {
    /// The server, such as http://127.0.0.1:3000/mcp.
    pub(crate) server: String,
    /// What to ask for where neither the server's refusal nor its metadata say what it needs.
    #[arg(long, value_name = "SCOPES")]
    pub(crate) scope: Option<String>,
    /// The address of a client metadata document, which is the client's name wherever that is
    /// supported.
    #[arg(long, value_name = "URL")]
    pub(crate) client_metadata_url: Option<String>,
    /// Sign in on another device, with a code.
    #[arg(long, conflicts_with_all = ["headless", "no_browser"])]
    pub(crate) device: bool,
    /// Follow the authorization server's redirects without a person: for test servers that approve
    /// by themselves.
    #[arg(long)]
    pub(crate) headless: bool,
    /// Open no browser: print the address. What the browser ends at can be pasted.
    #[arg(long, conflicts_with = "headless")]
    pub(crate) no_browser: bool,
    /// Call this tool, with these arguments if there are any. May be given more than once. Default:
    /// each tool that needs no arguments and does not say that it destroys something.
    #[arg(long, value_name = "NAME[=JSON]", value_parser = Call::parse)]
    pub(crate) call: Vec<Call>,
    /// Revoke and forget the tokens, and do nothing else.
    #[arg(long, conflicts_with = "call")]
    pub(crate) sign_out: bool,
    /// Where registrations and tokens are kept, for the next run and for others that share them: a
    /// file, or `keyring` for the operating system's (where this is built with the feature `keyring`).
    #[arg(
        long,
        value_name = "FILE|keyring",
        default_value = ".quickstart-client/credentials.json"
    )]
    pub(crate) credentials: PathBuf,
    /// Print one JSON object a line.
    #[arg(long)]
    pub(crate) json: bool,
}

/// A tool and its arguments.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) tool: String,
    pub(crate) arguments: JsonObject,
}

impl Call {
    pub(crate) fn plain(tool: &str) -> Self {
        Self {
            tool: tool.to_owned(),
            arguments: JsonObject::new(),
        }
    }

    fn parse(text: &str) -> Result<Self, String> {
        let Some((tool, arguments)) = text.split_once('=') else {
            return Ok(Self::plain(text));
        };
        Ok(Self {
            tool: tool.to_owned(),
            arguments: serde_json::from_str(arguments)
                .map_err(|error| format!("the arguments are no JSON object: {error}"))?,
        })
    }
}
