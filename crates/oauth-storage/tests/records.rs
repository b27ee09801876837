//! Documents that any version of this project has written are read, and written back whole.
//!
//! `fixtures/current` holds a document of each kind in which every member of this version is
//! set; `fixtures/<version>` those of shapes that were current once; `fixtures/later` what a newer
//! version may write, and `fixtures/refused` what has to be refused. A record that gains a member
//! fails the last test here, which says what to do.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{env, fs};

use oauth_storage::record::{decode, encode};
use oauth_storage::{
    ClientRecord, ClientRegistration, ClientSecret, ClosedReason, ConsentRecord, GrantRecord,
    GrantType, KeyRingRecord, Kind, Record, RegistrationPageRecord, ReplayRecord, StorageError,
    StorageErrorKind, SubjectRecord, TokenEndpointAuthMethod,
};
use oauth_testkit::contract::samples::Sample;
use oauth_types::{ClientId, Timestamp};
use serde_json::Value;

/// Set to 1, it files the current fixtures that no longer fit under this version, and writes new
/// ones.
const WRITE: &str = "OAUTH_WRITE_FIXTURES";

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

fn text_of(fixture: &str) -> String {
    let path = fixtures().join(fixture);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Reads a fixture as a record of its kind.
fn read<R: Record>(fixture: &str) -> R {
    decode(text_of(fixture).as_bytes()).unwrap_or_else(|error| panic!("{fixture}: {error:?}"))
}

/// Every fixture in these folders, by its path below `fixtures`, with the kind that its name
/// begins with.
fn all(wanted: impl Fn(&str) -> bool) -> Vec<(String, Kind)> {
    let mut found = Vec::new();
    for folder in fs::read_dir(fixtures()).unwrap() {
        let folder = folder.unwrap().file_name().into_string().unwrap();
        if !wanted(&folder) {
            continue;
        }
        for file in fs::read_dir(fixtures().join(&folder)).unwrap() {
            let file = file.unwrap().file_name().into_string().unwrap();
            let name = file
                .strip_suffix(".json")
                .unwrap_or_else(|| panic!("{file}: no document"));
            let kind = name.split('-').next().unwrap();
            let kind = Kind::ALL.into_iter().find(|known| known.as_str() == kind);
            found.push((
                format!("{folder}/{file}"),
                kind.unwrap_or_else(|| panic!("{file}: of no kind")),
            ));
        }
    }
    found.sort_by(|left, right| left.0.cmp(&right.0));
    found
}

/// What this version makes of a document: read, and written again.
fn written_back(document: &str, kind: Kind) -> Result<Value, StorageError> {
    fn of<R: Record>(document: &str) -> Result<Value, StorageError> {
        let written = encode(&decode::<R>(document.as_bytes())?)?;
        Ok(serde_json::from_slice(&written).unwrap())
    }
    match kind {
        Kind::Grant => of::<GrantRecord>(document),
        Kind::Client => of::<ClientRecord>(document),
        Kind::Subject => of::<SubjectRecord>(document),
        Kind::KeyRing => of::<KeyRingRecord>(document),
        Kind::Consent => of::<ConsentRecord>(document),
        Kind::Replay => of::<ReplayRecord>(document),
        Kind::RegistrationPage => of::<RegistrationPageRecord>(document),
        _ => panic!("{kind:?}: not known here"),
    }
}

/// The first place at which `written` lacks something of `read`; it may have more.
fn lost(read: &Value, written: &Value, at: &str) -> Option<String> {
    match (read, written) {
        (Value::Object(read), Value::Object(written)) => read.iter().find_map(|(name, value)| {
            let at = format!("{at}/{name}");
            match written.get(name) {
                Some(written) => lost(value, written, &at),
                None => Some(at),
            }
        }),
        (Value::Array(read), Value::Array(written)) if read.len() == written.len() => {
            let mut pairs = read.iter().zip(written).enumerate();
            pairs.find_map(|(place, (read, written))| lost(read, written, &format!("{at}/{place}")))
        }
        _ => (read != written).then(|| at.to_owned()),
    }
}

/// Whatever was written once is read, and nothing of it is lost when this version writes it back:
/// old and new replicas share a store during an upgrade, in either direction.
#[test]
fn every_shape_is_read_and_written_back_whole() {
    let every = all(|folder| folder != "refused");
    for kind in Kind::ALL {
        let past = |folder: &str| {
            every
                .iter()
                .any(|(path, of)| *of == kind && path.starts_with(folder))
        };
        assert!(past("current/") && past("0."), "{kind:?}: no fixture of it");
    }
    for (path, kind) in every {
        let document = text_of(&path);
        let written =
            written_back(&document, kind).unwrap_or_else(|error| panic!("{path}: {error:?}"));
        let read: Value = serde_json::from_str(&document).unwrap();
        assert_eq!(lost(&read, &written, ""), None, "{path}");
    }
}

/// A document of one object, from its members in this order.
fn document<'a>(members: impl IntoIterator<Item = (&'a String, &'a Value)>) -> String {
    let members: Vec<_> = members
        .into_iter()
        .map(|(name, value)| format!("{}:{value}", Value::from(name.as_str())))
        .collect();
    format!("{{{}}}", members.join(","))
}

/// Members come in any order, with strangers anywhere among them; one that is said twice leaves
/// open which was meant, so that is no record.
#[test]
fn members_stand_in_any_order_and_once() {
    let (stranger, said) = ("lunar".to_owned(), serde_json::json!({"v": 9, "id": ["x"]}));
    for (path, kind) in all(|folder| folder == "current") {
        let Ok(Value::Object(whole)) = serde_json::from_str(&text_of(&path)) else {
            panic!("{path}: no object");
        };
        for at in 0..whole.len() {
            let mut members: Vec<_> = whole.iter().cycle().skip(at).take(whole.len()).collect();
            members.insert(at, (&stranger, &said));
            let written = written_back(&document(members.iter().copied()), kind)
                .unwrap_or_else(|error| panic!("{path}, from member {at}: {error:?}"));
            assert_eq!(written["lunar"], said, "{path}");
            assert_eq!(lost(&Value::Object(whole.clone()), &written, ""), None);

            members.retain(|(name, _)| **name != stranger);
            members.push(members[at]);
            let error = written_back(&document(members.iter().copied()), kind)
                .expect_err(&format!("{path}: {} twice", members[at].0));
            assert_eq!(error.kind(), StorageErrorKind::Corrupt);
        }
    }
}

/// A newer document may ask for what this version lacks, or use words it does not know. Guessing
/// would mean to allow what was restricted.
#[test]
fn what_is_not_understood_is_corrupt_and_never_guessed() {
    let refused = all(|folder| folder == "refused");
    assert!(refused.len() >= 10, "{refused:?}");
    for (path, kind) in refused {
        let error = written_back(&text_of(&path), kind).expect_err(&path);
        assert_eq!(error.kind(), StorageErrorKind::Corrupt, "{path}");
    }
}

#[test]
fn grants_of_the_first_shape_mean_what_they_meant() {
    let approved: GrantRecord = read("0.1.0/grants-1.json");
    assert_eq!(approved.client_id.as_str(), "c_1");
    assert_eq!(approved.retain_until, Timestamp::from_unix(1_795_000_700));
    let code = approved.code.expect("a code");
    assert!(code.redeemed_as.is_none() && approved.refresh.is_none() && approved.closed.is_none());

    let rotated: GrantRecord = read("0.1.0/grants-2.json");
    let refresh = rotated.refresh.expect("a refresh token");
    let before = refresh.predecessor.expect("a predecessor");
    assert_eq!(
        (refresh.generation, before.key, before.retry_ended),
        (4, 1, false)
    );
    assert_eq!(rotated.access.len(), 1);
    assert_eq!((rotated.epochs.client, rotated.epochs.ring), (2, 1));

    let closed: GrantRecord = read("0.1.0/grants-3.json");
    let end = closed.closed.expect("an end");
    assert_eq!(end.reason, ClosedReason::RefreshTokenReused);
    let refresh = closed.refresh.expect("a refresh token");
    assert!(refresh.predecessor.expect("a predecessor").retry_ended);

    for (fixture, reason) in [
        ("0.1.0/grants-4.json", ClosedReason::Revoked),
        ("0.1.0/grants-5.json", ClosedReason::Withdrawn),
        ("0.1.0/grants-6.json", ClosedReason::CodeReplayed),
    ] {
        let closed = read::<GrantRecord>(fixture).closed;
        assert_eq!(closed.expect("an end").reason, reason, "{fixture}");
    }
}

#[test]
fn clients_of_the_first_shapes_mean_what_they_meant() {
    let public: ClientRecord = read("0.1.0/clients-1.json");
    assert!(!public.is_confidential() && public.secrets.is_empty());
    assert_eq!(public.registration, ClientRegistration::Dynamic);
    // Written before any of these had a name: without keys, by the policy, not to be managed.
    assert!(public.jwks.is_none() && public.lifetimes.is_empty());
    assert!(public.registration_access_token.is_none() && public.last_used_at.is_none());

    let service: ClientRecord = read("0.1.0/clients-2.json");
    assert!(service.is_confidential() && service.retain_until.is_none());
    assert_eq!(service.grant_types, [GrantType::ClientCredentials]);
    let ends: Vec<_> = service
        .secrets
        .iter()
        .map(|secret: &ClientSecret| secret.expires_at)
        .collect();
    assert_eq!(ends, [Some(Timestamp::from_unix(1_795_086_400)), None]);
    assert_eq!(service.introspects.len(), 1);

    let signing: ClientRecord = read("0.1.0/clients-3.json");
    assert_eq!(signing.registration, ClientRegistration::MetadataDocument);
    assert_eq!(
        signing.token_endpoint_auth_method,
        TokenEndpointAuthMethod::PrivateKeyJwt
    );
    assert_eq!(
        signing.jwks_uri.as_deref(),
        Some("https://app.example/jwks")
    );
    assert_eq!(signing.metadata.other["client_name#de"], "Die App");
}

#[test]
fn the_other_kinds_mean_what_they_meant() {
    let person: SubjectRecord = read("0.1.0/subjects-1.json");
    assert_eq!((person.epoch, person.disabled), (3, true));
    assert_eq!(person.clients[&ClientId::new("c_1")], 2);
    assert!(
        person
            .password
            .expect("a password")
            .starts_with("$argon2id$")
    );

    let ring: KeyRingRecord = read("0.1.0/key_rings-1.json");
    assert_eq!(
        (ring.root.as_str(), ring.sealed.as_str()),
        ("cm9vdA", "c2VhbGVk")
    );

    let consent: ConsentRecord = read("0.1.0/consents-1.json");
    let id = ConsentRecord::id_of(&consent.subject, &consent.client_id, &consent.resource);
    assert_eq!(consent.id, id, "how keys are made is part of the shape");

    let claim: ReplayRecord = read("0.1.0/replays-1.json");
    assert!(claim.claimed_at < claim.retain_until);

    let page: RegistrationPageRecord = read("0.1.0/registration_pages-1.json");
    let used: Vec<_> = page
        .entries
        .iter()
        .map(|entry| (entry.used, entry.same.is_some()))
        .collect();
    assert_eq!(used, [(false, false), (true, true)]);
}

/// Every member that a record has stands in its current fixture, so no shape gets lost.
#[test]
fn the_current_fixtures_show_every_member() {
    shows_every_member::<GrantRecord>();
    shows_every_member::<ClientRecord>();
    shows_every_member::<SubjectRecord>();
    shows_every_member::<KeyRingRecord>();
    shows_every_member::<ConsentRecord>();
    shows_every_member::<ReplayRecord>();
    shows_every_member::<RegistrationPageRecord>();

    // Its `Debug` shows too little to tell, so its source has to.
    let source = include_str!("../../oauth-types/src/registration.rs");
    let members = source.split("pub struct ClientMetadata {").nth(1).unwrap();
    let members = members.split("\n}").next().unwrap().lines();
    let members: Vec<_> = members
        .filter_map(|line| line.trim_start().strip_prefix("pub ")?.split(':').next())
        // The checked ones stand in the record itself; the others have names of their own.
        .filter(|name| !["redirect_uris", "other"].contains(name))
        .collect();
    assert!(members.len() > 10, "{members:?}");
    let shown: Value = serde_json::from_str(&text_of("current/clients.json")).unwrap();
    for name in members {
        assert!(
            shown["metadata"].get(name).is_some(),
            "ClientMetadata.{name} is set in no fixture"
        );
    }
}

fn shows_every_member<R: Sample>() {
    let unset = unset_members(&format!("{:#?}", R::full()));
    assert!(
        unset.is_empty(),
        "{unset:?}: set nowhere. Set it in `Sample::full` of oauth-testkit, so that a fixture shows it"
    );
    let kind = R::KIND.as_str();
    let mut shape = serde_json::to_string_pretty(&R::full()).unwrap();
    shape.push('\n');
    let path = fixtures().join(format!("current/{kind}.json"));
    let committed = fs::read_to_string(&path).unwrap_or_default();
    if shape == committed {
        return;
    }
    assert!(
        env::var_os(WRITE).is_some_and(|value| value == "1"),
        "the shape of {kind} has changed. If that is meant, run\n\n    \
         {WRITE}=1 cargo test -p oauth-storage --test records\n\n\
         which keeps the old fixture as a past shape and writes the new one, and commit both"
    );
    if !committed.is_empty() {
        let past = fixtures().join(env!("CARGO_PKG_VERSION"));
        fs::create_dir_all(&past).unwrap();
        let file = |number: usize| past.join(format!("{kind}-{number}.json"));
        let number = (1..).find(|number| !file(*number).exists()).unwrap();
        fs::rename(&path, file(number)).unwrap();
    }
    fs::write(&path, shape).unwrap();
}

/// Members that are empty wherever they stand, as `Type.member`, from a record's `Debug`.
fn unset_members(debug: &str) -> Vec<String> {
    let mut types: Vec<&str> = Vec::new();
    let mut set: BTreeMap<String, bool> = BTreeMap::new();
    for line in debug.lines().map(str::trim) {
        if let Some((name, value)) = line.split_once(": ")
            && let Some(of) = types.last()
            && name
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte == b'_')
        {
            let empty = ["None,", "[],", "{},", "Object {},", "false,"].contains(&value);
            *set.entry(format!("{of}.{name}")).or_default() |= !empty;
        }
        if line.ends_with('{') {
            types.push(
                line.trim_end_matches(" {")
                    .rsplit([' ', '('])
                    .next()
                    .unwrap(),
            );
        } else if line.starts_with('}') {
            types.pop();
        }
    }
    // Members of newer versions, and what a reader must understand of them: none yet. A client's
    // addresses stand in the record itself.
    let none = |name: &str| {
        name.ends_with(".unknown")
            || ["Shape.needs", "ClientMetadata.redirect_uris"].contains(&name)
    };
    let unset = set.into_iter().filter(|(name, set)| !set && !none(name));
    unset.map(|(name, _)| name).collect()
}

#[test]
fn members_that_are_set_nowhere_are_found() {
    #[derive(Debug)]
    #[expect(dead_code, reason = "only `Debug` reads them")]
    struct Outer {
        first: Option<u8>,
        second: Vec<Inner>,
        third: bool,
    }
    #[derive(Debug)]
    #[expect(dead_code, reason = "only `Debug` reads them")]
    struct Inner {
        fourth: Option<u8>,
        fifth: Vec<u8>,
    }
    let inner = |fourth| Inner {
        fourth,
        fifth: Vec::new(),
    };
    let outer = Outer {
        first: None,
        second: vec![inner(None), inner(Some(1))],
        third: false,
    };
    let unset = unset_members(&format!("{outer:#?}"));
    assert_eq!(unset, ["Inner.fifth", "Outer.first", "Outer.third"]);
}
