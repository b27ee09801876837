//! What an operator does beside a running server. Whatever touches keys or grants, the server
//! follows by itself, within a minute where it keeps something in memory.

use std::error::Error;

use oauth_core::AuthorizationServer;
use oauth_core::types::{ClientId, Subject};

use crate::cli::Command;

/// Does it, and says what was done.
pub(crate) async fn run(
    command: Command,
    whom: Option<&str>,
    server: &AuthorizationServer,
) -> Result<(), Box<dyn Error>> {
    let named = || whom.ok_or("say whom: a client's identifier, or a person's name");
    match command {
        Command::RotateKeys => {
            server.rotate_keys().await?;
            println!("A new key is announced. It comes into use in ten minutes.");
        }
        Command::Fence => {
            server.fence().await?;
            println!("All that was issued has ended. A running server follows within a minute.");
        }
        Command::Rewrap => {
            server.rewrap_keys().await?;
            println!("The keys are sealed under the new root secret.");
        }
        Command::RotateClientSecret => {
            let (secret, _) = server
                .rotate_client_secret(&ClientId::new(named()?))
                .await?;
            println!("The new secret, shown this once: {}", secret.expose());
            println!("The one before works on for a day. Do this again to end it now.");
        }
        Command::RevokeClient => {
            server.revoke_client(&ClientId::new(named()?)).await?;
            println!("All that this client was granted has ended.");
        }
        Command::RemoveClient => {
            server.remove_client(&ClientId::new(named()?)).await?;
            println!("The client is gone, with all that it was granted.");
        }
        Command::SignOut => {
            server.sign_out_everywhere(&Subject::new(named()?)).await?;
            println!("All grants and sign-ins of this person have ended.");
        }
        Command::Erase => {
            server.erase(&Subject::new(named()?)).await?;
            println!("This person is forgotten.");
        }
    }
    Ok(())
}
