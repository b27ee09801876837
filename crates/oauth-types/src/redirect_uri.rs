//! Redirect URIs: exact comparison, with the one exception that native apps need.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use url::{Host, Url};

use crate::{plain, text};

/// A redirect URI in the exact text it was registered or requested with.
///
/// Absolute, without fragment or user information; https, http with a loopback host, or a
/// private-use scheme.
///
/// Spec: OAuth 2.1 §2.3.1, RFC 8252 §7.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct RedirectUri {
    text: Arc<str>,
    kind: RedirectKind,
    /// Where the port stands in `text`, colon included; empty when there is none.
    port: (u32, u32),
}

/// What a redirect URI says about where a code would go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RedirectKind {
    /// An https address: whoever controls the host receives the code.
    Https,
    /// `http` on `127.0.0.1`, `[::1]` or `localhost`: some program on the person's own machine.
    Loopback,
    /// A private-use scheme: whichever installed program claims it.
    PrivateUse,
}

/// The text cannot be a redirect URI here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidRedirectUri {
    /// Not an absolute URI.
    #[error("a redirect URI is absolute")]
    NotAbsolute,
    /// It has a fragment or user information.
    #[error("a redirect URI has no fragment and no user information")]
    ExtraParts,
    /// Plain http to a host that is not loopback.
    #[error("a redirect URI uses https, or http with a loopback host")]
    Cleartext,
    /// A scheme that can run script or read files, or that nobody vouches for.
    #[error("the scheme of the redirect URI is not accepted")]
    Scheme,
    /// Control characters, spaces or characters outside ASCII.
    #[error("a redirect URI is printable ASCII")]
    Characters,
}

/// Schemes without a dot that widely used editors and assistants register. Others must look like
/// a reversed domain name (RFC 8252 §7.1).
pub const WELL_KNOWN_SCHEMES: &[&str] = &[
    "cursor",
    "vscode",
    "vscode-insiders",
    "vscodium",
    "code-oss",
    "windsurf",
    "trae",
    "kiro",
    "zed",
    "claude",
    "jetbrains",
];

/// What a program on a person's own computer may be called.
const LOOPBACK: [&str; 3] = ["127.0.0.1", "localhost", "[::1]"];

/// Schemes that run script, read files, open other programs or mean something of their own. No
/// policy can allow them.
const NEVER: &[&str] = &[
    "about",
    "blob",
    "chrome",
    "chrome-extension",
    "content",
    "data",
    "file",
    "filesystem",
    "ftp",
    "http",
    "https",
    "intent",
    "javascript",
    "mailto",
    "ms-appx",
    "ms-appx-web",
    "resource",
    "sms",
    "ssh",
    "tel",
    "vbscript",
    "view-source",
    "ws",
    "wss",
];

impl RedirectUri {
    /// Checks and keeps `text`. Of the private-use schemes, those with a dot are accepted, and
    /// [`WELL_KNOWN_SCHEMES`].
    ///
    /// # Errors
    /// See [`InvalidRedirectUri`].
    pub fn parse(text: &str) -> Result<Self, InvalidRedirectUri> {
        Self::parse_if(text, |scheme| {
            scheme.contains('.') || WELL_KNOWN_SCHEMES.contains(&scheme)
        })
    }

    /// As [`Self::parse`], with the private-use schemes that `admits` says yes to; it is given
    /// them in lower case. Schemes that endanger people are never asked about.
    ///
    /// # Errors
    /// See [`InvalidRedirectUri`].
    pub fn parse_if(
        text: &str,
        admits: impl FnOnce(&str) -> bool,
    ) -> Result<Self, InvalidRedirectUri> {
        match Self::at_a_glance(text) {
            Some(usual) => Ok(usual),
            None => Self::parse_any(text, admits),
        }
    }

    /// What [`Self::parse_any`] would say of the usual forms: a plain https address, or a program
    /// on this computer.
    fn at_a_glance(text: &str) -> Option<Self> {
        let usual = |kind, port| Self {
            text: Arc::from(text),
            kind,
            port,
        };
        if let Some(rest) = text.strip_prefix("https://") {
            let (host, path) = plain::split(rest);
            return (plain::is_host(host) && plain::is_path(path))
                .then(|| usual(RedirectKind::Https, (0, 0)));
        }
        let (authority, path) = plain::split(text.strip_prefix("http://")?);
        let (host, port) = LOOPBACK
            .iter()
            .find_map(|host| Some((host, authority.strip_prefix(host)?)))?;
        let is_port = |digits: &str| {
            digits.bytes().all(|digit| digit.is_ascii_digit()) && digits.parse::<u16>().is_ok()
        };
        let begins = "http://".len() + host.len();
        (plain::is_path(path) && (port.is_empty() || port.strip_prefix(':').is_some_and(is_port)))
            .then(|| {
                let port = (begins as u32, (begins + port.len()) as u32);
                usual(RedirectKind::Loopback, port)
            })
    }

    fn parse_any(
        text: &str,
        admits: impl FnOnce(&str) -> bool,
    ) -> Result<Self, InvalidRedirectUri> {
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) || text.contains(['\\', '"', '<', '>'])
        {
            return Err(InvalidRedirectUri::Characters);
        }
        let url = Url::parse(text).map_err(|_| InvalidRedirectUri::NotAbsolute)?;
        if text.contains('#') || !url.username().is_empty() || url.password().is_some() {
            return Err(InvalidRedirectUri::ExtraParts);
        }
        // `@` before the path would be user information to some other parser.
        let authority = authority(text).unwrap_or((0, 0));
        if text[authority.0..authority.1].contains('@') {
            return Err(InvalidRedirectUri::ExtraParts);
        }
        let scheme = url.scheme();
        let kind = match scheme {
            // `https:c` and `https:///c` have a host for some parsers and none for others.
            "https" if text.starts_with("https://") && authority.1 > authority.0 => {
                RedirectKind::Https
            }
            "https" => return Err(InvalidRedirectUri::NotAbsolute),
            "http" => match url.host() {
                Some(Host::Domain("localhost")) => RedirectKind::Loopback,
                Some(Host::Ipv4(ip)) if ip.octets() == [127, 0, 0, 1] => RedirectKind::Loopback,
                Some(Host::Ipv6(ip)) if ip.is_loopback() => RedirectKind::Loopback,
                _ => return Err(InvalidRedirectUri::Cleartext),
            },
            _ if !NEVER.contains(&scheme) && admits(scheme) => RedirectKind::PrivateUse,
            _ => return Err(InvalidRedirectUri::Scheme),
        };
        let port = match kind {
            RedirectKind::Loopback => port_span(text, authority),
            _ => (0, 0),
        };
        // Someone else's parser must see the host that ours saw.
        if kind == RedirectKind::Loopback {
            let host = &text[authority.0..if port.1 > port.0 {
                port.0 as usize
            } else {
                authority.1
            }];
            if !text.starts_with("http://") || !LOOPBACK.contains(&host) {
                return Err(InvalidRedirectUri::Cleartext);
            }
        }
        Ok(Self {
            text: Arc::from(text),
            kind,
            port,
        })
    }

    /// The text exactly as given.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Where a code sent here would end up.
    pub fn kind(&self) -> RedirectKind {
        self.kind
    }

    /// Host and port for a person to read; the scheme where there is no host.
    pub fn display_host(&self) -> &str {
        match authority(&self.text) {
            Some((start, end)) if end > start && self.kind != RedirectKind::PrivateUse => {
                &self.text[start..end]
            }
            _ => self
                .text
                .split_once(':')
                .map_or(&*self.text, |(scheme, _)| scheme),
        }
    }

    /// Whether a request naming `requested` may be answered there: byte for byte the same, except
    /// that the port of a loopback address is free. `localhost` and the addresses do not stand
    /// for one another.
    ///
    /// Spec: OAuth 2.1 §4.1.1 and §8.4.2, RFC 8252 §7.3.
    pub fn admits(&self, requested: &str) -> bool {
        if *self.text == *requested {
            return true;
        }
        self.kind == RedirectKind::Loopback
            && Self::parse(requested).is_ok_and(|requested| {
                requested.kind == RedirectKind::Loopback
                    && requested.without_port() == self.without_port()
            })
    }

    /// What comes before and after the port of a loopback address: equal for two registrations
    /// that mean the same program.
    pub fn without_port(&self) -> (&str, &str) {
        if self.port.1 > self.port.0 {
            (
                &self.text[..self.port.0 as usize],
                &self.text[self.port.1 as usize..],
            )
        } else {
            let end = authority(&self.text).map_or(self.text.len(), |(_, end)| end);
            (&self.text[..end], &self.text[end..])
        }
    }

    /// The URI with response parameters appended; a query it already has is kept.
    ///
    /// Spec: OAuth 2.1 §4.1.2.
    pub fn with_parameters<'a>(
        &self,
        parameters: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> String {
        let mut out = String::with_capacity(self.text.len() + 256);
        out.push_str(&self.text);
        out.push(match self.text.split_once('?') {
            None => '?',
            Some((_, "")) => '\0',
            Some((_, query)) if query.ends_with('&') => '\0',
            Some(_) => '&',
        });
        if out.ends_with('\0') {
            out.pop();
        }
        let start = out.len();
        url::form_urlencoded::Serializer::for_suffix(&mut out, start).extend_pairs(parameters);
        out
    }
}

/// Start and end of the authority component, when there is one.
fn authority(text: &str) -> Option<(usize, usize)> {
    let start = text.find("://")? + 3;
    let end = text[start..]
        .find(['/', '?', '#'])
        .map_or(text.len(), |at| at + start);
    Some((start, end))
}

fn port_span(text: &str, (start, end): (usize, usize)) -> (u32, u32) {
    let host_end = match text[start..end].find(']') {
        Some(at) => start + at + 1,
        None => text[start..end].find(':').map_or(end, |at| start + at),
    };
    (host_end as u32, end as u32)
}

impl fmt::Display for RedirectUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for RedirectUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RedirectUri({:?})", &*self.text)
    }
}

impl<'de> Deserialize<'de> for RedirectUri {
    /// Reads what was accepted earlier, under a policy that may have changed since.
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text::read(deserializer, |text| Self::parse_if(text, |_| true))
    }
}

impl Serialize for RedirectUri {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

#[cfg(test)]
mod tests;
