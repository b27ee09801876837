//! The key ring: made once, sealed under the root secret, opened at every start.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use oauth_jose::{MacKey, PublicJwk, SealKey, SigningKey};
use oauth_storage::record::Shape;
use oauth_storage::{Insert, KeyRingId, KeyRingRecord, Storage, StorageError};
use oauth_types::env::{Entropy, EntropyError};
use oauth_types::registration::UnknownMembers;
use oauth_types::{Issuer, Secret, SecretHash, Timestamp};
use serde::{Deserialize, Serialize};

/// The one secret that configuration holds; everything else follows from the ring it seals.
///
/// While one is exchanged for another there are several: the first seals, and all of them open.
#[derive(Clone)]
pub struct RootSecret {
    seals: Secret,
    opens: Vec<Secret>,
}

impl RootSecret {
    /// Takes the text of a secret file or variable, white space at its ends forgiven.
    ///
    /// # Errors
    /// [`WeakRootSecret`] for fewer than 32 characters.
    pub fn from_text(text: &str) -> Result<Self, WeakRootSecret> {
        let text = text.trim();
        if text.len() < 32 {
            return Err(WeakRootSecret);
        }
        let digest = SecretHash::of(text.as_bytes());
        Ok(Self {
            seals: Secret::from_bytes(*digest.as_bytes()),
            opens: Vec::new(),
        })
    }

    /// Opens what `other` sealed as well, without sealing under it: the one of before, or the one
    /// that comes next.
    #[must_use]
    pub fn opening(mut self, other: Self) -> Self {
        self.opens.push(other.seals);
        self.opens.extend(other.opens);
        self
    }

    fn all(&self) -> impl Iterator<Item = &Secret> {
        std::iter::once(&self.seals).chain(&self.opens)
    }

    /// What makes pseudonyms of the people of an issuer.
    pub(crate) fn names(&self, issuer: &Issuer) -> MacKey {
        let fields: [&[u8]; 1] = [issuer.as_str().as_bytes()];
        MacKey::new(&MacKey::new(self.seals.expose()).mac("event names", &fields))
    }
}

fn seal_key(root: &Secret) -> SealKey {
    SealKey::new(&MacKey::new(root.expose()).mac("ring seal", &[]))
}

/// What a root secret is called in the ring's record and in messages. Tells nothing about it.
fn root_name(root: &Secret) -> String {
    let digest = MacKey::new(root.expose()).mac("root name", &[]);
    URL_SAFE_NO_PAD.encode(&digest[..6])
}

impl std::fmt::Debug for RootSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RootSecret")
    }
}

/// The text is too short to be a root secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a root secret has at least 32 characters; make one with `openssl rand -hex 32`")]
pub struct WeakRootSecret;

/// The ring could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyRingError {
    /// The stored ring was sealed under another root secret.
    #[error(
        "the key ring in this store was sealed under another root secret (its name there is {stored}, the one given is {given})"
    )]
    OtherRoot {
        /// Name of the root secret that sealed it.
        stored: String,
        /// Name of the one given, or of all of them.
        given: String,
    },
    /// The stored ring was altered, or belongs to another issuer.
    #[error(
        "the key ring in this store cannot be opened: it was altered, or belongs to another issuer"
    )]
    Sealed,
    /// Every name that a key can have was given.
    #[error("the key ring has no name left for another key")]
    Full,
    /// The store failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// Nothing random to make keys of.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
}

impl KeyRingError {
    /// The same in a word that does not change between versions.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::OtherRoot { .. } => "other_root",
            Self::Sealed => "sealed",
            Self::Full => "full",
            Self::Storage(_) => "storage",
            Self::Entropy(_) => "entropy",
        }
    }
}

/// What is sealed.
#[derive(Serialize, Deserialize)]
pub(crate) struct StoredRing {
    pub(crate) epoch: u64,
    /// In the order in which they are used.
    pub(crate) keys: Vec<StoredKey>,
    pub(crate) signing: Vec<StoredKey>,
}

/// One generation.
#[derive(Serialize, Deserialize)]
pub(crate) struct StoredKey {
    id: u16,
    /// 32 bytes in base64url.
    secret: String,
    /// From when it is used, in Unix seconds; the key before it retires then.
    #[serde(default)]
    pub(crate) from: u64,
}

impl StoredKey {
    pub(crate) fn draw(id: u16, from: u64, entropy: &dyn Entropy) -> Result<Self, EntropyError> {
        let secret = URL_SAFE_NO_PAD.encode(Secret::draw(entropy)?.expose());
        Ok(Self { id, secret, from })
    }

    fn bytes(&self) -> Option<[u8; 32]> {
        URL_SAFE_NO_PAD.decode(&self.secret).ok()?.try_into().ok()
    }
}

impl StoredRing {
    /// A name that no key of this ring has had; `None` after three thousand of them, which is all
    /// that a token's two characters can tell apart.
    pub(crate) fn next_id(&self) -> Option<u16> {
        let last = self.keys.iter().map(|key| key.id).max().unwrap_or(0);
        Some(last + 1).filter(|id| *id < 62 * 62)
    }

    pub(crate) fn unseal(
        record: &KeyRingRecord,
        issuer: &Issuer,
        root: &RootSecret,
    ) -> Result<Self, KeyRingError> {
        let Some(secret) = root.all().find(|root| root_name(root) == record.root) else {
            let given: Vec<String> = root.all().map(root_name).collect();
            return Err(KeyRingError::OtherRoot {
                stored: record.root.clone(),
                given: given.join(", "),
            });
        };
        let sealed = URL_SAFE_NO_PAD
            .decode(&record.sealed)
            .map_err(|_| KeyRingError::Sealed)?;
        let plain = seal_key(secret)
            .open(issuer.as_str().as_bytes(), &sealed)
            .map_err(|_| KeyRingError::Sealed)?;
        serde_json::from_slice(&plain).map_err(|_| KeyRingError::Sealed)
    }

    pub(crate) fn seal(
        &self,
        issuer: &Issuer,
        root: &RootSecret,
        entropy: &dyn Entropy,
    ) -> Result<KeyRingRecord, KeyRingError> {
        let mut nonce = [0u8; 12];
        entropy.fill(&mut nonce)?;
        let plain = serde_json::to_vec(self).map_err(|_| KeyRingError::Sealed)?;
        let sealed = seal_key(&root.seals).seal(nonce, issuer.as_str().as_bytes(), &plain);
        Ok(KeyRingRecord {
            shape: Shape::default(),
            id: KeyRingId,
            root: root_name(&root.seals),
            sealed: URL_SAFE_NO_PAD.encode(sealed),
            unknown: UnknownMembers::new(),
        })
    }
}

/// The ring in use: keys already parsed, nothing to do per request but compute.
#[derive(Debug)]
pub struct KeyRing {
    /// Raised to end every token of this issuer at once.
    pub(crate) epoch: u64,
    active: usize,
    keys: Vec<RingKey>,
    signing: Vec<SigningKey>,
}

/// One generation of keys, a separate one for each use.
#[derive(Debug)]
pub(crate) struct RingKey {
    pub(crate) id: u16,
    pub(crate) tag: MacKey,
    pub(crate) derive: MacKey,
    pub(crate) seal: SealKey,
}

impl KeyRing {
    /// Opens the ring of `storage`, making it first if there is none. Of several replicas that
    /// start at once, one makes it and the others open that.
    ///
    /// # Errors
    /// See [`KeyRingError`].
    pub async fn open(
        storage: &dyn Storage,
        issuer: &Issuer,
        root: &RootSecret,
        entropy: &dyn Entropy,
        now: Timestamp,
    ) -> Result<Self, KeyRingError> {
        let unseal = |record: &KeyRingRecord| {
            let stored = StoredRing::unseal(record, issuer, root)?;
            Self::parse(&stored, now).ok_or(KeyRingError::Sealed)
        };
        if let Some(found) = storage.keys().find(&KeyRingId).await? {
            return unseal(&found.record);
        }
        let first = StoredRing {
            epoch: 0,
            keys: vec![StoredKey::draw(0, 0, entropy)?],
            signing: vec![StoredKey::draw(0, 0, entropy)?],
        };
        let made = first.seal(issuer, root, entropy)?;
        match storage.keys().insert(made.clone()).await? {
            Insert::Inserted => unseal(&made),
            Insert::Exists => match storage.keys().find(&KeyRingId).await? {
                Some(found) => unseal(&found.record),
                None => Err(KeyRingError::Sealed),
            },
        }
    }

    pub(crate) fn parse(stored: &StoredRing, now: Timestamp) -> Option<Self> {
        let keys: Option<Vec<RingKey>> = stored
            .keys
            .iter()
            .map(|key| {
                let master = MacKey::new(&key.bytes()?);
                Some(RingKey {
                    id: key.id,
                    tag: MacKey::new(&master.mac("tag", &[])),
                    derive: MacKey::new(&master.mac("derive", &[])),
                    seal: SealKey::new(&master.mac("seal", &[])),
                })
            })
            .collect();
        let signing: Option<Vec<SigningKey>> = stored
            .signing
            .iter()
            .map(|key| {
                let seed = key.bytes()?;
                let name = MacKey::new(&seed).mac("kid", &[]);
                Some(SigningKey::from_seed(
                    URL_SAFE_NO_PAD.encode(&name[..12]),
                    &seed,
                ))
            })
            .collect();
        let keys = keys?;
        let active = stored
            .keys
            .iter()
            .rposition(|key| key.from <= now.as_unix())?;
        Some(Self {
            epoch: stored.epoch,
            active,
            keys,
            signing: signing?,
        })
    }

    /// The key under which new things are made.
    pub(crate) fn active(&self) -> &RingKey {
        &self.keys[self.active]
    }

    /// The key that made something earlier.
    pub(crate) fn find(&self, id: u16) -> Option<&RingKey> {
        self.keys.iter().find(|key| key.id == id)
    }

    /// The public halves of the signing keys.
    pub fn public_jwks(&self) -> Vec<PublicJwk> {
        self.signing.iter().map(SigningKey::public_jwk).collect()
    }
}
