//! No sign-in and no consent, for load tests.

use async_trait::async_trait;
use oauth_core::{Approval, Authentication};
use oauth_http::server::{Interaction, InteractionError, Notice, Outcome, Page, Visit};
use oauth_types::Subject;

use crate::pages::notice_page;
use crate::theme::PLAIN;

/// **Danger.** Signs everybody in as one person and allows every client everything it asks for.
///
/// For load tests and test servers without a person, on a loopback address. Whoever can reach a
/// server with this acts as that person.
#[derive(Debug, Clone)]
pub struct DangerAutoApprove {
    subject: Subject,
}

impl DangerAutoApprove {
    /// Everybody is `subject`.
    pub fn new(subject: &str) -> Self {
        Self {
            subject: Subject::new(subject),
        }
    }
}

#[async_trait]
impl Interaction for DangerAutoApprove {
    async fn visit(&self, visit: Visit<'_>) -> Result<Outcome, InteractionError> {
        Ok(match visit.session {
            None => Outcome::SignedIn(Authentication::of(self.subject.clone())),
            Some(_) => Outcome::Approve(Approval::of(visit.pending.scope().clone())),
        })
    }

    fn notice(&self, notice: &Notice<'_>) -> Page {
        notice_page(&PLAIN, notice)
    }
}
