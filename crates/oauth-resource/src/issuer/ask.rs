//! Asking an issuer for its metadata.

use std::sync::Arc;

use oauth_types::outbound::{Fetch, Fetched, Outbound, OutboundError, Validators};
use oauth_types::{Issuer, Lifetime, Timestamp};

use super::judge::judge;
use super::metadata::IssuerMetadata;
use super::report::Severity::Error;
use super::report::{Attempt, Finding, Report, quoted};

/// Bytes of a metadata document. Large providers come to some ten thousand.
const LONGEST_DOCUMENT: usize = 128 * 1024;

/// Metadata that can be used.
pub(super) struct Found {
    pub(super) metadata: Arc<IssuerMetadata>,
    pub(super) report: Arc<Report>,
    /// Where it was.
    url: String,
    validators: Option<Validators>,
    /// How long it is good by its own word, once that is confirmed.
    fresh: Option<Lifetime>,
}

/// What an issuer answered, and how long it says that this is good.
pub(super) struct Answer {
    pub(super) found: Arc<Found>,
    pub(super) fresh: Option<Lifetime>,
}

/// Asks for an issuer's metadata: first where it was before, then at each well-known address until
/// one answers with a document that is the issuer's. Whoever does not serve an address answers all
/// kinds of things there, so only an issuer that does not answer at all ends the round.
///
/// # Errors
/// The report of what was asked, when nothing usable was answered.
pub(super) async fn ask(
    outbound: &dyn Outbound,
    issuer: &Issuer,
    before: Option<Arc<Found>>,
    now: Timestamp,
) -> Result<Answer, Report> {
    let mut attempts = Vec::new();
    let mut urls = addresses(issuer);
    if let Some(found) = &before {
        urls.retain(|url| *url != found.url);
        urls.insert(0, found.url.clone());
    }
    for url in urls {
        let known = before.as_ref().filter(|found| found.url == url);
        let mut fetch = Fetch::of(&url, LONGEST_DOCUMENT);
        fetch.validators = known.and_then(|found| found.validators.as_ref());
        let fetched = match outbound.fetch(&fetch).await {
            Ok(fetched) => fetched,
            Err(error) => {
                let goes_on = matches!(error, OutboundError::TooLarge);
                attempts.push(unanswered(url, &error));
                if goes_on {
                    continue;
                }
                break;
            }
        };
        if let (304, Some(found)) = (fetched.status, known) {
            let fresh = fetched.freshness(now).or(found.fresh);
            let found = Arc::clone(found);
            return Ok(Answer { found, fresh });
        }
        if fetched.status != 200 {
            attempts.push(refused(url, &fetched));
            continue;
        }
        let answered = match &fetched.content_type {
            Some(kind) => format!("answered 200, {}", quoted(kind)),
            None => "answered 200".to_owned(),
        };
        match judge(issuer, &fetched.body) {
            Ok((metadata, findings)) => {
                attempts.push(Attempt {
                    url: url.clone(),
                    answered: format!("{answered}: in use"),
                    findings: Vec::new(),
                });
                let report = Report::new(issuer.clone(), attempts, findings, true);
                tell(&report, before.as_deref());
                let fresh = fetched.freshness(now);
                let validators = Some(fetched.validators).filter(Validators::are_of_use);
                let found = Found {
                    metadata: Arc::new(metadata),
                    report: Arc::new(report),
                    url,
                    validators,
                    fresh,
                };
                let found = Arc::new(found);
                return Ok(Answer { found, fresh });
            }
            Err(findings) => attempts.push(Attempt {
                url,
                answered,
                findings,
            }),
        }
    }
    let what = format!("none of these addresses has metadata of {issuer}");
    let advice = "Check that the issuer is spelled as the provider spells it, and that it can be reached from here; or give its metadata by hand";
    let finding = Finding::new(Error, what, advice);
    Err(Report::new(issuer.clone(), attempts, vec![finding], false))
}

/// Tells an operator once what there is to say.
fn tell(report: &Report, before: Option<&Found>) {
    if before.is_some_and(|found| found.report.findings == report.findings) {
        return;
    }
    match report.worst() {
        Some(super::Severity::Note) | None => tracing::info!("{report}"),
        Some(_) => tracing::warn!("{report}"),
    }
}

/// Where an issuer's metadata may be: inserted behind the host by RFC 8414 and by OpenID Connect,
/// appended to the issuer by either, and at the root of the host.
fn addresses(issuer: &Issuer) -> Vec<String> {
    let mut paths = issuer.metadata_paths();
    let path = issuer.path();
    if !path.is_empty() {
        paths.push(format!("{path}/.well-known/oauth-authorization-server"));
        paths.push("/.well-known/oauth-authorization-server".to_owned());
        paths.push("/.well-known/openid-configuration".to_owned());
    }
    let absolute = |path: String| format!("{}{path}", issuer.origin());
    paths.into_iter().map(absolute).collect()
}

fn unanswered(url: String, error: &OutboundError) -> Attempt {
    let cause = std::error::Error::source(error);
    let cause = cause.map(|cause| format!(" ({})", quoted(&cause.to_string())));
    let (answered, advice) = match error {
        OutboundError::Forbidden => (
            "not asked: the address is not allowed",
            "Names that lead to private addresses are refused, and so is plain http",
        ),
        OutboundError::Busy => (
            "not asked: too much is being fetched",
            "It is asked again in a moment",
        ),
        OutboundError::TooLarge => (
            "answered more than is read",
            "A metadata document has at most 128 KiB here",
        ),
        _ => (
            "no answer",
            "Check name, network and certificate; it is asked again in a moment",
        ),
    };
    let what = format!("{answered}{}", cause.unwrap_or_default());
    Attempt {
        url,
        answered: answered.to_owned(),
        findings: vec![Finding::new(Error, what, advice)],
    }
}

fn refused(url: String, fetched: &Fetched) -> Attempt {
    let mut findings = Vec::new();
    if (300..400).contains(&fetched.status) {
        let what = "the answer sends elsewhere, which is not followed";
        let advice = "Configure the issuer that the provider redirects to";
        findings.push(Finding::new(Error, what, advice));
    }
    Attempt {
        url,
        answered: format!("answered {}", fetched.status),
        findings,
    }
}
