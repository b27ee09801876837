//! The flags, and what is printed at the start.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Parser;
use oauth_core::types::Issuer;

use crate::adapter::Adapter;
use crate::data::Store;
use crate::look::Look;

/// An MCP server protected by its own OAuth 2.1 authorization server.
#[derive(Debug, Parser)]
#[command(version)]
pub(crate) struct Flags {
    /// Do this to the records, and serve nothing.
    #[arg(value_enum)]
    pub(crate) command: Option<Command>,
    /// Whom the command is about: a client's identifier, or a person's name.
    pub(crate) whom: Option<String>,
    /// Where to listen; port 0 picks a free one and prints it.
    #[arg(long, default_value = "127.0.0.1:3000", value_name = "ADDRESS")]
    pub(crate) listen: SocketAddr,
    /// A path for the issuer, to show that any works, such as /auth/v1.
    #[arg(long, value_name = "PATH", value_parser = issuer_path)]
    pub(crate) issuer_path: Option<String>,
    /// How clients reach this server, when that is not the listening address.
    #[arg(long, value_name = "URL")]
    pub(crate) public_url: Option<String>,
    /// Where records are kept: a folder, `memory`, `sqlite:FILE`, or the URL of a database that begins
    /// with `postgres://`, `mysql://` or `redis://` (`rediss://` for TLS).
    /// What has a password belongs into the variable, which others on this machine cannot read.
    #[arg(
        long,
        default_value = ".quickstart",
        value_name = "WHERE",
        env = "OAUTH_DATA",
        hide_env_values = true
    )]
    pub(crate) data: String,
    /// Which web framework serves it.
    #[arg(long, default_value = "axum", value_name = "NAME")]
    pub(crate) adapter: Adapter,
    /// How long access tokens live.
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) access_token_lifetime: Option<u64>,
    /// How long an identical refresh gets the identical answer; 0 is strict.
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(..=60))]
    pub(crate) retry_window: Option<u64>,
    #[command(flatten)]
    pub(crate) look: Look,
    /// A file with the secret that seals this server's keys. Without it the variable
    /// OAUTH_ROOT_SECRET counts, and without that one is made in .quickstart.
    #[arg(long, value_name = "FILE")]
    pub(crate) root_secret_file: Option<PathBuf>,
    /// A file with another root secret that opens the keys too: while one is exchanged for another.
    #[arg(long, value_name = "FILE")]
    pub(crate) also_root_secret_file: Vec<PathBuf>,
    /// For `rewrap`: a file with the root secret that the keys are to be sealed under.
    #[arg(long, value_name = "FILE", required_if_eq("command", "rewrap"))]
    pub(crate) new_root_secret_file: Option<PathBuf>,
    /// Accept client metadata documents that are on this machine: for developing a client.
    #[arg(long)]
    pub(crate) danger_allow_loopback_metadata: bool,
    /// Count neither attempts nor anybody's grants: for load tests on this machine.
    #[arg(long)]
    pub(crate) danger_no_rate_limits: bool,
    /// Neither sign-in nor consent, everybody is alice: for load tests on this machine.
    #[arg(long)]
    pub(crate) danger_auto_approve: bool,
}

/// What can be done beside serving. A server that is running notices within a minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Command {
    /// Announce a new key; it is used after ten minutes.
    RotateKeys,
    /// End every code, token and sign-in: after a backup was restored, or a key became known.
    Fence,
    /// Seal the keys under another root secret. Servers that know both notice nothing.
    Rewrap,
    /// Give a confidential client a new secret; the one before works on for a day.
    RotateClientSecret,
    /// End all that a client was granted, by everybody.
    RevokeClient,
    /// The same, and forget the client.
    RemoveClient,
    /// End all grants and sign-ins of a person.
    SignOut,
    /// The same, and forget the person.
    Erase,
}

fn issuer_path(text: &str) -> Result<String, String> {
    let trimmed = text.trim_end_matches('/');
    if trimmed.is_empty() || trimmed.starts_with('/') {
        Ok(trimmed.to_owned())
    } else {
        Err("it begins with a slash, like /auth/v1".to_owned())
    }
}

impl Flags {
    /// Quiet for load tests; else what happened, without the tool library's session chatter.
    pub(crate) fn log_filter(&self) -> String {
        let quiet = self.danger_auto_approve || self.danger_no_rate_limits;
        let default = if quiet { "warn" } else { "info,rmcp=warn" };
        std::env::var("RUST_LOG").unwrap_or_else(|_| default.to_owned())
    }

    /// Scheme, host and port under which clients see this server.
    ///
    /// Everybody knows this example's credentials, so it refuses to be reachable from elsewhere.
    pub(crate) fn origin(&self, bound: SocketAddr) -> Result<String, String> {
        let origin = match &self.public_url {
            None => format!("http://{bound}"),
            Some(url) => url.trim_end_matches('/').to_owned(),
        };
        let issuer = Issuer::parse(&origin).map_err(|error| format!("--public-url: {error}"))?;
        if !issuer.path().is_empty() {
            return Err("--public-url has no path; --issuer-path sets the issuer's".to_owned());
        }
        let host = issuer
            .authority()
            .rsplit_once(':')
            .map_or(issuer.authority(), |(host, _)| host);
        let local_name = matches!(host, "localhost" | "127.0.0.1" | "[::1]");
        if !bound.ip().is_loopback() || !local_name {
            return Err(
                "this example has well-known credentials, so it listens on and names itself as a \
                 loopback address only (127.0.0.1, [::1] or localhost)"
                    .to_owned(),
            );
        }
        Ok(origin)
    }

    /// Says where everything is and what to type next.
    pub(crate) fn announce(
        &self,
        origin: &str,
        issuer: &Issuer,
        store: &Store,
        user: (&str, &str),
    ) {
        println!("MCP server      {origin}/mcp");
        println!("Who am I        {origin}/whoami");
        println!("Issuer          {issuer}");
        println!("Records         {}", store.place);
        for warning in &store.warnings {
            println!("WEAK            {warning}");
        }
        println!("Sign in as      {} / {}", user.0, user.1);
        if !self.danger_auto_approve {
            println!("Who has access  {issuer}/account  (see it, end it, sign out)");
        }
        println!("Service client  service / service-secret  (client credentials, introspection)");
        if self.danger_auto_approve {
            println!(
                "DANGER          nobody is asked anything: everybody is {}",
                user.0
            );
        }
        if self.danger_no_rate_limits {
            println!("DANGER          neither attempts nor grants are counted");
        }
        println!();
        println!("Give the first address to an MCP client; ours is");
        println!("  cargo run --release -p quickstart-client -- {origin}/mcp");
        println!("or see what one meets:");
        println!("  curl -i {origin}/whoami");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(flags: &[&str]) -> Result<String, String> {
        let flags = Flags::parse_from(["quickstart"].iter().chain(flags));
        flags.origin(flags.listen)
    }

    /// RS-HTTP-2: whoever starts this on their own machine lets nobody else in.
    #[test]
    fn it_listens_on_and_is_called_a_loopback_address() {
        assert_eq!(origin(&[]).as_deref(), Ok("http://127.0.0.1:3000"));
        let named = ["--public-url", "http://localhost:8080"];
        assert_eq!(origin(&named).as_deref(), Ok("http://localhost:8080"));
        for elsewhere in [
            &["--listen", "0.0.0.0:3000"][..],
            &["--listen", "192.0.2.1:3000"],
            &["--listen", "[::]:3000"],
            &["--public-url", "https://mcp.example"],
            &["--public-url", "http://127.0.0.1.evil.example"],
            &[
                "--listen",
                "0.0.0.0:3000",
                "--public-url",
                "http://localhost:3000",
            ],
        ] {
            assert!(origin(elsewhere).is_err(), "{elsewhere:?}");
        }
    }
}
