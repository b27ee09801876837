//! Sign-in elsewhere: what the server says about it. Spec: RFC 8628.

use bytes::Bytes;
use http::Response;
use oauth_types::{Lifetime, Reach, SecretText};
use serde_json::Value;

use crate::agent::DevicePrompt;
use crate::hop::{Got, HopError};
use crate::message;
use crate::metadata::usable;
use crate::token::{Prepared, Tokens};

pub(crate) const EXPECTED: &str = "a device code";

/// Seconds between questions where the server does not say (RFC 8628 §3.2).
const INTERVAL: u64 = 5;
/// Neither less often nor more often than this, in seconds.
const INTERVALS: std::ops::RangeInclusive<u64> = 1..=60;
/// The longest time that a code is waited for, in seconds.
const LONGEST: u64 = 30 * 60;

/// A sign-in elsewhere that has begun.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct DeviceAuthorization {
    /// What to show.
    pub prompt: DevicePrompt,
    /// What to ask for tokens with.
    pub device_code: SecretText,
    /// How long to wait between questions.
    pub interval: Lifetime,
}

/// Reads the answer of the device authorization endpoint. Spec: RFC 8628 §3.2.
///
/// # Errors
/// [`HopError`] for a refusal, for what is no such answer, and for an address that a person may not
/// be sent to (CL-AUTHZ-12).
pub fn read(
    prepared: &Prepared,
    response: &Response<Bytes>,
) -> Result<DeviceAuthorization, HopError> {
    let secrets = &prepared.secrets;
    let answer = message::answer(prepared.hop, &prepared.url, EXPECTED, response, secrets)?;
    let text = |name: &str| crate::metadata::text(&answer, name);
    let number = |name: &str| answer.get(name).and_then(Value::as_u64);
    let printable =
        |text: &String| text.len() <= 64 && text.bytes().all(|b| matches!(b, b' '..=b'~'));
    let (Some(device_code), Some(user_code), Some(uri)) = (
        text("device_code"),
        text("user_code").filter(printable),
        // Some servers follow an old draft.
        text("verification_uri").or_else(|| text("verification_url")),
    ) else {
        let got = Got::Unusable("an answer without codes and an address".to_owned());
        return Err(prepared.fail(EXPECTED, got));
    };
    usable(prepared.hop, &uri, Reach::Local)?;
    let complete = text("verification_uri_complete");
    let complete = complete.filter(|uri| usable(prepared.hop, uri, Reach::Local).is_ok());
    let interval = number("interval").unwrap_or(INTERVAL);
    let expires_in = number("expires_in").unwrap_or(LONGEST).min(LONGEST);
    Ok(DeviceAuthorization {
        prompt: DevicePrompt {
            user_code,
            verification_uri: uri,
            verification_uri_complete: complete,
            expires_in: Lifetime::seconds(expires_in),
        },
        device_code: SecretText::new(device_code),
        interval: Lifetime::seconds(interval.clamp(*INTERVALS.start(), *INTERVALS.end())),
    })
}

/// What the token endpoint says meanwhile.
pub(crate) enum Poll {
    Done(Box<Tokens>),
    Again { slower: bool },
    Expired,
    Failed(HopError),
}

/// Spec: RFC 8628 §3.5.
pub(crate) fn poll(asked: Result<Tokens, HopError>) -> Poll {
    let error = match asked {
        Ok(tokens) => return Poll::Done(Box::new(tokens)),
        Err(error) => error,
    };
    match error.refusal().map(|refusal| refusal.code.as_str()) {
        Some("authorization_pending") => Poll::Again { slower: false },
        Some("slow_down") => Poll::Again { slower: true },
        Some("expired_token") => Poll::Expired,
        // Nobody answered: the next question may be heard.
        _ if error.is_temporary() => Poll::Again { slower: true },
        _ => Poll::Failed(error),
    }
}

/// Five seconds more, where that is asked for.
pub(crate) fn slow_down(interval: Lifetime, slower: bool) -> Lifetime {
    let more = if slower { 5 } else { 0 };
    Lifetime::seconds((interval.as_seconds() + more).min(*INTERVALS.end()))
}
