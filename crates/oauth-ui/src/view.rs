//! What each page shows, and the page it becomes.

use askama::Template;
use oauth_http::server::{InteractionError, Page};
use oauth_types::redirect_uri::RedirectKind;

use crate::texts::{Html, Texts};
use crate::theme::Theme;

/// Renders a view in its theme.
pub(crate) fn page(theme: &Theme, view: &impl Template) -> Result<Page, InteractionError> {
    let html = view.render().map_err(InteractionError::new)?;
    let page = Page::new(html, theme.style_hash.clone());
    Ok(match theme.logo {
        Some(_) => page.showing_data_images(),
        None => page,
    })
}

/// The sign-in form.
#[derive(Template)]
#[template(path = "sign_in.html")]
pub(crate) struct SignInView<'a> {
    pub(crate) theme: &'a Theme,
    pub(crate) t: &'a Texts,
    pub(crate) action: &'a str,
    pub(crate) handle: &'a str,
    /// What for.
    pub(crate) purpose: Html,
    pub(crate) username: &'a str,
    pub(crate) error: Option<Html>,
}

/// The question whether a client may act for the person.
#[derive(Template)]
#[template(path = "consent.html")]
pub(crate) struct ConsentView<'a> {
    pub(crate) theme: &'a Theme,
    pub(crate) t: &'a Texts,
    pub(crate) action: &'a str,
    pub(crate) handle: &'a str,
    pub(crate) heading: Html,
    /// Who vouches for the client.
    pub(crate) mark: Html,
    /// Where access would go.
    pub(crate) destination: Html,
    pub(crate) is_destination_sure: bool,
    /// Whether its home page is on another host than its redirect URIs.
    pub(crate) uri_elsewhere: bool,
    pub(crate) subject: &'a str,
    pub(crate) scopes: Vec<ScopeView<'a>>,
    pub(crate) resources: Vec<ResourceView<'a>>,
    pub(crate) error: Option<&'a str>,
}

/// Where access goes.
#[derive(Clone, Copy)]
pub(crate) enum Destination {
    Website,
    ThisComputer,
    InstalledApplication,
}

impl From<RedirectKind> for Destination {
    fn from(kind: RedirectKind) -> Self {
        match kind {
            RedirectKind::Https => Self::Website,
            RedirectKind::Loopback => Self::ThisComputer,
            RedirectKind::PrivateUse => Self::InstalledApplication,
        }
    }
}

pub(crate) struct ScopeView<'a> {
    pub(crate) name: &'a str,
    pub(crate) description: &'a str,
}

pub(crate) struct ResourceView<'a> {
    pub(crate) name: Option<&'a str>,
    pub(crate) uri: &'a str,
}

/// What clients may do for the person.
#[derive(Template)]
#[template(path = "account.html")]
pub(crate) struct AccountView<'a> {
    pub(crate) theme: &'a Theme,
    pub(crate) t: &'a Texts,
    pub(crate) action: &'a str,
    pub(crate) handle: &'a str,
    pub(crate) sign_out: &'a str,
    pub(crate) everywhere: &'a str,
    pub(crate) who: Html,
    pub(crate) clients: Vec<ClientView<'a>>,
    /// The first page, when this is another.
    pub(crate) first: Option<&'a str>,
    pub(crate) next: Option<&'a str>,
}

/// A client and what it holds.
pub(crate) struct ClientView<'a> {
    pub(crate) name: Option<String>,
    pub(crate) mark: Html,
    /// Where it receives codes.
    pub(crate) destinations: Vec<Html>,
    pub(crate) grants: Vec<GrantView<'a>>,
}

pub(crate) struct GrantView<'a> {
    pub(crate) id: String,
    pub(crate) scopes: Vec<ScopeView<'a>>,
    pub(crate) resources: Vec<ResourceView<'a>>,
    pub(crate) approved: String,
    pub(crate) last_used: Option<String>,
}

/// Whether to sign out.
#[derive(Template)]
#[template(path = "sign_out.html")]
pub(crate) struct SignOutView<'a> {
    pub(crate) theme: &'a Theme,
    pub(crate) t: &'a Texts,
    pub(crate) action: &'a str,
    pub(crate) handle: &'a str,
    pub(crate) account: &'a str,
    /// Who is signed in; `None` for nobody.
    pub(crate) who: Option<Html>,
    /// Whether everything ends with it.
    pub(crate) is_everywhere: bool,
}

/// Something a person is told.
#[derive(Template)]
#[template(path = "notice.html")]
pub(crate) struct NoticeView<'a> {
    pub(crate) theme: &'a Theme,
    pub(crate) t: &'a Texts,
    pub(crate) heading: &'a str,
    pub(crate) message: &'a str,
    /// Whether the message is in English on a page that is not.
    pub(crate) is_foreign: bool,
    pub(crate) leave: Option<Leave<'a>>,
}

/// A way out that nobody vouches for.
pub(crate) struct Leave<'a> {
    pub(crate) warning: Html,
    pub(crate) link: Html,
    pub(crate) location: &'a str,
}
