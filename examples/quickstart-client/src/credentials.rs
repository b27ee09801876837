//! Where credentials are kept.

use std::path::Path;

use oauth_client::Ports;
use oauth_native::FileStore;

use crate::Failure;

/// What `--credentials` says for the operating system's keyring. A file of that name is `./keyring`.
const KEYRING: &str = "keyring";

/// The ports with the store that `place` names.
pub(crate) fn kept_in(place: &Path, ports: Ports) -> Result<Ports, Failure> {
    if place == Path::new(KEYRING) {
        return keyring(ports);
    }
    Ok(ports.store(FileStore::open(place)?))
}

/// A keyring is the person's, and so is the folder of its locks: wherever the program is started, it is
/// the same.
#[cfg(feature = "keyring")]
fn keyring(ports: Ports) -> Result<Ports, Failure> {
    let home = std::env::home_dir().ok_or("there is no home folder for the keyring's locks")?;
    let locks = home.join(".quickstart-client/keyring.locks");
    let store = oauth_native::KeyringStore::open("quickstart-client.example", locks)?;
    Ok(ports.store(store))
}

#[cfg(not(feature = "keyring"))]
fn keyring(_: Ports) -> Result<Ports, Failure> {
    Err(
        "this was built without the keyring: cargo run -p quickstart-client --features keyring"
            .into(),
    )
}
