//! What the pages say, in English unless somebody says it otherwise.

use std::borrow::Cow;
use std::collections::BTreeMap;

use askama::filters::HtmlSafe;

use crate::theme::ThemeError;

/// Which way a language is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Direction {
    /// As English is.
    #[default]
    LeftToRight,
    /// As Arabic and Hebrew are.
    RightToLeft,
}

impl Direction {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::LeftToRight => "ltr",
            Self::RightToLeft => "rtl",
        }
    }
}

/// Declares the sentences: name, English, and which placeholders each must hold.
macro_rules! texts {
    ($($name:ident = $english:literal, [$($part:literal),*];)*) => {
        /// Every sentence of the pages. Start from `Texts::default()`, which is English, and
        /// replace what you have in your language.
        ///
        /// A word in braces, such as `{client}`, stands for something that is filled in; it may
        /// stand anywhere in your sentence, and must stand there: what it says is what a person
        /// decides by. Everything is text, never markup.
        #[derive(Debug, Clone)]
        #[non_exhaustive]
        pub struct Texts {
            /// The language of the pages, as a tag of BCP 47: `en`, `pt-BR`.
            pub lang: Cow<'static, str>,
            /// Which way that language is written.
            pub dir: Direction,
            /// What the server words itself, from the English to yours: the sentence exactly as an
            /// English page shows it. What is not found here is shown in English and marked so.
            pub notices: BTreeMap<String, String>,
            $(#[doc = concat!("\"", $english, "\"")] pub $name: Cow<'static, str>,)*
        }

        impl Default for Texts {
            fn default() -> Self {
                Self {
                    lang: Cow::Borrowed("en"),
                    dir: Direction::LeftToRight,
                    notices: BTreeMap::new(),
                    $($name: Cow::Borrowed($english),)*
                }
            }
        }

        impl Texts {
            /// Whether every sentence holds its placeholders and no others, and the language is
            /// one that could be.
            pub(crate) fn check(&self) -> Result<(), ThemeError> {
                let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
                if self.lang.is_empty() || !self.lang.bytes().all(fits) {
                    return Err(ThemeError::Language);
                }
                $(holds(stringify!($name), &self.$name, &[$($part),*])?;)*
                Ok(())
            }
        }
    };
}

texts! {
    nameless = "an application without a name", [];
    nameless_heading = "An application without a name", [];
    cannot_go_on = "This cannot go on", [];
    no_answer = "The request cannot be answered.", [];
    busy_heading = "Try again in a moment", [];
    busy = "The server is busy or being restarted. Go back and try again: nothing was lost.", [];
    reference = "If you report this, quote {request}", ["request"];
    mistake_heading = "The application made a mistake", [];
    leave = "Nobody has checked the application that sent you here. Going back to it leads to {host}.", ["host"];
    leave_link = "Go back to {host}", ["host"];

    sign_in = "Sign in", [];
    sign_in_for_client = "to continue to {client}, which goes on at {host}", ["client", "host"];
    sign_in_for_account = "to see which applications may act for you, and to end it", [];
    user_name = "User name", [];
    password = "Password", [];
    sign_in_button = "Sign in", [];
    wrong_password = "That user name and password do not belong together.", [];
    too_many_attempts = "Too many attempts. Try again in {seconds} seconds.", ["seconds"];

    consent = "Allow access?", [];
    consent_heading = "Allow {client} to act for you?", ["client"];
    vouched_for = "This application was entered by the administrator of this server.", [];
    documented = "Its name is from a document at {host}, and that much is certain. Nobody else has checked it.", ["host"];
    unverified = "Unverified: the application gave this name itself, and nobody has checked it.", [];
    to_site = "If you allow it, access goes to the site {host}.", ["host"];
    to_computer = "If you allow it, access goes to a program on this computer ({host}). Which program that is cannot be checked: go on only if you have just started this yourself.", ["host"];
    to_installed = "If you allow it, access goes to an application installed on this device that answers to {scheme}. Which one that is cannot be checked: go on only if you have just started this yourself.", ["scheme"];
    home_page_elsewhere = "The home page this application names is on another site than the one that access goes to.", [];
    asks_to = "It asks to", [];
    at = "At", [];
    acting_as = "As", [];
    use_another_account = "use another account", [];
    allow = "Allow", [];
    deny = "Deny", [];
    nothing_ticked = "Nothing is ticked. Tick what you allow, or deny.", [];

    account = "Connected applications", [];
    account_who = "You are signed in as {person}.", ["person"];
    account_intro = "These applications may act for you, without asking again, until you end it here.", [];
    account_empty = "No application may act for you.", [];
    account_empty_page = "There is nothing more on this page.", [];
    account_at_site = "Has access at the site {host}.", ["host"];
    account_at_computer = "Has access as a program on a computer of yours.", [];
    account_at_installed = "Has access as an installed application that answers to {scheme}.", ["scheme"];
    may = "It may", [];
    approved = "Approved", [];
    last_used = "Last used", [];
    never_used = "not yet", [];
    end_one = "End this one", [];
    end_all = "End all access of this application", [];
    more = "Show more", [];
    first_page = "Back to the beginning", [];

    sign_out = "Sign out", [];
    sign_out_heading = "Sign out?", [];
    sign_out_who = "You are signed in as {person} in this browser. Applications keep the access you gave them.", ["person"];
    back = "Back", [];
    signed_out = "You are signed out", [];
    signed_out_here = "Nobody is signed in in this browser.", [];
    sign_in_again = "Sign in again", [];
    everywhere = "Sign out everywhere", [];
    everywhere_heading = "Sign out everywhere?", [];
    everywhere_who = "You are signed in as {person}.", ["person"];
    everywhere_warning = "This signs you out in every browser, and ends the access of every application at once. Each has to be connected again, and asks you again.", [];
    everywhere_button = "Sign out and end all access", [];
}

/// Whether a sentence holds these placeholders and nothing else in braces.
fn holds(name: &'static str, text: &str, parts: &[&str]) -> Result<(), ThemeError> {
    let refused = ThemeError::Sentence { name };
    let mut missing: Vec<&str> = parts.to_vec();
    for piece in pieces(text) {
        match piece {
            Piece::Part(part) if parts.contains(&part) => missing.retain(|held| *held != part),
            Piece::Part(_) => return Err(refused),
            Piece::Words(words) if words.contains(['{', '}']) => return Err(refused),
            Piece::Words(_) => {}
        }
    }
    if missing.is_empty() && !text.trim().is_empty() {
        Ok(())
    } else {
        Err(refused)
    }
}

enum Piece<'a> {
    Words(&'a str),
    Part(&'a str),
}

/// A sentence as words and what stands in braces between them.
fn pieces(mut text: &str) -> impl Iterator<Item = Piece<'_>> {
    std::iter::from_fn(move || {
        if text.is_empty() {
            return None;
        }
        if let Some(rest) = text.strip_prefix('{')
            && let Some((part, rest)) = rest.split_once('}')
        {
            text = rest;
            return Some(Piece::Part(part));
        }
        let from = usize::from(text.starts_with('{'));
        let end = text[from..].find('{').map_or(text.len(), |at| at + from);
        let (words, rest) = text.split_at(end);
        text = rest;
        Some(Piece::Words(words))
    })
}

/// What is filled in for a placeholder.
#[derive(Clone, Copy)]
pub(crate) enum Part<'a> {
    /// A name that somebody chose: whichever way it is written, what stands around it is not moved.
    Name(&'a str),
    /// A host or a scheme, always written from the left.
    Host(&'a str),
    /// A number.
    Number(u64),
}

/// Markup that was made here, every text in it escaped.
#[derive(Debug, Clone)]
pub(crate) struct Html(String);

impl std::fmt::Display for Html {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl HtmlSafe for Html {}

/// A sentence with its placeholders filled in.
pub(crate) fn fill(text: &str, parts: &[(&str, Part<'_>)]) -> Html {
    let mut html = String::with_capacity(text.len() + 64);
    for piece in pieces(text) {
        let part = match piece {
            Piece::Words(words) => {
                push(&mut html, words);
                continue;
            }
            Piece::Part(name) => parts.iter().find(|(held, _)| *held == name),
        };
        match part {
            Some((_, Part::Name(name))) => {
                html.push_str("<bdi>");
                push(&mut html, name);
                html.push_str("</bdi>");
            }
            Some((_, Part::Host(host))) => {
                html.push_str("<span class=\"host\" dir=\"ltr\">");
                push(&mut html, host);
                html.push_str("</span>");
            }
            Some((_, Part::Number(number))) => push(&mut html, &number.to_string()),
            None => {}
        }
    }
    Html(html)
}

fn push(html: &mut String, text: &str) {
    for character in text.chars() {
        match character {
            '&' => html.push_str("&#38;"),
            '<' => html.push_str("&#60;"),
            '>' => html.push_str("&#62;"),
            '"' => html.push_str("&#34;"),
            '\'' => html.push_str("&#39;"),
            other => html.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn english_holds_its_own_placeholders() {
        Texts::default().check().unwrap();
    }

    /// A translation that leaves out where access goes, or misspells it, is refused at the start.
    #[test]
    fn a_sentence_without_its_placeholders_is_refused() {
        for (text, fits) in [
            ("{host} bekommt Zugriff.", true),
            ("Zugriff bekommt {host}: {host}!", true),
            ("Zugriff wird gegeben.", false),
            ("{hots} bekommt Zugriff.", false),
            ("{host} bekommt {client}.", false),
            ("{host} bekommt } Zugriff.", false),
            ("{host} bekommt { Zugriff.", false),
            ("", false),
        ] {
            let texts = Texts {
                to_site: text.into(),
                ..Texts::default()
            };
            assert_eq!(texts.check().is_ok(), fits, "{text}");
        }
        let texts = Texts {
            lang: "de\" onload=\"x".into(),
            ..Texts::default()
        };
        assert!(texts.check().is_err());
    }

    /// AS-DCR-17: whatever a sentence or what is filled in says, it is text; a name cannot bring
    /// a placeholder of its own.
    #[test]
    fn what_is_filled_in_is_text_wherever_it_stands() {
        let html = fill(
            "An {host} geht <b>Zugriff</b> von {client}.",
            &[
                ("client", Part::Name("</bdi><script> {host} & '")),
                ("host", Part::Host("a.example\"")),
            ],
        );
        assert_eq!(
            html.to_string(),
            "An <span class=\"host\" dir=\"ltr\">a.example&#34;</span> geht &#60;b&#62;Zugriff&#60;/b&#62; \
             von <bdi>&#60;/bdi&#62;&#60;script&#62; {host} &#38; &#39;</bdi>."
        );
    }
}
