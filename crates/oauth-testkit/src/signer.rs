//! Keys of others: what a client, or somebody who would like to be one, signs.

use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256,
    RSA_PSS_SHA256, RsaKeyPair,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};

/// A key pair of its own, drawn at random: signatures differ from run to run.
pub struct Signer {
    /// The `alg` of what it signs.
    pub alg: &'static str,
    /// Its name.
    pub kid: String,
    pair: Pair,
}

enum Pair {
    P256(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
    Rsa(RsaKeyPair),
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Signer")
            .field("alg", &self.alg)
            .field("kid", &self.kid)
            .finish_non_exhaustive()
    }
}

impl Signer {
    /// A new key for `ES256`, `EdDSA`, `Ed25519`, `RS256` or `PS256`.
    ///
    /// # Panics
    /// For another algorithm, or when there is no randomness.
    pub fn new(alg: &'static str, kid: &str) -> Self {
        let pair = match alg {
            "ES256" => EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map(Pair::P256),
            "EdDSA" | "Ed25519" => Ed25519KeyPair::generate().map(Pair::Ed25519),
            "RS256" | "PS256" => RsaKeyPair::generate(KeySize::Rsa2048).map(Pair::Rsa),
            _ => panic!("no such algorithm: {alg}"),
        };
        Self {
            alg,
            kid: kid.to_owned(),
            pair: pair.expect("randomness"),
        }
    }

    /// Its public half as a JWK.
    ///
    /// # Panics
    /// Never: its keys have the form that they were made with.
    pub fn jwk(&self) -> Value {
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        match &self.pair {
            Pair::P256(pair) => {
                // The uncompressed point: 4, x, y.
                let point = pair.public_key().as_ref();
                json!({
                    "kty": "EC", "crv": "P-256", "kid": self.kid,
                    "x": encode(&point[1..33]), "y": encode(&point[33..65]),
                })
            }
            Pair::Ed25519(pair) => json!({
                "kty": "OKP", "crv": "Ed25519", "kid": self.kid,
                "x": encode(pair.public_key().as_ref()),
            }),
            Pair::Rsa(pair) => {
                // RSAPublicKey in DER, always of this length at 2048 bits (RFC 8017 §A.1.1).
                let key = pair.public_key().as_ref();
                assert_eq!(key.len(), 270, "a key of 2048 bits");
                json!({
                    "kty": "RSA", "kid": self.kid,
                    "n": encode(&key[9..265]), "e": encode(&key[267..]),
                })
            }
        }
    }

    /// A JWKS with this key alone.
    pub fn jwks(&self) -> Value {
        json!({ "keys": [self.jwk()] })
    }

    /// Signs claims under a header of `alg` and `kid`.
    pub fn sign(&self, claims: &Value) -> String {
        self.sign_text(
            &json!({ "alg": self.alg, "kid": self.kid }).to_string(),
            &claims.to_string(),
        )
    }

    /// Signs any two texts as header and payload, whatever they say.
    ///
    /// # Panics
    /// When there is no randomness.
    pub fn sign_text(&self, header: &str, payload: &str) -> String {
        let message = message(header, payload);
        let (bytes, random) = (message.as_bytes(), SystemRandom::new());
        let signature = match &self.pair {
            Pair::P256(pair) => {
                let signature = pair.sign(&random, bytes).expect("randomness");
                signature.as_ref().to_vec()
            }
            Pair::Ed25519(pair) => pair.sign(bytes).as_ref().to_vec(),
            Pair::Rsa(pair) => {
                let padding: &dyn aws_lc_rs::signature::RsaEncoding = if self.alg == "PS256" {
                    &RSA_PSS_SHA256
                } else {
                    &RSA_PKCS1_SHA256
                };
                let mut signature = vec![0; pair.public_modulus_len()];
                let signed = pair.sign(padding, &random, bytes, &mut signature);
                signed.expect("randomness");
                signature
            }
        };
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

/// "Signs" with a shared secret, as who confuses keys would.
pub fn sign_with_secret(secret: &[u8], header: &str, payload: &str) -> String {
    let message = message(header, payload);
    let tag = hmac::sign(
        &hmac::Key::new(hmac::HMAC_SHA256, secret),
        message.as_bytes(),
    );
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(tag))
}

/// Header and payload without a signature, and without the second dot.
pub fn message(header: &str, payload: &str) -> String {
    let (header, payload) = (
        URL_SAFE_NO_PAD.encode(header),
        URL_SAFE_NO_PAD.encode(payload),
    );
    format!("{header}.{payload}")
}

/// The claims of a sound client assertion, good for a minute from `now`.
pub fn assertion(client_id: &str, audience: &str, jti: &str, now: u64) -> Map<String, Value> {
    let claims = json!({
        "iss": client_id, "sub": client_id, "aud": audience, "jti": jti,
        "iat": now, "exp": now + 60,
    });
    match claims {
        Value::Object(claims) => claims,
        _ => unreachable!("an object"),
    }
}
