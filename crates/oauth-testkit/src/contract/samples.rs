//! Records to try a store with.

use std::sync::Arc;

use oauth_storage::grant::Salt;
use oauth_storage::record::Shape;
use oauth_storage::{
    AccessTokenRecord, ClientLifetimes, ClientRecord, ClientRegistration, ClientSecret, Closed,
    ClosedReason, CodeRecord, ConsentRecord, DigestId, Epochs, GrantRecord, GrantType, KeyRingId,
    KeyRingRecord, PageNumber, Predecessor, Record, RecordStore, RefreshTokenRecord,
    RegistrationEntry, RegistrationPageRecord, ReplayRecord, Storage, SubjectRecord,
    TokenEndpointAuthMethod,
};
use oauth_types::registration::{ClientMetadata, UnknownMembers};
use oauth_types::{
    AuthenticationContext, ClientId, CodeChallenge, CodeVerifier, GrantId, Lifetime, RedirectUri,
    ResourceUri, Scope, SecretHash, Subject, Timestamp,
};

/// The present moment of the rules: so late that no clock of a database, which may have a say in
/// what it forgets by itself, has got there.
pub const NOW: u64 = 4_000_000_000;

/// A record that a rule can make, change and recognise.
pub trait Sample: Record {
    /// A plain record; another key for every number, except of the one key ring.
    fn sample(number: u64) -> Self;
    /// A record in which every member is set somewhere, and none that this version does not know.
    /// Written out, it is the fixture that shows this version's shape.
    fn full() -> Self;
    /// The same, told apart by a mark.
    #[must_use]
    fn marked(self, mark: u64) -> Self;
    /// The mark; 0 until one is set.
    fn mark(&self) -> u64;
    /// Members of newer versions.
    fn unknown(&mut self) -> &mut UnknownMembers;
    /// Where a store keeps this kind.
    fn table(store: &dyn Storage) -> &dyn RecordStore<Self>;
}

/// An open grant of `alice` to `app`, retained for long.
pub fn grant(number: u64) -> GrantRecord {
    grant_of(number, "alice", "app")
}

/// What the grant of this number is called: spread over the whole range, so that neither order nor
/// shards follow the numbers.
pub fn grant_id(number: u64) -> GrantId {
    let spread = number.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let mut id = [7; 16];
    id[..8].copy_from_slice(&spread.to_be_bytes());
    GrantId::from_bytes(id)
}

/// An open grant of a person to a client.
pub fn grant_of(number: u64, subject: &str, client: &str) -> GrantRecord {
    GrantRecord {
        shape: Shape::default(),
        id: grant_id(number),
        client_id: ClientId::new(client),
        subject: Subject::new(subject),
        scope: scope("mcp:tools"),
        resources: vec![resource("https://mcp.example/mcp")],
        epochs: Epochs::default(),
        auth_time: None,
        authentication: None,
        created_at: at(0),
        expires_at: at(86_400),
        retain_until: at(90_000),
        code: None,
        refresh: None,
        access: Vec::new(),
        closed: None,
        unknown: UnknownMembers::new(),
    }
}

/// The same grant, to be retained until so many seconds after [`NOW`].
pub fn retained(mut grant: GrantRecord, seconds: i64) -> GrantRecord {
    grant.retain_until = at(seconds);
    grant
}

/// An access token, one of many.
pub fn access_token(number: u64) -> AccessTokenRecord {
    AccessTokenRecord {
        hash: SecretHash::of(&number.to_be_bytes()),
        generation: 3,
        scope: scope("mcp:tools mcp:write"),
        audience: resource("https://mcp.example/mcp"),
        issued_at: at(5),
        expires_at: at(905),
    }
}

/// A public client without a date.
pub fn client(id: &str) -> ClientRecord {
    ClientRecord::new(
        ClientId::new(id),
        ClientRegistration::Dynamic,
        TokenEndpointAuthMethod::None,
        at(0),
    )
}

/// So many seconds after [`NOW`].
pub fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix(NOW.saturating_add_signed(seconds))
}

fn scope(text: &str) -> Scope {
    text.split(' ').collect()
}

fn resource(text: &str) -> ResourceUri {
    ResourceUri::parse(text).expect("a resource")
}

fn redirect(text: &str) -> RedirectUri {
    RedirectUri::parse(text).expect("a redirect URI")
}

impl Sample for GrantRecord {
    fn sample(number: u64) -> Self {
        grant(number)
    }

    fn full() -> Self {
        let verifier = CodeVerifier::parse("a-verifier-of-forty-three-characters-or-more")
            .expect("a verifier");
        Self {
            epochs: Epochs {
                client: 1,
                subject: 2,
                subject_client: 3,
                ring: 4,
            },
            resources: vec![
                resource("https://mcp.example/mcp"),
                resource("https://b.example/"),
            ],
            auth_time: Some(at(-30)),
            authentication: Some(Arc::new(
                AuthenticationContext::new(Some("urn:example:loa2"), ["pwd", "otp"])
                    .expect("words"),
            )),
            code: Some(CodeRecord {
                hash: SecretHash::of(b"code"),
                challenge: CodeChallenge::of(verifier),
                redirect_uri: redirect("http://127.0.0.1:3000/cb?x=%20&y"),
                expires_at: at(60),
                redeemed_as: Some(SecretHash::of(b"access")),
            }),
            refresh: Some(RefreshTokenRecord {
                hash: SecretHash::of(b"refresh"),
                generation: u32::MAX,
                expires_at: at(3600),
                predecessor: Some(Predecessor {
                    hash: SecretHash::of(b"before"),
                    salt: Salt([0xA5; 16]),
                    key: u16::MAX,
                    rotated_at: at(10),
                    retry_until: at(40),
                    retry_ended: true,
                }),
            }),
            access: vec![access_token(1), access_token(2)],
            closed: Some(Closed {
                at: at(50),
                reason: ClosedReason::CodeReplayed,
            }),
            ..grant_of(1, "alice@example", "https://app.example/client.json")
        }
    }

    fn marked(mut self, mark: u64) -> Self {
        self.epochs.ring = mark;
        self
    }
    fn mark(&self) -> u64 {
        self.epochs.ring
    }
    fn unknown(&mut self) -> &mut UnknownMembers {
        &mut self.unknown
    }
    fn table(store: &dyn Storage) -> &dyn RecordStore<Self> {
        store.grants()
    }
}

impl Sample for ClientRecord {
    fn sample(number: u64) -> Self {
        client(&format!("client-{number}"))
    }

    fn full() -> Self {
        let mut metadata = ClientMetadata::default();
        metadata.client_name =
            Some("Ünïcode \"quoted\" \\ <b>\u{1F980}</b> \u{0}\u{1}\n".to_owned());
        metadata.token_endpoint_auth_method = Some("client_secret_post".to_owned());
        metadata.grant_types = Some(vec!["refresh_token".to_owned()]);
        metadata.response_types = Some(vec!["code".to_owned()]);
        metadata.client_uri = Some("https://app.example/".to_owned());
        metadata.logo_uri = Some("https://app.example/logo.png".to_owned());
        metadata.scope = Some("mcp:tools".to_owned());
        metadata.tos_uri = Some("https://app.example/terms".to_owned());
        metadata.policy_uri = Some("https://app.example/privacy".to_owned());
        metadata.software_id = Some("the-app".to_owned());
        metadata.software_version = Some(String::new());
        metadata.application_type = Some("web".to_owned());
        metadata.jwks = Some(UnknownMembers::new().into());
        metadata.jwks_uri = Some("https://app.example/jwks".to_owned());
        metadata.software_statement = Some("a.b.c".to_owned());
        metadata.other = UnknownMembers::from_iter([("client_name#de".to_owned(), "App".into())]);
        let secret = |text: &[u8], expires_at| ClientSecret {
            hash: SecretHash::of(text),
            expires_at,
        };
        Self {
            registration: ClientRegistration::Preregistered,
            token_endpoint_auth_method: TokenEndpointAuthMethod::ClientSecretPost,
            secrets: vec![secret(b"old", Some(at(600))), secret(b"new", None)],
            redirect_uris: vec![
                redirect("https://app.example/cb"),
                redirect("cursor://x/cb"),
            ],
            grant_types: vec![GrantType::RefreshToken, GrantType::ClientCredentials],
            scope: Some(Scope::empty()),
            introspects: vec![resource("https://mcp.example/mcp")],
            metadata,
            // A signed column would lose the last bit.
            epoch: u64::MAX,
            jwks: Some(UnknownMembers::from_iter([("keys".to_owned(), "\u{e9}".into())]).into()),
            jwks_uri: Some("https://app.example/jwks".to_owned()),
            lifetimes: ClientLifetimes {
                access_token: Some(Lifetime::ZERO),
                refresh_idle: Some(Lifetime::seconds(1)),
                grant: Some(Lifetime::seconds(u64::MAX)),
            },
            registration_access_token: Some(SecretHash::of(b"registration")),
            last_used_at: Some(at(-1)),
            retain_until: Some(at(1)),
            ..client("https://app.example/client.json")
        }
    }

    fn marked(mut self, mark: u64) -> Self {
        self.epoch = mark;
        self
    }
    fn mark(&self) -> u64 {
        self.epoch
    }
    fn unknown(&mut self) -> &mut UnknownMembers {
        &mut self.unknown
    }
    fn table(store: &dyn Storage) -> &dyn RecordStore<Self> {
        store.clients()
    }
}

impl Sample for SubjectRecord {
    fn sample(number: u64) -> Self {
        Self::new(Subject::new(format!("person-{number}")))
    }

    fn full() -> Self {
        let clients = [
            ("app", 1),
            ("App", 2),
            ("https://app.example/client.json", 3),
        ];
        Self {
            epoch: 9,
            disabled: true,
            clients: clients.map(|(id, epoch)| (ClientId::new(id), epoch)).into(),
            password: Some("$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA".to_owned()),
            ..Self::new(Subject::new("alice@example"))
        }
    }

    fn marked(mut self, mark: u64) -> Self {
        self.epoch = mark;
        self
    }
    fn mark(&self) -> u64 {
        self.epoch
    }
    fn unknown(&mut self) -> &mut UnknownMembers {
        &mut self.unknown
    }
    fn table(store: &dyn Storage) -> &dyn RecordStore<Self> {
        store.subjects()
    }
}

impl Sample for KeyRingRecord {
    fn sample(_: u64) -> Self {
        Self {
            shape: Shape::default(),
            id: KeyRingId,
            root: "0".to_owned(),
            sealed: "c2VhbGVk".to_owned(),
            unknown: UnknownMembers::new(),
        }
    }

    fn full() -> Self {
        Self {
            root: "cm9vdA".to_owned(),
            sealed: "A-_z".repeat(500),
            ..Self::sample(0)
        }
    }

    fn marked(mut self, mark: u64) -> Self {
        self.root = mark.to_string();
        self
    }
    fn mark(&self) -> u64 {
        self.root.parse().unwrap_or_default()
    }
    fn unknown(&mut self) -> &mut UnknownMembers {
        &mut self.unknown
    }
    fn table(store: &dyn Storage) -> &dyn RecordStore<Self> {
        store.keys()
    }
}

impl Sample for ConsentRecord {
    fn sample(number: u64) -> Self {
        let (subject, client_id) = (
            Subject::new("alice"),
            ClientId::new(format!("app-{number}")),
        );
        let resource = resource("https://mcp.example/mcp");
        Self {
            shape: Shape::default(),
            id: Self::id_of(&subject, &client_id, &resource),
            subject,
            client_id,
            resource,
            scope: Scope::empty(),
            fingerprint: SecretHash::of(b"as it was shown"),
            epochs: Epochs::default(),
            given_at: Timestamp::from_unix(0),
            retain_until: at(1_000_000),
            unknown: UnknownMembers::new(),
        }
    }

    fn full() -> Self {
        Self {
            scope: ["mcp:tools", "mcp:write"].into_iter().collect(),
            epochs: Epochs {
                client: 1,
                subject: 2,
                subject_client: 3,
                ring: u64::MAX,
            },
            given_at: at(0),
            ..Self::sample(7)
        }
    }

    fn marked(mut self, mark: u64) -> Self {
        self.given_at = Timestamp::from_unix(mark);
        self
    }
    fn mark(&self) -> u64 {
        self.given_at.as_unix()
    }
    fn unknown(&mut self) -> &mut UnknownMembers {
        &mut self.unknown
    }
    fn table(store: &dyn Storage) -> &dyn RecordStore<Self> {
        store.consents()
    }
}

impl Sample for ReplayRecord {
    fn sample(number: u64) -> Self {
        let id = DigestId::of(&["client_assertion", &number.to_string()]);
        Self::new(id, Timestamp::from_unix(0), at(1_000_000))
    }

    fn full() -> Self {
        Self::new(DigestId::of(&["full"]), at(0), at(1))
    }

    fn marked(mut self, mark: u64) -> Self {
        self.claimed_at = Timestamp::from_unix(mark);
        self
    }
    fn mark(&self) -> u64 {
        self.claimed_at.as_unix()
    }
    fn unknown(&mut self) -> &mut UnknownMembers {
        &mut self.unknown
    }
    fn table(store: &dyn Storage) -> &dyn RecordStore<Self> {
        store.replays()
    }
}

impl Sample for RegistrationPageRecord {
    fn sample(number: u64) -> Self {
        Self::new(PageNumber(number)).marked(0)
    }

    fn full() -> Self {
        let entry = |client: &str, same, used| RegistrationEntry {
            client: ClientId::new(client),
            since: at(0),
            same,
            used,
        };
        Self {
            entries: vec![
                entry("c_1", None, false),
                entry("c_2", Some(DigestId::of(&["an app"])), true),
            ],
            ..Self::new(PageNumber(u64::MAX))
        }
    }

    fn marked(mut self, mark: u64) -> Self {
        self.entries = vec![RegistrationEntry {
            client: ClientId::new("c_1"),
            since: Timestamp::from_unix(mark),
            same: None,
            used: false,
        }];
        self
    }
    fn mark(&self) -> u64 {
        self.entries
            .first()
            .map_or(0, |entry| entry.since.as_unix())
    }
    fn unknown(&mut self) -> &mut UnknownMembers {
        &mut self.unknown
    }
    fn table(store: &dyn Storage) -> &dyn RecordStore<Self> {
        store.registrations()
    }
}
