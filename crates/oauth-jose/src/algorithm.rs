//! The signatures that are understood.

/// A signature algorithm: asymmetric, and nothing else can be said. Spec: RFC 7518 §3, RFC 8037,
/// RFC 9864.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Algorithm {
    /// ECDSA with P-256 and SHA-256.
    Es256,
    /// Ed25519, under its old name `EdDSA` or its own.
    Ed25519,
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// RSASSA-PSS with SHA-256.
    Ps256,
}

impl Algorithm {
    /// All of them.
    pub const ALL: &'static [Self] = &[Self::Es256, Self::Ed25519, Self::Rs256, Self::Ps256];

    /// The names of all of them, for discovery documents.
    pub const NAMES: &'static [&'static str] = &["ES256", "EdDSA", "Ed25519", "RS256", "PS256"];

    /// The algorithm of an `alg`. Names are compared exactly.
    pub fn named(alg: &str) -> Option<Self> {
        match alg {
            "ES256" => Some(Self::Es256),
            "EdDSA" | "Ed25519" => Some(Self::Ed25519),
            "RS256" => Some(Self::Rs256),
            "PS256" => Some(Self::Ps256),
            _ => None,
        }
    }
}
