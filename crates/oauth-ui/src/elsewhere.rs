//! No pages but notices: people sign in and decide on a page hosted elsewhere.

use async_trait::async_trait;
use oauth_core::ConsentPage;
use oauth_http::server::{Interaction, InteractionError, Notice, Outcome, Page, Visit};

use crate::pages::notice_page;

/// Hands every request to a consent page elsewhere; see `docs/guides/consent-elsewhere.md`.
#[derive(Debug, Clone)]
pub struct ConsentElsewhere {
    page: ConsentPage,
}

impl ConsentElsewhere {
    /// Sends people to `page`.
    pub const fn new(page: ConsentPage) -> Self {
        Self { page }
    }
}

#[async_trait]
impl Interaction for ConsentElsewhere {
    async fn visit(&self, _: Visit<'_>) -> Result<Outcome, InteractionError> {
        Ok(Outcome::HandOff(self.page.clone()))
    }

    fn notice(&self, notice: &Notice<'_>) -> Page {
        notice_page(notice)
    }
}
