use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::stories::{self, Folder, all_of, key};

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
    stories::changes_at_once_are_all_kept(|| FileStore::open(folder.file()).unwrap()).await;
}

/// CL-TOK-7: one holds a lock, others wait; other keys do not; whoever stops waiting leaves nothing.
#[tokio::test]
async fn a_lock_is_held_by_one() {
    let folder = Folder::new("lock");
    stories::a_lock_is_held_by_one(|| FileStore::open(folder.file()).unwrap()).await;
}

/// What was saved last is what everybody loads, however long it is.
#[tokio::test]
async fn what_one_saves_the_other_loads() {
    let folder = Folder::new("other");
    stories::what_one_saves_the_other_loads(|| FileStore::open(folder.file()).unwrap()).await;
}
