//! The bearer check as filters.

use std::convert::Infallible;

use bytes::Bytes;
use http::{HeaderMap, Method};
use oauth_http::resource::{AccessClaims, BearerLayer};
use warp::reject::Reject;
use warp::reply::Response;
use warp::{Filter, Rejection, Reply};

/// A request was not let through. [`guarded`] turns it into the answer with its challenge; a
/// program that forgets that answers 500, and lets nobody in.
#[derive(Debug)]
pub struct Refused(http::Response<Bytes>);

impl Reject for Refused {}

/// A handler that needs claims stands behind a guard that does not ask for a token: a mistake of
/// the program, which must not let anybody in. Answers 500.
#[derive(Debug)]
pub struct NotProtected;

impl Reject for NotProtected {}

/// The claims of the request's access token.
///
/// Rejects with [`Refused`] a request that the guard does not let through, so it needs [`guarded`]
/// around it; and with [`NotProtected`] where tokens are [optional](BearerLayer::optional).
pub fn claims(
    guard: &BearerLayer,
) -> impl Filter<Extract = (AccessClaims,), Error = Rejection> + Clone + Send + Sync + use<> {
    optional_claims(guard).and_then(|claims: Option<AccessClaims>| async move {
        claims.ok_or_else(|| warp::reject::custom(NotProtected))
    })
}

/// The claims of the request's access token; `None` for a request without one, where the guard is
/// [optional](BearerLayer::optional).
///
/// Rejects with [`Refused`] a request that the guard does not let through, so it needs [`guarded`]
/// around it.
pub fn optional_claims(
    guard: &BearerLayer,
) -> impl Filter<Extract = (Option<AccessClaims>,), Error = Rejection> + Clone + Send + Sync + use<>
{
    let guard = guard.clone();
    let headers = warp::method().and(warp::header::headers_cloned());
    headers.and_then(move |method: Method, headers: HeaderMap| {
        let guard = guard.clone();
        async move {
            let checked = match guard.preflight(&method, &headers) {
                Some(answer) => Err(answer),
                None => guard.check(&headers).await,
            };
            checked.map_err(|answer| warp::reject::custom(Refused(answer)))
        }
    })
}

/// Answers what [`claims`] refuses, and the preflights of routes that are there, and lets
/// browser-based clients read everything else that `routes` answers.
pub fn guarded<F, R>(
    guard: &BearerLayer,
    routes: F,
) -> impl Filter<Extract = (Response,), Error = Rejection> + Clone + Send + Sync + use<F, R>
where
    F: Filter<Extract = (R,), Error = Rejection> + Clone + Send + Sync + 'static,
    F::Extract: Send,
    R: Reply + 'static,
{
    let guard = guard.clone();
    let tried = routes
        .map(|reply: R| Ok(reply.into_response()))
        .or_else(|rejection| async move {
            Ok::<(Result<Response, Rejection>,), Infallible>((Err(rejection),))
        });
    let request = warp::method().and(warp::header::headers_cloned());
    request.and(tried).and_then(
        move |method: Method, headers: HeaderMap, tried: Result<Response, Rejection>| {
            let guard = guard.clone();
            async move {
                let rejection = match tried {
                    Ok(mut response) => {
                        guard.finish(&mut response);
                        return Ok(response);
                    }
                    Err(rejection) => rejection,
                };
                if let Some(Refused(answer)) = rejection.find() {
                    return Ok(answer.clone().into_response());
                }
                // A route that takes other methods only is there all the same.
                match guard.preflight(&method, &headers) {
                    Some(answer) if !rejection.is_not_found() => Ok(answer.into_response()),
                    _ => Err(rejection),
                }
            }
        },
    )
}
