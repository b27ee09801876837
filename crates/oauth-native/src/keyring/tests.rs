use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use keyring_core::api::CredentialStoreApi as _;
use keyring_core::{Error, mock};

use super::*;
use crate::stories::{self, Folder, all_of, key, loaded};

mod real;

/// Less than what Windows takes, so that there are more parts.
const LITTLE: usize = 400;

/// A keyring that all who open it share.
struct Ring {
    folder: Folder,
    ring: Arc<mock::Store>,
    most: usize,
    connections: Arc<AtomicUsize>,
}

impl Ring {
    fn new(name: &str, most: usize) -> Self {
        Self {
            folder: Folder::new(&format!("keyring-{name}")),
            ring: mock::Store::new().unwrap(),
            most,
            connections: Arc::default(),
        }
    }

    fn open(&self) -> KeyringStore {
        let (ring, connections) = (Arc::clone(&self.ring), Arc::clone(&self.connections));
        let entries = Entries::of("example", self.most, move || {
            connections.fetch_add(1, Ordering::Relaxed);
            Ok(Arc::clone(&ring) as Arc<keyring_core::CredentialStore>)
        });
        KeyringStore::over(entries, &self.folder.0).unwrap()
    }

    fn entry(&self, name: &str) -> keyring_core::Entry {
        self.ring.build("example", name, None).unwrap()
    }

    /// What is kept, by name.
    fn all(&self) -> HashMap<String, Vec<u8>> {
        let all = self.ring.search(&HashMap::new()).unwrap();
        let kept = all.into_iter().filter_map(|entry| {
            let (service, name) = entry.get_specifiers()?;
            assert_eq!(service, "example");
            Some((name, entry.get_secret().ok()?))
        });
        kept.collect()
    }

    fn fails_next(&self, name: &str, error: Error) {
        let entry = self.entry(name);
        let credential: &mock::Cred = entry.as_any().downcast_ref().unwrap();
        credential.set_error(error);
    }
}

/// CL-TOK-3: what was saved last is what everybody loads, however long it is; and no entry is longer
/// than its keyring takes.
#[tokio::test]
async fn what_one_saves_the_other_loads() {
    for most in [usize::MAX, 2560, LITTLE] {
        let ring = Ring::new("other", most);
        stories::what_one_saves_the_other_loads(|| ring.open()).await;
        assert_eq!(ring.all(), HashMap::new(), "nothing is left behind");

        let value = SecretText::new("value ".repeat(LITTLE));
        ring.open().save(&key("as.example"), &value).await.unwrap();
        let all = ring.all();
        assert!(all.values().all(|entry| entry.len() <= most), "{most}");
        assert_eq!(all.len() > 1, most == LITTLE, "{most}");
    }
}

/// Many who change different values at once lose none.
#[tokio::test(flavor = "multi_thread")]
async fn changes_at_once_are_all_kept() {
    for most in [usize::MAX, LITTLE] {
        let ring = Ring::new("at-once", most);
        stories::changes_at_once_are_all_kept(|| ring.open()).await;
    }
}

/// CL-TOK-7: one holds a lock, others wait, though a keyring has no locks.
#[tokio::test]
async fn a_lock_is_held_by_one() {
    let ring = Ring::new("lock", usize::MAX);
    stories::a_lock_is_held_by_one(|| ring.open()).await;
}

/// Values in several entries are read as one that was saved, also while they are replaced.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_reads_half_of_one_value_and_half_of_another() {
    let ring = Ring::new("halves", LITTLE);
    let (writer, reader) = (ring.open(), ring.open());
    let values = ["a", "b", "c"].map(|letter| letter.repeat(5 * LITTLE));
    let key = key("as.example");
    let first = SecretText::new(&*values[0]);
    writer.save(&key, &first).await.unwrap();
    let written = {
        let (values, key) = (values.clone(), key.clone());
        tokio::spawn(async move {
            for round in 0..60 {
                let value = SecretText::new(&*values[round % 3]);
                writer.save(&key, &value).await.unwrap();
            }
        })
    };
    while !written.is_finished() {
        let found = loaded(&reader, &key).await.unwrap();
        assert!(values.contains(&found), "{found}");
    }
    written.await.unwrap();
}

/// After a crash in the middle of a change there is the old value, and the next change leaves nothing
/// of the one that failed.
#[tokio::test]
async fn a_change_that_ends_halfway_changes_nothing() {
    let ring = Ring::new("halfway", LITTLE);
    let (store, key) = (ring.open(), key("as.example"));
    let [old, new] = ["old ", "new "].map(|word| word.repeat(LITTLE));
    store.save(&key, &SecretText::new(&*old)).await.unwrap();
    let name = name_of(&key);
    for part in ["b2", "b3"] {
        let refused = Error::NoStorageAccess("the person said no".into());
        ring.fails_next(&format!("{name} {part}"), refused);
        let failed = store.save(&key, &SecretText::new(&*new)).await;
        let said = all_of(&failed.unwrap_err());
        assert!(said.contains("unlock it"), "{said}");
        assert_eq!(loaded(&store, &key).await.as_deref(), Some(&*old));
    }
    // Somebody died just before the line that names the parts, which were more than there will be.
    for number in 0..7 {
        let part = ring.entry(&format!("{name} b{number}"));
        part.set_secret(b"of the dead").unwrap();
    }
    assert_eq!(loaded(&store, &key).await.as_deref(), Some(&*old));
    store.save(&key, &SecretText::new(&*new)).await.unwrap();
    assert_eq!(loaded(&store, &key).await.as_deref(), Some(&*new));
    assert_eq!(ring.all().len(), 1 + 4, "{:?}", ring.all().keys());
}

/// An entry that cannot be understood is left as it is, and said to be so; it can be removed.
#[tokio::test]
async fn an_entry_that_is_not_ours_is_not_overwritten() {
    for (bytes, why) in [
        (&b""[..], "damaged"),
        (b"a password of somebody else", "damaged"),
        (b"1 c 2 00\n", "damaged"),
        (b"1 a 101 00\n", "damaged"),
        (b"1 a\n", "damaged"),
        (b"0\nvalue", "damaged"),
        (b"1\n\xff\xfe a password", "damaged"),
        (b"2 something\nvalue", "later version"),
    ] {
        let ring = Ring::new("damaged", LITTLE);
        let (store, key) = (ring.open(), key("as.example"));
        ring.entry(&name_of(&key)).set_secret(bytes).unwrap();
        let saved = store.save(&key, &SecretText::new("v")).await.unwrap_err();
        let read = store.load(&key).await.unwrap_err();
        for error in [&saved, &read] {
            let said = format!("{} {error:?}", all_of(error));
            assert!(said.contains(why), "{bytes:?}: {said}");
            assert!(!said.contains("password"), "{said}");
        }
        assert_eq!(ring.all()[&name_of(&key)], bytes);
        store.remove(&key).await.unwrap();
        assert_eq!(loaded(&store, &key).await, None);
    }
}

/// A value of which a part is missing is reported, and saving anew mends it.
#[tokio::test]
async fn a_part_that_somebody_deleted_is_missed() {
    let ring = Ring::new("part", LITTLE);
    let (store, key) = (ring.open(), key("as.example"));
    let value = SecretText::new("value ".repeat(LITTLE));
    store.save(&key, &value).await.unwrap();
    let part = ring.entry(&format!("{} a1", name_of(&key)));
    part.delete_credential().unwrap();
    let said = all_of(&store.load(&key).await.unwrap_err());
    assert!(said.contains("delete it to start anew"), "{said}");
    store.save(&key, &value).await.unwrap();
    assert!(store.load(&key).await.unwrap().is_some());
}

/// CL-TOK-3: no error shows what was kept, and each says what to do.
#[tokio::test]
async fn errors_say_what_to_do_and_no_secret() {
    let secret = || b"the secret".to_vec();
    let ring = Ring::new("errors", usize::MAX);
    let (store, key) = (ring.open(), key("as.example"));
    let value = SecretText::new("the secret");
    store.save(&key, &value).await.unwrap();
    let other = ring.entry("another");
    other.set_secret(b"the secret").unwrap();
    for (error, advice) in [
        (Error::NoStorageAccess("locked".into()), "unlock it"),
        (Error::BadEncoding(secret()), "delete it"),
        (
            Error::BadDataFormat(secret(), "garbled".into()),
            "delete it",
        ),
        (Error::Ambiguous(vec![other]), "all but one"),
        (Error::TooLong("secret".to_owned(), 9), "longer than 9"),
    ] {
        ring.fails_next(&name_of(&key), error);
        let failed = store.load(&key).await.unwrap_err();
        let said = format!("{} {failed:?} {store:?}", all_of(&failed));
        assert!(said.contains(advice), "{said}");
        assert!(!said.contains("the secret"), "{said}");
        assert!(!said.contains(&format!("{:?}", secret())), "{said}");
        assert!(store.load(&key).await.unwrap().is_some(), "nothing is lost");
    }
}

/// A keyring whose process was started anew is found again, and what was to be saved is saved.
#[tokio::test]
async fn a_keyring_that_was_away_is_looked_for_again() {
    let ring = Ring::new("away", usize::MAX);
    let (store, key) = (ring.open(), key("as.example"));
    store.save(&key, &SecretText::new("one")).await.unwrap();
    assert_eq!(ring.connections.load(Ordering::Relaxed), 1);
    let gone = || Error::PlatformFailure("the connection has ended".into());
    ring.fails_next(&name_of(&key), gone());
    store.save(&key, &SecretText::new("two")).await.unwrap();
    assert_eq!(loaded(&store, &key).await.as_deref(), Some("two"));
    assert_eq!(ring.connections.load(Ordering::Relaxed), 2);

    let absent = Entries::of("example", usize::MAX, move || Err(gone()));
    let absent = KeyringStore::over(absent, &ring.folder.0).unwrap();
    let said = all_of(&absent.load(&key).await.unwrap_err());
    assert!(said.contains("no keyring can be reached"), "{said}");
    assert!(said.contains("keep credentials in a file"), "{said}");
}

/// A library that panics is an error, not a hanging program.
#[tokio::test]
async fn a_panic_of_the_library_is_an_error() {
    let folder = Folder::new("keyring-panic");
    let entries = Entries::of("example", usize::MAX, || panic!("as told"));
    let store = KeyringStore::over(entries, &folder.0).unwrap();
    let said = all_of(&store.load(&key("as.example")).await.unwrap_err());
    assert!(said.contains("its library failed"), "{said}");
}

/// A runtime ends though somebody is still asked to unlock the keyring.
#[test]
fn a_keyring_that_waits_for_a_person_holds_up_no_runtime() {
    let folder = Folder::new("keyring-waits");
    let entries = Entries::of("example", usize::MAX, || {
        loop {
            std::thread::park();
        }
    });
    let store = KeyringStore::over(entries, &folder.0).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        runtime.block_on(async {
            let wait = std::time::Duration::from_millis(100);
            let asked = tokio::time::timeout(wait, async {
                let key = key("as.example");
                store.load(&key).await
            });
            assert!(asked.await.is_err());
        });
        drop(runtime);
        tell.send(()).unwrap();
    });
    let ended = told.recv_timeout(std::time::Duration::from_secs(5));
    ended.expect("the runtime waited for the keyring");
}

/// Names are the key's alone, also where letters' case does not count or names are cut short.
#[test]
fn names_of_entries_differ_as_their_keys_do() {
    let long = "x".repeat(600);
    let keys = [
        key("as.example/Path"),
        key("as.example/path"),
        key(&format!("as.example/{long}")),
        key(&format!("as.example/{long}x")),
    ];
    let names = keys.map(|key| name_of(&key).to_lowercase());
    let distinct: std::collections::HashSet<_> = names.iter().collect();
    assert_eq!(distinct.len(), 4);
    assert!(names.iter().all(|name| name.len() <= 256), "{names:?}");
    assert!(names[0].starts_with("credentials https://as.example/path"));
}
