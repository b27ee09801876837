//! The Secret Service of GNOME Keyring, in a session of its own.

use std::io::Write as _;
use std::process::{Command, Stdio};

use oauth_testkit::servers::{KEYRING_PASSWORD, within_keyring_session};

use super::*;

fn open(folder: &Folder) -> KeyringStore {
    KeyringStore::open("oauth-native.example", &folder.0).unwrap()
}

/// What the mock is told, and the keyring of a desktop.
#[tokio::test(flavor = "multi_thread")]
async fn the_stories_of_every_store_in_a_real_keyring() {
    let name = "keyring::tests::real::the_stories_of_every_store_in_a_real_keyring";
    if !within_keyring_session(name) {
        return;
    }
    let folder = Folder::new("keyring-real");
    stories::what_one_saves_the_other_loads(|| open(&folder)).await;
    stories::changes_at_once_are_all_kept(|| open(&folder)).await;
    stories::a_lock_is_held_by_one(|| open(&folder)).await;
}

/// A keyring that is locked is an error that says so; and one whose process was started anew, and
/// unlocked, is found again with what was kept in it.
#[tokio::test]
async fn a_real_keyring_is_locked_and_started_anew() {
    let name = "keyring::tests::real::a_real_keyring_is_locked_and_started_anew";
    if !within_keyring_session(name) {
        return;
    }
    let folder = Folder::new("keyring-locked");
    let (store, key) = (open(&folder), key("as.example"));
    store.save(&key, &SecretText::new("kept")).await.unwrap();

    let locked = Command::new("dbus-send")
        .args(["--session", "--print-reply"])
        .args(["--dest=org.freedesktop.secrets", "/org/freedesktop/secrets"])
        .arg("org.freedesktop.Secret.Service.Lock")
        .arg("array:objpath:/org/freedesktop/secrets/collection/login")
        .output()
        .unwrap();
    assert!(locked.status.success(), "{locked:?}");
    let refused = store.load(&key).await.unwrap_err();
    let said = all_of(&refused);
    assert!(said.contains("unlock it and try again"), "{said}");
    let refused = store.save(&key, &SecretText::new("lost")).await;
    assert!(refused.is_err());

    start_anew();
    assert_eq!(loaded(&store, &key).await.as_deref(), Some("kept"));
}

/// Another daemon takes the place of the one that runs, and is unlocked.
fn start_anew() {
    let mut daemon = Command::new("gnome-keyring-daemon")
        .args(["--replace", "--unlock", "--components=secrets"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut stdin = daemon.stdin.take().unwrap();
    stdin.write_all(KEYRING_PASSWORD.as_bytes()).unwrap();
    drop(stdin);
    assert!(daemon.wait().unwrap().success());
}
