//! An MCP client that finds out how to sign in, does it, and calls the tools of a server.

mod cli;
mod credentials;
mod report;

use std::process::ExitCode;

use clap::Parser;
use oauth_client::types::Scope;
use oauth_client::{Client, ClientConfig, Grant, Ports, SignedOut};
use oauth_hyper::ClientTransport;
use oauth_native::{Loopback, Terminal};
use oauth_reqwest::Authorized;
use oauth_types::env::{OsEntropy, SystemClock};
use quickstart_client::headless::Headless;
use quickstart_client::tools::{Conversation, Lifecycle, is_harmless, texts};

use cli::{Call, Flags};
use report::Report;

type Failure = Box<dyn std::error::Error + Send + Sync>;

const NAME: &str = "Quickstart client";

#[tokio::main]
async fn main() -> ExitCode {
    let flags = Flags::parse();
    let report = Report::new(flags.json);
    let outcome = tokio::select! {
        outcome = run(&flags, report) => outcome,
        // What is under way is dropped, and its listener with it.
        _ = tokio::signal::ctrl_c() => {
            report.failed("broken off");
            return ExitCode::from(130);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report.failed(&report::all_of(error.as_ref()));
            ExitCode::FAILURE
        }
    }
}

async fn run(flags: &Flags, report: Report) -> Result<(), Failure> {
    let client = client(flags, report)?;
    if flags.sign_out {
        return match client.sign_out().await? {
            SignedOut::Failed(error) => Err(error),
            SignedOut::Nothing => {
                report.not_signed_in();
                Ok(())
            }
            _ => Ok(()),
        };
    }
    // What another origin answers would pass for the server's.
    let within_the_origin = reqwest::redirect::Policy::custom(|attempt| {
        let (asked, before) = (attempt.url().origin(), attempt.previous());
        let follows = before.len() < 10 && before.iter().all(|url| url.origin() == asked);
        if follows {
            attempt.follow()
        } else {
            attempt.stop()
        }
    });
    let http = reqwest::Client::builder()
        .redirect(within_the_origin)
        .build()?;
    // A person may take their time to sign in, a server may not take it to say which MCP it speaks:
    // so the one comes before the other.
    let first = Authorized::new(http.clone(), client.clone());
    let asked = http
        .get(&flags.server)
        .header("accept", "text/event-stream");
    let status = first.send(asked).await?.status();
    report.asked(status.as_u16());

    let conversation = Conversation::begin(client, http, Lifecycle::Either).await?;
    let tools = conversation.tools().await?;
    report.tools(tools.iter().map(|tool| &*tool.name));
    let harmless = || tools.iter().filter(|tool| is_harmless(tool));
    let all = || harmless().map(|tool| Call::plain(&tool.name)).collect();
    let calls: Vec<Call> = if flags.call.is_empty() {
        all()
    } else {
        flags.call.clone()
    };
    for call in calls {
        let result = conversation.call(&call.tool, call.arguments).await?;
        let failed = result.is_error.unwrap_or_default();
        report.called(&call.tool, failed, &texts(&result));
    }
    conversation.end().await;
    Ok(())
}

fn client(flags: &Flags, report: Report) -> Result<Client, Failure> {
    let mut config = ClientConfig::new(&flags.server, NAME)?;
    if let Some(url) = &flags.client_metadata_url {
        config = config.client_metadata_url(url);
    }
    if let Some(scope) = &flags.scope {
        config = config.scope(Scope::parse(scope)?);
    }
    if flags.device {
        config = config.grant(Grant::Device);
    }
    let transport = ClientTransport::new()?.proxies_of_environment()?;
    let ports = Ports::new(transport, SystemClock, OsEntropy);
    let ports = credentials::kept_in(&flags.credentials, ports)?
        .observer(move |step: &oauth_client::Step<'_>| report.step(step))
        .device(Terminal);
    let ports = if flags.headless {
        ports.user_agent(Headless::new()?)
    } else {
        ports.user_agent(browser(flags))
    };
    Ok(Client::new(config, ports))
}

fn browser(flags: &Flags) -> Loopback {
    let mut browser = Loopback::new(NAME);
    if flags.no_browser {
        browser = browser.without_browser();
    }
    if std::io::IsTerminal::is_terminal(&std::io::stdin()) {
        browser = browser.paste_from(std::io::BufReader::new(std::io::stdin()));
    }
    browser
}
