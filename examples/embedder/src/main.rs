//! An application with accounts of its own puts an MCP endpoint behind OAuth and keeps everything
//! that people meet in its own hands: who is signed in, what they are asked, in which words, and
//! how often somebody may try.

mod account;

use std::collections::HashMap;
use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use axum::{Router, http::HeaderMap, routing::get};
use oauth_axum::{BearerLayer, Claims, OAuthService, ProtectedResource};
use oauth_core::storage::StorageError;
use oauth_core::types::env::{OsEntropy, SystemClock};
use oauth_core::types::{Issuer, Lifetime, ResourceUri, Scope, Subject, Timestamp};
use oauth_core::{
    Approval, Attempt, Authentication, AuthorizationServer, Hit, Ports, RateLimiter,
    ResourcePolicy, RootSecret, ServerConfig,
};
use oauth_http::server::{AccountPages, Interaction, InteractionError};
use oauth_http::server::{Notice, Outcome, Page, Visit};
use oauth_storage_memory::MemoryStorage;

/// The application's own accounts: who, and when they signed in. Its cookie, `shop=alice.1800000000`,
/// is taken at its word here; yours names a session of yours.
fn customer(headers: &HeaderMap) -> Option<(Authentication, Timestamp)> {
    let mut cookies = headers.get("cookie")?.to_str().ok()?.split("; ");
    let (name, at) = cookies.find_map(|pair| pair.strip_prefix("shop=")?.split_once('.'))?;
    let at = Timestamp::from_unix(at.parse().ok()?);
    Some((Authentication::of(Subject::new(name)).at(at), at))
}

const SIGN_IN: &str = "<p>Sign in to the shop first, then come back.</p>";

/// The application's own pages.
struct Shop;

#[async_trait]
impl Interaction for Shop {
    async fn visit(&self, visit: Visit<'_>) -> Result<Outcome, InteractionError> {
        let Some(session) = visit.session else {
            // Whoever is signed in to the shop need not sign in again here.
            return Ok(match customer(visit.headers) {
                Some((customer, at)) if visit.pending.is_fresh(at) => Outcome::SignedIn(customer),
                _ => Outcome::Respond(page(SIGN_IN)),
            });
        };
        let (asked, form) = (visit.pending.scope(), visit.form);
        let ticked = form.all("scope").filter(|name| asked.contains(name));
        let ticked: Scope = ticked.collect();
        match form.first("decision") {
            Some("deny") => return Ok(Outcome::Deny),
            Some("approve") if !ticked.is_empty() => {
                return Ok(Outcome::Approve(Approval::of(ticked)));
            }
            _ => {}
        }
        let resources = &visit.server.config().resources;
        let scopes = resources.iter().flat_map(|resource| &resource.scopes);
        let boxes: String = scopes
            .filter(|scope| asked.contains(&scope.name))
            .map(|scope| format!("<label><input type=\"checkbox\" name=\"scope\" value=\"{}\" checked> {}</label>", scope.name, escape(&scope.description)))
            .collect();
        let html = format!(
            "<p>{} at <b>{}</b> wants to help you shop, {}:</p><form method=\"post\" action=\"{}\">\
             <input type=\"hidden\" name=\"transaction\" value=\"{}\">{boxes}\
             <button name=\"decision\" value=\"deny\">No</button>\
             <button name=\"decision\" value=\"approve\">Yes</button></form>",
            escape(visit.pending.client_name().unwrap_or("Somebody")),
            escape(visit.pending.redirect_host()),
            escape(session.subject().as_str()),
            visit.action,
            visit.handle
        );
        Ok(Outcome::Respond(page(&html).leading_to_client()))
    }

    fn notice(&self, _: &Notice<'_>) -> Page {
        page("<p>That did not work. Go back to the application you came from and try again.</p>")
    }

    fn account_pages(&self) -> Option<&dyn AccountPages> {
        Some(self)
    }
}

fn page(body: &str) -> Page {
    let html = format!("<!doctype html><html lang=\"en\"><title>Shop</title><h1>Shop</h1>{body}");
    Page::new(html, String::new())
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('"', "&quot;")
}

/// The application's own limits: ten attempts of anything in a minute, for everybody alike.
#[derive(Default)]
struct TenAMinute(Mutex<HashMap<String, (Timestamp, u32)>>);

#[async_trait]
impl RateLimiter for TenAMinute {
    async fn hit(&self, attempt: Attempt<'_>, now: Timestamp) -> Result<Hit, StorageError> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let retry_after = Lifetime::minutes(1);
        counts.retain(|_, (since, _)| now.since(*since) < retry_after);
        let key = format!("{}|{}", attempt.what, attempt.by);
        let (_, count) = counts.entry(key).or_insert((now, 0));
        *count += 1;
        let too_many = Hit::TooMany { retry_after };
        Ok(if *count > 10 { too_many } else { Hit::Allowed })
    }
}

async fn cart(Claims(claims): Claims) -> String {
    format!("the cart of {}", claims.subject)
}

async fn app(origin: &str) -> Result<Router, Box<dyn Error>> {
    let mcp = ResourceUri::parse(&format!("{origin}/mcp"))?;
    let catalogue = ResourcePolicy::new(mcp.clone())
        .named("The shop")
        .scope("cart:read", "See what is in your cart")
        .extra_scope("cart:pay", "Pay for it with your saved card");
    let config = ServerConfig::new(Issuer::parse(origin)?, catalogue);
    let ports = Ports::new(SystemClock, OsEntropy).limiter(TenAMinute::default());
    // A real application reads this from its secrets, and keeps records in a real store.
    let root = RootSecret::from_text("an example's secret of 32 bytes or more")?;
    let storage = Arc::new(MemoryStorage::new());
    let server = AuthorizationServer::open(config, storage, &root, ports).await?;
    let service = Arc::new(OAuthService::new(Arc::new(server), Arc::new(Shop)));
    let resource = ProtectedResource::new(mcp, origin, Scope::parse("cart:read")?);
    Ok(Router::new()
        .route("/mcp", get(cart))
        .layer(BearerLayer::new(resource.clone(), service.clone()))
        .merge(oauth_axum::resource_metadata([&resource]))
        .merge(oauth_axum::authorization_server(service)))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    Ok(axum::serve(listener, app("http://127.0.0.1:3000").await?).await?)
}

#[cfg(test)]
mod tests;
