//! What an answer means.

use bytes::Bytes;
use http::{Method, Request, Response, header};
use oauth_types::{Issuer, Reach};
use url::Url;

use super::places::{Place, same_origin};
use crate::config::Leniency;
use crate::hop::{Got, Hop, HopError};
use crate::message;
use crate::metadata::{ResourceMetadata, ServerMetadata, is_elsewhere, text};
use crate::transport::Reached;

/// What an answer means for the search.
#[derive(Debug)]
#[non_exhaustive]
pub enum Look<T> {
    /// This is it.
    Found(T),
    /// Nothing is here, by this status: look at the next place.
    Absent(u16),
    /// The same document is there, in the same origin.
    Moved(String),
}

/// Asks for a document.
///
/// # Errors
/// [`HopError`] for an address that is none.
pub fn ask(hop: Hop, url: &str) -> Result<Request<Bytes>, HopError> {
    let mut request = message::request(Method::GET, hop, url, Bytes::new())?;
    // Some servers answer by the revision that is asked for.
    let version = header::HeaderValue::from_static(crate::MCP_PROTOCOL_VERSION);
    request
        .headers_mut()
        .insert("mcp-protocol-version", version);
    Ok(request)
}

/// Reads what is at one of a protected server's [`Place`]s.
///
/// # Errors
/// [`HopError`] for what ends the search: another resource than this place is for (CL-DISC-3), a
/// hard failure (CL-DISC-5).
pub fn read_resource(
    place: &Place,
    leniency: Leniency,
    response: &Response<Bytes>,
) -> Result<Look<ResourceMetadata>, HopError> {
    let hop = Hop::ResourceMetadata;
    let document = match document(hop, &place.url, response)? {
        Look::Found(document) => document,
        Look::Absent(status) => return Ok(Look::Absent(status)),
        Look::Moved(to) => return Ok(Look::Moved(to)),
    };
    let Some(metadata) = ResourceMetadata::read(&document) else {
        return Ok(Look::Absent(response.status().as_u16()));
    };
    let named = metadata.resource.as_str();
    let fits = place.resources.iter().any(|resource| {
        resource.is_named_by(named) || (leniency.parent_resource && resource.is_below(named))
    });
    if !fits {
        let got = format!("`resource` {}", crate::hop::Address::of(named));
        let expected = "metadata of the server that was asked for";
        return Err(HopError::new(hop, &place.url, expected, Got::Unusable(got)));
    }
    Ok(Look::Found(metadata))
}

/// Reads what is at one of an authorization server's places. `named` is what it was called where it
/// was found, and `within` the bound that holds for it; its endpoints may lie no further inside
/// than it does itself.
///
/// # Errors
/// [`HopError`] for another issuer (CL-DISC-6) and for hard failures (CL-DISC-5).
pub fn read_server(
    (named, url): (&Issuer, &str),
    within: Reach,
    leniency: Leniency,
    response: &Response<Bytes>,
) -> Result<Look<ServerMetadata>, HopError> {
    let hop = Hop::ServerMetadata;
    let document = match document(hop, url, response)? {
        Look::Found(document) => document,
        Look::Absent(status) => return Ok(Look::Absent(status)),
        Look::Moved(to) => return Ok(Look::Moved(to)),
    };
    let says = text(&document, "issuer");
    let issuer = says.as_deref().and_then(|says| Issuer::parse(says).ok());
    let bare = |issuer: &Issuer| issuer.path().is_empty();
    let issuer = issuer.filter(|issuer| {
        issuer == named
            || (leniency.issuer_slash
                && bare(issuer)
                && bare(named)
                && issuer.origin() == named.origin())
    });
    let Some(issuer) = issuer else {
        let got = match &says {
            Some(says) => format!("`issuer` {}", crate::hop::Address::of(says)),
            None => "no `issuer`".to_owned(),
        };
        let expected = "metadata whose issuer is, letter for letter, the one that the server names";
        return Err(HopError::new(hop, url, expected, Got::Unusable(got)));
    };
    let within = within.min(Reached::by(response));
    Ok(Look::Found(ServerMetadata::read(issuer, within, &document)))
}

fn document(
    hop: Hop,
    url: &str,
    response: &Response<Bytes>,
) -> Result<Look<serde_json::Map<String, serde_json::Value>>, HopError> {
    let status = response.status();
    let fail = |got| Err(HopError::new(hop, url, "a document or a 404", got));
    if status.is_redirection() {
        // Feature 110: within the origin only, so that nobody else answers for it.
        let location = response.headers().get(header::LOCATION);
        let to = location.and_then(|to| Url::parse(url).ok()?.join(to.to_str().ok()?).ok());
        return match to {
            Some(to) if same_origin(to.as_str(), url) => Ok(Look::Moved(to.into())),
            _ => fail(Got::Redirect),
        };
    }
    if is_elsewhere(response) {
        return Ok(Look::Absent(status.as_u16()));
    }
    if !status.is_success() {
        return fail(Got::Status(status.as_u16()));
    }
    // A page of an application that answers everything with 200 is nothing.
    Ok(message::object(response.body()).map_or(Look::Absent(status.as_u16()), Look::Found))
}
