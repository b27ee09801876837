//! A person before the pages, with a browser reduced to its cookies.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use oauth_testkit::canary;
use oauth_testkit::flows::parameter;

use super::{Answer, Client, authorize, get, post_with};

/// Where the pages send their forms.
pub const INTERACT: &str = "/authorize/interact";

/// One authorization request, on its way through the pages.
pub struct Visit {
    address: SocketAddr,
    cookies: BTreeMap<String, String>,
    pub transaction: String,
}

impl Visit {
    /// Opens a client's request: nobody is signed in yet, so the page asks for a password.
    pub fn open(client: &Client) -> Self {
        let page = get(client.address, &authorize(&client.id), "").unwrap();
        assert_eq!(page.status, 200, "{page:?}");
        assert!(page.body.contains("name=\"password\""), "{}", page.body);
        let mut visit = Self {
            address: client.address,
            cookies: BTreeMap::new(),
            transaction: String::new(),
        };
        visit.see(&page);
        visit
    }

    /// Signs in; the page that follows asks for consent.
    pub fn sign_in(&mut self, name: &str, password: &str) {
        canary::secret(password);
        let page = self.submit(&[("username", name), ("password", password)]);
        assert!(page.body.contains("value=\"approve\""), "{}", page.body);
    }

    /// Says yes to all that is asked; the code comes back.
    pub fn approve(&mut self) -> String {
        let answer = self.submit(&[("scope", "mcp:tools"), ("decision", "approve")]);
        let code = parameter(&answer.header("location"), "code");
        code.unwrap_or_else(|| panic!("no code: {answer:?}"))
    }

    /// The header with all cookies.
    pub fn cookie(&self) -> String {
        let cookies = self.cookies.iter();
        let pairs: Vec<String> = cookies
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        format!("Cookie: {}\r\n", pairs.join("; "))
    }

    fn submit(&mut self, fields: &[(&str, &str)]) -> Answer {
        let form = [&[("transaction", &*self.transaction)], fields].concat();
        let answer = post_with(self.address, INTERACT, &self.cookie(), &form).unwrap();
        self.see(&answer);
        answer
    }

    fn see(&mut self, answer: &Answer) {
        self.cookies.extend(answer.cookies());
        if let Some((_, rest)) = answer.body.split_once("name=\"transaction\" value=\"") {
            rest.split('"')
                .next()
                .unwrap()
                .clone_into(&mut self.transaction);
        }
    }
}
