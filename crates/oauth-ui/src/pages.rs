//! The conversation: sign in, then decide.

use std::borrow::Cow;

use async_trait::async_trait;
use oauth_core::{Approval, Authentication, Limit, Limited};
use oauth_http::server::{Interaction, InteractionError, Notice, Outcome, Page, Visit};
use oauth_types::Scope;

use crate::view::{
    ConsentView, Leave, NoticeView, ResourceView, ScopeView, SignInView, page, style,
};

/// Bytes of a user name; a longer one is nobody's.
const LONGEST_USERNAME: usize = 256;
/// Characters of a client's name that are shown.
const LONGEST_NAME: usize = 60;
/// Bytes of a password.
const LONGEST_PASSWORD: usize = 1024;

/// Says who a user name and password belong to.
#[async_trait]
pub trait SignIn: Send + Sync {
    /// The person, or `None` when the two do not belong together. Takes the same time for a name
    /// that nobody has. Attempts are counted by the caller.
    ///
    /// # Errors
    /// [`InteractionError`] when the question cannot be answered.
    async fn authenticate(
        &self,
        username: &str,
        password: &str,
    ) -> Result<Option<Authentication>, InteractionError>;
}

/// The pages of this crate.
#[derive(Debug)]
pub struct Pages<S> {
    sign_in: S,
}

impl<S: SignIn> Pages<S> {
    /// Pages whose people are told apart by `sign_in`.
    pub const fn new(sign_in: S) -> Self {
        Self { sign_in }
    }

    async fn try_sign_in(
        &self,
        visit: &Visit<'_>,
        username: &str,
        password: &str,
    ) -> Result<Outcome, InteractionError> {
        let username = username.trim();
        if let Err(limited) = count(visit, username).await {
            let seconds = limited.retry_after.as_seconds();
            let text = format!("Too many attempts. Try again in {seconds} seconds.");
            return Ok(Outcome::Respond(sign_in_page(
                visit,
                username,
                Some(&text),
            )?));
        }
        let fits = !username.is_empty()
            && username.len() <= LONGEST_USERNAME
            && password.len() <= LONGEST_PASSWORD;
        let known = if fits {
            self.sign_in.authenticate(username, password).await?
        } else {
            None
        };
        Ok(match known {
            Some(authentication) => Outcome::SignedIn(authentication),
            None => {
                let text = "That user name and password do not belong together.";
                Outcome::Respond(sign_in_page(visit, username, Some(text))?)
            }
        })
    }
}

/// Counts an attempt, by name and neighbourhood and, more loosely, by name.
async fn count(visit: &Visit<'_>, username: &str) -> Result<(), Limited> {
    let (server, now) = (visit.server, visit.server.now());
    let name: String = username.chars().take(64).collect::<String>().to_lowercase();
    let here = format!("{name}|{}", visit.source.neighbourhood());
    server.count(&Limit::SIGN_IN, &here, now).await?;
    server.count(&Limit::SIGN_IN_ANYWHERE, &name, now).await
}

#[async_trait]
impl<S: SignIn> Interaction for Pages<S> {
    async fn visit(&self, visit: Visit<'_>) -> Result<Outcome, InteractionError> {
        let form = visit.form;
        if let (Some(username), Some(password)) = (form.first("username"), form.first("password")) {
            return self.try_sign_in(&visit, username, password).await;
        }
        let Some(session) = visit.session else {
            let hint = visit.pending.login_hint().unwrap_or_default();
            return Ok(Outcome::Respond(sign_in_page(&visit, hint, None)?));
        };
        let subject = session.subject().as_str();
        Ok(match form.first("decision") {
            Some("deny") => Outcome::Deny,
            Some("switch") => Outcome::Respond(sign_in_page(&visit, "", None)?),
            Some("approve") => {
                let asked = visit.pending.scope();
                let allowed: Scope = form
                    .all("scope")
                    .filter(|token| asked.contains(token))
                    .collect();
                if allowed.is_empty() {
                    let text = "Nothing is ticked. Tick what you allow, or deny.";
                    Outcome::Respond(consent_page(&visit, subject, Some(text))?)
                } else {
                    Outcome::Approve(Approval::of(allowed))
                }
            }
            _ => Outcome::Respond(consent_page(&visit, subject, None)?),
        })
    }

    fn notice(&self, notice: &Notice<'_>) -> Page {
        notice_page(notice)
    }
}

fn sign_in_page(
    visit: &Visit<'_>,
    username: &str,
    error: Option<&str>,
) -> Result<Page, InteractionError> {
    let client_name = visit.pending.client_name().map(shown);
    page(&SignInView {
        style: style(),
        action: visit.action,
        handle: visit.handle,
        client_name: client_name.as_deref(),
        redirect_host: visit.pending.redirect_host(),
        username,
        error,
    })
}

fn consent_page(
    visit: &Visit<'_>,
    subject: &str,
    error: Option<&str>,
) -> Result<Page, InteractionError> {
    let (pending, config) = (visit.pending, visit.server.config());
    let scopes = config
        .scopes_of(pending)
        .map(|(name, description)| ScopeView { name, description });
    let client_name = pending.client_name().map(shown);
    let view = ConsentView {
        style: style(),
        action: visit.action,
        handle: visit.handle,
        client_name: client_name.as_deref(),
        vouched_for: pending.is_client_vouched_for(),
        client_host: pending.client_host(),
        uri_elsewhere: pending.is_client_uri_elsewhere(),
        kind: pending.redirect_kind().into(),
        redirect_host: pending.redirect_host(),
        subject,
        scopes: scopes.collect(),
        resources: config
            .resources_of(pending)
            .map(|resource| ResourceView {
                name: resource.name.as_deref(),
                uri: resource.uri.as_str(),
            })
            .collect(),
        error,
    };
    Ok(page(&view)?.leading_to_client())
}

/// A page that tells a person something. Rendering strings cannot fail; if it ever did, an empty
/// page with the right status would still be true.
pub(crate) fn notice_page(notice: &Notice<'_>) -> Page {
    let (heading, message, leave) = match notice {
        Notice::Error { message } => ("This cannot go on", *message, None),
        Notice::TryAgain => (
            "Try again in a moment",
            "The server is busy or being restarted. Go back and send the form again: nothing was lost.",
            None,
        ),
        Notice::ConfirmRedirect {
            host,
            location,
            message,
        } => (
            "The application made a mistake",
            *message,
            Some(Leave { host, location }),
        ),
        _ => ("This cannot go on", "The request cannot be answered.", None),
    };
    let message = sentence(message);
    let view = NoticeView {
        style: style(),
        heading,
        message: &message,
        leave,
    };
    page(&view).unwrap_or_else(|_| Page::new(String::new(), String::new()))
}

/// A name as far as it is shown: what else the page says must not be pushed out of sight.
fn shown(name: &str) -> Cow<'_, str> {
    match name.char_indices().nth(LONGEST_NAME) {
        None => Cow::Borrowed(name),
        Some((end, _)) => Cow::Owned(format!("{}…", name[..end].trim_end())),
    }
}

/// Errors are phrases; a page wants a sentence.
fn sentence(phrase: &str) -> String {
    let mut characters = phrase.chars();
    let first: String = characters
        .next()
        .map(|c| c.to_uppercase().collect())
        .unwrap_or_default();
    let end = if phrase.ends_with('.') { "" } else { "." };
    format!("{first}{}{end}", characters.as_str())
}

#[cfg(test)]
mod tests;
