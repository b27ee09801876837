//! What each page shows, and the page it becomes.

use std::sync::LazyLock;

use askama::Template;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use oauth_http::server::{InteractionError, Page};
use oauth_types::SecretHash;
use oauth_types::redirect_uri::RedirectKind;

const STYLE: &str = include_str!("../templates/style.css");

/// The one style element's digest, which alone lets it through the content security policy.
static STYLE_HASH: LazyLock<String> = LazyLock::new(|| {
    format!(
        "sha256-{}",
        STANDARD.encode(SecretHash::of(STYLE.as_bytes()).as_bytes())
    )
});

/// Renders a view.
pub(crate) fn page(view: &impl Template) -> Result<Page, InteractionError> {
    let html = view.render().map_err(InteractionError::new)?;
    Ok(Page::new(html, STYLE_HASH.clone()))
}

/// The sign-in form.
#[derive(Template)]
#[template(path = "sign_in.html")]
pub(crate) struct SignInView<'a> {
    pub(crate) style: &'static str,
    pub(crate) action: &'a str,
    pub(crate) handle: &'a str,
    pub(crate) client_name: Option<&'a str>,
    pub(crate) redirect_host: &'a str,
    pub(crate) username: &'a str,
    pub(crate) error: Option<&'a str>,
}

/// The question whether a client may act for the person.
#[derive(Template)]
#[template(path = "consent.html")]
pub(crate) struct ConsentView<'a> {
    pub(crate) style: &'static str,
    pub(crate) action: &'a str,
    pub(crate) handle: &'a str,
    pub(crate) client_name: Option<&'a str>,
    pub(crate) vouched_for: bool,
    /// The host of its metadata document.
    pub(crate) client_host: Option<&'a str>,
    /// Whether its home page is on another host than its redirect URIs.
    pub(crate) uri_elsewhere: bool,
    pub(crate) kind: Destination,
    pub(crate) redirect_host: &'a str,
    pub(crate) subject: &'a str,
    pub(crate) scopes: Vec<ScopeView<'a>>,
    pub(crate) resources: Vec<ResourceView<'a>>,
    pub(crate) error: Option<&'a str>,
}

/// Where access would go.
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

/// Something a person is told.
#[derive(Template)]
#[template(path = "notice.html")]
pub(crate) struct NoticeView<'a> {
    pub(crate) style: &'static str,
    pub(crate) heading: &'a str,
    pub(crate) message: &'a str,
    pub(crate) leave: Option<Leave<'a>>,
}

/// A way out that nobody vouches for.
pub(crate) struct Leave<'a> {
    pub(crate) host: &'a str,
    pub(crate) location: &'a str,
}

/// The style of every page.
pub(crate) const fn style() -> &'static str {
    STYLE
}
