//! The conversation: sign in, then decide.

use std::borrow::Cow;

use async_trait::async_trait;
use oauth_core::{
    Approval, Authentication, AuthorizationServer, Limit, Limited, ServerConfig, Source,
};
use oauth_http::server::{
    AccountPages, Interaction, InteractionError, Notice, Outcome, Page, Visit,
};
use oauth_types::{ResourceUri, Scope};

use crate::texts::{Html, Part, Texts, fill};
use crate::theme::Theme;
use crate::view::{
    ConsentView, Destination, Leave, NoticeView, ResourceView, ScopeView, SignInView, page,
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
    pub(crate) theme: Theme,
    account: bool,
}

impl<S: SignIn> Pages<S> {
    /// Pages whose people are told apart by `sign_in`.
    pub fn new(sign_in: S) -> Self {
        Self {
            sign_in,
            theme: Theme::new(),
            account: true,
        }
    }

    /// In this theme.
    #[must_use]
    pub fn themed(mut self, theme: Theme) -> Self {
        self.theme = theme;
        self
    }

    /// Without the pages on which people see what they granted and sign out: for applications that
    /// show that on pages of their own.
    #[must_use]
    pub fn without_account_pages(mut self) -> Self {
        self.account = false;
        self
    }

    /// The person, or what to tell whoever tried.
    pub(crate) async fn try_sign_in(
        &self,
        server: &AuthorizationServer,
        source: Source,
        (username, password): (&str, &str),
    ) -> Result<Result<Authentication, Html>, InteractionError> {
        let t = &self.theme.texts;
        let username = username.trim();
        if let Err(limited) = count(server, source, username).await {
            let seconds = Part::Number(limited.retry_after.as_seconds());
            return Ok(Err(fill(&t.too_many_attempts, &[("seconds", seconds)])));
        }
        let fits = !username.is_empty()
            && username.len() <= LONGEST_USERNAME
            && password.len() <= LONGEST_PASSWORD;
        let known = if fits {
            self.sign_in.authenticate(username, password).await?
        } else {
            None
        };
        Ok(known.ok_or_else(|| fill(&t.wrong_password, &[])))
    }

    fn sign_in_page(
        &self,
        visit: &Visit<'_>,
        username: &str,
        error: Option<Html>,
    ) -> Result<Page, InteractionError> {
        let t = &self.theme.texts;
        let client = visit.pending.client_name().map(shown);
        let parts = [
            (
                "client",
                Part::Name(client.as_deref().unwrap_or(&t.nameless)),
            ),
            ("host", Part::Host(visit.pending.redirect_host())),
        ];
        let view = SignInView {
            theme: &self.theme,
            t,
            action: visit.action,
            handle: visit.handle,
            purpose: fill(&t.sign_in_for_client, &parts),
            username,
            error,
        };
        page(&self.theme, &view)
    }

    fn consent_page(
        &self,
        visit: &Visit<'_>,
        subject: &str,
        error: Option<&str>,
    ) -> Result<Page, InteractionError> {
        let (theme, t) = (&self.theme, &self.theme.texts);
        let (pending, config) = (visit.pending, visit.server.config());
        let client = pending.client_name().map(shown);
        let client = Part::Name(client.as_deref().unwrap_or(&t.nameless));
        let kind = Destination::from(pending.redirect_kind());
        let view = ConsentView {
            theme,
            t,
            action: visit.action,
            handle: visit.handle,
            heading: fill(&t.consent_heading, &[("client", client)]),
            mark: mark(t, pending.is_client_vouched_for(), pending.client_host()),
            destination: destination(t, kind, pending.redirect_host()),
            is_destination_sure: matches!(kind, Destination::Website),
            uri_elsewhere: pending.is_client_uri_elsewhere(),
            subject,
            scopes: scopes(config, pending.resources(), pending.scope()),
            resources: resources(config, pending.resources()),
            error,
        };
        Ok(page(theme, &view)?.leading_to_client())
    }
}

/// Counts an attempt, by name and neighbourhood and, more loosely, by name.
async fn count(server: &AuthorizationServer, from: Source, username: &str) -> Result<(), Limited> {
    let now = server.now();
    let name: String = username.chars().take(64).collect::<String>().to_lowercase();
    let here = format!("{name}|{}", from.neighbourhood());
    server.count(&Limit::SIGN_IN, &here, now).await?;
    server.count(&Limit::SIGN_IN_ANYWHERE, &name, now).await
}

#[async_trait]
impl<S: SignIn> Interaction for Pages<S> {
    async fn visit(&self, visit: Visit<'_>) -> Result<Outcome, InteractionError> {
        let form = visit.form;
        if let (Some(username), Some(password)) = (form.first("username"), form.first("password")) {
            let tried = self.try_sign_in(visit.server, visit.source, (username, password));
            return Ok(match tried.await? {
                Ok(authentication) => Outcome::SignedIn(authentication),
                Err(why) => {
                    Outcome::Respond(self.sign_in_page(&visit, username.trim(), Some(why))?)
                }
            });
        }
        let Some(session) = visit.session else {
            let hint = visit.pending.login_hint().unwrap_or_default();
            return Ok(Outcome::Respond(self.sign_in_page(&visit, hint, None)?));
        };
        let subject = session.subject().as_str();
        Ok(match form.first("decision") {
            Some("deny") => Outcome::Deny,
            Some("switch") => Outcome::Respond(self.sign_in_page(&visit, "", None)?),
            Some("approve") => {
                let asked = visit.pending.scope();
                let allowed: Scope = form
                    .all("scope")
                    .filter(|token| asked.contains(token))
                    .collect();
                if allowed.is_empty() {
                    let text = &self.theme.texts.nothing_ticked;
                    Outcome::Respond(self.consent_page(&visit, subject, Some(text))?)
                } else {
                    Outcome::Approve(Approval::of(allowed))
                }
            }
            _ => Outcome::Respond(self.consent_page(&visit, subject, None)?),
        })
    }

    fn notice(&self, notice: &Notice<'_>) -> Page {
        notice_page(&self.theme, notice)
    }

    fn account_pages(&self) -> Option<&dyn AccountPages> {
        self.account.then_some(self as &dyn AccountPages)
    }
}

/// Who vouches for a client.
pub(crate) fn mark(t: &Texts, vouched_for: bool, client_host: Option<&str>) -> Html {
    match client_host {
        _ if vouched_for => fill(&t.vouched_for, &[]),
        Some(host) => fill(&t.documented, &[("host", Part::Host(host))]),
        None => fill(&t.unverified, &[]),
    }
}

/// Where access would go.
fn destination(t: &Texts, kind: Destination, host: &str) -> Html {
    match kind {
        Destination::Website => fill(&t.to_site, &[("host", Part::Host(host))]),
        Destination::ThisComputer => fill(&t.to_computer, &[("host", Part::Host(host))]),
        Destination::InstalledApplication => {
            let scheme = format!("{host}:");
            fill(&t.to_installed, &[("scheme", Part::Host(&scheme))])
        }
    }
}

/// Scopes in the words of the resources they are for.
pub(crate) fn scopes<'a>(
    config: &'a ServerConfig,
    asked: &'a [ResourceUri],
    scope: &'a Scope,
) -> Vec<ScopeView<'a>> {
    let in_words = config.scopes_of(asked, scope);
    let in_words = in_words.map(|(name, description)| ScopeView { name, description });
    in_words.collect()
}

/// Resources with the names that people know them by; those no longer offered by address alone.
pub(crate) fn resources<'a>(
    config: &'a ServerConfig,
    asked: &'a [ResourceUri],
) -> Vec<ResourceView<'a>> {
    let views = asked.iter().map(|uri| {
        let policy = config.resources.iter().find(|held| held.uri == *uri);
        ResourceView {
            name: policy.and_then(|policy| policy.name.as_deref()),
            uri: uri.as_str(),
        }
    });
    views.collect()
}

/// A page that tells a person something. Rendering strings cannot fail; if it ever did, an empty
/// page with the right status would still be true.
pub(crate) fn notice_page(theme: &Theme, notice: &Notice<'_>) -> Page {
    let t = &theme.texts;
    let (heading, message, leave) = match notice {
        Notice::Error { message } => (&t.cannot_go_on, Some(*message), None),
        Notice::TryAgain => (&t.busy_heading, None, None),
        Notice::ConfirmRedirect {
            host,
            location,
            message,
        } => {
            let parts = [("host", Part::Host(host))];
            let leave = Leave {
                warning: fill(&t.leave, &parts),
                link: fill(&t.leave_link, &parts),
                location,
            };
            (&t.mistake_heading, Some(*message), Some(leave))
        }
        _ => (&t.cannot_go_on, Some(&*t.no_answer), None),
    };
    let english = message.map(sentence);
    let translated = english.as_ref().and_then(|english| t.notices.get(english));
    let is_foreign = english.is_some() && translated.is_none() && !t.lang.starts_with("en");
    let view = NoticeView {
        theme,
        t,
        heading,
        message: translated
            .or(english.as_ref())
            .map_or(&*t.busy, |text| text),
        is_foreign,
        leave,
    };
    page(theme, &view).unwrap_or_else(|_| Page::new(String::new(), String::new()))
}

/// A name as far as it is shown: what else the page says must not be pushed out of sight.
pub(crate) fn shown(name: &str) -> Cow<'_, str> {
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
