//! What a program on a person's computer puts around [`oauth_client`].
//!
//! **Promise.** [`Loopback`] sends a person to their own browser and receives the answer on a port of
//! this computer, or from what they paste where the browser cannot come back. [`Terminal`] shows a
//! code to type in elsewhere. [`FileStore`] keeps credentials in a file that only its owner can read,
//! replaces it whole, and shares it among processes: of many that hold one refresh token, one uses it.
//! `KeyringStore` does the same with the operating system's keyring.
//!
//! **Features.** `keyring`: `KeyringStore`, over the login keychain of macOS, the Credential Manager of
//! Windows, and the Secret Service of other Unix desktops. Off by default: it brings a D-Bus client.
//!
//! **Absences.** No embedded web view (CL-AUTHZ-13), no handler of signals: whoever drops the future of
//! a sign-in has broken it off, and nothing listens any more. Needs a tokio runtime with I/O and time.
//!
//! ```
//! use oauth_client::{Client, ClientConfig, HttpClient, Ports};
//! use oauth_native::{FileStore, Loopback};
//! # use oauth_client::types::env::{Clock, Entropy};
//! # fn program(
//! #     http: impl HttpClient + 'static, clock: impl Clock + 'static, entropy: impl Entropy + 'static,
//! # ) -> Result<Client, Box<dyn std::error::Error>> {
//! let store = FileStore::open("example-data/credentials.json")?;
//! let ports = Ports::new(http, clock, entropy).store(store).user_agent(Loopback::new("Example"));
//! let client = Client::new(ClientConfig::new("https://mcp.example/mcp", "Example")?, ports);
//! # Ok(client) }
//! ```

mod file;
#[cfg(feature = "keyring")]
mod keyring;
mod loopback;
#[cfg(unix)]
mod stories;
mod terminal;

pub use file::{FileStore, FileStoreError};
#[cfg(feature = "keyring")]
pub use keyring::{KeyringError, KeyringStore};
pub use loopback::{Loopback, Notice};
pub use terminal::Terminal;
