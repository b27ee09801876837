use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use oauth_client::types::{Issuer, ResourceUri};

use super::*;

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("native-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        Self(path)
    }

    fn file(&self) -> PathBuf {
        self.0.join("deep/credentials.json")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn key(host: &str) -> StoreKey {
    let issuer = Issuer::parse(&format!("https://{host}")).unwrap();
    let resource = ResourceUri::parse("https://mcp.example/mcp").unwrap();
    StoreKey::credentials(&issuer, &resource, "")
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn put(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

/// CL-TOK-3: what is kept can be read by its owner alone, and by the next process.
#[tokio::test]
async fn credentials_are_their_owners_alone() {
    let folder = Folder::new("owner");
    let store = FileStore::open(folder.file()).unwrap();
    assert!(store.load(&key("as.example")).await.unwrap().is_none());
    for host in ["as.example", "other.example"] {
        let value = SecretText::new(format!("{{\"of\":\"{host}\"}}"));
        store.save(&key(host), &value).await.unwrap();
    }
    assert_eq!(mode(&folder.file()), 0o600);
    assert_eq!(mode(&folder.0.join("deep")), 0o700);
    let again = FileStore::open(folder.file()).unwrap();
    let held = again.load(&key("as.example")).await.unwrap().unwrap();
    assert_eq!(held.expose(), "{\"of\":\"as.example\"}");
    again.remove(&key("as.example")).await.unwrap();
    assert!(store.load(&key("as.example")).await.unwrap().is_none());
    assert!(store.load(&key("other.example")).await.unwrap().is_some());
    let said = format!("{store:?}");
    assert!(!said.contains("other.example\\"), "{said}");

    fs::set_permissions(folder.file(), fs::Permissions::from_mode(0o644)).unwrap();
    let refused = store.load(&key("other.example")).await.unwrap_err();
    assert!(
        all_of(&refused).contains("read by others"),
        "{}",
        all_of(&refused)
    );
}

fn all_of(error: &dyn std::error::Error) -> String {
    let cause = error.source().map(all_of);
    format!("{error}: {}", cause.unwrap_or_default())
}

/// What another version wrote beside ours stays.
#[tokio::test]
async fn members_of_others_stay() {
    let folder = Folder::new("members");
    put(
        &folder.file(),
        r#"{"version":1,"values":{"x y":"1"},"note":{"a":[1]}}"#,
    );
    let store = FileStore::open(folder.file()).unwrap();
    store
        .save(&key("as.example"), &SecretText::new("v"))
        .await
        .unwrap();
    let text = fs::read_to_string(folder.file()).unwrap();
    let document: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(document["note"], json!({"a": [1]}));
    assert_eq!(document["values"]["x y"], "1");
}

/// A file that cannot be understood is left as it is, and said to be so.
#[tokio::test]
async fn a_file_that_is_not_ours_is_not_overwritten() {
    for (text, why) in [
        ("", "damaged"),
        ("{\"version\":1,\"values\":{\"k", "damaged"),
        ("[]", "damaged"),
        ("{}", "damaged"),
        ("{\"version\":1,\"values\":[]}", "damaged"),
        ("{\"version\":2}", "later version"),
    ] {
        let folder = Folder::new("damaged");
        let store = FileStore::open(folder.file()).unwrap();
        put(&folder.file(), text);
        let saved = store.save(&key("as.example"), &SecretText::new("v")).await;
        let said = all_of(&saved.unwrap_err());
        assert!(said.contains(why), "{text:?}: {said}");
        assert!(store.load(&key("as.example")).await.is_err(), "{text:?}");
        assert_eq!(fs::read_to_string(folder.file()).unwrap(), text);
    }
}

/// What a process left that died while it wrote does no harm, and its secrets do not stay.
#[tokio::test]
async fn half_a_file_of_the_dead_is_replaced() {
    let folder = Folder::new("half");
    let store = FileStore::open(folder.file()).unwrap();
    let beside = folder.0.join("deep/credentials.json.new");
    put(&beside, "{\"version\":1,\"val");
    store
        .save(&key("as.example"), &SecretText::new("v"))
        .await
        .unwrap();
    assert!(!beside.exists());
    assert!(store.load(&key("as.example")).await.unwrap().is_some());
}

/// Many who change different values at once lose none.
#[tokio::test(flavor = "multi_thread")]
async fn changes_at_once_are_all_kept() {
    let folder = Folder::new("at-once");
    let mut all = tokio::task::JoinSet::new();
    for number in 0..16 {
        let store = FileStore::open(folder.file()).unwrap();
        all.spawn(async move {
            let key = key(&format!("as{number}.example"));
            store.save(&key, &SecretText::new("v")).await.unwrap();
        });
    }
    all.join_all().await;
    let text = fs::read_to_string(folder.file()).unwrap();
    let document: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(document["values"].as_object().unwrap().len(), 16);
}

/// CL-TOK-7: one holds a lock, others wait; other keys do not; whoever stops waiting leaves nothing.
#[tokio::test]
async fn a_lock_is_held_by_one() {
    let folder = Folder::new("lock");
    let (one, other) = (
        FileStore::open(folder.file()).unwrap(),
        FileStore::open(folder.file()).unwrap(),
    );
    let key = key("as.example");
    let held = one.lock(&key).await.unwrap();
    let waited = tokio::time::timeout(Duration::from_millis(200), other.lock(&key)).await;
    assert!(waited.is_err(), "two hold one lock");
    let elsewhere = other.lock(&self::key("other.example")).await.unwrap();
    drop((held, elsewhere));
    let soon = tokio::time::timeout(Duration::from_secs(5), other.lock(&key)).await;
    let _held = soon.unwrap().unwrap();
}
