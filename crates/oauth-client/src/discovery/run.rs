//! The search, over the ports.

use std::sync::Arc;

use oauth_types::{Issuer, Reach};

use super::Discovered;
use super::places::{Place, resource_places, same_origin, server_places};
use super::read::{Look, ask, read_resource, read_server};
use super::report::{Attempt, DiscoveryError, DiscoveryFailure, Report, Tried};
use crate::challenge::BearerChallenge;
use crate::config::{ClientConfig, Ports};
use crate::hop::{Address, Got, Hop, HopError};
use crate::metadata::{ResourceMetadata, ServerMetadata, usable};
use crate::observer::Step;
use crate::transport::{Bounds, Reached};

/// Redirects that are followed for one document.
const MOST_MOVES: usize = 3;

/// Finds out which authorization server a protected server has, beginning with what its challenge
/// says. Of several, `preferred` is tried first, then the others in their own order; the first that
/// can be used is taken.
///
/// # Errors
/// [`DiscoveryError`], with all that was tried.
pub async fn discover(
    config: &ClientConfig,
    ports: &Ports,
    challenge: &BearerChallenge,
    preferred: Option<&Issuer>,
) -> Result<Discovered, DiscoveryError> {
    let mut search = Search {
        config,
        ports,
        report: Report::default(),
    };
    match search.run(challenge, preferred).await {
        Ok((resource_metadata, server)) => Ok(Discovered {
            resource: resource_metadata
                .as_ref()
                .map_or(&config.server, |metadata| &metadata.resource)
                .clone(),
            resource_metadata,
            server,
            report: search.report,
        }),
        Err(reason) => Err(DiscoveryError {
            reason,
            report: search.report,
        }),
    }
}

/// Reads the metadata of an authorization server whose name is known, which may lie `within`.
///
/// # Errors
/// [`DiscoveryError`], with all that was tried.
pub async fn discover_server(
    config: &ClientConfig,
    ports: &Ports,
    issuer: &Issuer,
    within: Reach,
) -> Result<ServerMetadata, DiscoveryError> {
    let mut search = Search {
        config,
        ports,
        report: Report::default(),
    };
    match search.server(issuer, within).await {
        Some(server) => Ok(server),
        None => Err(DiscoveryError {
            reason: DiscoveryFailure::NoServerUsable,
            report: search.report,
        }),
    }
}

struct Search<'a> {
    config: &'a ClientConfig,
    ports: &'a Ports,
    report: Report,
}

impl Search<'_> {
    async fn run(
        &mut self,
        challenge: &BearerChallenge,
        preferred: Option<&Issuer>,
    ) -> Result<(Option<ResourceMetadata>, ServerMetadata), DiscoveryFailure> {
        let address = || Address::of(self.config.server.as_str());
        let Some((metadata, within)) = self.resource(challenge).await? else {
            if !self.config.leniency.legacy_2025_03_26 {
                return Err(DiscoveryFailure::NoResourceMetadata(address()));
            }
            return Ok((None, self.legacy().await?));
        };
        let mut named: Vec<&String> = metadata.authorization_servers.iter().collect();
        if named.is_empty() {
            return Err(DiscoveryFailure::NoServerNamed(address()));
        }
        let own = self.config.preregistered.iter();
        let own: Vec<&Issuer> = own.filter_map(|client| client.issuer.as_ref()).collect();
        // Stable: the server's order stands among equals.
        named.sort_by_key(|name| {
            let is = |issuer: &&Issuer| issuer.as_str() == name.as_str();
            (!preferred.iter().any(is), !own.iter().any(is))
        });
        for name in named {
            let Ok(issuer) = Issuer::parse(name) else {
                let expected = "an issuer: an https address without query, in its normal form";
                let got = Got::Unusable("something else".to_owned());
                let error = HopError::new(Hop::ServerMetadata, name, expected, got);
                self.note(Hop::ServerMetadata, name, Tried::Failed(Arc::new(error)));
                continue;
            };
            let within = match same_origin(issuer.as_str(), self.config.server.as_str()) {
                true => Reach::Local,
                false => within,
            };
            if let Some(server) = self.server(&issuer, within).await {
                return Ok((Some(metadata), server));
            }
            // The one of before is out of order: that is no reason to give up what it has issued.
            if preferred == Some(&issuer) && self.report.0.last().is_some_and(Attempt::may_pass) {
                break;
            }
        }
        Err(DiscoveryFailure::NoServerUsable)
    }

    /// A protected server's metadata, and how far inside the one who gave them was.
    async fn resource(
        &mut self,
        challenge: &BearerChallenge,
    ) -> Result<Option<(ResourceMetadata, Reach)>, DiscoveryFailure> {
        let hop = Hop::ResourceMetadata;
        for mut place in resource_places(&self.config.server, challenge) {
            place.within = place.within.min(self.config.within);
            let found = self
                .look(hop, &place.url, place.within, |url, response| {
                    let place = Place {
                        url: url.to_owned(),
                        ..place.clone()
                    };
                    read_resource(&place, self.config.leniency, response)
                })
                .await;
            match found {
                Ok((Look::Found(metadata), reach)) => {
                    self.note(hop, &place.url, Tried::Found);
                    return Ok(Some((metadata, reach)));
                }
                Ok((Look::Absent(status), _)) => self.note(hop, &place.url, Tried::Absent(status)),
                Ok((Look::Moved(_), _)) => {}
                Err(error) => {
                    let error = Arc::new(error);
                    self.note(hop, &place.url, Tried::Failed(Arc::clone(&error)));
                    return Err(DiscoveryFailure::Stopped(error));
                }
            }
        }
        Ok(None)
    }

    async fn server(&mut self, issuer: &Issuer, within: Reach) -> Option<ServerMetadata> {
        let hop = Hop::ServerMetadata;
        let within = within.min(self.config.within);
        for url in server_places(issuer) {
            let found = self
                .look(hop, &url, within, |url, response| {
                    read_server((issuer, url), within, self.config.leniency, response)
                })
                .await;
            match found {
                Ok((Look::Found(server), _)) => {
                    self.note(hop, &url, Tried::Found);
                    return Some(server);
                }
                Ok((Look::Absent(status), _)) => self.note(hop, &url, Tried::Absent(status)),
                Ok((Look::Moved(_), _)) => {}
                Err(error) => {
                    // Another document at the next place may be the right one; a server that is
                    // out of order is not asked again.
                    let wrong = matches!(error.got, Got::Unusable(_) | Got::Redirect);
                    self.note(hop, &url, Tried::Failed(Arc::new(error)));
                    if !wrong {
                        return None;
                    }
                }
            }
        }
        None
    }

    /// CL-DISC-9: the server's own origin, with or without metadata.
    async fn legacy(&mut self) -> Result<ServerMetadata, DiscoveryFailure> {
        let origin = self.config.server.origin();
        // proved: an https or loopback origin has the form of an issuer.
        let Ok(issuer) = Issuer::parse(origin) else {
            return Err(DiscoveryFailure::NoServerUsable);
        };
        if let Some(server) = self.server(&issuer, Reach::Local).await {
            return Ok(server);
        }
        let absent = |attempt: &Attempt| matches!(attempt.tried, Tried::Absent(_));
        match self.report.0.iter().all(absent) {
            true => Ok(ServerMetadata::assumed(issuer, self.config.within)),
            false => Err(DiscoveryFailure::NoServerUsable),
        }
    }

    /// Asks one place, and where it says that its document has moved.
    async fn look<T>(
        &self,
        hop: Hop,
        url: &str,
        within: Reach,
        read: impl Fn(&str, &http::Response<bytes::Bytes>) -> Result<Look<T>, HopError>,
    ) -> Result<(Look<T>, Reach), HopError> {
        let mut url = url.to_owned();
        for _ in 0..=MOST_MOVES {
            usable(hop, &url, within)?;
            let response = self
                .ports
                .http
                .send(ask(hop, &url)?, Bounds::within(within));
            let response = response
                .await
                .map_err(|error| HopError::new(hop, &url, "a document", Got::Nothing(error)))?;
            let reach = Reached::by(&response).min(within);
            match read(&url, &response)? {
                Look::Moved(to) => url = to,
                look => return Ok((look, reach)),
            }
        }
        Err(HopError::new(hop, &url, "a document", Got::Redirect))
    }

    fn note(&mut self, hop: Hop, url: &str, tried: Tried) {
        let attempt = Attempt {
            hop,
            url: Address::of(url),
            tried,
        };
        self.ports.observer.observe(&Step::Looked(&attempt));
        self.report.0.push(attempt);
    }
}
