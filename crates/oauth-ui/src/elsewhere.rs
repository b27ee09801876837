//! No pages but notices: people sign in and decide on a page hosted elsewhere.

use async_trait::async_trait;
use oauth_core::ConsentPage;
use oauth_http::server::{Interaction, InteractionError, Notice, Outcome, Page, Visit};

use crate::pages::notice_page;
use crate::theme::Theme;

/// Hands every request to a consent page elsewhere; see `docs/guides/consent-elsewhere.md`.
#[derive(Debug, Clone)]
pub struct ConsentElsewhere {
    page: ConsentPage,
    theme: Theme,
}

impl ConsentElsewhere {
    /// Sends people to `page`.
    pub fn new(page: ConsentPage) -> Self {
        Self {
            page,
            theme: Theme::new(),
        }
    }

    /// Tells people what went wrong in this theme.
    #[must_use]
    pub fn themed(mut self, theme: Theme) -> Self {
        self.theme = theme;
        self
    }
}

#[async_trait]
impl Interaction for ConsentElsewhere {
    async fn visit(&self, _: Visit<'_>) -> Result<Outcome, InteractionError> {
        Ok(Outcome::HandOff(self.page.clone()))
    }

    fn notice(&self, notice: &Notice<'_>) -> Page {
        notice_page(&self.theme, notice)
    }
}
