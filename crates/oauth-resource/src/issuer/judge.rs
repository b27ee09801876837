//! What is right and wrong with a metadata document.

use oauth_types::{Issuer, json};
use serde_json::{Map, Value};
use url::Url;

use super::metadata::{InvalidEndpoint, IssuerMetadata, is_origin_of};
use super::report::Severity::{Error, Note, Warning};
use super::report::{Finding, quoted};

/// Reads a document that is to be this issuer's: its metadata, and what there is to say about it;
/// or why it is not used.
///
/// # Errors
/// What is wrong, at least one thing of it an error.
pub(super) fn judge(
    issuer: &Issuer,
    document: &[u8],
) -> Result<(IssuerMetadata, Vec<Finding>), Vec<Finding>> {
    let members = json::object(document).map_err(|error| {
        let what = format!("the answer is not one JSON object without repeated members ({error})");
        let advice = "If this is the right address, the provider has to mend its document";
        vec![Finding::new(Error, what, advice)]
    })?;
    is_about(issuer, &members).map_err(|finding| vec![finding])?;
    let mut findings = Vec::new();
    let mut metadata = IssuerMetadata::of(issuer.clone());
    for (member, with) in [
        (
            "jwks_uri",
            IssuerMetadata::with_jwks_uri as fn(IssuerMetadata, &str) -> _,
        ),
        (
            "introspection_endpoint",
            IssuerMetadata::with_introspection_endpoint,
        ),
    ] {
        let Some(address) = address(&members, member, &mut findings) else {
            continue;
        };
        match with(metadata.clone(), address) {
            Ok(with_it) => {
                metadata = with_it;
                findings.extend(elsewhere(issuer, member, address));
            }
            Err(why) => findings.push(unusable(member, address, why)),
        }
    }
    findings.extend(offers(&metadata));
    for_clients(issuer, &members, &mut findings);
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    Ok((metadata, findings))
}

/// What metadata does not offer.
pub(super) fn offers(metadata: &IssuerMetadata) -> Vec<Finding> {
    let mut findings = Vec::new();
    if metadata.jwks_uri().is_none() {
        findings.push(Finding::new(
            Warning,
            "no usable jwks_uri, so signed tokens of this issuer cannot be verified",
            "Introspect its tokens, or give its keys by hand",
        ));
    }
    if metadata.introspection_endpoint().is_none() {
        findings.push(Finding::new(
            Note,
            "no usable introspection_endpoint, so opaque tokens of this issuer cannot be verified",
            "Verify signed tokens, or give the endpoint by hand",
        ));
    }
    findings
}

/// Whether the document says that it is this issuer's, to the letter. Spec: RFC 8414 §3.3.
fn is_about(issuer: &Issuer, members: &Map<String, Value>) -> Result<(), Finding> {
    let said = match members.get("issuer") {
        Some(Value::String(said)) => said,
        _ => {
            let advice = "Ask the provider for the address of its metadata";
            return Err(Finding::new(Error, "there is no issuer in it", advice));
        }
    };
    if said == issuer.as_str() {
        return Ok(());
    }
    let what = format!("the document is about the issuer {}", quoted(said));
    let slash = said.trim_end_matches('/') == issuer.as_str().trim_end_matches('/');
    let advice = if slash {
        "Only the final slash differs: configure the issuer exactly as it calls itself, since its tokens say the same"
    } else {
        "Configure the issuer exactly as it calls itself if this is the one you mean"
    };
    Err(Finding::new(Error, what, advice))
}

/// A member that is an address, if it is a text at all.
fn address<'a>(
    members: &'a Map<String, Value>,
    member: &str,
    findings: &mut Vec<Finding>,
) -> Option<&'a str> {
    match members.get(member)? {
        Value::String(address) => Some(address),
        _ => {
            let what = format!("{member} is not a text");
            let advice = "It is not used; the provider has to mend its document";
            findings.push(Finding::new(Error, what, advice));
            None
        }
    }
}

fn unusable(member: &str, address: &str, why: InvalidEndpoint) -> Finding {
    let what = format!("{member} is {}: {why}", quoted(address));
    let advice = match why {
        InvalidEndpoint::NotHttps => {
            "It is not used, since anybody on the way could answer: have the provider publish its https address"
        }
        InvalidEndpoint::NotAnAddress => "It is not used; the provider has to mend its document",
    };
    Finding::new(Error, what, advice)
}

/// Endpoints may be elsewhere, and often are; but it is well to know where our questions go, and
/// with them our credentials.
fn elsewhere(issuer: &Issuer, member: &str, address: &str) -> Option<Finding> {
    let url = Url::parse(address)
        .ok()
        .filter(|url| !is_origin_of(issuer, url))?;
    let severity = match member {
        "introspection_endpoint" => Warning,
        _ => Note,
    };
    let origin = url.origin().ascii_serialization();
    let what = format!(
        "{member} is on another origin than the issuer, {}",
        quoted(&origin)
    );
    Some(Finding::new(
        severity,
        what,
        "Make sure that this is the provider's, too",
    ))
}

/// What MCP clients need of the document to sign in, though a resource server does not.
fn for_clients(issuer: &Issuer, members: &Map<String, Value>, findings: &mut Vec<Finding>) {
    for member in ["authorization_endpoint", "token_endpoint"] {
        let Some(address) = address(members, member, findings) else {
            if !members.contains_key(member) {
                let what = format!("there is no {member}");
                let advice = "MCP clients cannot sign in at this issuer by its metadata";
                findings.push(Finding::new(Warning, what, advice));
            }
            continue;
        };
        if !address.starts_with("https://") && !issuer.is_loopback_http() {
            let what = format!("{member} is {}, which is not https", quoted(address));
            let advice = "MCP clients refuse it: have the provider publish its https address";
            findings.push(Finding::new(Warning, what, advice));
        }
    }
    let lists = |member: &str, word: &str| {
        let listed = members.get(member)?.as_array()?;
        Some(listed.iter().any(|held| held.as_str() == Some(word)))
    };
    match lists("code_challenge_methods_supported", "S256") {
        Some(true) => {}
        None => findings.push(Finding::new(
            Warning,
            "there is no list code_challenge_methods_supported",
            "MCP clients refuse to sign in where PKCE is not announced: have the provider publish it, or publish a document of your own",
        )),
        Some(false) => findings.push(Finding::new(
            Warning,
            "code_challenge_methods_supported does not have S256",
            "MCP clients refuse to sign in: switch S256 on at the provider",
        )),
    }
    if lists("response_types_supported", "code") != Some(true) {
        findings.push(Finding::new(
            Warning,
            "response_types_supported does not have code",
            "MCP clients sign in by authorization code: switch it on at the provider",
        ));
    }
    let documents = members.get("client_id_metadata_document_supported");
    let documents = documents == Some(&Value::Bool(true));
    if !documents && !members.contains_key("registration_endpoint") {
        findings.push(Finding::new(
            Note,
            "neither metadata documents of clients nor registration are supported",
            "Each MCP client has to be entered at the provider by hand",
        ));
    }
}
