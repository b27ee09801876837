//! Account pages of one line each, and a browser in front of them.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, Request, Response, header};
use oauth_core::Authentication;
use oauth_core::types::Subject;
use oauth_http::server::{
    AccountOutcome, AccountPages, AccountView, AccountVisit, Interaction, InteractionError, Notice,
    OAuthService, Outcome, Page, Visit,
};
use oauth_testkit::block_on;

use super::{PlainPages, Server, encode, handle, location};

/// The account in one line for each thing; whoever brings the embedder's cookie is signed in.
pub struct Account;

#[async_trait]
impl Interaction for Account {
    async fn visit(&self, visit: Visit<'_>) -> Result<Outcome, InteractionError> {
        PlainPages.visit(visit).await
    }

    fn notice(&self, notice: &Notice<'_>) -> Page {
        PlainPages.notice(notice)
    }

    fn account_pages(&self) -> Option<&dyn AccountPages> {
        Some(self)
    }
}

fn own_cookie(headers: &HeaderMap) -> Option<&str> {
    let cookies = headers.get(header::COOKIE)?.to_str().ok()?;
    cookies
        .split("; ")
        .find_map(|pair| pair.strip_prefix("shop="))
}

#[async_trait]
impl AccountPages for Account {
    async fn visit(&self, visit: AccountVisit<'_>) -> Result<AccountOutcome, InteractionError> {
        let form = visit.form;
        let what = match visit.view {
            AccountView::SignIn => {
                let name = match (form.first("username"), form.first("password")) {
                    (Some(name), Some("wonderland")) => Some(name),
                    (Some("broken"), _) => return Err(InteractionError::new("no directory")),
                    _ => own_cookie(visit.headers),
                };
                if let Some(name) = name {
                    let authentication = Authentication::of(Subject::new(name));
                    return Ok(AccountOutcome::SignedIn(authentication));
                }
                "login".to_owned()
            }
            AccountView::Grants {
                session,
                grants,
                next,
                is_first,
            } => {
                let ids: Vec<String> = grants.iter().map(|held| held.grant.to_string()).collect();
                let (who, next) = (session.subject().as_str(), next.unwrap_or_default());
                format!(
                    "grants of {who}, first {is_first}, next [{next}] {{{}}}",
                    ids.join(" ")
                )
            }
            AccountView::SignOut { session } => {
                format!("out {:?}", session.map(|held| held.subject().as_str()))
            }
            AccountView::SignOutEverywhere { session } => {
                format!("everywhere {}", session.subject().as_str())
            }
            _ => "new".to_owned(),
        };
        let html = format!("<p>{what}</p><i>{}</i> to {}", visit.handle, visit.action);
        Ok(AccountOutcome::Respond(Page::new(html, String::new())))
    }
}

pub fn server() -> Server {
    offering(Server::new())
}

pub fn offering(mut server: Server) -> Server {
    let authorization = Arc::clone(server.service.authorization_server());
    server.service = Arc::new(OAuthService::new(authorization, Arc::new(Account)));
    server
}

/// A browser with its cookies.
pub struct Browser<'a> {
    server: &'a Server,
    pub cookies: Vec<(String, String)>,
}

impl<'a> Browser<'a> {
    pub fn new(server: &'a Server) -> Self {
        Self {
            server,
            cookies: Vec::new(),
        }
    }

    pub fn signed_in(server: &'a Server, name: &str) -> Self {
        let mut browser = Self::new(server);
        let form = browser.form(
            "/account",
            &[("username", name), ("password", "wonderland")],
        );
        let answer = browser.post("/account", &form);
        assert_eq!(
            (answer.status().as_u16(), &*location(&answer)),
            (303, "/account")
        );
        browser
    }

    pub fn jar(&self) -> String {
        let pairs: Vec<String> = self
            .cookies
            .iter()
            .map(|(n, v)| format!("{n}={v}"))
            .collect();
        pairs.join("; ")
    }

    pub fn keep(&mut self, answer: &Response<Bytes>) {
        for line in answer.headers().get_all(header::SET_COOKIE) {
            let line = line.to_str().unwrap();
            let (name, value) = line.split(';').next().unwrap().split_once('=').unwrap();
            self.cookies.retain(|(held, _)| held != name);
            if !line.contains("Max-Age=0;") {
                self.cookies.push((name.to_owned(), value.to_owned()));
            }
        }
    }

    pub fn get(&mut self, target: &str) -> Response<Bytes> {
        let request = Request::get(target).header(header::COOKIE, self.jar());
        let answer = self.server.send(request.body("").unwrap());
        self.keep(&answer);
        answer
    }

    pub fn sees(&mut self, target: &str) -> String {
        let answer = self.get(target);
        assert_eq!(answer.status(), 200);
        words(&answer)
    }

    /// The form of a page, with these fields.
    pub fn form(&mut self, page: &str, fields: &[(&str, &str)]) -> String {
        let page = self.get(page);
        let mut form = vec![("transaction", handle(&page))];
        form.extend(
            fields
                .iter()
                .map(|(name, value)| (*name, (*value).to_owned())),
        );
        let pairs: Vec<(&str, &str)> = form.iter().map(|(n, v)| (*n, &**v)).collect();
        encode(&pairs)
    }

    pub fn post(&mut self, target: &str, form: &str) -> Response<Bytes> {
        self.post_from(target, form, "same-origin")
    }

    pub fn post_from(&mut self, target: &str, form: &str, site: &str) -> Response<Bytes> {
        let request = Request::post(target)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(header::COOKIE, self.jar())
            .header("sec-fetch-site", site);
        let answer = self.server.send(request.body(form.to_owned()).unwrap());
        self.keep(&answer);
        answer
    }
}

pub fn words(answer: &Response<Bytes>) -> String {
    let html = std::str::from_utf8(answer.body()).unwrap();
    let (_, rest) = html.split_once("<p>").unwrap();
    rest.split_once("</p>").unwrap().0.to_owned()
}

/// The grants that a page shows.
pub fn shown(words: &str) -> Vec<String> {
    let (_, rest) = words.split_once('{').unwrap();
    let ids = rest.trim_end_matches('}').split_whitespace();
    ids.map(str::to_owned).collect()
}

pub fn is_alive(server: &Server, tokens: &serde_json::Value) -> bool {
    let token = tokens["access_token"].as_str().unwrap();
    let server = server.service.authorization_server();
    block_on(server.check_access_token(token))
        .unwrap()
        .is_some()
}
