//! The bearer check as filters.

use std::convert::Infallible;

use bytes::Bytes;
use http::Request;
use oauth_http::resource::{AccessClaims, BearerLayer, Lasting};
use warp::reject::Reject;
use warp::reply::Response;
use warp::{Filter, Rejection, Reply};

use crate::mount::{head, streaming};

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
    head().and_then(move |request: Request<()>| {
        let guard = guard.clone();
        async move {
            let checked = guard.check(&request.into_parts().0).await;
            checked.map_err(|answer| warp::reject::custom(Refused(answer)))
        }
    })
}

/// Answers what [`claims`] refuses, and the preflights of routes that are there, lets
/// browser-based clients read everything else that `routes` answers, and ends its event streams
/// where they [have to end](BearerLayer::ending_streams).
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
    head().and(tried).and_then(
        move |request: Request<()>, tried: Result<Response, Rejection>| {
            let guard = guard.clone();
            async move {
                let (head, ()) = request.into_parts();
                let rejection = match tried {
                    Ok(mut response) => {
                        let end = guard.finish(&guard.asked(&head, None), &mut response);
                        let Some(end) = end else {
                            return Ok(response);
                        };
                        let (parts, body) = response.into_parts();
                        return Ok(streaming(parts, Lasting::new(body, Some(end))));
                    }
                    Err(rejection) => rejection,
                };
                if let Some(Refused(answer)) = rejection.find() {
                    return Ok(answer.clone().into_response());
                }
                // A route that takes other methods only is there all the same.
                match guard.preflight(&head) {
                    Some(answer) if !rejection.is_not_found() => Ok(answer.into_response()),
                    _ => Err(rejection),
                }
            }
        },
    )
}
