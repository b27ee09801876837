//! Who may act for a customer: the shop's sign-in, and the built-in pages in the shop's name.

use async_trait::async_trait;
use oauth_http::server::{
    AccountOutcome, AccountPages, AccountView, AccountVisit, InteractionError,
};
use oauth_ui::{Theme, account_page};

use crate::{SIGN_IN, Shop, customer, page};

#[async_trait]
impl AccountPages for Shop {
    async fn visit(&self, visit: AccountVisit<'_>) -> Result<AccountOutcome, InteractionError> {
        Ok(match (visit.view, customer(visit.headers)) {
            (AccountView::SignIn, Some((customer, _))) => AccountOutcome::SignedIn(customer),
            (AccountView::SignIn, None) => AccountOutcome::Respond(page(SIGN_IN)),
            _ => AccountOutcome::Respond(account_page(&Theme::new().named("Shop"), &visit)?),
        })
    }
}
