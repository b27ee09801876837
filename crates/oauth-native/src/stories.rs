//! What every store of credentials has to do, told once. Each story opens the store anew for
//! everybody who takes part, as processes do.
#![cfg(test)]

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use oauth_client::types::{Issuer, ResourceUri, SecretText};
use oauth_client::{CredentialStore, StoreKey};

/// A folder of one test, removed at its end.
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    pub(crate) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("native-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        Self(path)
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.0.join("deep/credentials.json")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

pub(crate) fn key(host: &str) -> StoreKey {
    let issuer = Issuer::parse(&format!("https://{host}")).unwrap();
    let resource = ResourceUri::parse("https://mcp.example/mcp").unwrap();
    StoreKey::credentials(&issuer, &resource, "")
}

/// An error and all that led to it.
pub(crate) fn all_of(error: &dyn std::error::Error) -> String {
    let cause = error.source().map(all_of);
    format!("{error}: {}", cause.unwrap_or_default())
}

pub(crate) async fn loaded(store: &impl CredentialStore, key: &StoreKey) -> Option<String> {
    let found = store.load(key).await.unwrap();
    found.map(|text| text.expose().to_owned())
}

pub(crate) async fn what_one_saves_the_other_loads<S: CredentialStore>(open: impl Fn() -> S) {
    let (one, other) = (open(), open());
    let (key, neighbour) = (key("as.example"), key("other.example"));
    assert_eq!(loaded(&one, &key).await, None);
    let beside = SecretText::new("beside");
    one.save(&neighbour, &beside).await.unwrap();
    // Longer than any signed token, and short again.
    let long = "Ä secret \"of\" sorts\n".repeat(1000);
    for text in [long.as_str(), "short", "", long.as_str(), &long[1000..]] {
        one.save(&key, &SecretText::new(text)).await.unwrap();
        assert_eq!(loaded(&other, &key).await.as_deref(), Some(text));
    }
    assert_eq!(loaded(&other, &neighbour).await.as_deref(), Some("beside"));
    for _ in 0..2 {
        other.remove(&key).await.unwrap();
        assert_eq!(loaded(&one, &key).await, None);
    }
    assert_eq!(loaded(&one, &neighbour).await.as_deref(), Some("beside"));
    one.remove(&neighbour).await.unwrap();
}

pub(crate) async fn changes_at_once_are_all_kept<S>(open: impl Fn() -> S)
where
    S: CredentialStore + 'static,
{
    let keys: Vec<StoreKey> = (0..16).map(|n| key(&format!("as{n}.example"))).collect();
    let mut all = tokio::task::JoinSet::new();
    for key in keys.clone() {
        let store = open();
        all.spawn(async move {
            let value = SecretText::new(key.as_str());
            store.save(&key, &value).await.unwrap();
        });
    }
    all.join_all().await;
    let store = open();
    for key in keys {
        assert_eq!(loaded(&store, &key).await.as_deref(), Some(key.as_str()));
    }
}

pub(crate) async fn a_lock_is_held_by_one<S: CredentialStore>(open: impl Fn() -> S) {
    let (one, other) = (open(), open());
    let key = key("as.example");
    let held = one.lock(&key).await.unwrap();
    let waited = tokio::time::timeout(Duration::from_millis(200), other.lock(&key)).await;
    assert!(waited.is_err(), "two hold one lock");
    let elsewhere = other.lock(&self::key("other.example")).await.unwrap();
    drop((held, elsewhere));
    let soon = tokio::time::timeout(Duration::from_secs(5), other.lock(&key)).await;
    let _held = soon.unwrap().unwrap();
}
