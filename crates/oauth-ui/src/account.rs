//! A person's own pages: what clients may do for them, and signing out.

use std::collections::BTreeMap;

use async_trait::async_trait;
use oauth_core::ConnectedGrant;
use oauth_core::types::{ClientId, Timestamp};
use oauth_http::server::{
    AccountOutcome, AccountPages, AccountView, AccountVisit, InteractionError, Page,
};
use oauth_types::redirect_uri::RedirectKind;

use crate::pages::{Pages, SignIn, mark, resources, scopes, shown};
use crate::texts::{Html, Part, Texts, fill};
use crate::theme::Theme;
use crate::view::{
    AccountView as AccountPageView, ClientView, GrantView, SignInView, SignOutView, page,
};

/// Addresses of one client that are named.
const MOST_DESTINATIONS: usize = 3;

#[async_trait]
impl<S: SignIn> AccountPages for Pages<S> {
    async fn visit(&self, visit: AccountVisit<'_>) -> Result<AccountOutcome, InteractionError> {
        let AccountView::SignIn = visit.view else {
            return account_page(&self.theme, &visit).map(AccountOutcome::Respond);
        };
        let form = visit.form;
        let (mut username, mut error) = ("", None);
        if let (Some(name), Some(password)) = (form.first("username"), form.first("password")) {
            let tried = self.try_sign_in(visit.server, visit.source, (name, password));
            match tried.await? {
                Ok(authentication) => return Ok(AccountOutcome::SignedIn(authentication)),
                Err(why) => (username, error) = (name.trim(), Some(why)),
            }
        }
        let t = &self.theme.texts;
        let view = SignInView {
            theme: &self.theme,
            t,
            action: visit.action,
            handle: visit.handle,
            purpose: fill(&t.sign_in_for_account, &[]),
            username,
            error,
        };
        page(&self.theme, &view).map(AccountOutcome::Respond)
    }
}

/// The page for everything but signing in, for [`AccountPages`] that ask who it is in a way of their
/// own and want these pages for the rest. For [`AccountView::SignIn`] it says that nobody is signed
/// in.
///
/// # Errors
/// [`InteractionError`] when the page cannot be made.
pub fn account_page(theme: &Theme, visit: &AccountVisit<'_>) -> Result<Page, InteractionError> {
    let t = &theme.texts;
    let paths = visit.paths;
    let sign_out = |who, is_everywhere| SignOutView {
        theme,
        t,
        action: visit.action,
        handle: visit.handle,
        account: &paths.account,
        who,
        is_everywhere,
    };
    match visit.view {
        AccountView::Grants {
            session,
            grants,
            next,
            is_first,
        } => {
            let view = AccountPageView {
                theme,
                t,
                action: visit.action,
                handle: visit.handle,
                sign_out: &paths.sign_out,
                everywhere: &paths.sign_out_everywhere,
                who: by_name(&t.account_who, session.subject().as_str()),
                clients: by_client(t, visit, grants),
                first: (!is_first).then_some(&*paths.account),
                next,
            };
            page(theme, &view)
        }
        AccountView::SignOutEverywhere { session } => {
            let who = by_name(&t.everywhere_who, session.subject().as_str());
            page(theme, &sign_out(Some(who), true))
        }
        AccountView::SignOut {
            session: Some(session),
        } => {
            let who = by_name(&t.sign_out_who, session.subject().as_str());
            page(theme, &sign_out(Some(who), false))
        }
        _ => page(theme, &sign_out(None, false)),
    }
}

fn by_name(text: &str, person: &str) -> Html {
    fill(text, &[("person", Part::Name(person))])
}

/// The clients, the one used last first, each with its grants in the same order.
fn by_client<'a>(
    t: &Texts,
    visit: &AccountVisit<'a>,
    grants: &'a [ConnectedGrant],
) -> Vec<ClientView<'a>> {
    let mut held: BTreeMap<&ClientId, Vec<&ConnectedGrant>> = BTreeMap::new();
    for grant in grants {
        held.entry(&grant.client_id).or_default().push(grant);
    }
    let mut clients: Vec<_> = held.into_values().collect();
    for grants in &mut clients {
        grants.sort_by_key(|grant| std::cmp::Reverse(newest(grant)));
    }
    clients.sort_by_key(|grants| std::cmp::Reverse(grants.first().map(|grant| newest(grant))));
    let config = visit.server.config();
    let views = clients.into_iter().filter_map(|grants| {
        let client = *grants.first()?;
        let grants = grants.iter().map(|grant| GrantView {
            id: grant.grant.to_string(),
            scopes: scopes(config, &grant.resources, &grant.scope),
            resources: resources(config, &grant.resources),
            approved: moment(grant.approved_at),
            last_used: grant.last_used_at.map(moment),
        });
        Some(ClientView {
            name: client.client_name.as_deref().map(|name| shown(name).into()),
            mark: mark(
                t,
                client.is_client_vouched_for,
                client.client_host.as_deref(),
            ),
            destinations: destinations(t, client),
            grants: grants.collect(),
        })
    });
    views.collect()
}

fn newest(grant: &ConnectedGrant) -> (Timestamp, Timestamp) {
    let used = grant.last_used_at.unwrap_or(grant.approved_at);
    (used.max(grant.approved_at), grant.approved_at)
}

/// Where the client receives codes, each said once.
fn destinations(t: &Texts, client: &ConnectedGrant) -> Vec<Html> {
    let mut said = Vec::new();
    let mut html = Vec::new();
    for uri in &client.redirect_uris {
        let (kind, host) = (uri.kind(), uri.display_host());
        // Whichever port or name it has there, it is the same computer.
        let what = match kind {
            RedirectKind::Loopback => (kind, ""),
            _ => (kind, host),
        };
        if said.contains(&what) || said.len() == MOST_DESTINATIONS {
            continue;
        }
        said.push(what);
        html.push(match kind {
            RedirectKind::Https => fill(&t.account_at_site, &[("host", Part::Host(host))]),
            RedirectKind::Loopback => fill(&t.account_at_computer, &[]),
            RedirectKind::PrivateUse => {
                let scheme = format!("{host}:");
                fill(&t.account_at_installed, &[("scheme", Part::Host(&scheme))])
            }
        });
    }
    html
}

/// A moment as people everywhere read it: `2027-01-15 08:00 UTC`.
fn moment(at: Timestamp) -> String {
    let (days, second) = (at.as_unix() / 86_400, at.as_unix() % 86_400);
    // Days are counted from 1 March of year 0, so that a leap day is the last of its year: 400
    // years are 146,097 days, and five months from March on are 153.
    let days = days.saturating_add(719_468);
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 {
        (month + 3, 0)
    } else {
        (month - 9, 1)
    };
    let year = era * 400 + year + next;
    let (hour, minute) = (second / 3_600, second % 3_600 / 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02} UTC")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_dates_of_the_calendar() {
        for (unix, text) in [
            (0, "1970-01-01 00:00 UTC"),
            (951_782_399, "2000-02-28 23:59 UTC"),
            (951_782_400, "2000-02-29 00:00 UTC"),
            (951_868_800, "2000-03-01 00:00 UTC"),
            (1_800_000_000, "2027-01-15 08:00 UTC"),
            (4_107_542_399, "2100-02-28 23:59 UTC"),
            (4_107_542_400, "2100-03-01 00:00 UTC"),
            (1_767_225_599, "2025-12-31 23:59 UTC"),
        ] {
            assert_eq!(moment(Timestamp::from_unix(unix)), text);
        }
        // Whatever a store holds, a page can be made of it.
        moment(Timestamp::from_unix(u64::MAX));
    }
}
