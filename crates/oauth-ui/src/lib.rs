//! Sign-in, consent, account and error pages.
//!
//! **Promise.** Plain HTML that works without JavaScript, by keyboard and by screen reader, in
//! light and dark, wide and narrow, and fetches nothing from anywhere. Whatever a client says of
//! itself is shown as what it says, never as fact.
//!
//! **Absences.** No state: what a page needs comes back sealed in its form. No HTTP header and no
//! status that the service would not allow.
//!
//! ```
//! use oauth_ui::{Pages, SignIn};
//! use oauth_core::Authentication;
//! use oauth_core::types::Subject;
//! use oauth_http::server::InteractionError;
//!
//! /// Everybody who knows the word may come in.
//! struct Speakeasy;
//!
//! #[async_trait::async_trait]
//! impl SignIn for Speakeasy {
//!     async fn authenticate(
//!         &self,
//!         username: &str,
//!         password: &str,
//!     ) -> Result<Option<Authentication>, InteractionError> {
//!         let known = password == "swordfish";
//!         Ok(known.then(|| Authentication::of(Subject::new(username))))
//!     }
//! }
//!
//! let pages = Pages::new(Speakeasy);
//! ```
//!
//! [`Pages`] also shows people what they granted and lets them end it and sign out, at `…/account` and
//! `…/signout` below the issuer; [`Pages::without_account_pages`] leaves that out. A [`Theme`] gives
//! them a name, a logo, colours, links and another language.

mod account;
mod auto_approve;
mod elsewhere;
mod pages;
#[cfg(feature = "passwords")]
mod passwords;
mod texts;
mod theme;
mod view;

pub use account::account_page;
pub use auto_approve::DangerAutoApprove;
pub use elsewhere::ConsentElsewhere;
pub use pages::{Pages, SignIn};
#[cfg(feature = "passwords")]
pub use passwords::{PasswordError, StoredPasswords};
pub use texts::{Direction, Texts};
pub use theme::{Logo, Theme, ThemeError};
