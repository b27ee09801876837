//! Sign-in elsewhere, for a program with a terminal.

use std::time::Duration;

use async_trait::async_trait;
use oauth_client::types::Lifetime;
use oauth_client::{DeviceAgent, DevicePrompt, UserAgentError};

/// Says on standard error where to type which code in.
#[derive(Debug, Clone, Copy, Default)]
pub struct Terminal;

#[async_trait]
impl DeviceAgent for Terminal {
    async fn show(&self, prompt: &DevicePrompt) -> Result<(), UserAgentError> {
        eprintln!("{}", text(prompt));
        Ok(())
    }

    async fn pause(&self, pause: Lifetime) -> Result<(), UserAgentError> {
        tokio::time::sleep(Duration::from_secs(pause.as_seconds())).await;
        Ok(())
    }
}

/// The code stands alone on its line even where the address holds it: whoever signs in compares the
/// two (RFC 8628 §3.3.1).
fn text(prompt: &DevicePrompt) -> String {
    let minutes = prompt.expires_in.as_seconds().div_ceil(60);
    let address = printable(
        prompt
            .verification_uri_complete
            .as_ref()
            .unwrap_or(&prompt.verification_uri),
    );
    let code = printable(&prompt.user_code);
    format!(
        "To sign in, open this address on any device:\n\n    {address}\n\nand make sure that it shows, or type in, this code:\n\n    {code}\n\nIt is good for {minutes} minutes."
    )
}

/// A server chose it: nothing of it may steer the terminal.
fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).collect()
}

#[cfg(test)]
mod tests {
    use super::printable;

    #[test]
    fn what_a_server_says_does_not_steer_the_terminal() {
        let said = printable("WDJB\u{1b}[2J\r\n-MJHT\u{9b}0m");
        assert_eq!(said, "WDJB[2J-MJHT0m");
    }
}
